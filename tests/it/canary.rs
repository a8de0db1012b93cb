//! Nothing that says who somebody is, and nothing that was asked or answered, is in any byte written.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use bauta::dev::search::{Needle, search};
use bauta_sandbox::{Reply, persona::Decision};
use bauta_tests::{Backend, World, dump, process_log, root, tool};
use reqwest::Method;
use serde_json::json;

use crate::scim::{ACCEPT_EMAIL, Directory};

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

/// Planted in what a directory sends.
const DIRECTORY: [(&str, &str); 8] = [
    ("SCIM userName", "canary-username-2f60@corp.example"),
    ("SCIM externalId", "canary-external-71d9"),
    ("SCIM given name", "Canarygiven-40cc"),
    ("SCIM e-mail", "canary-scim-mail-19be@corp.example"),
    ("SCIM password hash", "pbkdf2:canary-93f0a1"),
    ("SCIM display name", "Canary Display-e07"),
    ("SCIM group", "canary-group-5c5b"),
    ("SCIM filter", "canary-filter-0a3e@corp.example"),
];

/// Planted in what a model answers.
const ANSWER: &str = "canary-answer-8a41 take two aspirins";

#[tokio::test(flavor = "multi_thread")]
async fn prv_01_no_planted_value_is_in_any_byte_written_on_sqlite() {
    nothing_is_written(Backend::Sqlite, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prv_01_no_planted_value_is_in_any_byte_written_on_postgres() {
    nothing_is_written(Backend::Postgres, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prv_01_no_planted_value_is_written_as_it_is_where_a_directory_insists_on_addresses() {
    nothing_is_written(Backend::Sqlite, ACCEPT_EMAIL).await;
}

async fn nothing_is_written(backend: Backend, more: &'static str) {
    let world = World::with(backend, |setting| {
        setting.sandbox.idp.leaky = true;
        setting.edit = Box::new(move |text| traced(format!("{text}{more}")));
    })
    .await;
    let directory = Directory::of(world).await;
    sends_names(&directory).await;
    let world = directory.world;
    let mut needles: Vec<Needle> = CLIENT
        .iter()
        .chain(&DIRECTORY)
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
    let metrics = world.stage.running.gateway.as_ref().unwrap().metrics() + &plane.metrics();
    drop(plane);
    let collector = world.stage.scene.sandbox.gemini.clone();
    let folder = world.end().await;
    fs::write(folder.path().join("metrics"), metrics).unwrap();
    let requests = collector.requests();
    let traces = requests.iter().filter(|it| it.path() == "/v1/traces");
    let traces: Vec<_> = traces.map(|it| it.json().unwrap()).collect();
    fs::write(folder.path().join("traces"), json!(traces).to_string()).unwrap();
    nothing_but_known_attributes(&traces);
    nothing_but_conventions(&folder.path().join("traces"));
    nothing_but_known_fields(&fs::read_to_string(process_log()).unwrap());
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

/// Everything that directories send about people, wanted or not: taken, changed, searched for,
/// refused.
async fn sends_names(directory: &Directory) {
    let [
        name,
        external,
        given,
        mail,
        password,
        display,
        group,
        filter,
    ] = DIRECTORY.map(|(_, value)| value);
    let user = json!({
        "userName": name, "externalId": external, "active": true, "displayName": display,
        "name": { "givenName": given, "formatted": given }, "password": password,
        "emails": [{ "value": mail, "type": "work" }], "nickName": display,
    });
    // An address is refused where names are hashed, and the opaque identifier beside it is taken.
    drop(
        directory
            .call(Method::POST, "/Users", Some(user.clone()))
            .await,
    );
    let mut opaque = user;
    opaque["userName"] = external.into();
    let (_, made) = directory
        .call(Method::POST, "/Users", Some(opaque.clone()))
        .await;
    let (_, listed) = directory.call(Method::GET, "/Users", None).await;
    let id = made["id"]
        .as_str()
        .or(listed["Resources"][0]["id"].as_str());
    let id = id.unwrap().to_owned();
    let path = format!("/Users/{id}");
    drop(directory.call(Method::PUT, &path, Some(opaque)).await);
    let replaced = json!({ "Operations": [
        { "op": "Replace", "path": format!("emails[value eq \"{mail}\"].value"), "value": mail },
        { "op": "replace", "value": { "name.givenName": given } },
    ] });
    drop(directory.call(Method::PATCH, &path, Some(replaced)).await);
    let pushed = json!({ "displayName": group, "members": [{ "value": id, "display": display }] });
    drop(directory.call(Method::POST, "/Groups", Some(pushed)).await);
    let query = format!("/Users?filter=userName%20eq%20%22{filter}%22");
    drop(directory.call(Method::GET, &query, None).await);
    let broken = json!({ "userName": name, "active": mail });
    drop(directory.call(Method::POST, "/Users", Some(broken)).await);
}

/// With every request traced. The collector is a simulator that keeps what it is sent; that it has
/// no such path is its business.
fn traced(text: String) -> String {
    let mut bases = text.lines().filter_map(|it| it.strip_prefix("base_url = "));
    let collector = bases.next_back().unwrap().to_owned();
    format!("{text}\n[telemetry]\notlp = {collector}\none_in = 1\n")
}

/// The attributes of every span are on the list, and both kinds of span are there.
fn nothing_but_known_attributes(traces: &[serde_json::Value]) {
    let lists = traces.iter().flat_map(|it| {
        let spans = it["resourceSpans"][0]["scopeSpans"][0]["spans"].clone();
        spans.as_array().unwrap().clone()
    });
    let mut seen = BTreeSet::new();
    for span in lists {
        for attribute in span["attributes"].as_array().unwrap() {
            seen.insert(attribute["key"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(seen, ATTRIBUTES.map(ToOwned::to_owned).into());
}

/// OpenTelemetry's own definitions read every span, and know every name that is not `bauta.*`.
fn nothing_but_conventions(traces: &Path) {
    let read = Command::new(tool("BAUTA_TEST_PYTHON", "python3"))
        .arg(root().join("tests/clients/traces.py"))
        .arg(traces)
        .output()
        .expect("BAUTA_TEST_PYTHON names no Python; ./tests/run installs one");
    let error = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{error}");
    let told: serde_json::Value = serde_json::from_slice(&read.stdout).unwrap();
    assert!(told["spans"].as_u64().unwrap() > 20, "{told}");
    println!("{} spans in the words of the conventions", told["spans"]);
}

/// The fields of every line that a request leaves are on the list.
fn nothing_but_known_fields(log: &str) {
    let lines = log.lines().filter_map(|it| serde_json::from_str(it).ok());
    let lines: Vec<serde_json::Value> = lines
        .filter(|it: &serde_json::Value| {
            it["target"] == "bauta_proxy::http" && it["message"] == "request"
        })
        .collect();
    assert!(
        lines.len() > 10,
        "only {} requests left a line",
        lines.len()
    );
    let mut seen = BTreeSet::new();
    for line in &lines {
        seen.extend(line.as_object().unwrap().keys().cloned());
    }
    assert_eq!(seen, FIELDS.map(ToOwned::to_owned).into());
}

/// All that a trace says of a request.
const ATTRIBUTES: [&str; 16] = [
    "bauta.cost_micro_usd",
    "bauta.model",
    "bauta.outcome",
    "bauta.refusal",
    "bauta.request.id",
    "bauta.route",
    "bauta.upstream",
    "error.type",
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "http.response.status_code",
];

/// All that the process log says of a request.
const FIELDS: [&str; 17] = [
    "cost_micro_usd",
    "first_byte_ms",
    "input_tokens",
    "level",
    "message",
    "model",
    "outcome",
    "output_tokens",
    "reason",
    "request",
    "route",
    "size_bytes",
    "status",
    "target",
    "timestamp",
    "took_ms",
    "upstream",
];

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
