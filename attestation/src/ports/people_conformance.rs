//! What every implementation of the port for members must pass.
//!
//! # Panics
//!
//! Each function panics when the implementation breaks its promise.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a suite: a broken promise is a panic"
)]

use std::{collections::BTreeSet, sync::Arc};

use bauta_audit::note::Signer;
use bauta_token::{
    ambient::Randomness,
    scope::Name,
    units::{UnixDay, UnixMillis},
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    AttestationId, Event, Lookup, MemberId, Rights, Role, Store, VerificationId,
    directory::Claimed,
    grants::{Fall, Rise, Seal},
    people::{
        AttestationRow, AttestationState, BackChannelLogout, Begun, Decided, Decision, Horizon,
        LoginAttempt, LoginBegun, LoginLimits, LogoutNames, Meeting, MeetingCode, MemberState, Met,
        NewAttestation, NewVerification, Once, PolicyRow, RedactionState, RedactionStep, SignIn,
        SignedInAs, SigningKeyRow, TagRow, Unredacted, VerificationState as To, Vouch, Vouched,
    },
};

/// Runs the whole suite, each part on a store of its own from `fresh`.
pub async fn all<S: Store + 'static, F: AsyncFn() -> Arc<S>>(fresh: F) {
    oid_01_a_login_is_taken_once_by_its_browser_and_in_time(fresh().await).await;
    one_state_is_taken_once_in_a_race(fresh().await).await;
    sign_ins_under_way_are_bounded_by_network_and_in_all(fresh().await).await;
    of_racing_sign_ins_no_more_begin_than_may(fresh().await).await;
    a_member_comes_back_as_it_was_written(fresh().await).await;
    two_first_sign_ins_make_one_member(fresh().await).await;
    oid_11_a_new_session_ends_the_one_it_replaces(fresh().await).await;
    a_session_ends_by_idleness_and_by_age(fresh().await).await;
    a_logout_token_ends_every_session_once(fresh().await).await;
    attempts_of_a_day_are_counted(fresh().await).await;
    whk_04_a_hundred_deliveries_have_one_effect(fresh().await).await;
    a_late_completed_changes_nothing_and_a_late_declined_revokes(fresh().await).await;
    a_new_attestation_replaces_the_old(fresh().await).await;
    a_decision_from_another_state_is_told_so(fresh().await).await;
    a_redaction_goes_from_due_to_confirmed_and_forgets_the_session(fresh().await).await;
    two_officers_attest_and_one_does_not(fresh().await).await;
    a_word_that_is_too_old_does_not_count(fresh().await).await;
    the_word_of_who_is_no_officer_any_more_does_not_count(fresh().await).await;
    a_code_leads_to_who_shows_it_while_it_lasts(fresh().await).await;
    an_officer_who_guesses_codes_is_paused(fresh().await).await;
    a_word_that_lapsed_is_not_shown_as_one(fresh().await).await;
    erasure_leaves_noise_and_nothing_else(fresh().await).await;
    a_policy_is_adopted_once(fresh().await).await;
    of_replicas_that_start_together_one_makes_the_key(fresh().await).await;
    a_fingerprint_stays_what_it_was_first(fresh().await).await;
    a_tag_is_wrapped_unless_it_changed_meanwhile(fresh().await).await;
    an_attestation_expires_once(fresh().await).await;
    what_has_had_its_time_is_forgotten(fresh().await).await;
}

const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

const LIMITS: LoginLimits = LoginLimits {
    now: NOW,
    per_network: 100,
    in_all: 100,
};

struct Fixed(u8);

impl Randomness for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

fn event(about: MemberId, what: &'static str) -> Event {
    Event::private(what, NOW, json!({ "member": about }), &Fixed(9))
}

fn member(n: u8) -> MemberId {
    MemberId([n; 16])
}

fn key(n: u8) -> Lookup {
    Lookup([n; 32])
}

fn sign_in(n: u8, session: u8, now: UnixMillis) -> SignIn {
    SignIn {
        tag: TagRow {
            member: member(n),
            tag: key(n),
            pepper_from: 1,
            pepper_to: 1,
        },
        new: true,
        join: Some(key(n.wrapping_add(100))),
        rights: Rights {
            roles: BTreeSet::from([Role::Officer]),
            scopes: Name::parse("frontier").into_iter().collect(),
        },
        claimed: Claimed::default(),
        session: key(session),
        idp_session: Some(key(session.wrapping_add(1))),
        subject: key(n.wrapping_add(50)),
        replaces: None,
        now,
        expires_at: now.plus_seconds(3_600),
        events: vec![event(member(n), "sso.login")],
    }
}

async fn join(store: &dyn Store, n: u8) {
    let joined = store
        .sign_in(&sign_in(n, n.wrapping_add(200), NOW))
        .await
        .unwrap();
    assert_eq!(joined, SignedInAs::Written);
}

fn attempt(n: u8, of: u8) -> NewVerification {
    NewVerification {
        verification: VerificationId([n; 16]),
        member: member(of),
        vendor: "persona".to_owned(),
        lookup: key(n),
        reference: key(n.wrapping_add(1)),
        vendor_session: vec![n; 40],
        notice_version: "n7".to_owned(),
        now: NOW,
        redact_at: NOW.plus_seconds(1_000),
        event: event(member(of), "verification.started"),
    }
}

