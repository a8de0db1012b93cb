//! Takes identities out of a body by span: every other byte stays where it is.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bauta_token::pseudonym::Pseudonym;
use bytes::Bytes;
use ring::hmac;

use super::table::{self, MemberBecomes};
use crate::{
    admit::Route,
    config::{EndUser, Metadata},
    dialect::Dialect,
    read::{Asked, Field, Fields, Member},
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

/// What the table says of each member that is there, and the pseudonym where it is not.
fn edits(asked: &Asked, seal: &CacheSeal) -> Vec<Edit> {
    let dialect = asked.call().dialect();
    if dialect == Dialect::Gemini {
        return gemini(asked);
    }
    let mut edits = Vec::with_capacity(8);
    // First: a member that goes may stand where this one comes.
    edits.extend(missing(asked));
    for row in table::members(dialect) {
        if let Some(member) = asked.fields().get(row.field) {
            edits.extend(edit(row.becomes, member, asked, seal));
        }
    }
    edits
}

/// This dialect has no field for a pseudonym: nobody is named, and labels, which may name anybody,
/// are emptied wherever they stand.
fn gemini(asked: &Asked) -> Vec<Edit> {
    let spots = asked.fields().spots.iter();
    let known = spots.filter_map(|(spot, member)| Some((table::place(spot)?, member)));
    let edits = known.filter_map(|(row, member)| {
        let pieces = pieces(row.becomes, member, asked, None)?;
        Some(Edit::value(member, pieces))
    });
    edits.collect()
}

fn edit(becomes: MemberBecomes, member: Member, asked: &Asked, seal: &CacheSeal) -> Option<Edit> {
    match becomes {
        MemberBecomes::Nothing => Some(without(member)),
        _ => Some(Edit::value(
            member,
            pieces(becomes, member, asked, Some(seal))?,
        )),
    }
}

/// What stands in the place of a value. `None` where it stays: what is not set stays not set, or a
/// strict server would be sent more than it was asked.
fn pieces(
    becomes: MemberBecomes,
    member: Member,
    asked: &Asked,
    seal: Option<&CacheSeal>,
) -> Option<Vec<Piece>> {
    let value = member.value(asked.body());
    let came = || asked.body().slice(member.start..member.end);
    let is_set = value != b"null";
    let piece = match becomes {
        MemberBecomes::Model => Piece::Model {
            asked: asked.model().as_str().to_owned(),
            written: came(),
        },
        MemberBecomes::Resource if is_set => Piece::Resource {
            asked: asked.model().as_str().to_owned(),
            written: came(),
        },
        MemberBecomes::Pseudonym => Piece::Face,
        // All of it: `user_id` is the only key there is, and what else is in it names someone too.
        MemberBecomes::UserId => {
            return Some(vec![
                Piece::Bytes(Bytes::from_static(b"{\"user_id\":")),
                Piece::Face,
                Piece::Bytes(Bytes::from_static(b"}")),
            ]);
        }
        MemberBecomes::Empty if is_set => Piece::Bytes(Bytes::from_static(b"{}")),
        MemberBecomes::EmptyUnlessKept if is_set => Piece::Metadata(came()),
        MemberBecomes::Hash if is_set => {
            let tag = hmac::sign(&seal?.0, value);
            let mut inner = [0; 32];
            inner.copy_from_slice(tag.as_ref());
            Piece::CacheKey(inner)
        }
        _ => return None,
    };
    Some(vec![piece])
}

/// The member in which a provider looks for its user, where the client sent none.
fn missing(asked: &Asked) -> Option<Edit> {
    let (fields, route) = (asked.fields(), asked.call().route());
    let (field, place) = match (asked.call().dialect(), route) {
        // Counting knows no such member, and refuses a body that has it.
        (Dialect::Anthropic, Route::CountTokens) => return None,
        (Dialect::Anthropic, _) => (Field::Metadata, Place::UserId),
        (_, Route::Embeddings) => (Field::User, Place::User),
        _ => {
            let has_user = fields.get(Field::User).is_some();
            (
                Field::SafetyIdentifier,
                Place::SafetyIdentifier { has_user },
            )
        }
    };
    fields
        .get(field)
        .is_none()
        .then(|| new_member(fields, place))
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
