//! What every implementation of the port for the directory must pass.
//!
//! # Panics
//!
//! Each function panics when the implementation breaks its promise.
#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite: a broken promise is a panic"
)]

use std::{collections::BTreeSet, sync::Arc};

use bauta_token::{
    ambient::Randomness,
    notice::Notice,
    pseudonym::Pseudonym,
    scope::Name,
    secret::Hashed,
    units::{UnixDay, UnixMillis},
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    AttestationId, Event, GroupId, Lookup, MemberId, Rights, Role, Store, UserId,
    directory::{
        Affected, Changed, Claimed, GroupChange, GroupRemoval, GroupRow, GroupRule, GroupRules,
        Members, NewBearer, Openings, Said, Span, UserChange, UserRemoval, UserRow, Wanted,
    },
    grants::{Basis, Ground, Handle, Issuance, Named, NewGrant, Outcome},
    people::{
        AttestationRow, AttestationState, MeetingCode, NewAttestation, SignIn, SignedInAs, TagRow,
        Vouch,
    },
};

/// Runs the whole suite, each part on a store of its own from `fresh`.
pub async fn all<S: Store + 'static, F: AsyncFn() -> Arc<S>>(fresh: F) {
    a_person_comes_back_as_it_was_written_and_is_found_by_each_name(fresh().await).await;
    a_name_or_a_subject_has_one_person(fresh().await).await;
    scm_05_whoever_is_deactivated_has_nothing_left(fresh().await).await;
    scm_05_a_grant_that_began_meanwhile_stops_the_deactivation(fresh().await).await;
    whoever_comes_back_may_sign_in_and_gets_nothing_else_back(fresh().await).await;
    scm_07_what_is_not_said_brings_nobody_back(fresh().await).await;
    a_person_that_is_taken_off_the_list_may_not_sign_in(fresh().await).await;
    whom_another_subject_replaces_has_left(fresh().await).await;
    of_two_changes_to_one_version_one_is_written(fresh().await).await;
    who_was_taken_away_before_the_first_sign_in_does_not_get_in(fresh().await).await;
    only_the_listed_get_in_where_that_is_asked(fresh().await).await;
    a_sign_in_and_a_deactivation_at_once_leave_nobody_in(fresh().await).await;
    whoever_goes_from_a_group_loses_what_it_opened(fresh().await).await;
    whoever_comes_into_a_group_gets_scopes_and_no_role(fresh().await).await;
    a_group_that_is_renamed_or_removed_closes_what_it_opened(fresh().await).await;
    of_a_group_that_is_pushed_the_directory_decides_at_sign_in(fresh().await).await;
    a_stranger_comes_into_no_group(fresh().await).await;
    an_erased_leaver_is_forgotten_and_who_is_still_listed_is_not(fresh().await).await;
    a_bearer_works_until_it_ends_or_expires(fresh().await).await;
    names_are_forgotten_when_they_are_not_kept_any_more(fresh().await).await;
}

const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

struct Fixed(u8);

impl Randomness for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

fn event(what: &'static str) -> Event {
    Event::private(what, NOW, json!({}), &Fixed(9))
}

fn key(n: u8) -> Lookup {
    Lookup([n; 32])
}

fn user(n: u8) -> UserId {
    UserId([n; 16])
}

fn member(n: u8) -> MemberId {
    MemberId([n; 16])
}

/// What joins the n-th person with its sign-in.
fn subject(n: u8) -> Lookup {
    key(n.wrapping_add(100))
}

fn holder(n: u8) -> Lookup {
    key(n.wrapping_add(150))
}

fn row(n: u8) -> UserRow {
    UserRow {
        id: user(n),
        subject: subject(n),
        user_name: key(n.wrapping_add(50)),
        external: Some(key(n.wrapping_add(70))),
        active: false,
        names: None,
        version: 1,
    }
}

fn listing(n: u8, said: Said) -> UserChange {
    UserChange {
        row: row(n),
        from: None,
        said,
        affected: Vec::new(),
        now: NOW,
        event: event("directory.user"),
    }
}

