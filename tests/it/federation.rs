//! A gateway without any key of a provider's: it proves who it is, and is given a token. The
//! providers' own SDKs do the same beside it, so that simulator and gateway cannot agree on a
//! mistake.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use bauta_sandbox::{Request, Trust, persona::Decision};
use bauta_tests::{Backend, World, root, tool};
use reqwest::StatusCode;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::sdk::{CHAT, MESSAGES, post, question, told};

#[tokio::test(flavor = "multi_thread")]
async fn anthropic_is_asked_with_tokens_alone_and_as_its_sdk_asks() {
    let sides = Sides::new(&p256()).await;
    let provider = &sides.world.stage.scene.sandbox.anthropic;
    provider.trust(Some(sides.trust("https://api.anthropic.com", &ANTHROPIC)));

    for stream in [false, true] {
        let asked = question(MESSAGES, "claude-opus", stream, 50);
        let answer = post(&sides.world, &sides.token, MESSAGES, &asked).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.bytes().await.unwrap();
    }

    let ours = provider.requests();
    assert_eq!(paths(&ours), ["/v1/oauth/token", MESSAGES, MESSAGES]);
    let seen = sides
        .sdk("anthropic", "https://api.anthropic.com", &ours[0])
        .await;
    let theirs = &provider.requests()[3..];
    assert_eq!(paths(theirs), ["/v1/oauth/token", MESSAGES]);
    assert_eq!(seen["head"]["alg"], "ES256");
    same_exchange(&ours[0], &theirs[0], "assertion");
    for call in [&ours[1], &ours[2], &theirs[1]] {
        assert!(call.bearer().unwrap().starts_with("sk-ant-oat01-"));
        assert!(
            call.header("anthropic-beta")
                .unwrap()
                .contains("oauth-2025-04-20")
        );
        assert!(call.header("x-api-key").is_none());
    }
    assert_eq!(ours[1].bearer(), ours[2].bearer());
    // What the gateway sent is worth nothing to whoever has it.
    let again = sides
        .world
        .stage
        .scene
        .http
        .post(provider.url() + "/v1/oauth/token");
    let again = again
        .header("content-type", "application/json")
        .header("anthropic-beta", ours[0].header("anthropic-beta").unwrap())
        .body(ours[0].body.clone());
    let (status, body) = told(again.send().await.unwrap()).await;
    assert_eq!(
        (status.as_u16(), &body["error"]),
        (400, &"invalid_grant".into())
    );
    sides.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_is_asked_with_tokens_alone_and_as_its_sdk_asks() {
    let rsa = fs::read(root().join("tests/sandbox/src/idp/test-only-rsa-1.pk8")).unwrap();
    let sides = Sides::new(&rsa).await;
    let provider = &sides.world.stage.scene.sandbox.openai;
    provider.trust(Some(sides.trust("https://api.openai.com/v1", &OPENAI)));

    let asked = question(CHAT, "gpt", false, 50);
    let answer = post(&sides.world, &sides.token, CHAT, &asked).await;
    assert_eq!(answer.status(), StatusCode::OK);

    let ours = provider.requests();
    assert_eq!(paths(&ours), ["/oauth/token", CHAT]);
    let told = sides
        .sdk("openai", "https://api.openai.com/v1", &ours[0])
        .await;
    let theirs = &provider.requests()[2..];
    assert_eq!(paths(theirs), ["/oauth/token", CHAT]);
    assert_eq!(told["head"]["alg"], "RS256");
    same_exchange(&ours[0], &theirs[0], "subject_token");
    for call in [&ours[1], &theirs[1]] {
        assert!(call.bearer().unwrap().starts_with("oaiat_"));
    }
    sides.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_and_another_is_got_without_a_caller_noticing() {
    let sides = Sides::new(&p256()).await;
    let provider = &sides.world.stage.scene.sandbox.anthropic;
    provider.trust(Some(sides.trust("https://api.anthropic.com", &ANTHROPIC)));
    let asked = question(MESSAGES, "claude-opus", false, 50);
    for _ in 0..4 {
        let answer = post(&sides.world, &sides.token, MESSAGES, &asked).await;
        assert_eq!(answer.status(), StatusCode::OK);
        // Twice what was left of the assertion: ten minutes. In that time one of ours is pulled
        // anew, since the view of the identity plane must be fresh.
        sides.world.hands.advance_seconds(590);
        sides.fresh().await;
    }
    post(&sides.world, &sides.token, MESSAGES, &asked).await;
    provider.withdraw();
    sides.world.hands.advance_seconds(20);
    sides.fresh().await;
    let answer = post(&sides.world, &sides.token, MESSAGES, &asked).await;
    assert_eq!(
        answer.status(),
        StatusCode::OK,
        "a withdrawn token is got anew"
    );

    let assertions: BTreeSet<_> = provider
        .requests()
        .iter()
        .filter(|it| it.path() == "/v1/oauth/token")
        .map(|it| it.json().unwrap()["assertion"].to_string())
        .collect();
    assert_eq!(assertions.len(), 6);
    sides.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_trusts_nearly_us_gives_nothing_and_is_asked_nothing() {
    let sides = Sides::new(&p256()).await;
    let provider = &sides.world.stage.scene.sandbox.anthropic;
    let right = sides.trust("https://api.anthropic.com", &ANTHROPIC);
    let strange = Sides::jwks_of(&p256(), "other");
    let forged = Sides::jwks_of(&p256(), sides.jwks["keys"][0]["kid"].as_str().unwrap());
    let wrong: [(&str, Change); 7] = [
        ("iss", Box::new(|it| it.issuer.push('/'))),
        ("aud", Box::new(|it| it.audience.push('/'))),
        ("sub", Box::new(|it| it.subject.push('x'))),
        ("kid", Box::new(move |it| it.jwks = strange.clone())),
        ("signature", Box::new(move |it| it.jwks = forged.clone())),
        ("life", Box::new(|it| it.longest_s = 299)),
        (
            "rule",
            Box::new(|it| {
                it.ids
                    .insert("federation_rule_id".to_owned(), "fdrl_x".to_owned());
            }),
        ),
    ];
    let asked = question(MESSAGES, "claude-opus", false, 50);
    for (what, change) in wrong {
        let mut trust = right.clone();
        change(&mut trust);
        provider.trust(Some(trust));
        // The upstream was left alone after the last one.
        sides.world.hands.advance_seconds(600);
        sides.fresh().await;

        let answer = post(&sides.world, &sides.token, MESSAGES, &asked).await;

        let (status, body) = told(answer).await;
        assert!(!status.is_success(), "{what}: {body}");
        let said = body.to_string();
        assert!(!said.contains("invalid_grant"), "{what}: {said}");
    }
    assert_eq!(paths(&provider.requests()), ["/v1/oauth/token"; 7]);
    provider.trust(Some(right));
    sides.world.hands.advance_seconds(600);
    sides.fresh().await;
    let answer = post(&sides.world, &sides.token, MESSAGES, &asked).await;
    assert_eq!(answer.status(), StatusCode::OK);
    sides.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_key_takes_over_when_the_first_is_revoked() {
    let world = World::with(Backend::Sqlite, |setting| {
        setting.sandbox.anthropic.keys = vec!["second".to_owned()];
        let keys = setting.folder.join("keys");
        fs::create_dir_all(&keys).unwrap();
        private(&keys.join("first"), b"first");
        private(&keys.join("second"), b"second");
        setting.edit = Box::new(|text| {
            let two = "credential = [ { file = \"keys/first\" }, { file = \"keys/second\" } ]";
            text.replacen("credential = { file = \"keys/upstream\" }", two, 1)
        });
    })
    .await;
    let token = member(&world).await;
    let asked = question(MESSAGES, "claude-opus", false, 50);

    for _ in 0..3 {
        let answer = post(&world, &token, MESSAGES, &asked).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }

    let provider = &world.stage.scene.sandbox.anthropic;
    let shown: Vec<_> = provider
        .requests()
        .iter()
        .map(|it| it.header("x-api-key").unwrap().to_owned())
        .collect();
    assert_eq!(shown, ["first", "second", "second", "second"]);
    let metrics = world.stage.running.gateway.as_ref().unwrap().metrics();
    for (key, refused) in [("1", 1), ("2", 0)] {
        let line =
            format!("bauta_gateway_key_refused{{upstream=\"anthropic\",key=\"{key}\"}} {refused}");
        assert!(metrics.contains(&line), "{metrics}");
    }
    world.end().await;
}

/// What an administrator got wrong.
type Change = Box<dyn Fn(&mut Trust)>;

/// A gateway that federates, and a member of its organisation.
struct Sides {
    world: World,
    token: String,
    issuer: String,
    jwks: Value,
    key: PathBuf,
}

impl Sides {
    async fn new(key: &[u8]) -> Self {
        let key = key.to_vec();
        let world = World::with(Backend::Sqlite, |setting| {
            let keys = setting.folder.join("keys");
            fs::create_dir_all(&keys).unwrap();
            private(&keys.join("federation"), &key);
            setting.edit = Box::new(federating);
        })
        .await;
        let token = member(&world).await;
        let issuer = format!("{}/federation", world.stage.scene.url);
        let place = format!("{issuer}/.well-known/openid-configuration");
        let metadata = fetched(&world, &place).await;
        assert_eq!(metadata["issuer"], *issuer);
        let jwks = fetched(&world, metadata["jwks_uri"].as_str().unwrap()).await;
        let key = world.stage.scene.folder.join("keys/federation");
        Self {
            world,
            token,
            issuer,
            jwks,
            key,
        }
    }

    fn trust(&self, audience: &str, ids: &[(&str, &str)]) -> Trust {
        Trust::new(&self.issuer, self.jwks.clone(), audience, ids)
    }

    /// The keys of an issuer with this key, as if they were published.
    fn jwks_of(key: &[u8], kid: &str) -> Value {
        use ring::signature::KeyPair as _;
        let random = random();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &random);
        let point = pair.unwrap().public_key().as_ref().to_vec();
        let encode = |bytes: &[u8]| {
            base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes)
        };
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "kid": kid,
            "x": encode(&point[1..33]), "y": encode(&point[33..]),
        }] })
    }

    /// Until the gateway's view of the identity plane is fresh by a clock that was moved.
    async fn fresh(&self) {
        let gateway = self.world.stage.running.gateway.as_ref().unwrap();
        gateway.follow().await.unwrap();
    }

    /// What the provider's own SDK did, and what it saw of our assertion.
    async fn sdk(&self, kind: &str, audience: &str, ours: &Request) -> Value {
        let sandbox = &self.world.stage.scene.sandbox;
        let (provider, field) = match kind {
            "anthropic" => (sandbox.anthropic.url(), "assertion"),
            _ => (sandbox.openai.url(), "subject_token"),
        };
        let assertion = ours.json().unwrap()[field].as_str().unwrap().to_owned();
        let mut script = Command::new(tool("BAUTA_TEST_PYTHON", "python3"));
        script
            .arg(root().join("tests/clients/federation.py"))
            .args([kind, &self.issuer, &provider])
            .arg(&self.key)
            .arg(audience)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let run = spawn_blocking(move || {
            let mut child = script.spawn().unwrap();
            let mut input = child.stdin.take().unwrap();
            input.write_all(assertion.as_bytes()).unwrap();
            drop(input);
            child.wait_with_output().unwrap()
        });
        let run = run.await.unwrap();
        let error = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{error}");
        serde_json::from_slice(&run.stdout).unwrap()
    }
}

