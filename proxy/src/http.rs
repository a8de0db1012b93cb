//! What a request leaves behind in the process log: one line, and nothing it has no field for.
//!
//! No address, no user agent, no id of the client's, no token, no pseudonym, no body: there is no
//! field they could stand in.

use bauta_token::units::UnixMillis;
use http::StatusCode;

use crate::{admit::Route, ports::Outcome, ports::RequestId};

/// The line of one request.
#[derive(Clone, Debug)]
pub struct Line {
    request: RequestId,
    route: Route,
    began: UnixMillis,
    model: String,
    size_bytes: u64,
}

impl Line {
    /// The line of a request to `route` that came at `began`.
    #[must_use]
    pub const fn new(request: RequestId, route: Route, began: UnixMillis) -> Self {
        Self {
            request,
            route,
            began,
            model: String::new(),
            size_bytes: 0,
        }
    }

    /// The model, as configuration names it.
    pub fn model(&mut self, name: &str) {
        name.clone_into(&mut self.model);
    }

    /// So many more bytes went to the caller.
    pub fn bytes(&mut self, more: usize) {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        self.size_bytes = self.size_bytes.saturating_add(more);
    }

    /// Writes it.
    pub fn end(self, outcome: Outcome, status: Option<StatusCode>, now: UnixMillis) {
        self.write(outcome.as_str(), "", status, now);
    }

    /// Writes it for a request that was refused.
    pub fn refused(self, reason: &'static str, status: StatusCode, now: UnixMillis) {
        self.write(Outcome::Refused.as_str(), reason, Some(status), now);
    }

    fn write(
        self,
        outcome: &'static str,
        reason: &'static str,
        status: Option<StatusCode>,
        now: UnixMillis,
    ) {
        tracing::info!(
            request = %self.request,
            route = self.route.name(),
            model = self.model,
            outcome,
            reason,
            status = status.map(|status| status.as_u16()),
            took_ms = now.0.saturating_sub(self.began.0),
            size_bytes = self.size_bytes,
            "request"
        );
    }
}
