//! What the head of an answer means for who is asked next, and for its upstream.

use std::time::Duration;

use http::{HeaderMap, Response, StatusCode, header};

use super::{ForwardError, Relay};
use crate::{
    admit::{Call, Route},
    gate::{self, Explanation, Reach},
    route::{Door, health::Leave},
};

/// What becomes of an attempt.
pub(super) enum Verdict {
    /// It goes to the caller as it is.
    Relay(Response<Relay>),
    /// The upstream did nothing and says so: the next target may be asked.
    Declined {
        response: Response<Relay>,
        told: Option<&'static Explanation>,
        /// It asks for a moment's patience, which a caller has: no other model answers instead.
        soon: bool,
    },
    /// Nothing of it can be relayed; whether the next target may be asked all the same.
    Silent(ForwardError, bool),
}

/// Judges an answer and tells the upstream's breaker.
pub(super) async fn judge(
    response: Response<Relay>,
    door: &Door,
    call: &Call,
    leave: Leave<'_>,
) -> Verdict {
    let status = response.status();
    if is_encoded(response.headers()) {
        leave.failed();
        return Verdict::Silent(ForwardError::Strange, false);
    }
    if status.is_success() {
        leave.succeeded();
        return Verdict::Relay(response);
    }
    if status.is_server_error() {
        leave.failed();
        let declined = matches!(status.as_u16(), 503 | 529) || is_harmless(call.route());
        if !declined {
            return Verdict::Relay(response);
        }
        return Verdict::Declined {
            response: Relay::hear(response, gate::MOST_BYTES, PATIENCE).await,
            told: None,
            soon: false,
        };
    }
    if status == StatusCode::UNAUTHORIZED {
        // It is about our credential. Relayed, it would sign the caller out.
        tracing::warn!(upstream = %door.name(), "refuses the gateway's credential");
        leave.shut(false);
        return Verdict::Silent(ForwardError::Credential, true);
    }
    if !status.is_client_error() {
        leave.succeeded();
        return Verdict::Silent(ForwardError::Strange, false);
    }
    refused(response, door, call, leave).await
}

/// A 4xx: the caller's mistake, a limit, or a gate of the provider's own.
async fn refused(response: Response<Relay>, door: &Door, call: &Call, leave: Leave<'_>) -> Verdict {
    let response = Relay::hear(response, gate::MOST_BYTES, PATIENCE).await;
    let (dialect, status) = (call.dialect(), response.status());
    let heard = response.body().heard();
    let told = heard.and_then(|body| gate::diagnose(Some(dialect), Some(status), body));
    let reach = told.map_or(Reach::Request, |it| it.reach);
    match (told, reach) {
        (Some(told), Reach::Upstream) => {
            tracing::warn!(
                upstream = %door.name(),
                code = told.code,
                "the provider refuses: {} It takes {}: {}",
                told.cause,
                told.owner,
                told.next
            );
            leave.shut(told.bars);
        }
        (Some(told), Reach::Model) => {
            tracing::info!(upstream = %door.name(), code = told.code, "the provider refuses");
            leave.succeeded();
        }
        _ => leave.succeeded(),
    }
    let limited = status == StatusCode::TOO_MANY_REQUESTS;
    if reach == Reach::Request && !limited {
        // It is about this request, and the next target would be asked the same.
        return Verdict::Relay(response);
    }
    let soon = told.is_none() && limited && is_soon(response.headers());
    Verdict::Declined {
        response,
        told,
        soon,
    }
}

/// Whether a caller can wait as long as the upstream asks to. Clients do that by themselves.
fn is_soon(headers: &HeaderMap) -> bool {
    let value = headers.get(header::RETRY_AFTER);
    let seconds = value.and_then(|it| it.to_str().ok()?.trim().parse::<u64>().ok());
    seconds.is_some_and(|seconds| seconds <= SOON_S)
}

/// Counting and embedding change nothing and cost next to nothing.
pub(super) fn is_harmless(route: Route) -> bool {
    route.counts() || route.embeds()
}

/// Packed although nothing packed was asked for: it could neither be counted nor cut.
fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// How long the reading of a refusal may take. One that is slower is relayed as it comes.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// In seconds.
const SOON_S: u64 = 60;
