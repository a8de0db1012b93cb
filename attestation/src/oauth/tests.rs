use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bauta_token::{
    manifest::Manifest,
    notice::{Notice, Page},
};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    config::{DeviceFlow, SecretText},
    issue::world::{
        Ada, REDIRECT, Reply, VERIFIER, World, authorization, encode, exchange, name, param,
    },
};

mod matrix;

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn refresh_form(token: &str) -> Vec<(&str, &str)> {
    vec![("grant_type", "refresh_token"), ("refresh_token", token)]
}

async fn refresh(world: &World, token: &str) -> Reply {
    world.client("/oauth/token", &refresh_form(token)).await
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// The same form with one field changed, or left out.
fn but<'f>(
    form: &[(&'f str, &'f str)],
    field: &str,
    value: Option<&'f str>,
) -> Vec<(&'f str, &'f str)> {
    form.iter()
        .filter(|(name, _)| *name != field || value.is_some())
        .map(|(name, old)| {
            (
                *name,
                if *name == field {
                    value.unwrap_or(old)
                } else {
                    *old
                },
            )
        })
        .collect()
}

async fn ask(world: &World) -> Value {
    let form = [("surface", "claude_code"), ("some_new_field", "1")];
    let reply = world.client("/oauth/device_authorization", &form).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    reply.json()
}

async fn poll(world: &World, asked: &Value) -> Reply {
    let code = text(asked, "device_code");
    let form = [("grant_type", DEVICE), ("device_code", code.as_str())];
    world.client("/oauth/token", &form).await
}

async fn answer(world: &World, ada: &Ada, asked: &Value, answer: &str) -> Reply {
    let code = text(asked, "user_code");
    let form = [
        ("user_code", code.as_str()),
        ("scope", "frontier"),
        ("answer", answer),
    ];
    world.post("/device/answer", Some(ada), &form).await
}

#[tokio::test]
async fn a_code_with_its_verifier_gives_a_token_once() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    let code = world.code(&ada).await;

    let first = world.client("/oauth/token", &exchange(&code)).await;
    let token = first.json();
    world.later(61).await;
    let again = world.client("/oauth/token", &exchange(&code)).await;

    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(first.headers.get("cache-control").unwrap(), "no-store");
    assert_eq!(text(&token, "token_type"), "Bearer");
    assert_eq!(text(&token, "scope"), "frontier");
    assert_eq!(
        (again.status, again.error()),
        (StatusCode::BAD_REQUEST, "invalid_grant".into())
    );
    let dead = refresh(&world, &text(&token, "refresh_token")).await;
    assert_eq!(
        dead.error(),
        "invalid_grant",
        "a code used twice ends what it gave"
    );
}

#[tokio::test]
async fn the_answer_says_who_answered() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    let mut form = authorization();
    form.extend([("scope", "frontier"), ("answer", "allow")]);

    let yes = world.post("/oauth/authorize", Some(&ada), &form).await;
    let no = world
        .post(
            "/oauth/authorize",
            Some(&ada),
            &but(&form, "answer", Some("deny")),
        )
        .await;

    let to = yes.location();
    assert!(to.as_str().starts_with(REDIRECT));
    assert_eq!(
        param(&to, "iss").as_deref(),
        Some("https://ai.example.com"),
        "RFC 9207"
    );
    assert_eq!(param(&to, "state").as_deref(), Some("xyz"));
    assert_eq!(
        param(&no.location(), "error").as_deref(),
        Some("access_denied")
    );
    assert_eq!(param(&no.location(), "code"), None);
}

