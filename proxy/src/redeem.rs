//! A credential becomes a pass.
//!
//! A token's signature is verified once; after that the token is known by the SHA-256 of all of it
//! until it expires or another manifest comes. What can be taken away is looked up every time:
//! the token's id, its grant, its pseudonyms, its scope. No question is ever asked of the identity
//! plane, so there is none to observe.
//!
//! Refusals say no more than the caller knows: a forged, an expired and an unknown token look
//! alike.

use std::sync::Arc;

use bauta_token::{
    ambient::Clock,
    jws::{Expected, JwsError, LEEWAY_SECONDS, verify_access},
    pseudonym::Pseudonym,
    scope::{Gate, Name, Privacy, Terms},
    units::UnixMillis,
};
use http::StatusCode;
use thiserror::Error;

use self::{access::Known, revoked::Strain};
pub use self::{
    access::Token,
    revoked::{Cut, Watch},
};
use crate::{
    admit::Presented,
    follow::{Asks, Taken, View, Views},
    route::Bearer,
};

mod access;
mod revoked;

/// Proof that a token was checked for one request. Only [`Redeemer::redeem`] makes one, and it
/// cannot be copied. Has no field for a person.
pub struct Pass {
    token: Arc<Token>,
    terms: Arc<Terms>,
    view: Arc<View>,
    at: UnixMillis,
}

impl Pass {
    /// Whose token: the grant's random pseudonym.
    #[must_use]
    pub fn grant(&self) -> &Pseudonym {
        &self.token.claims().sub
    }

    /// The terms of the scope it was issued for, as the manifest in force has them.
    #[must_use]
    pub const fn terms(&self) -> &Arc<Terms> {
        &self.terms
    }

    /// Whom `provider` sees.
    #[must_use]
    pub fn pseudonym(&self, provider: &Name) -> Option<&Pseudonym> {
        self.token.claims().psn.get(provider)
    }

    /// Whether it opens what `policy` gates.
    #[must_use]
    pub fn opens(&self, policy: &Name) -> Opens {
        match self.view.asks(policy, self.at) {
            Asks::For(gate) if self.token.claims().gates.contains(&gate) => Opens::By(gate),
            Asks::NothingYet => Opens::Ungated,
            _ => Opens::Not,
        }
    }

    /// When it was redeemed.
    #[must_use]
    pub const fn at(&self) -> UnixMillis {
        self.at
    }

    /// What a stream keeps, to see whether it may go on. It opens nothing.
    pub(crate) fn token(&self) -> Arc<Token> {
        Arc::clone(&self.token)
    }
}

impl Bearer for Pass {
    fn scope(&self) -> &Terms {
        &self.terms
    }

    fn satisfies(&self, policy: &Name) -> bool {
        self.opens(policy) != Opens::Not
    }

    fn is_known_to(&self, provider: &Name) -> bool {
        self.pseudonym(provider).is_some()
    }

