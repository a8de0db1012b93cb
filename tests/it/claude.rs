//! The Claude gateway protocol: what Claude Code does after `/login`, step by step.

mod protocol;

use std::collections::BTreeMap;

use bauta_sandbox::persona::Decision;
use bauta_tests::{Backend, World};
use reqwest::{Response, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

/// Each request is the one that Claude Code 2.1.329 sends: no client id, no scope, no secret, and
/// the same bearer everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn claude_code_s_gateway_protocol_holds_from_discovery_to_revocation() {
    for backend in Backend::BOTH {
        let world = World::with(backend, |setting| setting.more = SETTINGS.to_owned()).await;
        let client = Client { world: &world };
        let mut ada = world.member("Ada");
        ada.sign_in().await.unwrap();
        ada.verify(Decision::Approve).await.unwrap();

        let (_, found) = client.get(DISCOVERY, None, &[]).await;
        assert_eq!(found["gateway_protocol_version"], 1);
        let url = &world.stage.scene.url;
        let at = |name: &str| found[name].as_str().unwrap().strip_prefix(url.as_str());
        let device = at("device_authorization_endpoint").unwrap().to_owned();
        let token = at("token_endpoint").unwrap().to_owned();
        let revoke = at("revocation_endpoint").unwrap().to_owned();

        let begin = [("surface", "claude_code"), ("unheard_of", "1")];
        let (status, asked) = client.post(&device, &begin).await;
        assert_eq!(status, StatusCode::OK, "{asked}");
        assert!(asked["login_notice"].as_str().unwrap().len() <= 500);
        let code = asked["user_code"].as_str().unwrap();
        let poll = |asked: &Value| {
            let code = asked["device_code"].as_str().unwrap().to_owned();
            let grant = "urn:ietf:params:oauth:grant-type:device_code";
            [("grant_type", grant.to_owned()), ("device_code", code)]
        };
        // Of another login: whoever polls twice within five seconds is told to slow down.
        let (_, other) = client.post(&device, &begin).await;
        let early = client.post_owned(&token, &poll(&other)).await;
        assert_eq!(early.0, StatusCode::BAD_REQUEST);
        assert_eq!(early.1["error"], "authorization_pending");
        let early = client.post_owned(&token, &poll(&other)).await;
        assert_eq!(early.1["error"], "slow_down");
        allow(&world, &mut ada, code).await;
        let (status, tokens) = client.post_owned(&token, &poll(&asked)).await;
        assert_eq!(status, StatusCode::OK, "{tokens}");
        assert!(tokens.get("email").is_none(), "it would be shown and kept");

        let bearer = tokens["access_token"].as_str().unwrap();
        let (head, managed) = client.get(SETTINGS_AT, Some(bearer), &[]).await;
        let tag = head["etag"].to_str().unwrap().to_owned();
        assert_eq!(tag, format!("{}", managed["checksum"]), "quoted as it is");
        let env = &managed["settings"]["env"];
        assert_eq!(env["CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS"], "1");
        assert_eq!(env["MORE"], "yes", "what the operator adds is there");
        let models = managed["settings"]["availableModels"].to_string();
        for name in [
            "claude-opus",
            "claude-sonnet-5",
            "claude-haiku-4-5-20251001",
        ] {
            assert!(models.contains(&format!("\"{name}\"")), "{models}");
        }
        assert!(!models.contains("gpt"), "{models}");
        assert_eq!(managed["settings"]["model"], "claude-opus-5-5");
        let same = [("if-none-match", tag.as_str())];
        let unchanged = client.raw(SETTINGS_AT, Some(bearer), &same).await;
        assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(unchanged.headers()["etag"], tag.as_str());

        let (_, models) = client.get("/v1/models?limit=1000", Some(bearer), &[]).await;
        assert!(models["data"].to_string().contains("claude-opus"));
        for signal in ["metrics", "logs", "traces"] {
            let sent = world.stage.scene.http.post(format!("{url}/v1/{signal}"));
            let sent = sent.bearer_auth(bearer).body("\u{a}\u{0}").send().await;
            assert_eq!(sent.unwrap().status(), StatusCode::OK, "{signal}");
        }
        let (head, usage) = client.get("/api/oauth/usage", Some(bearer), &[]).await;
        assert_eq!(head["cache-control"], "no-store");
        assert_eq!(usage["extra_usage"]["monthly_limit"], 5_000, "{usage}");
        assert_eq!(usage["limits"][0]["group"], "daily");
        assert_eq!(usage["limits"][0]["percent"], 0);

        let first = tokens["refresh_token"].as_str().unwrap().to_owned();
        let renew = |token: String| {
            [
                ("grant_type", "refresh_token".to_owned()),
                ("refresh_token", token),
            ]
        };
        let renewed = client.post_owned(&token, &renew(first.clone())).await;
        assert_eq!(renewed.0, StatusCode::OK, "{}", renewed.1);
        let bearer = renewed.1["access_token"].as_str().unwrap();
        let refresh = renewed.1["refresh_token"].as_str().unwrap();

        // Signing out: the bearer, then the refresh token with a hint.
        let (status, _) = client.post(&revoke, &[("token", bearer)]).await;
        assert_eq!(status, StatusCode::OK);
        let hint = ("token_type_hint", "refresh_token");
        let (status, _) = client.post(&revoke, &[("token", refresh), hint]).await;
        assert_eq!(status, StatusCode::OK);
        let refused = client.post_owned(&token, &renew(refresh.to_owned())).await;
        assert_eq!(
            refused.0,
            StatusCode::UNAUTHORIZED,
            "which forces a sign-in"
        );
        assert_eq!(refused.1["error"], "invalid_grant");
        until_refused(&client, bearer).await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_not_open_is_refused_with_those_that_are() {
    let world = World::new(Backend::Sqlite).await;
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    ada.verify(Decision::Approve).await.unwrap();
    let token = ada.device_token("frontier").await.unwrap().access;
    let ask = |model: &'static str| {
        let world = &world;
        let token = token.clone();
        async move {
            let body = crate::sdk::question(crate::sdk::MESSAGES, model, false, 16);
            let sent = crate::sdk::post(world, &token, crate::sdk::MESSAGES, &body).await;
            crate::sdk::told(sent).await
        }
    };

    let (status, refused) = ask("claude-canary-9").await;

    assert_eq!(status, StatusCode::BAD_REQUEST);
    let said = refused["error"]["message"].as_str().unwrap();
    assert!(
        said.contains("claude-opus, claude-sonnet, claude-haiku"),
        "{said}"
    );
    assert!(!said.contains("gpt") && !said.contains("canary"), "{said}");
    // The names that are built into Claude Code 2.1.329.
    for model in [
        "claude-opus-5-5",
        "claude-sonnet-5",
        "claude-haiku-4-5-20251001",
    ] {
        let (status, answer) = ask(model).await;
        assert_eq!(status, StatusCode::OK, "{model}: {answer}");
    }
    world.end().await;
}

/// What the member does in the browser.
async fn allow(world: &World, member: &mut bauta::dev::member::Member<'_>, code: &str) {
    let url = &world.stage.scene.url;
    let typed = [("user_code", code)];
    let page = member
        .browser
        .submit(&format!("{url}/device"), &typed)
        .await;
    assert!(page.unwrap().status.is_success());
    let answer = [
        ("user_code", code),
        ("scope", "frontier"),
        ("answer", "allow"),
    ];
    let page = member
        .browser
        .submit(&format!("{url}/device/answer"), &answer)
        .await;
    assert!(page.unwrap().status.is_success());
}

/// A revocation is heard of within five seconds, and what is said then ends the client's attempts.
async fn until_refused(client: &Client<'_>, bearer: &str) {
    for _ in 0..250 {
        let answer = client.raw("/v1/models", Some(bearer), &[]).await;
        if answer.status() == StatusCode::UNAUTHORIZED {
            assert_eq!(answer.headers()["x-should-retry"], "false");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("a revoked bearer was good for more than five seconds");
}

struct Client<'a> {
    world: &'a World,
}

impl Client<'_> {
    async fn raw(&self, path: &str, bearer: Option<&str>, more: &[(&str, &str)]) -> Response {
        let scene = &self.world.stage.scene;
        let mut request = scene.http.get(format!("{}{path}", scene.url));
        request = request.header("user-agent", AGENT);
        request = request.header("anthropic-version", "2023-06-01");
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn get(
        &self,
        path: &str,
        bearer: Option<&str>,
        more: &[(&str, &str)],
    ) -> (HeaderMap, Value) {
        let answer = self.raw(path, bearer, more).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        (answer.headers().clone(), answer.json().await.unwrap())
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let form: BTreeMap<_, _> = form.iter().copied().collect();
        let scene = &self.world.stage.scene;
        let request = scene.http.post(format!("{}{path}", scene.url));
        let answer = request.header("user-agent", AGENT).form(&form).send().await;
        let answer = answer.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(json!(text)))
    }

    async fn post_owned(&self, path: &str, form: &[(&str, String)]) -> (StatusCode, Value) {
        let form: Vec<_> = form
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.post(path, &form).await
    }
}

const DISCOVERY: &str = "/.well-known/oauth-authorization-server";
const SETTINGS_AT: &str = "/managed/settings";
const AGENT: &str = "claude-code/2.1.329";
const SETTINGS: &str = "\n[claude_code.settings.env]\nMORE = \"yes\"\n";
