use http::StatusCode;

use crate::{
    forward::Credential,
    kit::{ASK, Does, Kit, MESSAGE, document, name},
};

#[tokio::test]
async fn a_request_whose_key_is_refused_goes_out_again_under_the_next() {
    let kit = with_keys(&["one", "two"]).await;
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
    let kit = with_keys(&["one", "two"]).await;
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
    let kit = with_keys(&["old"]).await;
    let new = || vec![Credential::new("new").unwrap()];

    assert!(kit.gateway.rekey(&name("anthropic"), new()));
    assert!(!kit.gateway.rekey(&name("nobody"), new()));

    kit.main.will(Does::Says(document("200 OK", MESSAGE)));
    kit.ask(ASK).await;
    assert!(kit.main.sent()[0].head.contains("x-api-key: new"));
}

fn refused() -> Does {
    Does::Says(document("401 Unauthorized", "{}"))
}

async fn with_keys(keys: &[&str]) -> Kit {
    let keys = keys.iter().map(|key| Credential::new(key).unwrap());
    let keys = keys.collect();
    Kit::with(|parts| {
        parts.credentials.insert(name("anthropic"), keys);
    })
    .await
}
