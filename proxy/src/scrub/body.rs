//! Takes identities out of a body by span: every other byte stays where it is.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bauta_token::pseudonym::Pseudonym;
use bytes::Bytes;
use ring::hmac;

use crate::{
    admit::Route,
    config::{EndUser, Metadata},
    dialect::Dialect,
    read::{Asked, Field, Fields, Member, Spot},
    route::Door,
};

/// The key under which cache keys of clients are hashed, one per gateway.
///
/// Stable, so that a client hits its cache again, and the same on every replica for the same
/// reason. No `Debug` or `Clone`.
pub struct CacheSeal(hmac::Key);

impl CacheSeal {
    /// The key of these 32 bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }
}

/// A body as slices of what came, with slots where something else goes.
///
/// The slots are filled per target, so that a failover never carries one provider's pseudonym to
/// another.
pub(super) struct Body(Vec<Piece>);

enum Piece {
    /// As it came, or a constant of ours.
    Bytes(Bytes),
    /// The name of the model, which came as this.
    Model { asked: String, written: Bytes },
    /// The name of the model as a resource, `models/{id}`, which came as this.
    Resource { asked: String, written: Bytes },
    /// The pseudonym, as a JSON string.
    Face,
    /// A new member that holds the pseudonym, and its comma.
    NewFace(Place),
    /// What stands for a cache key.
    CacheKey([u8; 32]),
    /// `metadata` in the `openai` dialect, which came as this.
    Metadata(Bytes),
}

/// Where a new member puts the pseudonym.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// `metadata.user_id`.
    UserId,
    /// `safety_identifier`; `user` where a server is too old for it, unless it is there already.
    SafetyIdentifier { has_user: bool },
    /// `user`.
    User,
}

impl Body {
    /// Cuts the body of `asked` where something has to change, `more` places included. What is in
    /// a value that goes as a whole goes with it.
    pub(super) fn cut(asked: &Asked, seal: &CacheSeal, more: Vec<Edit>) -> Self {
        let body = asked.body();
        let mut edits = edits(asked, seal);
        edits.extend(more);
        edits.sort_by_key(|edit| edit.start);
        let mut pieces = Vec::with_capacity(edits.len().saturating_mul(2).saturating_add(2));
        let mut at = 0;
        for edit in edits {
            if edit.start < at {
                continue;
            }
            if edit.start > at {
                pieces.push(Piece::Bytes(body.slice(at..edit.start)));
            }
            pieces.extend(edit.pieces);
            at = edit.end.max(at);
        }
        if body.len() > at {
            pieces.push(Piece::Bytes(body.slice(at..)));
        }
        Self(pieces)
    }

    /// The bytes for `door`, which knows the member as `face`.
    pub(super) fn fill(&self, door: &Door, face: &Pseudonym) -> Vec<Bytes> {
        let filled = self.0.iter().map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.clone(),
            Piece::Model { asked, written } if asked == door.model().as_str() => written.clone(),
            Piece::Model { .. } => quoted(door.model().as_str()),
            Piece::Resource { asked, written } if asked == door.model().as_str() => written.clone(),
            Piece::Resource { .. } => quoted(&format!("models/{}", door.model())),
            Piece::Face => quoted(face.as_str()),
            Piece::NewFace(place) => new_face(*place, door.end_user(), face),
            Piece::CacheKey(inner) => cache_key(inner, face),
            Piece::Metadata(came) => match door.metadata() {
                Metadata::Keep => came.clone(),
                Metadata::Drop => Bytes::from_static(b"{}"),
            },
        });
        filled.filter(|bytes| !bytes.is_empty()).collect()
    }
}

/// Bytes that go, and what comes in their place.
pub(super) struct Edit {
    start: usize,
    end: usize,
    pieces: Vec<Piece>,
}

impl Edit {
    /// `text` in place of bytes that stand inside a string. It needs no escape.
    pub(super) fn text(start: usize, end: usize, text: Bytes) -> Self {
        Self {
            start,
            end,
            pieces: vec![Piece::Bytes(text)],
        }
    }

    /// From where to where.
    #[cfg(test)]
    pub(super) const fn span(&self) -> (usize, usize) {
        (self.start, self.end)
    }

    /// What comes in their place.
    #[cfg(test)]
    pub(super) fn written(&self) -> String {
        let bytes = self.pieces.iter().map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.clone(),
            _ => Bytes::new(),
        });
        String::from_utf8(bytes.collect::<Vec<_>>().concat()).unwrap()
    }

    fn value(member: Member, pieces: Vec<Piece>) -> Self {
        Self {
            start: member.start,
            end: member.end,
            pieces,
        }
    }
}