/// The next version of somebody who is listed.
fn saying(n: u8, from: i64, said: Said, affected: Vec<Affected>) -> UserChange {
    UserChange {
        row: UserRow {
            version: from.saturating_add(1),
            ..row(n)
        },
        from: Some(from),
        affected,
        ..listing(n, said)
    }
}

fn affected(n: u8, grants: &[u8]) -> Affected {
    Affected {
        member: member(n),
        holder: holder(n),
        grants: grants.iter().map(|grant| named(*grant)).collect(),
        left: event("member.left"),
        back: event("member.returned"),
        lost: event("grants.ended"),
    }
}

fn named(grant: u8) -> Named {
    Named {
        id: key(grant),
        end: Pseudonym::from_bytes(&[grant; 32]),
    }
}

fn names(of: &[&str]) -> BTreeSet<Name> {
    of.iter().filter_map(|it| Name::parse(it)).collect()
}

fn sign_in(n: u8, session: u8, new: bool) -> SignIn {
    SignIn {
        tag: TagRow {
            member: member(n),
            tag: key(n),
            pepper_from: 1,
            pepper_to: 1,
        },
        new,
        join: Some(subject(n)),
        rights: Rights {
            roles: BTreeSet::from([Role::Officer]),
            scopes: names(&["frontier", "quiet"]),
        },
        claimed: Claimed::default(),
        session: key(session),
        idp_session: None,
        subject: key(n.wrapping_add(30)),
        replaces: None,
        now: NOW,
        expires_at: NOW.plus_seconds(3_600),
        events: Vec::new(),
    }
}

async fn comes(store: &dyn Store, n: u8) {
    let came = store.sign_in(&sign_in(n, n.wrapping_add(200), true)).await;
    assert_eq!(came.unwrap(), SignedInAs::Written);
}

async fn is_in(store: &dyn Store, session: u8) -> bool {
    let found = store.session(key(session), NOW, 3_600).await.unwrap();
    found.is_some()
}

/// Somebody who signed in, was verified, and has this grant of this scope.
async fn has(store: &dyn Store, n: u8, grant: u8, scope: &str) {
    let attestation = AttestationId([n; 16]);
    if store
        .standing(member(n))
        .await
        .unwrap()
        .unwrap()
        .attestation
        .is_none()
    {
        verify(store, n, attestation).await;
    }
    assert_eq!(issue(store, n, grant, scope).await, Outcome::Issued);
}

async fn issue(store: &dyn Store, n: u8, grant: u8, scope: &str) -> Outcome {
    let scope = Name::parse(scope).unwrap();
    let issuance = Issuance {
        member: member(n),
        ground: Ground {
            attestation: AttestationId([n; 16]),
            scope: Some(scope.clone()),
        },
        id: key(grant),
        end: Pseudonym::from_bytes(&[grant; 32]),
        basis: Basis::Asked(NewGrant {
            holder: holder(n),
            handle: Handle(vec![grant]),
            label: None,
            client: "bauta-cli",
            scope,
            refresh: Some(Hashed::from_bytes([grant; 32])),
            quota: 10,
        }),
        live_until: NOW.plus_seconds(600),
        ends_at: NOW.plus_seconds(6_000),
        now: NOW,
        leaf: event("token.issued"),
    };
    store.issue(issuance).await.unwrap()
}

async fn verify(store: &dyn Store, n: u8, attestation: AttestationId) {
    let code = key(n.wrapping_add(90));
    let shown = MeetingCode {
        member: member(n),
        code,
        expires_at: NOW.plus_seconds(60),
    };
    store.show_code(&shown).await.unwrap();
    for officer in [240, 241] {
        let new = store.member(member(officer)).await.unwrap().is_none();
        let arrival = SignIn {
            join: None,
            ..sign_in(officer, officer, new)
        };
        drop(store.sign_in(&arrival).await);
        let vouch = Vouch {
            member: member(n),
            officer: member(officer),
            code,
            now: NOW,
            since: UnixMillis(0),
            grant: NewAttestation {
                row: AttestationRow {
                    attestation,
                    member: member(n),
                    state: AttestationState::Valid,
                    verified_on: UnixDay(20_000),
                    expires_on: UnixDay(30_000),
                    record: "{}".to_owned(),
                    signature: [0; 64],
                },
                nonce: [0; 32],
            },
            event: event("verification.vouched"),
            granted: Vec::new(),
        };
        store.vouch(&vouch).await.unwrap();
    }
}

