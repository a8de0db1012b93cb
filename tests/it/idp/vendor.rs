//! A verification vendor's webhooks, as nobody should send them: forged, late, repeated, in the wrong
//! order, about somebody else, in the middle of a change of secrets.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
};

use bauta::dev::{
    member::Member,
    stage::{Setting, Stage, Vendor},
};
use bauta_sandbox::persona::{
    Decision, Deliveries, Hook, PRODUCTION_KEY, Persona, SANDBOX_KEY, Signing,
};
use bauta_tests::{Backend, World};
use serde_json::json;

use super::events;

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_not_the_vendors_is_not_even_looked_up() {
    let world = quiet(Backend::Sqlite, |_| {}).await;
    let persona = &world.stage.scene.sandbox.persona;
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    let approved = decided(&mut ada, persona, Decision::Approve).await;
    let asked = persona.requests().len();

    for signing in [
        Signing::Wrong,
        Signing::Absent,
        Signing::OtherVersion,
        Signing::Short,
        Signing::Twice,
        Signing::At(-301),
        Signing::At(301),
        Signing::At(-86_400),
        Signing::Restamped,
        Signing::Tampered,
        Signing::EmptySecret,
    ] {
        let delivery = persona.deliver_signed(&approved, signing).await;
        println!("{:<20} {:?}", format!("{signing:?}"), delivery[0].status);
        assert_eq!(delivery[0].status, Some(401), "{signing:?}");
    }

    assert_eq!(persona.requests().len(), asked, "the vendor was asked");
    assert!(ada.device_token("frontier").await.is_err());
    assert_eq!(events(&world, "attestation.created").await.len(), 0);
    // A little late is not too late.
    let late = persona.deliver_signed(&approved, Signing::At(-290)).await;
    assert!(late[0].taken(), "{late:?}");
    assert!(ada.device_token("frontier").await.is_ok());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_deliveries_at_once_have_one_effect() {
    for backend in Backend::BOTH {
        let world = quiet(backend, |_| {}).await;
        let persona = &world.stage.scene.sandbox.persona;
        let mut ada = world.member("Ada");
        ada.sign_in().await.unwrap();
        let approved = decided(&mut ada, persona, Decision::Approve).await;
        persona.forget_requests();

        let sent = persona.deliver_at_once(&approved, 100).await;
        let asked = persona.requests().len();
        let again = persona.deliver(&approved, 10).await;

        let taken = sent.iter().filter(|delivery| delivery.taken()).count();
        let refused: Vec<_> = sent
            .iter()
            .filter(|d| !d.taken())
            .map(|d| d.status)
            .collect();
        println!(
            "{backend:?}: {taken} of 100 taken, the rest {refused:?}; {asked} questions to the vendor"
        );
        // A vendor repeats what is not taken; it must not have to.
        assert_eq!(taken, 100, "{refused:?}");
        assert!(again.iter().all(|delivery| delivery.taken()));
        assert_eq!(persona.requests().len(), asked, "known events ask nothing");
        assert_eq!(events(&world, "attestation.created").await.len(), 1);
        let decided = events(&world, "verification.decided").await;
        assert_eq!(decided.len(), 1, "{decided:#?}");
        assert!(ada.device_token("frontier").await.is_ok());
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_word_of_the_vendor_stands_in_whatever_order_it_arrives() {
    let world = quiet(Backend::Sqlite, |_| {}).await;
    let persona = &world.stage.scene.sandbox.persona;
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    // Approved, then declined: the second word comes first.
    let inquiry = ada.begin_verification().await.unwrap();
    let approved = last(persona.decide(&inquiry, Decision::Approve));
    let declined = last(persona.decide(&inquiry, Decision::Decline));
    for event in [&declined, &approved] {
        assert!(persona.deliver(event, 1).await[0].taken());
        assert!(ada.device_token("frontier").await.is_err());
    }
    assert_eq!(events(&world, "attestation.created").await.len(), 0);

    // In order: approved opens, declined closes, and a late approval opens nothing again.
    let inquiry = ada.begin_verification().await.unwrap();
    let completed = persona.decide(&inquiry, Decision::Complete).unwrap();
    let approved = last(persona.decide(&inquiry, Decision::Approve));
    persona.deliver(&approved, 1).await;
    let token = ada.device_token("frontier").await.unwrap().access;
    for event in &completed {
        assert!(persona.deliver(event, 1).await[0].taken());
    }
    assert!(ada.device_token("frontier").await.is_ok(), "late news");
    let declined = last(persona.decide(&inquiry, Decision::Decline));
    persona.deliver(&declined, 1).await;
    assert!(ada.device_token("frontier").await.is_err());
    persona.deliver(&approved, 3).await;
    assert!(ada.device_token("frontier").await.is_err());
    let gateway = world.stage.running.gateway.as_ref().unwrap();
    gateway.follow().await.unwrap();
    let (status, _) = crate::journey::ask(&world, &token, false).await;
    assert_eq!(status.as_u16(), 401, "a token outlived its attestation");
    let ended = events(&world, "attestation.ended").await;
    assert_eq!(ended.len(), 1, "{ended:#?}");
    assert_eq!(ended[0]["why"], "revoked");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_webhook_claims_is_not_believed_before_the_vendor_says_so() {
    let world = quiet(Backend::Sqlite, |_| {}).await;
    let persona = &world.stage.scene.sandbox.persona;
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    let inquiry = ada.begin_verification().await.unwrap();
    // The vendor's own signature under a word that its records do not bear out.
    for name in [
        "inquiry.approved",
        "inquiry.completed",
        "inquiry.transitioned",
    ] {
        let early = persona.emit(&inquiry, name).unwrap();
        assert!(persona.deliver(&early, 1).await[0].taken(), "{name}");
        assert!(ada.device_token("frontier").await.is_err(), "{name}");
    }
    // A word that nobody knows is taken, noted, and leads to nothing.
    let unheard = persona.emit(&inquiry, "galaxy.collapsed").unwrap();
    assert!(persona.deliver(&unheard, 1).await[0].taken());
    let ignored = events(&world, "webhook.ignored").await;
    assert_eq!(ignored.len(), 1, "{ignored:#?}");
    assert_eq!(ignored[0]["reason"], "unknown_event");
    // A status that no documentation mentions verifies nobody.
    let odd = persona.decide(&inquiry, Decision::Status("blessed".to_owned()));
    assert!(persona.deliver(&last(odd), 1).await[0].taken());
    assert!(ada.device_token("frontier").await.is_err());
    // And when it is true, it is enough.
    let approved = last(persona.decide(&inquiry, Decision::Approve));
    persona.deliver(&approved, 1).await;
    assert!(ada.device_token("frontier").await.is_ok());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inquiry_that_nobody_here_began_verifies_nobody() {
    let world = quiet(Backend::Sqlite, |_| {}).await;
    let persona = &world.stage.scene.sandbox.persona;
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    ada.begin_verification().await.unwrap();
    // Another application of the same customer: same key, same secret, same webhook.
    let began = world
        .stage
        .scene
        .http
        .post(format!("{}/inquiries", persona.api_base()))
        .header("authorization", format!("Bearer {SANDBOX_KEY}"))
        .header("persona-version", "2025-12-08")
        .header("key-inflection", "kebab")
        .header("content-type", "application/json")
        .body(
            json!({
                "data": { "attributes": {
                    "inquiry-template-id": "itmpl_simulated", "reference-id": "somebody",
                } },
                "meta": { "auto-create-account": false },
            })
            .to_string(),
        )
        .send()
        .await
        .unwrap();
    assert!(
        began.status().is_success(),
        "{}",
        began.text().await.unwrap()
    );
    let theirs = persona.inquiries().pop().unwrap();
    let approved = last(persona.decide(&theirs, Decision::Approve));
    let asked = persona.requests().len();

    let delivery = persona.deliver(&approved, 1).await;

    assert_eq!(delivery[0].status, Some(404));
    assert_eq!(persona.requests().len(), asked, "its evidence was fetched");
    assert!(ada.device_token("frontier").await.is_err());
    assert_eq!(events(&world, "attestation.created").await.len(), 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_webhook_secret_loses_no_word_and_lets_none_in() {
    const NEW: &str = "wbhsec_new-simulated-worth-nothing";
    let world = quiet(Backend::Sqlite, |setting| {
        let keys = setting.folder.join("keys");
        let folder = &mut DirBuilder::new();
        folder.recursive(true).mode(0o700).create(&keys).unwrap();
        let file = keys.join("persona-webhook-new");
        fs::write(&file, NEW).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        setting.edit = Box::new(|text| {
            let old = "webhook_secret = { file = \"keys/persona-webhook\" }";
            let both = "webhook_secret = { file = \"keys/persona-webhook-new\" }\n\
                        webhook_secret_old = { file = \"keys/persona-webhook\" }";
            assert!(text.contains(old));
            text.replace(old, both)
        });
    })
    .await;
    let scene = &world.stage.scene;
    let persona = &scene.sandbox.persona;
    let old = fs::read_to_string(scene.folder.join("keys/persona-webhook")).unwrap();
    let other = "wbhsec_other-simulated-worth-nothing";
    let hook = |secrets: &[&str]| {
        let mut hook = Hook::new(&format!("{}/hooks/persona", scene.url), NEW);
        hook.secrets = secrets.iter().map(ToString::to_string).collect();
        persona.hook(hook);
    };
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    let approved = decided(&mut ada, persona, Decision::Approve).await;
    // Before, during and after the vendor's change; and a second change that we did not hear of.
    for (secrets, signing, status) in [
        (vec![other], Signing::Honest, 401),
        (vec![other, "wbhsec_x"], Signing::Honest, 401),
        (vec![old.as_str()], Signing::Honest, 200),
        (vec![NEW, &old], Signing::Honest, 200),
        (vec![NEW, &old], Signing::Oldest, 200),
        (vec![NEW], Signing::Honest, 200),
        (vec![other, NEW], Signing::Honest, 200),
    ] {
        hook(&secrets);

        let delivery = persona.deliver_signed(&approved, signing).await;

        assert_eq!(delivery[0].status, Some(status), "{secrets:?} {signing:?}");
        let verified = ada.device_token("frontier").await.is_ok();
        assert_eq!(verified, status == 200, "{secrets:?} {signing:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_under_which_nothing_is_checked_does_not_start_in_production() {
    for (environment, key) in [
        ("simulated", PRODUCTION_KEY),
        ("sandbox", SANDBOX_KEY),
        ("production", SANDBOX_KEY),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut setting = Setting::new(folder.path().join("bauta"));
        // Nothing simulated: a production server, but for this verifier.
        setting.vendor = Vendor::Officers;
        setting.more = format!(
            "\n[[verifier]]\nkind = \"persona\"\ntemplate = \"itmpl_simulated\"\n\
             api_key = {{ file = \"keys/checked\" }}\nwebhook_secret = {{ file = \"keys/persona-webhook\" }}\n\
             api_base = \"http://127.0.0.1:9/api/v1\"\nenvironment = \"{environment}\"\n"
        );
        let keys = setting.folder.join("keys");
        let dirs = &mut DirBuilder::new();
        dirs.recursive(true).mode(0o700).create(&keys).unwrap();
        fs::write(keys.join("checked"), key).unwrap();
        fs::set_permissions(keys.join("checked"), fs::Permissions::from_mode(0o600)).unwrap();

        let Err(error) = Stage::open(setting).await else {
            panic!("{environment} with {key} started in production");
        };

        let said = format!("{error:#}");
        println!("{environment:<12} {said}");
        assert!(
            said.contains("sandbox") || said.contains("simulated"),
            "{said}"
        );
    }
}

/// A world whose vendor says nothing until it is told to.
async fn quiet(backend: Backend, change: impl FnOnce(&mut Setting)) -> World {
    World::with(backend, |setting| {
        setting.sandbox.persona.deliveries = Deliveries::OnDemand;
        change(setting);
    })
    .await
}

/// Begins a verification that ends like this, and gives the event that says so, undelivered.
async fn decided(member: &mut Member<'_>, persona: &Persona, decision: Decision) -> String {
    let inquiry = member.begin_verification().await.unwrap();
    last(persona.decide(&inquiry, decision))
}

fn last(events: Option<Vec<String>>) -> String {
    events.unwrap().pop().unwrap()
}
