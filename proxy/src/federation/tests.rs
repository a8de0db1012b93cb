use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::body::Body;
use http::{Method, Request, StatusCode};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
};

use super::*;
use crate::kit::{ASK, Counted, Does, Kit, MESSAGE, document};

#[test]
fn an_assertion_is_about_the_gateway_for_one_audience_and_for_five_minutes() {
    let issuer = issuer();

    let text = issuer
        .assert("https://aud", "bauta-gateway", NOW, &Counted::default())
        .unwrap();

    let parts: Vec<&str> = text.split('.').collect();
    let [head, claims] = [0, 1].map(|n| read(&URL_SAFE_NO_PAD.decode(parts[n]).unwrap()));
    assert_eq!(head["alg"], "ES256");
    assert_eq!(head["kid"], issuer.keys[0].id());
    assert_eq!(claims["iss"], "https://gw.test/federation");
    assert_eq!(claims["aud"], "https://aud");
    assert_eq!(claims["sub"], "bauta-gateway");
    assert_eq!(claims["iat"], NOW.seconds());
    assert_eq!(claims["exp"], NOW.seconds() + 300);
    let names: Vec<_> = claims.as_object().unwrap().keys().collect();
    assert_eq!(names, ["aud", "exp", "iat", "iss", "jti", "sub"]);
}

#[test]
fn two_assertions_never_have_the_same_id() {
    let (issuer, randomness) = (issuer(), Counted::default());
    let id = || {
        let text = issuer.assert("a", "s", NOW, &randomness).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(text.split('.').nth(1).unwrap());
        read(&claims.unwrap())["jti"].as_str().unwrap().to_owned()
    };

    assert_ne!(id(), id());
}

#[test]
fn a_signature_is_by_the_published_key_and_by_no_other() {
    let issuer = issuer();
    let text = issuer.assert("a", "s", NOW, &Counted::default()).unwrap();

    let (signed, signature) = text.rsplit_once('.').unwrap();

    let set = read(issuer.jwks().as_bytes());
    let coordinate = |n: usize, name: &str| {
        let text = set["keys"][n][name].as_str().unwrap();
        URL_SAFE_NO_PAD.decode(text).unwrap()
    };
    let verified = |n| {
        let point = [vec![4], coordinate(n, "x"), coordinate(n, "y")].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        key.verify(signed.as_bytes(), &signature).is_ok()
    };
    assert_eq!([verified(0), verified(1)], [true, false]);
}

#[test]
fn what_is_published_holds_no_private_half() {
    let set = read(issuer().jwks().as_bytes());

    assert_eq!(set["keys"].as_array().unwrap().len(), 2);
    for key in set["keys"].as_array().unwrap() {
        let names: Vec<_> = key.as_object().unwrap().keys().collect();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    }
}

#[test]
fn a_key_is_read_as_pem_or_as_it_is_and_nothing_else_is_a_key() {
    let der = AssertionKey::generate().unwrap();
    let body = base64::engine::general_purpose::STANDARD.encode(&*der);
    let pem = format!("\n-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");

    let [one, two] = [&der[..], pem.as_bytes()].map(|it| AssertionKey::read(it).unwrap());

    assert_eq!(one.id(), two.id());
    let rsa = AssertionKey::read(RSA).unwrap();
    assert_eq!(rsa.alg(), "RS256");
    assert_eq!(rsa.public()["e"], "AQAB");
    for bad in [&b""[..], b"x", &[7; 32], b"-----BEGIN PRIVATE KEY-----\n"] {
        assert!(AssertionKey::read(bad).is_err());
    }
}

#[test]
fn an_issuer_has_a_key_and_none_twice() {
    let der = AssertionKey::generate().unwrap();
    let key = || AssertionKey::read(&der).unwrap();

    let refused = |keys| Issuer::new("https://gw.test", keys).err();

    assert_eq!(refused(Vec::new()), Some(IssuerError::NoKey));
    assert_eq!(refused(vec![key(), key()]), Some(IssuerError::Twice));
}