fn edits(asked: &Asked, seal: &CacheSeal) -> Vec<Edit> {
    let (body, fields) = (asked.body(), asked.fields());
    let slice = |member: Member| body.slice(member.start..member.end);
    if asked.call().dialect() == Dialect::Gemini {
        return gemini(asked);
    }
    let mut edits = Vec::with_capacity(8);
    if let Some(member) = fields.get(Field::Model) {
        let model = Piece::Model {
            asked: asked.model().as_str().to_owned(),
            written: slice(member),
        };
        edits.push(Edit::value(member, vec![model]));
    }
    for field in [Field::User, Field::SafetyIdentifier] {
        if let Some(member) = fields.get(field) {
            edits.push(Edit::value(member, vec![Piece::Face]));
        }
    }
    // What identifies a client: an installation, a thread, the paths of its workspaces.
    if let Some(member) = present(fields, body, Field::ClientMetadata) {
        let empty = Piece::Bytes(Bytes::from_static(b"{}"));
        edits.push(Edit::value(member, vec![empty]));
    }
    if let Some(member) = present(fields, body, Field::PromptCacheKey) {
        let tag = hmac::sign(&seal.0, member.value(body));
        let mut inner = [0; 32];
        inner.copy_from_slice(tag.as_ref());
        edits.push(Edit::value(member, vec![Piece::CacheKey(inner)]));
    }
    match asked.call().dialect() {
        Dialect::Anthropic => anthropic(asked.call().route(), fields, &mut edits),
        _ => openai(asked, &mut edits),
    }
    edits
}

/// This dialect has no field for a pseudonym: nobody is named, and labels, which may name anybody,
/// are emptied wherever they stand.
fn gemini(asked: &Asked) -> Vec<Edit> {
    let body = asked.body();
    let spots = asked.fields().spots.iter();
    let present = spots.filter(|(_, member)| member.value(body) != b"null");
    let edits = present.filter_map(|(spot, member)| {
        let piece = match spot {
            Spot::Labels => Piece::Bytes(Bytes::from_static(b"{}")),
            Spot::Model => Piece::Resource {
                asked: asked.model().as_str().to_owned(),
                written: body.slice(member.start..member.end),
            },
            Spot::MaxOutputTokens | Spot::CandidateCount | Spot::ServiceTier => return None,
        };
        Some(Edit::value(member, vec![piece]))
    });
    edits.collect()
}

fn anthropic(route: Route, fields: &Fields, edits: &mut Vec<Edit>) {
    match fields.get(Field::Metadata) {
        // All of it: `user_id` is the only key there is, and what else is in it names someone too.
        Some(member) => edits.push(Edit::value(
            member,
            vec![
                Piece::Bytes(Bytes::from_static(b"{\"user_id\":")),
                Piece::Face,
                Piece::Bytes(Bytes::from_static(b"}")),
            ],
        )),
        // Counting knows no such member, and refuses a body that has it.
        None if route == Route::CountTokens => {}
        None => edits.push(new_member(fields, Place::UserId)),
    }
    // Tags name the group that is billed; their switch goes from the headers.
    if let Some(member) = fields.get(Field::Tags) {
        edits.push(without(member));
    }
}

fn openai(asked: &Asked, edits: &mut Vec<Edit>) {
    let (body, fields) = (asked.body(), asked.fields());
    if let Some(member) = present(fields, body, Field::Metadata) {
        let came = body.slice(member.start..member.end);
        edits.push(Edit::value(member, vec![Piece::Metadata(came)]));
    }
    let (field, place) = if asked.call().route() == Route::Embeddings {
        (Field::User, Place::User)
    } else {
        let has_user = fields.get(Field::User).is_some();
        (
            Field::SafetyIdentifier,
            Place::SafetyIdentifier { has_user },
        )
    };
    if fields.get(field).is_none() {
        edits.push(new_member(fields, place));
    }
}

/// A member whose value is more than `null`.
fn present(fields: &Fields, body: &[u8], field: Field) -> Option<Member> {
    fields
        .get(field)
        .filter(|member| member.value(body) != b"null")
}

/// A new member goes first. `model` is always there, so a comma always follows it.
fn new_member(fields: &Fields, place: Place) -> Edit {
    Edit {
        start: fields.open,
        end: fields.open,
        pieces: vec![Piece::NewFace(place)],
    }
}

/// Takes a member out with one of its commas. `model` is always there, so there is one.
fn without(member: Member) -> Edit {
    let (start, end) = if member.index == 0 {
        (member.lead, member.stop.saturating_add(1))
    } else {
        (member.lead.saturating_sub(1), member.end)
    };
    Edit {
        start,
        end,
        pieces: Vec::new(),
    }
}

fn new_face(place: Place, end_user: EndUser, face: &Pseudonym) -> Bytes {
    let name = match (place, end_user) {
        (_, EndUser::Off) | (Place::SafetyIdentifier { has_user: true }, EndUser::User) => {
            return Bytes::new();
        }
        (Place::UserId, _) => return format!("\"metadata\":{{\"user_id\":\"{face}\"}},").into(),
        (Place::User, _) | (Place::SafetyIdentifier { .. }, EndUser::User) => Field::User,
        (Place::SafetyIdentifier { .. }, EndUser::Standard) => Field::SafetyIdentifier,
    };
    format!("\"{}\":\"{face}\",", name.name()).into()
}

/// The same for the same key and the same member, and for nobody else: a key that two members
/// choose alike does not join them. 43 letters, within the 64 that providers take.
fn cache_key(inner: &[u8; 32], face: &Pseudonym) -> Bytes {
    let key = hmac::Key::new(hmac::HMAC_SHA256, inner);
    let tag = hmac::sign(&key, face.as_str().as_bytes());
    quoted(&URL_SAFE_NO_PAD.encode(tag))
}

/// A JSON string. Models and pseudonyms are made of letters that need no escape.
fn quoted(plain: &str) -> Bytes {
    format!("\"{plain}\"").into()
}
