use super::URN;
use crate::{
    config::DeviceFlow,
    issue::world::{REDIRECT, World, authorization, encode, param},
};

async fn push(world: &World, change: &[(&'static str, &str)]) -> (u16, String, String) {
    let mut form: Vec<(&str, &str)> = authorization();
    form.push(("scope", "frontier"));
    form.retain(|(name, _)| !change.iter().any(|(other, _)| other == name));
    form.extend(change.iter().filter(|(_, value)| !value.is_empty()));
    let reply = world.client("/oauth/par", &form).await;
    let name = reply.json()["request_uri"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let error = reply.error();
    (reply.status.as_u16(), name, error)
}

fn at(name: &str, client: &str) -> String {
    let query = encode(&[("client_id", client), ("request_uri", name)]);
    format!("/oauth/authorize?{query}")
}

#[tokio::test]
async fn what_was_pushed_is_what_the_member_is_asked() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;

    let (status, name, _) = push(&world, &[]).await;
    let page = world.get(&at(&name, "bauta-cli"), Some(&ada)).await;
    // The browser may add what it likes: what was pushed counts.
    let more = format!(
        "{}&redirect_uri=https://evil.example&scope=quiet",
        at(&name, "bauta-cli")
    );
    let same = world.get(&more, Some(&ada)).await;
    let signed_out = world.get(&at(&name, "bauta-cli"), None).await;

    assert_eq!(status, 201);
    assert!(name.starts_with(URN), "{name}");
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(page.body, same.body);
    for shown in [REDIRECT, "value=\"xyz\"", "frontier"] {
        assert!(page.body.contains(shown), "{shown}");
    }
    let back = param(&signed_out.location(), "return_to").unwrap();
    assert!(back.starts_with("/oauth/authorize?"), "{back}");
    assert!(back.contains("request_uri"), "the way back is kept: {back}");
}

#[tokio::test]
async fn a_name_that_was_not_given_here_or_is_old_leads_nowhere() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    let (_, name, _) = push(&world, &[]).await;
    let mut changed = name.clone();
    let last = if changed.pop() == Some('A') { 'B' } else { 'A' };
    changed.push(last);
    let mut cut = name.clone();
    cut.truncate(90);

    for (name, client) in [
        (changed.as_str(), "bauta-cli"),
        (cut.as_str(), "bauta-cli"),
        (URN, "bauta-cli"),
        (format!("{URN}AAAA").as_str(), "bauta-cli"),
        (name.as_str(), "bauta-device"),
        (name.as_str(), ""),
    ] {
        let reply = world.get(&at(name, client), Some(&ada)).await;
        assert_eq!(reply.status, 400, "{client} {name}");
        assert!(reply.headers.get("location").is_none(), "{name}");
    }
    world.later(600).await;
    let late = world.get(&at(&name, "bauta-cli"), Some(&ada)).await;

    assert_eq!(late.status, 400);
    assert!(late.body.contains("ten minutes ago"), "{}", late.body);
}

#[tokio::test]
async fn what_the_authorization_endpoint_would_refuse_is_not_taken() {
    let world = World::new(DeviceFlow::Off).await;

    for (field, value, status, error) in [
        ("client_id", "", 401, "invalid_client"),
        ("client_id", "bauta-device", 401, "invalid_client"),
        (
            "redirect_uri",
            "https://evil.example",
            400,
            "invalid_request",
        ),
        (
            "redirect_uri",
            "http://localhost:1/callback",
            400,
            "invalid_request",
        ),
        ("response_type", "token", 400, "unsupported_response_type"),
        ("code_challenge", "", 400, "invalid_request"),
        ("code_challenge_method", "plain", 400, "invalid_request"),
        ("scope", "nowhere", 400, "invalid_scope"),
        ("request_uri", "urn:x", 400, "invalid_request"),
        ("request", "eyJ", 400, "invalid_request"),
    ] {
        let (said, name, why) = push(&world, &[(field, value)]).await;
        assert_eq!((said, why.as_str()), (status, error), "{field}={value}");
        assert!(name.is_empty(), "{field}");
    }
}
