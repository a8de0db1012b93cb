use super::*;
use crate::Fault;
use crate::outbound::Reply as Answered;
use crate::testing::{call, events, sandbox};

const HEADERS: [(&str, &str); 2] = [
    ("x-goog-api-key", "key"),
    ("content-type", "application/json"),
];
const MODEL: &str = "gemini-3-pro";

fn asking() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "what is a bauta"}]}]})
}

async fn send(gemini: &Gemini, call_of: &str, body: &Value) -> Answered {
    let url = format!("{}/v1beta/models/{MODEL}:{call_of}", gemini.url());
    call("POST", &url, &HEADERS, &body.to_string()).await
}

fn text(chunk: &Value) -> &str {
    chunk["candidates"][0]["content"]["parts"][0]["text"]
        .as_str()
        .unwrap()
}

#[tokio::test]
async fn a_stream_says_the_same_as_a_whole_answer_in_either_form() {
    let sandbox = sandbox();

    let whole = send(&sandbox.gemini, "generateContent", &asking())
        .await
        .json();
    let stream = send(&sandbox.gemini, "streamGenerateContent?alt=sse", &asking())
        .await
        .text();
    let array = send(&sandbox.gemini, "streamGenerateContent", &asking())
        .await
        .json();

    assert!(stream.ends_with("}\r\n\r\n"), "a stream has no end mark");
    let chunks: Vec<Value> = events(&stream.replace("\r\n", "\n"))
        .iter()
        .map(|(_, data)| serde_json::from_str(data).unwrap())
        .collect();
    for chunks in [&chunks, array.as_array().unwrap()] {
        let said: String = chunks.iter().map(text).collect();
        assert_eq!(said, text(&whole));
        let (last, others) = chunks.split_last().unwrap();
        assert_eq!(last["candidates"][0]["finishReason"], "STOP");
        assert_eq!(last["usageMetadata"], whole["usageMetadata"]);
        let open = |chunk: &Value| chunk["candidates"][0].get("finishReason").is_none();
        assert!(others.iter().all(open));
    }
}

#[tokio::test]
async fn thoughts_are_told_beside_what_was_said_and_a_zero_is_not_told() {
    let sandbox = sandbox();
    sandbox.gemini.reply_next(Reply {
        usage: Some(Usage {
            input: 7,
            output: 30,
            reasoning: 20,
            cache_read: 5,
            ..Usage::default()
        }),
        ..Reply::default()
    });

    let thinking = send(&sandbox.gemini, "generateContent", &asking())
        .await
        .json();
    let plain = send(&sandbox.gemini, "generateContent", &asking())
        .await
        .json();

    let expected = json!({
        "promptTokenCount": 12, "candidatesTokenCount": 10, "thoughtsTokenCount": 20,
        "cachedContentTokenCount": 5, "totalTokenCount": 42,
    });
    assert_eq!(thinking["usageMetadata"], expected);
    assert!(plain["usageMetadata"].get("thoughtsTokenCount").is_none());
}

#[tokio::test]
async fn either_spelling_of_a_field_is_read_and_an_unknown_one_refused() {
    let sandbox = sandbox();
    for config in [
        json!({"generationConfig": {"maxOutputTokens": 2}}),
        json!({"generation_config": {"max_output_tokens": 2}}),
    ] {
        let mut asked = asking();
        asked
            .as_object_mut()
            .unwrap()
            .extend(config.as_object().unwrap().clone());
        let cut = send(&sandbox.gemini, "generateContent", &asked)
            .await
            .json();
        assert_eq!(cut["candidates"][0]["finishReason"], "MAX_TOKENS");
    }
    let mut strange = asking();
    strange["user"] = json!("ada");

    let refused = send(&sandbox.gemini, "generateContent", &strange).await;

    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"]["status"], "INVALID_ARGUMENT");
}

#[tokio::test]
async fn a_body_that_names_another_model_than_the_path_is_refused() {
    let sandbox = sandbox();
    let one = |model: &str| json!({"requests": [{"model": model, "content": {"parts": [{"text": "a"}]}}]});

    let good = send(
        &sandbox.gemini,
        "batchEmbedContents",
        &one("models/gemini-3-pro"),
    )
    .await;
    let bad = send(
        &sandbox.gemini,
        "batchEmbedContents",
        &one("models/gemini-3-flash"),
    )
    .await;

    assert_eq!(good.json()["embeddings"].as_array().unwrap().len(), 1);
    assert_eq!(bad.status, 400);
}

#[tokio::test]
async fn a_key_a_model_and_a_method_that_do_not_exist_are_told_apart() {
    let sandbox = sandbox();
    let base = format!("{}/v1/models", sandbox.gemini.url());
    let body = asking().to_string();
    let no_key = [("content-type", "application/json")];
    for (url, headers, code, status) in [
        (
            "gemini-3-pro:generateContent",
            &no_key[..],
            403,
            "PERMISSION_DENIED",
        ),
        ("gemini-0:generateContent", &HEADERS[..], 404, "NOT_FOUND"),
        ("gemini-3-pro:generate", &HEADERS[..], 404, "NOT_FOUND"),
    ] {
        let answer = call("POST", &format!("{base}/{url}"), headers, &body).await;

        assert_eq!(answer.status, code, "{url}");
        assert_eq!(answer.json()["error"]["code"], code, "{url}");
        assert_eq!(answer.json()["error"]["status"], status, "{url}");
    }
    let listed = call("GET", &base, &HEADERS, "").await.json();
    assert_eq!(listed["models"][0]["name"], "models/gemini-3-pro");
}

#[tokio::test]
async fn a_stream_without_its_last_event_never_says_that_it_is_over() {
    let sandbox = sandbox();
    sandbox.gemini.next(Fault::NoTerminal);

    let stream = send(&sandbox.gemini, "streamGenerateContent?alt=sse", &asking())
        .await
        .text();

    assert!(!stream.contains("finishReason"), "{stream}");
}
