//! What differs between wire formats: errors, heartbeats, what comes back, how usage is told.

mod anthropic;
mod events;
mod gemini;
mod openai;
mod tally;
mod walk;

use std::borrow::Cow;

use bauta_token::{scope::Period, units::UnixMillis};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Deserialize;

pub use self::tally::{Ending, Tally, Total, Usage};
use crate::admit::Route;

/// A wire format. There is no translation between two of them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Dialect {
    /// Anthropic Messages.
    Anthropic,
    /// `OpenAI` Chat Completions, Responses and Embeddings.
    OpenAi,
    /// Gemini's `generateContent`, with its streams, counts and embeddings.
    Gemini,
}

impl Dialect {
    /// Its name in configuration and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::Gemini => "gemini",
        }
    }

    /// A refusal in the words of this dialect, with the status its clients act on.
    #[must_use]
    pub fn refuse(self, told: &Told) -> Response<Bytes> {
        let (status, body) = match self {
            Self::Anthropic => anthropic::refusal(told),
            Self::OpenAi => openai::refusal(told),
            Self::Gemini => gemini::refusal(told),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(REFUSAL, HeaderValue::from_static(told.code));
        if let Some(seconds) = told.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if told.is_final() {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if let (Self::Anthropic, Some(cap)) = (self, told.cap) {
            anthropic::cap_headers(headers, cap);
        }
        response
    }

    /// The bytes that end a stream which cannot go on, in a form the caller's client raises as an
    /// error. Sent only by a gateway that cuts; what the provider sent stays as it is.
    #[must_use]
    pub fn cut(self, route: Route, tally: &Tally, told: &Told) -> Bytes {
        let event = match self {
            Self::Anthropic => anthropic::cut(told),
            Self::OpenAi => openai::cut(route, tally.next_sequence(), told),
            Self::Gemini => gemini::cut(told),
        };
        if tally.between_events() {
            return event.into();
        }
        // What was cut in the middle of a line is closed first, else our event would be part of it.
        format!("\n\n{event}").into()
    }

    /// What keeps a silent stream alive. Sent between complete events only.
    #[must_use]
    pub const fn heartbeat(self) -> &'static [u8] {
        match self {
            Self::Anthropic => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
            Self::OpenAi => b": keepalive\n\n",
            // Its SDKs take a comment for JSON and fail; a blank line ends no event and is none.
            Self::Gemini => b"\n",
        }
    }

    /// Which headers of an answer go back to the caller: an allow-list.
    ///
    /// Everything else stays: the organisation's limits and ids, cookies, what describes the
    /// connection to the provider.
    #[must_use]
    pub fn returned(self, answer: &HeaderMap) -> HeaderMap {
        let own = match self {
            Self::Anthropic => anthropic::RETURNED,
            Self::OpenAi => openai::RETURNED,
            Self::Gemini => gemini::RETURNED,
        };
        let mut kept = HeaderMap::with_capacity(8);
        for name in RETURNED.iter().chain(own) {
            let mut values = answer.get_all(*name).iter();
            // One value each: what comes twice has two meanings.
            if let (Some(value), None) = (values.next(), values.next()) {
                kept.insert(HeaderName::from_static(name), value.clone());
            }
        }
        if let Some((name, value)) = self.request_id(answer) {
            kept.insert(name, value);
        }
        kept
    }

    /// The provider's name for this request, which its support asks for. Only in the shape of one:
    /// an id that carries more than a number is not passed on.
    fn request_id(self, answer: &HeaderMap) -> Option<(HeaderName, HeaderValue)> {
        let name = match self {
            Self::Anthropic => HeaderName::from_static("request-id"),
            Self::OpenAi => HeaderName::from_static("x-request-id"),
            // It names its answers in their bodies.
            Self::Gemini => return None,
        };
        let value = answer.get(&name)?;
        let text = value.to_str().ok()?;
        let id = text.strip_prefix("req_").unwrap_or(text);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        ((1..=64).contains(&id.len()) && id.bytes().all(plain)).then(|| (name, value.clone()))
    }
}

/// What a caller is told when a request ends early.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Told {
    /// The status; a dialect may choose another one for the same code.
    pub status: StatusCode,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people. Never made from what was sent.
    pub message: Cow<'static, str>,
    /// When it is worth trying again.
    pub retry_after_s: Option<u32>,
    /// The ceiling that was reached.
    pub cap: Option<Cap>,
}

impl Told {
    /// What a stage's `public()` says.
    #[must_use]
    pub const fn new((status, code, message): (StatusCode, &'static str, &'static str)) -> Self {
        Self {
            status,
            code,
            message: Cow::Borrowed(message),
            retry_after_s: None,
            cap: None,
        }
    }

    /// The same, worth trying again after so many seconds.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The same, in other words.
    #[must_use]
    pub fn saying(mut self, message: String) -> Self {
        self.message = Cow::Owned(message);
        self
    }

    /// The same, with a link to where the caller can help it. It comes last: clients that cut a
    /// message keep a link at its end.
    #[must_use]
    pub fn with_link(mut self, link: &str) -> Self {
        self.message = Cow::Owned(format!("{} {link}", self.message));
        self
    }

    /// The same, because a ceiling was reached.
    #[must_use]
    pub const fn at(mut self, cap: Cap) -> Self {
        self.cap = Some(cap);
        self
    }

    /// Whether the same request would end the same way. A client that is not told so asks again
    /// for minutes.
    fn is_final(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
            || self.status == StatusCode::NOT_IMPLEMENTED
            || matches!(
                self.code,
                VERIFICATION_REQUIRED | BUDGET_EXHAUSTED | UPSTREAM_REFUSES | IDENTITY_IN_PROMPT
            )
    }
}

/// A ceiling on spending, reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Cap {
    /// When it is whole again.
    pub resets_at: UnixMillis,
    /// What it is counted over.
    pub per: Period,
}

impl Cap {
    /// The ceiling over `per` that is whole again at `resets_at`.
    #[must_use]
    pub const fn new(resets_at: UnixMillis, per: Period) -> Self {
        Self { resets_at, per }
    }
}

/// The code of a gate that the member does not satisfy.
pub const VERIFICATION_REQUIRED: &str = "verification_required";
/// The code of a provider that refuses until somebody acts there.
pub const UPSTREAM_REFUSES: &str = "upstream_refuses";
/// The code of an identity that a client put into a prompt and that must not leave.
pub const IDENTITY_IN_PROMPT: &str = "identity_in_prompt";
/// The code of a budget that is used up.
pub const BUDGET_EXHAUSTED: &str = "budget_exhausted";

/// Headers of an answer that every dialect passes on.
const RETURNED: &[&str] = &[
    "content-type",
    "cache-control",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
];

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const REFUSAL: HeaderName = HeaderName::from_static("bauta-refusal");
const JSON: &str = "application/json";

#[cfg(test)]
mod tests;