async fn ended(store: &dyn Store) -> Vec<Pseudonym> {
    let told = store.notices(0, 100).await.unwrap();
    let ends = told.notices.into_iter().filter_map(|it| match it.notice {
        Notice::Ended { grant, .. } => Some(grant),
        _ => None,
    });
    ends.collect()
}

const ALL: Span = Span { skip: 0, most: 100 };

/// Each name finds the same row, and a list is in the order of the ids.
pub async fn a_person_comes_back_as_it_was_written_and_is_found_by_each_name<S: Store>(
    store: Arc<S>,
) {
    let change = UserChange {
        row: UserRow {
            names: Some(vec![1, 2, 3]),
            ..row(1)
        },
        ..listing(1, Said::Active)
    };

    let Changed::Done(written) = store.put_user(&change).await.unwrap() else {
        panic!("not written");
    };
    store.put_user(&listing(2, Said::Inactive)).await.unwrap();

    assert_eq!(
        written,
        UserRow {
            active: true,
            ..change.row
        }
    );
    assert_eq!(store.user(user(1)).await.unwrap().as_ref(), Some(&written));
    for wanted in [
        Wanted::Id(user(1)),
        Wanted::Name(key(51)),
        Wanted::External(key(71)),
        Wanted::Subject(subject(1)),
    ] {
        assert_eq!(
            store.users(wanted, ALL).await.unwrap(),
            std::slice::from_ref(&written),
            "{wanted:?}"
        );
        assert_eq!(store.count_users(wanted).await.unwrap(), 1);
    }
    let all = store.users(Wanted::All, ALL).await.unwrap();
    assert_eq!(
        all.iter().map(|it| it.id).collect::<Vec<_>>(),
        [user(1), user(2)]
    );
    let second = Span { skip: 1, most: 1 };
    assert_eq!(
        store.users(Wanted::All, second).await.unwrap()[0].id,
        user(2)
    );
    assert_eq!(store.count_users(Wanted::All).await.unwrap(), 2);
    assert_eq!(store.word(subject(2)).await.unwrap(), Some(false));
    assert_eq!(store.word(subject(3)).await.unwrap(), None);
}

/// Two people never have one `userName`, nor one sign-in.
pub async fn a_name_or_a_subject_has_one_person<S: Store>(store: Arc<S>) {
    store.put_user(&listing(1, Said::Active)).await.unwrap();
    let with = |change: fn(&mut UserRow)| {
        let mut listing = listing(2, Said::Active);
        change(&mut listing.row);
        listing
    };

    let named = store.put_user(&with(|row| row.user_name = key(51))).await;
    let joined = store.put_user(&with(|row| row.subject = subject(1))).await;
    let called = store
        .put_user(&with(|row| row.external = Some(key(71))))
        .await;

    assert_eq!(named.unwrap(), Changed::Taken);
    assert_eq!(joined.unwrap(), Changed::Taken);
    assert!(
        matches!(called.unwrap(), Changed::Done(_)),
        "nobody keeps it unique"
    );
}

/// State, sessions, grants, notices: one transaction. Again, it changes nothing.
pub async fn scm_05_whoever_is_deactivated_has_nothing_left<S: Store>(store: Arc<S>) {
    comes(&*store, 1).await;
    comes(&*store, 2).await;
    has(&*store, 1, 11, "frontier").await;
    has(&*store, 2, 12, "frontier").await;
    store.put_user(&saying_new(1, &[11])).await.unwrap();

    let off = saying(1, 1, Said::Inactive, vec![affected(1, &[11])]);
    let Changed::Done(row) = store.put_user(&off).await.unwrap() else {
        panic!("not written");
    };

    assert!(!row.active);
    assert!(!is_in(&*store, 201).await, "the session ended");
    assert!(is_in(&*store, 202).await, "another's did not");
    assert_eq!(ended(&*store).await, [Pseudonym::from_bytes(&[11; 32])]);
    assert!(store.grant(key(11)).await.unwrap().unwrap().ended);
    assert_eq!(issue(&*store, 1, 13, "frontier").await, Outcome::Barred);
    let again = store.sign_in(&sign_in(1, 21, false)).await.unwrap();
    assert_eq!(again, SignedInAs::Left);
    assert!(
        store
            .member(member(1))
            .await
            .unwrap()
            .unwrap()
            .left
            .is_some()
    );
    let off = saying(1, 2, Said::Inactive, vec![affected(1, &[])]);
    assert!(matches!(
        store.put_user(&off).await.unwrap(),
        Changed::Done(_)
    ));
    assert_eq!(ended(&*store).await.len(), 1, "the gateway is told once");
}

