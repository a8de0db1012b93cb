//! Refusals of the real `OpenAI` that mean something to whoever is refused.

use crate::answer::Answer;
use crate::fault::Fault;
use http::StatusCode;
use serde_json::{Value, json};

/// A known refusal, in the provider's own words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// 400: the organisation must be verified to stream this model.
    UnverifiedToStream,
    /// 400: the organisation must be verified to see reasoning summaries.
    UnverifiedForSummaries,
    /// 404: the organisation must be verified to use the model at all.
    UnverifiedForModel,
    /// 403: the sender's address is in an unsupported place.
    UnsupportedCountry,
    /// 403: not entitled to the access programme that the request names.
    ProgramNotEntitled,
    /// 401: the key is no longer valid.
    KeyRevoked,
    /// 429: nothing left to spend.
    InsufficientQuota,
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
        let (status, error) = self.parts();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let answer = Answer::json(status, &json!({"error": error}));
        match self {
            Self::RateLimited(after) => answer.with("retry-after", &after.to_string()),
            _ => answer,
        }
    }

    fn parts(self) -> (u16, Value) {
        let invalid = "invalid_request_error";
        match self {
            Self::UnverifiedToStream => (
                400,
                error(STREAM, invalid, Some("stream"), Some("unsupported_value")),
            ),
            Self::UnverifiedForSummaries => (
                400,
                error(
                    SUMMARIES,
                    invalid,
                    Some("reasoning.summary"),
                    Some("unsupported_value"),
                ),
            ),
            Self::UnverifiedForModel => (404, error(MODEL, invalid, None, Some("model_not_found"))),
            Self::UnsupportedCountry => (
                403,
                error(
                    "Country, region, or territory not supported",
                    "request_forbidden",
                    None,
                    Some("unsupported_country_region_territory"),
                ),
            ),
            Self::ProgramNotEntitled => (
                403,
                error(
                    "Your organization is not entitled to the requested access program.",
                    invalid,
                    Some("access_programs.cyber"),
                    None,
                ),
            ),
            Self::KeyRevoked => (
                401,
                error(
                    "Incorrect API key provided.",
                    invalid,
                    None,
                    Some("invalid_api_key"),
                ),
            ),
            Self::InsufficientQuota => (
                429,
                error(
                    "You exceeded your current quota, please check your plan and billing details.",
                    "insufficient_quota",
                    None,
                    Some("insufficient_quota"),
                ),
            ),
            Self::RateLimited(_) => (
                429,
                error(
                    "Rate limit reached for requests.",
                    "requests",
                    None,
                    Some("rate_limit_exceeded"),
                ),
            ),
            Self::Internal => (
                500,
                error(
                    "The server had an error while processing your request.",
                    "server_error",
                    None,
                    None,
                ),
            ),
            Self::Overloaded => (
                503,
                error(
                    "The engine is currently overloaded, please try again later.",
                    "server_error",
                    None,
                    None,
                ),
            ),
        }
    }
}

fn error(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Value {
    json!({"message": message, "type": kind, "param": param, "code": code})
}

const STREAM: &str = "Your organization must be verified to stream this model. \
                      If you just verified, it can take up to 15 minutes for access to propagate.";
const SUMMARIES: &str = "Your organization must be verified to generate reasoning summaries. \
                         If you just verified, it can take up to 15 minutes for access to propagate.";
const MODEL: &str = "Your organization must be verified to use the model. \
                     If you just verified, it can take up to 15 minutes for access to propagate.";