async fn begin(store: &dyn Store, n: u8, of: u8) {
    let began = store
        .begin_verification(&attempt(n, of), 5, UnixMillis(0))
        .await
        .unwrap();
    assert_eq!(began, Begun::Begun);
}

fn attestation(n: u8, of: u8) -> NewAttestation {
    NewAttestation {
        row: AttestationRow {
            attestation: AttestationId([n; 16]),
            member: member(of),
            state: AttestationState::Valid,
            verified_on: UnixDay(20_700),
            expires_on: UnixDay(21_000),
            record: format!("{{\"n\":{n}}}"),
            signature: [n; 64],
        },
        nonce: [n; 32],
    }
}

fn decision(verification: u8, seen: u8, at: i64, from: To, state: To) -> Decision {
    Decision {
        verification: VerificationId([verification; 16]),
        from,
        seen: key(seen),
        at: UnixMillis(at),
        now: NOW,
        state,
        redact_at: Some(NOW.plus_seconds(500)),
        grant: None,
        events: vec![event(member(1), "verification.decided")],
    }
}

fn approval(verification: u8, seen: u8, at: i64, grant: NewAttestation) -> Decision {
    Decision {
        grant: Some(grant),
        ..decision(verification, seen, at, To::Started, To::Approved)
    }
}

async fn seal(store: &dyn Store) {
    let signer = Arc::new(Signer::new("log.example", &[3; 32]).unwrap());
    let batch = Seal {
        signer,
        now: NOW,
        at_most: 1_000,
    };
    store.seal(batch).await.unwrap();
}

/// Every event in the log, after all of the queue is sealed.
async fn told(store: &dyn Store) -> Vec<String> {
    seal(store).await;
    let leaves = store.leaves(0..10_000).await.unwrap();
    leaves.into_iter().filter_map(|leaf| leaf.event).collect()
}

fn count(events: &[String], kind: &str) -> usize {
    let kind = format!("\"type\":\"{kind}\"");
    events.iter().filter(|event| event.contains(&kind)).count()
}

async fn oid_01_a_login_is_taken_once_by_its_browser_and_in_time<S: Store>(store: Arc<S>) {
    let login = |state: u8| LoginAttempt {
        state: key(state),
        browser: key(2),
        return_to: "/tokens".to_owned(),
        network: Some(key(3)),
        expires_at: NOW.plus_seconds(600),
    };
    for state in [1, 9] {
        store.begin_login(&login(state), LIMITS).await.unwrap();
    }

    let other_browser = store.take_login(key(1), key(3), NOW).await.unwrap();
    let unknown = store.take_login(key(7), key(2), NOW).await.unwrap();
    let too_late = store
        .take_login(key(9), key(2), NOW.plus_seconds(600))
        .await
        .unwrap();
    let taken = store.take_login(key(1), key(2), NOW).await.unwrap();
    let again = store.take_login(key(1), key(2), NOW).await.unwrap();

    assert_eq!(
        (other_browser, unknown, too_late, again),
        (None, None, None, None)
    );
    assert_eq!(taken.unwrap().return_to, "/tokens");
}

async fn one_state_is_taken_once_in_a_race<S: Store + 'static>(store: Arc<S>) {
    store.begin_login(&login(1, None), LIMITS).await.unwrap();
    let mut racers = JoinSet::new();
    for _ in 0..16 {
        let store = Arc::clone(&store);
        racers.spawn(async move { store.take_login(key(1), key(2), NOW).await.unwrap() });
    }

    let taken = racers.join_all().await.into_iter().flatten().count();

    assert_eq!(taken, 1);
}

fn login(state: u8, network: Option<Lookup>) -> LoginAttempt {
    LoginAttempt {
        state: key(state),
        browser: key(2),
        return_to: "/".to_owned(),
        network,
        expires_at: NOW.plus_seconds(600),
    }
}

async fn sign_ins_under_way_are_bounded_by_network_and_in_all<S: Store>(store: Arc<S>) {
    let (here, there) = (Some(key(91)), Some(key(92)));
    let limits = LoginLimits {
        per_network: 2,
        in_all: 4,
        ..LIMITS
    };
    let begin = async |n, network| store.begin_login(&login(n, network), limits).await.unwrap();
    for n in 1..=2 {
        assert_eq!(begin(n, here).await, LoginBegun::Kept);
    }

    let third = begin(3, here).await;
    let elsewhere = begin(4, there).await;
    let unknown = begin(5, None).await;
    let fifth_in_all = begin(6, Some(key(93))).await;

    assert_eq!(third, LoginBegun::TooMany, "two are under way from here");
    assert_eq!((elsewhere, unknown), (LoginBegun::Kept, LoginBegun::Kept));
    assert_eq!(fifth_in_all, LoginBegun::TooMany);
    let refused = store.take_login(key(3), key(2), NOW).await.unwrap();
    assert_eq!(refused, None, "what is refused is not kept");
    let done = store.take_login(key(1), key(2), NOW).await.unwrap();
    assert!(done.is_some());
    assert_eq!(begin(7, here).await, LoginBegun::Kept, "one was completed");
    let later = LoginLimits {
        now: NOW.plus_seconds(600),
        ..limits
    };
    let lapsed = store.begin_login(&login(8, here), later).await.unwrap();
    assert_eq!(lapsed, LoginBegun::Kept, "the others are void by now");
}

