use super::*;
use crate::outbound::Outbound;
use http::Method;

#[tokio::test]
async fn version_inflection_and_key_are_required() {
    let sandbox = sandbox();

    for (name, value, status) in [
        ("authorization", "", 401),
        ("authorization", "Bearer persona_sandbox_unknown", 401),
        ("persona-version", "", 400),
        ("persona-version", "2024-01-01", 400),
        ("key-inflection", "", 400),
        ("key-inflection", "pascal", 400),
    ] {
        let mut sent = headers(SANDBOX_KEY);
        sent.retain(|(known, _)| known != name);
        if !value.is_empty() {
            sent.push((name.to_owned(), value.to_owned()));
        }
        let refused = ask_with(&sandbox.persona, "POST", "inquiries", &sent, &wish()).await;

        assert_eq!(refused.status.as_u16(), status, "{name}: {value}");
        assert!(refused.json()["errors"][0]["title"].is_string());
        assert!(refused.header("request-id").starts_with("req_"));
    }
    assert!(sandbox.persona.inquiries().is_empty());
}

#[tokio::test]
async fn names_are_spelt_as_the_client_asked() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;

    for (inflection, name) in [
        ("kebab", "reference-id"),
        ("snake", "reference_id"),
        ("camel", "referenceId"),
    ] {
        let mut sent = headers(SANDBOX_KEY);
        sent.retain(|(known, _)| known != "key-inflection");
        sent.push(("key-inflection".to_owned(), inflection.to_owned()));
        let path = format!("inquiries/{id}");
        let shown = ask_with(&sandbox.persona, "GET", &path, &sent, &Value::Null)
            .await
            .json();

        assert_eq!(shown["data"]["attributes"][name], "r_9f2c", "{inflection}");
    }
}

#[tokio::test]
async fn creating_answers_201_without_an_account() {
    let sandbox = sandbox();

    let answer = ask(&sandbox.persona, "POST", "inquiries", &wish()).await;

    let data = answer.json()["data"].clone();
    assert_eq!(answer.status, 201);
    assert_eq!(data["type"], "inquiry");
    assert_eq!(data["attributes"]["status"], "created");
    assert_eq!(data["attributes"]["environment"], "sandbox");
    assert_eq!(data["attributes"]["created-at"], "2026-11-20T10:00:00.000Z");
    assert_eq!(data["relationships"]["account"]["data"], Value::Null);
    assert_eq!(
        data["relationships"]["inquiry-template"]["data"]["id"],
        "itmpl_sandbox"
    );
    assert_eq!(sandbox.persona.accounts(), 0);
}

#[tokio::test]
async fn an_account_is_made_unless_declined_and_gathers_one_reference() {
    let sandbox = sandbox();
    let mut careless = wish();
    careless["meta"] = json!({});

    for _ in 0..2 {
        ask(&sandbox.persona, "POST", "inquiries", &careless).await;
    }

    assert_eq!(sandbox.persona.accounts(), 1);
}

#[tokio::test]
async fn exactly_one_template_of_the_right_kind_is_needed() {
    let mut options = still();
    options.persona.templates = vec!["itmpl_known".to_owned()];
    let sandbox = Sandbox::start(options).unwrap();

    for (templates, status) in [
        (json!({}), 400),
        (
            json!({"inquiry-template-id": "itmpl_known", "template-id": "tmpl_x"}),
            400,
        ),
        (json!({"inquiry-template-id": "tmpl_known"}), 422),
        (json!({"inquiry-template-id": "itmpl_unknown"}), 422),
        (json!({"inquiry-template-id": "itmpl_known"}), 201),
    ] {
        let body = json!({"data": {"attributes": templates}});
        let answer = ask(&sandbox.persona, "POST", "inquiries", &body).await;

        assert_eq!(answer.status.as_u16(), status, "{body}");
    }
}

async fn keyed(persona: &Persona, name: &str, body: &Value) -> Reply {
    let mut sent = headers(SANDBOX_KEY);
    sent.push(("idempotency-key".to_owned(), name.to_owned()));
    ask_with(persona, "POST", "inquiries", &sent, body).await
}

#[tokio::test]
async fn the_same_key_replays_the_first_answer_and_refuses_another_body() {
    let sandbox = sandbox();
    let mut other = wish();
    other["data"]["attributes"]["reference-id"] = json!("r_other");

    let first = keyed(&sandbox.persona, "k1", &wish()).await;
    let again = keyed(&sandbox.persona, "k1", &wish()).await;
    let changed = keyed(&sandbox.persona, "k1", &other).await;
    let fresh = keyed(&sandbox.persona, "k2", &wish()).await;

    assert_eq!(first.body, again.body);
    assert_eq!(again.status, 201);
    assert_eq!(changed.status, 409);
    assert_ne!(first.json()["data"]["id"], fresh.json()["data"]["id"]);
    assert_eq!(sandbox.persona.inquiries().len(), 2);
}

