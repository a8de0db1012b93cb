use super::*;
use url::Url;
use url::form_urlencoded::Serializer;

async fn link(persona: &Persona, inquiry: &str, body: &Value) -> String {
    let answer = ask(
        persona,
        "POST",
        &format!("inquiries/{inquiry}/generate-one-time-link"),
        body,
    )
    .await;
    answer.json()["meta"]["one-time-link"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn click(persona: &Persona, page: &str, decision: &str, evidence: &str) -> Reply {
    let (_, rest) = page.split_once("name=\"session\" value=\"").unwrap();
    let session = rest.split('"').next().unwrap();
    let form = Serializer::new(String::new())
        .extend_pairs([
            ("session", session),
            ("decision", decision),
            ("evidence", evidence),
        ])
        .finish();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    call(
        "POST",
        &format!("{}/verify", persona.url()),
        &headers,
        &form,
    )
    .await
}

#[tokio::test]
async fn the_page_says_that_nothing_is_real() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    let url = link(&sandbox.persona, &id, &Value::Null).await;

    let page = call("GET", &url, &[], "").await;

    for word in [
        "Simulated.",
        "nothing real is checked",
        "Approve",
        "Decline",
        "Needs review",
    ] {
        assert!(page.text().contains(word), "{word}");
    }
    assert!(!page.text().contains("<script"));
    assert!(
        page.header("content-security-policy")
            .contains("form-action 'self' http://127.0.0.1:8080;")
    );
    assert_eq!(sandbox.persona.status(&id).unwrap(), "pending");
}

#[tokio::test]
async fn a_click_decides_and_leads_back_with_personal_data_in_the_address() {
    let sandbox = sandbox();

    for (decision, status) in [
        ("approve", "approved"),
        ("decline", "declined"),
        ("review", "needs_review"),
    ] {
        let id = created(&sandbox.persona).await;
        let url = link(&sandbox.persona, &id, &Value::Null).await;
        let page = call("GET", &url, &[], "").await.text();

        let left = click(&sandbox.persona, &page, decision, "adult").await;

        let onward = Url::parse(left.header("location")).unwrap();
        let told: BTreeMap<String, String> = onward.query_pairs().into_owned().collect();
        assert_eq!(sandbox.persona.status(&id).unwrap(), status);
        assert_eq!(onward.path(), "/verify/return");
        assert_eq!(told["inquiry-id"], id);
        assert_eq!(told["reference-id"], "r_9f2c");
        assert_eq!(told["status"], "completed");
        let leaked = leaks(&sandbox.persona, &told["fields"]);
        for field in ["name-first", "name-last", "birthdate", "email-address"] {
            assert!(
                leaked.iter().any(|leak| leak == field),
                "{field} in {leaked:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_page_decides_once() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    let url = link(&sandbox.persona, &id, &Value::Null).await;
    let page = call("GET", &url, &[], "").await.text();

    let first = click(&sandbox.persona, &page, "decline", "adult").await;
    let second = click(&sandbox.persona, &page, "approve", "adult").await;

    assert_eq!((first.status.as_u16(), second.status.as_u16()), (303, 410));
    assert_eq!(sandbox.persona.status(&id).unwrap(), "declined");
}

#[tokio::test]
async fn whoever_is_chosen_is_who_was_seen() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    let url = link(&sandbox.persona, &id, &Value::Null).await;
    let page = call("GET", &url, &[], "").await.text();

    click(&sandbox.persona, &page, "approve", "minor").await;

    let child = children(&sandbox.persona, &id).await.remove(0);
    let shown = ask(
        &sandbox.persona,
        "GET",
        &format!("verifications/{child}"),
        &Value::Null,
    )
    .await
    .json();
    assert_eq!(shown["data"]["attributes"]["birthdate"], "2011-08-23");
}

#[tokio::test]
async fn a_used_link_fails_after_five_minutes() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    let url = link(&sandbox.persona, &id, &Value::Null).await;

    let first = call("GET", &url, &[], "").await.status.as_u16();
    sandbox.clock.advance(Duration::from_mins(5));
    let grace = call("GET", &url, &[], "").await.status.as_u16();
    sandbox.clock.advance(Duration::from_secs(1));
    let reused = call("GET", &url, &[], "").await.status.as_u16();

    assert_eq!((first, grace, reused), (200, 200, 410));
}

#[tokio::test]
async fn a_link_lives_as_long_as_it_was_given() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    let url = link(
        &sandbox.persona,
        &id,
        &json!({"meta": {"expires_in_seconds": 60}}),
    )
    .await;

    sandbox.clock.advance(Duration::from_mins(1));

    assert_eq!(call("GET", &url, &[], "").await.status, 410);
}

#[tokio::test]
async fn a_link_opens_nothing_once_the_inquiry_is_finished() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    let url = link(&sandbox.persona, &id, &Value::Null).await;
    assert!(sandbox.persona.decide(&id, Decision::Approve).is_some());

    assert_eq!(call("GET", &url, &[], "").await.status, 410);
}

#[tokio::test]
async fn a_pending_inquiry_opens_by_id_only_with_a_session_token() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    let base = format!("{}/verify?inquiry-id={id}", sandbox.persona.url());

    let created = call("GET", &base, &[], "").await.status.as_u16();
    let pending = call("GET", &base, &[], "").await.status.as_u16();
    let resumed = ask(
        &sandbox.persona,
        "POST",
        &format!("inquiries/{id}/resume"),
        &Value::Null,
    )
    .await
    .json();
    let token = resumed["meta"]["session-token"].as_str().unwrap();
    let with = call("GET", &format!("{base}&session-token={token}"), &[], "")
        .await
        .status
        .as_u16();

    assert_eq!((created, pending, with), (200, 410, 200));
}

#[tokio::test]
async fn an_inquiry_opens_twenty_five_times() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    let url = link(&sandbox.persona, &id, &Value::Null).await;

    let mut statuses = Vec::new();
    for _ in 0..26 {
        statuses.push(call("GET", &url, &[], "").await.status.as_u16());
    }

    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 25);
}

#[tokio::test]
async fn a_photograph_that_is_fetched_leaves_a_trace() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    assert!(sandbox.persona.decide(&id, Decision::Approve).is_some());
    let child = children(&sandbox.persona, &id).await.remove(0);
    let shown = ask(
        &sandbox.persona,
        "GET",
        &format!("verifications/{child}"),
        &Value::Null,
    )
    .await
    .json();
    let photo = shown["data"]["attributes"]["front-photo-url"]
        .as_str()
        .unwrap();

    let fetched = call("GET", photo, &[], "").await;
    let bare = call("GET", photo.split('?').next().unwrap(), &[], "").await;

    assert_eq!((fetched.status.as_u16(), bare.status.as_u16()), (200, 403));
    assert!(
        sandbox
            .persona
            .requests()
            .iter()
            .any(|request| request.path() == "/files/front")
    );
}
