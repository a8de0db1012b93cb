//! What every implementation of the port behind the console must pass.
//!
//! # Panics
//!
//! Each function panics when the implementation breaks its promise.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a suite: a broken promise is a panic"
)]

use std::{collections::BTreeSet, sync::Arc};

use bauta_token::{ambient::Randomness, units::UnixMillis};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    Event, Lookup, MemberId, Rights, Role, Store,
    directory::Claimed,
    grants::Fall,
    office::{
        Appeal, AppealAnswer, Ground, Look, NewAppeal, NewProposal, Objection, Proposal, Proposed,
        Reply, Settled, Settling, Undoing, Verdict,
    },
    people::{SignIn, TagRow},
};

/// Runs the whole suite, each part on a store of its own from `fresh`.
pub async fn all<S: Store + 'static, F: AsyncFn() -> Arc<S>>(fresh: F) {
    a_look_is_kept_for_the_member_with_its_record(fresh().await).await;
    nobody_agrees_to_their_own_proposal(fresh().await).await;
    of_many_who_agree_at_once_one_does(fresh().await).await;
    a_proposal_lapses_and_makes_room_for_another(fresh().await).await;
    who_is_no_administrator_any_more_proposes_nothing(fresh().await).await;
    an_appeal_is_open_once_and_answered_once(fresh().await).await;
    what_hangs_on_an_erased_member_goes_with_it(fresh().await).await;
    looks_and_answers_are_forgotten_and_open_appeals_are_not(fresh().await).await;
}

const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

struct Fixed;

impl Randomness for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(9);
    }
}

fn member(n: u8) -> MemberId {
    MemberId([n; 16])
}

fn event(what: &'static str) -> Event {
    Event::private(what, NOW, json!({ "member": member(1) }), &Fixed)
}

async fn join(store: &dyn Store, n: u8, role: Role) {
    let entry = SignIn {
        tag: TagRow {
            member: member(n),
            tag: Lookup([n; 32]),
            pepper_from: 1,
            pepper_to: 1,
        },
        new: true,
        join: None,
        rights: Rights {
            roles: BTreeSet::from([role]),
            scopes: BTreeSet::new(),
        },
        claimed: Claimed::default(),
        session: Lookup([n.wrapping_add(100); 32]),
        idp_session: None,
        subject: Lookup([n.wrapping_add(50); 32]),
        replaces: None,
        now: NOW,
        expires_at: NOW.plus_seconds(3_600),
        events: Vec::new(),
    };
    store.sign_in(&entry).await.unwrap();
}

/// Ada, about whom it is, and three administrators.
async fn house(store: &dyn Store) {
    join(store, 1, Role::Auditor).await;
    for admin in [2, 3, 4] {
        join(store, admin, Role::Admin).await;
    }
}

fn proposal(by: u8, at: UnixMillis) -> NewProposal {
    NewProposal {
        proposal: Proposal {
            member: member(1),
            what: Undoing::Erase,
            reason: "asked-for-it".to_owned(),
            by: member(by),
            at,
            expires_at: at.plus_seconds(600),
        },
        event: event("proposal.made"),
    }
}

fn settling(by: u8, at: UnixMillis, verdict: Verdict) -> Settling {
    Settling {
        member: member(1),
        at,
        by: member(by),
        verdict,
        now: at.plus_seconds(1),
        event: event("proposal.settled"),
    }
}

fn look(by: u8, at: UnixMillis) -> Look {
    Look {
        member: member(1),
        by: member(by),
        role: Role::Admin,
        now: at,
        event: event("member.viewed"),
    }
}

