use super::*;

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
