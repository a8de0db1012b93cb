//! What every implementation of the ports must pass: SQLite, PostgreSQL and the one in memory.
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

use bauta_audit::{
    note::Signer,
    store::LogStore,
    tree::{Frontier, leaf_hash},
};
use bauta_token::{
    notice::{Notice, Numbered},
    pseudonym::Pseudonym,
    scope::Name,
    units::{MicroUsd, UnixMillis},
};
use tokio::task::JoinSet;

use super::{
    Charge, Closing, Entry, FeedBook, GatewayBook, Heard, Intent, Journal, Leaf, OVER_BUDGET,
    Outcome, Refused, ReplicaId, Replicas, RequestId, SEAL_ROWS, Served, Standing, Tokens,
    TurnedAway, Verdict, Window,
};

/// Runs the whole suite, each part on a store of its own from `fresh`.
pub async fn all<B: GatewayBook + 'static, F: AsyncFn() -> Arc<B>>(fresh: F) {
    bud_01_two_hundred_racers_share_one_budget(fresh().await).await;
    a_hold_is_settled_once(fresh().await).await;
    what_was_not_used_can_be_used_again(fresh().await).await;
    a_new_window_is_whole(fresh().await).await;
    an_intent_written_twice_holds_once(fresh().await).await;
    a_batch_is_answered_entry_by_entry(fresh().await).await;
    a_refusal_over_budget_is_on_record(fresh().await).await;
    bud_02_a_hold_nobody_answers_for_is_reaped_once(fresh().await).await;
    a_hold_with_a_living_replica_is_left_alone(fresh().await).await;
    usage_is_of_one_grant_by_model(fresh().await).await;
    every_event_becomes_one_leaf(fresh().await).await;
    two_sealers_make_no_leaf_twice(fresh().await).await;
    a_seal_leaves_nothing_that_it_does_not_tell_of(fresh().await).await;
    what_is_disclosed_is_under_a_signature_at_once(fresh().await).await;
    what_was_turned_away_is_counted_and_logged_when_the_minute_is_over(fresh().await).await;
    the_feed_survives_and_never_goes_back(fresh().await).await;
    a_lifted_suspension_is_forgotten(fresh().await).await;
}

/// Two hundred callers want one dollar each of five; five get it.
pub async fn bud_01_two_hundred_racers_share_one_budget<J: Journal + 'static>(journal: Arc<J>) {
    let mut racers = JoinSet::new();
    for n in 0..200 {
        let journal = Arc::clone(&journal);
        racers.spawn(async move { one(&*journal, begin(n, 1_000_000, 5_999_999)).await });
    }

    let verdicts = racers.join_all().await;

    let held = |v: &&Verdict| matches!(v, Verdict::Begun(_));
    assert_eq!(verdicts.iter().filter(held).count(), 5);
    let standing = journal.usage(&grant(), WINDOW).await.unwrap().standing;
    assert_eq!(standing, stands(5_000_000, 0));
}

/// Thirty-two settlers of one hold; one settles.
pub async fn a_hold_is_settled_once<J: Journal + 'static>(journal: Arc<J>) {
    one(&*journal, begin(1, 100, 1_000)).await;
    let mut racers = JoinSet::new();
    for n in 0..32 {
        let journal = Arc::clone(&journal);
        racers.spawn(async move { one(&*journal, close(1, 10 + n)).await });
    }

    let verdicts = racers.join_all().await;

    let closed = |v: &&Verdict| **v == Verdict::Closed;
    assert_eq!(verdicts.iter().filter(closed).count(), 1);
    let standing = journal.usage(&grant(), WINDOW).await.unwrap().standing;
    assert_eq!(standing.held, MicroUsd::ZERO);
    assert!((10..42).contains(&standing.spent.get()));
}

