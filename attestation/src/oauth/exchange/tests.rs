#![expect(
    clippy::arithmetic_side_effects,
    reason = "the numbers are the test's own"
)]

use bauta_token::{keys::SigningKey, scope::Privacy};
use serde_json::{Value, json};

use super::{ACCESS_TOKEN, EXCHANGE_GRANT};
use crate::{
    config::{Condition, DeviceFlow, Settings, Span, WorkloadRule},
    issue::world::{Ada, NOW, Reply, World, name},
    login::tests::idp::{Idp, over},
    ports::{MemberId, grants::Grants},
};

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const AUDIENCE: &str = "https://ai.example.com";
pub(crate) const SPONSOR: MemberId = MemberId([7; 16]);

/// A platform that runs builds, and a member who answers for some of them.
pub(crate) struct Factory {
    pub(crate) world: World,
    pub(crate) platform: Idp,
    pub(crate) sponsor: Ada,
}

impl Factory {
    pub(crate) async fn new() -> Self {
        Self::with(DeviceFlow::Off, |_| {}).await
    }

    pub(crate) async fn with(device: DeviceFlow, change: impl FnOnce(&mut Settings)) -> Self {
        let platform = Idp::start(NOW).await;
        let rule = rule(&platform.issuer);
        let world = World::with(device, |settings| {
            settings.workloads.push(rule);
            change(settings);
        })
        .await;
        let sponsor = world.joins(SPONSOR).await;
        Self {
            world,
            platform,
            sponsor,
        }
    }

    /// A token of the platform for a build of ours, with `change` over it; null takes away.
    pub(crate) fn token(&self, change: &Value) -> String {
        let now = self.platform.said().now;
        let usual = json!({
            "iss": self.platform.issuer, "aud": AUDIENCE, "iat": now, "nbf": now - 5,
            "exp": now + 300, "jti": "job-1", "sub": "repo:corp/app:environment:ci",
            "repository_owner_id": "1234", "environment": "ci",
            // What platforms say besides, and nobody may keep.
            "actor": "canary-actor", "user_email": "canary@corp.example", "ref": "refs/heads/x",
        });
        self.platform.token(&over(usual, change))
    }

    pub(crate) async fn shows(&self, token: &str) -> Reply {
        exchange(&self.world, token, &[]).await
    }
}

pub(crate) async fn exchange(world: &World, token: &str, more: &[(&str, &str)]) -> Reply {
    let mut form = vec![
        ("grant_type", EXCHANGE_GRANT),
        ("subject_token", token),
        ("subject_token_type", JWT),
    ];
    form.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    form.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    world.client("/oauth/token", &form).await
}

pub(crate) fn rule(issuer: &str) -> WorkloadRule {
    let is = |name: &str, value: &str| (name.to_owned(), Condition::Is(value.to_owned()));
    WorkloadRule {
        issuer: issuer.to_owned(),
        audience: AUDIENCE.to_owned(),
        claims: [is("repository_owner_id", "1234"), is("environment", "ci")].into(),
        scope: name("frontier"),
        sponsor: SPONSOR,
        ttl: Span::seconds(900),
        hosts: Vec::new(),
        keys_file: None,
        keys: None,
    }
}

