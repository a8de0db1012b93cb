#![expect(
    clippy::arithmetic_side_effects,
    reason = "the numbers are the test's own"
)]

use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use bauta_token::{
    scope::{Gate, ModelName},
    units::UnixMillis,
};
use serde_json::json;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use super::officer::Word;
use crate::{
    attest::{Predicate, Truth},
    config::{
        Country, DeviceFlow, Endpoint, Environment, NationalityRule, OfficerConfig, PersonaConfig,
        PolicyConfig, SecretText, Settings, Span, Undetermined, VendorEnvironment, VerifierConfig,
    },
    issue::world::{Ada, NOW, Reply, World, name},
    login::SignedInMember,
    member::{Erased, Standing},
    ports::{
        MemberId, Role,
        people::{People, RedactionState, VerificationState},
    },
    qualify::QualifyError,
};
use vendor::{CANARIES, Persona, event, signature};

mod vendor;

/// A plane, its vendor, and a member that was never verified.
struct Desk {
    world: World,
    persona: Persona,
    ada: Ada,
}

const SECRET: &str = "wbhsec_new";
const NOTICE: &str = crate::portal::verify::NOTICE_VERSION;

impl Desk {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let persona = Persona::start().await;
        let base = persona.base.clone();
        let world = World::with(DeviceFlow::Off, |settings| {
            settings.environment = Environment::Development;
            settings.verifiers = vec![VerifierConfig::Persona(config(&base))];
            settings.policies = BTreeMap::from([(name("frontier-gate"), policy("2026-11-01"))]);
            change(settings);
        })
        .await;
        let ada = world.stranger().await;
        Self {
            world,
            persona,
            ada,
        }
    }

    async fn start(&self) -> Reply {
        let form = [("vendor", "persona"), ("notice_version", NOTICE)];
        self.world
            .post("/verify/start", Some(&self.ada), &form)
            .await
    }

    /// Begins, and gives the inquiry's id.
    async fn begin(&self) -> String {
        let reply = self.start().await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.body);
        format!("inq_{}", self.persona.office().inquiries.len() - 1)
    }

    async fn hook(&self, body: Vec<u8>) -> Reply {
        let seconds = self.world.plane.clock.now().seconds();
        let header = signature(SECRET, seconds, &body);
        self.hook_with(body, &[("persona-signature", &header)])
            .await
    }

    async fn hook_with(&self, body: Vec<u8>, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::post("/hooks/persona");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.world
            .send(request.body(Body::from(body)).unwrap())
            .await
    }

    /// The vendor decides, and says so after `seconds`.
    async fn decides(&self, inquiry: &str, status: &str, seconds: i64) -> Reply {
        self.persona
            .set(inquiry, |inquiry| status.clone_into(&mut inquiry.status));
        let id = format!("evt_{inquiry}_{status}_{seconds}");
        let at = UnixMillis(NOW).plus_seconds(seconds).to_string();
        let known = ["completed", "approved", "declined", "expired", "failed"].contains(&status);
        let event_name = if known { status } else { "transitioned" };
        self.hook(event(&id, &format!("inquiry.{event_name}"), inquiry, &at))
            .await
    }

    async fn standing(&self) -> Standing {
        self.world
            .plane
            .standing(self.ada.id)
            .await
            .unwrap()
            .unwrap()
    }

    async fn takes_a_token(&self) {
        let plane = &self.world.plane;
        let qualified = plane.qualify(self.ada.id, &name("frontier")).await.unwrap();
        let ask = crate::issue::Ask::sign_in(crate::issue::ClientKind::Cli);
        plane.issue(qualified, ask).await.unwrap();
    }

    async fn is_verified(&self) -> bool {
        self.standing().await.verified.is_some()
    }

    fn count(&self, kind: &str) -> usize {
        let kind = format!("\"type\":\"{kind}\"");
        self.world
            .store
            .events()
            .iter()
            .filter(|event| event.contains(&kind))
            .count()
    }
}

pub(crate) fn config(base: &str) -> PersonaConfig<SecretText> {
    let secret = |text: &str| SecretText::new(Zeroizing::new(text.to_owned()));
    PersonaConfig {
        template: "itmpl_X".to_owned(),
        api_key: secret("persona_production_key"),
        webhook_secret: secret(SECRET),
        webhook_secret_old: Some(secret("wbhsec_old")),
        api_base: Endpoint::parse(base).unwrap(),
        version: "2025-12-08".to_owned(),
        environment: VendorEnvironment::Simulated,
        redact_after: Span::seconds(86_400),
        valid_for: Span::seconds(365 * 86_400),
        tolerance: Span::seconds(300),
        attempts_per_day: 3,
    }
}

