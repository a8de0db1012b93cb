use std::time::Duration;

use bauta_audit::{note::Signer, store::Head};
use bauta_token::{pseudonym::Pseudonym, units::MicroUsd};
use futures_util::FutureExt;
use tokio::task::JoinSet;

use super::*;
use crate::{
    kit::{MockClock, START, grant, name},
    log::Leaf,
    ports::{
        GrantUsage, Outcome, Sealing, StoreError, TurnedAway, Window,
        memory::{Failing, Memory},
    },
};

#[tokio::test]
async fn requests_that_come_at_once_share_a_commit() {
    let kit = Kit::new();
    let mut asking = JoinSet::new();
    for n in 0..100 {
        let queue = Arc::clone(&kit.queue);
        asking.spawn(async move { queue.begin(intent(n)).await });
    }

    let opens: Vec<_> = asking.join_all().await;

    assert!(opens.iter().all(Result::is_ok));
    assert!(kit.book.commits() <= 3, "{} commits", kit.book.commits());
}

#[tokio::test]
async fn an_intent_that_is_dropped_closes_as_not_sent_and_gives_its_amount_back() {
    let kit = Kit::new();
    let open = kit.queue.begin(intent(1)).await.unwrap();
    assert_eq!(open.standing().unwrap().held.get(), 10);

    drop(open);

    kit.settle().await;
    assert_eq!(kit.outcomes(), ["not_sent"]);
    let usage = kit.book.usage(&grant(), WINDOW.start).await.unwrap();
    assert_eq!(usage.standing, Standing::default());
}

