use std::collections::BTreeSet;

use bauta_token::{
    claims::Claims,
    scope::Gate,
    units::{UnixDay, UnixMillis},
};

use super::{
    Ask, ClientKind, IssueError, Issued, Label,
    access::{EPOCH_DAYS, epoch_at},
    world::{Ada, NOW, World, name},
};
use crate::{config::DeviceFlow, ports::grants::hex, qualify::QualifyError};

async fn issue(world: &World, ada: &Ada, ask: Ask) -> Result<Issued, IssueError> {
    let qualified = world
        .plane
        .qualify(ada.id, &name("frontier"))
        .await
        .unwrap();
    world.plane.issue(qualified, ask).await
}

async fn token(world: &World, ada: &Ada) -> Claims {
    let issued = issue(world, ada, Ask::sign_in(ClientKind::Cli))
        .await
        .unwrap();
    world.plane.read_access(issued.access()).unwrap()
}

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

#[tokio::test]
async fn a_token_says_nothing_about_its_holder() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;

    let issued = issue(&world, &ada, Ask::sign_in(ClientKind::Cli))
        .await
        .unwrap();

    assert!(issued.access().starts_with("bauta_ey"));
    let claims = world.plane.read_access(issued.access()).unwrap();
    assert_eq!(claims.iss, "https://ai.example.com");
    assert_eq!(claims.aud, "https://gw.example.com");
    assert_eq!(claims.client_id, "bauta-cli");
    assert_eq!(claims.gates, Vec::<Gate>::new());
    assert_eq!(claims.iat * 1_000, NOW - 30_000, "down to the minute");
    assert_eq!(claims.exp, claims.iat + 3_600);
    assert_eq!(issued.expires_in(), 3_570);
    let text = serde_json::to_string(&claims).unwrap();
    assert!(!text.contains(&ada.id.to_string()));
    assert!(!text.contains(&hex(&world.plane.holder(ada.id))));
}

#[tokio::test]
async fn two_grants_share_no_name_but_each_providers_pseudonym() {
    let world = World::new(DeviceFlow::Off).await;
    let (ada, bob) = (world.ada().await, world.ada().await);

    let (one, two) = (token(&world, &ada).await, token(&world, &ada).await);
    let other = token(&world, &bob).await;

    assert_ne!(one.sub, two.sub, "random per grant");
    assert_ne!(one.jti, two.jti);
    assert_eq!(one.psn, two.psn, "what links them is said openly");
    let seen: BTreeSet<_> = one.psn.values().chain(other.psn.values()).collect();
    assert_eq!(
        seen.len(),
        4,
        "two providers, two members: nothing in common"
    );
    assert!(!seen.contains(&one.sub));
}

#[tokio::test]
async fn a_pseudonym_lasts_its_epoch_and_no_longer() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    let first = token(&world, &ada).await.psn;
    let start = epoch_at(UnixMillis(NOW));
    let left = start.0 + EPOCH_DAYS - UnixMillis(NOW).day().0;

    world.later((left - 1) * 86_400).await;
    let last_day = token(&world, &ada).await.psn;
    world.later(86_400).await;
    let next = token(&world, &ada).await.psn;

    assert_eq!(first, last_day);
    for (provider, pseudonym) in &next {
        assert_ne!(first.get(provider), Some(pseudonym));
    }
    assert_eq!(start.0.rem_euclid(EPOCH_DAYS), 0);
}

#[tokio::test]
async fn who_was_suspended_gets_no_fresh_pseudonym_by_waiting() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    let before = token(&world, &ada).await.psn;
    assert!(world.plane.fall(ada.id, None, "case").await.unwrap());

    world.later(EPOCH_DAYS * 86_400).await;

    let now = world.plane.clock.now();
    let holder = world.plane.holder(ada.id);
    let held = world.plane.pseudonyms(ada.id, holder, now).await.unwrap();
    assert_eq!(held, before, "no new name leaves the building");
    let refused = world.plane.qualify(ada.id, &name("frontier")).await;
    assert!(matches!(refused, Err(QualifyError::Suspended)));
    assert!(
        !world.plane.fall(ada.id, None, "case").await.unwrap(),
        "once"
    );
    assert!(world.plane.rise(ada.id, None, None).await.unwrap());
    let after = world.plane.pseudonyms(ada.id, holder, now).await.unwrap();
    assert_ne!(after, before, "a case that is closed holds nothing");
}

#[tokio::test]
async fn a_suspension_that_comes_after_the_judgement_wins() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    let qualified = world
        .plane
        .qualify(ada.id, &name("frontier"))
        .await
        .unwrap();

    world.plane.fall(ada.id, None, "case").await.unwrap();

    let late = world
        .plane
        .issue(qualified, Ask::sign_in(ClientKind::Cli))
        .await;
    assert!(matches!(late, Err(IssueError::Barred)));
}

