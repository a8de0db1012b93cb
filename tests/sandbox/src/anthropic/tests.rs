//! The dialect; under `faults`, what can go wrong with any of the simulators.

mod faults;

use super::*;
use crate::model::Usage;
use crate::testing::{begin, call, events, post, raw, sandbox, soon, unchunked};
use crate::{Fault, Storm};
use serde_json::json;

const HEADERS: [(&str, &str); 3] = [
    ("x-api-key", "sk-ant-test"),
    ("anthropic-version", "2023-06-01"),
    ("content-type", "application/json"),
];

const RAW_HEADERS: &str = "x-api-key: k\r\nanthropic-version: 2023-06-01\r\n";

fn asking(more: &Value) -> String {
    let mut asked = json!({
        "model": "claude-opus-4-8",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "what is a bauta"}],
    });
    asked
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    asked.to_string()
}

async fn send(anthropic: &Anthropic, body: &str) -> crate::outbound::Reply {
    let url = format!("{}/v1/messages?beta=true", anthropic.url());
    call("POST", &url, &HEADERS, body).await
}

#[tokio::test]
async fn a_stream_says_the_same_as_a_whole_message() {
    let sandbox = sandbox();

    let whole = send(&sandbox.anthropic, &asking(&json!({}))).await.json();
    let stream = send(&sandbox.anthropic, &asking(&json!({"stream": true}))).await;

    let told = events(&stream.text());
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    let (opening, deltas) = names.split_at(3);
    assert_eq!(
        stream.header("content-type"),
        "text/event-stream; charset=utf-8"
    );
    assert_eq!(opening, ["message_start", "content_block_start", "ping"]);
    assert_eq!(
        names[names.len() - 3..],
        ["content_block_stop", "message_delta", "message_stop"]
    );
    assert!(deltas.len() > 5, "{} events", deltas.len());

    let data: Vec<Value> = told
        .iter()
        .map(|(_, data)| serde_json::from_str(data).unwrap())
        .collect();
    let text: String = data
        .iter()
        .filter_map(|data| data["delta"]["text"].as_str())
        .collect();
    assert_eq!(text, whole["content"][0]["text"]);
    assert!(text.starts_with("You asked: 4 words."), "{text}");
    let closing = &data[data.len() - 2];
    assert_eq!(closing["usage"], whole["usage"]);
    assert_eq!(closing["delta"]["stop_reason"], "end_turn");
    assert_eq!(
        data[0]["message"]["usage"]["input_tokens"],
        whole["usage"]["input_tokens"]
    );
}

#[tokio::test]
async fn nothing_is_answered_without_key_and_version() {
    let sandbox = sandbox();
    let url = format!("{}/v1/messages", sandbox.anthropic.url());

    for (headers, status, kind) in [
        (&HEADERS[1..], 401, "authentication_error"),
        (&HEADERS[..1], 400, "invalid_request_error"),
    ] {
        let refused = call("POST", &url, headers, &asking(&json!({}))).await;

        assert_eq!(refused.status.as_u16(), status);
        assert_eq!(refused.json()["error"]["type"], kind);
        assert_eq!(refused.json()["request_id"], refused.header("request-id"));
    }
}

#[tokio::test]
async fn a_bearer_is_as_good_as_a_key() {
    let sandbox = sandbox();
    let url = format!("{}/v1/messages", sandbox.anthropic.url());
    let headers = [
        ("authorization", "Bearer sk-ant-test"),
        HEADERS[1],
        HEADERS[2],
    ];

    let answered = call("POST", &url, &headers, &asking(&json!({}))).await;

    assert_eq!(answered.status, 200);
}

