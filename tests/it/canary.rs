//! Nothing that says who somebody is, and nothing that was asked or answered, is in any byte written.

use std::fs;

use bauta::dev::search::{Needle, search};
use bauta_sandbox::{Reply, persona::Decision};
use bauta_tests::{Backend, World, dump, process_log};
use serde_json::json;

/// Planted in what a client sends.
const CLIENT: [(&str, &str); 10] = [
    (
        "prompt",
        "canary-prompt-3b7f how do I treat my rare disease",
    ),
    ("system prompt", "canary-system-91ce"),
    ("metadata.user_id", "canary-device-5d0a8e"),
    ("user", "ada.client-canary@corp.example"),
    ("forwarded address", "203.0.113.201"),
    ("user agent", "canary-agent/9.9 (ada-laptop)"),
    ("request id", "canary-request-id-77aa"),
    ("broken body", "canary-in-broken-json-e1"),
    ("query", "canary-query-c4d2"),
    ("model in a path", "canary-model-6d90"),
];

/// Planted in what a model answers.
const ANSWER: &str = "canary-answer-8a41 take two aspirins";

#[tokio::test(flavor = "multi_thread")]
async fn prv_01_no_planted_value_is_in_any_byte_written_on_sqlite() {
    nothing_is_written(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prv_01_no_planted_value_is_in_any_byte_written_on_postgres() {
    nothing_is_written(Backend::Postgres).await;
}

async fn nothing_is_written(backend: Backend) {
    let world = World::with(backend, |setting| {
        setting.sandbox.idp.leaky = true;
    })
    .await;
    let mut needles: Vec<Needle> = CLIENT
        .iter()
        .flat_map(|(field, value)| Needle::of(field, value))
        .chain(Needle::of("answer", ANSWER))
        .collect();
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    ada.verify(Decision::Approve).await.unwrap();
    let device = ada.device_token("frontier").await.unwrap();
    let labelled = ada.labelled_token("frontier", "laptop", 30).await.unwrap();
    for token in [&device.access, &labelled] {
        exercise(&world, token).await;
    }
    let url = format!(
        "{}/callback?state=canary-query-c4d2&code=canary-query-c4d2",
        world.stage.scene.url
    );
    drop(ada.browser.open(&url).await.unwrap());
    let mut bob = world.member("Bob");
    bob.sign_in().await.unwrap();
    bob.verify(Decision::Decline).await.unwrap();
    let plane = world.stage.running.plane.clone().unwrap();
    plane.tend().await.unwrap();
    export(&world).await;
    let planted = world.stage.scene.sandbox.canaries();
    assert!(
        planted.len() > 20,
        "only {} values were planted",
        planted.len()
    );
    needles.extend(planted.iter().flat_map(|c| Needle::of(&c.field, &c.value)));
    // What is written without being asked for: secrets of the members themselves.
    needles.extend(Needle::of("access token", &device.access));
    needles.extend(Needle::of("refresh token", &device.refresh));
    needles.extend(Needle::of("labelled token", &labelled));
    let databases = world.databases().to_vec();
    let metrics = world.stage.running.gateway.as_ref().unwrap().metrics();
    let folder = world.end().await;
    fs::write(folder.path().join("metrics"), metrics).unwrap();
    fs::copy(process_log(), folder.path().join("process.log")).unwrap();
    for database in &databases {
        fs::write(folder.path().join(database), dump(database).await).unwrap();
    }

    let found = search(folder.path(), &needles).unwrap();

    println!(
        "{backend:?}: {} files, {} bytes, {} needles, {} found",
        found.files,
        found.bytes,
        needles.len(),
        found.hits.len()
    );
    assert!(found.hits.is_empty(), "{:#?}", found.hits);
    assert!(
        found.bytes > 100_000,
        "too little was written to be a journey"
    );
}

/// Every way a request can go: answered, streamed, refused, broken, failed upstream.
async fn exercise(world: &World, token: &str) {
    let sandbox = &world.stage.scene.sandbox;
    let reply = || Reply {
        text: Some(ANSWER.to_owned()),
        ..Reply::default()
    };
    let message = |stream: bool| {
        json!({
            "model": "claude-opus", "max_tokens": 50, "stream": stream,
            "system": CLIENT[1].1,
            "metadata": { "user_id": CLIENT[2].1 },
            "messages": [ { "role": "user", "content": CLIENT[0].1 } ],
        })
    };
    let chat = |stream: bool| {
        json!({
            "model": "gpt", "max_completion_tokens": 50, "stream": stream,
            "user": CLIENT[3].1, "safety_identifier": CLIENT[3].1, "prompt_cache_key": CLIENT[3].1,
            "messages": [ { "role": "user", "content": CLIENT[0].1 } ],
        })
    };
    let content = json!({
        "contents": [ { "role": "user", "parts": [ { "text": CLIENT[0].1 } ] } ],
        "system_instruction": { "parts": { "text": CLIENT[1].1 } },
        "labels": { "device": CLIENT[2].1, "user": CLIENT[3].1 },
        "generationConfig": { "maxOutputTokens": 50 },
    });
    for call in [
        "gemini:generateContent",
        "gemini:streamGenerateContent?alt=sse",
        "gemini:streamGenerateContent",
        "canary-model-6d90:generateContent",
    ] {
        let path = format!("/v1beta/models/{call}");
        if !call.starts_with("canary") && call != "gemini:streamGenerateContent" {
            sandbox.gemini.reply_next(reply());
        }
        send(world, token, &path, content.to_string()).await;
    }
    for stream in [false, true] {
        sandbox.anthropic.reply_next(reply());
        send(world, token, "/v1/messages", message(stream).to_string()).await;
        sandbox.openai.reply_next(reply());
        send(
            world,
            token,
            "/v1/chat/completions",
            chat(stream).to_string(),
        )
        .await;
    }
    send(
        world,
        token,
        "/v1/messages",
        format!("{{\"model\": \"{}", CLIENT[7].1),
    )
    .await;
    send(
        world,
        token,
        "/v1/messages?x=canary-query-c4d2",
        message(false).to_string(),
    )
    .await;
    sandbox
        .anthropic
        .next(bauta_sandbox::anthropic::Refusal::Overloaded.fault());
    send(world, token, "/v1/messages", message(false).to_string()).await;
    send(
        world,
        "bauta_canary-in-broken-json-e1",
        "/v1/messages",
        message(false).to_string(),
    )
    .await;
}

async fn send(world: &World, token: &str, path: &str, body: String) {
    let answer = world
        .stage
        .scene
        .http
        .post(format!("{}{path}", world.stage.scene.url))
        .header("authorization", format!("Bearer {token}"))
        .header("anthropic-version", "2023-06-01")
        .header("content-type", "application/json")
        .header("x-forwarded-for", CLIENT[4].1)
        .header("user-agent", CLIENT[5].1)
        .header("x-request-id", CLIENT[6].1)
        .header("x-client-request-id", CLIENT[6].1)
        .body(body)
        .send()
        .await
        .unwrap();
    drop(answer.bytes().await.unwrap());
}

async fn export(world: &World) {
    let running = &world.stage.running;
    let whole = bauta::export::Whole::until_now();
    let at = |name: &str| world.stage.scene.folder.join("exports").join(name);
    let (plane, gateway) = (
        running.plane.as_ref().unwrap(),
        running.gateway.as_ref().unwrap(),
    );
    bauta::export::identity(plane, &whole, &at("identity.jsonl"))
        .await
        .unwrap();
    bauta::export::gateway(gateway, &whole, &at("gateway.jsonl"))
        .await
        .unwrap();
}
