use http::StatusCode;

use super::gemini::{ASKED, WHOLE, ask};
use crate::{
    forward::Credential,
    kit::{ASK, Does, Kit, MESSAGE, document, name},
};

#[tokio::test]
async fn a_request_whose_key_is_refused_goes_out_again_under_the_next() {
    let kit = with_keys("anthropic", &["one", "two"]).await;
    kit.main.will(refused());
    kit.main.will(Does::Says(document("200 OK", MESSAGE)));

    let (head, body) = kit.ask(ASK).await;

    assert_eq!((head.status, body.as_str()), (StatusCode::OK, MESSAGE));
    assert_eq!(head.headers["bauta-served-by"], "anthropic/claude-opus-4-7");
    let sent = kit.main.sent();
    assert_eq!(sent[0].body, sent[1].body);
    assert!(sent[0].head.contains("x-api-key: one"));
    assert!(sent[1].head.contains("x-api-key: two"));
    assert_eq!(kit.outcome().await, "completed");
    // From now on the second is the first.
    kit.main.will(Does::Says(document("200 OK", MESSAGE)));
    kit.ask(ASK).await;
    assert!(kit.main.sent()[0].head.contains("x-api-key: two"));
}

#[tokio::test]
async fn an_upstream_that_takes_no_key_is_lost_and_another_answers() {
    let kit = with_keys("anthropic", &["one", "two"]).await;
    kit.main.will(refused());
    kit.main.will(refused());
    kit.local.will(Does::Says(document("200 OK", MESSAGE)));

    let (head, _) = kit.ask(ASK).await;

    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.headers["bauta-served-by"], "local/qwen3");
    assert_eq!(kit.main.sent().len(), 2);
    let metrics = kit.gateway.metrics();
    let line = "bauta_gateway_attempts_total{upstream=\"anthropic\",result=\"credential\"} 1";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn new_keys_are_in_force_at_the_next_request() {
    let kit = with_keys("anthropic", &["old"]).await;
    let new = || vec![Credential::new("new").unwrap()];

    assert!(kit.gateway.rekey(&name("anthropic"), new()));
    assert!(!kit.gateway.rekey(&name("nobody"), new()));

    kit.main.will(Does::Says(document("200 OK", MESSAGE)));
    kit.ask(ASK).await;
    assert!(kit.main.sent()[0].head.contains("x-api-key: new"));
}

#[tokio::test]
async fn a_key_that_google_refuses_with_400_gives_way_to_the_next() {
    for refusal in [REVOKED, EXPIRED, IN_A_LIST] {
        let kit = with_keys("google", &["one", "two"]).await;
        kit.main.will(bad(refusal));
        kit.main.will(Does::Says(document("200 OK", "{}")));

        let (head, _) = kit.get(ask(WHOLE, ASKED)).await;

        assert_eq!(head.status, StatusCode::OK, "{refusal}");
        assert_eq!(head.headers["bauta-fallback"], "false");
        let sent = kit.main.sent();
        assert_eq!(sent[0].body, sent[1].body);
        assert!(sent[0].head.contains("x-goog-api-key: one"));
        assert!(sent[1].head.contains("x-goog-api-key: two"));
        let metrics = kit.gateway.metrics();
        let refused = "bauta_gateway_key_refused{upstream=\"google\",key=\"1\"} 1";
        assert!(metrics.contains(refused), "{metrics}");
    }
}

#[tokio::test]
async fn a_400_of_googles_that_is_about_the_request_costs_no_key() {
    let kit = with_keys("google", &["one", "two"]).await;
    for said in [ABOUT_THE_REQUEST, QUOTING] {
        kit.main.will(bad(said));

        let (head, body) = kit.get(ask(WHOLE, ASKED)).await;

        assert_eq!(
            (head.status, body.as_str()),
            (StatusCode::BAD_REQUEST, said)
        );
        let sent = kit.main.sent();
        assert_eq!(sent.len(), 1, "{said}");
        assert!(sent[0].head.contains("x-goog-api-key: one"));
    }
}

#[tokio::test]
async fn where_google_takes_no_key_another_target_answers_and_nobody_is_told_it_was_their_request()
{
    let kit = with_keys("google", &["one"]).await;
    kit.main.will(bad(REVOKED));
    kit.local.will(Does::Says(document("200 OK", "{}")));

    let (head, _) = kit.get(ask(WHOLE, ASKED)).await;

    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.headers["bauta-served-by"], "gemma/gemma-4");
}

fn bad(body: &str) -> Does {
    Does::Says(document("400 Bad Request", body))
}

const REVOKED: &str = r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#;
const EXPIRED: &str = r#"{"error":{"code":400,"message":"API key expired. Please renew the API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.LocalizedMessage","locale":"en-US"},{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#;
const IN_A_LIST: &str = r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#;
const ABOUT_THE_REQUEST: &str = r#"{"error":{"code":400,"message":"Invalid JSON payload received.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest"}]}}"#;
/// A request that talks about keys.
const QUOTING: &str = r#"{"error":{"code":400,"message":"Invalid value: \"API_KEY_INVALID: API key not valid. Please pass a valid API key.\"","status":"INVALID_ARGUMENT"}}"#;

fn refused() -> Does {
    Does::Says(document("401 Unauthorized", "{}"))
}

async fn with_keys(upstream: &str, keys: &[&str]) -> Kit {
    let keys = keys.iter().map(|key| Credential::new(key).unwrap());
    let keys = keys.collect();
    Kit::with(|parts| {
        parts.credentials.insert(name(upstream), keys);
    })
    .await
}
