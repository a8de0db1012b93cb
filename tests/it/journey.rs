//! The main job, end to end, on both databases: sign in, verify, attest, issue, ask, meter, audit,
//! export, verify the export.

use bauta::dev::walk::walk;
use bauta_sandbox::persona::Decision;
use bauta_tests::{Backend, World};
use reqwest::StatusCode;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_ends_well_on_sqlite() {
    let world = World::new(Backend::Sqlite).await;

    walk(&world.stage, &world.hands).await.unwrap();

    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_ends_well_on_postgres() {
    let world = World::new(Backend::Postgres).await;

    walk(&world.stage, &world.hands).await.unwrap();

    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_a_token_before_they_are_verified() {
    let world = World::new(Backend::Sqlite).await;
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();

    let refused = ada.device_token("frontier").await;

    assert!(refused.is_err());
    ada.verify(Decision::Approve).await.unwrap();
    assert!(ada.device_token("frontier").await.is_ok());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_person_gets_no_token() {
    let world = World::new(Backend::Sqlite).await;
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    ada.verify(Decision::Decline).await.unwrap();

    let refused = ada.device_token("frontier").await;

    assert!(refused.is_err());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_is_open_only_to_its_groups() {
    let world = World::new(Backend::Sqlite).await;
    let mut bob = world.member("Bob");
    bob.sign_in().await.unwrap();
    bob.verify(Decision::Approve).await.unwrap();

    let refused = bob.device_token("frontier").await;

    assert!(refused.is_err(), "Bob is not in engineering");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_streamed_is_relayed_and_metered() {
    let world = World::new(Backend::Sqlite).await;
    let token = token(&world).await;

    let answer = ask(&world, &token, false).await;

    assert_eq!(answer.0, StatusCode::OK);
    assert_eq!(answer.1["type"], "message");
    let used: Value = get(&world, &token, "/usage/self").await;
    assert!(used.to_string().contains("claude-opus"), "{used}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refreshed_token_works_and_the_old_refresh_token_kills_the_family() {
    let world = World::new(Backend::Sqlite).await;
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    ada.verify(Decision::Approve).await.unwrap();
    let first = ada.device_token("frontier").await.unwrap();
    let second = ada.refresh(&first).await.unwrap();
    assert_eq!(ask(&world, &second.access, false).await.0, StatusCode::OK);
    world.hands.advance_seconds(60);
    world
        .stage
        .running
        .gateway
        .as_ref()
        .unwrap()
        .follow()
        .await
        .unwrap();

    let reused = ada.refresh(&first).await;

    assert!(reused.is_err());
    assert!(ada.refresh(&second).await.is_err(), "the family lives on");
    world
        .stage
        .running
        .gateway
        .as_ref()
        .unwrap()
        .follow()
        .await
        .unwrap();
    let status = ask(&world, &second.access, false).await.0;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_refused_at_the_next_page_of_the_feed() {
    let world = World::new(Backend::Sqlite).await;
    let ada = world.member("Ada");
    let token = token(&world).await;
    assert_eq!(ask(&world, &token, false).await.0, StatusCode::OK);

    let revoked = world
        .stage
        .scene
        .http
        .post(format!("{}/oauth/revoke", world.stage.scene.url))
        .form(&[("token", token.as_str())])
        .send()
        .await
        .unwrap();
    world
        .stage
        .running
        .gateway
        .as_ref()
        .unwrap()
        .follow()
        .await
        .unwrap();

    assert_eq!(revoked.status(), StatusCode::OK);
    let (status, body) = ask(&world, &token, false).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
    drop(ada);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_nobody_is_refused_and_reaches_no_provider() {
    let world = World::new(Backend::Sqlite).await;
    let good = token(&world).await;
    let mut forged = good.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });

    for bad in [forged.as_str(), "bauta_eyJ", "sk-ant-api03-nobody", ""] {
        let (status, _) = ask(&world, bad, false).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{bad}");
    }
    assert_eq!(world.stage.scene.sandbox.anthropic.requests().len(), 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_can_keep_a_checkpoint_of_either_log() {
    let world = World::new(Backend::Sqlite).await;
    let token = token(&world).await;
    ask(&world, &token, false).await;
    let running = &world.stage.running;
    running.plane.as_ref().unwrap().seal().await.unwrap();
    running.gateway.as_ref().unwrap().seal().await.unwrap();

    for plane in ["identity", "gateway"] {
        for path in ["checkpoint", "tile/0/000.p/1"] {
            let url = format!("{}/log/{plane}/{path}", world.stage.scene.url);
            let answer = world.stage.scene.http.get(&url).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{url}");
            assert!(answer.bytes().await.unwrap().len() >= 32, "{url}");
        }
    }
    world.end().await;
}

/// A verified member's token.
pub(crate) async fn token(world: &World) -> String {
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    ada.verify(Decision::Approve).await.unwrap();
    ada.device_token("frontier").await.unwrap().access
}

/// One message to Claude.
pub(crate) async fn ask(world: &World, token: &str, stream: bool) -> (StatusCode, Value) {
    let body = json!({
        "model": "claude-opus",
        "max_tokens": 64,
        "stream": stream,
        "messages": [ { "role": "user", "content": "What is a bauta?" } ],
    });
    let answer = world
        .stage
        .scene
        .http
        .post(format!("{}/v1/messages", world.stage.scene.url))
        .header("x-api-key", token)
        .header("anthropic-version", "2023-06-01")
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, value)
}

async fn get(world: &World, token: &str, path: &str) -> Value {
    let answer = world
        .stage
        .scene
        .http
        .get(format!("{}{path}", world.stage.scene.url))
        .header("authorization", format!("Bearer {token}"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}