async fn a_look_is_kept_for_the_member_with_its_record<S: Store>(store: Arc<S>) {
    house(&*store).await;
    store.note_look(&look(2, NOW)).await.unwrap();
    store
        .note_look(&look(3, NOW.plus_seconds(5)))
        .await
        .unwrap();

    let looks = store.looks(member(1), 9).await.unwrap();
    let one = store.looks(member(1), 1).await.unwrap();
    let other = store.looks(member(2), 9).await.unwrap();

    let by: Vec<_> = looks.iter().map(|look| look.by).collect();
    assert_eq!(by, [member(3), member(2)], "newest first");
    assert_eq!((looks[1].role, looks[1].at), (Role::Admin, NOW));
    assert_eq!((one.len(), other.len()), (1, 0));
}

async fn nobody_agrees_to_their_own_proposal<S: Store>(store: Arc<S>) {
    house(&*store).await;
    let made = store.propose(&proposal(2, NOW)).await.unwrap();
    let second = store.propose(&proposal(3, NOW)).await.unwrap();

    let own = store.settle(&settling(2, NOW, Verdict::Agreed)).await;
    let stranger = store.settle(&settling(1, NOW, Verdict::Agreed)).await;
    let other_one = store
        .settle(&settling(3, NOW.plus_seconds(1), Verdict::Agreed))
        .await;
    let waits = store.proposals(NOW).await.unwrap();
    let agreed = store.settle(&settling(3, NOW, Verdict::Agreed)).await;
    let again = store.settle(&settling(4, NOW, Verdict::Agreed)).await;

    assert_eq!((made, second), (Proposed::Kept, Proposed::Another));
    assert_eq!(own.unwrap(), Settled::Own);
    assert_eq!(stranger.unwrap(), Settled::Gone, "he is no administrator");
    assert_eq!(
        other_one.unwrap(),
        Settled::Gone,
        "there is none of that time"
    );
    assert_eq!(waits, [proposal(2, NOW).proposal]);
    assert_eq!(agreed.unwrap(), Settled::Taken(proposal(2, NOW).proposal));
    assert_eq!(again.unwrap(), Settled::Gone);
    let nobody = NewProposal {
        proposal: Proposal {
            member: member(77),
            ..proposal(2, NOW).proposal
        },
        event: event("proposal.made"),
    };
    assert_eq!(store.propose(&nobody).await.unwrap(), Proposed::NoMember);
}

async fn of_many_who_agree_at_once_one_does<S: Store + 'static>(store: Arc<S>) {
    house(&*store).await;
    store.propose(&proposal(2, NOW)).await.unwrap();
    let mut racers = JoinSet::new();
    for n in 0..16_u8 {
        let store = Arc::clone(&store);
        let by = if n & 1 == 0 { 3 } else { 4 };
        racers.spawn(async move {
            let settled = store.settle(&settling(by, NOW, Verdict::Agreed)).await;
            matches!(settled.unwrap(), Settled::Taken(_))
        });
    }

    let taken = racers.join_all().await.into_iter().filter(|taken| *taken);

    assert_eq!(taken.count(), 1);
}

async fn a_proposal_lapses_and_makes_room_for_another<S: Store>(store: Arc<S>) {
    house(&*store).await;
    store.propose(&proposal(2, NOW)).await.unwrap();
    let later = NOW.plus_seconds(600);

    let late = Settling {
        now: later,
        ..settling(3, NOW, Verdict::Agreed)
    };
    let late = store.settle(&late).await.unwrap();
    let lives = store.proposals(later).await.unwrap();
    let next = store.propose(&proposal(3, later)).await.unwrap();
    // Whoever made it may take it back.
    let dropped = store.settle(&settling(3, later, Verdict::Dropped)).await;

    assert_eq!(late, Settled::Gone);
    assert!(lives.is_empty());
    assert_eq!(next, Proposed::Kept);
    assert!(matches!(dropped.unwrap(), Settled::Taken(it) if it.by == member(3)));
}

