//! What leaves: an allow-list of headers, and a body in which pseudonyms stand for people.

mod body;
mod clients;
mod guard;
pub(crate) mod headers;
mod table;

use bauta_token::{pseudonym::Pseudonym, scope::Name};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use thiserror::Error;

use self::body::{Body, Edit};
pub use self::{
    body::CacheSeal,
    guard::{Found, Guard},
    table::page::page,
};
use crate::{
    admit::Call,
    read::Asked,
    redeem::Pass,
    route::{Door, Plan},
};

/// Takes out what identifies. The only maker of a [`Scrubbed`]; takes the pass, so that it cannot
/// be used again.
///
/// # Errors
///
/// [`ScrubError`] when the pass has no pseudonym for a target, without which nothing leaves, and
/// when `guard` finds what must not be sent.
pub fn scrub(
    pass: Pass,
    asked: Asked,
    plan: Plan,
    seal: &CacheSeal,
    guard: &Guard,
) -> Result<Scrubbed, ScrubError> {
    let faces = plan
        .targets()
        .iter()
        .map(|door| {
            let face = pass.pseudonym(door.provider());
            face.cloned()
                .ok_or_else(|| ScrubError::NoPseudonym(door.provider().clone()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let (edits, found) = guard.look(asked.body())?;
    Ok(Scrubbed {
        pass,
        letter: Draft::of(asked, faces, seal, edits),
        plan,
        found,
    })
}

/// A request from which what identifies a person was taken, with the pass it travels under.
pub struct Scrubbed {
    pass: Pass,
    plan: Plan,
    letter: Draft,
    found: Found,
}

impl Scrubbed {
    /// What the request may be used for.
    #[must_use]
    pub const fn pass(&self) -> &Pass {
        &self.pass
    }

    /// Who is asked, in order.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What the client had put into the prompt about its member.
    #[must_use]
    pub const fn found(&self) -> &Found {
        &self.found
    }

    /// What was called.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.letter.call
    }

    /// Whether the answer is to be a stream.
    #[must_use]
    pub const fn stream(&self) -> bool {
        self.letter.stream
    }

    /// How many bytes the body was when it came.
    #[must_use]
    pub const fn size_bytes(&self) -> usize {
        self.letter.size_bytes
    }

    /// What goes to the target at this place of the plan: its model, and its pseudonym of the
    /// member. The credential is not in it.
    #[must_use]
    pub fn letter(&self, target: usize) -> Option<Letter> {
        let door = self.plan.targets().get(target)?;
        self.letter.seal(target, door)
    }
}

/// What one upstream gets. It holds a prompt, so nothing prints it.
#[non_exhaustive]
pub struct Letter {
    /// All headers but the credential.
    pub headers: HeaderMap,
    /// The body, in order.
    pub body: Vec<Bytes>,
}

impl Letter {
    /// The same once more, for another try at the same upstream. The bytes are shared.
    pub(crate) fn copied(&self) -> Self {
        Self {
            headers: self.headers.clone(),
            body: self.body.clone(),
        }
    }

    /// How many bytes the body has.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.body
            .iter()
            .fold(0, |sum, piece| sum.saturating_add(piece.len()))
    }
}

/// A letter with its slots open.
struct Draft {
    call: Call,
    stream: bool,
    size_bytes: usize,
    body: Body,
    /// One pseudonym per target.
    faces: Vec<Pseudonym>,
}

impl Draft {
    fn of(asked: Asked, faces: Vec<Pseudonym>, seal: &CacheSeal, edits: Vec<Edit>) -> Self {
        Self {
            body: Body::cut(&asked, seal, edits),
            stream: asked.stream(),
            size_bytes: asked.size_bytes(),
            call: asked.into_call(),
            faces,
        }
    }

    fn seal(&self, target: usize, door: &Door) -> Option<Letter> {
        let face = self.faces.get(target)?;
        Some(Letter {
            headers: headers::complete(self.call.kept(), self.stream),
            body: self.body.fill(door, face),
        })
    }
}

/// Why a request cannot leave.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ScrubError {
    /// The token names no pseudonym for a provider.
    #[error("token has no pseudonym for a provider of the plan")]
    NoPseudonym(Name),
    /// The client put something about its member into the prompt, and policy does not let it leave.
    #[error("client put an identity into the prompt: {0}")]
    Identity(&'static str),
}

impl ScrubError {
    /// Status, stable code and sentence for the caller.
    #[must_use]
    pub const fn public(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NoPseudonym(_) => crate::route::RouteError::NoPseudonym.public(),
            Self::Identity(_) => (
                StatusCode::BAD_REQUEST,
                crate::dialect::IDENTITY_IN_PROMPT,
                "Your client put your name, address or home folder into the prompt, and this \
                 gateway sends none of them on. For Claude Code set \
                 CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS=1, and work in a folder outside your home.",
            ),
        }
    }
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
