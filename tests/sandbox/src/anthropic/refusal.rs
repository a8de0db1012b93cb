//! Refusals of the real Anthropic that mean something to whoever is refused.

use crate::answer::Answer;
use crate::fault::Fault;
use http::StatusCode;
use serde_json::{Value, json};

/// A known refusal, in the provider's own words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// 400: the holder of the account must verify with the provider; the older form.
    IdentityRequired,
    /// 403: the same, with the code that Claude Code knows.
    VerificationRequired,
    /// 400: the organisation was disabled by trust and safety.
    OrganizationOnHold,
    /// 403 from the edge, without envelope or request id: unsupported region or network.
    RequestNotAllowed,
    /// 403: a consumer's session is dead.
    AccountSessionInvalid,
    /// 400: the workspace forbids it.
    WorkspacePolicyViolation,
    /// 400: a profile of the end user is asked for.
    UserProfileRequired,
    /// 429: the organisation's spending limit.
    EnforcedSpendLimitReached,
    /// 429 with `retry-after` in seconds.
    RateLimited(u32),
    /// 401: the key is no longer valid.
    KeyRevoked,
    /// 413: too large.
    TooLarge,
    /// 400: more tokens than the model can read.
    PromptTooLong,
    /// 500 with an envelope.
    Internal,
    /// 529: the provider is full.
    Overloaded,
}

impl Refusal {
    /// The refusal as a fault for the script.
    #[must_use]
    pub fn fault(self) -> Fault {
        Fault::answer(self.answer())
    }

    /// The refusal as an answer.
    #[must_use]
    pub fn answer(self) -> Answer {
        let (status, body) = self.parts();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let answer = Answer::json(status, &body);
        match self {
            Self::RateLimited(after) => answer.with("retry-after", &after.to_string()),
            _ => answer,
        }
    }

    fn parts(self) -> (u16, Value) {
        let invalid = "invalid_request_error";
        match self {
            Self::IdentityRequired => (
                400,
                plain(invalid, "Identity verification is required to continue."),
            ),
            Self::VerificationRequired => (
                403,
                coded(
                    "permission_error",
                    "verification_required",
                    "Identity verification is required to use this model.",
                ),
            ),
            Self::OrganizationOnHold => (
                400,
                coded(
                    invalid,
                    "organization_on_hold",
                    "This organization has been disabled.",
                ),
            ),
            Self::RequestNotAllowed => (
                403,
                json!({"error": {"type": "forbidden", "message": "Request not allowed"}}),
            ),
            Self::AccountSessionInvalid => (
                403,
                coded(
                    "permission_error",
                    "account_session_invalid",
                    "Account session is invalid.",
                ),
            ),
            Self::WorkspacePolicyViolation => (
                400,
                coded(
                    invalid,
                    "workspace_policy_violation",
                    "This request violates a workspace policy.",
                ),
            ),
            Self::UserProfileRequired => (
                400,
                coded(
                    invalid,
                    "user_profile_required",
                    "A user profile is required for this request.",
                ),
            ),
            Self::EnforcedSpendLimitReached => (
                429,
                coded(
                    "billing_error",
                    "enforced_spend_limit_reached",
                    "Spend limit reached.",
                ),
            ),
            Self::RateLimited(_) => (
                429,
                plain(
                    "rate_limit_error",
                    "This request would exceed your organization's rate limit.",
                ),
            ),
            Self::KeyRevoked => (401, plain("authentication_error", "invalid x-api-key")),
            Self::TooLarge => (
                413,
                plain(
                    "request_too_large",
                    "Request exceeds the maximum allowed number of bytes.",
                ),
            ),
            Self::PromptTooLong => (
                400,
                plain(
                    invalid,
                    "prompt is too long: 210000 tokens > 200000 maximum",
                ),
            ),
            Self::Internal => (500, plain("api_error", "Internal server error")),
            Self::Overloaded => (529, plain("overloaded_error", "Overloaded")),
        }
    }
}

fn plain(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": REQUEST})
}

fn coded(kind: &str, code: &str, message: &str) -> Value {
    json!({
        "type": "error",
        "error": {"type": kind, "message": message, "details": {"error_code": code}},
        "request_id": REQUEST,
    })
}

const REQUEST: &str = "req_011CSandboxRefusal";
