//! What every implementation of the port for grants must pass.
//!
//! # Panics
//!
//! Each function panics when the implementation breaks its promise.
#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a suite: a broken promise is a panic"
)]

use std::sync::Arc;

use bauta_audit::{note::Signer, proof::Plan, proof::verify_inclusion, tree::leaf_hash};
use bauta_token::{
    ambient::Randomness,
    notice::Notice,
    pseudonym::Pseudonym,
    scope::{Gate, Name},
    secret::Hashed,
    units::{UnixDay, UnixMillis},
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    AttestationId, Event, Lookup, MemberId, Rights, Store, VerificationId,
    directory::Claimed,
    grants::{
        Allowed, Answer, AskLimits, Asked, Asking, Basis, Ending, Entry, Fall, Fell, Ground,
        Handle, Held, HeldFor, Issuance, KeptCode, Named, NewGrant, Outcome, Poll, Presented,
        Renewal, Rise, Seal, Typed, hex,
    },
    people::{
        AttestationRow, AttestationState, Begun, Decided, Decision, NewAttestation,
        NewVerification, SignIn, TagRow, VerificationState,
    },
};

/// Runs the whole suite, each part on a store of its own from `fresh`.
pub async fn all<S: Store + 'static, F: AsyncFn() -> Arc<S>>(fresh: F) {
    a_grant_is_found_by_its_holder_and_ends_once(fresh().await).await;
    oid_24_a_refresh_token_has_one_successor(fresh().await).await;
    oid_24_a_spent_refresh_token_ends_its_grant(fresh().await).await;
    oid_24_a_retry_after_the_successor_was_used_is_reuse(fresh().await).await;
    a_device_code_is_spent_once(fresh().await).await;
    a_poll_that_comes_too_soon_waits_longer(fresh().await).await;
    a_denied_login_stays_denied(fresh().await).await;
    logins_from_one_network_are_counted(fresh().await).await;
    typed_codes_are_counted_before_they_are_looked_up(fresh().await).await;
    an_authorization_code_is_used_once(fresh().await).await;
    a_member_has_no_more_grants_than_it_may(fresh().await).await;
    a_platforms_token_is_spent_once(fresh().await).await;
    a_build_that_was_refused_spent_nothing(fresh().await).await;
    what_was_taken_back_after_the_judgement_entitles_to_nothing(fresh().await).await;
    a_suspension_ends_everything_at_once(fresh().await).await;
    a_grant_that_began_meanwhile_stops_the_suspension(fresh().await).await;
    ending_all_holds_nothing(fresh().await).await;
    notices_have_no_gap_under_a_race(fresh().await).await;
    a_notice_loses_its_name_when_nobody_needs_it(fresh().await).await;
    every_queued_event_becomes_one_leaf(fresh().await).await;
    a_manifest_is_published_once_and_proved(fresh().await).await;
    what_is_forgotten_is_gone(fresh().await).await;
}

/// A grant shows up under its holder, in force, until it is ended; and it is ended once.
pub async fn a_grant_is_found_by_its_holder_and_ends_once<S: Store>(store: Arc<S>) {
    member(&*store).await;
    let issued = store.issue(asked(1)).await.unwrap();

    let found = grants(&*store, NOW).await;

    assert_eq!(issued, Outcome::Issued);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, id(1));
    assert!(
        store
            .end(ending(1, Some(lookup(66))))
            .await
            .is_ok_and(|ended| !ended),
        "not yours"
    );
    assert!(store.end(ending(1, Some(HOLDER))).await.unwrap());
    assert!(!store.end(ending(1, None)).await.unwrap());
    assert!(grants(&*store, NOW).await.is_empty());
    assert!(store.grant(id(1)).await.unwrap().unwrap().ended);
    let told = store.notices(0, 10).await.unwrap();
    let notices: Vec<_> = told.notices.into_iter().map(|n| n.notice).collect();
    assert_eq!(
        notices,
        [Notice::Ended {
            grant: sub(1),
            until: LIVE
        }]
    );
}

