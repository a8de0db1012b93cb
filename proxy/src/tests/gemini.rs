//! The whole way of a request in Gemini's dialect.

use serde_json::{Value, json};

use super::*;

const STREAM_OF: &str = "/v1beta/models/gemini:streamGenerateContent?alt=sse";
pub(super) const WHOLE: &str = "/v1/models/gemini:generateContent";
pub(super) const ASKED: &str = "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}],\"labels\":{\"who\":\"ada\"},\
    \"generation_config\":{\"max_output_tokens\":100}}";
const BEGUN: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"h\u{e9}llo\"}]}}],\
    \"usageMetadata\":{\"promptTokenCount\":10}}\r\n\r\n";
const ENDED: &str = "data: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":\
    {\"promptTokenCount\":10,\"candidatesTokenCount\":15,\"thoughtsTokenCount\":5,\
    \"cachedContentTokenCount\":4}}\r\n\r\n";

/// Six tokens at 5, four at 1 and twenty at 25 dollars a million.
const CHARGED: i64 = 6 * 5 + 4 + 20 * 25;

#[tokio::test]
async fn prv_08_a_gemini_request_leaves_under_our_key_to_our_model_and_names_nobody() {
    let kit = Kit::new().await;
    let answer = ENDED.strip_prefix("data: ").unwrap().trim_end();
    kit.main.will(Does::Says(document("200 OK", answer)));

    let (head, body) = kit.get(ask(WHOLE, ASKED)).await;

    assert_eq!((head.status, body.as_str()), (StatusCode::OK, answer));
    assert_eq!(head.headers["bauta-served-by"], "google/gemini-3-pro");
    let sent = &kit.main.sent()[0];
    let line = "POST /g/v1/models/gemini-3-pro:generateContent HTTP/1.1";
    assert_eq!(sent.head.lines().next().unwrap(), line);
    let mut headers: Vec<_> = sent.head.lines().skip(1).collect();
    headers.retain(|line| !line.starts_with("host: ") && !line.starts_with("content-length: "));
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            "accept-encoding: identity",
            "accept: application/json",
            "content-type: application/json",
            "user-agent: google-genai-sdk/3.4.0",
            "x-goog-api-key: sk-ours",
        ]
    );
    assert_eq!(sent.body, ASKED.replace("{\"who\":\"ada\"}", "{}"));
    let rows = kit.closed(1).await;
    assert_eq!(rows[0].ended.as_ref().unwrap().charged, Some(CHARGED));
    assert_eq!(rows[0].gate.as_deref(), Some("frontier-gate@1"));
}

#[tokio::test]
async fn url_08_every_gemini_route_needs_a_token() {
    let kit = Kit::new().await;
    for version in ["v1", "v1beta"] {
        for verb in [
            "generateContent",
            "streamGenerateContent?alt=sse",
            "countTokens",
            "embedContent",
            "batchEmbedContents",
        ] {
            let path = format!("/{version}/models/gemini:{verb}");
            let mut request = ask(&path, ASKED);
            request.headers_mut().remove("x-goog-api-key");

            let (head, told) = kit.get(request).await;

            assert_eq!(head.status, StatusCode::UNAUTHORIZED, "{path}");
            assert!(told.contains("UNAUTHENTICATED"), "{told}");
            let mark = if path.contains('?') { '&' } else { '?' };
            let keyed = format!("{path}{mark}key={}", token(|_| {}));
            let (head, _) = kit.get(ask(&keyed, ASKED)).await;
            assert_eq!(head.headers["bauta-refusal"], "credential_in_query");
        }
    }
    assert!(kit.main.sent().is_empty());
}

#[tokio::test]
async fn a_gemini_stream_is_relayed_and_metered_alike_wherever_it_is_cut() {
    let kit = Kit::new().await;
    let whole = format!("{BEGUN}{ENDED}");
    let cuts: Vec<usize> = (0..=whole.len())
        .filter(|at| whole.is_char_boundary(*at))
        .collect();
    // The tally is fed at every byte elsewhere; here the plane is, as far as its script goes.
    for (n, cut) in cuts.iter().step_by(5).enumerate() {
        let (pieces, stream) = mpsc::channel(4);
        kit.main.will(Does::Streams(stream));
        let (one, two) = whole.split_at(*cut);
        for piece in [STREAM, one, two] {
            pieces.send(piece.to_owned()).await.unwrap();
        }
        drop(pieces);

        let (head, body) = kit.get(ask(STREAM_OF, ASKED)).await;

        assert_eq!((head.status, body.as_str()), (StatusCode::OK, &*whole));
        let rows = kit.closed(n + 1).await;
        let ended = rows[n].ended.as_ref().unwrap();
        assert_eq!(ended.outcome, "completed", "{cut}");
        assert_eq!(ended.charged, Some(CHARGED), "{cut}");
        let sent = kit.main.sent();
        assert!(sent[0].head.starts_with(
            "POST /g/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse HTTP/1.1"
        ));
        kit.clock.advance(1_000);
        kit.gateway.follow().await.unwrap();
    }
}