/// Somebody is listed who signed in before.
fn saying_new(n: u8, grants: &[u8]) -> UserChange {
    UserChange {
        affected: vec![affected(n, grants)],
        ..listing(n, Said::Active)
    }
}

/// A grant that nobody could tell the gateway of is not ended behind its back.
pub async fn scm_05_a_grant_that_began_meanwhile_stops_the_deactivation<S: Store>(store: Arc<S>) {
    comes(&*store, 1).await;
    has(&*store, 1, 11, "frontier").await;
    store.put_user(&saying_new(1, &[11])).await.unwrap();
    has(&*store, 1, 12, "quiet").await;

    let unnamed = saying(1, 1, Said::Inactive, vec![affected(1, &[11])]);
    let nobody = saying(1, 1, Said::Inactive, Vec::new());

    assert_eq!(store.put_user(&unnamed).await.unwrap(), Changed::Stale);
    assert_eq!(store.put_user(&nobody).await.unwrap(), Changed::Stale);
    assert!(is_in(&*store, 201).await, "nothing was changed");
    assert_eq!(store.user(user(1)).await.unwrap().unwrap().version, 1);
    let all = saying(1, 1, Said::Inactive, vec![affected(1, &[11, 12])]);
    assert!(matches!(
        store.put_user(&all).await.unwrap(),
        Changed::Done(_)
    ));
    assert_eq!(ended(&*store).await.len(), 2);
}

/// A return restores the sign-in and none of what ended.
pub async fn whoever_comes_back_may_sign_in_and_gets_nothing_else_back<S: Store>(store: Arc<S>) {
    comes(&*store, 1).await;
    has(&*store, 1, 11, "frontier").await;
    store.put_user(&saying_new(1, &[11])).await.unwrap();
    let off = saying(1, 1, Said::Inactive, vec![affected(1, &[11])]);
    store.put_user(&off).await.unwrap();

    let on = saying(1, 2, Said::Active, vec![affected(1, &[])]);
    store.put_user(&on).await.unwrap();

    assert!(!is_in(&*store, 201).await);
    assert!(store.grant(key(11)).await.unwrap().unwrap().ended);
    let back = store.sign_in(&sign_in(1, 21, false)).await.unwrap();
    assert_eq!(back, SignedInAs::Written);
    assert_eq!(issue(&*store, 1, 13, "frontier").await, Outcome::Issued);
}

/// Only a plain yes brings a leaver back.
pub async fn scm_07_what_is_not_said_brings_nobody_back<S: Store>(store: Arc<S>) {
    store.put_user(&listing(1, Said::Inactive)).await.unwrap();

    let silent = saying(1, 1, Said::Nothing, Vec::new());
    let Changed::Done(row) = store.put_user(&silent).await.unwrap() else {
        panic!("not written");
    };

    assert!(!row.active);
    let removal = UserRemoval {
        id: user(1),
        from: 2,
        affected: Vec::new(),
        now: NOW,
        event: event("directory.user"),
    };
    assert_eq!(
        store.remove_user(&removal).await.unwrap(),
        Changed::Done(())
    );
    let Changed::Done(row) = store.put_user(&listing(1, Said::Nothing)).await.unwrap() else {
        panic!("not written");
    };
    assert!(!row.active, "listed anew without a word");
    let Changed::Done(new) = store.put_user(&listing(2, Said::Nothing)).await.unwrap() else {
        panic!("not written");
    };
    assert!(new.active, "nobody ever said otherwise");
}

