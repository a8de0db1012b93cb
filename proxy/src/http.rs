//! What a request leaves behind in the process log: one line, and nothing it has no field for. A
//! traced request leaves the same in its trace.
//!
//! No address, no user agent, no id of the client's, no token, no pseudonym, no body: there is no
//! field they could stand in.

use bauta_token::units::UnixMillis;
use http::StatusCode;

use crate::{
    admit::Route,
    dialect::{Dialect, Usage},
    ports::{Outcome, RequestId, Served},
    trace::{self, Answered, Span, Tracer},
};

/// The line of one request.
#[derive(Clone, Debug)]
pub struct Line {
    request: RequestId,
    route: Route,
    began: UnixMillis,
    asked: UnixMillis,
    answered: UnixMillis,
    model: String,
    size_bytes: u64,
}

/// An answer, as far as the line says anything of it.
pub(crate) struct Answer<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) served: &'a Served,
    pub(crate) usage: Usage,
    pub(crate) cost_micro_usd: i64,
}

impl Line {
    /// The line of a request to `route` that came at `began`.
    #[must_use]
    pub const fn new(request: RequestId, route: Route, began: UnixMillis) -> Self {
        Self {
            request,
            route,
            began,
            asked: began,
            answered: began,
            model: String::new(),
            size_bytes: 0,
        }
    }

    /// The model, as configuration names it.
    pub fn model(&mut self, name: &str) {
        name.clone_into(&mut self.model);
    }

    /// It goes to the upstreams now.
    pub(crate) const fn asked(&mut self, now: UnixMillis) {
        self.asked = now;
    }

    /// The head of an answer is here.
    pub(crate) const fn answered(&mut self, now: UnixMillis) {
        self.answered = now;
    }

    /// From the arrival to the head of the answer, in milliseconds.
    pub(crate) const fn first_byte_ms(&self) -> i64 {
        self.answered.0.saturating_sub(self.began.0)
    }

    /// From the arrival until `now`, in milliseconds.
    pub(crate) const fn took_ms(&self, now: UnixMillis) -> i64 {
        now.0.saturating_sub(self.began.0)
    }

    /// So many more bytes went to the caller.
    pub fn bytes(&mut self, more: usize) {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        self.size_bytes = self.size_bytes.saturating_add(more);
    }

    /// Writes it for a request that an upstream answered.
    pub(crate) fn end(
        self,
        outcome: Outcome,
        status: StatusCode,
        answer: &Answer<'_>,
        now: UnixMillis,
        tracer: Option<&Tracer>,
    ) {
        tracing::info!(
            request = %self.request,
            route = self.route.name(),
            model = self.model,
            upstream = answer.served.upstream.as_str(),
            outcome = outcome.as_str(),
            reason = "",
            status = status.as_u16(),
            first_byte_ms = self.first_byte_ms(),
            took_ms = self.took_ms(now),
            size_bytes = self.size_bytes,
            input_tokens = answer.usage.all_input(),
            output_tokens = answer.usage.output,
            cost_micro_usd = answer.cost_micro_usd,
            "request"
        );
        if let Some(tracer) = tracer.filter(|it| it.samples(self.request)) {
            let answered = Answered {
                operation: trace::operation(self.route),
                provider: trace::provider(answer.dialect),
                upstream: answer.served.upstream.as_str().to_owned(),
                model: answer.served.model.clone(),
                asked: self.asked,
                began: self.answered,
                usage: answer.usage,
                cost_micro_usd: answer.cost_micro_usd,
            };
            tracer.take(self.span(outcome.as_str(), "", status, Some(answered), now));
        }
    }

    /// Writes it for a request that was refused.
    pub(crate) fn refused(
        self,
        reason: &'static str,
        status: StatusCode,
        now: UnixMillis,
        tracer: Option<&Tracer>,
    ) {
        let outcome = Outcome::Refused.as_str();
        tracing::info!(
            request = %self.request,
            route = self.route.name(),
            model = self.model,
            outcome,
            reason,
            status = status.as_u16(),
            took_ms = self.took_ms(now),
            size_bytes = self.size_bytes,
            "request"
        );
        if let Some(tracer) = tracer.filter(|it| it.samples(self.request)) {
            tracer.take(self.span(outcome, reason, status, None, now));
        }
    }

    fn span(
        self,
        outcome: &'static str,
        reason: &'static str,
        status: StatusCode,
        answer: Option<Answered>,
        now: UnixMillis,
    ) -> Span {
        Span {
            request: self.request,
            route: self.route.name(),
            model: self.model,
            began: self.began,
            ended: now,
            outcome,
            reason,
            status: Some(status.as_u16()),
            answer,
        }
    }
}
