use bauta_token::scope::Name;

use super::*;
use crate::metrics::text::Decimal;

#[test]
fn an_answer_is_counted_at_the_door_that_gave_it() {
    let metrics = metrics();
    metrics.ended(&ending(&served("a", "m1"), 30, 700));
    metrics.ended(&ending(&served("a", "m1"), 700_000, 700_001));

    let text = metrics.text(&gauges());

    for line in [
        r#"bauta_gateway_requests_total{route="messages",outcome="completed"} 2"#,
        r#"bauta_gateway_first_byte_seconds_bucket{upstream="a",model="m1",le="0.025"} 0"#,
        r#"bauta_gateway_first_byte_seconds_bucket{upstream="a",model="m1",le="0.05"} 1"#,
        r#"bauta_gateway_first_byte_seconds_bucket{upstream="a",model="m1",le="640"} 1"#,
        r#"bauta_gateway_first_byte_seconds_bucket{upstream="a",model="m1",le="+Inf"} 2"#,
        r#"bauta_gateway_first_byte_seconds_count{upstream="a",model="m1"} 2"#,
        r#"bauta_gateway_duration_seconds_sum{upstream="a",model="m1"} 700.701"#,
        r#"bauta_gateway_tokens_total{upstream="a",model="m1",kind="input"} 20"#,
        r#"bauta_gateway_tokens_total{upstream="a",model="m1",kind="cache_write"} 14"#,
        r#"bauta_gateway_cost_usd_total{upstream="a",model="m1"} 0.003000"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains("m2"), "a door that was never asked: {text}");
}

#[test]
fn what_is_no_door_of_the_configuration_makes_no_series() {
    let metrics = metrics();
    let before = metrics.text(&gauges()).lines().count();
    for n in 0..1_000 {
        let served = served("stranger", &format!("model-{n}"));
        metrics.ended(&ending(&served, 1, 1));
    }

    let text = metrics.text(&gauges());

    assert!(
        text.contains(r#"upstream="other",model="other",kind="input"} 10000"#),
        "{text}"
    );
    assert!(!text.contains("stranger"));
    let more = text.lines().count() - before;
    // Two histograms, four kinds of tokens, the cost, and the outcome.
    assert_eq!(more, 2 * 19 + 4 + 1 + 1);
}

#[test]
fn thousandths_and_millionths_keep_their_noughts() {
    for (value, per_one, expected) in [
        (0, 1_000, "0.000"),
        (1, 1_000_000, "0.000001"),
        (12_000_050, 1_000_000, "12.000050"),
    ] {
        assert_eq!(Decimal { value, per_one }.to_string(), expected);
    }
}

fn metrics() -> Metrics {
    let models = r#"[{"name":"m","price":{"input":"1","output":"1"},
        "targets":[{"upstream":"a","model":"m1"},{"upstream":"a","model":"m2"}],
        "fallback":[{"upstream":"a","model":"m1"}]}]"#;
    Metrics::of(&serde_json::from_str::<Vec<ModelConfig>>(models).unwrap())
}

fn ending(served: &Served, first_byte_ms: i64, took_ms: i64) -> Ending<'_> {
    Ending {
        route: Route::Messages,
        outcome: Outcome::Completed,
        served,
        first_byte_ms,
        took_ms,
        usage: Usage {
            input: 10,
            output: 5,
            cache_read: 1,
            cache_write: 3,
            cache_write_hour: 4,
        },
        cost_micro_usd: 1_500,
    }
}

fn served(upstream: &str, model: &str) -> Served {
    Served {
        upstream: Name::parse(upstream).unwrap(),
        model: model.to_owned(),
    }
}

fn gauges() -> Gauges {
    Gauges {
        commits: 0,
        entries: 0,
        failures: 0,
        waiting: 0,
        open: 0,
        sealed_ms: 0,
        feed_age_ms: None,
        upstreams: Vec::new(),
    }
}