#[tokio::test]
async fn the_issuer_is_public_where_there_is_one_and_nothing_else_is() {
    let (with, without) = (Kit::federated("http://127.0.0.1:9").await, Kit::new().await);
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let place = "/federation/.well-known/openid-configuration";

    let (head, metadata) = with.get(get(place)).await;
    let (_, keys) = with.get(get("/federation/jwks.json")).await;

    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.headers["content-type"], "application/json");
    let metadata = read(metadata.as_bytes());
    assert_eq!(metadata["issuer"], "https://gw.test/federation");
    assert_eq!(metadata["jwks_uri"], "https://gw.test/federation/jwks.json");
    assert_eq!(keys, with.gateway.issuer().unwrap().jwks());
    for path in ["/federation/", "/federation/keys", "/federation/jwks.json/"] {
        assert_eq!(with.get(get(path)).await.0.status, StatusCode::NOT_FOUND);
    }
    let mut post = get(place);
    *post.method_mut() = Method::POST;
    let status = with.get(post).await.0.status;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        without.get(get(place)).await.0.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn forty_requests_at_once_are_one_exchange() {
    let desk = Desk::open(Says::token(3_600)).await;
    let kit = Arc::new(Kit::federated(&desk.url).await);
    for _ in 0..40 {
        kit.main.will(Does::Says(document("200 OK", MESSAGE)));
    }

    let asked = (0..40).map(|_| kit.ask(ASK));
    let answers = futures_util::future::join_all(asked).await;

    assert!(
        answers
            .iter()
            .all(|(head, _)| head.status == StatusCode::OK)
    );
    assert_eq!(desk.asked(), 1);
    for sent in kit.main.sent() {
        assert!(
            sent.head.contains("authorization: Bearer t01"),
            "{}",
            sent.head
        );
        assert!(sent.head.contains("anthropic-beta: oauth-2025-04-20"));
        assert!(!sent.head.contains("x-api-key"));
    }
}

#[tokio::test]
async fn a_token_is_got_anew_before_it_ends_and_nobody_waits_for_it() {
    let desk = Desk::open(Says::token(600)).await;
    let kit = Kit::federated(&desk.url).await;
    for _ in 0..4 {
        kit.main.will(Does::Says(document("200 OK", MESSAGE)));
    }
    kit.ask(ASK).await;
    kit.clock.advance(479_000);
    kit.gateway.follow().await.unwrap();
    kit.ask(ASK).await;
    assert_eq!(desk.asked(), 1, "it is good for eight of its ten minutes");
    kit.clock.advance(2_000);
    kit.gateway.follow().await.unwrap();
    desk.holds.store(1, Ordering::SeqCst);

    // The desk does not answer before it is told to, and the request is answered all the same.
    let (head, _) = kit.ask(ASK).await;
    assert_eq!(head.status, StatusCode::OK);
    desk.go.notify_one();
    while desk.answered() < 2 {
        tokio::task::yield_now().await;
    }
    settle(&kit, 2).await;
    kit.ask(ASK).await;

    let sent = kit.main.sent();
    let shown: Vec<_> = sent
        .iter()
        .map(|it| it.head.contains("Bearer t01"))
        .collect();
    assert_eq!(shown, [true, true, true, false]);
    assert_eq!(desk.asked(), 2);
}

#[tokio::test]
async fn a_provider_that_gives_no_token_is_a_lost_upstream() {
    let desk = Desk::open(Says::refusal()).await;
    let kit = Kit::federated(&desk.url).await;
    kit.local.will(Does::Says(document("200 OK", MESSAGE)));

    let (head, _) = kit.ask(ASK).await;

    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.headers["bauta-served-by"], "local/qwen3");
    assert_eq!(head.headers["bauta-fallback"], "true");
    assert!(kit.main.sent().is_empty(), "nothing went to the provider");
    assert_eq!(desk.asked(), 1);
    // Left alone for a second, then asked again.
    kit.local.will(Does::Says(document("200 OK", MESSAGE)));
    kit.ask(ASK).await;
    assert_eq!(desk.asked(), 1);
    kit.clock.advance(1_100);
    kit.local.will(Does::Says(document("200 OK", MESSAGE)));
    kit.ask(ASK).await;
    assert_eq!(desk.asked(), 2);
}

#[tokio::test]
async fn without_an_alternative_the_caller_is_told_that_it_is_not_about_it() {
    let desk = Desk::open(Says::refusal()).await;
    let kit = Kit::federated(&desk.url).await;
    let ask = ASK.replace("claude-opus", "claude-alone");

    let (head, body) = kit.ask(&ask).await;

    assert_eq!(head.status, StatusCode::BAD_GATEWAY);
    assert!(body.contains("Tell your administrator"), "{body}");
    assert!(!body.contains("invalid_grant"), "{body}");
}