#[tokio::test]
async fn a_build_that_its_rule_describes_gets_one_short_token() {
    let factory = Factory::new().await;

    let reply = factory.shows(&factory.token(&json!({}))).await;

    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.headers["cache-control"], "no-store");
    let given = reply.json();
    assert_eq!(given["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(given["token_type"], "Bearer");
    assert_eq!(given["scope"], "frontier");
    assert_eq!(given["expires_in"], 870, "from the minute on");
    assert_eq!(given.get("refresh_token"), None, "nothing renews it");
    let plane = &factory.world.plane;
    let claims = plane.read_access(given["access_token"].as_str().unwrap());
    let claims = claims.unwrap();
    assert_eq!(claims.client_id, "bauta-ci");
    assert_eq!(claims.exp, claims.iat + 900);
    let grants = plane.grants(SPONSOR).await.unwrap();
    assert_eq!(grants.len(), 1, "its sponsor sees it and may end it");
    assert_eq!(grants[0].client, "bauta-ci");
    assert_eq!(grants[0].ends_at, grants[0].live_until);
}

#[tokio::test]
async fn a_builds_token_says_what_its_sponsors_does_and_is_on_record_without_a_name() {
    let factory = Factory::new().await;
    let world = &factory.world;
    let own = world.login(&factory.sponsor).await;
    let own = world
        .plane
        .read_access(own["access_token"].as_str().unwrap());

    let given = factory.shows(&factory.token(&json!({}))).await.json();

    let claims = world
        .plane
        .read_access(given["access_token"].as_str().unwrap());
    let (own, claims) = (own.unwrap(), claims.unwrap());
    assert_eq!((&claims.gates, &claims.psn), (&own.gates, &own.psn));
    assert_ne!(claims.sub, own.sub);
    let events = world.store.events();
    let leaf = events.iter().find(|it| it.contains("token_exchange"));
    let leaf = leaf.unwrap();
    assert!(leaf.contains(&factory.platform.issuer), "{leaf}");
    let everything = format!("{}{:?}", events.concat(), world.store.dump());
    for said in ["canary", "repo:corp/app", "refs/heads/x", "job-1"] {
        assert!(!everything.contains(said), "{said} was kept");
    }
    assert!(!leaf.contains(&SPONSOR.to_string()), "{leaf}");
}

#[tokio::test]
async fn a_platforms_token_opens_something_once() {
    let factory = Factory::new().await;
    let token = factory.token(&json!({}));

    let mut given = 0;
    for _ in 0..3 {
        let reply = factory.shows(&token).await;
        if reply.status == 200 {
            given += 1;
        } else {
            assert_eq!(
                (reply.status.as_u16(), reply.error()),
                (400, "invalid_request".into())
            );
            assert!(reply.body.contains("used before"), "{}", reply.body);
        }
    }
    // The same id under another signature is the same token.
    let again = factory.shows(&factory.token(&json!({ "ref": "x" }))).await;
    let other = factory
        .shows(&factory.token(&json!({ "jti": "job-2" })))
        .await;

    assert_eq!(given, 1);
    assert_eq!(again.error(), "invalid_request");
    assert_eq!(other.status, 200, "{}", other.body);
}

#[tokio::test]
async fn a_token_without_an_id_is_known_by_what_was_signed() {
    let factory = Factory::new().await;
    let nameless = factory.token(&json!({ "jti": null }));

    let first = factory.shows(&nameless).await;
    let again = factory.shows(&nameless).await;
    factory.platform.said().now += 1;
    let next = factory.shows(&factory.token(&json!({ "jti": null }))).await;

    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(again.error(), "invalid_request");
    assert_eq!(next.status, 200, "{}", next.body);
}

#[tokio::test]
async fn a_build_that_the_rule_does_not_describe_gets_nothing() {
    let factory = Factory::new().await;

    for change in [
        json!({ "repository_owner_id": "1235" }),
        json!({ "repository_owner_id": "12345" }),
        json!({ "repository_owner_id": 1234 }),
        json!({ "repository_owner_id": ["1234"] }),
        json!({ "repository_owner_id": null }),
        json!({ "environment": "production" }),
        json!({ "environment": null }),
    ] {
        let reply = factory.shows(&factory.token(&change)).await;
        assert_eq!(reply.error(), "invalid_request", "{change}");
        assert!(reply.body.contains("fits"), "{change}: {}", reply.body);
    }
    let right = factory.shows(&factory.token(&json!({}))).await;
    assert_eq!(right.status, 200, "a refusal spends nothing");
}

#[tokio::test]
async fn a_token_that_does_not_hold_gets_nothing_and_is_told_nothing() {
    let factory = Factory::new().await;
    let now = factory.platform.said().now;

    let mut tokens = vec!["x".to_owned(), "a.b.c".to_owned(), "x".repeat(9_000)];
    for change in [
        json!({ "iss": "https://token.actions.githubusercontent.com" }),
        json!({ "iss": format!("{}/", factory.platform.issuer) }),
        json!({ "aud": "https://github.com/corp" }),
        json!({ "aud": [AUDIENCE, "other"] }),
        json!({ "aud": null }),
        json!({ "exp": now - 11 }),
        json!({ "exp": null }),
        json!({ "exp": now + 86_500 }),
        json!({ "iat": now + 11 }),
        json!({ "iat": null }),
        json!({ "nbf": now + 60 }),
        json!({ "sub": null }),
        json!({ "nonce": "n" }),
        json!({ "events": {} }),
    ] {
        tokens.push(factory.token(&change));
    }
    for header in [
        json!({ "typ": "at+jwt" }),
        json!({ "typ": "logout+jwt" }),
        json!({ "alg": "none" }),
        json!({ "alg": "RS256" }),
        json!({ "crit": ["x"] }),
        json!({ "jku": "https://evil.example/jwks" }),
    ] {
        factory.platform.said().header = header;
        tokens.push(factory.token(&json!({})));
    }
    factory.platform.said().header = json!({ "typ": "JWT" });
    let (head, signature) = {
        let good = factory.token(&json!({}));
        let (head, signature) = good.rsplit_once('.').unwrap();
        (head.to_owned(), signature.to_owned())
    };
    tokens.push(format!("{head}."));
    tokens.push(format!("{head}.{}", signature.to_uppercase()));

    let mut told = std::collections::BTreeSet::new();
    for token in &tokens {
        let reply = factory.shows(token).await;
        assert_eq!(reply.status, 400, "{token}: {}", reply.body);
        assert_eq!(reply.error(), "invalid_request", "{token}");
        told.insert(reply.body);
    }
    assert_eq!(told.len(), 1, "one answer for all: {told:?}");
    let right = factory.shows(&factory.token(&json!({}))).await;
    assert_eq!(right.status, 200, "{}", right.body);
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_when_they_were_changed() {
    let factory = Factory::new().await;
    let fetches = || factory.platform.said().key_fetches;
    let id = |n: u32| json!({ "jti": format!("job-{n}") });
    for n in 0..3 {
        assert_eq!(factory.shows(&factory.token(&id(n))).await.status, 200);
    }
    assert_eq!(fetches(), 1);

    {
        let mut said = factory.platform.said();
        said.key = SigningKey::from_seed(&[2; 32]).unwrap();
        said.kid = "k2".to_owned();
    }
    let early = factory.shows(&factory.token(&id(10))).await;
    assert_eq!(early.error(), "invalid_request", "at most once a minute");
    assert_eq!(fetches(), 1);
    factory.world.later(61).await;
    for n in 11..14 {
        let reply = factory.shows(&factory.token(&id(n))).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }

    assert_eq!(fetches(), 2);
}

#[tokio::test]
async fn a_platform_that_is_away_costs_nobody_a_call_each_time() {
    let factory = Factory::new().await;
    factory.platform.said().down = true;
    let token = factory.token(&json!({}));

    let first = factory.shows(&token).await;
    factory.platform.said().down = false;
    let soon = factory.shows(&token).await;
    factory.world.later(6).await;
    let later = factory.shows(&token).await;

    assert_eq!(first.status, 503, "{}", first.body);
    assert_eq!(soon.status, 503, "it is left alone for a moment");
    assert_eq!(first.error(), "temporarily_unavailable");
    assert!(first.headers.contains_key("retry-after"));
    assert_eq!(later.status, 200, "{}", later.body);
    factory.platform.said().down = true;
    factory.world.later(7_200).await;
    factory.platform.said().now += 7_206;
    let outage = factory
        .shows(&factory.token(&json!({ "jti": "job-2" })))
        .await;
    assert_eq!(outage.status, 200, "the keys of an hour ago serve");
}

#[tokio::test]
async fn a_platform_that_names_another_issuer_or_keys_elsewhere_gives_nobody_a_token() {
    for (field, value) in [
        ("issuer", json!("https://evil.example")),
        ("jwks_uri", json!("http://169.254.169.254/latest/meta-data")),
        ("jwks_uri", json!("https://evil.example/jwks")),
        (
            "id_token_signing_alg_values_supported",
            json!(["HS256", "none"]),
        ),
    ] {
        let factory = Factory::new().await;
        factory.platform.said().discovery = json!({ field: value });

        let reply = factory.shows(&factory.token(&json!({}))).await;

        assert_eq!(reply.status, 503, "{field}: {}", reply.body);
        assert_eq!(factory.platform.said().key_fetches, 0, "{field}");
    }
}

#[tokio::test]
async fn keys_from_a_file_need_no_platform() {
    let key = SigningKey::from_seed(&[1; 32]).unwrap();
    let set = {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "k1",
            "x": URL_SAFE_NO_PAD.encode(key.public()) }] })
    };
    let factory = Factory::with(DeviceFlow::Off, |settings| {
        let rule = settings.workloads.first_mut().unwrap();
        rule.keys_file = Some("jwks.json".into());
        rule.keys = Some(set.to_string().into_bytes());
    })
    .await;
    factory.platform.said().down = true;

    let reply = factory.shows(&factory.token(&json!({}))).await;

    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(factory.platform.said().key_fetches, 0);
}