async fn of_racing_sign_ins_no_more_begin_than_may<S: Store + 'static>(store: Arc<S>) {
    let limits = LoginLimits {
        per_network: 3,
        ..LIMITS
    };
    let mut racers = JoinSet::new();
    for n in 0..16 {
        let store = Arc::clone(&store);
        let attempt = login(n, Some(key(91)));
        racers.spawn(async move { store.begin_login(&attempt, limits).await.unwrap() });
    }

    let begun = racers.join_all().await;

    let kept = begun.iter().filter(|begun| **begun == LoginBegun::Kept);
    assert_eq!(kept.count(), 3);
}

async fn a_member_comes_back_as_it_was_written<S: Store>(store: Arc<S>) {
    join(&*store, 1).await;

    let row = store.member(member(1)).await.unwrap().unwrap();
    let by_tag = store.member_by_tag(&[key(77), key(1)]).await.unwrap();

    assert_eq!(by_tag.as_ref(), Some(&row));
    assert_eq!(row.rights, sign_in(1, 0, NOW).rights);
    assert_eq!(
        (row.state, row.reason.as_deref()),
        (MemberState::Active, None)
    );
    assert_eq!((row.join, row.subject), (Some(key(101)), key(51)));
    assert_eq!((row.joined, row.signed_in), (NOW.day(), NOW.day()));
    assert_eq!(store.member_by_tag(&[key(77)]).await.unwrap(), None);

    let later = NOW.plus_seconds(10 * 86_400);
    let again = SignIn {
        new: false,
        rights: Rights::default(),
        ..sign_in(1, 240, later)
    };
    assert_eq!(store.sign_in(&again).await.unwrap(), SignedInAs::Written);
    let row = store.member(member(1)).await.unwrap().unwrap();
    assert_eq!(
        row.rights,
        Rights::default(),
        "no claim is no groups, never the old ones"
    );
    assert_eq!((row.joined, row.signed_in), (NOW.day(), later.day()));
    assert_eq!(store.members(None, 10).await.unwrap(), [row]);
    assert_eq!(store.members(Some(member(1)), 10).await.unwrap(), []);
}

async fn two_first_sign_ins_make_one_member<S: Store + 'static>(store: Arc<S>) {
    let mut racers = JoinSet::new();
    for n in 0..8_u8 {
        let store = Arc::clone(&store);
        racers.spawn(async move {
            let mut entry = sign_in(n, 200 + n, NOW);
            entry.tag.tag = key(1);
            store.sign_in(&entry).await.unwrap()
        });
    }

    let outcomes = racers.join_all().await;

    let written = outcomes
        .iter()
        .filter(|o| **o == SignedInAs::Written)
        .count();
    let raced = outcomes.iter().filter(|o| **o == SignedInAs::Raced).count();
    assert_eq!((written, raced), (1, 7));
    assert_eq!(store.members(None, 10).await.unwrap().len(), 1);
}

async fn oid_11_a_new_session_ends_the_one_it_replaces<S: Store>(store: Arc<S>) {
    store.sign_in(&sign_in(1, 10, NOW)).await.unwrap();
    store
        .sign_in(&SignIn {
            new: false,
            ..sign_in(1, 20, NOW)
        })
        .await
        .unwrap();

    let again = SignIn {
        new: false,
        replaces: Some(key(10)),
        ..sign_in(1, 30, NOW)
    };
    store.sign_in(&again).await.unwrap();

    let live = async |n| store.session(key(n), NOW, 600).await.unwrap().is_some();
    assert!(!live(10).await, "the browser that signed in again");
    assert!(live(20).await, "another browser");
    assert!(live(30).await, "the new one");
    let gone = store
        .end_session(key(30), &event(member(1), "sso.logout"))
        .await
        .unwrap();
    let twice = store
        .end_session(key(30), &event(member(1), "sso.logout"))
        .await
        .unwrap();
    assert_eq!((gone, twice, live(30).await), (true, false, false));
    assert_eq!(count(&told(&*store).await, "sso.logout"), 1);
}

async fn a_session_ends_by_idleness_and_by_age<S: Store>(store: Arc<S>) {
    store.sign_in(&sign_in(1, 10, NOW)).await.unwrap();
    let live = async |seconds| {
        let found = store
            .session(key(10), NOW.plus_seconds(seconds), 600)
            .await
            .unwrap();
        found.is_some()
    };

    assert!(live(0).await && live(500).await, "used within ten minutes");
    assert!(live(1_000).await, "the use at 500 keeps it");
    assert!(!live(1_601).await, "idle");
    assert!(!live(3_600).await, "an hour at most");
    let row = store
        .session(key(10), NOW.plus_seconds(1_200), 600)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((row.member, row.signed_in_at), (member(1), NOW));
    assert_eq!(row.rights.roles, BTreeSet::from([Role::Officer]));
}

