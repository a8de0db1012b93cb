//! What an operator does when a provider fails: the real binary, on the files of a server.

use std::{fs, net::TcpListener};

use serde_json::Value;
use tempfile::TempDir;

use crate::server::{free, run, text, told};

#[test]
fn a_refusal_is_explained_by_its_body_and_by_its_code() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("refusal.txt");
    let body = "HTTP/2 403\ncontent-type: application/json\n\n{\"type\":\"error\",\"error\":\
        {\"type\":\"permission_error\",\"message\":\"Say canary-words\",\"details\":\
        {\"error_code\":\"verification_required\"}}}";
    fs::write(&file, body).unwrap();

    let page = told(&["explain", text(&file)]);
    let document: Value = serde_json::from_str(&told(&["explain", text(&file), "--json"])).unwrap();
    let by_code = told(&["explain", "anthropic_verification_required"]);

    assert!(
        page.contains("the holder of that Anthropic account"),
        "{page}"
    );
    assert!(
        !page.contains("canary"),
        "the provider's words may hold a prompt: {page}"
    );
    assert_eq!(document["code"], "anthropic_verification_required");
    assert_eq!(by_code, page);
}

#[test]
fn what_cannot_be_explained_is_said_to_be_so() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("refusal.json");
    fs::write(
        &file,
        "{\"error\":{\"message\":\"max_tokens is too large\"}}",
    )
    .unwrap();

    let unknown = run(&["explain", text(&file)]);
    let nothing = run(&["explain", "no_such_code"]);

    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(nothing.status.code(), Some(2));
    let said = String::from_utf8(nothing.stderr).unwrap();
    assert!(said.contains("bauta-explain"), "{said}");
}

#[test]
fn the_drill_tells_what_goes_on_without_a_provider_and_counts_on_nobody_who_is_not_there() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("bauta.toml");
    let (main, local) = (listener(), listener());
    let (main_port, local_port) = (port(&main), port(&local));
    let config = CONFIG
        .replace("MAIN", &main_port.to_string())
        .replace("LOCAL", &local_port.to_string());
    fs::write(&file, config).unwrap();
    let drill = |more: &[&str]| {
        let args = [
            &["drill", "failover", "--config", text(&file), "--json"],
            more,
        ]
        .concat();
        serde_json::from_str::<Value>(&told(&args)).unwrap()
    };

    let all = drill(&[]);
    drop(local);
    let alone = drill(&["--provider", "anthropic"]);

    let drills = all["drills"].as_array().unwrap();
    assert_eq!(drills.len(), 2, "{all}");
    let answered = |drill: &Value| (drill["answered"].as_u64(), drill["of"].as_u64());
    assert_eq!(drills[0]["without"], "anthropic");
    assert_eq!(answered(&drills[0]), (Some(2), Some(3)), "{all}");
    assert_eq!(drills[0]["rows"][0]["served_by"], "local/qwen3");
    assert_eq!(drills[0]["rows"][0]["fallback"], true);
    // Without the local one, whoever is not verified has nothing.
    assert_eq!(answered(&drills[1]), (Some(2), Some(3)), "{all}");
    assert_eq!(drills[1]["rows"][1]["served_by"], Value::Null);
    assert_eq!(answered(&alone["drills"][0]), (Some(0), Some(3)), "{alone}");
    assert_eq!(alone["upstreams"][1]["accepts_connections"], false);
    let page = told(&["drill", "failover", "--config", text(&file)]);
    assert!(page.contains("0 of 3 still answered"), "{page}");
}

fn listener() -> TcpListener {
    TcpListener::bind(free()).unwrap()
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

const CONFIG: &str = r#"
[server]
public_url  = "https://ai.example.com"
gateway_url = "https://ai.example.com"
listen      = "127.0.0.1:8080"

[storage]

[policy.gate]
version  = "1"
requires = ["person_verified"]

[[upstream]]
name     = "anthropic"
dialect  = "anthropic"
base_url = "http://127.0.0.1:MAIN"

[[upstream]]
name     = "local"
dialect  = "anthropic"
base_url = "http://127.0.0.1:LOCAL"

[[model]]
name     = "opus"
gated_by = "gate"
targets  = [{ upstream = "anthropic", model = "claude-opus-4-8" }]
fallback = [{ upstream = "local", model = "qwen3" }]
price    = { input = "5.00", output = "25.00" }

[[model]]
name    = "haiku"
targets = [{ upstream = "anthropic", model = "claude-haiku-4-5" }]
price   = { input = "1.00", output = "5.00" }
"#;