/// Twenty callers present one refresh token at once; all that get an answer get the same successor.
pub async fn oid_24_a_refresh_token_has_one_successor<S: Store + 'static>(store: Arc<S>) {
    member(&*store).await;
    store.issue(asked(1)).await.unwrap();
    let mut racers = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&store);
        racers.spawn(async move { store.issue(renewal(1, 11, 12, NOW)).await.unwrap() });
    }

    let answers = racers.join_all().await;

    assert!(
        answers.iter().all(|answer| *answer == Outcome::Issued),
        "within the grace"
    );
    let after = store.issue(renewal(1, 12, 13, later(1))).await.unwrap();
    assert_eq!(after, Outcome::Issued, "the one successor works, once");
}

/// A token that comes back after the grace is in two hands: its grant ends, successors too.
pub async fn oid_24_a_spent_refresh_token_ends_its_grant<S: Store>(store: Arc<S>) {
    member(&*store).await;
    store.issue(asked(1)).await.unwrap();
    store.issue(renewal(1, 11, 12, NOW)).await.unwrap();

    let retry = store.issue(renewal(1, 11, 12, later(10))).await.unwrap();
    let late = store.issue(renewal(1, 11, 12, later(11))).await.unwrap();

    assert_eq!(retry, Outcome::Issued);
    assert_eq!(late, Outcome::Reused);
    assert!(grants(&*store, NOW).await.is_empty());
    let successor = store.issue(renewal(1, 12, 13, later(11))).await.unwrap();
    assert_eq!(successor, Outcome::Spent);
    assert!(
        store
            .renewable(Hashed::from_bytes([12; 32]))
            .await
            .unwrap()
            .is_none()
    );
}

/// Also within the grace: once the successor was used, the old one is no retry.
pub async fn oid_24_a_retry_after_the_successor_was_used_is_reuse<S: Store>(store: Arc<S>) {
    member(&*store).await;
    store.issue(asked(1)).await.unwrap();
    store.issue(renewal(1, 11, 12, NOW)).await.unwrap();
    store.issue(renewal(1, 12, 13, later(1))).await.unwrap();

    let outcome = store.issue(renewal(1, 11, 12, later(2))).await.unwrap();

    assert_eq!(outcome, Outcome::Reused);
}

/// Thirty-two pollers see a yes; one of them gets a grant.
pub async fn a_device_code_is_spent_once<S: Store + 'static>(store: Arc<S>) {
    member(&*store).await;
    store.ask(asking(1), LIMITS).await.unwrap();
    store.answer(lookup(1), allow(), NOW).await.unwrap();
    let Poll::Allowed(allowed) = store.poll(Hashed::from_bytes([1; 32]), NOW).await.unwrap() else {
        panic!("the person said yes");
    };
    assert_eq!(allowed.holder, HOLDER);
    let mut racers = JoinSet::new();
    for n in 0..32 {
        let store = Arc::clone(&store);
        racers.spawn(async move {
            let basis = Basis::Device(Hashed::from_bytes([1; 32]), new_grant(n));
            store.issue(issuance(n, basis, NOW)).await.unwrap()
        });
    }

    let answers = racers.join_all().await;

    let issued = answers.iter().filter(|answer| **answer == Outcome::Issued);
    assert_eq!(issued.count(), 1);
    let gone = store
        .poll(Hashed::from_bytes([1; 32]), later(60))
        .await
        .unwrap();
    assert_eq!(gone, Poll::Expired);
}

/// RFC 8628, section 3.5: each `slow_down` adds five seconds.
pub async fn a_poll_that_comes_too_soon_waits_longer<S: Store>(store: Arc<S>) {
    store.ask(asking(1), LIMITS).await.unwrap();
    let code = Hashed::from_bytes([1; 32]);

    assert_eq!(store.poll(code, NOW).await.unwrap(), Poll::Waiting);
    assert_eq!(store.poll(code, later(4)).await.unwrap(), Poll::TooSoon);
    assert_eq!(
        store.poll(code, later(13)).await.unwrap(),
        Poll::TooSoon,
        "ten seconds now"
    );
    assert_eq!(
        store.poll(code, later(28)).await.unwrap(),
        Poll::Waiting,
        "fifteen now"
    );
    assert_eq!(store.poll(code, later(600)).await.unwrap(), Poll::Expired);
    assert_eq!(
        store.poll(Hashed::from_bytes([2; 32]), NOW).await.unwrap(),
        Poll::Expired
    );
}