async fn a_logout_token_ends_every_session_once<S: Store>(store: Arc<S>) {
    store.sign_in(&sign_in(1, 10, NOW)).await.unwrap();
    store
        .sign_in(&SignIn {
            new: false,
            ..sign_in(1, 20, NOW)
        })
        .await
        .unwrap();
    store.sign_in(&sign_in(2, 30, NOW)).await.unwrap();

    let by_subject = store.named(LogoutNames::Subject(key(51))).await.unwrap();
    let by_session = store.named(LogoutNames::Session(key(21))).await.unwrap();
    let nobody = store.named(LogoutNames::Session(key(99))).await.unwrap();
    assert_eq!(
        (by_subject, by_session, nobody),
        (vec![member(1)], vec![member(1)], vec![])
    );

    let logout = BackChannelLogout {
        members: vec![member(1)],
        token: key(5),
        remember_until: NOW.plus_seconds(600),
        events: vec![event(member(1), "sso.logout")],
    };
    assert!(!store.logout_taken(key(5)).await.unwrap());
    assert_eq!(store.back_channel_logout(&logout).await.unwrap(), Once::Now);
    assert!(store.logout_taken(key(5)).await.unwrap());
    store
        .sign_in(&SignIn {
            new: false,
            ..sign_in(1, 40, NOW)
        })
        .await
        .unwrap();
    assert_eq!(
        store.back_channel_logout(&logout).await.unwrap(),
        Once::Before
    );

    let live = async |n| store.session(key(n), NOW, 600).await.unwrap().is_some();
    assert_eq!(
        (live(10).await, live(20).await, live(30).await),
        (false, false, true)
    );
    assert!(
        live(40).await,
        "a token that comes twice ends nothing that began since"
    );
}

async fn attempts_of_a_day_are_counted<S: Store>(store: Arc<S>) {
    join(&*store, 1).await;
    join(&*store, 2).await;
    for n in 10..12 {
        begin(&*store, n, 1).await;
    }

    let third = store
        .begin_verification(&attempt(20, 1), 2, UnixMillis(0))
        .await
        .unwrap();
    let another_day = store
        .begin_verification(&attempt(30, 1), 2, NOW)
        .await
        .unwrap();
    let another_member = store
        .begin_verification(&attempt(40, 2), 2, UnixMillis(0))
        .await
        .unwrap();

    assert_eq!(
        (third, another_day, another_member),
        (Begun::TooMany, Begun::Begun, Begun::Begun)
    );
    let row = store.verification(key(10)).await.unwrap().unwrap();
    assert_eq!((row.state, row.member), (To::Started, member(1)));
    assert_eq!(
        (row.notice_version.as_str(), row.reference),
        ("n7", key(11))
    );
    assert_eq!(row.vendor_session.as_deref(), Some([10_u8; 40].as_slice()));
    assert_eq!(store.verification(key(20)).await.unwrap(), None);
}

async fn whk_04_a_hundred_deliveries_have_one_effect<S: Store + 'static>(store: Arc<S>) {
    join(&*store, 1).await;
    begin(&*store, 10, 1).await;
    let mut outcomes = Vec::new();
    // In waves: a vendor's retries come a few at once.
    for wave in 0..5_u8 {
        let mut racers = JoinSet::new();
        for n in 0..20_u8 {
            let store = Arc::clone(&store);
            racers.spawn(async move {
                let decision = approval(10, 77, 5_000, attestation(wave * 20 + n, 1));
                store.decide(&decision).await.unwrap()
            });
        }
        outcomes.extend(racers.join_all().await);
    }

    let written = outcomes.iter().filter(|o| **o == Decided::Written).count();
    assert_eq!(written, 1, "{outcomes:?}");
    assert!(store.event_seen(key(77)).await.unwrap());
    assert!(!store.event_seen(key(78)).await.unwrap());
    assert_eq!(count(&told(&*store).await, "verification.decided"), 1);
}

async fn a_late_completed_changes_nothing_and_a_late_declined_revokes<S: Store>(store: Arc<S>) {
    join(&*store, 1).await;
    begin(&*store, 10, 1).await;
    let approved = approval(10, 1, 5_000, attestation(1, 1));
    assert_eq!(store.decide(&approved).await.unwrap(), Decided::Written);

    let older = decision(10, 2, 4_000, To::Approved, To::Declined);
    assert_eq!(
        store.decide(&older).await.unwrap(),
        Decided::Late,
        "an older word"
    );
    let completed = decision(10, 3, 6_000, To::Approved, To::Submitted);
    assert_eq!(
        store.decide(&completed).await.unwrap(),
        Decided::Late,
        "no step back"
    );
    let standing = store.standing(member(1)).await.unwrap().unwrap();
    assert_eq!(standing.attestation, Some(attestation(1, 1).row));

    let declined = decision(10, 4, 7_000, To::Approved, To::Declined);
    assert_eq!(store.decide(&declined).await.unwrap(), Decided::Written);

    let standing = store.standing(member(1)).await.unwrap().unwrap();
    assert_eq!(standing.attestation, None);
    assert_eq!(standing.verification.unwrap().state, To::Declined);
    assert_eq!(store.decide(&declined).await.unwrap(), Decided::Duplicate);
    assert_eq!(count(&told(&*store).await, "verification.decided"), 2);
}

async fn a_new_attestation_replaces_the_old<S: Store>(store: Arc<S>) {
    join(&*store, 1).await;
    for (verification, n) in [(10, 1), (20, 2)] {
        begin(&*store, verification, 1).await;
        let approved = approval(verification, verification, 5_000, attestation(n, 1));
        assert_eq!(store.decide(&approved).await.unwrap(), Decided::Written);
    }

    let standing = store.standing(member(1)).await.unwrap().unwrap();
    assert_eq!(standing.attestation, Some(attestation(2, 1).row));

    // Taking back the first one does not touch the second.
    let declined = decision(10, 30, 9_000, To::Approved, To::Declined);
    store.decide(&declined).await.unwrap();
    let standing = store.standing(member(1)).await.unwrap().unwrap();
    assert_eq!(standing.attestation, Some(attestation(2, 1).row));
}