#[tokio::test]
async fn a_request_that_asks_for_something_else_is_told_what_there_is() {
    let factory = Factory::new().await;
    let token = factory.token(&json!({}));
    let asked = |field: &'static str, value: &'static str| {
        let token = token.clone();
        let world = &factory.world;
        async move { exchange(world, &token, &[(field, value)]).await.error() }
    };

    for (field, value, error) in [
        ("subject_token_type", "", "invalid_request"),
        ("subject_token_type", ACCESS_TOKEN, "invalid_request"),
        ("subject_token", "", "invalid_request"),
        ("actor_token", "x", "invalid_request"),
        ("requested_token_type", JWT, "invalid_request"),
        ("audience", "https://evil.example", "invalid_target"),
        ("resource", "https://gw.example.com/v1", "invalid_target"),
        ("client_id", "bauta-cli", "invalid_client"),
        ("scope", "quiet", "invalid_scope"),
        ("scope", "no such scope", "invalid_scope"),
    ] {
        assert_eq!(asked(field, value).await, error, "{field}={value}");
    }
    let right = exchange(
        &factory.world,
        &token,
        &[
            ("client_id", "bauta-ci"),
            ("audience", "https://gw.example.com"),
            ("resource", "https://gw.example.com/"),
            ("scope", "frontier"),
            ("requested_token_type", ACCESS_TOKEN),
            ("subject_token_type", super::ID_TOKEN),
        ],
    )
    .await;
    assert_eq!(right.status, 200, "{}", right.body);
}

