#![expect(
    clippy::arithmetic_side_effects,
    reason = "the numbers are the test's own"
)]

use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode},
};
use bauta_token::keys::SigningKey;
use serde_json::{Value, json};
use url::Url;

use super::is_local;
use crate::{
    config::{DeviceFlow, Roles, Settings},
    issue::world::{NOW, Reply, World, name},
    member::Erased,
    ports::{Role, people::People},
};
use idp::{Idp, form};

pub(crate) mod idp;

/// A plane and its identity provider.
struct Office {
    world: World,
    idp: Idp,
}

/// A browser: the cookies it holds.
#[derive(Clone, Default)]
struct Browser(Vec<(String, String)>);

impl Browser {
    fn take(&mut self, reply: &Reply) {
        for cookie in reply.headers.get_all("set-cookie") {
            let text = cookie.to_str().unwrap();
            for must in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
                assert!(text.contains(must), "{text}");
            }
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            assert!(name.starts_with("__Host-"), "{name}");
            self.0.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn header(&self) -> String {
        let pairs = self.0.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn session(&self) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|(name, _)| name == super::SESSION_COOKIE);
        found.map(|(_, value)| value.as_str())
    }
}

impl Office {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let idp = Idp::start(NOW).await;
        let issuer = idp.issuer.clone();
        let world = World::with(DeviceFlow::Off, |settings| {
            settings.sso.issuer = issuer;
            settings.sso.scopes.push("groups".to_owned());
            settings.sso.roles = Roles {
                admin: vec!["ai-platform".to_owned()],
                officer: vec!["compliance".to_owned()],
                auditor: Vec::new(),
            };
            change(settings);
        })
        .await;
        Self { world, idp }
    }

    async fn get(&self, path: &str, browser: &mut Browser) -> Reply {
        let request = Request::get(path)
            .header("accept", "text/html")
            .header("cookie", browser.header())
            .body(Body::empty());
        let reply = self.world.send(request.unwrap()).await;
        browser.take(&reply);
        reply
    }

    /// Goes to the identity provider and comes back with its answer's query.
    async fn leave(&self, browser: &mut Browser) -> String {
        let reply = self.get("/login", browser).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.body);
        self.idp.lets_in(&reply.location())
    }

    async fn come_back(&self, query: &str, browser: &mut Browser) -> Reply {
        self.get(&format!("/callback?{query}"), browser).await
    }

    async fn sign_in(&self, browser: &mut Browser) -> Reply {
        let query = self.leave(browser).await;
        self.come_back(&query, browser).await
    }

    async fn is_in(&self, browser: &Browser) -> bool {
        let mut copy = browser.clone();
        let reply = self.get("/privacy", &mut copy).await;
        reply.status == StatusCode::OK
    }

    async fn later(&self, seconds: i64) {
        self.world.later(seconds).await;
        self.idp.said().now += seconds;
    }

    async fn logout_token(&self, change: &Value) -> Reply {
        let now = self.idp.said().now;
        let usual = json!({
            "iss": self.idp.issuer, "aud": "bauta", "iat": now, "exp": now + 120, "jti": "j1",
            "sub": "alice", "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        self.idp.said().header = json!({ "typ": "logout+jwt" });
        let token = self.idp.token(&idp::over(usual, change));
        let reply = self
            .world
            .client("/logout/backchannel", &[("logout_token", &token)])
            .await;
        self.idp.said().header = json!({ "typ": "JWT" });
        assert_eq!(reply.headers["cache-control"], "no-store");
        reply
    }
}

fn code(reply: &Reply) -> &str {
    assert!(
        !reply.body.contains("alice"),
        "nothing of the person is shown back"
    );
    let (_, rest) = reply
        .body
        .split_once("<p class=\"kicker\">")
        .unwrap_or(("", &reply.body));
    rest.split_once("</p>").unwrap_or((rest, "")).0
}

#[tokio::test]
async fn a_corporate_sign_in_makes_a_member_and_asks_for_no_name() {
    let office = Office::new().await;
    let mut browser = Browser::default();
    let asked = office
        .get("/login?return_to=%2Ftokens", &mut browser)
        .await
        .location();
    let scope = asked
        .query_pairs()
        .find(|(name, _)| name == "scope")
        .unwrap()
        .1
        .into_owned();
    assert_eq!(scope, "openid groups");

    let reply = office
        .come_back(&office.idp.lets_in(&asked), &mut browser)
        .await;

    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.body);
    assert_eq!(reply.headers["location"], "/tokens");
    assert!(office.is_in(&browser).await);
    let member = office.world.store.members(None, 9).await.unwrap().remove(0);
    let scopes: Vec<_> = member
        .rights
        .scopes
        .iter()
        .map(bauta_token::scope::Name::as_str)
        .collect();
    assert_eq!(scopes, ["frontier", "masked", "quiet"]);
    assert!(member.rights.roles.is_empty());
    let dump = office.world.store.dump();
    for secret in [
        "alice",
        "engineering",
        "s3cret",
        "opaque",
        browser.session().unwrap(),
    ] {
        assert!(!dump.contains(secret), "{secret} was stored");
    }
}