/// No is final, and a code that was answered does not wait any more.
pub async fn a_denied_login_stays_denied<S: Store>(store: Arc<S>) {
    store.ask(asking(1), LIMITS).await.unwrap();

    assert!(store.answer(lookup(1), Answer::Deny, NOW).await.unwrap());

    assert!(!store.answer(lookup(1), allow(), NOW).await.unwrap());
    let poll = store.poll(Hashed::from_bytes([1; 32]), NOW).await.unwrap();
    assert_eq!(poll, Poll::Denied);
}

/// A network that begins too many is refused; another one is not.
pub async fn logins_from_one_network_are_counted<S: Store>(store: Arc<S>) {
    let limits = AskLimits {
        per_network: 2,
        ..LIMITS
    };
    for n in 1..=2 {
        assert_eq!(store.ask(asking(n), limits).await.unwrap(), Asked::Waiting);
    }

    let elsewhere = Asking {
        network: lookup(99),
        ..asking(4)
    };

    assert_eq!(store.ask(asking(3), limits).await.unwrap(), Asked::TooMany);
    assert_eq!(store.ask(elsewhere, limits).await.unwrap(), Asked::Waiting);
    let taken = Asking {
        network: lookup(98),
        code: Hashed::from_bytes([9; 32]),
        ..asking(4)
    };
    assert_eq!(store.ask(taken, limits).await.unwrap(), Asked::Taken);
}

/// Guessing is bounded: also a right guess is refused once there were too many.
pub async fn typed_codes_are_counted_before_they_are_looked_up<S: Store>(store: Arc<S>) {
    store.ask(asking(1), LIMITS).await.unwrap();
    let entry = |user, now| Entry {
        user: lookup(user),
        holder: HOLDER,
        now,
        since: UnixMillis(now.0 - 600_000),
        at_most: 3,
    };

    for _ in 0..3 {
        let typed = store.typed(entry(2, NOW)).await.unwrap();
        assert!(matches!(typed, Typed::Unknown));
    }

    assert!(matches!(
        store.typed(entry(1, NOW)).await.unwrap(),
        Typed::Paused
    ));
    let found = store.typed(entry(1, later(599))).await.unwrap();
    assert!(matches!(found, Typed::Paused), "the pause lasts");
    let other = Entry {
        holder: lookup(77),
        ..entry(1, NOW)
    };
    let Typed::Found(waiting) = store.typed(other).await.unwrap() else {
        panic!("another member has its own count");
    };
    assert_eq!(waiting.surface, "claude_code");
}

/// Sixteen exchanges of one code; one grant.
pub async fn an_authorization_code_is_used_once<S: Store + 'static>(store: Arc<S>) {
    member(&*store).await;
    let code = Hashed::from_bytes([1; 32]);
    store.keep_code(kept_code(1)).await.unwrap();
    let mut racers = JoinSet::new();
    for n in 0..16 {
        let store = Arc::clone(&store);
        racers.spawn(async move {
            let basis = Basis::Code(Hashed::from_bytes([1; 32]), new_grant(n));
            (n, store.issue(issuance(n, basis, NOW)).await.unwrap())
        });
    }

    let answers = racers.join_all().await;

    let issued: Vec<_> = answers
        .iter()
        .filter(|(_, o)| *o == Outcome::Issued)
        .collect();
    assert_eq!(issued.len(), 1);
    let kept = store.code(code).await.unwrap().unwrap();
    assert_eq!(
        kept.used_for,
        Some(id(issued[0].0)),
        "so that a second use is seen"
    );
    let basis = Basis::Code(Hashed::from_bytes([2; 32]), new_grant(40));
    let unknown = store.issue(issuance(40, basis, NOW)).await.unwrap();
    assert_eq!(unknown, Outcome::Spent);
}

/// The quota counts what is in force, under a race too.
pub async fn a_member_has_no_more_grants_than_it_may<S: Store + 'static>(store: Arc<S>) {
    member(&*store).await;
    let mut racers = JoinSet::new();
    for n in 0..8 {
        let store = Arc::clone(&store);
        racers.spawn(async move {
            let grant = NewGrant {
                quota: 3,
                ..new_grant(n)
            };
            store
                .issue(issuance(n, Basis::Asked(grant), NOW))
                .await
                .unwrap()
        });
    }

    let answers = racers.join_all().await;

    assert_eq!(answers.iter().filter(|o| **o == Outcome::Issued).count(), 3);
    assert_eq!(answers.iter().filter(|o| **o == Outcome::Full).count(), 5);
}