/// A deletion is a deactivation that is remembered.
pub async fn a_person_that_is_taken_off_the_list_may_not_sign_in<S: Store>(store: Arc<S>) {
    comes(&*store, 1).await;
    has(&*store, 1, 11, "frontier").await;
    store.put_user(&saying_new(1, &[11])).await.unwrap();
    let removal = |from, grants: &[u8]| UserRemoval {
        id: user(1),
        from,
        affected: vec![affected(1, grants)],
        now: NOW,
        event: event("directory.user"),
    };

    let stale = store.remove_user(&removal(9, &[11])).await.unwrap();
    let unnamed = store.remove_user(&removal(1, &[])).await.unwrap();
    let done = store.remove_user(&removal(1, &[11])).await.unwrap();
    let again = store.remove_user(&removal(1, &[11])).await.unwrap();

    assert_eq!((stale, unnamed), (Changed::Stale, Changed::Stale));
    assert_eq!((done, again), (Changed::Done(()), Changed::Gone));
    assert!(!is_in(&*store, 201).await);
    assert_eq!(ended(&*store).await.len(), 1);
    let back = store.sign_in(&sign_in(1, 21, false)).await.unwrap();
    assert_eq!(back, SignedInAs::Left);
    let relisted = UserChange {
        row: UserRow {
            id: user(9),
            ..row(1)
        },
        ..saying_new(1, &[])
    };
    assert!(matches!(
        store.put_user(&relisted).await.unwrap(),
        Changed::Done(_)
    ));
    let back = store.sign_in(&sign_in(1, 22, false)).await.unwrap();
    assert_eq!(back, SignedInAs::Written);
}

/// Whom the directory named and names no more is a leaver, also by a correction of its mapping.
pub async fn whom_another_subject_replaces_has_left<S: Store>(store: Arc<S>) {
    comes(&*store, 1).await;
    comes(&*store, 2).await;
    store.put_user(&saying_new(1, &[])).await.unwrap();

    let other = UserChange {
        row: UserRow {
            subject: subject(2),
            version: 2,
            ..row(1)
        },
        ..saying(
            1,
            1,
            Said::Nothing,
            vec![affected(1, &[]), affected(2, &[])],
        )
    };
    let Changed::Done(row) = store.put_user(&other).await.unwrap() else {
        panic!("not written");
    };

    assert!(row.active, "it was, and nothing was said");
    assert!(!is_in(&*store, 201).await);
    assert!(is_in(&*store, 202).await);
    assert_eq!(store.word(subject(1)).await.unwrap(), Some(false));
    let back = store.sign_in(&sign_in(1, 21, false)).await.unwrap();
    assert_eq!(back, SignedInAs::Left);
}

/// Ten writers of one version: one is written, the others are told so.
pub async fn of_two_changes_to_one_version_one_is_written<S: Store + 'static>(store: Arc<S>) {
    store.put_user(&listing(1, Said::Active)).await.unwrap();
    let mut racers = JoinSet::new();
    for _ in 0..10 {
        let store = Arc::clone(&store);
        racers.spawn(async move {
            let change = saying(1, 1, Said::Inactive, Vec::new());
            store.put_user(&change).await.unwrap()
        });
    }

    let done = racers.join_all().await;

    let written = done.iter().filter(|it| matches!(it, Changed::Done(_)));
    assert_eq!(written.count(), 1);
    let stale = done.iter().filter(|it| matches!(it, Changed::Stale));
    assert_eq!(stale.count(), 9);
}

/// The word is there before the member.
pub async fn who_was_taken_away_before_the_first_sign_in_does_not_get_in<S: Store>(store: Arc<S>) {
    store.put_user(&listing(1, Said::Inactive)).await.unwrap();
    store.put_user(&listing(2, Said::Active)).await.unwrap();

    let gone = store.sign_in(&sign_in(1, 201, true)).await.unwrap();
    let here = store.sign_in(&sign_in(2, 202, true)).await.unwrap();

    assert_eq!(gone, SignedInAs::Left);
    assert!(store.member(member(1)).await.unwrap().is_none());
    assert_eq!(here, SignedInAs::Written);
    assert_eq!(store.members_as(subject(2)).await.unwrap(), [member(2)]);
    let census = store.census().await.unwrap();
    assert_eq!((census.users, census.joined, census.groups), (2, 1, 0));
}