#[tokio::test]
async fn an_address_in_user_id_is_refused_wherever_it_hides() {
    let sandbox = sandbox();

    for (user, status) in [
        (json!("ada@corp.example"), 400),
        (
            json!("{\"account\":\"ada@corp.example\",\"session\":1}"),
            400,
        ),
        (json!(7), 400),
        (json!("x".repeat(257)), 400),
        (json!("bp1_mfzwi3tpoq7ebd5n"), 200),
        (Value::Null, 200),
    ] {
        let body = asking(&json!({"metadata": {"user_id": user}}));
        let answered = send(&sandbox.anthropic, &body).await;

        assert_eq!(answered.status.as_u16(), status, "{user}");
    }
}

#[tokio::test]
async fn malformed_requests_are_named() {
    let sandbox = sandbox();

    for (more, status, part) in [
        (json!({"model": "gpt-5.2"}), 404, "model: gpt-5.2"),
        (json!({"max_tokens": 0}), 400, "max_tokens"),
        (json!({"messages": []}), 400, "messages"),
        (
            json!({"messages": [{"role": "tool", "content": "x"}]}),
            400,
            "messages.0.role",
        ),
        (json!({"stream": "true"}), 400, "stream"),
    ] {
        let refused = send(&sandbox.anthropic, &asking(&more)).await;

        assert_eq!(refused.status.as_u16(), status, "{more}");
        assert!(
            refused.json()["error"]["message"]
                .as_str()
                .unwrap()
                .contains(part),
            "{more}"
        );
    }
}

#[tokio::test]
async fn a_profile_from_a_client_is_noticed() {
    let sandbox = sandbox();
    let url = format!("{}/v1/messages", sandbox.anthropic.url());
    let mut headers = HEADERS.to_vec();
    headers.push(("anthropic-user-profile-id", "uprof_client"));

    let refused = call("POST", &url, &headers, &asking(&json!({})))
        .await
        .json();

    assert_eq!(
        refused["error"]["details"]["error_code"],
        "user_profile_not_found"
    );
}

#[tokio::test]
async fn a_marked_prefix_is_written_to_the_cache_once_and_read_from_then_on() {
    let sandbox = sandbox();
    let system =
        json!([{"type": "text", "text": "long rules", "cache_control": {"type": "ephemeral"}}]);
    let body = asking(&json!({"system": system}));

    let first = send(&sandbox.anthropic, &body).await.json()["usage"].clone();
    let second = send(&sandbox.anthropic, &body).await.json()["usage"].clone();

    assert!(first["cache_creation_input_tokens"].as_u64().unwrap() > 0);
    assert_eq!(first["cache_read_input_tokens"], 0);
    assert_eq!(
        second["cache_read_input_tokens"],
        first["cache_creation_input_tokens"]
    );
    assert_eq!(second["cache_creation_input_tokens"], 0);
}

#[tokio::test]
async fn an_answer_stops_at_max_tokens() {
    let sandbox = sandbox();

    let short = send(&sandbox.anthropic, &asking(&json!({"max_tokens": 4})))
        .await
        .json();

    assert_eq!(short["stop_reason"], "max_tokens");
    assert_eq!(short["usage"]["output_tokens"], 4);
    assert_eq!(short["content"][0]["text"].as_str().unwrap().len(), 16);
}

#[tokio::test]
async fn a_scripted_reply_is_given_once() {
    let sandbox = sandbox();
    let usage = Usage {
        input: 10,
        output: 20,
        cache_read: 30,
        cache_write_5m: 40,
        cache_write_1h: 50,
        reasoning: 0,
    };
    sandbox.anthropic.reply_next(Reply {
        text: Some("no".to_owned()),
        stop: Some("refusal".to_owned()),
        stop_details: Some(json!({"category": "cyber"})),
        usage: Some(usage),
        ..Reply::default()
    });

    let refused = send(&sandbox.anthropic, &asking(&json!({}))).await.json();
    let usual = send(&sandbox.anthropic, &asking(&json!({}))).await.json();

    assert_eq!(refused["stop_reason"], "refusal");
    assert_eq!(refused["stop_details"]["category"], "cyber");
    assert_eq!(refused["usage"]["cache_creation_input_tokens"], 90);
    assert_eq!(
        refused["usage"]["cache_creation"]["ephemeral_1h_input_tokens"],
        50
    );
    assert_eq!(usual["stop_reason"], "end_turn");
}