/// Of any number of racing callers with one token, one gets a grant; and it is forgotten only when
/// neither the token nor the grant is good any more.
pub async fn a_platforms_token_is_spent_once<S: Store + 'static>(store: Arc<S>) {
    member(&*store).await;
    let mut racers = JoinSet::new();
    for n in 0..16 {
        let store = Arc::clone(&store);
        racers.spawn(async move { store.issue(build(n, 1)).await.unwrap() });
    }

    let answers = racers.join_all().await;

    assert_eq!(answers.iter().filter(|o| **o == Outcome::Issued).count(), 1);
    assert_eq!(answers.iter().filter(|o| **o == Outcome::Spent).count(), 15);
    let kept = grants(&*store, NOW).await;
    assert_eq!(kept.len(), 1);
    let builds = store.builds(NOW).await.unwrap();
    assert_eq!(builds.len(), 1);
    assert_eq!((builds[0].rule, &builds[0].grant), (lookup(90), &kept[0]));
    assert_eq!(store.of_client("bauta-ci", NOW).await.unwrap(), kept);
    assert!(store.of_client("bauta-cli", NOW).await.unwrap().is_empty());
    assert!(
        store
            .of_client("bauta-ci", later(86_400))
            .await
            .unwrap()
            .is_empty()
    );
    store.tidy(later(599)).await.unwrap();
    assert_eq!(store.issue(build(20, 1)).await.unwrap(), Outcome::Spent);
    let other = store.issue(build(21, 2)).await.unwrap();
    assert_eq!(other, Outcome::Issued);
    assert!(store.end(ending(21, None)).await.unwrap());
    assert_eq!(store.builds(NOW).await.unwrap().len(), 1, "it has ended");
    store.tidy(later(601)).await.unwrap();
    assert_eq!(store.issue(build(22, 1)).await.unwrap(), Outcome::Issued);
}

/// A token whose build was one too many, or whose sponsor is suspended, opens something later.
/// Builds count for themselves.
pub async fn a_build_that_was_refused_spent_nothing<S: Store>(store: Arc<S>) {
    member(&*store).await;
    store.issue(asked(1)).await.unwrap();
    let one_at_once = |n, token| {
        let grant = NewGrant {
            quota: 1,
            ..built(n)
        };
        issuance(n, Basis::Workload(presented(token), grant), NOW)
    };

    let first = store.issue(one_at_once(2, 1)).await.unwrap();
    let second = store.issue(one_at_once(3, 2)).await.unwrap();
    let own = Issuance {
        basis: Basis::Asked(NewGrant {
            quota: 2,
            ..new_grant(4)
        }),
        ..asked(4)
    };

    assert_eq!((first, second), (Outcome::Issued, Outcome::Full));
    assert_eq!(store.issue(own).await.unwrap(), Outcome::Issued);
    assert!(store.end(ending(2, None)).await.unwrap());
    let again = store.issue(one_at_once(3, 2)).await.unwrap();
    assert_eq!(again, Outcome::Issued);
    store.fall(fall(&[1, 3, 4])).await.unwrap();
    assert!(store.builds(NOW).await.unwrap().is_empty());
    assert_eq!(store.issue(build(5, 3)).await.unwrap(), Outcome::Barred);
    assert!(store.rise(rise()).await.unwrap());
    assert_eq!(store.issue(build(5, 3)).await.unwrap(), Outcome::Issued);
}