#[tokio::test]
async fn a_gemini_embedding_is_charged_what_it_read_and_a_count_nothing() {
    let kit = Kit::new().await;
    let told = "{\"embedding\":{\"values\":[0.5]},\"usageMetadata\":{\"promptTokenCount\":8}}";
    let silent = "{\"embeddings\":[{\"values\":[0.5]}]}";
    let body = "{\"requests\":[{\"model\":\"models/gemini\"}]}";
    let sent = body.replace("models/gemini", "models/gemini-3-pro");
    // Four bytes are a token where nobody counted.
    let read = i64::try_from(sent.len().div_ceil(4)).unwrap();
    for (n, (verb, answer, charged)) in [
        ("embedContent", told, 8 * 5),
        ("batchEmbedContents", silent, read * 5),
        ("countTokens", "{\"totalTokens\":8}", 0),
    ]
    .into_iter()
    .enumerate()
    {
        kit.main.will(Does::Says(document("200 OK", answer)));

        let path = format!("/v1beta/models/gemini:{verb}");
        let (head, got) = kit.get(ask(&path, body)).await;

        assert_eq!((head.status, got.as_str()), (StatusCode::OK, answer));
        assert_eq!(kit.main.sent()[0].body, sent);
        let rows = kit.closed(n + 1).await;
        let ended = rows[n].ended.as_ref().unwrap();
        assert_eq!(ended.charged, Some(charged), "{verb}");
        assert_eq!(ended.outcome, "completed");
    }
}

#[tokio::test]
async fn sse_04_a_gemini_stream_that_stops_early_ends_with_an_error() {
    let kit = Kit::new().await;
    for (n, begun) in [BEGUN, &BEGUN[..40]].into_iter().enumerate() {
        kit.main.will(Does::Says(format!("{STREAM}{begun}")));

        let (head, body) = kit.get(ask(STREAM_OF, ASKED)).await;

        assert_eq!(head.status, StatusCode::OK);
        let (_, ours) = body.rsplit_once("data: ").unwrap();
        let error: Value = serde_json::from_str(ours.trim_end()).unwrap();
        assert_eq!(error["error"]["code"], 502);
        assert_eq!(error["error"]["status"], "UNAVAILABLE");
        let rows = kit.closed(n + 1).await;
        let outcome = &rows[n].ended.as_ref().unwrap().outcome;
        assert_eq!(outcome, "upstream_truncated");
    }
}

#[tokio::test]
async fn sse_08_a_silent_gemini_stream_has_blank_lines_and_then_an_end() {
    let kit = Kit::new().await;
    // The second falls silent inside an event, where not even a blank line may stand.
    for (n, (begun, beats)) in [(BEGUN, 20), (&BEGUN[..40], 0)].into_iter().enumerate() {
        kit.main.will(Does::Waits(format!("{STREAM}{begun}")));
        let mut body = kit.send(ask(STREAM_OF, ASKED)).await.into_body();
        body.frame().await.unwrap().unwrap();

        tokio::time::pause();
        let rest = body.collect().await.unwrap().to_bytes();
        tokio::time::resume();

        let rest = String::from_utf8(rest.to_vec()).unwrap();
        let (silence, error) = rest.split_once("data: ").unwrap();
        // One every 15 s for 300 s; two more close a line that is open.
        let closes = if beats == 0 { 2 } else { 0 };
        assert_eq!(silence, "\n".repeat(beats + closes));
        assert!(error.contains("DEADLINE_EXCEEDED"), "{error}");
        let rows = kit.closed(n + 1).await;
        let outcome = &rows[n].ended.as_ref().unwrap().outcome;
        assert_eq!(outcome, "upstream_truncated");
    }
}

#[tokio::test]
async fn sse_07_a_gemini_stream_is_cut_when_its_grant_ends() {
    let kit = Kit::new().await;
    kit.main.will(Does::Waits(format!("{STREAM}{BEGUN}")));
    let mut body = kit.send(ask(STREAM_OF, ASKED)).await.into_body();
    body.frame().await.unwrap().unwrap();

    kit.told.say(Notice::Ended {
        grant: end(),
        until: UnixMillis(i64::MAX),
    });
    kit.clock.advance(1_000);
    kit.gateway.follow().await.unwrap();
    let rest = body.collect().await.unwrap().to_bytes();

    let error: Value = serde_json::from_slice(rest.strip_prefix(b"data: ").unwrap()).unwrap();
    assert_eq!(error["error"]["status"], "UNAUTHENTICATED");
    assert_eq!(kit.outcome().await, "revoked");
}

