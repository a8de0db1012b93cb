//! The checklist for a simulated Persona, a test for each line.

mod api;
mod hooks;
mod objects;
mod pages;

use super::*;
use crate::Sandbox;
use crate::outbound::Reply;
use crate::testing::{call, sandbox, still};
use serde_json::{Value, json};

/// The headers of a well-behaved client.
fn headers(key: &str) -> Vec<(String, String)> {
    [
        ("authorization", format!("Bearer {key}")),
        ("persona-version", "2026-09-29".to_owned()),
        ("key-inflection", "kebab".to_owned()),
        ("content-type", "application/json".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

async fn ask_with(
    persona: &Persona,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: &Value,
) -> Reply {
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    call(
        method,
        &format!("{}/{path}", persona.api_base()),
        &headers,
        &body,
    )
    .await
}

async fn ask(persona: &Persona, method: &str, path: &str, body: &Value) -> Reply {
    ask_with(persona, method, path, &headers(SANDBOX_KEY), body).await
}

/// What Bauta asks for: no account, no field, a random reference.
fn wish() -> Value {
    json!({
        "data": {"attributes": {
            "inquiry-template-id": "itmpl_sandbox",
            "reference-id": "r_9f2c",
            "redirect-uri": "http://127.0.0.1:8080/verify/return",
            "fields": {},
        }},
        "meta": {"auto-create-account": false},
    })
}

async fn created(persona: &Persona) -> String {
    let answer = ask(persona, "POST", "inquiries", &wish()).await;
    assert_eq!(answer.status, 201);
    answer.json()["data"]["id"].as_str().unwrap().to_owned()
}

/// The ids of an inquiry's verifications, document first.
async fn children(persona: &Persona, inquiry: &str) -> Vec<String> {
    let shown = ask(
        persona,
        "GET",
        &format!("inquiries/{inquiry}"),
        &Value::Null,
    )
    .await
    .json();
    let related = shown["data"]["relationships"]["verifications"]["data"]
        .as_array()
        .unwrap()
        .clone();
    related
        .iter()
        .map(|child| child["id"].as_str().unwrap().to_owned())
        .collect()
}

/// The planted values that occur in a text.
fn leaks(persona: &Persona, text: &str) -> Vec<String> {
    let planted = persona.canaries().into_iter();
    planted
        .filter(|canary| text.contains(&canary.value))
        .map(|canary| canary.field)
        .collect()
}
