//! Anthropic Messages.

use bauta_token::scope::Period;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::{BUDGET_EXHAUSTED, Cap, Told, VERIFICATION_REQUIRED};

/// The body of a refusal and its status.
///
/// A gate is 403 with `verification_required`: Claude Code then asks once and prints the sentence
/// as it stands. A plain 403 it introduces with "Failed to authenticate", a 400 it tries six times.
pub(super) fn refusal(told: &Told) -> (StatusCode, Bytes) {
    if told.code == VERIFICATION_REQUIRED {
        let body = envelope(&json!({
            "type": "permission_error",
            "message": told.message,
            "details": { "error_code": VERIFICATION_REQUIRED },
        }));
        return (StatusCode::FORBIDDEN, body.to_string().into());
    }
    (told.status, plain(told).to_string().into())
}

/// A named event: SDKs drop an event without a name.
pub(super) fn cut(told: &Told) -> String {
    format!("event: error\ndata: {}\n\n", plain(told))
}

/// What Claude Code reads at a ceiling. `representative-claim` and `overage-status` are left out
/// on purpose: with them the client replaces our sentence by one of its own.
pub(super) fn cap_headers(headers: &mut HeaderMap, cap: Cap) {
    let reset = HeaderValue::from(cap.resets_at.seconds());
    let period = match cap.per {
        Period::Month => "monthly",
        _ => "daily",
    };
    let unified = [
        (STATUS, HeaderValue::from_static("rejected")),
        (RESET, reset.clone()),
        (OVERAGE_RESET, reset),
        (OVERAGE_UTILIZATION, HeaderValue::from_static("1")),
        (OVERAGE_THRESHOLD, HeaderValue::from_static("1")),
        (OVERAGE_PERIOD, HeaderValue::from_static(period)),
        (
            OVERAGE_REASON,
            HeaderValue::from_static("org_spend_cap_reached"),
        ),
    ];
    headers.extend(unified);
}

fn plain(told: &Told) -> Value {
    envelope(&json!({ "type": kind(told), "message": told.message }))
}

fn envelope(error: &Value) -> Value {
    json!({ "type": "error", "error": error })
}

fn kind(told: &Told) -> &'static str {
    match told.status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 if told.code == BUDGET_EXHAUSTED => "billing_error",
        429 => "rate_limit_error",
        501 => "not_supported",
        504 => "timeout_error",
        529 => "overloaded_error",
        500..=599 => "api_error",
        _ => "invalid_request_error",
    }
}

/// Headers of an answer that only this dialect has.
pub(super) const RETURNED: &[&str] = &[];

const STATUS: HeaderName = HeaderName::from_static("anthropic-ratelimit-unified-status");
const RESET: HeaderName = HeaderName::from_static("anthropic-ratelimit-unified-reset");
const OVERAGE_RESET: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-reset");
const OVERAGE_UTILIZATION: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-utilization");
const OVERAGE_THRESHOLD: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-surpassed-threshold");
const OVERAGE_PERIOD: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-period");
const OVERAGE_REASON: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-disabled-reason");