    fn draw(&self) -> u64 {
        // A grant's id is random, so any mixing of it will do.
        let letters = self.grant().as_str().bytes();
        letters.fold(0xcbf2_9ce4_8422_2325, |mixed, letter| {
            (mixed ^ u64::from(letter)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}

/// Whether a pass opens a gate.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Opens {
    /// The member satisfies the version in force.
    By(Gate),
    /// The policy asks for nothing before a later instant.
    Ungated,
    /// The member does not satisfy it, or it is no policy in force.
    Not,
}

/// The stage that makes passes.
pub struct Redeemer {
    views: Arc<Views>,
    known: Known,
    strain: Strain,
    clock: Arc<dyn Clock>,
    max_life_seconds: i64,
}

impl Redeemer {
    /// A redeemer that knows no token yet, and believes none that lives longer than
    /// `max_life_seconds`.
    #[must_use]
    pub fn new(views: Arc<Views>, clock: Arc<dyn Clock>, max_life_seconds: i64) -> Self {
        Self {
            views,
            known: Known::default(),
            strain: Strain::default(),
            clock,
            max_life_seconds,
        }
    }

    /// Checks a credential.
    ///
    /// # Errors
    ///
    /// [`RedeemError`] when it opens nothing now.
    pub fn redeem(&self, presented: &Presented) -> Result<Pass, RedeemError> {
        let now = self.clock.now();
        if !self.views.is_fresh(now) {
            return Err(RedeemError::Stale);
        }
        let at = self.views.floored(now);
        let view = self.views.current();
        let token = self.verified(presented.expose(), &view, at)?;
        match view.taken(token.claims()) {
            None => {}
            Some(Taken::Pseudonym) => return Err(RedeemError::Suspended),
            Some(_) => return Err(RedeemError::Revoked),
        }
        let terms = view
            .terms(&token.claims().scope)
            .filter(|terms| terms.privacy == Privacy::Sealed)
            .map(Arc::clone)
            .ok_or(RedeemError::Scope)?;
        Ok(Pass {
            token,
            terms,
            view,
            at,
        })
    }

    /// Looks again whether what `pass` was made of still stands, for as long as a stream runs.
    #[must_use]
    pub fn watch(&self, token: Arc<Token>) -> Watch {
        Watch::new(token, Arc::clone(&self.views))
    }

    fn verified(
        &self,
        presented: &str,
        view: &View,
        at: UnixMillis,
    ) -> Result<Arc<Token>, RedeemError> {
        let digest = access::digest(presented);
        if let Some(token) = self.known.find(&digest, view.generation()) {
            let lives = token.claims().exp > at.seconds().saturating_sub(LEEWAY_SECONDS);
            return lives.then_some(token).ok_or(RedeemError::Expired);
        }
        // Before anything is computed over a token that nobody vouched for yet.
        if self.strain.is_high(at) {
            return Err(RedeemError::Busy);
        }
        let manifest = view.manifest().ok_or(RedeemError::Stale)?;
        let expect = Expected {
            issuer: manifest.issuer.clone(),
            audience: manifest.audience.clone(),
            max_life_seconds: self.max_life_seconds,
        };
        match verify_access(presented, &manifest.keys, &expect, at) {
            Ok(claims) => {
                let token = Arc::new(Token::new(claims, view.generation()));
                self.known.keep(digest, Arc::clone(&token), at);
                Ok(token)
            }
            Err(cause) => {
                self.strain.failed(at);
                Err(RedeemError::Token(cause))
            }
        }
    }
}

/// Why a credential opens nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RedeemError {
    /// It does not verify.
    #[error("token does not verify")]
    Token(#[source] JwsError),
    /// It did, and has expired since.
    #[error("token has expired")]
    Expired,
    /// It or its grant was taken away.
    #[error("token was revoked")]
    Revoked,
    /// One of its pseudonyms is suspended.
    #[error("pseudonym is suspended")]
    Suspended,
    /// Its scope does not exist, or is not opened by a token of this kind.
    #[error("scope is not open to this token")]
    Scope,
    /// The view of what was taken away is too old.
    #[error("view of the identity plane is stale")]
    Stale,
    /// Too many tokens that nobody knows.
    #[error("too many tokens failed to verify")]
    Busy,
}

impl RedeemError {
    /// Status, stable code and sentence for the caller. A forged and an expired token look alike.
    #[must_use]
    pub const fn public(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Token(_) | Self::Expired => (
                StatusCode::UNAUTHORIZED,
                "token_refused",
                "This token is not valid. Run `bauta token` for a new one.",
            ),
            Self::Revoked => (
                StatusCode::UNAUTHORIZED,
                "token_revoked",
                "This token was revoked.",
            ),
            Self::Suspended => (
                StatusCode::UNAUTHORIZED,
                "suspended",
                "Access is suspended. Ask your organisation's compliance officer.",
            ),
            Self::Scope => (
                StatusCode::UNAUTHORIZED,
                "scope_closed",
                "The scope of this token is not open. Run `bauta token` for a new one.",
            ),
            Self::Stale => (
                StatusCode::SERVICE_UNAVAILABLE,
                "stale",
                "The gateway does not hear the identity plane and lets nobody pass.",
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "The gateway is busy. Try again in a moment.",
            ),
        }
    }

    /// A stable word for the log and for counters; says more than the caller is told.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Token(cause) => cause.reason(),
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Suspended => "suspended",
            Self::Scope => "scope",
            Self::Stale => "stale",
            Self::Busy => "busy",
        }
    }

    /// After how many seconds it is worth trying again.
    #[must_use]
    pub const fn retry_after_s(&self) -> Option<u32> {
        match self {
            Self::Stale => Some(2),
            Self::Busy => Some(1),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
