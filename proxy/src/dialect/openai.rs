//! `OpenAI` Chat Completions, Responses and Embeddings.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::{BUDGET_EXHAUSTED, Told, VERIFICATION_REQUIRED};
use crate::admit::Route;

/// The body of a refusal and its status.
///
/// A gate is 400: Codex asks once and shows the sentence. A 401 or 403 it tries six times.
pub(super) fn refusal(told: &Told) -> (StatusCode, Bytes) {
    let status = if told.code == VERIFICATION_REQUIRED {
        StatusCode::BAD_REQUEST
    } else {
        told.status
    };
    (status, json!({ "error": error(told) }).to_string().into())
}

/// Chat streams have no names and end with `[DONE]`, which is not sent: a client that waits for it
/// reads the error. Responses name their events and number them.
pub(super) fn cut(route: Route, sequence: u64, told: &Told) -> String {
    if route != Route::Responses {
        return format!("data: {}\n\n", json!({ "error": error(told) }));
    }
    let event = json!({
        "type": "error",
        "code": told.code,
        "message": told.message,
        "param": null,
        "sequence_number": sequence,
    });
    format!("event: error\ndata: {event}\n\n")
}

fn error(told: &Told) -> Value {
    let (kind, code) = kind(told);
    json!({ "message": told.message, "type": kind, "param": null, "code": code })
}

/// `insufficient_quota` ends the attempts of Codex; any other 429 it repeats.
fn kind(told: &Told) -> (&'static str, &'static str) {
    match told.status.as_u16() {
        401 => ("authentication_error", told.code),
        429 if told.code == BUDGET_EXHAUSTED => ("insufficient_quota", "insufficient_quota"),
        429 => ("requests", "rate_limit_exceeded"),
        500..=599 => ("server_error", told.code),
        _ => ("invalid_request_error", told.code),
    }
}

/// Headers of an answer that only this dialect has.
pub(super) const RETURNED: &[&str] = &["openai-processing-ms", "openai-version"];