/// Settling below what was held gives the rest back.
pub async fn what_was_not_used_can_be_used_again<J: Journal>(journal: Arc<J>) {
    assert_eq!(one(&*journal, begin(1, 900, 1_000)).await, begun(900, 0));
    assert_eq!(
        one(&*journal, begin(2, 900, 1_000)).await,
        Verdict::OverBudget(stands(900, 0))
    );

    one(&*journal, close(1, 50)).await;

    assert_eq!(one(&*journal, begin(3, 900, 1_000)).await, begun(900, 50));
}

/// A window is a budget of its own, and a request settles in the one it was held in.
pub async fn a_new_window_is_whole<J: Journal>(journal: Arc<J>) {
    one(&*journal, begin(1, 1_000, 1_000)).await;
    let mut next = intent(2, 1_000, 1_000);
    let start = UnixMillis(WINDOW.0 + 86_400_000);
    next.budget = next.budget.map(|window| Window { start, ..window });

    let verdict = one(&*journal, Entry::Begin(next)).await;
    one(&*journal, close(1, 700)).await;

    assert_eq!(verdict, begun(1_000, 0));
    let old = journal.usage(&grant(), WINDOW).await.unwrap().standing;
    let new = journal.usage(&grant(), start).await.unwrap().standing;
    assert_eq!((old, new), (stands(0, 700), stands(1_000, 0)));
}

/// An intent whose answer was lost may be written again.
pub async fn an_intent_written_twice_holds_once<J: Journal>(journal: Arc<J>) {
    let first = one(&*journal, begin(1, 60, 100)).await;

    let second = one(&*journal, begin(1, 60, 100)).await;

    assert_eq!((first, second), (begun(60, 0), begun(60, 0)));
}

/// One commit, many callers: each gets its own answer, in its place.
pub async fn a_batch_is_answered_entry_by_entry<J: Journal>(journal: Arc<J>) {
    let batch = vec![
        begin(1, 60, 100),
        begin(2, 60, 100),
        close(1, 10),
        begin(3, 60, 100),
        Entry::Refuse(refused(4)),
        close(1, 11),
        close(9, 1),
    ];

    let verdicts = journal.commit(batch.into()).await.unwrap();

    assert_eq!(
        verdicts,
        [
            begun(60, 0),
            Verdict::OverBudget(stands(60, 0)),
            Verdict::Closed,
            begun(60, 10),
            Verdict::Refused,
            Verdict::ClosedBefore,
            Verdict::ClosedBefore,
        ]
    );
}

/// A request that did not fit is in the journal, and nothing can close it later.
pub async fn a_refusal_over_budget_is_on_record<B: GatewayBook>(book: Arc<B>) {
    one(&*book, begin(1, 101, 100)).await;

    let verdict = one(&*book, close(1, 5)).await;

    assert_eq!(verdict, Verdict::ClosedBefore);
    let events = sealed(&*book).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].contains("\"type\":\"request.refused\""));
    assert!(events[0].contains(&format!("\"reason\":\"{OVER_BUDGET}\"")));
}

/// What a crash leaves open is closed as unknown and charged at what was held, once.
pub async fn bud_02_a_hold_nobody_answers_for_is_reaped_once<J: Journal>(journal: Arc<J>) {
    one(&*journal, begin(1, 60, 100)).await;
    journal.renew(REPLICA, UnixMillis(10_000)).await.unwrap();

    let first = journal
        .reap(Replicas::Several, UnixMillis(10_001))
        .await
        .unwrap();
    let second = journal
        .reap(Replicas::Sole, UnixMillis(10_002))
        .await
        .unwrap();

    assert_eq!((first, second), (1, 0));
    let standing = journal.usage(&grant(), WINDOW).await.unwrap().standing;
    assert_eq!(standing, stands(0, 60));
    assert_eq!(one(&*journal, close(1, 1)).await, Verdict::ClosedBefore);
}

/// Another replica that starts does not close what this one still runs; a sole one does.
pub async fn a_hold_with_a_living_replica_is_left_alone<J: Journal>(journal: Arc<J>) {
    one(&*journal, begin(1, 60, 100)).await;
    journal.renew(REPLICA, UnixMillis(10_000)).await.unwrap();

    let several = journal
        .reap(Replicas::Several, UnixMillis(10_000))
        .await
        .unwrap();
    let sole = journal
        .reap(Replicas::Sole, UnixMillis(10_000))
        .await
        .unwrap();

    assert_eq!((several, sole), (0, 1));
}

