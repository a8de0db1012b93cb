//! A second administrator, where the configuration asks for one.

use axum::http::StatusCode;

use super::{change, house, rule, state};
use crate::{
    attest::Predicate,
    config::{Admin, DeviceFlow, Span},
    issue::world::{Ada, Reply, World, name},
    ports::{MemberId, Role, office::Office, people::MemberState},
};

async fn careful() -> World {
    World::with(DeviceFlow::On, |settings| {
        settings
            .policies
            .insert(name("gate"), rule(&[Predicate::PersonVerified]));
        settings.admin = Admin {
            second: true,
            second_within: Span::seconds(3_600),
        };
    })
    .await
}

async fn settle(world: &World, who: &Ada, whom: MemberId, verdict: &str) -> Reply {
    let all = world
        .store
        .proposals(world.plane.clock.now())
        .await
        .unwrap();
    let at = all.first().map_or(0, |it| it.at.0).to_string();
    let member = whom.to_string();
    let form = [
        ("member", member.as_str()),
        ("at", at.as_str()),
        ("verdict", verdict),
    ];
    world.post("/admin/proposals", Some(who), &form).await
}

#[tokio::test]
async fn suspending_never_waits_and_undoing_takes_two() {
    let world = careful().await;
    let (ada, one, two) = (
        world.ada().await,
        world.browser(&[Role::Admin]).await,
        world.browser(&[Role::Admin]).await,
    );

    let suspended = change(&world, &one, ada.id, "suspend", "abuse-report").await;
    let proposed = change(&world, &one, ada.id, "reinstate", "mistake").await;
    let while_it_waits = state(&world, ada.id).await;
    let again = change(&world, &two, ada.id, "reinstate", "mistake").await;
    let own = settle(&world, &one, ada.id, "agree").await;
    let page = world.get("/admin/alerts", Some(&two)).await;
    let agreed = settle(&world, &two, ada.id, "agree").await;

    assert_eq!(suspended.status, StatusCode::OK);
    assert_eq!(proposed.status, StatusCode::ACCEPTED);
    assert_eq!(while_it_waits, Some(MemberState::Suspended));
    assert_eq!(again.status, StatusCode::CONFLICT, "one at a time");
    assert_eq!(own.status, StatusCode::FORBIDDEN, "{}", own.body);
    assert!(page.body.contains("Agree: Reinstate"), "{}", page.body);
    assert_eq!(agreed.status, StatusCode::OK);
    assert_eq!(state(&world, ada.id).await, Some(MemberState::Active));
    let events = world.store.events().join("\n");
    for kind in ["proposal.made", "proposal.settled", "member.reinstated"] {
        assert!(events.contains(kind), "{kind}");
    }
}

#[tokio::test]
async fn an_erasure_waits_and_can_be_dropped_or_lapse() {
    let world = careful().await;
    let (ada, one, two) = (
        world.ada().await,
        world.browser(&[Role::Admin]).await,
        world.browser(&[Role::Admin]).await,
    );
    change(&world, &one, ada.id, "erase", "left-company").await;

    let dropped = settle(&world, &two, ada.id, "drop").await;
    change(&world, &one, ada.id, "erase", "left-company").await;
    let at = world
        .store
        .proposals(world.plane.clock.now())
        .await
        .unwrap()[0]
        .at;
    world.later(3_600).await;
    let member = ada.id.to_string();
    let at = at.0.to_string();
    let late = [
        ("member", member.as_str()),
        ("at", at.as_str()),
        ("verdict", "agree"),
    ];
    let late = world.post("/admin/proposals", Some(&two), &late).await;

    assert_eq!(dropped.status, StatusCode::OK);
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert_eq!(state(&world, ada.id).await, Some(MemberState::Active));
}

#[tokio::test]
async fn officers_and_auditors_agree_to_nothing() {
    let world = careful().await;
    let (ada, one) = (world.ada().await, world.browser(&[Role::Admin]).await);
    change(&world, &one, ada.id, "erase", "left-company").await;

    for role in [Role::Officer, Role::Auditor] {
        let who = world.browser(&[role]).await;
        let refused = settle(&world, &who, ada.id, "agree").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{role:?}");
    }
    let careless = house().await;
    let page = careless
        .get(
            "/admin/members",
            Some(&careless.browser(&[Role::Admin]).await),
        )
        .await;

    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(state(&world, ada.id).await, Some(MemberState::Active));
}