#[tokio::test]
async fn a_500_is_replayed_and_a_429_is_not() {
    let sandbox = sandbox();

    sandbox.persona.next(Refusal::Internal.fault());
    let broken = keyed(&sandbox.persona, "k1", &wish()).await;
    let replayed = keyed(&sandbox.persona, "k1", &wish()).await;
    sandbox.persona.next(Refusal::TooMany(5).fault());
    let limited = keyed(&sandbox.persona, "k2", &wish()).await;
    let retried = keyed(&sandbox.persona, "k2", &wish()).await;

    let statuses = [broken, replayed, limited, retried].map(|reply| reply.status.as_u16());
    assert_eq!(statuses, [500, 500, 429, 201]);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let sandbox = sandbox();
    let first = keyed(&sandbox.persona, "k1", &wish()).await.json();

    sandbox.clock.advance(Duration::from_hours(24));
    let later = keyed(&sandbox.persona, "k1", &wish()).await.json();

    assert_ne!(first["data"]["id"], later["data"]["id"]);
}

#[tokio::test]
async fn a_lost_answer_can_be_asked_for_again() {
    let sandbox = sandbox();

    sandbox.persona.next(crate::Fault::CutAfter(0));
    let mut sent = headers(SANDBOX_KEY);
    sent.push(("idempotency-key".to_owned(), "k1".to_owned()));
    let borrowed: Vec<(&str, &str)> = sent
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let url = format!("{}/inquiries", sandbox.persona.api_base());
    let lost = Outbound::new()
        .send(
            Method::POST,
            &url,
            &borrowed,
            wish().to_string(),
            Duration::from_secs(5),
        )
        .await;
    let found = keyed(&sandbox.persona, "k1", &wish()).await;

    assert!(lost.is_err());
    assert_eq!(found.status, 201);
    assert_eq!(sandbox.persona.inquiries().len(), 1);
}

#[tokio::test]
async fn too_many_requests_wait_for_the_next_minute() {
    let mut options = still();
    options.persona.requests_per_minute = 2;
    let sandbox = Sandbox::start(options).unwrap();

    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = ask(&sandbox.persona, "POST", "inquiries", &wish()).await;
        let told = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];
        seen.push((
            answer.status.as_u16(),
            told.map(|name| answer.header(name).to_owned()),
        ));
    }
    sandbox.clock.advance(Duration::from_mins(1));
    let later = ask(&sandbox.persona, "POST", "inquiries", &wish()).await;

    let told = |left: &str| ["2", left, "60"].map(str::to_owned);
    assert_eq!(seen, [(201, told("1")), (201, told("0")), (429, told("0"))]);
    assert_eq!(later.status, 201);
}

#[tokio::test]
async fn a_scripted_limit_says_when_to_come_back() {
    let sandbox = sandbox();
    sandbox.persona.next(Refusal::TooMany(20).fault());

    let limited = ask(&sandbox.persona, "POST", "inquiries", &wish()).await;

    assert_eq!(limited.status, 429);
    assert_eq!(
        (
            limited.header("ratelimit-reset"),
            limited.header("ratelimit-remaining")
        ),
        ("20", "0")
    );
}

#[tokio::test]
async fn each_key_sees_only_its_side() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    assert!(sandbox.persona.decide(&id, Decision::Approve).is_some());
    let child = children(&sandbox.persona, &id).await.remove(0);

    for path in [format!("inquiries/{id}"), format!("verifications/{child}")] {
        let other = ask_with(
            &sandbox.persona,
            "GET",
            &path,
            &headers(PRODUCTION_KEY),
            &Value::Null,
        )
        .await;
        let own = ask(&sandbox.persona, "GET", &path, &Value::Null).await;

        assert_eq!(
            (other.status.as_u16(), own.status.as_u16()),
            (404, 200),
            "{path}"
        );
    }
    let real = ask_with(
        &sandbox.persona,
        "POST",
        "inquiries",
        &headers(PRODUCTION_KEY),
        &wish(),
    )
    .await;
    assert_eq!(
        real.json()["data"]["attributes"]["environment"],
        "production"
    );
}

#[tokio::test]
async fn a_key_does_only_what_it_may() {
    let mut options = still();
    options.persona.keys = vec![ApiKey {
        permissions: vec!["inquiry.write".to_owned()],
        ..ApiKey::new(SANDBOX_KEY)
    }];
    let sandbox = Sandbox::start(options).unwrap();
    let id = created(&sandbox.persona).await;

    let read = ask(
        &sandbox.persona,
        "GET",
        &format!("inquiries/{id}"),
        &Value::Null,
    )
    .await;

    assert_eq!(read.status, 403);
}

#[tokio::test]
async fn an_expired_inquiry_gives_no_link_until_it_is_resumed() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    let link = format!("inquiries/{id}/generate-one-time-link");

    sandbox.clock.advance(Duration::from_hours(24));
    let expired = ask(&sandbox.persona, "POST", &link, &Value::Null).await;
    assert_eq!(expired.status, 422);
    assert_eq!(sandbox.persona.status(&id).unwrap(), "expired");

    let resumed = ask(
        &sandbox.persona,
        "POST",
        &format!("inquiries/{id}/resume"),
        &Value::Null,
    )
    .await
    .json();
    let linked = ask(&sandbox.persona, "POST", &link, &Value::Null).await;
    assert!(resumed["meta"]["session-token"].is_string());
    assert_eq!(linked.status, 200);
}

#[tokio::test]
async fn a_finished_inquiry_gives_no_link() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    assert!(sandbox.persona.decide(&id, Decision::Approve).is_some());

    for verb in ["generate-one-time-link", "resume"] {
        let refused = ask(
            &sandbox.persona,
            "POST",
            &format!("inquiries/{id}/{verb}"),
            &Value::Null,
        )
        .await;
        assert_eq!(refused.status, 422, "{verb}");
    }
}
