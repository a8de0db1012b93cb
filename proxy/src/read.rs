//! The strict body: one pass, no tree.
//!
//! Two parsers that disagree about a body are a way past the scrubbing, so a body has one meaning
//! or it is refused: valid UTF-8 JSON (RFC 8259), no key twice in an object however it is spelled,
//! no other-case twin of a key that decides something, bounded depth and numbers. What passes is
//! kept as bytes with the places of the few members that are read or replaced; nothing else is
//! ever looked at, and nothing is written anew.

mod cursor;
mod fields;
mod gemini;
mod room;
mod scan;
mod tier;

use bauta_token::scope::{ModelName, Name};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::Body;
use http_body_util::BodyExt;
use thiserror::Error;

pub use self::room::{Room, Share};
use self::{cursor::string_value, fields::Fault, scan::scan};
pub(crate) use self::{
    fields::{Field, Fields, Member},
    gemini::Spot,
};
use crate::{
    admit::{Call, Route},
    dialect::Dialect,
};

/// Reads a whole body, at most `limit` bytes, and gives what it takes of `room` with it.
///
/// # Errors
///
/// [`ReadError::TooLarge`] past the limit, [`ReadError::Busy`] when the room is full,
/// [`ReadError::Body`] when it does not arrive.
pub async fn gather<B>(body: B, limit: usize, room: &Room) -> Result<(Bytes, Share), ReadError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut share = room.share();
    let whole = collect(body, limit, |bytes| share.grow(bytes)).await?;
    Ok((whole, share))
}

/// Reads a whole body that is small by its limit.
///
/// # Errors
///
/// As [`gather`], but for the room.
pub async fn gather_small<B>(body: B, limit: usize) -> Result<Bytes, ReadError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    collect(body, limit, |_| Ok(())).await
}

async fn collect<B>(
    body: B,
    limit: usize,
    mut grow: impl FnMut(usize) -> Result<(), ReadError>,
) -> Result<Bytes, ReadError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut body = std::pin::pin!(body);
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|cause| ReadError::Body(cause.into()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let total = first.len().saturating_add(whole.len());
        if data.len() > limit.saturating_sub(total) {
            return Err(ReadError::TooLarge);
        }
        grow(data.len())?;
        if first.is_empty() && whole.is_empty() {
            // Most bodies come in one piece and are never copied.
            first = data;
            continue;
        }
        if whole.is_empty() {
            // Room for all of it at once, as far as an announcement is to be believed: growing step
            // by step copies everything again.
            let rest = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
            let here = total.saturating_add(data.len());
            whole.reserve(here.saturating_add(rest.min(ROOM)));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() {
        first
    } else {
        whole.freeze()
    })
}

/// The most room that is made for bytes that are only announced.
const ROOM: usize = 1024 * 1024;

/// Reads what `body` asks for.
///
/// # Errors
///
/// [`ReadError`] when the body has no meaning, or more than one.
pub fn read(call: Call, body: Bytes) -> Result<Asked, ReadError> {
    let fields = scan(&body, call.dialect())?;
    if call.dialect() == Dialect::Gemini {
        return read_gemini(call, fields, body);
    }
    let value = |field| fields.get(field).map(|member| member.value(&body));
    let model = value(Field::Model)
        .ok_or(ReadError::NoModel)
        .and_then(model)?;
    let stream = value(Field::Stream).map_or(Ok(false), switch)?;
    if value(Field::Background).is_some_and(|text| text != b"false" && text != b"null") {
        return Err(ReadError::Background);
    }
    let number = |field: Field| value(field).map_or(Ok(None), |text| count(field.name(), text));
    let (tokens, completion, output) = (
        number(Field::MaxTokens)?,
        number(Field::MaxCompletionTokens)?,
        number(Field::MaxOutputTokens)?,
    );
    // A limit that the route does not know bounds nothing, and nor does none at all. Chat names
    // its limit under an old and a new name: the larger one bounds it.
    let max_output_tokens = match call.route() {
        Route::Messages | Route::CountTokens => tokens,
        Route::Chat => tokens.max(completion),
        Route::Responses => output,
        _ => None,
    }
    .filter(|limit| *limit > 0);
    let answers = number(Field::N)?;
    let tier = tier::tier(&fields, &body)?;
    Ok(Asked {
        model,
        tier,
        stream,
        max_output_tokens,
        answers: answers.unwrap_or(1).max(1),
        call,
        fields,
        body,
    })
}

