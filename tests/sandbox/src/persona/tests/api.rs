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

#[tokio::test]
async fn a_verification_says_everything_about_a_person() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    assert!(sandbox.persona.decide(&id, Decision::Approve).is_some());
    let ids = children(&sandbox.persona, &id).await;

    let shown = ask(
        &sandbox.persona,
        "GET",
        &format!("verification/government-ids/{}", ids[0]),
        &Value::Null,
    )
    .await;
    let face = ask(
        &sandbox.persona,
        "GET",
        &format!("verifications/{}", ids[1]),
        &Value::Null,
    )
    .await;
    let wrong = ask(
        &sandbox.persona,
        "GET",
        &format!("verification/selfies/{}", ids[0]),
        &Value::Null,
    )
    .await;

    let leaked = leaks(&sandbox.persona, &shown.text());
    let shown = shown.json()["data"].clone();
    assert_eq!(shown["type"], "verification/government-id");
    assert_eq!(shown["attributes"]["status"], "passed");
    assert_eq!(shown["attributes"]["id-class"], "pp");
    assert_eq!(shown["attributes"]["nationality"], "NL");
    assert_eq!(shown["attributes"]["checks"][0]["status"], "passed");
    assert_eq!(shown["attributes"]["expiration-date"], "2031-05-17");
    for field in [
        "name-first",
        "name-last",
        "native-name-first",
        "birthdate",
        "document-number",
        "address-street-1",
    ] {
        assert!(
            leaked.iter().any(|leak| leak == field),
            "{field} in {leaked:?}"
        );
    }
    assert!(face.text().contains("selfie_liveness_detection"));
    assert_eq!(wrong.status, 404);
}

#[tokio::test]
async fn what_people_show_decides_what_is_read() {
    let sandbox = sandbox();
    let now_ms = sandbox.clock.now_ms();

    for (evidence, name, value) in [
        (Evidence::minor(now_ms), "birthdate", json!("2011-08-23")),
        (
            Evidence::expired(now_ms),
            "expiration-date",
            json!("2025-05-17"),
        ),
        (
            Evidence::without_nationality(now_ms),
            "nationality",
            Value::Null,
        ),
        (
            Evidence::without_nationality(now_ms),
            "id-class",
            json!("dl"),
        ),
    ] {
        let id = created(&sandbox.persona).await;
        assert!(
            sandbox
                .persona
                .decide_on(&id, Decision::Approve, evidence)
                .is_some()
        );
        let child = children(&sandbox.persona, &id).await.remove(0);
        let shown = ask(
            &sandbox.persona,
            "GET",
            &format!("verifications/{child}"),
            &Value::Null,
        )
        .await
        .json();

        assert_eq!(shown["data"]["attributes"][name], value, "{name}");
    }

    let id = created(&sandbox.persona).await;
    sandbox.persona.present(Some(Evidence::other_face(now_ms)));
    assert!(sandbox.persona.decide(&id, Decision::Approve).is_some());
    let face = children(&sandbox.persona, &id).await.remove(1);
    let shown = ask(
        &sandbox.persona,
        "GET",
        &format!("verifications/{face}"),
        &Value::Null,
    )
    .await
    .json();
    assert_eq!(shown["data"]["attributes"]["status"], "failed");
}

#[tokio::test]
async fn every_simulate_action_does_what_it_says() {
    let sandbox = sandbox();

    for (action, status, event) in [
        ("start_inquiry", "pending", "inquiry.started"),
        ("complete_inquiry", "completed", "inquiry.completed"),
        ("fail_inquiry", "failed", "inquiry.failed"),
        ("expire_inquiry", "expired", "inquiry.expired"),
        (
            "mark_for_review_inquiry",
            "needs_review",
            "inquiry.marked-for-review",
        ),
        ("approve_inquiry", "approved", "inquiry.approved"),
        ("decline_inquiry", "declined", "inquiry.declined"),
        (
            "create_passed_verification",
            "created",
            "verification.passed",
        ),
        (
            "create_failed_verification",
            "created",
            "verification.failed",
        ),
    ] {
        let id = created(&sandbox.persona).await;
        let path = format!("inquiries/{id}/perform-simulate-actions");
        let body = json!({"meta": {"simulate-actions": [{"type": action}]}});
        let shown = ask(&sandbox.persona, "POST", &path, &body).await.json();

        assert_eq!(shown["data"]["attributes"]["status"], status, "{action}");
        assert_eq!(
            sandbox.persona.events().last().unwrap().name,
            event,
            "{action}"
        );
    }
}

