//! Gemini.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::Told;

/// The body of a refusal and its status. A gate is a plain 403: its clients ask once and show it.
pub(super) fn refusal(told: &Told) -> (StatusCode, Bytes) {
    (told.status, error(told).to_string().into())
}

/// The provider tells an error in the middle of a stream without `data:`. With it, every SDK
/// raises the error however the bytes are cut; without, one of them passes it over when it comes
/// together with other bytes.
pub(super) fn cut(told: &Told) -> String {
    format!("data: {}\n\n", error(told))
}

fn error(told: &Told) -> Value {
    json!({
        "error": {
            "code": told.status.as_u16(),
            "message": told.message,
            "status": status(told.status),
        },
    })
}

/// The word for a status, by which its clients tell errors apart.
fn status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        501 => "UNIMPLEMENTED",
        504 => "DEADLINE_EXCEEDED",
        502 | 503 | 529 => "UNAVAILABLE",
        500..=599 => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

/// Headers of an answer that only this dialect has.
pub(super) const RETURNED: &[&str] = &[];