/// Asserts that two exchanges differ in nothing but the assertion.
fn same_exchange(ours: &Request, theirs: &Request, assertion: &str) {
    let [mut ours_body, mut theirs_body] = [ours, theirs].map(|it| it.json().unwrap());
    let [one, two] = [&mut ours_body, &mut theirs_body].map(|it| it[assertion].take());
    assert!(one.is_string() && two.is_string() && one != two);
    assert_eq!(ours_body, theirs_body);
    for name in ["anthropic-beta", "content-type"] {
        assert_eq!(ours.header(name), theirs.header(name), "{name}");
    }
    let names = ours.headers.keys().map(|it| it.as_str());
    let names: BTreeSet<_> = names.filter(|it| *it != "anthropic-beta").collect();
    let expected = [
        "accept",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    ];
    assert_eq!(names, BTreeSet::from(expected));
}

/// The configuration of a gateway that has no key of these two providers.
fn federating(text: String) -> String {
    let openai = text
        .lines()
        .find_map(|line| line.strip_prefix("base_url = \"")?.strip_suffix("/v1\""))
        .unwrap()
        .to_owned();
    let credential = "credential = { file = \"keys/upstream\" }";
    let anthropic = "[upstream.federation]\nat = \"anthropic\"\n\
        audience = \"https://api.anthropic.com\"\nrule = \"fdrl_test\"\n\
        organization = \"11111111-2222-3333-4444-555555555555\"\n\
        service_account = \"svac_test\"\nworkspace = \"wrkspc_test\"";
    let openai = format!(
        "[upstream.federation]\nat = \"openai\"\naudience = \"https://api.openai.com/v1\"\n\
         identity_provider = \"wip_test\"\nservice_account = \"sa_test\"\n\
         token_url = \"{openai}/oauth/token\""
    );
    text.replacen(credential, anthropic, 1)
        .replacen(credential, &openai, 1)
        + "\n[federation]\nkeys = [ { file = \"keys/federation\" } ]\n"
}