#[tokio::test]
async fn simulate_actions_are_whole_or_nothing_and_never_in_production() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    let body = json!({"meta": {"simulate-actions": [{"type": "approve_inquiry"}, {"type": "levitate_inquiry"}]}});

    let refused = ask(
        &sandbox.persona,
        "POST",
        &format!("inquiries/{id}/perform-simulate-actions"),
        &body,
    )
    .await;
    assert_eq!(refused.status, 422);
    assert_eq!(sandbox.persona.status(&id).unwrap(), "created");

    let real = ask_with(
        &sandbox.persona,
        "POST",
        "inquiries",
        &headers(PRODUCTION_KEY),
        &wish(),
    )
    .await
    .json();
    let path = format!(
        "inquiries/{}/perform-simulate-actions",
        real["data"]["id"].as_str().unwrap()
    );
    let body = json!({"meta": {"simulate-actions": [{"type": "approve_inquiry"}]}});
    let refused = ask_with(
        &sandbox.persona,
        "POST",
        &path,
        &headers(PRODUCTION_KEY),
        &body,
    )
    .await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn verifications_tell_of_themselves_in_the_documented_order() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    let path = format!("inquiries/{id}/perform-simulate-actions");
    let body = json!({"meta": {"simulate-actions": [{"type": "create_passed_verification"}]}});

    ask(&sandbox.persona, "POST", &path, &body).await;

    let names: Vec<String> = sandbox
        .persona
        .events()
        .into_iter()
        .skip(1)
        .map(|event| event.name)
        .collect();
    assert_eq!(
        names,
        [
            "document.created",
            "document.submitted",
            "document.processed",
            "verification.created",
            "verification.submitted",
            "verification.passed",
        ]
    );
}

#[tokio::test]
async fn deleting_nulls_the_inquiry_now_and_its_verifications_later() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    assert!(sandbox.persona.decide(&id, Decision::Approve).is_some());
    let child = children(&sandbox.persona, &id).await.remove(0);
    let path = format!("verifications/{child}");

    let deleted = ask(
        &sandbox.persona,
        "DELETE",
        &format!("inquiries/{id}"),
        &Value::Null,
    )
    .await;
    assert_eq!(deleted.status, 200);
    assert_eq!(
        leaks(&sandbox.persona, &deleted.text()),
        Vec::<String>::new()
    );
    let attributes = deleted.json()["data"]["attributes"].clone();
    assert_eq!(attributes["status"], "approved");
    assert_eq!(attributes["redacted-at"], "2026-11-20T10:00:00.000Z");
    assert_eq!(attributes["fields"]["name-first"]["value"], Value::Null);

    let early = ask(&sandbox.persona, "GET", &path, &Value::Null).await;
    let late = ask(&sandbox.persona, "GET", &path, &Value::Null).await;
    assert!(!leaks(&sandbox.persona, &early.text()).is_empty());
    assert_eq!(leaks(&sandbox.persona, &late.text()), Vec::<String>::new());
    assert_eq!(late.json()["data"]["attributes"]["status"], "passed");
    assert!(!sandbox.persona.redacted(&id), "the face is still there");

    sandbox.persona.settle();
    assert!(sandbox.persona.redacted(&id));
    assert_eq!(
        sandbox.persona.events().last().unwrap().name,
        "inquiry.redacted"
    );
}

