//! The token of now: what is kept while it lasts, another when it does not.
//!
//! Tools come back for another token when theirs is refused, and would come back for ever: a call
//! soon after the last one therefore asks the server, whatever the expiry says. Whoever was
//! suspended is told so then, by an error and not by the same dead token.

use bauta_token::{ambient::Clock, scope::Name, units::UnixMillis};
use thiserror::Error;

use crate::{
    call::{CallError, Refusal},
    grant::{Access, Grant, SignIn},
    keep::{Held, Keep, KeepError, hold},
    login::{CLIENT, issued},
    origin::Origin,
    server::Server,
};

/// What a token is wanted for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Purpose {
    /// A tool that asks again when it is refused.
    Asking,
    /// A program that gets it once and keeps it: as much of its life as there is.
    Keeping,
}

/// A token that is good now.
pub struct Current {
    /// The token.
    pub access: Access,
    /// Where it is used.
    pub gateway: Origin,
    /// What for.
    pub scope: Name,
}

/// The token of `scope`, or of the first scope: as kept, or renewed when it is near its end.
/// However many ask at once, one of them renews it.
///
/// # Errors
///
/// When this machine is not signed in, the server refuses, or none is left and the server is not
/// reached.
pub async fn current(
    keep: &dyn Keep,
    scope: Option<&Name>,
    purpose: Purpose,
    clock: &dyn Clock,
) -> Result<Current, TokenError> {
    let mut held = hold(keep).await?;
    let mut sign_in = held.read()?.ok_or(TokenError::NotSignedIn)?;
    let scope = sign_in.scope(scope).clone();
    let grant = sign_in.grants.get_mut(&scope);
    let grant = grant.ok_or_else(|| TokenError::NoScope(scope.clone()))?;
    let now = clock.now();
    if must_renew(grant, purpose, now) {
        match renew(&mut *held, &sign_in.issuer, grant, &scope, clock).await {
            Ok((next, gateway)) => {
                *grant = next;
                sign_in.gateway = gateway;
            }
            Err(TokenError::Refused(Refusal::Grant)) => {
                forget(&mut *held, sign_in, &scope)?;
                return Err(TokenError::Refused(Refusal::Grant));
            }
            // The server is away, or a network's sign-in page answers in its place: what is kept is
            // good until it ends.
            Err(TokenError::Call(_)) if grant.expires_at > now.plus_seconds(MARGIN) => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(grant) = sign_in.grants.get_mut(&scope) {
        if purpose == Purpose::Asking {
            grant.handed_at = Some(now);
        }
        held.write(&sign_in)?;
    }
    let grant = sign_in.grants.remove(&scope);
    let grant = grant.ok_or_else(|| TokenError::NoScope(scope.clone()))?;
    Ok(Current {
        access: grant.access,
        gateway: sign_in.gateway,
        scope,
    })
}

fn must_renew(grant: &Grant, purpose: Purpose, now: UnixMillis) -> bool {
    let age = now.0.saturating_sub(grant.obtained_at.0);
    let left = grant.expires_at.0.saturating_sub(now.0);
    // A clock that went back says nothing about how old it is.
    if age < 0 || left < age.saturating_add(left) / LAST_PART {
        return true;
    }
    let settled = age >= SOON;
    let back = |handed: UnixMillis| (0..SOON).contains(&now.0.saturating_sub(handed.0));
    settled && (purpose == Purpose::Keeping || grant.handed_at.is_some_and(back))
}

async fn renew(
    held: &mut dyn Held,
    issuer: &Origin,
    grant: &Grant,
    scope: &Name,
    clock: &dyn Clock,
) -> Result<(Grant, Origin), TokenError> {
    // Before the refresh token is spent: what comes back must find a place.
    held.ready()?;
    let server = Server::discover(issuer).await?;
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", CLIENT),
        ("refresh_token", grant.refresh.reveal()),
    ];
    let asked_at = clock.now();
    let answer = match server.caller.post(server.token.clone(), &form).await {
        // It may have been spent and the answer lost. For ten seconds the server gives the same
        // answer again; after that it would take us for a thief.
        Err(CallError::Unreachable(_)) => server.caller.post(server.token.clone(), &form).await,
        answered => answered,
    };
    let next = issued(&answer?, asked_at)?;
    if next.scope != *scope {
        return Err(CallError::Garbled.into());
    }
    Ok((next.grant, server.gateway))
}

fn forget(held: &mut dyn Held, mut sign_in: SignIn, scope: &Name) -> Result<(), KeepError> {
    sign_in.forget(scope);
    if sign_in.grants.is_empty() {
        return held.forget();
    }
    held.write(&sign_in)
}

/// Why there is no token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Nobody is signed in on this machine.
    #[error("nobody is signed in on this machine")]
    NotSignedIn,
    /// Not for this scope.
    #[error("this machine is not signed in for the scope {0}")]
    NoScope(Name),
    /// The server says no.
    #[error("the server refused: {0}")]
    Refused(Refusal),
    /// The server says nothing that helps.
    #[error(transparent)]
    Call(CallError),
    /// What is kept cannot be read or replaced.
    #[error(transparent)]
    Keep(#[from] KeepError),
}

impl From<CallError> for TokenError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(refusal) => Self::Refused(refusal),
            error => Self::Call(error),
        }
    }
}

/// A token is renewed in the last fifth of its life.
const LAST_PART: i64 = 5;
/// Who is back within half a minute was refused.
const SOON: i64 = 30_000;
/// What is as good as over.
const MARGIN: i64 = 5;

#[cfg(test)]
mod tests;