#[tokio::test]
async fn a_token_never_outlives_what_it_rests_on() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    let until = world
        .plane
        .qualify(ada.id, &name("frontier"))
        .await
        .unwrap()
        .valid_until();

    world.later(until.seconds() - NOW / 1_000 - 20).await;
    let claims = token(&world, &ada).await;
    world.later(17).await;
    let lapsing = issue(&world, &ada, Ask::sign_in(ClientKind::Cli)).await;

    assert_eq!(claims.exp, until.seconds());
    assert!(matches!(lapsing, Err(IssueError::Lapsing)));
}

#[tokio::test]
async fn a_label_lives_as_long_as_the_scope_allows() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    let ninety = 90 * 86_400;

    let longest = issue(&world, &ada, Ask::labelled(label("laptop"), ninety))
        .await
        .unwrap();
    let longer = issue(&world, &ada, Ask::labelled(label("laptop"), ninety + 1)).await;
    let none = issue(&world, &ada, Ask::labelled(label("laptop"), 0)).await;

    assert!(longest.refresh().is_none());
    let claims = world.plane.read_access(longest.access()).unwrap();
    assert_eq!(claims.exp - claims.iat, ninety);
    assert!(matches!(longer, Err(IssueError::Life)));
    assert!(matches!(none, Err(IssueError::Life)));
    let grants = world.plane.grants(ada.id).await.unwrap();
    let shown = world.plane.open_label(&grants[0]).unwrap();
    assert_eq!(shown.as_str(), "laptop");
}

#[test]
fn a_label_is_no_place_for_an_address() {
    for good in ["laptop", "CI (main)", "Büro 2", "a.b/c_d-e"] {
        assert!(Label::parse(good).is_some(), "{good}");
    }
    let long = "a".repeat(41);
    for bad in [
        "",
        "  ",
        "ada@example.com",
        "<b>",
        "a\nb",
        "a\u{202e}b",
        "'x'",
        &long,
    ] {
        assert!(Label::parse(bad).is_none(), "{bad}");
    }
}

#[tokio::test]
async fn labels_and_members_are_cells_that_open_in_their_row_only() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    for text in ["a", "a much longer label than the other"] {
        issue(&world, &ada, Ask::labelled(label(text), 86_400))
            .await
            .unwrap();
    }

    let grants = world.plane.grants(ada.id).await.unwrap();

    let cells: Vec<_> = grants
        .iter()
        .map(|grant| grant.label.clone().unwrap())
        .collect();
    assert_eq!(cells[0].len(), cells[1].len(), "the length tells nothing");
    let mut moved = grants[0].clone();
    moved.handle = grants[1].handle.clone();
    moved.label.clone_from(&grants[1].label);
    assert!(world.plane.open_grant(&moved).is_err());
    assert!(world.plane.open_label(&moved).is_none());
    assert_eq!(world.plane.open_grant(&grants[0]).unwrap().member, ada.id);
}

#[tokio::test]
async fn every_token_has_one_leaf_and_no_leaf_names_a_member() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    let before = world.store.events().len();

    let first = issue(&world, &ada, Ask::sign_in(ClientKind::Cli))
        .await
        .unwrap();
    issue(&world, &ada, Ask::labelled(label("laptop"), 86_400))
        .await
        .unwrap();
    let _refused = issue(&world, &ada, Ask::labelled(label("laptop"), 0)).await;

    let events = world.store.events().split_off(before);
    assert_eq!(events.len(), 2);
    let sub = world.plane.read_access(first.access()).unwrap().sub;
    for event in &events {
        assert!(event.contains(r#""type":"token.issued""#));
        assert!(event.contains("T00:00:00.000Z"), "to the minute: {event}");
        assert!(!event.contains(&ada.id.to_string()), "{event}");
        assert!(!event.contains(sub.as_str()), "{event}");
        assert!(!event.contains("laptop"), "{event}");
    }
    assert!(events[0].contains(&hex(&first.id())));
}

#[tokio::test]
async fn an_anonymous_scope_has_no_such_token() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    let qualified = world.plane.qualify(ada.id, &name("masked")).await.unwrap();

    let refused = world
        .plane
        .issue(qualified, Ask::sign_in(ClientKind::Cli))
        .await;

    assert!(matches!(refused, Err(IssueError::Anonymous)));
}

#[tokio::test]
async fn erasure_leaves_no_grant_and_no_name_in_the_log() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.ada().await;
    token(&world, &ada).await;
    let holder = hex(&world.plane.holder(ada.id));

    world.plane.end_grants(ada.id, "erased").await.unwrap();
    world.plane.forget_grants(ada.id).await.unwrap();

    assert!(world.plane.grants(ada.id).await.unwrap().is_empty());
    let text = world.store.events().concat();
    assert!(!text.contains(&holder), "the leaves are noise");
}

#[test]
fn an_epoch_begins_at_the_same_day_for_everybody() {
    assert_eq!(epoch_at(UnixDay(180).start()), UnixDay(180));
    assert_eq!(epoch_at(UnixMillis(UnixDay(180).start().0 - 1)), UnixDay(0));
}

#[cfg(feature = "conformance")]
#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_every_promise_of_the_port() {
    use crate::ports::{grants_conformance, memory::Memory};

    grants_conformance::all(async || std::sync::Arc::new(Memory::default())).await;
}