async fn a_decision_from_another_state_is_told_so<S: Store>(store: Arc<S>) {
    join(&*store, 1).await;
    begin(&*store, 10, 1).await;
    let declined = decision(10, 1, 5_000, To::Started, To::Declined);
    store.decide(&declined).await.unwrap();

    let stale = approval(10, 2, 6_000, attestation(1, 1));
    assert_eq!(store.decide(&stale).await.unwrap(), Decided::Raced);
    assert!(
        !store.event_seen(key(2)).await.unwrap(),
        "it is decided anew"
    );

    let anew = Decision {
        from: To::Declined,
        ..stale
    };
    assert_eq!(store.decide(&anew).await.unwrap(), Decided::Written);
    let nobody = decision(99, 3, 1, To::Started, To::Declined);
    assert_eq!(store.decide(&nobody).await.unwrap(), Decided::Gone);
}

async fn a_redaction_goes_from_due_to_confirmed_and_forgets_the_session<S: Store>(store: Arc<S>) {
    join(&*store, 1).await;
    begin(&*store, 10, 1).await;
    let due = async |seconds| {
        store
            .redactions_due(NOW.plus_seconds(seconds), 9)
            .await
            .unwrap()
    };
    let held = Unredacted {
        sessions: 1,
        oldest: Some(NOW),
    };
    assert_eq!(store.unredacted().await.unwrap(), held);
    assert_eq!(due(999).await.len(), 0);
    assert_eq!(
        due(1_000).await.len(),
        1,
        "an abandoned attempt is redacted too"
    );
    store
        .decide(&approval(10, 1, 5_000, attestation(1, 1)))
        .await
        .unwrap();
    assert_eq!(due(500).await.len(), 1, "a decided one sooner");

    let step = |redaction, again_at, what| RedactionStep {
        verification: VerificationId([10; 16]),
        redaction,
        again_at: UnixMillis(again_at),
        event: Some(event(member(1), what)),
    };
    let later = NOW.plus_seconds(9_000);
    let asked = RedactionState::Requested(NOW);
    store
        .redaction_step(&step(asked, later.0, "redaction.requested"))
        .await
        .unwrap();
    assert_eq!(due(8_999).await.len(), 0);
    let row = due(9_000).await.remove(0);
    assert_eq!((row.redaction, row.vendor_session), (asked, vec![10; 40]));
    assert_eq!(
        (row.member, row.vendor.as_str()),
        (Some(member(1)), "persona")
    );

    // A refusal after redaction was asked for does not ask again.
    store
        .decide(&decision(10, 2, 6_000, To::Approved, To::Declined))
        .await
        .unwrap();
    assert_eq!(due(9_000).await[0].redaction, asked);

    let done = RedactionState::Confirmed(later);
    store
        .redaction_step(&step(done, 0, "redaction.confirmed"))
        .await
        .unwrap();
    assert_eq!(due(99_999).await.len(), 0);
    assert_eq!(store.unredacted().await.unwrap(), Unredacted::default());
    let row = store.verification(key(10)).await.unwrap().unwrap();
    assert_eq!((row.redaction, row.vendor_session), (done, None));
    let events = told(&*store).await;
    assert_eq!(
        (
            count(&events, "redaction.requested"),
            count(&events, "redaction.confirmed")
        ),
        (1, 1)
    );
}

fn vouch(officer: u8, of: u8, now: UnixMillis) -> Vouch {
    Vouch {
        member: member(of),
        officer: member(officer),
        code: key(62),
        now,
        since: now.plus_seconds(-1_000),
        grant: attestation(officer, of),
        event: event(member(of), "verification.vouched"),
        granted: vec![event(member(of), "attestation.created")],
    }
}

/// Another sign-in, whose groups make it an officer or not.
async fn promote(store: &dyn Store, n: u8, officer: bool) {
    let entry = SignIn {
        new: false,
        rights: Rights {
            roles: officer.then_some(Role::Officer).into_iter().collect(),
            ..Rights::default()
        },
        replaces: Some(key(n.wrapping_add(200))),
        ..sign_in(n, n.wrapping_add(200), NOW)
    };
    assert_eq!(store.sign_in(&entry).await.unwrap(), SignedInAs::Written);
}

async fn the_word_of_who_is_no_officer_any_more_does_not_count<S: Store>(store: Arc<S>) {
    for n in 1..7 {
        join(&*store, n).await;
    }
    for n in 1..7 {
        promote(&*store, n, (2..6).contains(&n)).await;
    }
    store.show_code(&shown(1, 62)).await.unwrap();
    let says = async |officer, of| store.vouch(&vouch(officer, of, NOW)).await.unwrap();
    assert_eq!(says(6, 1).await, Vouched::NoOfficer);

    // Demoted between its word and the second one.
    assert_eq!(says(2, 1).await, Vouched::First);
    promote(&*store, 2, false).await;
    let standing = store.standing(member(1)).await.unwrap().unwrap();
    assert_eq!(standing.vouched, 0);
    assert_eq!(says(3, 1).await, Vouched::First, "one officer, not two");

    // Suspended between its word and the second one; its word does not come back with it.
    let fall = Fall {
        member: member(3),
        holder: key(90),
        grants: Vec::new(),
        reason: "case".to_owned(),
        held: Vec::new(),
        now: NOW,
        leaf: event(member(3), "member.suspended"),
    };
    store.fall(fall).await.unwrap();
    assert_eq!(says(3, 6).await, Vouched::NoOfficer);
    let rise = Rise {
        member: member(3),
        holder: key(90),
        lifted: Vec::new(),
        leaf: event(member(3), "member.reinstated"),
    };
    assert!(store.rise(rise).await.unwrap());
    assert_eq!(says(4, 1).await, Vouched::First);
    assert_eq!(says(5, 1).await, Vouched::Granted);
}

