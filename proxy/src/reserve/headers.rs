//! The caller's own limits, in the headers of the caller's dialect.
//!
//! The provider's limits are the organisation's and stay here; clients read these instead.

use bauta_token::units::UnixMillis;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Hold;
use crate::{dialect::Dialect, ports::Standing};

/// Adds what is left of the limits that `hold` counts against.
pub fn insert(
    headers: &mut HeaderMap,
    dialect: Dialect,
    hold: &Hold,
    standing: Option<Standing>,
    now: UnixMillis,
) {
    let [limit, remaining, reset] = match dialect {
        Dialect::Anthropic => ANTHROPIC,
        Dialect::OpenAi => OPENAI,
        // It has no such headers, and its clients read none.
        Dialect::Gemini => return,
    };
    if let Some((rate, left, resets_at)) = hold.turn().standing() {
        headers.insert(limit, HeaderValue::from(rate.requests));
        headers.insert(remaining, HeaderValue::from(left));
        let at = match dialect {
            Dialect::Anthropic => UnixMillis::from_seconds(resets_at.seconds())
                .to_string()
                .replace(".000Z", "Z"),
            _ => format!("{}s", seconds_until(resets_at, now)),
        };
        if let Ok(value) = HeaderValue::try_from(at) {
            headers.insert(reset, value);
        }
    }
    if dialect == Dialect::Anthropic {
        insert_spending(headers, hold, standing);
    }
}

/// What Claude Code reads of a ceiling on spending: a warning from three quarters on.
fn insert_spending(headers: &mut HeaderMap, hold: &Hold, standing: Option<Standing>) {
    let (Some((budget, cap)), Some(standing)) = (hold.cap(), standing) else {
        return;
    };
    let hundredths = i128::from(standing.spent.get())
        .saturating_mul(100)
        .checked_div(budget.amount.get().into())
        .unwrap_or(99)
        .clamp(0, 99);
    let status = HeaderValue::from_static(if hundredths >= 75 {
        "allowed_warning"
    } else {
        "allowed"
    });
    let reset = HeaderValue::from(cap.resets_at.seconds());
    headers.insert(STATUS, status.clone());
    headers.insert(OVERAGE_STATUS, status);
    headers.insert(CLAIM, HeaderValue::from_static("overage"));
    headers.insert(RESET, reset.clone());
    headers.insert(OVERAGE_RESET, reset);
    if let Ok(value) = HeaderValue::try_from(format!("0.{hundredths:02}")) {
        headers.insert(UTILIZATION, value);
    }
    let threshold = match hundredths {
        95.. => "0.95",
        75.. => "0.75",
        _ => return,
    };
    headers.insert(THRESHOLD, HeaderValue::from_static(threshold));
}

fn seconds_until(at: UnixMillis, now: UnixMillis) -> i64 {
    let wait = at.0.saturating_sub(now.0).max(0);
    wait.saturating_add(999).div_euclid(1000)
}

const ANTHROPIC: [HeaderName; 3] = [
    HeaderName::from_static("anthropic-ratelimit-requests-limit"),
    HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
    HeaderName::from_static("anthropic-ratelimit-requests-reset"),
];
const OPENAI: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const STATUS: HeaderName = HeaderName::from_static("anthropic-ratelimit-unified-status");
const CLAIM: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-representative-claim");
const RESET: HeaderName = HeaderName::from_static("anthropic-ratelimit-unified-reset");
const OVERAGE_STATUS: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-status");
const OVERAGE_RESET: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-reset");
const UTILIZATION: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-utilization");
const THRESHOLD: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-surpassed-threshold");
