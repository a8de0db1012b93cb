//! What is a member's own: the use of a token, what it takes along, its erasure.

use axum::http::StatusCode;
use serde_json::Value;

use crate::{
    config::{DeviceFlow, Span},
    issue::world::World,
    ports::people::People,
};

#[tokio::test]
async fn the_page_on_usage_works_without_its_script_and_calls_the_gateway_alone() {
    let world = World::new(DeviceFlow::On).await;
    let ada = world.ada().await;

    let page = world.get("/usage", Some(&ada)).await;
    let script = world.get("/assets/usage.js", None).await;

    let form = r#"<form method="post" action="https://gw.example.com/usage/self""#;
    assert!(page.body.contains(form), "{}", page.body);
    assert!(page.body.contains(r#"name="token" type="password""#));
    assert_eq!(page.body.matches("<script").count(), 1);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'self';",
        "connect-src https://gw.example.com;",
        "form-action 'self' https://gw.example.com;",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(script.status, StatusCode::OK);
    for stores in [
        "localStorage",
        "sessionStorage",
        "cookie",
        "innerHTML",
        "http:",
        "https:",
    ] {
        let harmless = script.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!harmless.contains(stores), "the script holds {stores}");
    }
    let other = world.get("/tokens", Some(&ada)).await;
    let policy = other.headers["content-security-policy"].to_str().unwrap();
    assert!(!policy.contains("script-src"), "{policy}");
}

#[tokio::test]
async fn a_member_takes_along_what_its_page_shows() {
    let world = World::new(DeviceFlow::On).await;
    let ada = world.ada().await;
    world.login(&ada).await;

    let file = world.get("/privacy/take", Some(&ada)).await;
    let page = world.get("/privacy", Some(&ada)).await;

    let taken: Value = serde_json::from_str(&file.body).unwrap();
    assert_eq!(taken["member"], ada.id.to_string());
    let groups = taken["held"].as_array().unwrap();
    assert!(groups.len() >= 6, "{taken}");
    for group in groups {
        assert!(page.body.contains(group["title"].as_str().unwrap()));
        for fact in group["facts"].as_array().unwrap() {
            assert!(page.body.contains(fact["name"].as_str().unwrap()), "{fact}");
        }
    }
    assert!(
        file.body.contains("person_verified"),
        "the record itself is there"
    );
    let kept = file.headers["content-disposition"].to_str().unwrap();
    assert!(kept.starts_with("attachment"));
    let events = world.store.events().join("\n");
    assert!(events.contains("member.exported"));
    assert_eq!(
        world.get("/privacy/take", None).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn a_member_erases_itself_knowingly_and_not_while_it_is_held() {
    let world = World::new(DeviceFlow::On).await;
    let (ada, bob) = (world.ada().await, world.ada().await);
    let sure = [("sure", "yes")];

    let slip = world.post("/privacy/erase", Some(&ada), &[]).await;
    let still = world.store.member(ada.id).await.unwrap();
    let done = world.post("/privacy/erase", Some(&ada), &sure).await;
    let after = world.get("/privacy", Some(&ada)).await;

    assert_eq!(slip.status, StatusCode::BAD_REQUEST);
    assert!(still.is_some());
    assert_eq!(done.status, StatusCode::OK);
    assert!(done.body.contains("You are erased"));
    let cookie = done.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("Max-Age=0"), "{cookie}");
    assert_eq!(world.store.member(ada.id).await.unwrap(), None);
    assert_eq!(after.status, StatusCode::SEE_OTHER, "the session is gone");
    assert!(world.store.member(bob.id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_member_is_told_when_a_sign_in_grows_old() {
    let home = async |days: i64| {
        let world = World::with(DeviceFlow::On, |settings| {
            settings.sso.rights_max_age = Span::seconds(days * 86_400);
        })
        .await;
        let ada = world.ada().await;
        world.get("/", Some(&ada)).await.body
    };

    let (soon, later) = (home(9).await, home(30).await);

    assert!(soon.contains("Sign out and in again before that"), "{soon}");
    assert!(!later.contains("For you to know"), "{later}");
}