#[tokio::test]
async fn oid_04_pkce_is_needed_and_only_s256() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    for (field, value) in [
        ("code_challenge", None),
        ("code_challenge", Some("short")),
        (
            "code_challenge",
            Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="),
        ),
        (
            "code_challenge",
            Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN"),
        ),
        ("code_challenge_method", None),
        ("code_challenge_method", Some("plain")),
    ] {
        let query = encode(&but(&authorization(), field, value));
        let reply = world
            .get(&format!("/oauth/authorize?{query}"), Some(&ada))
            .await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{field}");
        assert_eq!(
            param(&reply.location(), "error").as_deref(),
            Some("invalid_request")
        );
    }
    let code = world.code(&ada).await;
    for (field, value) in [
        ("code_verifier", None),
        ("code_verifier", Some("")),
        ("code_verifier", Some("short")),
        (
            "code_verifier",
            Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXj"),
        ),
        (
            "code_verifier",
            Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ),
    ] {
        let reply = world
            .client("/oauth/token", &but(&exchange(&code), field, value))
            .await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{value:?}");
        assert!(matches!(
            reply.error().as_str(),
            "invalid_request" | "invalid_grant"
        ));
    }
    let right = world.client("/oauth/token", &exchange(&code)).await;
    assert_eq!(
        right.status,
        StatusCode::OK,
        "a wrong verifier spends nothing"
    );
}

#[tokio::test]
async fn a_code_belongs_to_its_client_its_redirect_and_its_minute() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    let code = world.code(&ada).await;

    for (field, value) in [
        ("redirect_uri", None),
        ("redirect_uri", Some("http://127.0.0.1:49153/callback")),
        ("client_id", None),
        ("client_id", Some("bauta-device")),
        (
            "code",
            Some("bauta_ac_0000000000000000000000000000000000000000000000000"),
        ),
    ] {
        let reply = world
            .client("/oauth/token", &but(&exchange(&code), field, value))
            .await;
        assert_eq!(reply.error(), "invalid_grant", "{field} {value:?}");
    }
    world.later(60).await;
    let late = world.client("/oauth/token", &exchange(&code)).await;

    assert_eq!(late.error(), "invalid_grant");
}

#[tokio::test]
async fn oid_09_a_redirect_that_is_not_exact_is_refused_here() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;

    for bad in [
        "http://127.0.0.1:49152/callback/",
        "http://127.0.0.1:49152@evil.example/callback",
        "http://127.0.0.1.evil.example:49152/callback",
        "http://localhost:49152/callback",
        "http://127.0.0.1:49152/callback#f",
        "http://127.0.0.1:49152/callback?next=evil",
        "https://evil.example/callback",
        "javascript:alert(1)",
    ] {
        let query = encode(&but(&authorization(), "redirect_uri", Some(bad)));
        let reply = world
            .get(&format!("/oauth/authorize?{query}"), Some(&ada))
            .await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(reply.headers.get("location").is_none(), "{bad}");
        assert!(!reply.body.contains("evil"), "nothing of it is shown back");
    }
    for unknown in ["", "evil", "bauta-device", "BAUTA-CLI"] {
        let query = encode(&but(&authorization(), "client_id", Some(unknown)));
        let reply = world.get(&format!("/oauth/authorize?{query}"), None).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{unknown}");
    }
}

#[tokio::test]
async fn oid_21_no_other_response_type_or_mode() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    let with = |field: &'static str, value: &'static str| {
        let mut form = but(&authorization(), field, None);
        form.push((field, value));
        format!("/oauth/authorize?{}", encode(&form))
    };

    for kind in ["token", "id_token", "code token", "none", "CODE"] {
        let reply = world.get(&with("response_type", kind), Some(&ada)).await;
        let error = param(&reply.location(), "error");
        assert_eq!(
            error.as_deref(),
            Some("unsupported_response_type"),
            "{kind}"
        );
    }
    for (field, value) in [
        ("response_mode", "fragment"),
        ("response_mode", "form_post"),
        ("request", "eyJ"),
        ("request_uri", "https://evil.example"),
    ] {
        let reply = world.get(&with(field, value), Some(&ada)).await;
        let error = param(&reply.location(), "error");
        assert_eq!(error.as_deref(), Some("invalid_request"), "{field}");
    }
}

