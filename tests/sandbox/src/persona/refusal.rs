//! Refusals of the API, in its error format.

use crate::answer::Answer;
use crate::fault::Fault;
use http::StatusCode;
use serde_json::json;

/// A refusal for the script.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// 429: too many requests; try again after so many seconds.
    TooMany(u32),
    /// 500: replayed under the same idempotency key.
    Internal,
    /// 503.
    Unavailable,
    /// 401: the key was revoked.
    KeyRevoked,
    /// 403: the key may not do this, or the quota is used up.
    Forbidden,
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
        match self {
            Self::TooMany(after) => too_many().with("ratelimit-reset", &after.to_string()),
            Self::Internal => error(
                500,
                "Internal server error",
                "Something went wrong on our end.",
            ),
            Self::Unavailable => error(503, "Service unavailable", "Try again later."),
            Self::KeyRevoked => unauthorized(),
            Self::Forbidden => error(
                403,
                "Forbidden",
                "The API key does not have permission to do this.",
            ),
        }
    }
}

/// A 429 that says how long to wait.
pub(super) fn too_many() -> Answer {
    error(429, "Rate limit exceeded", "Too many requests.").with("ratelimit-remaining", "0")
}

pub(super) fn unauthorized() -> Answer {
    error(
        401,
        "Must be authenticated to access this endpoint",
        "The API key is missing or invalid.",
    )
}

pub(super) fn missing() -> Answer {
    error(
        404,
        "Record not found",
        "The requested resource does not exist.",
    )
}

/// A request that cannot be understood.
pub(super) fn bad(details: &str) -> Answer {
    error(400, "Bad request", details)
}

/// A request that the object's state or the value of one attribute does not allow.
pub(super) fn unprocessable(details: &str, pointer: &str) -> Answer {
    let body = json!({"errors": [{"title": "Record invalid", "details": details, "source": {"pointer": pointer}}]});
    Answer::json(StatusCode::UNPROCESSABLE_ENTITY, &body)
}

pub(super) fn error(status: u16, title: &str, details: &str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Answer::json(
        status,
        &json!({"errors": [{"title": title, "details": details}]}),
    )
}