#[tokio::test]
async fn a_caller_who_leaves_at_any_moment_leaves_no_open_row() {
    // Polled so many times and then dropped: before it queued, while it waits, after the commit.
    for polls in 0..6 {
        let kit = Kit::new();
        {
            let mut begin = std::pin::pin!(kit.queue.begin(intent(1)));
            for _ in 0..polls {
                let polled = futures_util::poll!(begin.as_mut());
                if polled.is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }

        kit.settle().await;
        assert!(kit.outcomes().iter().all(|it| it == "not_sent"), "{polls}");
        let usage = kit.book.usage(&grant(), WINDOW.start).await.unwrap();
        assert_eq!(usage.standing, Standing::default(), "{polls}");
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_refuses_and_closes_what_may_be_there() {
    let kit = Kit::new();
    kit.book.fail(Some(Failing::After));

    let refused = kit.queue.begin(intent(1)).await;

    assert!(matches!(refused, Err(RecordError::Unknown)));
    assert!(!kit.queue.is_up());
    kit.book.fail(None);
    kit.up().await;
    assert_eq!(kit.outcomes(), ["not_sent"]);
}

#[tokio::test]
async fn p6_nobody_waits_for_a_journal_that_is_known_to_be_gone() {
    let kit = Kit::new();
    kit.book.fail(Some(Failing::Before));
    drop(kit.queue.begin(intent(1)).await);

    let refused = kit.queue.begin(intent(2)).await;

    assert!(matches!(refused, Err(RecordError::Down)));
}

#[tokio::test]
async fn an_end_that_could_not_be_written_is_written_when_storage_is_back() {
    let kit = Kit::new();
    let opens = [
        kit.queue.begin(intent(1)).await.unwrap(),
        kit.queue.begin(intent(2)).await.unwrap(),
        kit.queue.begin(intent(3)).await.unwrap(),
    ];
    kit.book.fail(Some(Failing::After));
    for open in opens {
        open.close(Ended {
            outcome: Outcome::Completed,
            ..Ended::not_sent()
        });
    }
    while kit.queue.is_up() {
        tokio::task::yield_now().await;
    }

    kit.book.fail(None);

    kit.up().await;
    assert_eq!(kit.outcomes(), ["completed"; 3]);
}

#[tokio::test]
async fn aud_09_a_journal_that_hangs_is_waited_for_a_second_and_no_longer() {
    let clock: Arc<dyn Clock> = MockClock::new();
    // A queue without its writer: nothing is ever answered.
    let queue = Queue::new(clock);
    tokio::time::pause();

    let refused = queue.begin(intent(1)).await;

    assert!(matches!(refused, Err(RecordError::Slow)));
    assert!(matches!(
        queue.begin(intent(2)).await,
        Err(RecordError::Down)
    ));
}

#[tokio::test]
async fn p8_more_than_can_be_served_are_refused_at_once() {
    let queue = Queue::new(MockClock::new());
    for n in 0..MOST_WAITING {
        let entry = Entry::Begin(intent(u32::try_from(n).unwrap()));
        queue.push(entry, Asker::Nobody).unwrap();
    }

    assert!(matches!(
        queue.begin(intent(0)).await,
        Err(RecordError::Full)
    ));
}

#[tokio::test]
async fn a_closed_queue_writes_what_it_has_and_ends() {
    let kit = Kit::new();
    let open = kit.queue.begin(intent(1)).await.unwrap();
    drop(open);
    kit.queue.close();

    timeout(Duration::from_secs(5), kit.writer)
        .await
        .unwrap()
        .unwrap();

    assert_eq!(kit.book.rows().len(), 1);
    assert!(matches!(
        kit.queue.begin(intent(2)).await,
        Err(RecordError::Down)
    ));
}

#[tokio::test]
async fn p5_the_writer_stays_until_the_last_request_has_ended() {
    let kit = Kit::new();
    let open = kit.queue.begin(intent(1)).await.unwrap();
    kit.queue.close();
    kit.settle().await;
    assert!(!kit.writer.is_finished());

    open.close(Ended {
        outcome: Outcome::Completed,
        ..Ended::not_sent()
    });
    let ended = timeout(Duration::from_secs(5), kit.writer).await;

    assert!(ended.unwrap().is_ok());
    let rows = kit.book.rows();
    assert_eq!(rows[0].ended.as_ref().unwrap().outcome, "completed");
}

#[tokio::test]
async fn aud_09_a_journal_that_stalled_is_asked_again() {
    let clock = MockClock::new();
    let queue = Queue::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let journal = Arc::new(Stalling::default());
    let writer = Writer::new(
        Arc::clone(&queue),
        Arc::clone(&journal) as Arc<dyn Journal>,
        ReplicaId([6; 16]),
        Replicas::Several,
    );
    let tasks = tokio_util::task::TaskTracker::new();
    tasks.spawn(writer.run());
    tokio::task::yield_now().await;
    clock.advance(LEASE_RENEWAL_MS);
    // Written, and then the lease is due.
    let first = queue.begin(intent(1)).await;
    tokio::time::pause();

    let slow = queue.begin(intent(2)).await;
    let down = queue.begin(intent(3)).await;
    tokio::time::resume();
    journal.go.notify_one();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let after = queue.begin(intent(4)).await;

    assert!(first.is_ok());
    assert!(matches!(slow, Err(RecordError::Slow)));
    assert!(matches!(down, Err(RecordError::Down)));
    assert!(after.is_ok());
}

#[tokio::test]
async fn a_wait_that_ends_as_the_writer_is_done_sets_nothing_down() {
    let kit = Kit::new();
    let _open = kit.queue.begin(intent(1)).await.unwrap();
    kit.settle().await;

    let _ = kit.queue.is_slow();

    assert!(kit.queue.is_up());
}

#[tokio::test]
async fn where_nothing_waits_for_a_disk_a_request_commits_for_itself() {
    let kit = Kit::new_at_once();

    let open = kit.queue.begin(intent(1)).now_or_never().unwrap().unwrap();
    assert_eq!(open.standing().unwrap().held.get(), 10);
    open.close(completed());

    // Nobody was let in between.
    assert_eq!(kit.outcomes(), ["completed"]);
    assert_eq!((kit.book.commits(), kit.queue.depth()), (2, 0));
}

#[tokio::test]
async fn an_amount_that_does_not_fit_is_refused_at_once() {
    let kit = Kit::new_at_once();
    let much = Intent {
        held: MicroUsd::new(i64::MAX).unwrap(),
        ..intent(1)
    };

    let refused = kit.queue.begin(much).now_or_never().unwrap();

    assert!(matches!(refused, Err(RecordError::OverBudget(_))));
    assert_eq!(kit.outcomes(), ["refused"]);
}

#[tokio::test]
async fn a_destructor_writes_nothing_itself() {
    let kit = Kit::new_at_once();
    let left = kit.queue.begin(intent(1)).await.unwrap();
    let dropped = kit.queue.begin(intent(2)).await.unwrap();

    left.leave(completed());
    drop(dropped);

    assert_eq!(kit.outcomes(), ["open", "open"]);
    kit.settle().await;
    assert_eq!(kit.outcomes(), ["completed", "not_sent"]);
}

#[tokio::test]
async fn a_journal_that_cannot_commit_at_once_is_asked_through_the_queue() {
    let kit = Kit::new_at_once();
    let open = kit.queue.begin(intent(1)).await.unwrap();
    kit.book.fail(Some(Failing::Before));

    open.close(completed());
    let refused = kit.queue.begin(intent(2)).await;

    assert!(refused.is_err());
    kit.book.fail(None);
    kit.up().await;
    kit.settle().await;
    assert_eq!(kit.outcomes(), ["completed"]);
}

#[tokio::test]
async fn p5_a_writer_ends_when_the_last_request_has_closed_for_itself() {
    let kit = Kit::new_at_once();
    let open = kit.queue.begin(intent(1)).await.unwrap();
    kit.queue.close();
    kit.settle().await;
    assert!(!kit.writer.is_finished());

    open.close(completed());

    kit.writer.await.unwrap();
}

fn completed() -> Ended {
    Ended {
        outcome: Outcome::Completed,
        status: None,
        sent: None,
        total: None,
    }
}

/// A journal whose lease is not renewed before it is told to go on.
#[derive(Default)]
struct Stalling {
    book: Memory,
    go: Notify,
}

#[async_trait::async_trait]
impl Journal for Stalling {
    async fn commit(&self, batch: Arc<[Entry]>) -> Result<Vec<Verdict>, StoreError> {
        self.book.commit(batch).await
    }

    async fn renew(&self, replica: ReplicaId, until: UnixMillis) -> Result<(), StoreError> {
        self.go.notified().await;
        self.book.renew(replica, until).await
    }

    async fn reap(&self, replicas: Replicas, now: UnixMillis) -> Result<u64, StoreError> {
        self.book.reap(replicas, now).await
    }

    async fn usage(&self, grant: &Pseudonym, start: UnixMillis) -> Result<GrantUsage, StoreError> {
        self.book.usage(grant, start).await
    }

    async fn turn_away(&self, counts: Arc<[TurnedAway]>) -> Result<(), StoreError> {
        self.book.turn_away(counts).await
    }

    async fn seal(
        &self,
        signer: Arc<Signer>,
        seed: [u8; 32],
        now: UnixMillis,
    ) -> Result<Sealing, StoreError> {
        self.book.seal(signer, seed, now).await
    }

    async fn disclose(
        &self,
        leaf: Leaf,
        signer: Arc<Signer>,
        now: UnixMillis,
    ) -> Result<Head, StoreError> {
        self.book.disclose(leaf, signer, now).await
    }
}

struct Kit {
    queue: Arc<Queue>,
    book: Arc<Memory>,
    writer: tokio::task::JoinHandle<()>,
}

impl Kit {
    fn new() -> Self {
        Self::of(Arc::default())
    }

    fn new_at_once() -> Self {
        let book = Memory::default();
        book.commits_at_once();
        Self::of(Arc::new(book))
    }

    fn of(book: Arc<Memory>) -> Self {
        let journal = Arc::clone(&book) as Arc<dyn Journal>;
        let queue = Queue::over(MockClock::new(), Arc::clone(&journal));
        let replica = ReplicaId([6; 16]);
        let writer = Writer::new(Arc::clone(&queue), journal, replica, Replicas::Sole);
        let tasks = tokio_util::task::TaskTracker::new();
        Self {
            queue,
            book,
            writer: tasks.spawn(writer.run()),
        }
    }

    /// Lets the writer write all there is.
    async fn settle(&self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(self.queue.depth(), 0);
    }

    async fn up(&self) {
        while !self.queue.is_up() {
            tokio::task::yield_now().await;
        }
    }

    fn outcomes(&self) -> Vec<String> {
        let rows = self.book.rows().into_iter();
        rows.map(|row| {
            row.ended
                .map_or("open".to_owned(), |ended| ended.outcome.into())
        })
        .collect()
    }
}

fn intent(n: u32) -> Intent {
    Intent {
        id: RequestId::from_bytes(u128::from(n).to_be_bytes()),
        replica: ReplicaId([6; 16]),
        grant: grant(),
        scope: name("frontier"),
        dialect: "anthropic",
        route: "messages",
        model: "claude-opus".to_owned(),
        gate: None,
        targets: "anthropic/claude-opus-4-7".to_owned(),
        started_at: START,
        held: MicroUsd::new(10).unwrap(),
        budget: Some(WINDOW),
    }
}

const WINDOW: Window = Window {
    start: UnixMillis(0),
    limit: match MicroUsd::new(1_000_000) {
        Some(limit) => limit,
        None => MicroUsd::ZERO,
    },
};