/// State, grants, codes, pseudonyms and notices: one transaction, and nothing is issued after it.
pub async fn a_suspension_ends_everything_at_once<S: Store>(store: Arc<S>) {
    member(&*store).await;
    store.issue(asked(1)).await.unwrap();
    store.keep_code(kept_code(1)).await.unwrap();
    store.ask(asking(1), LIMITS).await.unwrap();
    store.answer(lookup(1), allow(), NOW).await.unwrap();

    let fell = store.fall(fall(&[1])).await.unwrap();

    assert_eq!(fell, Fell::Ended(1));
    assert_eq!(store.issue(asked(2)).await.unwrap(), Outcome::Barred);
    let basis = Basis::Device(Hashed::from_bytes([1; 32]), new_grant(3));
    let device = store.issue(issuance(3, basis, NOW)).await.unwrap();
    assert_eq!(device, Outcome::Barred);
    assert!(
        store
            .code(Hashed::from_bytes([1; 32]))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(store.fall(fall(&[])).await.unwrap(), Fell::Already);
    let told = store.notices(0, 10).await.unwrap();
    let notices: Vec<_> = told.notices.into_iter().map(|n| n.notice).collect();
    let first = [
        Notice::Ended {
            grant: sub(1),
            until: LIVE,
        },
        Notice::Suspended {
            pseudonym: sub(200),
        },
    ];
    assert_eq!(notices, first, "and a second suspension says nothing new");

    assert!(store.rise(rise()).await.unwrap());

    assert!(!store.rise(rise()).await.unwrap());
    assert!(store.held(HOLDER).await.unwrap().is_empty());
    let told = store.notices(2, 10).await.unwrap();
    assert_eq!(told.last, 3);
    assert_eq!(
        told.notices[0].notice,
        Notice::Lifted {
            pseudonym: sub(200)
        }
    );
    assert_eq!(store.issue(asked(4)).await.unwrap(), Outcome::Issued);
}

/// A grant that nobody could tell the gateway of must not live on: then nothing is changed.
pub async fn a_grant_that_began_meanwhile_stops_the_suspension<S: Store>(store: Arc<S>) {
    member(&*store).await;
    store.issue(asked(1)).await.unwrap();
    store.issue(asked(2)).await.unwrap();

    let fell = store.fall(fall(&[1])).await.unwrap();

    assert_eq!(fell, Fell::Changed);
    assert_eq!(grants(&*store, NOW).await.len(), 2);
    assert!(store.held(HOLDER).await.unwrap().is_empty());
    assert_eq!(store.fall(fall(&[1, 2])).await.unwrap(), Fell::Ended(2));
}

/// Signing out everywhere ends grants and leaves the member as it is.
pub async fn ending_all_holds_nothing<S: Store>(store: Arc<S>) {
    member(&*store).await;
    store.issue(asked(1)).await.unwrap();

    let fell = store
        .end_all(HOLDER, vec![named(1)], NOW, event())
        .await
        .unwrap();
    let again = store
        .end_all(HOLDER, Vec::new(), NOW, event())
        .await
        .unwrap();

    assert_eq!((fell, again), (Fell::Ended(1), Fell::Ended(0)));
    assert!(store.held(HOLDER).await.unwrap().is_empty());
    assert_eq!(store.issue(asked(2)).await.unwrap(), Outcome::Issued);
}

/// Sixteen writers; numbers 1 to 16, each once.
pub async fn notices_have_no_gap_under_a_race<S: Store + 'static>(store: Arc<S>) {
    let gate = Gate::parse("frontier@1").unwrap();
    let mut racers = JoinSet::new();
    for _ in 0..16 {
        let (store, gate) = (Arc::clone(&store), gate.clone());
        racers.spawn(async move {
            let notice = Notice::Gate {
                gate,
                effective_from: NOW,
            };
            store.announce(vec![notice]).await.unwrap();
        });
    }

    racers.join_all().await;

    let told = store.notices(0, 100).await.unwrap();
    let numbers: Vec<_> = told.notices.iter().map(|notice| notice.seq).collect();
    assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
    assert_eq!(told.last, 16);
    let part = store.notices(10, 3).await.unwrap();
    assert_eq!(
        part.notices.iter().map(|n| n.seq).collect::<Vec<_>>(),
        [11, 12, 13]
    );
    assert_eq!(part.last, 16);
}

/// Once its tokens have expired, a grant's name is nobody's business; its number stays.
pub async fn a_notice_loses_its_name_when_nobody_needs_it<S: Store>(store: Arc<S>) {
    member(&*store).await;
    store.issue(asked(1)).await.unwrap();
    store.end(ending(1, None)).await.unwrap();

    store.tidy(UnixMillis(LIVE.0 - 1)).await.unwrap();
    let before = store.notices(0, 10).await.unwrap();
    store.tidy(LIVE).await.unwrap();
    let after = store.notices(0, 10).await.unwrap();

    assert_eq!(
        before.notices[0].notice,
        Notice::Ended {
            grant: sub(1),
            until: LIVE
        }
    );
    assert_eq!(after.last, 1);
    assert!(
        !serde_json::to_string(&after.notices)
            .unwrap()
            .contains(sub(1).as_str())
    );
    assert!(
        store.grant(id(1)).await.unwrap().is_none(),
        "and the row goes"
    );
}

