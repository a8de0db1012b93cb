//! The meeting of a member and two officers, on the pages of both.

use axum::http::StatusCode;

use crate::{
    attest::Predicate,
    config::{DeviceFlow, Environment, OfficerConfig, SecretText, Settings, Span, VerifierConfig},
    issue::world::{Ada, Reply, World},
    portal::verify::NOTICE_VERSION,
    ports::{Role, people::People},
    verify::tests::config,
};

async fn house() -> World {
    house_with(|_| {}).await
}

/// A vendor that is never asked.
fn vendor() -> VerifierConfig<SecretText> {
    VerifierConfig::Persona(config("http://127.0.0.1:9/api/v1"))
}

async fn house_with(change: impl FnOnce(&mut Settings)) -> World {
    World::with(DeviceFlow::On, |settings| {
        change(settings);
        settings
            .verifiers
            .push(VerifierConfig::Officer(OfficerConfig {
                predicates: vec![Predicate::PersonVerified, Predicate::AgeOver18],
                assesses: Vec::new(),
                valid_for: Span::seconds(365 * 86_400),
                second_within: Span::seconds(7 * 86_400),
            }));
    })
    .await
}

/// The code that a member's page shows.
async fn code(world: &World, ada: &Ada) -> String {
    let page = world.post("/verify/in-person", Some(ada), &[]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let shown = page.body.split("id=\"meeting-code\"").nth(1).unwrap();
    let shown = shown.split("aria-hidden=\"true\">").nth(1).unwrap();
    shown.split('<').next().unwrap().to_owned()
}

async fn types(world: &World, officer: &Ada, code: &str) -> Reply {
    let form = [("code", code)];
    world.post("/officer", Some(officer), &form).await
}

async fn gives_word(world: &World, officer: &Ada, code: &str) -> Reply {
    let form = [
        ("code", code),
        ("notice_version", NOTICE_VERSION),
        ("seen", "yes"),
    ];
    world.post("/officer/vouch", Some(officer), &form).await
}

async fn progress(world: &World, ada: &Ada) -> String {
    let page = world.get("/verify/in-person", Some(ada)).await;
    let (before, _) = page.body.split_once(" of 2").unwrap();
    before.chars().last().unwrap().to_string()
}

#[tokio::test]
async fn two_officers_verify_whoever_tells_them_a_code() {
    let world = house().await;
    let ada = world.stranger().await;
    let (carol, dave) = (
        world.browser(&[Role::Officer]).await,
        world.browser(&[Role::Officer]).await,
    );
    let code = code(&world, &ada).await;
    assert_eq!(progress(&world, &ada).await, "0");

    let asked = types(&world, &carol, &code.to_lowercase()).await;
    let first = gives_word(&world, &carol, &code).await;
    let one = progress(&world, &ada).await;
    let again = gives_word(&world, &carol, &code).await;
    let still = progress(&world, &ada).await;
    let second = gives_word(&world, &dave, &code).await;

    assert_eq!(asked.status, StatusCode::OK);
    assert!(asked.body.contains("They are 18 or older"));
    assert!(!asked.body.contains("mbr_"), "it says nobody's number");
    assert!(first.body.contains("first of two"), "{}", first.body);
    assert!(again.body.contains("You had vouched already"));
    assert_eq!((one.as_str(), still.as_str()), ("1", "1"));
    assert!(second.body.contains("They are verified"));
    assert_eq!(progress(&world, &ada).await, "2");
    let standing = world.plane.standing(ada.id).await.unwrap().unwrap();
    assert_eq!(standing.verified.unwrap().vendor, "officer");
    let spent = types(&world, &dave, &code).await;
    assert_eq!(spent.status, StatusCode::BAD_REQUEST, "the code is over");
}

#[tokio::test]
async fn nobody_vouches_for_themselves_or_without_the_role() {
    let world = house().await;
    let carol = world.browser(&[Role::Officer]).await;
    let eve = world.browser(&[Role::Admin, Role::Auditor]).await;
    let own = code(&world, &carol).await;

    let typed = types(&world, &carol, &own).await;
    let own_word = gives_word(&world, &carol, &own).await;
    let page = world.get("/officer", Some(&eve)).await;
    let other = types(&world, &eve, &own).await;
    let given = gives_word(&world, &eve, &own).await;
    let nobody = world.get("/officer", None).await;

    for reply in [&typed, &own_word] {
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
        assert!(reply.body.contains("your own code"), "{}", reply.body);
    }
    for reply in [&page, &other, &given] {
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
        assert!(reply.body.contains("Only officers"), "{}", reply.body);
    }
    assert_eq!(nobody.status, StatusCode::SEE_OTHER);
    assert_eq!(progress(&world, &carol).await, "0");
}

#[tokio::test]
async fn where_a_vendor_verifies_people_an_officer_verifies_first() {
    let world = house_with(|settings| {
        settings.environment = Environment::Development;
        settings.verifiers.push(vendor());
    })
    .await;
    let (ada, carol) = (
        world.stranger().await,
        world.browser(&[Role::Officer]).await,
    );
    let code = code(&world, &ada).await;

    let home = world.get("/", Some(&carol)).await;
    let page = world.get("/officer", Some(&carol)).await;
    let typed = types(&world, &carol, &code).await;
    let given = gives_word(&world, &carol, &code).await;
    world.verify(carol.id).await;
    let after = gives_word(&world, &carol, &code).await;

    assert!(home.body.contains("Verify yourself first"));
    assert!(!home.body.contains("href=\"/officer\""));
    for reply in [&page, &typed, &given] {
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
        assert!(reply.body.contains("Verify yourself first"));
    }
    assert!(after.body.contains("first of two"), "{}", after.body);
    assert_eq!(progress(&world, &ada).await, "1");
}

#[tokio::test]
async fn where_no_vendor_does_the_page_says_what_a_word_rests_on() {
    let world = house().await;
    let carol = world.browser(&[Role::Officer]).await;

    let page = world.get("/officer", Some(&carol)).await;

    assert!(page.body.contains("No vendor checks people here"));
}

#[tokio::test]
async fn a_word_counts_with_the_box_ticked_under_the_notice_that_was_shown() {
    let world = house().await;
    let (ada, carol) = (
        world.stranger().await,
        world.browser(&[Role::Officer]).await,
    );
    let code = code(&world, &ada).await;

    for form in [
        vec![("code", code.as_str()), ("notice_version", NOTICE_VERSION)],
        vec![
            ("code", code.as_str()),
            ("notice_version", "2020-01-01"),
            ("seen", "yes"),
        ],
    ] {
        let reply = world.post("/officer/vouch", Some(&carol), &form).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert!(reply.body.contains("role=\"alert\""));
    }

    assert_eq!(progress(&world, &ada).await, "0");
}

#[tokio::test]
async fn a_code_is_kept_as_a_hash_for_half_an_hour_and_is_no_devices() {
    let world = house().await;
    let (ada, carol) = (world.ada().await, world.browser(&[Role::Officer]).await);
    let shown = code(&world, &ada).await;
    let asked = world.client("/oauth/device_authorization", &[]).await;
    let device = asked.json()["user_code"].as_str().unwrap().to_owned();

    let swapped = types(&world, &carol, &device).await;
    let form = [("user_code", shown.as_str())];
    let other = world.post("/device", Some(&ada), &form).await;
    let again = world.get("/verify/in-person", Some(&ada)).await;
    let dump = world.store.dump();
    world.later(1_800).await;
    let late = types(&world, &carol, &shown).await;

    assert_eq!(swapped.status, StatusCode::BAD_REQUEST);
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
    assert!(!again.body.contains(&shown), "it is shown once");
    let letters = shown.replace('-', "");
    assert!(!dump.contains(&shown) && !dump.contains(&letters));
    assert_eq!(late.status, StatusCode::BAD_REQUEST);
    assert!(late.body.contains("not any more"));
}

#[tokio::test]
async fn an_officer_who_guesses_waits_and_another_does_not() {
    let world = house().await;
    let ada = world.stranger().await;
    let (carol, dave) = (
        world.browser(&[Role::Officer]).await,
        world.browser(&[Role::Officer]).await,
    );
    let code = code(&world, &ada).await;
    for _ in 0..10 {
        let reply = types(&world, &carol, "BBBB-BBBB").await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    }

    let right = types(&world, &carol, &code).await;
    let spoken = gives_word(&world, &carol, &code).await;
    let other = types(&world, &dave, &code).await;

    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(spoken.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(other.status, StatusCode::OK);
}

#[tokio::test]
async fn where_officers_do_not_vouch_there_is_no_code_and_no_page() {
    let world = World::new(DeviceFlow::Off).await;
    let carol = world.browser(&[Role::Officer]).await;

    let replies = [
        world.get("/verify/in-person", Some(&carol)).await,
        world.post("/verify/in-person", Some(&carol), &[]).await,
        world.get("/officer", Some(&carol)).await,
    ];

    for reply in replies {
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
    }
    let home = world.get("/", Some(&carol)).await;
    assert!(!home.body.contains("/officer"));
    assert!(world.store.member(carol.id).await.unwrap().is_some());
}
