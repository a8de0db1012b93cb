use serde_json::{Value, json};

use super::*;
use crate::attest::Predicate;

fn session() -> Session {
    Session::parse("inq_A").unwrap()
}

fn inquiry(status: &str) -> Value {
    json!({ "data": {
        "type": "inquiry", "id": "inq_A",
        "attributes": {
            "status": status, "reference-id": "r_9f", "redacted-at": null,
            "fields": { "name-first": { "type": "string", "value": "Ada" } },
            "behaviors": { "bot-score": 3, "completion-time": 61.177 },
        },
        "relationships": {
            "reports": { "data": [{ "type": "report/watchlist", "id": "rep_A" }] },
            "verifications": { "data": [
                { "type": "verification/government-id", "id": "ver_A" },
                { "type": "verification/selfie", "id": "ver_B" },
            ] },
        },
    } })
}

fn read(value: &Value) -> Result<Inquiry, FormError> {
    Inquiry::read(value.to_string().as_bytes(), &session())
}

fn child(place: usize, attributes: &Value) -> Child {
    let parents = read(&inquiry("approved")).unwrap().children;
    let parent = &parents[place];
    let body = json!({ "data": { "id": parent.id.as_str(), "attributes": attributes } });
    Child::read(body.to_string().as_bytes(), parent).unwrap()
}

fn passport() -> Value {
    json!({
        "status": "passed", "id-class": "pp", "country-code": "DE", "nationality": "NL",
        "birthdate": "1971-08-23", "expiration-date": "2031-05-17", "name-first": "Ada",
        "identification-number": "X1", "photo-urls": [{ "page": "front" }], "height": null,
        "entity-confidence-score": 99.5,
        "checks": [{ "name": "id_compromised_detection", "status": "passed", "reasons": [] }],
    })
}

fn selfie() -> Value {
    json!({ "status": "passed", "checks": [
        { "name": "selfie_id_comparison", "status": "passed" },
        { "name": "selfie_liveness_detection", "status": "passed" },
    ] })
}

fn evidence(document: &Value, face: &Value) -> Evidence {
    let mut evidence = read(&inquiry("approved"))
        .unwrap()
        .evidence(&session())
        .unwrap();
    child(0, document).add_to(&mut evidence);
    child(1, face).add_to(&mut evidence);
    evidence
}

#[test]
fn a_passport_and_a_live_face_verify_a_person() {
    let found = evidence(&passport(), &selfie()).predicates(day("2026-11-21").unwrap());

    for known in [
        Predicate::PersonVerified,
        Predicate::AgeOver18,
        Predicate::DocumentUnexpired,
        Predicate::LivenessChecked,
    ] {
        assert_eq!(found[&known], Truth::True, "{known:?}");
    }
    assert_eq!(found[&Predicate::SanctionsClear], Truth::Undetermined);
}

#[test]
fn only_a_passport_says_whose_citizen_somebody_is() {
    let says = |class: &str, nationality: Value| {
        let mut document = passport();
        document["id-class"] = json!(class);
        document["nationality"] = nationality;
        let found = evidence(&document, &selfie());
        found.nationality.as_ref().map(|code| code.to_string())
    };

    assert_eq!(says("pp", json!("nl")).as_deref(), Some("NL"));
    assert_eq!(says("ppc", json!("US")).as_deref(), Some("US"));
    for class in ["dl", "rp", "pr", "visa", "wp", "id", "brand-new"] {
        assert_eq!(says(class, json!("NL")), None, "{class}");
    }
    for odd in [json!(null), json!(""), json!("NLD"), json!("Netherlands")] {
        assert_eq!(
            says("pp", odd),
            None,
            "the issuing country is never taken instead"
        );
    }
}

#[test]
fn an_unknown_word_verifies_nobody() {
    let today = day("2026-11-21").unwrap();
    for (document, face) in [
        ("approved", "passed"),
        ("passed", "probably"),
        ("", "passed"),
    ] {
        let (mut id, mut live) = (passport(), selfie());
        id["status"] = json!(document);
        live["status"] = json!(face);

        let found = evidence(&id, &live).predicates(today);

        assert_ne!(
            found[&Predicate::PersonVerified],
            Truth::True,
            "{document} {face}"
        );
    }
    assert_eq!(read(&inquiry("blessed")).unwrap().status, Status::Unknown);
    assert_eq!(read(&inquiry("failed")).unwrap().status, Status::Declined);
}