#[tokio::test]
async fn rules_for_two_scopes_are_told_apart_by_the_scope() {
    let factory = Factory::with(DeviceFlow::Off, |settings| {
        let mut second = settings.workloads[0].clone();
        second.scope = name("quiet");
        settings.workloads.push(second);
    })
    .await;
    let token = factory.token(&json!({}));

    let which = factory.shows(&token).await;
    let quiet = exchange(&factory.world, &token, &[("scope", "quiet")]).await;

    assert_eq!(which.error(), "invalid_scope");
    assert_eq!(quiet.json()["scope"], "quiet");
}

#[tokio::test]
async fn where_no_builds_are_expected_the_grant_does_not_exist() {
    let world = World::new(DeviceFlow::Off).await;

    let reply = exchange(&world, "x", &[]).await;
    let metadata = world
        .get("/.well-known/oauth-authorization-server", None)
        .await;
    let factory = Factory::new().await;
    let there = factory
        .world
        .get("/.well-known/oauth-authorization-server", None)
        .await;

    assert_eq!(reply.error(), "unsupported_grant_type");
    assert!(!metadata.body.contains(EXCHANGE_GRANT));
    assert!(there.body.contains(EXCHANGE_GRANT));
}

#[tokio::test]
async fn a_disabled_sponsor_gets_no_token() {
    let factory = Factory::new().await;
    let (world, plane) = (&factory.world, &factory.world.plane);
    let first = factory.shows(&factory.token(&json!({}))).await.json();

    assert!(plane.suspend(SPONSOR, None, "left").await.unwrap());

    let refused = factory
        .shows(&factory.token(&json!({ "jti": "job-2" })))
        .await;
    assert_eq!(refused.error(), "invalid_grant");
    assert!(!refused.body.contains("suspend"), "{}", refused.body);
    assert!(plane.grants(SPONSOR).await.unwrap().is_empty());
    let claims = plane.read_access(first["access_token"].as_str().unwrap());
    let told = world.store.notices(0, 100).await.unwrap();
    let end = claims.unwrap().end;
    assert!(
        told.notices.iter().any(|it| matches!(&it.notice,
            bauta_token::notice::Notice::Ended { grant, .. } if *grant == end)),
        "the gateway is told"
    );
}

#[tokio::test]
async fn a_rule_that_is_gone_ends_what_it_gave() {
    let factory = Factory::new().await;
    let kept = factory.shows(&factory.token(&json!({}))).await;
    assert_eq!(kept.status, 200);
    let issuer = factory.platform.issuer.clone();

    let same = factory
        .world
        .restarted(DeviceFlow::Off, |settings| {
            settings.workloads.push(rule(&issuer));
        })
        .await;
    assert_eq!(same.plane.grants(SPONSOR).await.unwrap().len(), 1);
    let stricter = factory
        .world
        .restarted(DeviceFlow::Off, |settings| {
            let mut rule = rule(&issuer);
            rule.claims
                .insert("ref".to_owned(), Condition::Is("x".to_owned()));
            settings.workloads.push(rule);
        })
        .await;

    assert!(stricter.plane.grants(SPONSOR).await.unwrap().is_empty());
    assert!(
        stricter
            .store
            .events()
            .concat()
            .contains("workload_removed")
    );
}

#[tokio::test]
async fn builds_do_not_use_up_what_their_sponsor_may_have() {
    let factory = Factory::new().await;
    for n in 0..60 {
        let reply = factory
            .shows(&factory.token(&json!({ "jti": format!("job-{n}") })))
            .await;
        assert_eq!(reply.status, 200, "{n}: {}", reply.body);
    }

    factory.world.login(&factory.sponsor).await;

    assert_eq!(factory.world.plane.grants(SPONSOR).await.unwrap().len(), 61);
}

#[tokio::test]
async fn an_anonymous_scope_is_no_builds() {
    let mut settings = crate::issue::world::settings(DeviceFlow::Off);
    let masked = settings
        .scopes
        .iter()
        .find(|it| it.privacy == Privacy::Anonymous);
    let mut rule = rule("https://ci.corp.example");
    rule.scope = masked.unwrap().name.clone();
    rule.claims
        .insert("sub".to_owned(), Condition::Is("x".to_owned()));
    settings.workloads.push(rule);

    assert!(settings.check().unwrap_err().to_string().contains("sealed"));
}
