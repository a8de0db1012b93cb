//! What a token may not: spend more than its budget, ask what its member is not eligible for, and
//! how a client learns of it.

use std::time::Duration;

use bauta_sandbox::{
    Fault, Reply, Usage,
    persona::{Decision, Evidence},
};
use bauta_tests::{Backend, World};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{CHAT, GEMINI, MESSAGES, RESPONSES, at, outcomes, post, question, told};

/// A scope whose budget one answer can use up.
const SMALL: &str = r#"
[[scope]]
name   = "small"
models = ["claude-opus", "claude-haiku", "gpt", "gemini"]
groups = ["engineering"]
budget = { amount = "0.20", per = "day" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_used_up_is_told_in_each_dialect_until_it_is_whole_again() {
    for backend in Backend::BOTH {
        let world = World::with(backend, |setting| setting.more = SMALL.to_owned()).await;
        let mut ada = world.member("Ada");
        ada.sign_in().await.unwrap();
        ada.verify(Decision::Approve).await.unwrap();
        let token = ada.device_token("small").await.unwrap().access;
        let provider = &world.stage.scene.sandbox.anthropic;
        provider.reply_next(Reply {
            usage: Some(Usage {
                input: 10,
                output: 5_000,
                ..Usage::default()
            }),
            ..Reply::default()
        });
        let long = |path, model| question(path, model, true, 6_000);
        let asked = long(MESSAGES, "claude-opus");
        let paid = post(&world, &token, MESSAGES, &asked).await;
        assert_eq!(paid.status(), StatusCode::OK);
        drop(paid.bytes().await.unwrap());
        let ends = outcomes(&world, 1).await;
        assert_eq!(ends[0]["charged_micro_usd"], 10 * 5 + 5_000 * 25);

        let refused = post(&world, &token, MESSAGES, &asked).await;

        assert_eq!(refused.headers()["x-should-retry"], "false");
        let unified = "anthropic-ratelimit-unified-status";
        assert_eq!(refused.headers()[unified], "rejected");
        let wait = refused.headers()["retry-after"].to_str().unwrap();
        let wait: i64 = wait.parse().unwrap();
        assert!((1..=86_400).contains(&wait), "{wait}");
        let (status, body) = told(refused).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(body["error"]["type"], "billing_error", "{body}");
        for path in [CHAT, RESPONSES] {
            let refused = post(&world, &token, path, &long(path, "gpt")).await;
            assert_eq!(refused.headers()["x-should-retry"], "false");
            let (status, body) = told(refused).await;
            assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(body["error"]["code"], "insufficient_quota", "{body}");
        }
        let path = at(GEMINI, "gemini", true);
        let refused = post(&world, &token, &path, &long(GEMINI, "gemini")).await;
        assert_eq!(refused.headers()["x-should-retry"], "false");
        let (status, body) = told(refused).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(body["error"]["status"], "RESOURCE_EXHAUSTED", "{body}");
        let sent = provider.requests().len();
        assert_eq!(sent, 1, "nothing was sent that the budget does not hold");
        let ends = outcomes(&world, 5).await;
        let refused = ends.iter().filter(|e| e["type"] == "request.refused");
        assert_eq!(refused.count(), 4, "{ends:#?}");

        // What is left of it still holds a short answer.
        let short = question(MESSAGES, "claude-haiku", true, 64);
        let paid = post(&world, &token, MESSAGES, &short).await;
        assert_eq!(paid.status(), StatusCode::OK);
        drop(paid.bytes().await.unwrap());

        // Whole again when it said; her session and this token are over by then.
        world.hands.advance_seconds(wait);
        ada.sign_in().await.unwrap();
        let token = ada.device_token("small").await.unwrap().access;
        follow(&world).await;
        let paid = post(&world, &token, MESSAGES, &asked).await;
        assert_eq!(paid.status(), StatusCode::OK);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_once_do_not_spend_a_budget_twice() {
    for backend in Backend::BOTH {
        let world = World::with(backend, |setting| setting.more = SMALL.to_owned()).await;
        let mut ada = world.member("Ada");
        ada.sign_in().await.unwrap();
        ada.verify(Decision::Approve).await.unwrap();
        let token = ada.device_token("small").await.unwrap().access;
        // All are under way before the first is answered.
        for _ in 0..40 {
            let wait = Fault::Delay(Duration::from_millis(400));
            world.stage.scene.sandbox.anthropic.next(wait);
        }
        let asked = question(MESSAGES, "claude-opus", false, 64);

        let statuses = at_once(&world, &token, &asked, 40).await;

        let good = statuses.iter().filter(|status| status.is_success()).count();
        let full = StatusCode::TOO_MANY_REQUESTS;
        let refused = statuses.iter().filter(|status| **status == full).count();
        assert_eq!(good + refused, 40, "{statuses:?}");
        let ends = outcomes(&world, 40).await;
        let spent: i64 = ends
            .iter()
            .filter_map(|end| end["charged_micro_usd"].as_i64())
            .sum();
        assert!(
            (1..=200_000).contains(&spent),
            "{spent} of 200000 were spent"
        );
        // What each may cost at most is about 15,000.
        assert!((10..=20).contains(&good), "{good} of 40 fit");
        super::count(&ends, "completed", good);
        println!("{backend:?}: {good} of 40 at once fit, {spent} of 200000 micro-dollars spent");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_minor_opens_what_is_not_gated_and_nothing_else() {
    let world = World::new(Backend::Sqlite).await;
    let now_ms = world.stage.scene.sandbox.clock.now_ms();
    world
        .stage
        .scene
        .sandbox
        .persona
        .present(Some(Evidence::minor(now_ms)));
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    ada.verify(Decision::Approve).await.unwrap();
    let token = ada.device_token("frontier").await.unwrap().access;
    assert_eq!(super::claims(&token)["gates"], json!([]));

    for (path, open, gated) in [
        (MESSAGES, "claude-haiku", "claude-opus"),
        (CHAT, "gpt-mini", "gpt"),
        (RESPONSES, "gpt-mini", "gpt"),
        (GEMINI, "gemini-flash", "gemini"),
    ] {
        let asked = question(path, open, true, 64);
        let answer = post(&world, &token, &at(path, open, true), &asked).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        drop(answer.bytes().await.unwrap());

        for name in [gated, exact(gated)] {
            let asked = question(path, name, true, 64);
            let answer = post(&world, &token, &at(path, name, true), &asked).await;
            assert_eq!(answer.headers()["bauta-refusal"], "verification_required");
            assert_eq!(answer.headers()["x-should-retry"], "false");
            let (status, body) = told(answer).await;
            let (expected, pointer, word) = match path {
                MESSAGES => (403, "/error/details/error_code", "verification_required"),
                GEMINI => (403, "/error/status", "PERMISSION_DENIED"),
                // What Codex asks once: a 403 it asks six times.
                _ => (400, "/error/code", "verification_required"),
            };
            assert_eq!(status.as_u16(), expected, "{path} {name}: {body}");
            let told = body.pointer(pointer);
            assert_eq!(told, Some(&json!(word)), "{path} {name}: {body}");
            let message = body["error"]["message"].as_str().unwrap();
            let link = format!("{}/verify", world.stage.scene.url);
            assert!(message.ends_with(&link), "{message}");
        }
    }
    let sandbox = &world.stage.scene.sandbox;
    let reached: Vec<Value> = [sandbox.anthropic.requests(), sandbox.openai.requests()]
        .concat()
        .iter()
        .map(|request| request.json().unwrap()["model"].clone())
        .collect();
    assert_eq!(
        reached,
        ["claude-haiku-4-5", "gpt-5.2-mini", "gpt-5.2-mini"]
    );
    let reached = sandbox.gemini.requests();
    assert_eq!(reached.len(), 1);
    assert!(reached[0].path().contains("gemini-3-flash:"));
    // The first refusal of a minute is a line of its own; the others are counted when it is over.
    world.hands.advance_seconds(61);
    let events = super::sealed(&world).await;
    let refused = events.iter().filter(|e| e["type"] == "request.refused");
    let counted = events
        .iter()
        .filter(|e| e["type"] == "requests.turned_away")
        .filter_map(|e| e["count"].as_u64());
    let lines = u64::try_from(refused.count()).unwrap();
    assert!(lines >= 1);
    assert_eq!(lines + counted.sum::<u64>(), 8, "{events:#?}");
    world.end().await;
}

/// The provider's own name of a gated model: no second door.
fn exact(model: &str) -> &str {
    match model {
        "claude-opus" => "claude-opus-4-8",
        "gemini" => "gemini-3-pro",
        _ => "gpt-5.2",
    }
}

/// A view of the feed that is older than five seconds lets nobody pass, and the clock was moved.
async fn follow(world: &World) {
    let gateway = world.stage.running.gateway.as_ref().unwrap();
    gateway.follow().await.unwrap();
}

/// The statuses of so many requests sent at once, their answers read to the end.
async fn at_once(world: &World, token: &str, asked: &Value, times: usize) -> Vec<StatusCode> {
    let mut all = JoinSet::new();
    for _ in 0..times {
        let request = world
            .stage
            .scene
            .http
            .post(format!("{}{MESSAGES}", world.stage.scene.url))
            .header("x-api-key", token)
            .header("content-type", "application/json")
            .header("anthropic-version", "2023-06-01")
            .body(asked.to_string());
        all.spawn(async move {
            let answer = request.send().await.unwrap();
            let status = answer.status();
            drop(answer.bytes().await.unwrap());
            status
        });
    }
    all.join_all().await
}
