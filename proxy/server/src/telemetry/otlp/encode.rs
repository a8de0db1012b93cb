//! A batch as `ExportTraceServiceRequest` in JSON: ids in hex, 64-bit numbers as text
//! (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>).
//!
//! Attributes are those of the semantic conventions for generative AI where there is one. Each is
//! written here by name: this list is all that a trace says.

use bauta_proxy::trace::{Answered, Span};
use bauta_token::units::UnixMillis;
use serde_json::{Value, json};

use crate::secret::hex;

/// The document for `batch`.
pub(super) fn request(batch: &[Span]) -> Value {
    let spans: Vec<Value> = batch.iter().flat_map(spans).collect();
    json!({
        "resourceSpans": [{
            "resource": {
                "attributes": [
                    text("service.name", "bauta-gateway"),
                    text("service.version", env!("CARGO_PKG_VERSION")),
                ],
            },
            "scopeSpans": [{ "scope": { "name": "bauta" }, "spans": spans }],
        }],
    })
}

/// The request, and under it what an upstream answered.
fn spans(span: &Span) -> Vec<Value> {
    let trace = hex(span.request.as_bytes());
    let root = half(span);
    let mut all = vec![json!({
        "traceId": trace,
        "spanId": hex(&root.to_be_bytes()),
        "name": span.route,
        "kind": SERVER,
        "startTimeUnixNano": nanos(span.began),
        "endTimeUnixNano": nanos(span.ended),
        "attributes": of_request(span),
        "status": status(span),
    })];
    if let Some(answer) = &span.answer {
        all.push(json!({
            "traceId": trace,
            // Another than the root's, and as little a zero.
            "spanId": hex(&(!root).max(1).to_be_bytes()),
            "parentSpanId": hex(&root.to_be_bytes()),
            "name": format!("{} {}", answer.operation, answer.model),
            "kind": CLIENT,
            "startTimeUnixNano": nanos(answer.asked),
            "endTimeUnixNano": nanos(span.ended),
            "attributes": of_answer(span, answer),
            "events": [{ "timeUnixNano": nanos(answer.began), "name": "bauta.first_byte" }],
            "status": status(span),
        }));
    }
    all
}

fn of_request(span: &Span) -> Vec<Value> {
    let mut all = vec![
        text("bauta.request.id", &span.request.to_string()),
        text("bauta.route", span.route),
        text("bauta.outcome", span.outcome),
    ];
    if !span.model.is_empty() {
        all.push(text("bauta.model", &span.model));
    }
    if !span.reason.is_empty() {
        all.push(text("bauta.refusal", span.reason));
    }
    if let Some(status) = span.status {
        all.push(number("http.response.status_code", i64::from(status)));
    }
    if span.failed() {
        all.push(text("error.type", span.outcome));
    }
    all
}

fn of_answer(span: &Span, answer: &Answered) -> Vec<Value> {
    let usage = &answer.usage;
    let written = usage.cache_write.saturating_add(usage.cache_write_hour);
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut all = vec![
        text("gen_ai.operation.name", answer.operation),
        text("gen_ai.provider.name", answer.provider),
        text("gen_ai.request.model", &answer.model),
        // The convention counts what a cache gave among what was read.
        number("gen_ai.usage.input_tokens", count(usage.all_input())),
        number("gen_ai.usage.output_tokens", count(usage.output)),
        number(
            "gen_ai.usage.cache_read.input_tokens",
            count(usage.cache_read),
        ),
        number("gen_ai.usage.cache_creation.input_tokens", count(written)),
        number("bauta.cost_micro_usd", answer.cost_micro_usd),
        text("bauta.upstream", &answer.upstream),
    ];
    if span.failed() {
        all.push(text("error.type", span.outcome));
    }
    all
}

fn status(span: &Span) -> Value {
    json!({ "code": if span.failed() { ERROR } else { UNSET } })
}

/// The random half of the request's id, which is never all zeros for a span.
fn half(span: &Span) -> u64 {
    let tail = span.request.as_bytes().last_chunk().copied();
    u64::from_be_bytes(tail.unwrap_or_default()).max(1)
}

fn nanos(at: UnixMillis) -> String {
    let nanos = i128::from(at.0).saturating_mul(1_000_000);
    nanos.max(0).to_string()
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: i64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const UNSET: u8 = 0;
const ERROR: u8 = 2;