#[tokio::test]
async fn a_gemini_provider_that_gives_up_is_relayed_and_nothing_is_added() {
    let kit = Kit::new().await;
    let error = "{\n  \"error\": {\n    \"code\": 503,\n    \"status\": \"UNAVAILABLE\"\n  }\n}\n";
    kit.main.will(Does::Says(format!("{STREAM}{BEGUN}{error}")));

    let (_, body) = kit.get(ask(STREAM_OF, ASKED)).await;

    assert_eq!(body, format!("{BEGUN}{error}"));
    assert_eq!(kit.outcome().await, "completed");
}

#[tokio::test]
async fn a_gate_closes_a_gemini_model_and_its_fallback_answers() {
    let kit = Kit::new().await;
    kit.local.will(Does::Says(document("200 OK", "{}")));
    let ungated = token(|claims| claims.gates.clear());
    let mut request = ask(WHOLE, ASKED);
    let key = ungated.parse().unwrap();
    request.headers_mut().insert("x-goog-api-key", key);

    let (head, _) = kit.get(request).await;

    assert_eq!(head.headers["bauta-served-by"], "gemma/gemma-4");
    assert_eq!(head.headers["bauta-fallback"], "true");
    let sent = &kit.local.sent()[0];
    assert!(
        sent.head
            .starts_with("POST /v1/models/gemma-4:generateContent HTTP/1.1")
    );
    assert!(
        !sent.head.contains("x-goog-api-key"),
        "it has no credential"
    );
    assert!(kit.main.sent().is_empty());
}

#[tokio::test]
async fn a_gemini_caller_is_refused_in_its_own_words() {
    let kit = Kit::new().await;
    for (path, body, status, word) in [
        (
            "/v1beta/models/claude-opus:generateContent",
            ASKED,
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "/v1/models/none:countTokens",
            ASKED,
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "/v1beta/models/gemini:streamGenerateContent",
            ASKED,
            400,
            "INVALID_ARGUMENT",
        ),
        (WHOLE, "{\"model\":\"models/x\"}", 400, "INVALID_ARGUMENT"),
        (WHOLE, "{\"Model\":\"gemini\"}", 400, "INVALID_ARGUMENT"),
        ("/v1beta/files", ASKED, 404, "NOT_FOUND"),
    ] {
        let (head, told) = kit.get(ask(path, body)).await;

        assert_eq!(head.status.as_u16(), status, "{path} {told}");
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["error"]["code"], status, "{path}");
        assert_eq!(told["error"]["status"], word, "{path}");
    }
    assert!(kit.main.sent().is_empty());
}

#[tokio::test]
async fn a_budget_holds_in_the_gemini_dialect_too() {
    let kit = Kit::new().await;
    let body = ASKED.replace("100", "1000000");

    let (head, told) = kit.get(ask(WHOLE, &body)).await;

    assert_eq!(head.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(head.headers["bauta-refusal"], "budget_exhausted");
    assert!(told.contains("RESOURCE_EXHAUSTED"), "{told}");
    assert!(kit.main.sent().is_empty());
}

#[tokio::test]
async fn the_models_of_a_token_are_listed_in_gemini_s_form() {
    let kit = Kit::new().await;
    let get = |path: &str, key: &str| {
        let token = token(|_| {});
        let value = if key == "authorization" {
            format!("Bearer {token}")
        } else {
            token
        };
        let request = Request::get(path).header(key, value);
        request.body(Body::empty()).unwrap()
    };

    for (path, key) in [
        ("/v1/models", "x-goog-api-key"),
        ("/v1beta/models?pageSize=50", "x-goog-api-key"),
        ("/v1beta/models", "authorization"),
    ] {
        let (_, listed) = kit.get(get(path, key)).await;

        let listed: Value = serde_json::from_str(&listed).unwrap();
        let models = listed["models"].as_array().unwrap();
        assert_eq!(models.len(), 1, "{path}: {listed}");
        assert_eq!(models[0]["name"], "models/gemini");
        assert_eq!(models[0]["outputTokenLimit"], 128_000);
    }
    // By its own name at the provider too.
    for id in ["gemini", "gemini-3-pro"] {
        let path = format!("/v1beta/models/{id}");
        let (_, one) = kit.get(get(&path, "x-goog-api-key")).await;
        let one: Value = serde_json::from_str(&one).unwrap();
        assert_eq!(one["name"], "models/gemini");
    }
    let (head, told) = kit
        .get(get("/v1beta/models/claude-opus", "x-goog-api-key"))
        .await;
    assert_eq!(head.status, StatusCode::NOT_FOUND);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["error"]["status"], json!("NOT_FOUND"));
}

pub(super) fn ask(path: &str, body: &str) -> Request<Body> {
    Request::post(path)
        .header("x-goog-api-key", token(|_| {}))
        .header("content-type", "application/json")
        .header("user-agent", "google-genai-sdk/3.4.0 gl-python/3.11.7")
        .header("x-goog-api-client", "google-genai-sdk/3.4.0 canary")
        .header("x-goog-user-project", "canary")
        .header("x-gemini-api-privileged-user-id", "canary")
        .body(Body::from(body.to_owned()))
        .unwrap()
}
