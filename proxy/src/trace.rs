//! Traces of some requests, for the operator's collector: off unless configured, and never waited
//! for.
//!
//! A [`Span`] is a struct like the line of the process log: what it has no field for is in no trace.
//! No header of the caller's is read for it (`traceparent` names whoever sent it), and the trace has
//! the id of the request, which only the caller and the journal know besides. Attributes have the
//! names of OpenTelemetry's semantic conventions for generative AI where those have one.

use std::sync::Arc;

use bauta_token::units::UnixMillis;

use crate::{
    admit::Route,
    dialect::{Dialect, Usage},
    ports::RequestId,
};

/// One request, as it is traced.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "its fields are the allow-list")]
pub struct Span {
    /// The journal's id of the request, and the trace's.
    pub request: RequestId,
    /// The route, as records name it.
    pub route: &'static str,
    /// What was asked for, as configuration names it; empty when it is none of ours.
    pub model: String,
    /// When the request arrived.
    pub began: UnixMillis,
    /// When it, or the refusal of it, had ended.
    pub ended: UnixMillis,
    /// How it ended, as records name it.
    pub outcome: &'static str,
    /// Why it was refused; empty when it was not.
    pub reason: &'static str,
    /// What the caller was told.
    pub status: Option<u16>,
    /// The upstream that answered.
    pub answer: Option<Answered>,
}

/// The part of a request that an upstream answered.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "its fields are the allow-list")]
pub struct Answered {
    /// What is asked of a model: `gen_ai.operation.name`.
    pub operation: &'static str,
    /// Whose wire format it is: `gen_ai.provider.name`.
    pub provider: &'static str,
    /// The upstream, as configuration names it.
    pub upstream: String,
    /// The model, as the upstream names it: `gen_ai.request.model`.
    pub model: String,
    /// When it was asked.
    pub asked: UnixMillis,
    /// When its answer began.
    pub began: UnixMillis,
    /// What it counted: `gen_ai.usage.*`.
    pub usage: Usage,
    /// What that costs, in millionths of a dollar.
    pub cost_micro_usd: i64,
}

impl Span {
    /// Whether it says that something went wrong.
    #[must_use]
    pub fn failed(&self) -> bool {
        !matches!(self.outcome, "completed" | "client_gone")
    }
}

/// Where spans go. To be quick: it is called on the way of a request.
pub trait SpanSink: Send + Sync {
    /// Takes a span, or drops it when there is no room.
    fn take(&self, span: Span);
}

/// Which requests are traced, and where to.
pub struct Tracer {
    sink: Arc<dyn SpanSink>,
    one_in: u128,
}

impl Tracer {
    /// One request in `one_in` goes to `sink`; 0 is none.
    #[must_use]
    pub fn new(sink: Arc<dyn SpanSink>, one_in: u32) -> Self {
        Self {
            sink,
            one_in: u128::from(one_in),
        }
    }

    /// Whether this request is traced. Decided by the random half of its id, so that it costs no
    /// randomness and every part of a request decides alike.
    #[must_use]
    pub fn samples(&self, id: RequestId) -> bool {
        let lot = u128::from_be_bytes(*id.as_bytes()) & RANDOM;
        lot.checked_rem(self.one_in) == Some(0)
    }

    pub(crate) fn take(&self, span: Span) {
        self.sink.take(span);
    }
}

/// `gen_ai.operation.name`. Counting tokens has none of the well-known values.
#[must_use]
pub(crate) const fn operation(route: Route) -> &'static str {
    match route {
        Route::Messages | Route::Chat | Route::Responses => "chat",
        Route::GenerateContent | Route::StreamGenerateContent => "generate_content",
        Route::Embeddings | Route::EmbedContent | Route::BatchEmbedContents => "embeddings",
        Route::CountTokens | Route::CountContent => "count_tokens",
        Route::Models
        | Route::Model
        | Route::Usage
        | Route::Allowance
        | Route::Settings
        | Route::Telemetry => "none",
    }
}

/// `gen_ai.provider.name`: the convention takes the provider by the format of its telemetry.
#[must_use]
pub(crate) const fn provider(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Anthropic => "anthropic",
        Dialect::OpenAi => "openai",
        Dialect::Gemini => "gcp.gemini",
    }
}

/// The bits of an id that are none of its time.
const RANDOM: u128 = (1 << 80) - 1;

#[cfg(test)]
mod tests;