/// A malicious server names our token endpoint as its own, and has a client sign an assertion that
/// it then brings here. Ours are public clients: no assertion is looked at, whoever signed it.
#[tokio::test]
async fn oid_20_a_client_assertion_opens_nothing_here() {
    let world = World::new(DeviceFlow::On).await;
    let ada = world.ada().await;
    let token = world.login(&ada).await;
    let code = world.code(&ada).await;
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let live = text(&token, "refresh_token");

    for form in [exchange(&code), refresh_form(&live)] {
        for extra in [
            vec![
                ("client_assertion", "e30.e30.e30"),
                ("client_assertion_type", kind),
            ],
            vec![("client_assertion_type", kind)],
            vec![("client_secret", "s3cret")],
        ] {
            let reply = world
                .client("/oauth/token", &[form.clone(), extra].concat())
                .await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
            assert_eq!(reply.error(), "invalid_client");
        }
    }
    let metadata = world
        .get("/.well-known/oauth-authorization-server", None)
        .await
        .json();
    assert_eq!(
        metadata["token_endpoint_auth_methods_supported"],
        serde_json::json!(["none"])
    );
    let right = world.client("/oauth/token", &exchange(&code)).await;
    assert_eq!(right.status, StatusCode::OK, "a refusal spends nothing");
    assert_eq!(refresh(&world, &live).await.status, StatusCode::OK);
}

