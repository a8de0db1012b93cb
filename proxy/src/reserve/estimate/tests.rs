use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::{
    config::{ModelConfig, UpstreamConfig},
    read::{self, tests::call},
    route::{Door, Models},
};

#[test]
fn a_body_of_text_is_bounded_by_its_bytes() {
    let body = r#"{"model":"m","max_tokens":10}"#;

    let bytes = u64::try_from(body.len()).unwrap();
    assert_eq!(
        bound("/v1/messages", body),
        micro(6 * (bytes + OVERHEAD_TOKENS) + 10 * 20)
    );
}

#[test]
fn a_body_that_points_outside_is_bounded_by_the_context() {
    let body = r#"{"model":"m","max_tokens":10,"x":{"type":"image"}}"#;

    assert_eq!(bound("/v1/messages", body), micro(6 * 100_000 + 10 * 20));
}

#[test]
fn an_answer_without_a_limit_is_bounded_by_the_model() {
    let named = bound("/v1/chat/completions", r#"{"model":"m","max_tokens":1000}"#);
    let unnamed = bound("/v1/chat/completions", r#"{"model":"m","max_tokenz":1000}"#);

    assert_eq!(named, unnamed);
}

#[test]
fn every_answer_is_bounded() {
    let one = bound(
        "/v1/chat/completions",
        r#"{"model":"m","n":1,"max_tokens":100}"#,
    );
    let three = bound(
        "/v1/chat/completions",
        r#"{"model":"m","n":3,"max_tokens":100}"#,
    );

    assert_eq!(three.saturating_sub(one), micro(2 * 100 * 20));
}

#[test]
fn counting_tokens_is_free_and_embeddings_write_nothing() {
    assert_eq!(
        bound("/v1/messages/count_tokens", r#"{"model":"m"}"#),
        MicroUsd::ZERO
    );

    let body = r#"{"model":"m"}"#;
    let bytes = u64::try_from(body.len()).unwrap();
    assert_eq!(
        bound("/v1/embeddings", body),
        micro(6 * (bytes + OVERHEAD_TOKENS))
    );
}

#[test]
fn a_gemini_request_is_bounded_by_what_it_says_and_shows() {
    let path = |verb: &str| format!("/v1beta/models/m:{verb}");
    let read = |body: &str| 6 * (u64::try_from(body.len()).unwrap() + OVERHEAD_TOKENS);
    let plain = r#"{"generationConfig":{"maxOutputTokens":10,"candidateCount":3}}"#;
    let image =
        r#"{"contents":[{"parts":[{"inlineData":{}}]}],"generationConfig":{"maxOutputTokens":10}}"#;
    let none = "{}";

    assert_eq!(
        bound(&path("generateContent"), plain),
        micro(read(plain) + 3 * 10 * 20)
    );
    assert_eq!(
        bound(&path("generateContent"), image),
        micro(6 * 100_000 + 10 * 20)
    );
    let unlimited = bound(&path("generateContent"), none);
    assert_eq!(unlimited, micro(read(none) + 1_000 * 20));
    assert_eq!(bound(&path("countTokens"), plain), MicroUsd::ZERO);
    for verb in ["embedContent", "batchEmbedContents"] {
        assert_eq!(bound(&path(verb), none), micro(read(none)));
    }
}

#[test]
fn a_bound_past_the_ledger_is_refused() {
    let plan = plan(&json!({ "input": "999999999999", "output": "999999999999" }));
    let body = r#"{"model":"m","max_tokens":4294967295,"n":4294967295}"#;
    let asked = read::read(call("/v1/messages"), Bytes::from(body)).unwrap();

    assert_eq!(super::bound(&asked, &plan), Err(CostError::Overflow));
}

#[test]
fn what_the_provider_counted_is_charged() {
    let total = total(5, 7, 0, Ending::Complete);

    assert_eq!(charged(&total, 1_000), micro(5 * 5 + 7 * 20));
}

#[test]
fn a_charge_is_never_more_than_was_held() {
    let total = total(u64::MAX, u64::MAX, 0, Ending::Complete);

    assert_eq!(charged(&total, 1_000), micro(1_000));
}

#[test]
fn a_stream_that_tells_nothing_is_charged_by_its_bytes() {
    let silent = Total {
        told_input: false,
        told_output: false,
        text_bytes: 41,
        ..total(0, 0, 41, Ending::Complete)
    };

    // 100 bytes were sent, 41 came: 25 and 11 tokens.
    assert_eq!(charged(&silent, 1_000), micro(25 * 5 + 11 * 20));
}

#[test]
fn a_stream_that_was_cut_is_charged_what_was_told_and_what_came() {
    let cut = Total {
        told_output: false,
        ..total(30, 1, 80, Ending::Truncated)
    };

    assert_eq!(charged(&cut, 1_000), micro(30 * 5 + 20 * 20));
}

#[test]
fn an_answer_that_brought_nothing_costs_nothing() {
    for ending in [Ending::Failed, Ending::Truncated] {
        let none = Total {
            told_input: false,
            told_output: false,
            ..total(0, 0, 0, ending)
        };

        assert_eq!(charged(&none, 1_000), MicroUsd::ZERO);
    }
}

fn charged(total: &Total, held: i64) -> MicroUsd {
    let price = plan(&price()).targets()[0].price();
    charge(Route::Messages, total, price, 100, micro(held))
}

fn total(input: u64, output: u64, text_bytes: u64, ending: Ending) -> Total {
    Total::new(
        Usage {
            input,
            output,
            ..Usage::default()
        },
        text_bytes,
        ending,
    )
}

fn bound(route: &str, body: &str) -> MicroUsd {
    let asked = read::read(call(route), body.to_owned().into()).unwrap();
    super::bound(&asked, &plan(&price())).unwrap()
}

/// A micro-dollar for so many tokens, so that the sums are plain.
fn price() -> serde_json::Value {
    json!({ "input": "5", "output": "20", "cache_write": "6" })
}

fn plan(price: &serde_json::Value) -> Plan {
    let upstream: UpstreamConfig = serde_json::from_value(json!({
        "name": "up", "dialect": "openai", "base_url": "https://up.example",
    }))
    .unwrap();
    let model: ModelConfig = serde_json::from_value(json!({
        "name": "m", "price": price, "targets": [{ "upstream": "up", "model": "m" }],
    }))
    .unwrap();
    let (models, _) = Models::load(&[model], &[upstream]).unwrap();
    let doors: Vec<Door> = models.iter().next().unwrap().doors().to_vec();
    Plan::to(doors)
}

fn micro(amount: impl TryInto<i64, Error: std::fmt::Debug>) -> MicroUsd {
    MicroUsd::new(amount.try_into().unwrap()).unwrap()
}