/// An issuance and its leaf are one commit, and a leaf is made once.
pub async fn every_queued_event_becomes_one_leaf<S: Store + 'static>(store: Arc<S>) {
    member(&*store).await;
    seal(&*store, NOW).await;
    let before = store.head().await.unwrap().size;
    for n in 0..5 {
        store.issue(asked(n)).await.unwrap();
    }
    let mut racers = JoinSet::new();
    for _ in 0..4 {
        let store = Arc::clone(&store);
        racers.spawn(async move { seal(&*store, NOW).await });
    }

    racers.join_all().await;

    let size = store.head().await.unwrap().size;
    assert_eq!(size - before, 5);
    let leaves = store.leaves(before..size).await.unwrap();
    for leaf in leaves {
        assert_eq!(
            leaf.salt,
            Some([5; 32]),
            "the salt that was drawn with the event"
        );
        assert!(leaf.event.unwrap().contains("token.issued"));
    }
}

/// One text, one leaf, public, and the log can prove it.
pub async fn a_manifest_is_published_once_and_proved<S: Store>(store: Arc<S>) {
    member(&*store).await;
    seal(&*store, NOW).await;
    let text = r#"{"at":"2026-11-21T00:00:00.000Z","type":"manifest"}"#.to_owned();

    let index = store.publish(text.clone(), signer(), NOW).await.unwrap();
    let again = store
        .publish(text.clone(), signer(), later(1))
        .await
        .unwrap();
    let other = store
        .publish(format!("{text} "), signer(), later(2))
        .await
        .unwrap();

    assert_eq!(index, again);
    assert!(other > index);
    assert_eq!(
        store.manifest().await.unwrap(),
        Some((other, format!("{text} ")))
    );
    let head = store.head().await.unwrap();
    let plan = Plan::inclusion(index, head.size).unwrap();
    let ids: Vec<_> = plan.nodes().collect();
    let hashes = store.nodes(&ids).await.unwrap();
    let known = |id| Some(hashes[ids.iter().position(|n| *n == id)?]);
    let proof = plan.prove(known).unwrap();
    let leaf = leaf_hash(None, text.as_bytes());
    assert_eq!(
        verify_inclusion(&leaf, index, head.size, &proof, &head.root),
        Ok(())
    );
}

/// Nothing found by the holder is left, and leaves that named it are noise; the tree stays.
pub async fn what_is_forgotten_is_gone<S: Store>(store: Arc<S>) {
    member(&*store).await;
    store.issue(asked(1)).await.unwrap();
    seal(&*store, NOW).await;
    let head = store.head().await.unwrap();

    let changed = store.forget_holder(HOLDER, Vec::new(), NOW).await.unwrap();
    let fell = store
        .forget_holder(HOLDER, vec![named(1)], NOW)
        .await
        .unwrap();

    assert_eq!(changed, Fell::Changed, "first its grants end");
    assert_eq!(fell, Fell::Ended(1));
    assert!(store.grant(id(1)).await.unwrap().is_none());
    let leaves = store.leaves(0..head.size).await.unwrap();
    let text: Vec<_> = leaves
        .iter()
        .filter_map(|leaf| leaf.event.clone())
        .collect();
    assert!(!text.concat().contains(&hex(&HOLDER)));
    assert_eq!(store.head().await.unwrap().root, head.root);
}