#[test]
fn a_blocked_field_is_not_known() {
    let document = json!({ "status": "passed", "checks": [] });

    let found = evidence(&document, &selfie()).predicates(day("2026-11-21").unwrap());

    assert_eq!(found[&Predicate::AgeOver18], Truth::Undetermined);
    assert_eq!(found[&Predicate::DocumentUnexpired], Truth::Undetermined);
}

#[test]
fn a_second_try_that_passed_counts_and_a_failed_one_does_not_undo_it() {
    let mut failed = passport();
    failed["status"] = json!("failed");
    failed["birthdate"] = json!("2015-01-01");
    let mut found = evidence(&passport(), &selfie());
    child(0, &failed).add_to(&mut found);

    let truths = found.predicates(day("2026-11-21").unwrap());

    assert_eq!(truths[&Predicate::PersonVerified], Truth::True);
    assert_eq!(truths[&Predicate::AgeOver18], Truth::True);
}

#[test]
fn a_clear_report_does_not_undo_a_hit_nor_a_live_face_a_doubtful_one() {
    let clear = json!({ "status": "ready", "has-match": false });
    let hit = json!({ "status": "ready", "has-match": true });
    let pending = json!({ "status": "pending" });
    let says = |reports: [&Value; 2]| {
        let mut found = evidence(&passport(), &selfie());
        for report in reports {
            child(2, report).add_to(&mut found);
        }
        found.sanctions_clear
    };
    let mut still = selfie();
    for check in still["checks"].as_array_mut().unwrap() {
        check["status"] = json!("failed");
    }
    let lives = |faces: [&Value; 2]| {
        let mut found = evidence(&passport(), faces[0]);
        child(1, faces[1]).add_to(&mut found);
        found.liveness
    };

    assert_eq!(says([&clear, &clear]), Truth::True);
    assert_eq!(says([&hit, &clear]), Truth::False);
    assert_eq!(says([&clear, &hit]), Truth::False);
    assert_eq!(says([&pending, &clear]), Truth::Undetermined);
    assert_eq!(says([&pending, &hit]), Truth::False);
    assert_eq!(lives([&selfie(), &selfie()]), Truth::True);
    assert_eq!(lives([&still, &selfie()]), Truth::False);
    assert_eq!(lives([&selfie(), &still]), Truth::False);
}

#[test]
fn a_watchlist_report_is_clear_only_when_it_is_ready_and_says_so() {
    let says = |report: Value| {
        let mut found = evidence(&passport(), &selfie());
        child(2, &report).add_to(&mut found);
        found.sanctions_clear
    };

    assert_eq!(
        says(json!({ "status": "ready", "has-match": false })),
        Truth::True
    );
    assert_eq!(
        says(json!({ "status": "ready", "has-match": true })),
        Truth::False
    );
    assert_eq!(
        says(json!({ "status": "pending", "has-match": false })),
        Truth::Undetermined
    );
    assert_eq!(says(json!({ "status": "ready" })), Truth::Undetermined);
}

#[test]
fn another_inquiry_or_verification_is_refused() {
    let mut other = inquiry("approved");
    other["data"]["id"] = json!("inq_B");
    assert!(read(&other).is_err());

    let parents = read(&inquiry("approved")).unwrap().children;
    let body = json!({ "data": { "id": "ver_Z", "attributes": passport() } });
    assert!(Child::read(body.to_string().as_bytes(), &parents[0]).is_err());
}

#[test]
fn a_sandbox_says_so_itself() {
    let mut sandbox = inquiry("approved");
    sandbox["data"]["attributes"]["environment"] = json!("sandbox");

    assert!(read(&sandbox).unwrap().sandbox);
    assert!(!read(&inquiry("approved")).unwrap().sandbox);
}

#[test]
fn redaction_is_read_from_the_fields_and_not_from_a_stamp() {
    let mut stamped = passport();
    stamped["redacted-at"] = json!("2026-11-22T00:00:00.000Z");
    assert!(
        !child(0, &stamped).is_redacted(),
        "a stamp over what is still there"
    );

    let blank = json!({
        "status": "passed", "redacted-at": "2026-11-22T00:00:00.000Z", "birthdate": null,
        "nationality": null, "name-first": null, "identification-number": null, "photo-urls": [],
        "front-photo-url": null, "selfie-photo-url": "", "checks": [], "entity-confidence-score": 9,
    });
    assert!(child(0, &blank).is_redacted());
    for (name, value) in [
        ("identification-number", json!("X1")),
        ("photo-urls", json!(["https://files.example/1"])),
        ("name-last", json!("L")),
        ("birthdate", json!("1971-08-23")),
    ] {
        let mut left = blank.clone();
        left[name] = value;
        assert!(!child(0, &left).is_redacted(), "{name}");
    }
}
