//! Why nobody was signed in, and what is said of it to whom.

use axum::{
    http::{HeaderMap, StatusCode},
    response::Response,
};
use bauta_audit::store::StoreError;
use bauta_token::jws::JwsError;
use thiserror::Error;

use super::{chain, discovery::DiscoveryError, id_token::ClaimError};
use crate::{attest::tag::TagError, fetch::FetchError, http::Refusal};

/// Why a sign-in did not happen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoginError {
    /// There is no such attempt of this browser, it took too long, or it was used before.
    #[error("the sign-in was not begun by this browser, or too long ago")]
    State,
    /// The answer is not of the form it must have.
    #[error("the answer of the identity provider is malformed")]
    Form,
    /// The answer names another issuer, or none where one is promised.
    #[error("the answer comes from another identity provider")]
    MixUp,
    /// The identity provider says no.
    #[error("the identity provider refused the sign-in")]
    Denied,
    /// The ID token belongs to another attempt.
    #[error("the ID token belongs to another sign-in")]
    Nonce,
    /// The ID token is of another tenant.
    #[error("the ID token is of another tenant")]
    Tenant,
    /// The ID token does not hold.
    #[error("the identity provider's token is refused")]
    Token(#[from] JwsError),
    /// A claim of it cannot be used.
    #[error("the identity provider's claims are refused")]
    Claims(#[from] ClaimError),
    /// The code was not taken.
    #[error("the identity provider did not take the code")]
    Exchange(#[source] FetchError),
    /// The provider cannot be used right now.
    #[error("the identity provider cannot be used")]
    Provider(#[from] DiscoveryError),
    /// The member is suspended.
    #[error("the member is suspended")]
    Suspended,
    /// The directory took the member away.
    #[error("the directory says that the member may not go on")]
    Left,
    /// Only those whom the directory lists may sign in.
    #[error("the directory does not list whoever signs in")]
    Unlisted,
    /// As many sign-ins are under way as may be.
    #[error("too many sign-ins are under way from one network or in all")]
    TooMany,
    /// Others signed in as the same member, again and again.
    #[error("too many sign-ins of one member at once")]
    Raced,
    /// No tag could be made.
    #[error("no tag could be made")]
    Tag(#[from] TagError),
    /// Storage gave no answer.
    #[error("storage gave no answer to a sign-in")]
    Store(#[from] StoreError),
}

impl LoginError {
    /// The answer to a browser. Written to the log once, here.
    pub(super) fn answer(&self, headers: &HeaderMap) -> Response {
        let refusal = self.public();
        let (error, code) = (chain(self), refusal.code());
        if refusal.status().is_server_error() {
            tracing::error!(error, code, "a sign-in failed");
        } else {
            tracing::info!(error, code, "a sign-in was refused");
        }
        refusal.answer(headers)
    }

    /// Status, stable code and words for the person.
    #[must_use]
    pub const fn public(&self) -> Refusal {
        match self {
            Self::State | Self::Form | Self::MixUp => Refusal::new(
                StatusCode::BAD_REQUEST,
                "login_invalid",
                "This sign-in cannot be completed.",
                "It was begun elsewhere, took longer than ten minutes, or was completed before. \
                 Sign in again from the start page.",
            ),
            Self::Nonce
            | Self::Token(_)
            | Self::Claims(ClaimError::Missing(_) | ClaimError::Form(_)) => Refusal::new(
                StatusCode::UNAUTHORIZED,
                "login_refused",
                "Your organisation's sign-in gave an answer that cannot be trusted.",
                "Sign in again. If it happens again, tell whoever runs Bauta in your organisation.",
            ),
            Self::Claims(ClaimError::Overage) => Refusal::new(
                StatusCode::FORBIDDEN,
                "groups_overage",
                "You are in too many groups for your organisation's sign-in to list them.",
                "Ask whoever runs Bauta to let the identity provider send only the groups assigned to it.",
            ),
            Self::Claims(ClaimError::Groups) => Refusal::new(
                StatusCode::FORBIDDEN,
                "groups_malformed",
                "Your organisation's sign-in lists groups in a form that is not understood.",
                "Ask whoever runs Bauta to look at sso.groups_claim.",
            ),
            Self::Denied => Refusal::new(
                StatusCode::FORBIDDEN,
                "login_denied",
                "Your organisation did not sign you in.",
                "Sign in again, or ask whoever runs your organisation's sign-in.",
            ),
            Self::Tenant => Refusal::new(
                StatusCode::FORBIDDEN,
                "wrong_tenant",
                "You signed in with an account of another organisation.",
                "Sign in with your account of this organisation.",
            ),
            Self::Suspended => Refusal::new(
                StatusCode::FORBIDDEN,
                "member_suspended",
                "Your access is suspended.",
                "Ask a compliance officer of your organisation.",
            ),
            Self::Left => Refusal::new(
                StatusCode::FORBIDDEN,
                "member_left",
                "Your organisation's directory says that you do not work with this any more.",
                "If that is wrong, ask whoever runs your organisation's directory.",
            ),
            Self::Unlisted => Refusal::new(
                StatusCode::FORBIDDEN,
                "member_unlisted",
                "Your organisation's directory does not list you for Bauta.",
                "Ask whoever runs your organisation's directory to assign you to it.",
            ),
            Self::TooMany => Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_logins",
                "Too many sign-ins are under way from your network right now.",
                "Wait a minute and sign in again. Sign-ins that were begun and left lapse after ten \
                 minutes; if this goes on, tell whoever runs Bauta in your organisation.",
            )
            .after("60"),
            Self::Exchange(_) | Self::Provider(_) => Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "sso_unavailable",
                "Your organisation's sign-in does not answer right now.",
                "Try again in a minute.",
            ),
            Self::Raced | Self::Tag(_) | Self::Store(_) => Refusal::unavailable(),
        }
    }
}