/// Where the list decides, nobody gets in beside it.
pub async fn only_the_listed_get_in_where_that_is_asked<S: Store>(store: Arc<S>) {
    store.put_user(&listing(1, Said::Active)).await.unwrap();
    let strict = |n: u8| SignIn {
        claimed: Claimed {
            listed_only: true,
            ..Claimed::default()
        },
        ..sign_in(n, n.wrapping_add(200), true)
    };

    let listed = store.sign_in(&strict(1)).await.unwrap();
    let other = store.sign_in(&strict(2)).await.unwrap();

    assert_eq!(listed, SignedInAs::Written);
    assert_eq!(other, SignedInAs::Unlisted);
}

/// Whichever comes first, nobody is in afterwards.
pub async fn a_sign_in_and_a_deactivation_at_once_leave_nobody_in<S: Store + 'static>(
    store: Arc<S>,
) {
    store.put_user(&listing(1, Said::Active)).await.unwrap();
    let (here, there) = (Arc::clone(&store), Arc::clone(&store));

    let mut both = JoinSet::new();
    both.spawn(async move {
        here.sign_in(&sign_in(1, 201, true)).await.unwrap();
    });
    both.spawn(async move {
        // Named anew until nothing has changed, as the plane does.
        for _ in 0..20 {
            let members = there.members_as(subject(1)).await.unwrap();
            let affected = members.iter().map(|_| affected(1, &[])).collect();
            let change = saying(1, 1, Said::Inactive, affected);
            if there.put_user(&change).await.unwrap() != Changed::Stale {
                return;
            }
        }
        panic!("never written");
    });
    both.join_all().await;

    assert!(!is_in(&*store, 201).await);
}

fn rules() -> Openings {
    let rule = |group: u8, roles: &[Role], scopes: &[&str]| GroupRule {
        name: key(group),
        roles: roles.iter().copied().collect(),
        scopes: names(scopes),
    };
    Openings {
        rules: Arc::new(GroupRules(vec![
            rule(1, &[], &["frontier"]),
            rule(2, &[Role::Officer], &["quiet"]),
        ])),
        to_all: BTreeSet::new(),
    }
}

fn group(n: u8) -> GroupId {
    GroupId([n; 16])
}

fn pushing(n: u8, people: &[u8]) -> GroupChange {
    GroupChange {
        row: GroupRow {
            id: group(n),
            name: key(n),
            external: None,
            names: None,
            version: 1,
        },
        from: None,
        members: Members::Exactly(people.iter().map(|it| user(*it)).collect()),
        openings: rules(),
        affected: Vec::new(),
        now: NOW,
        event: event("directory.group"),
    }
}

fn shifting(n: u8, from: i64, add: &[u8], remove: &[u8], affected: Vec<Affected>) -> GroupChange {
    let pushed = pushing(n, &[]);
    let people = |of: &[u8]| of.iter().map(|it| user(*it)).collect();
    GroupChange {
        row: GroupRow {
            version: from.saturating_add(1),
            ..pushed.row.clone()
        },
        from: Some(from),
        members: Members::Shift {
            add: people(add),
            remove: people(remove),
        },
        affected,
        ..pushed
    }
}

async fn rights(store: &dyn Store, n: u8) -> Rights {
    store.member(member(n)).await.unwrap().unwrap().rights
}

/// Two members in both groups, each with a grant of both scopes.
async fn in_both_groups(store: &dyn Store) {
    for n in [1, 2] {
        comes(store, n).await;
        store.put_user(&saying_new(n, &[])).await.unwrap();
        has(store, n, n.wrapping_add(10), "frontier").await;
        has(store, n, n.wrapping_add(20), "quiet").await;
    }
    for n in [1, 2] {
        let pushed = store.put_group(&pushing(n, &[1, 2])).await.unwrap();
        assert!(matches!(pushed, Changed::Done(_)));
    }
}

