//! Why a token is refused.

use jsonwebtoken::errors::ErrorKind;
use thiserror::Error;

use super::strict::Fault;

/// Why a token is refused: for the log. Names places and claims, never what stood there, since
/// what stood there is an attacker's text or a person's data.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum JwsError {
    /// Longer than any we take, or empty.
    #[error("a token is longer than is taken")]
    Length,
    /// Not three parts of base64url in its one form.
    #[error("a token is not three parts of base64url")]
    Parts,
    /// The header is no JSON that we take.
    #[error("a token's header is refused: {0}")]
    Header(Fault),
    /// The header asks for an extension, or has a member that ours never have.
    #[error("a token's header has a member that is not taken")]
    Extension,
    /// For another purpose.
    #[error("a token is of another type")]
    Typ,
    /// An algorithm that is not configured.
    #[error("a token's algorithm is not configured")]
    Alg,
    /// No key that fits.
    #[error("no known key fits the token")]
    UnknownKey,
    /// More than one key that fits.
    #[error("more than one key fits the token")]
    AmbiguousKey,
    /// The key is not used yet or no longer.
    #[error("the token's key is not in use at this time")]
    KeyWindow,
    /// The payload is no JSON that we take.
    #[error("a token's payload is refused: {0}")]
    Payload(Fault),
    /// Not signed by that key.
    #[error("a token's signature does not hold")]
    Signature,
    /// This claim is missing, not of its type, or says something that is not taken.
    #[error("a token's claim {0} is refused")]
    Claim(&'static str),
    /// The claims are not the ones this purpose has.
    #[error("a token's claims are not those of its purpose")]
    Shape,
    /// The key did not sign.
    #[error("a token could not be signed")]
    Unsigned,
}

impl JwsError {
    /// What the caller may know: the same for every token that is refused. Which check it was
    /// would tell a forger how far it got.
    #[must_use]
    pub const fn public(&self) -> &'static str {
        "token_refused"
    }

    /// A stable word for the log and for counters.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Parts => "parts",
            Self::Header(_) => "header",
            Self::Extension => "extension",
            Self::Typ => "typ",
            Self::Alg => "alg",
            Self::UnknownKey => "unknown_key",
            Self::AmbiguousKey => "ambiguous_key",
            Self::KeyWindow => "key_window",
            Self::Payload(_) => "payload",
            Self::Signature => "signature",
            Self::Claim(_) => "claim",
            Self::Shape => "shape",
            Self::Unsigned => "unsigned",
        }
    }

    /// What `jsonwebtoken` found.
    pub(super) fn of(kind: &ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidIssuer => Self::Claim("iss"),
            ErrorKind::InvalidAudience => Self::Claim("aud"),
            ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => Self::Alg,
            ErrorKind::MissingRequiredClaim(name) => Self::Claim(registered(name)),
            ErrorKind::Json(_) => Self::Shape,
            ErrorKind::InvalidToken | ErrorKind::Base64(_) => Self::Parts,
            _ => Self::Signature,
        }
    }
}

fn registered(name: &str) -> &'static str {
    const KNOWN: [&str; 3] = ["exp", "iss", "aud"];
    KNOWN
        .into_iter()
        .find(|known| *known == name)
        .unwrap_or("registered")
}