const ANTHROPIC: [(&str, &str); 4] = [
    ("federation_rule_id", "fdrl_test"),
    ("organization_id", "11111111-2222-3333-4444-555555555555"),
    ("service_account_id", "svac_test"),
    ("workspace_id", "wrkspc_test"),
];
const OPENAI: [(&str, &str); 2] = [
    ("identity_provider_id", "wip_test"),
    ("service_account_id", "sa_test"),
];

async fn member(world: &World) -> String {
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    ada.verify(Decision::Approve).await.unwrap();
    ada.labelled_token("frontier", "laptop", 30).await.unwrap()
}

async fn fetched(world: &World, url: &str) -> Value {
    let answer = world.stage.scene.http.get(url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{url}");
    answer.json().await.unwrap()
}

fn paths(requests: &[Request]) -> Vec<&str> {
    requests.iter().map(Request::path).collect()
}

fn p256() -> Vec<u8> {
    let random = random();
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
    made.unwrap().as_ref().to_vec()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test makes keys as an operator does"
)]
fn random() -> SystemRandom {
    SystemRandom::new()
}

fn private(path: &Path, bytes: &[u8]) {
    let mut options = fs::OpenOptions::new();
    let file = options.create(true).write(true).truncate(true).mode(0o600);
    file.open(path).unwrap().write_all(bytes).unwrap();
}
