//! Refusals of the real Gemini API that mean something to whoever is refused.

use crate::answer::Answer;
use crate::fault::Fault;
use http::StatusCode;
use serde_json::json;

/// A known refusal, in the provider's own words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// 400: the sender's address is in an unsupported place.
    UnsupportedLocation,
    /// 401: the credential is no longer valid.
    KeyRevoked,
    /// 429 with `retry-after` in seconds.
    RateLimited(u32),
    /// 500.
    Internal,
    /// 503: the provider is full.
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
        let (code, status, message) = match self {
            Self::UnsupportedLocation => (
                400,
                "FAILED_PRECONDITION",
                "User location is not supported for the API use.",
            ),
            Self::KeyRevoked => (
                401,
                "UNAUTHENTICATED",
                "Request had invalid authentication credentials.",
            ),
            Self::RateLimited(_) => (
                429,
                "RESOURCE_EXHAUSTED",
                "You exceeded your current quota, please check your plan and billing details.",
            ),
            Self::Internal => (500, "INTERNAL", "An internal error has occurred."),
            Self::Overloaded => (
                503,
                "UNAVAILABLE",
                "The model is overloaded. Please try again later.",
            ),
        };
        let answer = document(code, status, message);
        match self {
            Self::RateLimited(after) => answer.with("retry-after", &after.to_string()),
            _ => answer,
        }
    }
}

pub(super) fn document(code: u16, status: &str, message: &str) -> Answer {
    let error = json!({"code": code, "message": message, "status": status});
    let http = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Answer::json(http, &json!({ "error": error }))
}