#[tokio::test]
async fn redaction_can_wait_until_told_and_happens_once() {
    let mut options = still();
    options.persona.redaction = Redaction::OnSettle;
    let sandbox = Sandbox::start(options).unwrap();
    let id = created(&sandbox.persona).await;
    assert!(sandbox.persona.decide(&id, Decision::Approve).is_some());
    let child = children(&sandbox.persona, &id).await.remove(0);
    ask(
        &sandbox.persona,
        "DELETE",
        &format!("inquiries/{id}"),
        &Value::Null,
    )
    .await;

    for _ in 0..5 {
        let shown = ask(
            &sandbox.persona,
            "GET",
            &format!("verifications/{child}"),
            &Value::Null,
        )
        .await;
        assert!(!leaks(&sandbox.persona, &shown.text()).is_empty());
    }
    sandbox.persona.settle();
    ask(
        &sandbox.persona,
        "DELETE",
        &format!("inquiries/{id}"),
        &Value::Null,
    )
    .await;
    sandbox.persona.settle();

    let told = sandbox
        .persona
        .events()
        .into_iter()
        .filter(|event| event.name == "inquiry.redacted")
        .count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn a_verification_can_be_deleted_by_itself() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    assert!(sandbox.persona.decide(&id, Decision::Approve).is_some());
    let child = children(&sandbox.persona, &id).await.remove(0);

    let deleted = ask(
        &sandbox.persona,
        "DELETE",
        &format!("verifications/{child}"),
        &Value::Null,
    )
    .await;

    assert_eq!(
        leaks(&sandbox.persona, &deleted.text()),
        Vec::<String>::new()
    );
    assert!(deleted.json()["data"]["attributes"]["redacted-at"].is_string());
}

#[tokio::test]
async fn a_blocklist_empties_the_fields_and_leaves_the_relations() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;
    assert!(sandbox.persona.decide(&id, Decision::Approve).is_some());
    sandbox.persona.blocklist(
        SANDBOX_KEY,
        &[
            "*",
            "!status",
            "!*-at",
            "!checks",
            "!id-class",
            "!expiration-date",
        ],
    );

    let shown = ask(
        &sandbox.persona,
        "GET",
        &format!("inquiries/{id}"),
        &Value::Null,
    )
    .await;
    let child = children(&sandbox.persona, &id).await.remove(0);
    let document = ask(
        &sandbox.persona,
        "GET",
        &format!("verifications/{child}"),
        &Value::Null,
    )
    .await;

    assert_eq!(shown.json()["data"]["attributes"]["fields"], json!({}));
    assert_eq!(shown.json()["data"]["attributes"]["status"], "approved");
    assert_eq!(leaks(&sandbox.persona, &shown.text()), Vec::<String>::new());
    assert_eq!(
        leaks(&sandbox.persona, &document.text()),
        ["expiration-date"]
    );
    assert_eq!(document.json()["data"]["attributes"]["id-class"], "pp");
}

#[tokio::test]
async fn sessions_come_only_when_asked_for() {
    let sandbox = sandbox();
    let id = created(&sandbox.persona).await;

    let plain = ask(
        &sandbox.persona,
        "GET",
        &format!("inquiries/{id}"),
        &Value::Null,
    )
    .await;
    let nosy = ask(
        &sandbox.persona,
        "GET",
        &format!("inquiries/{id}?include=sessions"),
        &Value::Null,
    )
    .await;

    assert_eq!(leaks(&sandbox.persona, &plain.text()), Vec::<String>::new());
    assert_eq!(
        leaks(&sandbox.persona, &nosy.text()),
        ["ip-address", "user-agent"]
    );
}

#[tokio::test]
async fn ids_may_begin_with_anything_and_statuses_may_be_new() {
    let sandbox = sandbox();
    sandbox.persona.prefix("inqx2_");

    let id = created(&sandbox.persona).await;
    assert!(
        sandbox
            .persona
            .decide(&id, Decision::Status("paused_by_vendor".to_owned()))
            .is_some()
    );

    assert!(id.starts_with("inqx2_"));
    assert_eq!(sandbox.persona.status(&id).unwrap(), "paused_by_vendor");
    assert_eq!(
        sandbox.persona.events().last().unwrap().name,
        "inquiry.transitioned"
    );
}

#[tokio::test]
async fn every_document_has_a_number_of_its_own() {
    let sandbox = sandbox();
    let mut numbers = Vec::new();
    for _ in 0..2 {
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
        numbers.push(
            shown["data"]["attributes"]["document-number"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }

    assert_ne!(numbers[0], numbers[1]);
    let planted = sandbox.persona.canaries();
    assert!(
        numbers
            .iter()
            .all(|number| planted.iter().any(|canary| canary.value == *number))
    );
}