/// Tokens are judged first and written later. Between the two a vendor may take its word back or a
/// sign-in may find that a group is gone: the later word counts, also for who only renews.
pub async fn what_was_taken_back_after_the_judgement_entitles_to_nothing<S: Store>(store: Arc<S>) {
    member(&*store).await;
    let judged = asked(1);
    let open_to_all = Issuance {
        ground: Ground {
            scope: None,
            ..judged.ground.clone()
        },
        ..asked(3)
    };
    assert_eq!(
        store.issue(judged.clone()).await.unwrap(),
        Outcome::Issued,
        "it holds"
    );

    sign_in(&*store, false, Rights::default()).await;
    assert_eq!(store.issue(asked(2)).await.unwrap(), Outcome::Withdrawn);
    let renewed = store.issue(renewal(1, 11, 12, NOW)).await.unwrap();
    assert_eq!(renewed, Outcome::Withdrawn);
    assert_eq!(
        store.issue(open_to_all.clone()).await.unwrap(),
        Outcome::Issued,
        "no group is asked for"
    );

    sign_in(&*store, false, rights()).await;
    let other = Issuance {
        ground: Ground {
            attestation: AttestationId([99; 16]),
            scope: None,
        },
        ..asked(4)
    };
    assert_eq!(
        store.issue(other).await.unwrap(),
        Outcome::Withdrawn,
        "somebody else's"
    );
    let renewed = store.issue(renewal(1, 11, 12, NOW)).await.unwrap();
    assert_eq!(renewed, Outcome::Issued, "a refusal spent nothing");

    let declined = Decision {
        from: VerificationState::Approved,
        state: VerificationState::Declined,
        grant: None,
        seen: lookup(82),
        ..approval()
    };
    assert_eq!(store.decide(&declined).await.unwrap(), Decided::Written);

    let late = Issuance {
        id: id(5),
        ..open_to_all
    };
    assert_eq!(store.issue(late).await.unwrap(), Outcome::Withdrawn);
    let renewed = store.issue(renewal(1, 12, 13, NOW)).await.unwrap();
    assert_eq!(renewed, Outcome::Withdrawn);
    let alive = grants(&*store, NOW).await;
    assert_eq!(alive.len(), 2, "only what was written before");
}

/// Somebody who may have what [`asked`] asks for.
async fn member<S: Store + ?Sized>(store: &S) {
    sign_in(store, true, rights()).await;
    let attempt = NewVerification {
        verification: VERIFICATION,
        member: MEMBER,
        vendor: "persona".to_owned(),
        lookup: lookup(80),
        reference: lookup(83),
        vendor_session: vec![7; 40],
        notice_version: "n1".to_owned(),
        now: NOW,
        redact_at: LIVE,
        event: event(),
    };
    let begun = store
        .begin_verification(&attempt, 9, UnixMillis(0))
        .await
        .unwrap();
    assert_eq!(begun, Begun::Begun);
    assert_eq!(store.decide(&approval()).await.unwrap(), Decided::Written);
}

fn approval() -> Decision {
    let row = AttestationRow {
        attestation: ATTESTATION,
        member: MEMBER,
        state: AttestationState::Valid,
        verified_on: UnixDay(20_758),
        expires_on: UnixDay(21_152),
        record: "{}".to_owned(),
        signature: [6; 64],
    };
    Decision {
        verification: VERIFICATION,
        from: VerificationState::Started,
        seen: lookup(81),
        at: NOW,
        now: NOW,
        state: VerificationState::Approved,
        redact_at: None,
        grant: Some(NewAttestation {
            row,
            nonce: [4; 32],
        }),
        events: Vec::new(),
    }
}

fn rights() -> Rights {
    Rights {
        scopes: [scope()].into(),
        ..Rights::default()
    }
}

async fn sign_in<S: Store + ?Sized>(store: &S, new: bool, rights: Rights) {
    let entry = SignIn {
        tag: TagRow {
            member: MEMBER,
            tag: lookup(50),
            pepper_from: 1,
            pepper_to: 1,
        },
        new,
        join: None,
        rights,
        claimed: Claimed::default(),
        session: lookup(if new { 51 } else { 53 }),
        idp_session: None,
        subject: lookup(52),
        replaces: (!new).then_some(lookup(53)),
        now: NOW,
        expires_at: later(3_600),
        events: Vec::new(),
    };
    store.sign_in(&entry).await.unwrap();
}

async fn grants<S: Store + ?Sized>(store: &S, now: UnixMillis) -> Vec<super::grants::KeptGrant> {
    super::grants::Grants::grants(store, HOLDER, now)
        .await
        .unwrap()
}

async fn seal<S: Store + ?Sized>(store: &S, now: UnixMillis) {
    let seal = Seal {
        signer: signer(),
        now,
        at_most: 100,
    };
    store.seal(seal).await.unwrap();
}

fn signer() -> Arc<Signer> {
    Arc::new(Signer::new("example.org/identity", &[7; 32]).unwrap())
}

fn asked(n: u8) -> Issuance {
    issuance(n, Basis::Asked(new_grant(n)), NOW)
}

fn build(n: u8, token: u8) -> Issuance {
    issuance(n, Basis::Workload(presented(token), built(n)), NOW)
}

fn built(n: u8) -> NewGrant {
    NewGrant {
        client: "bauta-ci",
        refresh: None,
        ..new_grant(n)
    }
}