#[tokio::test]
async fn tokens_are_counted_as_they_are_billed() {
    let sandbox = sandbox();
    let url = format!("{}/v1/messages/count_tokens", sandbox.anthropic.url());

    let counted = call("POST", &url, &HEADERS, &asking(&json!({})))
        .await
        .json();
    let billed = send(&sandbox.anthropic, &asking(&json!({}))).await.json();

    assert_eq!(counted["input_tokens"], billed["usage"]["input_tokens"]);
}

#[tokio::test]
async fn counting_takes_no_metadata() {
    let sandbox = sandbox();
    let url = format!("{}/v1/messages/count_tokens", sandbox.anthropic.url());
    let body = asking(&json!({"metadata": {"user_id": "opaque"}}));

    let answered = call("POST", &url, &HEADERS, &body).await;

    assert_eq!(answered.status, 400);
}

#[tokio::test]
async fn models_are_listed_and_found_by_name() {
    let sandbox = sandbox();
    let url = format!("{}/v1/models", sandbox.anthropic.url());

    let list = call("GET", &url, &HEADERS, "").await.json();
    let one = call("GET", &format!("{url}/claude-opus-4-8"), &HEADERS, "")
        .await
        .json();
    let none = call("GET", &format!("{url}/claude-1"), &HEADERS, "").await;

    assert_eq!(list["data"][0], one);
    assert_eq!(none.status, 404);
}

#[tokio::test]
async fn refusals_look_like_the_providers() {
    let sandbox = sandbox();

    for (refusal, status, code) in [
        (
            Refusal::VerificationRequired,
            403,
            json!("verification_required"),
        ),
        (
            Refusal::OrganizationOnHold,
            400,
            json!("organization_on_hold"),
        ),
        (Refusal::IdentityRequired, 400, Value::Null),
        (Refusal::Overloaded, 529, Value::Null),
    ] {
        sandbox.anthropic.next(refusal.fault());
        let refused = send(&sandbox.anthropic, &asking(&json!({}))).await;

        assert_eq!(refused.status.as_u16(), status);
        assert_eq!(refused.json()["type"], "error");
        assert_eq!(refused.json()["error"]["details"]["error_code"], code);
    }

    sandbox.anthropic.next(Refusal::RequestNotAllowed.fault());
    let edge = send(&sandbox.anthropic, &asking(&json!({}))).await.json();
    assert_eq!(
        edge,
        json!({"error": {"type": "forbidden", "message": "Request not allowed"}})
    );

    sandbox.anthropic.next(Refusal::RateLimited(17).fault());
    let limited = send(&sandbox.anthropic, &asking(&json!({}))).await;
    assert_eq!(
        (limited.status.as_u16(), limited.header("retry-after")),
        (429, "17")
    );
}

#[tokio::test]
async fn every_request_is_on_record_byte_for_byte() {
    let sandbox = sandbox();
    let odd = asking(&json!({"unknown": {"z": 1, "a": [1.50]}}));

    send(&sandbox.anthropic, &odd).await;

    let requests = sandbox.anthropic.requests();
    let [seen] = requests.as_slice() else {
        panic!("{} requests", requests.len());
    };
    assert_eq!(seen.body, odd);
    assert_eq!(seen.target, "/v1/messages?beta=true");
    assert_eq!(seen.header("x-api-key"), Some("sk-ant-test"));
    assert!(seen.contains("what is a bauta"));
    assert!(!seen.contains("what is a mask"));
}

#[tokio::test]
async fn answers_carry_headers_that_must_not_travel_on() {
    let sandbox = sandbox();

    let answered = send(&sandbox.anthropic, &asking(&json!({}))).await;

    assert_eq!(answered.header("anthropic-organization-id"), ORGANIZATION);
    assert!(answered.header("set-cookie").contains("canary"));
}