fn policy(version: &str) -> PolicyConfig {
    PolicyConfig {
        version: name(version),
        requires: vec![
            Predicate::PersonVerified,
            Predicate::AgeOver18,
            Predicate::DocumentUnexpired,
        ],
        effective_from: None,
        nationality: None,
    }
}

fn denies(code: &str) -> NationalityRule {
    NationalityRule {
        deny: vec![Country::parse(code).unwrap()],
        allow: Vec::new(),
        effective_from: None,
        undetermined: Undetermined::Ineligible,
    }
}

#[tokio::test]
async fn a_member_verifies_once_and_what_is_kept_are_results() {
    let desk = Desk::new().await;
    assert!(matches!(
        desk.world
            .plane
            .qualify(desk.ada.id, &name("frontier"))
            .await,
        Err(QualifyError::NotVerified)
    ));

    let started = desk.start().await;
    assert!(
        started
            .location()
            .as_str()
            .contains("/verify?code=once-inq_0")
    );
    assert_eq!(
        desk.decides("inq_0", "approved", 60).await.status,
        StatusCode::OK
    );

    let qualified = desk
        .world
        .plane
        .qualify(desk.ada.id, &name("frontier"))
        .await
        .unwrap();
    assert_eq!(
        qualified.gates(),
        [Gate::parse("frontier-gate@2026-11-01").unwrap()]
    );
    let standing = desk.standing().await;
    let verified = standing.verified.unwrap();
    assert_eq!(
        (verified.vendor.as_str(), verified.environment.as_str()),
        ("persona", "simulated")
    );
    assert_eq!(verified.predicates[&Predicate::AgeOver18], Truth::True);
    assert_eq!(
        (
            verified.verified_on.as_str(),
            verified.valid_until.to_string().as_str()
        ),
        ("2026-11", "2027-10-31")
    );
    assert_eq!(standing.attempt.unwrap().state, VerificationState::Approved);
    for (kind, times) in [
        ("verification.started", 1),
        ("verification.decided", 1),
        ("attestation.created", 1),
        ("eligibility.decided", 1),
    ] {
        assert_eq!(desk.count(kind), times, "{kind}");
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "a promise prints its figure")]
async fn whk_13_nothing_personal_is_left_anywhere() {
    let desk = Desk::with(|settings| {
        settings
            .policies
            .get_mut(&name("frontier-gate"))
            .unwrap()
            .nationality = Some(denies("XX"));
    })
    .await;
    let inquiry = desk.begin().await;
    desk.decides(&inquiry, "approved", 60).await;
    assert!(desk.is_verified().await);

    let dump = desk.world.store.dump();

    let reference = desk.persona.office().inquiries[&inquiry].reference.clone();
    for canary in
        CANARIES
            .into_iter()
            .chain([inquiry.as_str(), &reference, "once-", "files.example"])
    {
        assert!(!dump.contains(canary), "{canary} was stored");
    }
    println!(
        "canaries found in what is kept: 0 of {}",
        CANARIES.len() + 4
    );
}

#[tokio::test]
async fn a_webhook_is_a_hint_and_the_redirect_is_not_even_that() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;
    desk.persona
        .set(&inquiry, |inquiry| inquiry.status = "pending".to_owned());

    let at = UnixMillis(NOW).plus_seconds(5).to_string();
    let lie = desk
        .hook(event("evt_1", "inquiry.approved", &inquiry, &at))
        .await;
    let back = desk
        .world
        .get(
            &format!("/verify/return?inquiry-id={inquiry}&status=approved&fields%5Bname%5D=Ada"),
            None,
        )
        .await;

    assert_eq!(lie.status, StatusCode::OK);
    assert_eq!(desk.persona.office().fetches, 1, "the vendor was asked");
    assert!(!desk.is_verified().await);
    assert_eq!(
        (back.status, back.headers["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "/verify/waiting")
    );
    assert_eq!(back.headers["referrer-policy"], "no-referrer");
}

#[tokio::test]
async fn a_status_nobody_knows_verifies_nobody() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;
    for (place, status) in ["completed", "needs_review", "blessed", "APPROVED"]
        .iter()
        .enumerate()
    {
        let seconds = i64::try_from(place).unwrap() + 1;
        assert_eq!(
            desk.decides(&inquiry, status, seconds).await.status,
            StatusCode::OK
        );
        assert!(!desk.is_verified().await, "{status}");
    }
    assert_eq!(
        desk.standing().await.attempt.unwrap().state,
        VerificationState::UnderReview
    );
}