#[tokio::test]
async fn a_token_that_was_withdrawn_is_got_anew_once() {
    let desk = Desk::open(Says::token(3_600)).await;
    let kit = Kit::federated(&desk.url).await;
    kit.main.will(Does::Says(document("200 OK", MESSAGE)));
    kit.ask(ASK).await;
    kit.clock.advance(60_000);
    kit.gateway.follow().await.unwrap();
    kit.main
        .will(Does::Says(document("401 Unauthorized", "{}")));
    kit.main.will(Does::Says(document("200 OK", MESSAGE)));

    let (head, _) = kit.ask(ASK).await;

    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(desk.asked(), 2);
    assert!(kit.main.sent()[2].head.contains("Bearer t02"));
}

#[tokio::test]
async fn a_redirect_of_the_token_endpoint_takes_the_assertion_nowhere() {
    let elsewhere = Desk::open(Says::token(3_600)).await;
    let away = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {}/v1/oauth/token\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url
    );
    let desk = Desk::open(Says(away)).await;
    let kit = Kit::federated(&desk.url).await;
    kit.local.will(Does::Says(document("200 OK", MESSAGE)));

    let (head, _) = kit.ask(ASK).await;

    assert_eq!(head.headers["bauta-served-by"], "local/qwen3");
    assert_eq!((desk.asked(), elsewhere.asked()), (1, 0));
}

/// Until the gateway has been given `n` tokens.
async fn settle(kit: &Kit, n: u64) {
    let given =
        format!("bauta_gateway_exchanges_total{{upstream=\"anthropic\",outcome=\"given\"}} {n}");
    while !kit.gateway.metrics().contains(&given) {
        tokio::task::yield_now().await;
    }
}

/// A token endpoint.
struct Desk {
    url: String,
    counts: Arc<[AtomicUsize; 2]>,
    /// How many of the next answers wait for `go`.
    holds: Arc<AtomicUsize>,
    go: Arc<Notify>,
}

/// A whole answer; `@N` in it is the number of the request, in two digits.
struct Says(String);

impl Says {
    fn token(life_s: u32) -> Self {
        Self(document(
            "200 OK",
            &format!(
                "{{\"access_token\":\"t@N\",\"token_type\":\"Bearer\",\"expires_in\":{life_s}}}"
            ),
        ))
    }

    fn refusal() -> Self {
        Self(document(
            "400 Bad Request",
            "{\"error\":\"invalid_grant\",\"error_description\":\"no rule matches\"}",
        ))
    }
}

impl Desk {
    async fn open(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let counts: Arc<[AtomicUsize; 2]> = Arc::default();
        let (holds, go) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
        let (seen, held, gone) = (Arc::clone(&counts), Arc::clone(&holds), Arc::clone(&go));
        // It ends with the test's runtime.
        tokio_util::task::TaskTracker::new().spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = vec![0; 65_536];
                let mut size = 0;
                while !whole(&bytes[..size]) {
                    match stream.read(&mut bytes[size..]).await.unwrap() {
                        0 => break,
                        more => size = size.strict_add(more),
                    }
                }
                let n = seen[0].fetch_add(1, Ordering::SeqCst).strict_add(1);
                if held.load(Ordering::SeqCst) > 0 {
                    held.fetch_sub(1, Ordering::SeqCst);
                    gone.notified().await;
                }
                // Each on a connection of its own.
                let answer = says.0.replace("@N", &format!("{n:02}"));
                let answer = answer.replacen("\r\n", "\r\nconnection: close\r\n", 1);
                stream.write_all(answer.as_bytes()).await.unwrap();
                seen[1].fetch_add(1, Ordering::SeqCst);
            }
        });
        Self {
            url,
            counts,
            holds,
            go,
        }
    }

    fn asked(&self) -> usize {
        self.counts[0].load(Ordering::SeqCst)
    }

    fn answered(&self) -> usize {
        self.counts[1].load(Ordering::SeqCst)
    }
}

/// Whether a request is here with its body.
fn whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |n| n.parse().unwrap());
    body.len() >= length
}

fn issuer() -> Issuer {
    let key = || AssertionKey::read(&AssertionKey::generate().unwrap()).unwrap();
    Issuer::new("https://gw.test", vec![key(), key()]).unwrap()
}

fn read(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

const NOW: UnixMillis = UnixMillis(1_763_632_800_000);

/// A key that signs nothing but here.
const RSA: &[u8] = include_bytes!("../../../tests/sandbox/src/idp/test-only-rsa-1.pk8");