fn presented(token: u8) -> Presented {
    Presented {
        token: lookup(token),
        rule: lookup(90),
        until: later(600),
    }
}

fn renewal(n: u8, old: u8, new: u8, now: UnixMillis) -> Issuance {
    let renewal = Renewal {
        old: Hashed::from_bytes([old; 32]),
        new: Hashed::from_bytes([new; 32]),
        grace_millis: 10_000,
        reuse: event(),
    };
    issuance(n, Basis::Renewal(renewal), now)
}

fn issuance(n: u8, basis: Basis, now: UnixMillis) -> Issuance {
    Issuance {
        member: MEMBER,
        ground: Ground {
            attestation: ATTESTATION,
            scope: Some(scope()),
        },
        id: id(n),
        end: sub(n),
        basis,
        live_until: LIVE,
        ends_at: later(86_400),
        now,
        leaf: event(),
    }
}

fn new_grant(n: u8) -> NewGrant {
    NewGrant {
        holder: HOLDER,
        handle: Handle(vec![n; 60]),
        label: None,
        client: "bauta-cli",
        scope: scope(),
        refresh: Some(Hashed::from_bytes([n + 10; 32])),
        quota: 100,
    }
}

fn ending(n: u8, holder: Option<Lookup>) -> Ending {
    Ending {
        id: id(n),
        end: sub(n),
        holder,
        now: NOW,
        leaf: event(),
    }
}

fn fall(grants: &[u8]) -> Fall {
    let held = Held {
        provider: Name::parse("anthropic").unwrap(),
        epoch: UnixDay(20_700),
        why: HeldFor::Suspended,
    };
    Fall {
        member: MEMBER,
        holder: HOLDER,
        grants: grants.iter().map(|n| named(*n)).collect(),
        reason: "case".to_owned(),
        held: vec![(held, sub(200))],
        now: NOW,
        leaf: event(),
    }
}

fn rise() -> Rise {
    Rise {
        member: MEMBER,
        holder: HOLDER,
        lifted: vec![sub(200)],
        leaf: event(),
    }
}

fn named(n: u8) -> Named {
    Named {
        id: id(n),
        end: sub(n),
    }
}

fn asking(n: u8) -> Asking {
    Asking {
        code: Hashed::from_bytes([n; 32]),
        user: lookup(n),
        surface: "claude_code".to_owned(),
        network: lookup(100),
        scope: None,
        asked_at: NOW,
        expires_at: later(600),
        wait_seconds: 5,
    }
}

fn allow() -> Answer {
    Answer::Allow(Allowed {
        holder: HOLDER,
        handle: Handle(vec![3; 45]),
        scope: scope(),
    })
}

fn kept_code(n: u8) -> KeptCode {
    KeptCode {
        code: Hashed::from_bytes([n; 32]),
        challenge: [8; 32],
        redirect: "http://127.0.0.1:8080/callback".to_owned(),
        client: "bauta-cli".to_owned(),
        scope: scope(),
        holder: HOLDER,
        handle: Handle(vec![4; 45]),
        expires_at: later(60),
        used_for: None,
    }
}

fn event() -> Event {
    struct Fixed;
    impl Randomness for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(5);
        }
    }
    Event::private(
        "token.issued",
        NOW,
        json!({ "holder": hex(&HOLDER) }),
        &Fixed,
    )
}

fn scope() -> Name {
    Name::parse("frontier").unwrap()
}

fn id(n: u8) -> Lookup {
    Lookup([n; 32])
}

fn lookup(n: u8) -> Lookup {
    Lookup([n; 32])
}

fn sub(n: u8) -> Pseudonym {
    Pseudonym::from_bytes(&[n; 32])
}

const fn later(seconds: i64) -> UnixMillis {
    NOW.plus_seconds(seconds)
}

const MEMBER: MemberId = MemberId([1; 16]);
const ATTESTATION: AttestationId = AttestationId([31; 16]);
const VERIFICATION: VerificationId = VerificationId([32; 16]);
const HOLDER: Lookup = Lookup([200; 32]);
const NOW: UnixMillis = UnixMillis(1_795_219_200_000);
const LIVE: UnixMillis = NOW.plus_seconds(3_600);
const LIMITS: AskLimits = AskLimits {
    since: UnixMillis(0),
    per_network: 30,
    in_all: 600,
};