#[tokio::test]
async fn whk_01_an_unsigned_hint_is_not_read() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;
    let body = event(
        "evt_1",
        "inquiry.approved",
        &inquiry,
        "2026-11-21T00:01:00.000Z",
    );
    let seconds = NOW / 1_000;
    let right = signature(SECRET, seconds, &body);

    let none = desk.hook_with(body.clone(), &[]).await;
    let wrong = desk
        .hook_with(
            body.clone(),
            &[(
                "persona-signature",
                &signature("wbhsec_other", seconds, &body),
            )],
        )
        .await;
    let empty = desk
        .hook_with(
            body.clone(),
            &[("persona-signature", &signature("", seconds, &body))],
        )
        .await;
    let twice = desk
        .hook_with(
            body.clone(),
            &[("persona-signature", &right), ("persona-signature", &right)],
        )
        .await;
    let mut changed = body.clone();
    changed.push(b' ');
    let tampered = desk
        .hook_with(changed, &[("persona-signature", &right)])
        .await;
    let stale = desk
        .hook_with(
            body.clone(),
            &[(
                "persona-signature",
                &signature(SECRET, seconds - 301, &body),
            )],
        )
        .await;

    for reply in [none, wrong, empty, twice, tampered, stale] {
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(desk.persona.office().fetches, 0);
    let old = desk
        .hook_with(
            body.clone(),
            &[(
                "persona-signature",
                &signature("wbhsec_old", seconds, &body),
            )],
        )
        .await;
    assert_eq!(old.status, StatusCode::OK, "while the vendor rotates");
}

#[tokio::test]
async fn whk_04_a_hundred_replays_have_one_effect() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;
    desk.persona
        .set(&inquiry, |inquiry| inquiry.status = "approved".to_owned());
    let body = event(
        "evt_1",
        "inquiry.approved",
        &inquiry,
        "2026-11-21T00:01:00.000Z",
    );
    let header = signature(SECRET, NOW / 1_000, &body);
    let routes = crate::router(desk.world.plane.clone());
    let mut racers = JoinSet::new();
    for _ in 0..100 {
        let (routes, body, header) = (routes.clone(), body.clone(), header.clone());
        racers.spawn(async move {
            let request = Request::post("/hooks/persona").header("persona-signature", header);
            let request = request.body(Body::from(body)).unwrap();
            tower::ServiceExt::oneshot(routes, request)
                .await
                .unwrap()
                .status()
        });
    }

    let statuses = racers.join_all().await;

    assert!(
        statuses.iter().all(|status| *status == StatusCode::OK),
        "{statuses:?}"
    );
    assert_eq!(desk.count("attestation.created"), 1);
    assert!(desk.is_verified().await);
}