/// The model stands in the path; what the body says of it must be the same. Whether the answer
/// is a stream is the route's to say.
fn read_gemini(call: Call, fields: Fields, body: Bytes) -> Result<Asked, ReadError> {
    let model = call.named().cloned().ok_or(ReadError::NoModel)?;
    for (spot, member) in fields.spots.iter() {
        let written = member.value(&body);
        if spot == Spot::Model && written != b"null" && !names(written, &model) {
            return Err(ReadError::OtherModel);
        }
    }
    let number = |spot: Spot| {
        let member = fields.spots.get(spot);
        member.map_or(Ok(None), |member| count(spot.name(), member.value(&body)))
    };
    let (tokens, answers) = (
        number(Spot::MaxOutputTokens)?,
        number(Spot::CandidateCount)?,
    );
    let tier = tier::tier(&fields, &body)?;
    Ok(Asked {
        model,
        tier,
        stream: call.route() == Route::StreamGenerateContent,
        max_output_tokens: tokens.filter(|limit| *limit > 0),
        answers: answers.unwrap_or(1).max(1),
        call,
        fields,
        body,
    })
}

/// Whether `written` is `model`, with or without the collection it is in.
fn names(written: &[u8], model: &ModelName) -> bool {
    let Some(text) = string_value(written) else {
        return false;
    };
    let bare = text.strip_prefix(b"models/").unwrap_or(&text);
    bare == model.as_str().as_bytes()
}

/// A body that was read, with the call it belongs to.
pub struct Asked {
    call: Call,
    body: Bytes,
    model: ModelName,
    stream: bool,
    max_output_tokens: Option<u32>,
    answers: u32,
    tier: Option<Name>,
    fields: Fields,
}

impl Asked {
    /// The call it belongs to.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// The model asked for, as the caller writes it.
    #[must_use]
    pub const fn model(&self) -> &ModelName {
        &self.model
    }

    /// Whether the answer is to be a stream.
    #[must_use]
    pub const fn stream(&self) -> bool {
        self.stream
    }

    /// The most tokens the caller wants written in one answer.
    #[must_use]
    pub const fn max_output_tokens(&self) -> Option<u32> {
        self.max_output_tokens
    }

    /// How many answers the caller wants; one or more.
    #[must_use]
    pub const fn answers(&self) -> u32 {
        self.answers
    }

    /// The tier of service that is asked for by name, if it is not the one that the list price is
    /// for.
    #[must_use]
    pub const fn tier(&self) -> Option<&Name> {
        self.tier.as_ref()
    }

    /// How many bytes it is.
    #[must_use]
    pub const fn size_bytes(&self) -> usize {
        self.body.len()
    }

    /// Whether all that the model reads is in the body as text. Otherwise it points at something
    /// whose size the body does not show: an image, a file, an earlier answer, a tool of the
    /// provider.
    #[must_use]
    pub const fn is_self_contained(&self) -> bool {
        self.fields.is_self_contained()
    }

    /// What is left when the body is cut: the call.
    pub(crate) fn into_call(self) -> Call {
        self.call
    }

    /// The bytes, for the one stage that takes identities out of them.
    pub(crate) const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Where the members are that are read or replaced.
    pub(crate) const fn fields(&self) -> &Fields {
        &self.fields
    }
}

fn model(text: &[u8]) -> Result<ModelName, ReadError> {
    let text = string_value(text).ok_or(ReadError::Type(Field::Model.name()))?;
    std::str::from_utf8(&text)
        .ok()
        .and_then(ModelName::parse)
        .ok_or(ReadError::Type(Field::Model.name()))
}

fn switch(text: &[u8]) -> Result<bool, ReadError> {
    match text {
        b"true" => Ok(true),
        b"false" => Ok(false),
        _ => Err(ReadError::Type(Field::Stream.name())),
    }
}

/// A number that decides: digits without sign, fraction, exponent or leading zero, at most
/// 2^32 - 1. `null` is what some SDKs write for "not set".
fn count(name: &'static str, text: &[u8]) -> Result<Option<u32>, ReadError> {
    if text == b"null" {
        return Ok(None);
    }
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text)
        .ok()
        .filter(|_| digits)
        .and_then(|text| text.parse().ok())
        .map(Some)
        .ok_or(ReadError::Type(name))
}