/// Right, grant and gateway, at once; and of nobody else.
pub async fn whoever_goes_from_a_group_loses_what_it_opened<S: Store>(store: Arc<S>) {
    in_both_groups(&*store).await;

    let unnamed = store
        .put_group(&shifting(1, 1, &[], &[1], Vec::new()))
        .await
        .unwrap();
    let before = rights(&*store, 1).await;
    let gone = shifting(1, 1, &[], &[1], vec![affected(1, &[11, 21])]);
    let done = store.put_group(&gone).await.unwrap();

    assert_eq!(unnamed, Changed::Stale);
    assert_eq!(
        before.scopes,
        names(&["frontier", "quiet"]),
        "nothing was changed"
    );
    assert!(matches!(done, Changed::Done(_)));
    assert_eq!(rights(&*store, 1).await.scopes, names(&["quiet"]));
    assert_eq!(
        rights(&*store, 2).await.scopes,
        names(&["frontier", "quiet"])
    );
    assert_eq!(ended(&*store).await, [Pseudonym::from_bytes(&[11; 32])]);
    assert!(!store.grant(key(21)).await.unwrap().unwrap().ended);
    assert!(is_in(&*store, 201).await, "a mover goes on");
    assert_eq!(store.people_in(group(1)).await.unwrap(), [user(2)]);
    assert_eq!(store.groups_of(user(1)).await.unwrap(), [group(2)]);
}

/// What a directory gives is a scope, never a role.
pub async fn whoever_comes_into_a_group_gets_scopes_and_no_role<S: Store>(store: Arc<S>) {
    let bare = SignIn {
        rights: Rights::default(),
        ..sign_in(1, 201, true)
    };
    store.sign_in(&bare).await.unwrap();
    store.put_user(&saying_new(1, &[])).await.unwrap();
    store.put_group(&pushing(2, &[])).await.unwrap();

    let come = shifting(2, 1, &[1], &[], Vec::new());
    store.put_group(&come).await.unwrap();

    let rights = rights(&*store, 1).await;
    assert_eq!(rights.scopes, names(&["quiet"]));
    assert!(rights.roles.is_empty(), "a push made an officer");
}

/// The name is what opens; without it, nothing does.
pub async fn a_group_that_is_renamed_or_removed_closes_what_it_opened<S: Store>(store: Arc<S>) {
    in_both_groups(&*store).await;
    let all = || vec![affected(1, &[11, 21]), affected(2, &[12, 22])];

    let mut renamed = shifting(1, 1, &[], &[], all());
    renamed.row.name = key(99);
    store.put_group(&renamed).await.unwrap();
    let removal = |affected| GroupRemoval {
        id: group(2),
        from: 1,
        openings: rules(),
        affected,
        now: NOW,
        event: event("directory.group"),
    };
    let unnamed = store.remove_group(&removal(Vec::new())).await.unwrap();
    let removed = store.remove_group(&removal(all())).await.unwrap();

    assert_eq!((unnamed, removed), (Changed::Stale, Changed::Done(())));
    for n in [1, 2] {
        assert_eq!(rights(&*store, n).await, Rights::default());
    }
    assert_eq!(ended(&*store).await.len(), 4);
    assert_eq!(store.group(group(2)).await.unwrap(), None);
    let mut twin = pushing(3, &[]);
    twin.row.name = key(99);
    assert_eq!(store.put_group(&twin).await.unwrap(), Changed::Taken);
}

/// The groups of a sign-in count where the directory pushes none of that name.
pub async fn of_a_group_that_is_pushed_the_directory_decides_at_sign_in<S: Store>(store: Arc<S>) {
    store.put_user(&listing(1, Said::Active)).await.unwrap();
    store.put_group(&pushing(1, &[])).await.unwrap();
    let arrival = SignIn {
        claimed: Claimed {
            rules: rules().rules,
            groups: [key(1), key(2)].into(),
            listed_only: false,
        },
        ..sign_in(1, 201, true)
    };

    store.sign_in(&arrival).await.unwrap();

    let rights = rights(&*store, 1).await;
    assert_eq!(rights.scopes, names(&["quiet"]), "it is in no group 1");
    assert_eq!(rights.roles, [Role::Officer].into());
}