#[tokio::test]
async fn whk_07_a_body_past_the_cap_is_not_buffered() {
    let desk = Desk::new().await;
    let big = vec![b' '; 1024 * 1024 + 1];
    let signed = signature(SECRET, NOW / 1_000, &big);

    let whole = desk
        .hook_with(big.clone(), &[("persona-signature", &signed)])
        .await;
    let said = desk
        .hook_with(Vec::new(), &[("content-length", "10485761")])
        .await;
    let bomb = desk
        .hook_with(vec![0x1f, 0x8b], &[("content-encoding", "gzip")])
        .await;

    assert_eq!(whole.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(said.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(bomb.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn whk_09_unknown_is_taken_and_recorded_and_malformed_is_refused() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;

    let unknown = desk
        .hook(event(
            "evt_1",
            "galaxy.collapsed",
            &inquiry,
            "2026-11-21T00:01:00Z",
        ))
        .await;
    let known = desk
        .hook(event(
            "evt_2",
            "verification.passed",
            &inquiry,
            "2026-11-21T00:01:00Z",
        ))
        .await;
    let malformed = desk.hook(b"{\"data\":{}}".to_vec()).await;
    let not_json = desk.hook(b"hello".to_vec()).await;

    assert_eq!(
        (unknown.status, known.status),
        (StatusCode::OK, StatusCode::OK)
    );
    assert_eq!(
        (malformed.status, not_json.status),
        (StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST)
    );
    assert_eq!(desk.count("webhook.ignored"), 1);
    assert_eq!(desk.persona.office().fetches, 0);
}

#[tokio::test]
async fn whk_10_a_session_that_is_not_ours_is_nobodys() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;
    let unknown = desk
        .hook(event(
            "evt_1",
            "inquiry.approved",
            "inq_other",
            "2026-11-21T00:01:00Z",
        ))
        .await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(desk.persona.office().fetches, 0);

    // Ours by its id, but begun with another reference than the one we gave.
    desk.persona.set(&inquiry, |inquiry| {
        inquiry.reference = "r_theirs".to_owned();
    });
    assert_eq!(
        desk.decides(&inquiry, "approved", 60).await.status,
        StatusCode::NOT_FOUND
    );

    assert!(!desk.is_verified().await);
    assert_eq!(desk.count("webhook.ignored"), 1);
}

#[tokio::test]
async fn whk_12_nothing_is_acknowledged_before_it_is_written() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;
    desk.world.store.go_down(true);
    let down = desk.decides(&inquiry, "approved", 60).await;
    desk.world.store.go_down(false);
    desk.persona.office().down = true;
    let vendor_down = desk.decides(&inquiry, "approved", 60).await;
    desk.persona.office().down = false;

    let again = desk.decides(&inquiry, "approved", 60).await;

    for reply in [down, vendor_down] {
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            !reply.body.contains("storage") && !reply.body.contains(&inquiry),
            "{}",
            reply.body
        );
    }
    assert_eq!(again.status, StatusCode::OK);
    assert!(desk.is_verified().await);
}

#[tokio::test]
async fn a_late_completed_after_declined_changes_nothing() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;
    desk.decides(&inquiry, "declined", 60).await;

    let late = desk
        .hook(event(
            "evt_late",
            "inquiry.completed",
            &inquiry,
            "2026-11-21T00:00:40.000Z",
        ))
        .await;

    assert_eq!(late.status, StatusCode::OK);
    assert!(!desk.is_verified().await);
    assert_eq!(
        desk.standing().await.attempt.unwrap().state,
        VerificationState::Declined
    );
}

#[tokio::test]
async fn a_late_declined_after_approved_revokes_and_ends_every_token() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;
    desk.decides(&inquiry, "approved", 60).await;
    desk.takes_a_token().await;
    assert_eq!(desk.world.plane.grants(desk.ada.id).await.unwrap().len(), 1);

    let reply = desk.decides(&inquiry, "declined", 120).await;

    assert_eq!(reply.status, StatusCode::OK);
    assert!(!desk.is_verified().await);
    assert_eq!(desk.world.plane.grants(desk.ada.id).await.unwrap().len(), 0);
    assert_eq!(desk.count("attestation.ended"), 1);
    assert!(matches!(
        desk.world
            .plane
            .qualify(desk.ada.id, &name("frontier"))
            .await,
        Err(QualifyError::NotVerified)
    ));
}