async fn who_is_no_administrator_any_more_proposes_nothing<S: Store>(store: Arc<S>) {
    house(&*store).await;
    store.propose(&proposal(2, NOW)).await.unwrap();
    let fall = Fall {
        member: member(2),
        holder: Lookup([90; 32]),
        grants: Vec::new(),
        reason: "left".to_owned(),
        held: Vec::new(),
        now: NOW,
        leaf: event("member.suspended"),
    };
    store.fall(fall).await.unwrap();

    let agreed = store.settle(&settling(3, NOW, Verdict::Agreed)).await;
    let dropped = store.settle(&settling(3, NOW, Verdict::Dropped)).await;

    assert_eq!(agreed.unwrap(), Settled::Gone);
    assert!(matches!(dropped.unwrap(), Settled::Taken(_)));
}

fn objection(now: UnixMillis) -> NewAppeal {
    NewAppeal {
        member: member(1),
        about: Objection::Declined,
        ground: Ground::Mistaken,
        now,
        event: event("appeal.made"),
    }
}

fn answer(at: UnixMillis, now: UnixMillis) -> AppealAnswer {
    AppealAnswer {
        member: member(1),
        at,
        reply: Reply::Meet,
        now,
        event: event("appeal.answered"),
    }
}

async fn an_appeal_is_open_once_and_answered_once<S: Store>(store: Arc<S>) {
    house(&*store).await;
    let (soon, later) = (NOW.plus_seconds(10), NOW.plus_seconds(20));

    let first = store.appeal(&objection(NOW)).await.unwrap();
    let second = store.appeal(&objection(soon)).await.unwrap();
    let open = store.appeals(9).await.unwrap();
    let wrong = store.answer_appeal(&answer(soon, later)).await.unwrap();
    let answered = store.answer_appeal(&answer(NOW, later)).await.unwrap();
    let again = store.answer_appeal(&answer(NOW, later)).await.unwrap();
    let kept = store.appeal_of(member(1)).await.unwrap().unwrap();
    let closed = store.appeals(9).await.unwrap();
    let next = store.appeal(&objection(later)).await.unwrap();

    assert!(first && !second, "one at a time");
    let expected = Appeal {
        member: member(1),
        about: Objection::Declined,
        ground: Ground::Mistaken,
        at: NOW,
        reply: None,
    };
    assert_eq!(open, [expected]);
    assert!(!wrong && answered && !again);
    assert_eq!(kept.reply, Some((Reply::Meet, later)));
    assert!(closed.is_empty());
    assert!(next, "an answered one makes room");
    assert_eq!(store.appeal_of(member(9)).await.unwrap(), None);
}

async fn what_hangs_on_an_erased_member_goes_with_it<S: Store>(store: Arc<S>) {
    house(&*store).await;
    store.note_look(&look(2, NOW)).await.unwrap();
    store.propose(&proposal(2, NOW)).await.unwrap();
    store.appeal(&objection(NOW)).await.unwrap();

    let erased = store
        .erase_member(member(1), NOW, &event("member.erased"))
        .await
        .unwrap();

    assert!(erased);
    assert!(store.looks(member(1), 9).await.unwrap().is_empty());
    assert!(store.proposals(NOW).await.unwrap().is_empty());
    assert_eq!(store.appeal_of(member(1)).await.unwrap(), None);
    assert!(!store.appeal(&objection(NOW)).await.unwrap());
}

async fn looks_and_answers_are_forgotten_and_open_appeals_are_not<S: Store>(store: Arc<S>) {
    house(&*store).await;
    store.note_look(&look(2, NOW)).await.unwrap();
    store.propose(&proposal(2, NOW)).await.unwrap();
    store.appeal(&objection(NOW)).await.unwrap();
    let year = NOW.plus_seconds(366 * 86_400);

    let first = store.forget_office(year, NOW).await.unwrap();
    let waits = store.appeals(9).await.unwrap().len();
    store.answer_appeal(&answer(NOW, NOW)).await.unwrap();
    let second = store.forget_office(year, NOW).await.unwrap();

    assert_eq!((first, waits, second), (2, 1, 1));
    assert!(store.looks(member(1), 9).await.unwrap().is_empty());
}