/// Usage shows what one grant was charged for, and nothing of another.
pub async fn usage_is_of_one_grant_by_model<J: Journal>(journal: Arc<J>) {
    let mut other = intent(3, 5, 100);
    other.grant = Pseudonym::from_bytes(&[99; 32]);
    let mut haiku = intent(2, 7, 100);
    "claude-haiku".clone_into(&mut haiku.model);
    for entry in [
        begin(1, 60, 100),
        close(1, 50),
        Entry::Begin(haiku),
        Entry::Begin(other),
        Entry::Refuse(refused(4)),
    ] {
        one(&*journal, entry).await;
    }

    let usage = journal.usage(&grant(), WINDOW).await.unwrap();

    let seen: Vec<_> = usage
        .models
        .iter()
        .map(|m| {
            (
                m.model.as_str(),
                m.requests,
                m.tokens.output,
                m.charged.get(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [("claude-haiku", 1, 0, 0), ("claude-opus", 1, 20, 50)]
    );
    assert_eq!(usage.standing, stands(7, 50));
}

/// Intents and outcomes are leaves of a tree that can be computed again from them.
pub async fn every_event_becomes_one_leaf<B: GatewayBook>(book: Arc<B>) {
    one(&*book, begin(1, 60, 100)).await;
    assert_eq!(kinds(&sealed(&*book).await), ["request.intent"]);

    one(&*book, close(1, 10)).await;
    one(&*book, Entry::Refuse(refused(2))).await;
    let events = sealed(&*book).await;

    let seen = kinds(&events);
    assert_eq!(
        seen,
        ["request.intent", "request.outcome", "request.refused"]
    );
    let head = book.head().await.unwrap();
    let mut frontier = Frontier::empty();
    for leaf in book.leaves(0..head.size).await.unwrap() {
        assert!(leaf.salt.is_some(), "an event about a request has a salt");
        let event = leaf.event.unwrap();
        assert_eq!(leaf.hash, leaf_hash(leaf.salt.as_ref(), event.as_bytes()));
        frontier.append(leaf.hash);
    }
    assert_eq!((frontier.size(), frontier.root()), (head.size, head.root));
    let checkpoint = signer().verifier().checkpoint(&head.note).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (head.size, head.root));
}

/// Replicas that seal at once share the work.
pub async fn two_sealers_make_no_leaf_twice<B: GatewayBook + 'static>(book: Arc<B>) {
    for n in 0..40 {
        one(&*book, begin(n, 1, 1_000)).await;
    }
    let mut racers = JoinSet::new();
    for n in 0..4 {
        let book = Arc::clone(&book);
        racers.spawn(async move { book.seal(Arc::new(signer()), [n; 32], NOW).await.unwrap() });
    }

    let sealings = racers.join_all().await;

    assert_eq!(sealings.iter().map(|s| s.leaves).sum::<usize>(), 40);
    assert_eq!(book.head().await.unwrap().size, 40);
}

/// What the log says of an export of itself does not wait for a seal.
pub async fn what_is_disclosed_is_under_a_signature_at_once<B: GatewayBook>(book: Arc<B>) {
    let leaf = Leaf {
        salt: [7; 32],
        event: "{\"type\":\"audit.exported\"}".to_owned(),
    };
    one(&*book, begin(1, 0, 0)).await;

    let head = book
        .disclose(leaf.clone(), Arc::new(signer()), NOW)
        .await
        .unwrap();

    let checkpoint = signer().verifier().checkpoint(&head.note).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (1, head.root));
    assert_eq!(leaves(&*book).await, [leaf.event]);
    assert_eq!(sealed(&*book).await.len(), 2, "what waited waits on");
}