/// Why a body is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// More bytes than the limit.
    #[error("body is too large")]
    TooLarge,
    /// More bodies at once than there is room for.
    #[error("too many bodies at once")]
    Busy,
    /// It did not arrive whole.
    #[error("body did not arrive")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Not JSON, or bytes after it.
    #[error("body is not valid JSON")]
    Syntax,
    /// JSON, but not an object.
    #[error("body is not a JSON object")]
    NotAnObject,
    /// Nested past [`MAX_DEPTH`].
    #[error("body is nested too deep")]
    Depth,
    /// A key twice in one object.
    #[error("body has a key twice")]
    Duplicate,
    /// More keys open at once than [`MAX_KEYS`].
    #[error("body has too many keys")]
    Keys,
    /// A key that another parser would take for this one.
    #[error("body has another spelling of a key")]
    Twin(&'static str),
    /// A key that decides something, in a spelling that not every parser takes for it.
    #[error("body has a key in an unknown spelling")]
    Spelling,
    /// A model beside the one in the path.
    #[error("body names another model than the path")]
    OtherModel,
    /// An answer that is worked out after the request is over, where nobody counts it.
    #[error("an answer in the background")]
    Background,
    /// Two tiers of service at once: no price is for both.
    #[error("two tiers of service at once")]
    Tiers,
    /// A number that parsers read differently, or not at all.
    #[error("body has a number out of range")]
    Number,
    /// No `model`.
    #[error("body names no model")]
    NoModel,
    /// A member of the wrong type.
    #[error("body has a member of the wrong type")]
    Type(&'static str),
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Syntax => Self::Syntax,
            Fault::NotAnObject => Self::NotAnObject,
            Fault::Depth => Self::Depth,
            Fault::Duplicate => Self::Duplicate,
            Fault::Keys => Self::Keys,
            Fault::Twin(field) => Self::Twin(field.name()),
            Fault::Spelling => Self::Spelling,
            Fault::Number => Self::Number,
        }
    }
}

impl ReadError {
    /// After how many seconds it is worth trying again.
    #[must_use]
    pub const fn retry_after_s(&self) -> Option<u32> {
        if matches!(self, Self::Busy) {
            Some(1)
        } else {
            None
        }
    }

    /// Status, stable code and sentence for the caller.
    #[must_use]
    pub fn public(&self) -> (StatusCode, &'static str, &'static str) {
        let sentence = match self {
            Self::TooLarge => {
                return (
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "request_too_large",
                    "The body of this request is too large.",
                );
            }
            Self::Busy => {
                return (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "busy",
                    "The gateway is busy. Try again in a moment.",
                );
            }
            Self::Body(_) => "The body of this request did not arrive whole.",
            Self::Syntax => "The body is not valid JSON.",
            Self::NotAnObject => "The body is not a JSON object.",
            Self::Depth => "The body is nested too deep.",
            Self::Duplicate => "The body has a key twice in one object.",
            Self::Keys => "The body has too many keys.",
            Self::Twin(_) | Self::Spelling => {
                "The body has a key in two spellings, or in an unknown one."
            }
            Self::Number => "The body has a number that is out of range.",
            Self::NoModel => "The body names no model.",
            Self::Background => {
                "An answer in the background is neither counted nor fetched here. Ask without \
                 `background`."
            }
            Self::Tiers => {
                "`service_tier`, `speed` and `inference_geo` each have a price of their own, and there \
                 is none for two of them. Name one."
            }
            Self::OtherModel => "The body names another model than the path. Name it once.",
            Self::Type("model") => "`model` must be the name of a model.",
            Self::Type("stream") => "`stream` must be true or false.",
            Self::Type("service_tier" | "serviceTier" | "speed" | "inference_geo") => {
                "A tier of service must be the name of one."
            }
            Self::Type(_) => "A limit in the body must be a whole number.",
        };
        (StatusCode::BAD_REQUEST, "invalid_request", sentence)
    }
}

/// How deep a body may nest. `serde_json` reads one level less than this and stops.
pub const MAX_DEPTH: usize = 128;

/// How many keys may be open at once: those of an object, of the object around it, and so on.
pub const MAX_KEYS: usize = 100_000;

#[cfg(test)]
pub(crate) mod tests;