#[tokio::test]
async fn a_token_judged_before_the_vendor_declined_is_not_issued_after() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;
    desk.decides(&inquiry, "approved", 60).await;
    let plane = &desk.world.plane;
    let judged = plane.qualify(desk.ada.id, &name("frontier")).await.unwrap();

    desk.decides(&inquiry, "declined", 120).await;
    let ask = crate::issue::Ask::sign_in(crate::issue::ClientKind::Cli);
    let late = plane.issue(judged, ask).await;

    assert!(matches!(late, Err(crate::issue::IssueError::Withdrawn)));
    assert_eq!(plane.grants(desk.ada.id).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_simulated_or_sandbox_vendor_does_not_even_start_in_production() {
    let mut refusals = Vec::new();
    Desk::with(|settings| {
        settings.environment = Environment::Production;
        for vendor in [VendorEnvironment::Simulated, VendorEnvironment::Sandbox] {
            if let [VerifierConfig::Persona(config)] = settings.verifiers.as_mut_slice() {
                config.environment = vendor;
            }
            refusals.push(settings.check().is_err());
        }
        settings.environment = Environment::Development;
    })
    .await;

    assert_eq!(refusals, [true, true]);
}

#[tokio::test]
async fn what_the_vendor_itself_calls_a_sandbox_grants_nothing_in_production() {
    let desk = Desk::with(|settings| {
        settings.environment = Environment::Production;
        if let [VerifierConfig::Persona(config)] = settings.verifiers.as_mut_slice() {
            config.environment = VendorEnvironment::Production;
        }
    })
    .await;
    desk.persona.office().link = Some("https://withpersona.com/verify?code=x".to_owned());
    let sandbox = desk.begin().await;
    desk.persona
        .set(&sandbox, |inquiry| inquiry.environment = "sandbox");
    assert_eq!(
        desk.decides(&sandbox, "approved", 60).await.status,
        StatusCode::OK
    );
    assert!(!desk.is_verified().await);

    let real = desk.begin().await;
    desk.decides(&real, "approved", 120).await;
    assert_eq!(
        desk.standing().await.verified.unwrap().environment,
        "production"
    );
}

#[tokio::test]
async fn only_a_production_key_checks_anything_in_production() {
    let mut refused = Vec::new();
    Desk::with(|settings| {
        settings.environment = Environment::Production;
        for key in ["persona_sandbox_x", "persona_key", "persona_production_x"] {
            if let [VerifierConfig::Persona(config)] = settings.verifiers.as_mut_slice() {
                config.environment = VendorEnvironment::Production;
                config.api_key = SecretText::new(Zeroizing::new(key.to_owned()));
            }
            refused.push(settings.check().is_err());
        }
    })
    .await;

    assert_eq!(refused, [true, true, false]);
}

#[tokio::test]
async fn whk_15_a_secret_that_anybody_could_use_does_not_start() {
    let mut refused = Vec::new();
    Desk::with(|settings| {
        let secret = |text: &str| SecretText::new(Zeroizing::new(text.to_owned()));
        for bad in ["", "   ", "short"] {
            if let [VerifierConfig::Persona(config)] = settings.verifiers.as_mut_slice() {
                config.webhook_secret = secret(bad);
            }
            refused.push(settings.check().is_err());
        }
        if let [VerifierConfig::Persona(config)] = settings.verifiers.as_mut_slice() {
            config.webhook_secret = secret(SECRET);
        }
    })
    .await;

    assert_eq!(refused, [true, true, true]);
}

#[tokio::test]
async fn a_verification_begins_with_consent_on_a_page_of_ours_and_not_too_often() {
    let desk = Desk::new().await;
    let post = async |form: &[(&str, &str)]| {
        desk.world
            .post("/verify/start", Some(&desk.ada), form)
            .await
    };

    for form in [
        &[("vendor", "persona"), ("notice_version", "1999")][..],
        &[("vendor", "persona")],
        &[("vendor", "nobody"), ("notice_version", NOTICE)],
        &[
            ("vendor", "persona"),
            ("notice_version", NOTICE),
            ("member", "mbr_x"),
        ],
    ] {
        assert_eq!(post(form).await.status, StatusCode::BAD_REQUEST, "{form:?}");
    }
    let stranger = desk
        .world
        .post(
            "/verify/start",
            None,
            &[("vendor", "persona"), ("notice_version", NOTICE)],
        )
        .await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        desk.persona.office().inquiries.len(),
        0,
        "nobody was sent anywhere"
    );

    for _ in 0..3 {
        desk.begin().await;
    }
    assert_eq!(desk.start().await.status, StatusCode::TOO_MANY_REQUESTS);
    desk.world.later(86_401).await;
    let next_day = desk
        .world
        .plane
        .start_verification(desk.ada.id, "persona", NOTICE);
    assert!(next_day.await.is_ok());
}

#[tokio::test]
async fn a_fault_of_the_vendors_is_tried_once_more_under_another_key() {
    let desk = Desk::new().await;
    desk.persona.office().hiccups = 1;

    desk.begin().await;

    let keys = desk.persona.office().keys.clone();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1], "the old key replays the fault");
    desk.persona.office().hiccups = 2;
    assert_eq!(desk.start().await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_not_followed() {
    let desk = Desk::new().await;
    for link in [
        "https://evil.example/verify",
        "javascript:alert(1)",
        "//evil.example",
        "https://withpersona.com@evil.example/",
    ] {
        desk.persona.office().link = Some(link.to_owned());
        let reply = desk.start().await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{link}");
    }
    assert!(desk.standing().await.attempt.is_none());
}

#[tokio::test]
async fn a_minor_is_verified_and_the_gate_stays_closed() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;
    desk.persona.set(&inquiry, |inquiry| {
        inquiry.document["birthdate"] = json!("2012-01-01");
    });

    desk.decides(&inquiry, "approved", 60).await;

    assert!(desk.is_verified().await);
    let qualified = desk
        .world
        .plane
        .qualify(desk.ada.id, &name("frontier"))
        .await
        .unwrap();
    assert_eq!(
        qualified.gates(),
        [],
        "a missing gate closes gated models, not the door"
    );
    assert_eq!(desk.standing().await.gates[0].result, Truth::False);
}