/// A seal takes no more than it should hold others up for; what it leaves, it says.
pub async fn a_seal_leaves_nothing_that_it_does_not_tell_of<B: GatewayBook>(book: Arc<B>) {
    let rows = usize::try_from(SEAL_ROWS).unwrap();
    let batch: Vec<_> = (0..SEAL_ROWS + 3).map(|n| begin(n, 0, 0)).collect();
    book.commit(batch.into()).await.unwrap();

    let mut leaves = 0;
    loop {
        let seal = book.seal(Arc::new(signer()), [1; 32], NOW).await.unwrap();
        leaves += seal.leaves;
        if !seal.more {
            break;
        }
        assert_eq!(seal.leaves, rows, "more was left by a seal that did little");
    }

    assert_eq!(leaves, rows + 3);
}

/// A flood becomes one row and one leaf a minute and reason.
pub async fn what_was_turned_away_is_counted_and_logged_when_the_minute_is_over<B: GatewayBook>(
    book: Arc<B>,
) {
    let away = |minute, count| TurnedAway {
        minute: UnixMillis(minute),
        reason: "token_refused",
        count,
    };
    for counts in [
        vec![away(60_000, 5), away(120_000, 1)],
        vec![away(60_000, 2)],
    ] {
        book.turn_away(counts.into()).await.unwrap();
    }

    book.seal(Arc::new(signer()), [1; 32], UnixMillis(120_500))
        .await
        .unwrap();
    let events = leaves(&*book).await;
    book.turn_away(vec![away(60_000, 1)].into()).await.unwrap();
    book.seal(Arc::new(signer()), [2; 32], UnixMillis(120_600))
        .await
        .unwrap();
    let later = leaves(&*book).await;

    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].contains("\"count\":7"), "{events:?}");
    assert_eq!(later.len(), 2, "{later:?}");
    assert!(later[1].contains("\"count\":1"), "{later:?}");
}

/// What was heard is there after a restart, in order, once, and until it is of no use.
pub async fn the_feed_survives_and_never_goes_back<B: FeedBook>(book: Arc<B>) {
    assert_eq!(book.heard(NOW).await.unwrap(), Heard::default());
    let news = heard(
        2,
        200,
        Some("m1"),
        vec![(1, revoked("a", 500)), (2, revoked("b", 900))],
    );
    book.hear(Arc::clone(&news), UnixMillis(0)).await.unwrap();
    book.hear(news, UnixMillis(0)).await.unwrap();
    book.hear(heard(1, 100, Some("m0"), vec![]), UnixMillis(0))
        .await
        .unwrap();

    book.hear(
        heard(3, 300, None, vec![(3, revoked("c", 950))]),
        UnixMillis(600),
    )
    .await
    .unwrap();
    let then = book.heard(UnixMillis(901)).await.unwrap();

    assert_eq!((then.seq, then.page_at), (3, UnixMillis(300)));
    assert_eq!(then.manifest.as_deref(), Some("m1"));
    let seqs: Vec<_> = then.notices.iter().map(|n| n.seq).collect();
    assert_eq!(seqs, [3]);
}

/// Nothing is kept about a pseudonym that may be served again.
pub async fn a_lifted_suspension_is_forgotten<B: FeedBook>(book: Arc<B>) {
    let pseudonym = grant();
    let suspended = Notice::Suspended {
        pseudonym: pseudonym.clone(),
    };
    let lifted = Notice::Lifted { pseudonym };
    let news = vec![(1, suspended.clone()), (2, lifted), (3, suspended.clone())];

    book.hear(heard(3, 1, None, news), NOW).await.unwrap();

    let kept = book.heard(NOW).await.unwrap().notices;
    assert_eq!(
        kept,
        [Numbered {
            seq: 3,
            notice: suspended
        }]
    );
}

async fn one<J: Journal + ?Sized>(journal: &J, entry: Entry) -> Verdict {
    let verdicts = journal.commit(Arc::from([entry])).await.unwrap();
    assert_eq!(verdicts.len(), 1);
    verdicts[0]
}