async fn two_officers_attest_and_one_does_not<S: Store>(store: Arc<S>) {
    for n in 1..4 {
        join(&*store, n).await;
        promote(&*store, n, true).await;
    }

    let unmet = store.vouch(&vouch(2, 1, NOW)).await.unwrap();
    assert_eq!(unmet, Vouched::NoMember, "no code is shown");
    store.show_code(&shown(1, 62)).await.unwrap();

    let first = store.vouch(&vouch(2, 1, NOW)).await.unwrap();
    let again = store.vouch(&vouch(2, 1, NOW)).await.unwrap();
    let own = store.vouch(&vouch(1, 1, NOW)).await.unwrap();
    let unknown = store.vouch(&vouch(2, 88, NOW)).await.unwrap();
    let standing = store.standing(member(1)).await.unwrap().unwrap();
    let second = store.vouch(&vouch(3, 1, NOW)).await.unwrap();

    assert_eq!(
        (first, again, own, unknown),
        (
            Vouched::First,
            Vouched::Again,
            Vouched::NoMember,
            Vouched::NoMember
        )
    );
    assert_eq!((standing.attestation, standing.vouched), (None, 1));
    assert_eq!(second, Vouched::Granted);
    // The same click twice: the meeting led to an attestation, and counts for no other.
    let twice = store.vouch(&vouch(3, 1, NOW)).await.unwrap();
    assert_eq!(twice, Vouched::NoMember);
    let standing = store.standing(member(1)).await.unwrap().unwrap();
    assert_eq!(
        (standing.attestation, standing.vouched),
        (Some(attestation(3, 1).row), 0)
    );
    let events = told(&*store).await;
    assert_eq!(
        (
            count(&events, "verification.vouched"),
            count(&events, "attestation.created")
        ),
        (2, 1)
    );
}

async fn a_word_that_is_too_old_does_not_count<S: Store>(store: Arc<S>) {
    for n in 1..4 {
        join(&*store, n).await;
        promote(&*store, n, true).await;
    }
    store.show_code(&shown(1, 62)).await.unwrap();
    store.vouch(&vouch(2, 1, NOW)).await.unwrap();

    let later = store
        .vouch(&vouch(3, 1, NOW.plus_seconds(1_000)))
        .await
        .unwrap();

    assert_eq!(later, Vouched::First);
}

async fn erasure_leaves_noise_and_nothing_else<S: Store>(store: Arc<S>) {
    join(&*store, 1).await;
    join(&*store, 2).await;
    begin(&*store, 10, 1).await;
    store
        .decide(&approval(10, 1, 5_000, attestation(1, 1)))
        .await
        .unwrap();
    seal(&*store).await;
    store.note(&[event(member(1), "late.news")]).await.unwrap();

    let fall = Fall {
        member: member(2),
        holder: key(90),
        grants: Vec::new(),
        reason: "case".to_owned(),
        held: Vec::new(),
        now: NOW,
        leaf: event(member(2), "member.suspended"),
    };
    store.fall(fall).await.unwrap();
    let gone = event(member(2), "member.erased");
    let held = store.erase_member(member(2), NOW, &gone).await.unwrap();
    assert!(!held, "who is suspended is not erased");

    let erased = Event::private(
        "member.erased",
        NOW,
        json!({ "member": member(1) }),
        &Fixed(9),
    );
    assert!(store.erase_member(member(1), NOW, &erased).await.unwrap());
    assert!(!store.erase_member(member(1), NOW, &erased).await.unwrap());

    assert_eq!(store.member(member(1)).await.unwrap(), None);
    assert_eq!(store.standing(member(1)).await.unwrap(), None);
    assert_eq!(store.verification(key(10)).await.unwrap(), None);
    assert!(store.session(key(201), NOW, 600).await.unwrap().is_none());
    assert_eq!(
        store.scrub_erased().await.unwrap(),
        0,
        "its last events are still queued"
    );
    seal(&*store).await;
    assert_eq!(store.scrub_erased().await.unwrap(), 1);
    assert_eq!(store.scrub_erased().await.unwrap(), 0);

    let leaves = store.leaves(0..100).await.unwrap();
    let named: Vec<_> = leaves
        .iter()
        .filter_map(|leaf| leaf.event.as_deref())
        .filter(|event| event.contains(&member(1).to_string()))
        .collect();
    assert!(
        named.len() == 1 && named[0].contains("member.erased"),
        "{named:?}"
    );
    let emptied = leaves
        .iter()
        .filter(|leaf| leaf.event.is_none() && leaf.salt.is_none())
        .count();
    assert!(emptied >= 4, "hashes stay, texts and salts go: {emptied}");
    assert!(store.member(member(2)).await.unwrap().is_some());

    // What the vendor holds is redacted on, as nobody's.
    let orphan = store.redactions_due(NOW, 9).await.unwrap().remove(0);
    assert_eq!((orphan.member, orphan.vendor_session), (None, vec![10; 40]));
    assert!(matches!(orphan.redaction, RedactionState::Due(_)));
    let step = |redaction| RedactionStep {
        verification: orphan.verification,
        redaction,
        again_at: NOW,
        event: None,
    };
    store
        .redaction_step(&step(RedactionState::Requested(NOW)))
        .await
        .unwrap();
    let asked = store.redactions_due(NOW, 9).await.unwrap();
    assert!(matches!(asked[0].redaction, RedactionState::Requested(_)));
    store
        .redaction_step(&step(RedactionState::Confirmed(NOW)))
        .await
        .unwrap();
    assert_eq!(
        store
            .redactions_due(NOW.plus_seconds(99_999), 9)
            .await
            .unwrap(),
        []
    );
}

