use super::*;
use crate::Fault;
use crate::outbound::Reply as Answered;
use crate::testing::{call, events, sandbox};
use serde_json::json;

const HEADERS: [(&str, &str); 2] = [
    ("authorization", "Bearer sk-test"),
    ("content-type", "application/json"),
];

fn asking(more: &Value) -> Value {
    let mut asked = json!({
        "model": "gpt-5.2",
        "messages": [{"role": "user", "content": "what is a bauta"}],
    });
    asked
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    asked
}

async fn send(openai: &OpenAi, path: &str, body: &Value) -> Answered {
    let url = format!("{}/v1/{path}", openai.url());
    call("POST", &url, &HEADERS, &body.to_string()).await
}

/// The data of a stream as JSON, without the mark at its end.
fn chunks(stream: &str) -> Vec<Value> {
    let told = events(stream);
    let data = told
        .iter()
        .map(|(_, data)| data)
        .filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[tokio::test]
async fn a_stream_says_the_same_as_a_whole_completion() {
    let sandbox = sandbox();

    let whole = send(&sandbox.openai, "chat/completions", &asking(&json!({})))
        .await
        .json();
    let stream = send(
        &sandbox.openai,
        "chat/completions",
        &asking(&json!({"stream": true})),
    )
    .await
    .text();

    let deltas = chunks(&stream);
    let text: String = deltas
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert!(stream.ends_with("data: [DONE]\n\n"));
    assert_eq!(text, whole["choices"][0]["message"]["content"]);
    assert_eq!(
        deltas.last().unwrap()["choices"][0]["finish_reason"],
        "stop"
    );
    assert!(
        deltas.iter().all(|chunk| chunk.get("usage").is_none()),
        "nobody asked for usage"
    );
}

#[tokio::test]
async fn usage_comes_last_and_only_when_asked_for() {
    let sandbox = sandbox();
    let body = asking(&json!({"stream": true, "stream_options": {"include_usage": true}}));

    let whole = send(&sandbox.openai, "chat/completions", &asking(&json!({})))
        .await
        .json();
    let stream = send(&sandbox.openai, "chat/completions", &body)
        .await
        .text();

    let chunks = chunks(&stream);
    let (last, others) = chunks.split_last().unwrap();
    assert_eq!(last["usage"], whole["usage"]);
    assert_eq!(last["choices"], json!([]));
    assert!(others.iter().all(|chunk| chunk["usage"].is_null()));
}

#[tokio::test]
async fn stream_options_need_a_stream() {
    let sandbox = sandbox();
    let body = asking(&json!({"stream_options": {"include_usage": true}}));

    let refused = send(&sandbox.openai, "chat/completions", &body).await;

    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"]["param"], "stream_options");
}

#[tokio::test]
async fn a_stream_can_end_without_its_mark() {
    let sandbox = sandbox();
    sandbox.openai.next(Fault::NoTerminal);

    let stream = send(
        &sandbox.openai,
        "chat/completions",
        &asking(&json!({"stream": true})),
    )
    .await
    .text();

    assert!(!stream.contains("[DONE]"));
}

#[tokio::test]
async fn what_the_cache_gave_is_counted_as_read() {
    let sandbox = sandbox();
    let usage = crate::Usage {
        input: 100,
        cache_read: 900,
        output: 50,
        reasoning: 20,
        ..crate::Usage::default()
    };
    sandbox.openai.reply_next(Reply {
        usage: Some(usage),
        ..Reply::default()
    });

    let told = send(&sandbox.openai, "chat/completions", &asking(&json!({})))
        .await
        .json();

    assert_eq!(told["usage"]["prompt_tokens"], 1000);
    assert_eq!(told["usage"]["prompt_tokens_details"]["cached_tokens"], 900);
    assert_eq!(
        told["usage"]["completion_tokens_details"]["reasoning_tokens"],
        20
    );
    assert_eq!(told["usage"]["total_tokens"], 1050);
}

#[tokio::test]
async fn responses_end_with_what_they_were() {
    let sandbox = sandbox();
    let body = json!({"model": "gpt-5.2", "input": "what is a bauta", "stream": true, "safety_identifier": "bp1_x"});

    let stream = send(&sandbox.openai, "responses", &body).await.text();

    let told = chunks(&stream);
    let last = told.last().unwrap();
    let text: String = told
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta")
        .filter_map(|event| event["delta"].as_str())
        .collect();
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], text);
    assert_eq!(last["response"]["safety_identifier"], "bp1_x");
    for (at, event) in told.iter().enumerate() {
        assert_eq!(event["sequence_number"], at);
    }
}

#[tokio::test]
async fn a_response_cut_short_says_so() {
    let sandbox = sandbox();
    let body = json!({"model": "gpt-5.2", "input": "what is a bauta", "max_output_tokens": 3});

    let told = send(&sandbox.openai, "responses", &body).await.json();

    assert_eq!(told["status"], "incomplete");
    assert_eq!(told["incomplete_details"]["reason"], "max_output_tokens");
}

#[tokio::test]
async fn safety_identifiers_have_a_length() {
    let sandbox = sandbox();

    for (length, status) in [(128, 200), (129, 400)] {
        let body = asking(&json!({"safety_identifier": "x".repeat(length)}));
        let answered = send(&sandbox.openai, "chat/completions", &body).await;

        assert_eq!(answered.status.as_u16(), status);
    }
}

#[tokio::test]
async fn an_organisation_named_by_a_client_is_noticed() {
    let sandbox = sandbox();
    let url = format!("{}/v1/models", sandbox.openai.url());

    let refused = call(
        "GET",
        &url,
        &[HEADERS[0], ("openai-organization", "org-client")],
        "",
    )
    .await;
    let anonymous = call("GET", &url, &[], "").await;

    assert_eq!(refused.status, 401);
    assert_eq!(anonymous.status, 401);
}

#[tokio::test]
async fn each_input_is_embedded() {
    let sandbox = sandbox();
    let body = json!({"model": "text-embedding-3-small", "input": ["one", "two"]});

    let told = send(&sandbox.openai, "embeddings", &body).await.json();

    assert_eq!(told["data"].as_array().unwrap().len(), 2);
    assert_eq!(told["data"][1]["index"], 1);
}

#[tokio::test]
async fn refusals_look_like_the_providers() {
    let sandbox = sandbox();

    for (refusal, status, param, code) in [
        (
            Refusal::UnverifiedToStream,
            400,
            json!("stream"),
            json!("unsupported_value"),
        ),
        (
            Refusal::UnverifiedForModel,
            404,
            Value::Null,
            json!("model_not_found"),
        ),
        (
            Refusal::UnsupportedCountry,
            403,
            Value::Null,
            json!("unsupported_country_region_territory"),
        ),
        (
            Refusal::InsufficientQuota,
            429,
            Value::Null,
            json!("insufficient_quota"),
        ),
    ] {
        sandbox.openai.next(refusal.fault());
        let refused = send(&sandbox.openai, "chat/completions", &asking(&json!({}))).await;

        assert_eq!(refused.status.as_u16(), status);
        assert_eq!(refused.json()["error"]["param"], param);
        assert_eq!(refused.json()["error"]["code"], code);
    }
}

#[tokio::test]
async fn answers_carry_headers_that_must_not_travel_on() {
    let sandbox = sandbox();

    let answered = send(&sandbox.openai, "chat/completions", &asking(&json!({}))).await;

    assert_eq!(answered.header("openai-organization"), ORGANIZATION);
}