/// Seals what there is and gives every event of the log.
async fn sealed<B: GatewayBook>(book: &B) -> Vec<String> {
    book.seal(Arc::new(signer()), [5; 32], NOW).await.unwrap();
    leaves(book).await
}

async fn leaves<B: LogStore>(book: &B) -> Vec<String> {
    let size = book.head().await.unwrap().size;
    let leaves = book.leaves(0..size).await.unwrap();
    leaves.into_iter().map(|leaf| leaf.event.unwrap()).collect()
}

fn kinds(events: &[String]) -> Vec<String> {
    let kind = |event: &String| {
        let value: serde_json::Value = serde_json::from_str(event).unwrap();
        value["type"].as_str().unwrap().to_owned()
    };
    let mut kinds: Vec<_> = events.iter().map(kind).collect();
    kinds.sort_unstable();
    kinds
}

fn begin(n: i64, amount: i64, limit: i64) -> Entry {
    Entry::Begin(intent(n, amount, limit))
}

fn intent(n: i64, amount: i64, limit: i64) -> Intent {
    Intent {
        id: id(n),
        replica: REPLICA,
        grant: grant(),
        scope: Name::parse("frontier").unwrap(),
        dialect: "anthropic",
        route: "messages",
        model: "claude-opus".to_owned(),
        gate: None,
        targets: "anthropic/claude-opus-4-7".to_owned(),
        started_at: NOW,
        held: MicroUsd::new(amount).unwrap(),
        budget: Some(Window {
            start: WINDOW,
            limit: MicroUsd::new(limit).unwrap(),
        }),
    }
}

fn close(n: i64, amount: i64) -> Entry {
    Entry::Close(Closing {
        id: id(n),
        outcome: Outcome::Completed,
        status: Some(200),
        served: Some(Served {
            upstream: Name::parse("anthropic").unwrap(),
            model: "claude-opus-4-7".to_owned(),
        }),
        tokens: Some(Tokens {
            input: 10,
            output: 20,
            cache_read: 30,
            cache_write: u64::MAX,
        }),
        charge: Charge::Amount(MicroUsd::new(amount).unwrap()),
        ended_at: NOW,
    })
}

fn refused(n: i64) -> Refused {
    Refused {
        id: id(n),
        replica: REPLICA,
        grant: grant(),
        scope: Name::parse("frontier").unwrap(),
        dialect: "openai",
        route: "chat",
        model: String::new(),
        reason: "model_refused",
        status: 400,
        at: NOW,
    }
}

fn heard(seq: u64, at: i64, manifest: Option<&str>, notices: Vec<(u64, Notice)>) -> Arc<Heard> {
    Arc::new(Heard {
        seq,
        page_at: UnixMillis(at),
        manifest: manifest.map(ToOwned::to_owned),
        notices: notices
            .into_iter()
            .map(|(seq, notice)| Numbered { seq, notice })
            .collect(),
    })
}

fn revoked(token: &str, until: i64) -> Notice {
    Notice::Revoked {
        token: token.to_owned(),
        until: UnixMillis(until),
    }
}

fn id(n: i64) -> RequestId {
    RequestId::from_bytes((0x0190_0000_0000_i128 + i128::from(n)).to_be_bytes())
}

fn grant() -> Pseudonym {
    Pseudonym::from_bytes(&[1; 32])
}

fn stands(held: i64, spent: i64) -> Standing {
    Standing {
        held: MicroUsd::new(held).unwrap(),
        spent: MicroUsd::new(spent).unwrap(),
    }
}

fn begun(held: i64, spent: i64) -> Verdict {
    Verdict::Begun(Some(stands(held, spent)))
}

fn signer() -> Signer {
    Signer::new("gateway.test/log", &[8; 32]).unwrap_or_else(|| panic!("a seed is a key"))
}

const REPLICA: ReplicaId = ReplicaId([6; 16]);
const NOW: UnixMillis = UnixMillis(1_763_632_800_000);
const WINDOW: UnixMillis = UnixMillis(1_763_596_800_000);