#[tokio::test]
async fn gat_07_what_a_lost_gate_opened_ends_and_what_still_holds_goes_on() {
    for (birthdate, left) in [("1985-01-01", 1), ("2012-01-01", 0)] {
        let desk = Desk::new().await;
        let first = desk.begin().await;
        desk.decides(&first, "approved", 60).await;
        desk.takes_a_token().await;

        let again = desk.begin().await;
        desk.persona.set(&again, |inquiry| {
            inquiry.document["birthdate"] = json!(birthdate);
        });
        desk.decides(&again, "approved", 120).await;

        let grants = desk.world.plane.grants(desk.ada.id).await.unwrap();
        assert!(desk.is_verified().await);
        assert_eq!(grants.len(), left, "born on {birthdate}");
    }
}

#[tokio::test]
async fn gat_07_what_officers_do_not_attest_ends_what_the_vendor_had_opened() {
    let desk = Desk::with(|settings| {
        settings
            .verifiers
            .push(VerifierConfig::Officer(OfficerConfig {
                predicates: vec![Predicate::PersonVerified],
                assesses: Vec::new(),
                valid_for: Span::seconds(365 * 86_400),
                second_within: Span::seconds(7 * 86_400),
            }));
    })
    .await;
    let inquiry = desk.begin().await;
    desk.decides(&inquiry, "approved", 60).await;
    desk.takes_a_token().await;
    let plane = &desk.world.plane;

    let code = plane.meeting_code(desk.ada.id).await.unwrap().unwrap();
    for word in [Word::First, Word::Granted] {
        assert_eq!(plane.grants(desk.ada.id).await.unwrap().len(), 1);
        let by = desk.world.officer().await;
        desk.world.verify(by).await;
        let officer = officer(by, &[Role::Officer]);
        let said = plane.vouch(&officer, desk.ada.id, &code).await.unwrap();
        assert_eq!(said, word);
    }

    assert_eq!(plane.grants(desk.ada.id).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_minor_reads_which_models_stay_closed_and_by_which_rule() {
    let desk = Desk::with(|settings| {
        let model = |name| ModelName::parse(name).unwrap();
        settings.scopes[0].models.push(model("claude-sonnet"));
        settings.gates = BTreeMap::from([(model("claude-opus"), name("frontier-gate"))]);
    })
    .await;
    let inquiry = desk.begin().await;
    desk.persona.set(&inquiry, |inquiry| {
        inquiry.document["birthdate"] = json!("2012-01-01");
    });
    desk.decides(&inquiry, "approved", 60).await;

    for path in ["/", "/verify", "/verify/waiting"] {
        let page = desk.world.get(path, Some(&desk.ada)).await.body;
        assert!(page.contains("ome models stay closed to you"), "{path}");
    }
    for path in ["/", "/verify"] {
        let page = desk.world.get(path, Some(&desk.ada)).await.body;
        assert!(
            page.contains(
                "claude-opus stays closed to you: the rule “frontier-gate” (version 2026-11-01) \
                 asks that you are 18 or older (your check says no)."
            ),
            "{path}"
        );
    }
    let home = desk.world.get("/", Some(&desk.ada)).await.body;
    assert!(home.contains("Open in part"));
    assert!(home.contains(r#"<p class="quiet small">claude-sonnet</p>"#));
}

#[tokio::test]
async fn home_says_that_the_vendor_declined_and_what_to_do() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;
    desk.decides(&inquiry, "declined", 60).await;

    let home = desk.world.get("/", Some(&desk.ada)).await.body;

    assert!(home.contains("Persona did not confirm your last attempt"));
    assert!(home.contains(r#"href="/verify">Verify again</a>"#));
}

#[tokio::test]
async fn an_approved_check_replaces_the_one_before_and_a_declined_one_does_not() {
    let desk = Desk::new().await;
    let first = desk.begin().await;
    desk.decides(&first, "approved", 60).await;
    let gate = async || desk.standing().await.gates[0].result;
    let page = async || desk.world.get("/verify", Some(&desk.ada)).await.body;
    assert_eq!(gate().await, Truth::True);
    let asked = page().await;

    let declined = desk.begin().await;
    desk.decides(&declined, "declined", 120).await;
    let after_no = (gate().await, page().await);
    let worse = desk.begin().await;
    desk.persona.set(&worse, |inquiry| {
        inquiry.document["birthdate"] = json!("2012-01-01");
    });
    desk.decides(&worse, "approved", 180).await;

    assert!(asked.contains(r#"<button class="button quietly" type="submit">Verify again with"#));
    assert!(asked.contains("for better or worse"));
    assert_eq!(after_no.0, Truth::True);
    assert!(after_no.1.contains("What you have still counts"));
    assert_eq!(gate().await, Truth::False);
}

#[tokio::test]
async fn an_approval_without_proof_or_with_an_expired_document_attests_nothing() {
    for (change, word) in [
        (json!({ "status": "failed" }), "insufficient"),
        (
            json!({ "expiration-date": "2025-05-17" }),
            "document_expires",
        ),
        (
            json!({ "expiration-date": "2026-11-25" }),
            "document_expires",
        ),
    ] {
        let desk = Desk::new().await;
        let inquiry = desk.begin().await;
        desk.persona.set(&inquiry, |inquiry| {
            for (name, value) in change.as_object().unwrap() {
                inquiry.document[name] = value.clone();
            }
        });

        desk.decides(&inquiry, "approved", 60).await;

        assert!(!desk.is_verified().await, "{change}");
        assert!(
            desk.world
                .store
                .events()
                .iter()
                .any(|event| event.contains(word)),
            "{word}"
        );
    }
}

#[tokio::test]
async fn evidence_is_redacted_a_day_later_and_that_is_looked_at() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;
    desk.decides(&inquiry, "approved", 60).await;
    let redaction = async || desk.standing().await.attempt.unwrap().redaction;

    desk.world.plane.tend().await.unwrap();
    assert!(
        !desk.persona.office().inquiries[&inquiry].redacted,
        "not before it is due"
    );
    desk.world.later(86_401).await;
    desk.persona.office().down = true;
    desk.world.plane.tend().await.unwrap();
    assert!(
        matches!(redaction().await, RedactionState::Due(_)),
        "asked again later"
    );

    desk.persona.office().down = false;
    desk.world.later(3_601).await;
    desk.world.plane.tend().await.unwrap();
    assert!(desk.persona.office().inquiries[&inquiry].redacted);
    assert!(matches!(redaction().await, RedactionState::Requested(_)));

    // The inquiry says it is redacted; its documents are not yet.
    desk.world.later(3_601).await;
    assert_eq!(desk.world.plane.tend().await.unwrap().redacted, 0);
    desk.persona
        .set(&inquiry, |inquiry| inquiry.children_redacted = true);
    desk.world.later(3_601).await;
    assert_eq!(desk.world.plane.tend().await.unwrap().redacted, 1);
    assert!(matches!(redaction().await, RedactionState::Confirmed(_)));
    assert_eq!(
        (
            desk.count("redaction.requested"),
            desk.count("redaction.confirmed")
        ),
        (1, 1)
    );
    assert!(desk.is_verified().await);

    // Even now a refusal takes the attestation back.
    desk.decides(&inquiry, "declined", 200_000).await;
    assert!(!desk.is_verified().await);
}

#[tokio::test]
async fn what_an_erased_member_left_at_the_vendor_is_redacted_as_nobodys() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;
    desk.decides(&inquiry, "approved", 60).await;

    let erased = desk.world.plane.erase(desk.ada.id, None).await.unwrap();
    assert_eq!(erased, Erased::Done);
    desk.world.plane.tend().await.unwrap();
    desk.persona
        .set(&inquiry, |inquiry| inquiry.children_redacted = true);
    desk.world.later(3_601).await;

    assert_eq!(desk.world.plane.tend().await.unwrap().redacted, 1);
    assert_eq!(
        desk.count("redaction.confirmed"),
        0,
        "the log does not speak of it"
    );
    assert_eq!(
        desk.decides(&inquiry, "declined", 120).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn an_attestation_expires_by_itself_and_ends_every_token() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;
    desk.decides(&inquiry, "approved", 60).await;
    desk.world.later(344 * 86_400).await;
    let last = desk
        .world
        .plane
        .qualify(desk.ada.id, &name("frontier"))
        .await;
    assert!(last.is_ok_and(|last| last.valid_until() > desk.world.plane.clock.now()));
    desk.world.later(86_400).await;
    let late = desk
        .world
        .plane
        .qualify(desk.ada.id, &name("frontier"))
        .await;
    assert!(
        matches!(late, Err(QualifyError::Expired)),
        "2027-10-31 was the last day"
    );
    assert!(desk.standing().await.expired);

    let tended = desk.world.plane.tend().await.unwrap();

    assert_eq!(tended.expired, 1);
    assert_eq!(desk.world.plane.tend().await.unwrap().expired, 0);
    assert_eq!(desk.count("attestation.ended"), 1);
}

#[tokio::test]
async fn an_attestation_does_not_move_to_another_member() {
    let desk = Desk::new().await;
    let inquiry = desk.begin().await;
    desk.decides(&inquiry, "approved", 60).await;
    let eve = desk.world.stranger().await;
    let mut row = desk
        .world
        .store
        .standing(desk.ada.id)
        .await
        .unwrap()
        .unwrap()
        .attestation
        .unwrap();
    let own = crate::attest::Record::open(&row, desk.world.plane.keys.attestation_public());
    assert!(own.is_ok());

    row.member = eve.id;
    let moved = crate::attest::Record::open(&row, desk.world.plane.keys.attestation_public());
    row.member = desk.ada.id;
    row.record = row
        .record
        .replace("\"age_over_18\":true", "\"age_over_18\":false");
    let changed = crate::attest::Record::open(&row, desk.world.plane.keys.attestation_public());

    assert!(moved.is_err() && changed.is_err());
}

fn officer(member: MemberId, roles: &[Role]) -> SignedInMember {
    SignedInMember {
        member,
        roles: roles.iter().copied().collect(),
        scopes: std::collections::BTreeSet::new(),
        signed_in_at: UnixMillis(NOW),
        expires_at: UnixMillis(NOW + 1),
        session: crate::ports::Lookup([0; 32]),
    }
}

#[tokio::test]
async fn two_officers_verify_and_neither_may_be_the_member() {
    let desk = Desk::with(|settings| {
        settings
            .verifiers
            .push(VerifierConfig::Officer(OfficerConfig {
                predicates: vec![Predicate::PersonVerified, Predicate::AgeOver18],
                assesses: vec![name("export-gate")],
                valid_for: Span::seconds(365 * 86_400),
                second_within: Span::seconds(7 * 86_400),
            }));
        let mut export = policy("1");
        export.requires = vec![Predicate::PersonVerified];
        export.nationality = Some(denies("XX"));
        settings.policies.insert(name("export-gate"), export);
    })
    .await;
    let plane = &desk.world.plane;
    let (one, two) = (desk.world.officer().await, desk.world.officer().await);
    let code = plane.meeting_code(desk.ada.id).await.unwrap().unwrap();
    let says = async |who: MemberId, roles: &[Role]| {
        plane
            .vouch(&officer(who, roles), desk.ada.id, &code)
            .await
            .unwrap()
    };

    assert_eq!(
        says(one, &[Role::Admin, Role::Auditor]).await,
        Word::Refused
    );
    assert_eq!(says(desk.ada.id, &[Role::Officer]).await, Word::Refused);
    assert_eq!(says(one, &[Role::Officer]).await, Word::Unverified);
    assert_eq!(desk.standing().await.vouched, 0);
    for officer in [one, two] {
        desk.world.verify(officer).await;
    }
    assert_eq!(says(one, &[Role::Officer]).await, Word::First);
    assert_eq!(says(one, &[Role::Officer]).await, Word::Again);
    assert!(!desk.is_verified().await);
    assert_eq!(desk.standing().await.vouched, 1);
    assert_eq!(says(two, &[Role::Officer]).await, Word::Granted);

    let verified = desk.standing().await.verified.unwrap();
    assert_eq!(
        (verified.vendor.as_str(), verified.method.as_str()),
        ("officer", "two_officers_in_person")
    );
    assert_eq!(verified.environment, "development");
    let qualified = plane.qualify(desk.ada.id, &name("frontier")).await.unwrap();
    let gates: Vec<_> = qualified.gates().iter().map(ToString::to_string).collect();
    assert_eq!(
        gates,
        ["export-gate@1"],
        "what they assessed, and not a document they did not see"
    );
}