/// Who is not listed cannot come; and whoever sends the whole list loses nobody else by it.
pub async fn a_stranger_comes_into_no_group<S: Store>(store: Arc<S>) {
    store.put_user(&listing(1, Said::Active)).await.unwrap();
    store.put_group(&pushing(1, &[1, 9])).await.unwrap();

    let come = shifting(1, 1, &[9], &[], Vec::new());
    let refused = store.put_group(&come).await.unwrap();

    assert_eq!(refused, Changed::Stranger);
    assert_eq!(store.people_in(group(1)).await.unwrap(), [user(1)]);
}

/// A leaver that is erased leaves nothing; of whoever is listed the end must still be heard.
pub async fn an_erased_leaver_is_forgotten_and_who_is_still_listed_is_not<S: Store>(store: Arc<S>) {
    for n in [1, 2] {
        comes(&*store, n).await;
        store.put_user(&saying_new(n, &[])).await.unwrap();
    }
    store.put_group(&pushing(1, &[1, 2])).await.unwrap();
    let off = saying(1, 1, Said::Inactive, vec![affected(1, &[])]);
    store.put_user(&off).await.unwrap();

    for n in [1, 2] {
        let event = event("member.erased");
        assert!(store.erase_member(member(n), NOW, &event).await.unwrap());
    }

    assert_eq!(store.user(user(1)).await.unwrap(), None);
    assert_eq!(store.word(subject(1)).await.unwrap(), None);
    assert!(store.user(user(2)).await.unwrap().is_some());
    assert_eq!(store.word(subject(2)).await.unwrap(), Some(true));
    assert_eq!(store.people_in(group(1)).await.unwrap(), [user(2)]);
}

/// Two at once, each until its end.
pub async fn a_bearer_works_until_it_ends_or_expires<S: Store>(store: Arc<S>) {
    let bearer = |n: u8| NewBearer {
        hash: Hashed::from_bytes([n; 32]),
        now: NOW,
        expires_at: NOW.plus_seconds(60),
        event: event("directory.bearer"),
    };
    let works = |n: u8, at| {
        let store = Arc::clone(&store);
        async move { store.bearer(Hashed::from_bytes([n; 32]), at).await.unwrap() }
    };

    let first = store.keep_bearer(&bearer(1), 2).await.unwrap();
    let second = store.keep_bearer(&bearer(2), 2).await.unwrap();
    let third = store.keep_bearer(&bearer(3), 2).await.unwrap();

    assert_eq!((first, second, third), (Some(1), Some(2), None));
    assert!(works(1, NOW).await && works(2, NOW).await);
    assert!(!works(3, NOW).await);
    assert!(!works(1, NOW.plus_seconds(60)).await, "expired");
    assert!(
        store
            .drop_bearer(1, &event("directory.bearer"))
            .await
            .unwrap()
    );
    assert!(
        !store
            .drop_bearer(1, &event("directory.bearer"))
            .await
            .unwrap()
    );
    assert!(!works(1, NOW).await);
    let left = store.bearers().await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].number, left[0].used_on), (2, Some(NOW.day())));
    let forgotten = store.forget_directory(false, NOW.plus_seconds(60)).await;
    assert_eq!(forgotten.unwrap(), 1);
    assert!(store.bearers().await.unwrap().is_empty());
}

/// Names go, rows stay.
pub async fn names_are_forgotten_when_they_are_not_kept_any_more<S: Store>(store: Arc<S>) {
    let mut named = listing(1, Said::Active);
    named.row.names = Some(vec![7; 40]);
    store.put_user(&named).await.unwrap();
    let mut pushed = pushing(1, &[1]);
    pushed.row.names = Some(vec![8; 40]);
    store.put_group(&pushed).await.unwrap();

    let kept = store.forget_directory(false, NOW).await.unwrap();
    let gone = store.forget_directory(true, NOW).await.unwrap();

    assert_eq!((kept, gone), (0, 2));
    assert_eq!(store.user(user(1)).await.unwrap().unwrap().names, None);
    assert_eq!(store.group(group(1)).await.unwrap().unwrap().names, None);
}