#[tokio::test]
async fn too_many_sign_ins_from_one_network_wait_and_are_told_so() {
    let office = Office::new().await;
    let from = async |address: [u8; 4]| {
        let peer = ConnectInfo(SocketAddr::from((address, 40_000)));
        let request = Request::get("/login")
            .header("accept", "text/html")
            .extension(peer)
            .body(Body::empty());
        office.world.send(request.unwrap()).await
    };
    for n in 0..super::PER_NETWORK {
        let reply = from([192, 0, 2, u8::try_from(n % 250).unwrap()]).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{n}");
    }

    let more = from([192, 0, 2, 251]).await;
    let elsewhere = from([198, 51, 100, 1]).await;

    assert_eq!(more.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(more.headers["retry-after"], "60");
    assert!(more.headers.get("set-cookie").is_none());
    assert!(more.body.contains("Too many sign-ins"), "{}", more.body);
    assert_eq!(elsewhere.status, StatusCode::SEE_OTHER);
    let dump = office.world.store.dump();
    assert!(!dump.contains("192.0.2") && !dump.contains("[192, 0, 2"));
    office.later(600).await;
    let later = from([192, 0, 2, 251]).await;
    assert_eq!(later.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_second_sign_in_is_the_same_member_with_the_groups_of_today() {
    let office = Office::new().await;
    office.sign_in(&mut Browser::default()).await;
    office.idp.said().claims = json!({ "sub": "alice", "groups": ["compliance", "ai-platform"] });

    office.sign_in(&mut Browser::default()).await;

    let members = office.world.store.members(None, 9).await.unwrap();
    assert_eq!(members.len(), 1);
    let roles: Vec<_> = members[0].rights.roles.iter().copied().collect();
    assert_eq!(roles, [Role::Admin, Role::Officer]);
    assert_eq!(
        members[0].rights.scopes.len(),
        1,
        "only the scope that is open to all"
    );
}

#[tokio::test]
async fn who_leaves_a_group_loses_its_long_lived_tokens_at_the_next_sign_in() {
    let office = Office::new().await;
    office.sign_in(&mut Browser::default()).await;
    let member = office.world.store.members(None, 9).await.unwrap()[0].member;
    office.world.verify(member).await;
    let plane = &office.world.plane;
    for scope in ["frontier", "frontier"] {
        let qualified = plane.qualify(member, &name(scope)).await.unwrap();
        let ask = crate::issue::Ask::sign_in(crate::issue::ClientKind::Cli);
        plane.issue(qualified, ask).await.unwrap();
    }
    office.sign_in(&mut Browser::default()).await;
    assert_eq!(
        plane.grants(member).await.unwrap().len(),
        2,
        "nothing changed"
    );
    office.idp.said().claims = json!({ "sub": "alice", "groups": [] });

    office.sign_in(&mut Browser::default()).await;

    assert_eq!(plane.grants(member).await.unwrap().len(), 0);
}

#[tokio::test]
async fn oid_01_a_state_is_known_fresh_and_used_once() {
    let office = Office::new().await;
    let mut browser = Browser::default();
    let query = office.leave(&mut browser).await;
    let without: String = query
        .split('&')
        .filter(|pair| !pair.starts_with("state"))
        .collect::<Vec<_>>()
        .join("&");
    for bad in [
        "",
        &without,
        "state=bauta_st_x&code=c",
        &format!("{without}&state=x"),
    ] {
        let reply = office.come_back(bad, &mut browser.clone()).await;
        assert_eq!(
            (reply.status, code(&reply)),
            (StatusCode::BAD_REQUEST, "login_invalid"),
            "{bad}"
        );
    }

    let mut used = browser.clone();
    assert_eq!(
        office.come_back(&query, &mut used).await.status,
        StatusCode::SEE_OTHER
    );
    let again = office.come_back(&query, &mut browser).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "reused");

    let mut slow = Browser::default();
    let query = office.leave(&mut slow).await;
    office.later(601).await;
    let late = office.come_back(&query, &mut slow).await;
    assert_eq!(late.status, StatusCode::BAD_REQUEST, "after ten minutes");
}

#[tokio::test]
async fn oid_02_a_sign_in_belongs_to_the_browser_that_began_it() {
    let office = Office::new().await;
    let (mut attacker, mut victim) = (Browser::default(), Browser::default());
    let query = office.leave(&mut attacker).await;
    office.leave(&mut victim).await;

    for mut other in [victim, Browser::default()] {
        let reply = office.come_back(&query, &mut other).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert_eq!(other.session(), None);
    }
    assert_eq!(
        office.idp.said().exchanges,
        0,
        "the code was not even tried"
    );
}

#[tokio::test]
async fn oid_03_a_nonce_is_this_attempts_own() {
    let office = Office::new().await;
    for nonce in [json!("another"), json!(null), json!(""), json!(7)] {
        office.idp.said().claims = json!({ "sub": "alice", "nonce": nonce });
        let reply = office.sign_in(&mut Browser::default()).await;
        assert_eq!(
            (reply.status, code(&reply)),
            (StatusCode::UNAUTHORIZED, "login_refused"),
            "{nonce}"
        );
    }
}

#[tokio::test]
async fn oid_05_an_answer_names_the_issuer_it_comes_from() {
    let office = Office::new().await;
    let issuer = office.idp.issuer.clone();
    for change in [
        "",
        "https://evil.example",
        &format!("{issuer}/"),
        &issuer.to_uppercase(),
    ] {
        let mut browser = Browser::default();
        let query = office.leave(&mut browser).await;
        let mut pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        pairs.retain(|(name, _)| name != "iss");
        if !change.is_empty() {
            pairs.push(("iss".to_owned(), change.to_owned()));
        }
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();

        let reply = office.come_back(&form(&pairs), &mut browser).await;

        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{change}");
    }
    assert_eq!(office.idp.said().exchanges, 0, "no code went anywhere");
}

#[tokio::test]
async fn oid_08_a_code_of_another_sign_in_is_not_taken() {
    let office = Office::new().await;
    let (mut one, mut two) = (Browser::default(), Browser::default());
    let stolen = office.leave(&mut one).await;
    let own = office.leave(&mut two).await;
    let code_of = |query: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs
            .find(|(name, _)| name == "code")
            .unwrap()
            .1
            .into_owned()
    };

    let mixed = own.replace(&code_of(&own), &code_of(&stolen));
    let reply = office.come_back(&mixed, &mut two).await;

    assert_eq!(
        (reply.status, code(&reply)),
        (StatusCode::FORBIDDEN, "login_denied")
    );
    assert_eq!(two.session(), None);
}

#[tokio::test]
async fn oid_11_a_session_is_new_at_each_sign_in_and_the_old_one_ends() {
    let office = Office::new().await;
    let mut browser = Browser::default();
    office.sign_in(&mut browser).await;
    let before = browser.clone();

    office.sign_in(&mut browser).await;

    assert_ne!(before.session(), browser.session());
    assert!(!office.is_in(&before).await);
    assert!(office.is_in(&browser).await);
    // A session that somebody else planted is not taken over.
    let mut fixed = Browser(vec![(
        super::SESSION_COOKIE.to_owned(),
        "bauta_ck_planted".to_owned(),
    )]);
    office.sign_in(&mut fixed).await;
    assert_ne!(fixed.session(), Some("bauta_ck_planted"));
}

#[tokio::test]
async fn oid_13_a_changed_issuer_is_refused_and_the_last_good_one_kept() {
    let office = Office::new().await;
    office.idp.said().discovery = json!({ "issuer": "https://evil.example" });
    let refused = office.get("/login", &mut Browser::default()).await;
    assert_eq!(
        (refused.status, code(&refused)),
        (StatusCode::SERVICE_UNAVAILABLE, "sso_unavailable")
    );
    assert_eq!(refused.headers["retry-after"], "5");

    office.idp.said().discovery = json!({});
    assert_eq!(
        office.sign_in(&mut Browser::default()).await.status,
        StatusCode::SEE_OTHER
    );
    office.idp.said().discovery = json!({ "jwks_uri": "http://169.254.169.254/latest" });
    office.later(90_000).await;

    let mut browser = Browser::default();
    assert_eq!(
        office.sign_in(&mut browser).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn oid_15_an_address_is_nobodys_name() {
    let office = Office::new().await;
    office.idp.said().claims =
        json!({ "sub": "victim", "groups": [], "email": "v@corp.example", "email_verified": true });
    office.sign_in(&mut Browser::default()).await;
    office.idp.said().claims = json!({ "sub": "attacker", "groups": [], "email": "v@corp.example", "email_verified": "true", "preferred_username": "victim" });

    office.sign_in(&mut Browser::default()).await;

    assert_eq!(office.world.store.members(None, 9).await.unwrap().len(), 2);
    assert!(!office.world.store.dump().contains("corp.example"));
}

#[tokio::test]
async fn oid_17_another_tenant_is_turned_away() {
    let office = Office::with(|settings| settings.sso.tenant = Some("t1".to_owned())).await;
    for (tid, status) in [
        (json!("t2"), StatusCode::FORBIDDEN),
        (json!(null), StatusCode::FORBIDDEN),
        (json!(["t1"]), StatusCode::UNAUTHORIZED),
        (json!("t1"), StatusCode::SEE_OTHER),
    ] {
        office.idp.said().claims = json!({ "sub": "alice", "groups": [], "tid": tid });
        let reply = office.sign_in(&mut Browser::default()).await;
        assert_eq!(reply.status, status, "{tid}");
    }
}

#[tokio::test]
async fn oid_19_only_a_page_of_ours_signs_anybody_out() {
    let office = Office::new().await;
    let mut browser = Browser::default();
    office.sign_in(&mut browser).await;
    let post = async |headers: &[(&str, &str)], browser: &Browser| {
        let mut request = Request::post("/logout").header("cookie", browser.header());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        office
            .world
            .send(request.body(Body::empty()).unwrap())
            .await
    };

    for elsewhere in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://ai.example.com"),
        ],
        &[],
    ] {
        let reply = post(elsewhere, &browser).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{elsewhere:?}");
    }
    let asked = office.get("/logout", &mut browser).await;
    assert!(
        asked
            .body
            .contains("<form method=\"post\" action=\"/logout\">"),
        "it asks first"
    );
    assert!(office.is_in(&browser).await);

    let reply = post(&[("origin", "https://ai.example.com")], &browser).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
    let to = Url::parse(reply.headers["location"].to_str().unwrap()).unwrap();
    assert_eq!(
        to.path(),
        "/bye",
        "the identity provider's own session ends too"
    );
    assert!(
        !to.as_str().contains("id_token_hint"),
        "no ID token is kept for this"
    );
    assert!(!office.is_in(&browser).await);
}

#[tokio::test]
async fn oid_21_nothing_but_a_code_is_taken_from_a_url() {
    let office = Office::new().await;
    for extra in ["id_token=x", "access_token=x", "code=other", "state=other"] {
        let mut browser = Browser::default();
        let query = office.leave(&mut browser).await;
        let reply = office
            .come_back(&format!("{query}&{extra}"), &mut browser)
            .await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{extra}");
    }
    assert_eq!(office.idp.said().exchanges, 0);
}

#[tokio::test]
async fn groups_may_come_from_userinfo_of_the_same_person() {
    let office = Office::new().await;
    office.idp.said().claims = json!({ "sub": "alice" });
    office.idp.said().userinfo = json!({ "sub": "alice", "groups": ["compliance"] });
    office.sign_in(&mut Browser::default()).await;
    let member = office.world.store.members(None, 9).await.unwrap().remove(0);
    assert!(member.rights.roles.contains(&Role::Officer));

    office.idp.said().userinfo = json!({ "sub": "bob", "groups": ["ai-platform"] });
    let reply = office.sign_in(&mut Browser::default()).await;
    assert_eq!(
        reply.status,
        StatusCode::BAD_REQUEST,
        "another person's groups"
    );

    office.idp.said().userinfo = json!({ "sub": "alice" });
    office.sign_in(&mut Browser::default()).await;
    let member = office.world.store.members(None, 9).await.unwrap().remove(0);
    assert!(
        member.rights.roles.is_empty(),
        "no claim is no groups, never the old ones"
    );
}

#[tokio::test]
async fn groups_that_are_too_many_or_no_list_are_said_to_be() {
    let office = Office::new().await;
    for (claims, said) in [
        (
            json!({ "sub": "a", "_claim_names": { "groups": "src1" } }),
            "groups_overage",
        ),
        (
            json!({ "sub": "a", "groups": "ai-platform" }),
            "groups_malformed",
        ),
        (
            json!({ "sub": "a", "groups": [["ai-platform"]] }),
            "groups_malformed",
        ),
    ] {
        office.idp.said().claims = claims;
        let reply = office.sign_in(&mut Browser::default()).await;
        assert_eq!((reply.status, code(&reply)), (StatusCode::FORBIDDEN, said));
    }
    assert_eq!(office.world.store.members(None, 9).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_rotated_key_is_fetched_once_a_minute_at_most() {
    let office = Office::new().await;
    office.sign_in(&mut Browser::default()).await;
    assert_eq!(office.idp.said().key_fetches, 1);
    let turn = |kid: &str, seed: u8| {
        let mut said = office.idp.said();
        kid.clone_into(&mut said.kid);
        said.key = SigningKey::from_seed(&[seed; 32]).unwrap();
    };

    turn("k2", 2);
    let early = office.sign_in(&mut Browser::default()).await;
    assert_eq!(early.status, StatusCode::UNAUTHORIZED, "asked a moment ago");
    assert_eq!(office.idp.said().key_fetches, 1);
    office.later(61).await;
    assert_eq!(
        office.sign_in(&mut Browser::default()).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(office.idp.said().key_fetches, 2);

    // The same id over another key, as after a restart without a rotation.
    turn("k2", 3);
    office.later(61).await;
    assert_eq!(
        office.sign_in(&mut Browser::default()).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(office.idp.said().key_fetches, 3);
}

#[tokio::test]
async fn an_outage_is_survived_with_the_keys_of_a_day_and_no_longer() {
    let office = Office::new().await;
    office.sign_in(&mut Browser::default()).await;
    let now = office.world.plane.clock.now();
    office.idp.said().down = true;

    let hours = |n: i64| now.plus_seconds(n * 3_600);
    assert!(office.world.plane.discovery.keys(hours(2)).await.is_ok());
    assert!(office.world.plane.discovery.keys(hours(23)).await.is_ok());
    assert!(
        office.world.plane.discovery.keys(hours(25)).await.is_err(),
        "closed, clearly"
    );
    let mut browser = Browser::default();
    let reply = office.sign_in(&mut browser).await;
    assert_eq!(
        (reply.status, code(&reply)),
        (StatusCode::SERVICE_UNAVAILABLE, "sso_unavailable")
    );
}

#[tokio::test]
async fn a_logout_at_the_identity_provider_ends_every_session() {
    let office = Office::new().await;
    let (mut one, mut two) = (Browser::default(), Browser::default());
    office.sign_in(&mut one).await;
    office.sign_in(&mut two).await;

    let reply = office.logout_token(&json!({})).await;

    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    assert!(!office.is_in(&one).await && !office.is_in(&two).await);
    office.sign_in(&mut one).await;
    assert_eq!(office.logout_token(&json!({})).await.status, StatusCode::OK);
    assert!(
        office.is_in(&one).await,
        "a token that comes again ends nothing"
    );
    let by_sid = json!({ "jti": "j2", "sub": null, "sid": "s1" });
    assert_eq!(office.logout_token(&by_sid).await.status, StatusCode::OK);
    assert!(!office.is_in(&one).await);
    let nobody = json!({ "jti": "j3", "sub": "nobody" });
    assert_eq!(office.logout_token(&nobody).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_logout_token_must_be_one() {
    let office = Office::new().await;
    let mut browser = Browser::default();
    office.sign_in(&mut browser).await;
    for bad in [
        json!({ "nonce": "n" }),
        json!({ "events": null }),
        json!({ "events": { "http://schemas.openid.net/event/other": {} } }),
        json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": true } }),
        json!({ "aud": "another" }),
        json!({ "iss": "https://evil.example" }),
        json!({ "sub": null }),
        json!({ "jti": null }),
        json!({ "exp": 1_000 }),
        json!({ "iat": null }),
    ] {
        let reply = office.logout_token(&bad).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    // An ID token is no logout token.
    let now = office.idp.said().now;
    let id_token = office.idp.token(&json!({
        "iss": office.idp.issuer, "aud": "bauta", "sub": "alice", "iat": now, "exp": now + 60,
    }));
    for form in [
        vec![("logout_token", id_token.as_str())],
        vec![],
        vec![("logout_token", "a"), ("logout_token", "b")],
    ] {
        let reply = office.world.client("/logout/backchannel", &form).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    }
    assert!(office.is_in(&browser).await);
}

#[tokio::test]
async fn a_suspended_member_does_not_get_in() {
    let office = Office::new().await;
    let mut browser = Browser::default();
    office.sign_in(&mut browser).await;
    let member = office.world.store.members(None, 9).await.unwrap()[0].member;

    assert!(
        office
            .world
            .plane
            .suspend(member, None, "case")
            .await
            .unwrap()
    );

    assert!(!office.is_in(&browser).await, "the session ended");
    let reply = office.sign_in(&mut browser).await;
    assert_eq!(
        (reply.status, code(&reply)),
        (StatusCode::FORBIDDEN, "member_suspended")
    );
    assert!(office.world.plane.reinstate(member, None).await.unwrap());
    assert_eq!(
        office.sign_in(&mut browser).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn an_erased_member_is_unknown_and_may_begin_anew() {
    let office = Office::new().await;
    office.sign_in(&mut Browser::default()).await;
    let member = office.world.store.members(None, 9).await.unwrap()[0].member;

    let erase = async || office.world.plane.erase(member, None).await.unwrap();
    office
        .world
        .plane
        .suspend(member, None, "case")
        .await
        .unwrap();
    assert_eq!(
        erase().await,
        Erased::Held,
        "nobody comes back fresh that way"
    );
    office.world.plane.reinstate(member, None).await.unwrap();

    assert_eq!(erase().await, Erased::Done);

    assert_eq!(erase().await, Erased::NoMember);
    office.sign_in(&mut Browser::default()).await;
    let members = office.world.store.members(None, 9).await.unwrap();
    assert!(members.len() == 1 && members[0].member != member);
}

#[tokio::test]
async fn storage_that_is_down_signs_nobody_in_and_says_when_to_come_back() {
    let office = Office::new().await;
    let mut browser = Browser::default();
    let query = office.leave(&mut browser).await;
    office.world.store.go_down(true);

    let begun = office.get("/login", &mut browser.clone()).await;
    let ended = office.come_back(&query, &mut browser.clone()).await;
    let page = office
        .get(
            "/privacy",
            &mut Browser(vec![(
                super::SESSION_COOKIE.to_owned(),
                bauta_token::secret::Plain::<bauta_token::secret::SessionCookie>::from_bits(
                    &[1; 32],
                )
                .reveal()
                .to_owned(),
            )]),
        )
        .await;

    for reply in [begun, ended, page] {
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            !reply.body.contains("storage"),
            "the cause stays in the log: {}",
            reply.body
        );
    }
    office.world.store.go_down(false);
    assert_eq!(
        office.come_back(&query, &mut browser).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn a_sign_in_leads_to_a_page_of_ours_only() {
    let office = Office::new().await;
    for elsewhere in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/%5cevil",
        "evil",
        "/login",
        "/callback?x",
        "/a\tb",
        "/\u{e9}",
        "",
    ] {
        let mut browser = Browser::default();
        let path = format!("/login?{}", form(&[("return_to", elsewhere)]));
        let asked = office.get(&path, &mut browser).await.location();
        let reply = office
            .come_back(&office.idp.lets_in(&asked), &mut browser)
            .await;
        let to = reply.headers["location"].to_str().unwrap();
        assert!(
            to == "/" || (to == elsewhere && is_local(to)),
            "{elsewhere} led to {to}"
        );
    }
    assert!(is_local("/oauth/authorize?client_id=bauta-cli&state=a%2Fb"));
    assert!(!is_local("//x") && !is_local("/\\x") && !is_local("/logout"));
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_guard_it() {
    let office = Office::new().await;
    let reply = office.get("/login", &mut Browser::default()).await;
    let policy = reply.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("frame-ancestors 'none'") && policy.contains(&office.idp.issuer),
        "{policy}"
    );
    assert_eq!(reply.headers["referrer-policy"], "no-referrer");
    assert_eq!(reply.headers["x-content-type-options"], "nosniff");
    assert_eq!(reply.headers["cache-control"], "no-store");
}