#[tokio::test]
async fn consent_needs_a_sign_in_and_a_page_of_ours() {
    let world = World::new(DeviceFlow::Off).await;
    let (ada, bob) = (world.ada().await, world.stranger().await);
    let path = format!("/oauth/authorize?{}", encode(&authorization()));

    let out = world.get(&path, None).await;
    let page = world.get(&path, Some(&ada)).await;
    let unverified = world.get(&path, Some(&bob)).await;
    let mut form = authorization();
    form.extend([("scope", "frontier"), ("answer", "allow")]);
    let cross = Request::post("/oauth/authorize")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "cross-site")
        .header(
            "cookie",
            format!("__Host-bauta-session={}", ada.cookie.reveal()),
        )
        .body(Body::from(encode(&form)))
        .unwrap();
    let cross = world.send(cross).await;
    let not_mine = world
        .post(
            "/oauth/authorize",
            Some(&ada),
            &but(&form, "scope", Some("masked")),
        )
        .await;

    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert!(out.location().path() == "/login", "{}", out.location());
    assert_eq!(page.status, StatusCode::OK);
    let policy = page
        .headers
        .get("content-security-policy")
        .unwrap()
        .to_str()
        .unwrap();
    assert!(
        policy.contains("form-action 'self' http://127.0.0.1:49152;"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'"));
    let told = unverified.location();
    assert!(told.as_str().starts_with(REDIRECT), "the program waits");
    assert_eq!(
        param(&told, "error").as_deref(),
        Some("verification_required")
    );
    assert_eq!(param(&told, "state").as_deref(), Some("xyz"));
    assert_eq!(cross.status, StatusCode::FORBIDDEN);
    let told = not_mine.location();
    assert_eq!(
        param(&told, "error").as_deref(),
        Some("invalid_scope"),
        "an anonymous scope has no such tokens"
    );
    assert_eq!(param(&told, "code"), None);
}

#[tokio::test]
async fn oid_24_a_refresh_token_rotates_and_its_reuse_ends_the_grant() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    let token = world.login(&ada).await;
    let first = text(&token, "refresh_token");

    let renewed = refresh(&world, &first).await;
    let retry = refresh(&world, &first).await;
    world.later(11).await;
    let reused = refresh(&world, &first).await;
    let successor = refresh(&world, &text(&renewed.json(), "refresh_token")).await;

    assert_eq!(renewed.status, StatusCode::OK);
    let (one, two) = (renewed.json(), retry.json());
    assert_ne!(one["refresh_token"], token["refresh_token"]);
    assert_eq!(
        one["refresh_token"], two["refresh_token"],
        "a retry gets the same successor"
    );
    assert_ne!(one["access_token"], two["access_token"]);
    assert_eq!(reused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(reused.error(), "invalid_grant");
    assert!(
        reused.headers.get("www-authenticate").is_none(),
        "clients would look no further"
    );
    assert_eq!(successor.error(), "invalid_grant", "the family is dead");
    let claims = world
        .plane
        .read_access(&text(&one, "access_token"))
        .unwrap();
    let page = page(&world, 0).await;
    let ended = Notice::Ended {
        grant: claims.end,
        until: bauta_token::units::UnixMillis::from_seconds(claims.exp),
    };
    assert!(
        page.notices.iter().any(|n| n.notice == ended),
        "{:?}",
        page.notices
    );
    assert!(world.store.events().concat().contains("refresh_reuse"));
}

#[tokio::test]
async fn a_refresh_is_judged_again() {
    let world = World::new(DeviceFlow::Off).await;
    let (ada, bob) = (world.ada().await, world.ada().await);
    let (a, b) = (world.login(&ada).await, world.login(&bob).await);

    world.plane.fall(ada.id, None, "case").await.unwrap();

    let refused = refresh(&world, &text(&a, "refresh_token")).await;
    assert_eq!(
        (refused.status, refused.error()),
        (StatusCode::UNAUTHORIZED, "invalid_grant".into())
    );
    assert_eq!(
        refresh(&world, &text(&b, "refresh_token")).await.status,
        StatusCode::OK
    );
    let live = world.plane.grants(ada.id).await.unwrap();
    assert!(
        live.is_empty(),
        "nothing is left of what may not be renewed"
    );
    for bad in ["", "x", "bauta_rt_", &text(&b, "access_token")] {
        let form = refresh_form(bad);
        let reply = world.client("/oauth/token", &form).await;
        assert!(reply.status.is_client_error(), "{bad}");
    }
    let live = text(&b, "refresh_token");
    let wider = [refresh_form(&live), vec![("scope", "quiet")]].concat();
    assert_eq!(
        world.client("/oauth/token", &wider).await.error(),
        "invalid_scope"
    );
}

#[tokio::test]
async fn a_field_that_comes_twice_is_refused() {
    let world = World::new(DeviceFlow::On).await;
    let ada = world.ada().await;
    let code = world.code(&ada).await;
    let good = encode(&exchange(&code));

    for body in [
        format!("{good}&code_verifier={VERIFIER}"),
        format!("grant_type=refresh_token&{good}"),
        format!("{good}&x=1&x=1"),
    ] {
        let reply = world.raw("/oauth/token", &body).await;
        assert_eq!(reply.error(), "invalid_request", "{body}");
    }
    for path in ["/oauth/revoke", "/oauth/device_authorization"] {
        let reply = world.raw(path, "token=a&token=b").await;
        assert_eq!(reply.error(), "invalid_request", "{path}");
    }
    let query = format!("{}&client_id=bauta-cli", encode(&authorization()));
    let reply = world
        .get(&format!("/oauth/authorize?{query}"), Some(&ada))
        .await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        world.raw("/oauth/token", &good).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn only_forms_are_read_and_only_known_grants() {
    let world = World::new(DeviceFlow::On).await;
    let json = Request::post("/oauth/token")
        .header("content-type", "application/json")
        .body(Body::from(r#"{"grant_type":"refresh_token"}"#))
        .unwrap();

    let json = world.send(json).await;
    let long = world.raw("/oauth/token", &"a".repeat(16 * 1024 + 1)).await;
    let none = world.raw("/oauth/token", "").await;

    assert_eq!(json.error(), "invalid_request");
    assert_eq!(long.error(), "invalid_request");
    assert_eq!(none.error(), "invalid_request");
    for grant in [
        "client_credentials",
        "password",
        "implicit",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "x",
    ] {
        let reply = world.client("/oauth/token", &[("grant_type", grant)]).await;
        assert_eq!(reply.error(), "unsupported_grant_type", "{grant}");
    }
}

#[tokio::test]
async fn a_device_login_needs_a_person_who_says_yes() {
    let world = World::new(DeviceFlow::Gateway).await;
    let ada = world.ada().await;
    let asked = ask(&world).await;

    let waiting = poll(&world, &asked).await;
    let typed = world
        .post(
            "/device",
            Some(&ada),
            &[("user_code", &text(&asked, "user_code"))],
        )
        .await;
    let said = answer(&world, &ada, &asked, "allow").await;
    world.later(5).await;
    let token = poll(&world, &asked).await;
    world.later(5).await;
    let again = poll(&world, &asked).await;

    assert!(text(&asked, "device_code").starts_with("bauta_dc_"));
    assert_eq!(text(&asked, "user_code").len(), 9);
    assert_eq!(asked["expires_in"], 600);
    assert_eq!(asked["interval"], 5);
    assert_eq!(
        (waiting.status, waiting.error()),
        (StatusCode::BAD_REQUEST, "authorization_pending".into())
    );
    assert_eq!(typed.status, StatusCode::OK);
    assert!(typed.body.contains("Claude Code"));
    assert_eq!(said.status, StatusCode::OK, "{}", said.body);
    assert_eq!(token.status, StatusCode::OK, "{}", token.body);
    assert!(!text(&token.json(), "refresh_token").is_empty());
    assert!(token.json().get("email").is_none());
    assert_eq!(again.error(), "expired_token", "a code is spent once");
}

#[tokio::test]
async fn a_poll_that_comes_too_soon_is_told_to_slow_down() {
    let world = World::new(DeviceFlow::On).await;
    let asked = ask(&world).await;

    assert_eq!(poll(&world, &asked).await.error(), "authorization_pending");
    world.later(4).await;
    assert_eq!(poll(&world, &asked).await.error(), "slow_down");
    world.later(9).await;
    assert_eq!(
        poll(&world, &asked).await.error(),
        "slow_down",
        "ten seconds by now"
    );
    world.later(15).await;
    assert_eq!(poll(&world, &asked).await.error(), "authorization_pending");
    world.later(600).await;
    assert_eq!(poll(&world, &asked).await.error(), "expired_token");
}

#[tokio::test]
async fn no_is_final_and_a_suspended_member_cannot_finish() {
    let world = World::new(DeviceFlow::On).await;
    let ada = world.ada().await;
    let (one, two) = (ask(&world).await, ask(&world).await);

    answer(&world, &ada, &one, "deny").await;
    let changed_mind = answer(&world, &ada, &one, "allow").await;
    answer(&world, &ada, &two, "allow").await;
    world.plane.fall(ada.id, None, "case").await.unwrap();

    assert_eq!(poll(&world, &one).await.error(), "access_denied");
    assert_eq!(changed_mind.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        poll(&world, &two).await.error(),
        "expired_token",
        "the login was dropped"
    );
}

#[tokio::test]
async fn the_device_page_asks_for_the_code_itself() {
    let world = World::new(DeviceFlow::On).await;
    let ada = world.ada().await;
    let asked = ask(&world).await;
    let code = text(&asked, "user_code");

    let linked = world
        .get(&format!("/device?user_code={code}"), Some(&ada))
        .await;
    let out = world.get("/device", None).await;
    let wrong = world
        .post("/device", Some(&ada), &[("user_code", "BBBB-BBBB")])
        .await;
    let scopeless = [("user_code", code.as_str()), ("answer", "allow")];
    let scopeless = world.post("/device/answer", Some(&ada), &scopeless).await;
    let forbidden = [
        ("user_code", code.as_str()),
        ("answer", "allow"),
        ("scope", "quiet"),
    ];
    let forbidden = world.post("/device/answer", Some(&ada), &forbidden).await;

    assert!(
        linked.body.contains(&code),
        "shown, and sent by a person only"
    );
    assert!(!linked.body.contains("Allow"));
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert_eq!(scopeless.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        forbidden.status,
        StatusCode::BAD_REQUEST,
        "that scope refuses device logins"
    );
    world.later(5).await;
    assert_eq!(poll(&world, &asked).await.error(), "authorization_pending");
}

#[tokio::test]
async fn who_mistypes_the_second_time_stays_on_the_page() {
    let world = World::new(DeviceFlow::On).await;
    let ada = world.ada().await;
    let (asked, other) = (ask(&world).await, ask(&world).await);
    let code = text(&asked, "user_code");
    let page = world
        .post("/device", Some(&ada), &[("user_code", &code)])
        .await;
    let login = page.body.split(r#"name="login" value=""#).nth(1).unwrap();
    let login = login.split('"').next().unwrap();
    let says = async |typed: &str, answer: &str| {
        let form = [
            ("login", login),
            ("user_code", typed),
            ("scope", "frontier"),
            ("answer", answer),
        ];
        world.post("/device/answer", Some(&ada), &form).await
    };

    let empty = says("", "allow").await;
    let wrong = says("BBBB-BBBB", "allow").await;
    let another = says(&text(&other, "user_code"), "allow").await;
    let still = poll(&world, &asked).await;
    let denied = says("", "deny").await;

    assert!(!login.is_empty() && !page.body.contains(&code));
    for reply in [&empty, &wrong, &another] {
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert!(reply.body.contains("Did you start this?"));
        assert!(reply.body.contains(r#"role="alert""#));
    }
    assert!(empty.body.contains("type the code once more"));
    assert!(wrong.body.contains("not the code of this login"));
    assert_eq!(still.error(), "authorization_pending");
    assert_eq!(denied.status, StatusCode::OK, "no needs no code");
    world.later(5).await;
    assert_eq!(poll(&world, &asked).await.error(), "access_denied");
    assert_eq!(poll(&world, &other).await.error(), "authorization_pending");
}

#[tokio::test]
async fn guessing_codes_is_bounded() {
    let world = World::new(DeviceFlow::On).await;
    let ada = world.ada().await;
    let asked = ask(&world).await;
    for _ in 0..20 {
        let reply = world
            .post("/device", Some(&ada), &[("user_code", "BBBB-BBBB")])
            .await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    }

    let right = [("user_code", &*text(&asked, "user_code"))];
    let paused = world.post("/device", Some(&ada), &right).await;

    assert_eq!(paused.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn the_device_flow_is_off_unless_policy_says_otherwise() {
    let off = World::new(DeviceFlow::Off).await;
    let gateway = World::new(DeviceFlow::Gateway).await;
    let path = "/oauth/device_authorization";

    let refused = off.client(path, &[("surface", "claude_code")]).await;
    let unnamed = gateway.client(path, &[]).await;
    let metadata = off
        .get("/.well-known/oauth-authorization-server", None)
        .await
        .json();
    let with = gateway
        .get("/.well-known/openid-configuration", None)
        .await
        .json();

    assert_eq!(refused.error(), "unauthorized_client");
    assert_eq!(
        unnamed.error(),
        "unauthorized_client",
        "only the Claude gateway protocol"
    );
    assert!(metadata.get("device_authorization_endpoint").is_none());
    assert_eq!(
        with["device_authorization_endpoint"],
        "https://ai.example.com/oauth/device_authorization"
    );
    assert_eq!(with["gateway_protocol_version"], 1);
    assert_eq!(metadata["issuer"], "https://ai.example.com");
    assert_eq!(
        metadata["protected_resources"],
        serde_json::json!(["https://gw.example.com"])
    );
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        serde_json::json!(["S256"])
    );
}

/// A form from this address.
async fn from(
    world: &World,
    address: [u8; 4],
    path: &str,
    ada: Option<&Ada>,
    form: &[(&str, &str)],
) -> Reply {
    let mut request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin");
    if let Some(ada) = ada {
        request = request.header(
            "cookie",
            format!("__Host-bauta-session={}", ada.cookie.reveal()),
        );
    }
    let peer = ConnectInfo(SocketAddr::from((address, 40_000)));
    let request = request.extension(peer).body(Body::from(encode(form)));
    world.send(request.unwrap()).await
}

#[tokio::test]
async fn too_many_device_logins_from_one_network_wait() {
    let world = World::new(DeviceFlow::On).await;
    let path = "/oauth/device_authorization";
    for n in 0..30 {
        let reply = from(&world, [192, 0, 2, n], path, None, &[]).await;
        assert_eq!(reply.status, StatusCode::OK);
    }

    let more = from(&world, [192, 0, 2, 99], path, None, &[]).await;
    let elsewhere = from(&world, [198, 51, 100, 1], path, None, &[]).await;

    assert_eq!(
        (more.status, more.error()),
        (StatusCode::TOO_MANY_REQUESTS, "slow_down".into())
    );
    assert_eq!(elsewhere.status, StatusCode::OK);
    world.later(600).await;
    let later = from(&world, [192, 0, 2, 99], path, None, &[]).await;
    assert_eq!(later.status, StatusCode::OK);
}

#[tokio::test]
async fn a_proxy_on_this_machine_is_no_network() {
    let world = World::new(DeviceFlow::On).await;
    let ada = world.ada().await;
    let (proxy, path) = ([127, 0, 0, 1], "/oauth/device_authorization");
    let asked = from(&world, proxy, path, None, &[]).await;
    let code = text(&asked.json(), "user_code");

    let page = from(
        &world,
        proxy,
        "/device",
        Some(&ada),
        &[("user_code", code.as_str())],
    )
    .await;
    let mut many = StatusCode::OK;
    for _ in 0..31 {
        many = from(&world, proxy, path, None, &[]).await.status;
    }

    assert!(!page.body.contains("The same as"), "no false comfort");
    assert!(page.body.contains("<dt>Network</dt><dd>Unknown</dd>"));
    assert_eq!(many, StatusCode::OK, "one does not shut the others out");
}

#[tokio::test]
async fn the_device_page_warns_of_another_network() {
    let world = World::new(DeviceFlow::On).await;
    let ada = world.ada().await;
    let asked = from(
        &world,
        [192, 0, 2, 1],
        "/oauth/device_authorization",
        None,
        &[],
    )
    .await;
    let code = text(&asked.json(), "user_code");
    let form = [("user_code", code.as_str())];

    let near = from(&world, [192, 0, 2, 200], "/device", Some(&ada), &form).await;
    let far = from(&world, [198, 51, 100, 1], "/device", Some(&ada), &form).await;
    let unknown = world.post("/device", Some(&ada), &form).await;

    assert!(near.body.contains("The same as this browser’s") && !near.body.contains("deny it"));
    assert!(far.body.contains("another network") && far.body.contains("deny it"));
    assert!(unknown.body.contains("<dt>Network</dt><dd>Unknown</dd>"));
    assert!(
        unknown
            .body
            .contains("<dt>Program</dt><dd>It gave no name</dd>")
    );
    for page in [near, far, unknown] {
        assert!(
            !page.body.contains("192.0.2"),
            "no address is kept, so none is shown"
        );
    }
}

#[tokio::test]
async fn the_key_set_holds_the_key_that_signed() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    let token = world.login(&ada).await;

    let keys = world.get("/.well-known/jwks.json", None).await.json();

    let access = text(&token, "access_token");
    let head = access
        .strip_prefix("bauta_")
        .unwrap()
        .split('.')
        .next()
        .unwrap();
    let head: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap();
    let key = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == head["kid"]);
    let key = key.unwrap();
    assert_eq!(
        (key["kty"].as_str(), key["alg"].as_str()),
        (Some("OKP"), Some("EdDSA"))
    );
    assert!(key.get("d").is_none());
}

#[tokio::test]
async fn whoever_holds_a_token_may_end_it() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    let (one, two) = (world.login(&ada).await, world.login(&ada).await);

    for unknown in [
        "x",
        "bauta_rt_zz",
        "bauta_ey.ey.x",
        &text(&one, "access_token")[..40],
    ] {
        let reply = world.client("/oauth/revoke", &[("token", unknown)]).await;
        assert_eq!(reply.status, StatusCode::OK, "{unknown}");
    }
    let by_access = [("token", &*text(&one, "access_token"))];
    let by_refresh = [
        ("token", &*text(&two, "refresh_token")),
        ("token_type_hint", "refresh_token"),
    ];
    assert_eq!(
        world.client("/oauth/revoke", &by_access).await.status,
        StatusCode::OK
    );
    assert_eq!(
        world.client("/oauth/revoke", &by_refresh).await.status,
        StatusCode::OK
    );
    assert_eq!(
        world.client("/oauth/revoke", &by_refresh).await.status,
        StatusCode::OK
    );

    for token in [one, two] {
        let reply = refresh(&world, &text(&token, "refresh_token")).await;
        assert_eq!(reply.error(), "invalid_grant");
    }
    assert_eq!(page(&world, 0).await.last, 2, "told once each");
    assert_eq!(
        world.client("/oauth/revoke", &[]).await.error(),
        "invalid_request"
    );
}

#[tokio::test]
async fn introspection_is_for_who_has_the_secret() {
    let off = World::new(DeviceFlow::Off).await;
    let world = World::with(DeviceFlow::Off, |settings| {
        let secret = Zeroizing::new("a-long-resource-server-secret-42".to_owned());
        settings.introspection = Some(SecretText::new(secret));
    })
    .await;
    let ada = world.ada().await;
    let token = text(&world.login(&ada).await, "access_token");
    let asked = async |bearer: Option<&str>| {
        let mut request = Request::post("/oauth/introspect")
            .header("content-type", "application/x-www-form-urlencoded");
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        let body = Body::from(encode(&[("token", &token)]));
        world.send(request.body(body).unwrap()).await
    };

    let good = asked(Some("a-long-resource-server-secret-42")).await;
    let nobody = asked(None).await;
    let wrong = asked(Some("a-long-resource-server-secret-43")).await;
    world.client("/oauth/revoke", &[("token", &token)]).await;
    let after = asked(Some("a-long-resource-server-secret-42")).await;

    assert_eq!(good.json()["active"], true);
    assert_eq!(good.json()["scope"], "frontier");
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_eq!(after.body, r#"{"active":false}"#);
    let closed = off.client("/oauth/introspect", &[("token", "x")]).await;
    assert_eq!(closed.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_feed_is_signed_and_its_manifest_is_proved() {
    let world = World::new(DeviceFlow::Off).await;
    let log = world.plane.log_signer().unwrap();

    let first = page(&world, 0).await;
    let second = page(&world, 0).await;
    let manifest = Manifest::accept(first.manifest.as_deref().unwrap(), log.verifier()).unwrap();

    assert_eq!(manifest.issuer, "https://ai.example.com");
    assert_eq!(manifest.audience, "https://gw.example.com");
    assert!(manifest.terms(&name("frontier")).is_some());
    assert_eq!(manifest.keys, world.plane.issuer_keys());
    assert_eq!(first.manifest, second.manifest, "one manifest is one leaf");
    world.plane.seal().await.unwrap();
    let grown = page(&world, 0).await.manifest.unwrap();
    assert_eq!(
        Manifest::accept(&grown, log.verifier()).unwrap(),
        manifest,
        "proved in a larger log"
    );
    for bad in [
        "",
        "?after=",
        "?after=-1",
        "?after=01",
        "?after=+1",
        "?after=1&after=1",
        "?after=x",
    ] {
        let reply = world.get(&format!("/feed{bad}"), None).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let ahead = world.get("/feed?after=99", None).await;
    assert_eq!(
        ahead.status,
        StatusCode::CONFLICT,
        "a feed that was set back is not followed"
    );
}

#[tokio::test]
async fn jwt_26_an_ended_grant_is_told_on_the_next_page() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    world.login(&ada).await;
    let before = page(&world, 0).await.last;

    world.plane.fall(ada.id, None, "case").await.unwrap();

    let told = page(&world, before).await;
    let ended = told
        .notices
        .iter()
        .filter(|n| matches!(n.notice, Notice::Ended { .. }));
    let suspended = told
        .notices
        .iter()
        .filter(|n| matches!(n.notice, Notice::Suspended { .. }));
    assert_eq!((ended.count(), suspended.count()), (1, 2));
    assert_eq!(told.after, before);
    assert_eq!(told.last, before + 3);
}

async fn page(world: &World, after: u64) -> Page {
    let reply = world.get(&format!("/feed?after={after}"), None).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    let log = world.plane.log_signer().unwrap();
    let text = log.verifier().open(&reply.body).unwrap();
    serde_json::from_str(text.trim_end()).unwrap()
}
