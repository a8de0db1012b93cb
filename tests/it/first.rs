//! The first day: from `bauta init` to a member with a token, with nobody opening a file in between.

use std::fs;

use bauta_sandbox::{ModelOptions, Options, Sandbox, idp::Client};
use bauta_tests::{Backend, World};
use serde_json::{Value, json};

use crate::{
    pages::browse,
    server::{Server, free, told},
};

#[tokio::test(flavor = "multi_thread")]
async fn from_a_fresh_init_to_a_green_checklist_and_a_members_token() {
    let folder = tempfile::tempdir().unwrap();
    let house = folder.path().join("bauta");
    let address = free();
    let url = format!("http://{address}");
    let sandbox = Sandbox::start(Options {
        // What the example asks for.
        openai: ModelOptions::serving(&["gpt-5"]),
        ..Options::default()
    })
    .unwrap();
    sandbox
        .idp
        .register(Client::new("bauta", SECRET, &format!("{url}/callback")));
    let openai = format!("openai={}/v1", sandbox.openai.url());
    let anthropic = format!("anthropic={}", sandbox.anthropic.url());
    let issuer = sandbox.idp.issuer();
    let ops = free().to_string();
    let init = [
        "init",
        "--out",
        house.to_str().unwrap(),
        "--public-url",
        &url,
        "--listen",
        &address.to_string(),
        "--ops-listen",
        &ops,
        "--issuer",
        &issuer,
        "--admins",
        "ai-platform",
        "--officers",
        "compliance",
        "--members",
        "engineering",
        "--verifier",
        "officer",
        "--upstream",
        &openai,
        "--upstream",
        &anthropic,
    ];

    told(&init);
    let config = house.join("bauta.toml");
    let written = fs::read(&config).unwrap();
    let server = Server::start_with(&config, &SECRETS, address).await;
    let day = browse("first.py", &url, "on").await;
    let answer = chat(&url, day["token"].as_str().unwrap()).await;

    let clicks = day["clicks"].as_u64().unwrap();
    println!("{clicks} clicks after the sign-in");
    assert!(clicks <= 5, "{clicks} clicks");
    assert_eq!(answer["object"], "chat.completion", "{answer}");
    assert_eq!(fs::read(&config).unwrap(), written, "somebody wrote to it");
    drop(server);
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn adm_04_health_and_metrics_are_on_the_operators_address_alone() {
    let world = World::with(Backend::Sqlite, |setting| {
        setting.edit = Box::new(|text| {
            let ops = format!("ops_listen = \"{}\"\n\n[storage]", free());
            text.replacen("[storage]", &ops, 1)
        });
    })
    .await;
    let ops = world.stage.running.ops().unwrap();
    let status = async |url: String| {
        let answer = world.stage.scene.http.get(url).send().await.unwrap();
        answer.status().as_u16()
    };

    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(status(format!("http://{ops}{path}")).await, 200, "{path}");
        let public = status(format!("{}{path}", world.stage.scene.url)).await;
        assert!([401, 404].contains(&public), "{path} answers {public}");
    }
    for path in ["/debug/pprof", "/debug/vars", "/server-status"] {
        let public = status(format!("{}{path}", world.stage.scene.url)).await;
        assert!([401, 404].contains(&public), "{path} answers {public}");
    }
    world.end().await;
}

async fn chat(url: &str, token: &str) -> Value {
    let body = json!({
        "model": "gpt",
        "messages": [{ "role": "user", "content": "x" }],
        "max_completion_tokens": 9,
    });
    // One may be there already; a client needs one and does not care which.
    drop(rustls::crypto::ring::default_provider().install_default());
    let http = reqwest::Client::builder().build().unwrap();
    let asked = http
        .post(format!("{url}/v1/chat/completions"))
        .bearer_auth(token)
        .json(&body);
    asked.send().await.unwrap().json().await.unwrap()
}

const SECRET: &str = "a-secret-of-the-first-day";
/// What an operator puts into the unit's environment, never into the file.
const SECRETS: [(&str, &str); 3] = [
    ("BAUTA_SSO_SECRET", SECRET),
    ("ANTHROPIC_API_KEY", "worth-nothing-anthropic"),
    ("OPENAI_API_KEY", "worth-nothing-openai"),
];