async fn a_policy_is_adopted_once<S: Store>(store: Arc<S>) {
    let policy = |version: &str| PolicyRow {
        policy: "frontier-gate".to_owned(),
        version: version.to_owned(),
        hash: [4; 32],
        body: "{}".to_owned(),
        effective_from: NOW,
        adopted_at: NOW,
    };
    let adopted = Event::public("policy.adopted", NOW, json!({}));

    assert!(store.adopt_policy(&policy("1"), &adopted).await.unwrap());
    assert!(!store.adopt_policy(&policy("1"), &adopted).await.unwrap());
    assert!(store.adopt_policy(&policy("2"), &adopted).await.unwrap());

    let mut kept = store.policies().await.unwrap();
    kept.sort_by(|a, b| a.version.cmp(&b.version));
    assert_eq!(kept, [policy("1"), policy("2")]);
    assert_eq!(count(&told(&*store).await, "policy.adopted"), 2);
}

fn signing(n: u8, from: i64) -> SigningKeyRow {
    SigningKeyRow {
        kid: [n; 32],
        sealed: vec![n; 61],
        not_before: NOW.plus_seconds(from),
        signs_until: NOW.plus_seconds(from + 1_000),
        not_after: NOW.plus_seconds(from + 2_000),
    }
}

async fn of_replicas_that_start_together_one_makes_the_key<S: Store + 'static>(store: Arc<S>) {
    let mut racers = JoinSet::new();
    for n in 1..9_u8 {
        let store = Arc::clone(&store);
        let made = Event::public("key.created", NOW, json!({}));
        racers.spawn(async move {
            let enough = NOW.plus_seconds(100);
            store
                .add_signing_key(&signing(n, 0), enough, &made)
                .await
                .unwrap()
        });
    }

    let made = racers
        .join_all()
        .await
        .into_iter()
        .filter(|made| *made)
        .count();

    assert_eq!(made, 1);
    assert_eq!(store.signing_keys().await.unwrap().len(), 1);
    let next = Event::public("key.created", NOW, json!({}));
    let enough = NOW.plus_seconds(1_000);
    assert!(
        store
            .add_signing_key(&signing(20, 900), enough, &next)
            .await
            .unwrap()
    );
    let keys = store.signing_keys().await.unwrap();
    assert!(keys.contains(&signing(20, 900)) && keys.len() == 2);
}

async fn a_fingerprint_stays_what_it_was_first<S: Store>(store: Arc<S>) {
    assert_eq!(store.fingerprint("kek", key(1)).await.unwrap(), key(1));
    assert_eq!(store.fingerprint("kek", key(2)).await.unwrap(), key(1));
    assert_eq!(store.fingerprint("pepper-1", key(2)).await.unwrap(), key(2));
}

async fn a_tag_is_wrapped_unless_it_changed_meanwhile<S: Store>(store: Arc<S>) {
    join(&*store, 1).await;
    assert_eq!(store.stale_tags(1, 9).await.unwrap(), []);
    let old = store.stale_tags(2, 9).await.unwrap().remove(0);
    let new = TagRow {
        tag: key(60),
        pepper_to: 2,
        ..old
    };

    assert!(store.wrap_tag(&old, &new).await.unwrap());
    assert!(!store.wrap_tag(&old, &new).await.unwrap());

    let row = store.member_by_tag(&[key(60)]).await.unwrap().unwrap();
    assert_eq!(row.tag, new);
    assert_eq!(store.stale_tags(2, 9).await.unwrap(), []);
}

async fn an_attestation_expires_once<S: Store>(store: Arc<S>) {
    join(&*store, 1).await;
    begin(&*store, 10, 1).await;
    store
        .decide(&approval(10, 1, 5_000, attestation(1, 1)))
        .await
        .unwrap();
    let id = AttestationId([1; 16]);
    assert_eq!(
        store.expired(UnixDay(21_000), 9).await.unwrap(),
        [],
        "its last day counts"
    );
    assert_eq!(
        store.expired(UnixDay(21_001), 9).await.unwrap(),
        [(member(1), id)]
    );

    let ended = event(member(1), "attestation.ended");
    assert!(store.expire(id, &ended).await.unwrap());
    assert!(!store.expire(id, &ended).await.unwrap());

    assert_eq!(store.expired(UnixDay(21_001), 9).await.unwrap(), []);
    assert_eq!(
        store
            .standing(member(1))
            .await
            .unwrap()
            .unwrap()
            .attestation,
        None
    );
    assert_eq!(count(&told(&*store).await, "attestation.ended"), 1);
}

fn shown(of: u8, code: u8) -> MeetingCode {
    MeetingCode {
        member: member(of),
        code: key(code),
        expires_at: NOW.plus_seconds(1_800),
    }
}

async fn a_code_leads_to_who_shows_it_while_it_lasts<S: Store>(store: Arc<S>) {
    for n in 1..4 {
        join(&*store, n).await;
        promote(&*store, n, n > 1).await;
    }
    let meets = async |code, seconds| {
        let meeting = Meeting {
            code: key(code),
            officer: member(2),
            now: NOW.plus_seconds(seconds),
            since: NOW.plus_seconds(seconds - 600),
            at_most: 10,
        };
        store.meet(&meeting).await.unwrap()
    };
    assert!(store.show_code(&shown(1, 61)).await.unwrap());
    assert!(!store.show_code(&shown(9, 69)).await.unwrap(), "nobody");

    let first = meets(61, 0).await;
    let late = meets(61, 1_800).await;
    assert!(store.show_code(&shown(1, 62)).await.unwrap());
    let old = meets(61, 0).await;
    let new = meets(62, 0).await;

    assert_eq!(first, Met::Found(member(1)));
    assert_eq!((late, old), (Met::Unknown, Met::Unknown));
    assert_eq!(new, Met::Found(member(1)), "the newest alone");
    store.vouch(&vouch(2, 1, NOW)).await.unwrap();
    assert_eq!(meets(62, 0).await, Met::Found(member(1)), "for the second");
    store.vouch(&vouch(3, 1, NOW)).await.unwrap();
    assert_eq!(meets(62, 0).await, Met::Unknown, "verified");
}

async fn an_officer_who_guesses_codes_is_paused<S: Store>(store: Arc<S>) {
    for n in 1..4 {
        join(&*store, n).await;
    }
    store.show_code(&shown(1, 61)).await.unwrap();
    let meets = async |officer, code, seconds| {
        let meeting = Meeting {
            code: key(code),
            officer: member(officer),
            now: NOW.plus_seconds(seconds),
            since: NOW.plus_seconds(seconds - 600),
            at_most: 3,
        };
        store.meet(&meeting).await.unwrap()
    };
    for _ in 0..9 {
        assert_eq!(meets(2, 61, 0).await, Met::Found(member(1)), "no guess");
    }
    for guess in 70..73 {
        assert_eq!(meets(2, guess, 0).await, Met::Unknown);
    }

    let right = meets(2, 61, 0).await;
    let other = meets(3, 61, 0).await;
    let later = meets(2, 61, 601).await;

    let found = Met::Found(member(1));
    assert_eq!(right, Met::Paused, "also a right one");
    assert_eq!((other, later), (found, found));
}

async fn a_word_that_lapsed_is_not_shown_as_one<S: Store>(store: Arc<S>) {
    for n in 1..3 {
        join(&*store, n).await;
    }
    promote(&*store, 2, true).await;
    store.show_code(&shown(1, 62)).await.unwrap();
    store.vouch(&vouch(2, 1, NOW)).await.unwrap();
    let vouched = async || {
        let standing = store.standing(member(1)).await.unwrap();
        standing.unwrap().vouched
    };
    let horizon = |seconds: i64| Horizon {
        now: NOW.plus_seconds(seconds),
        events: NOW.plus_seconds(seconds - 100),
        attestations: UnixDay(0),
        verifications: NOW.plus_seconds(-100),
        idle: NOW.plus_seconds(-100),
        vouchings: NOW.plus_seconds(seconds - 1_000),
        misses: NOW,
    };

    store.forget(&horizon(999)).await.unwrap();
    assert_eq!(vouched().await, 1);
    store.forget(&horizon(1_000)).await.unwrap();
    assert_eq!(vouched().await, 0);
}

async fn what_has_had_its_time_is_forgotten<S: Store>(store: Arc<S>) {
    join(&*store, 1).await;
    begin(&*store, 10, 1).await;
    store
        .decide(&approval(10, 1, 5_000, attestation(1, 1)))
        .await
        .unwrap();
    let horizon = |seconds: i64, day: i64| Horizon {
        now: NOW.plus_seconds(seconds),
        events: NOW.plus_seconds(seconds - 100),
        attestations: UnixDay(day),
        verifications: NOW.plus_seconds(seconds),
        idle: NOW.plus_seconds(seconds - 600),
        vouchings: NOW.plus_seconds(seconds - 3_600),
        misses: NOW.plus_seconds(seconds - 3_600),
    };

    assert_eq!(store.forget(&horizon(0, 21_000)).await.unwrap(), 0);
    assert!(store.event_seen(key(1)).await.unwrap());
    assert_eq!(
        store.forget(&horizon(101, 21_001)).await.unwrap(),
        2,
        "event and attestation"
    );
    assert!(!store.event_seen(key(1)).await.unwrap());
    assert!(
        store.verification(key(10)).await.unwrap().is_some(),
        "still to be redacted"
    );
    assert_eq!(
        store.forget(&horizon(3_601, 21_001)).await.unwrap(),
        1,
        "the session"
    );
}
