//! Many requests, one fsync.
//!
//! A durable commit takes about 3 ms, so requests do not commit each for itself: they queue, and
//! one writer takes whatever is there into one transaction and answers each after the commit. A
//! lone request waits for nobody; a hundred that come at once share one commit. Where a commit waits
//! for no disk, a request commits for itself and nobody is woken for it.
//!
//! An intent that is durable is an [`Open`]; it closes once, by value, or hands itself back when
//! it is dropped. So a caller who leaves at any point, even between the commit and its answer,
//! leaves no open row behind and closes none twice.

use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bauta_token::{ambient::Clock, units::UnixMillis};
use tokio::{
    sync::{Notify, oneshot},
    time::{sleep, timeout},
};

use super::{Ended, RecordError};
use crate::ports::{
    AtOnce, Entry, Intent, Journal, Refused, ReplicaId, Replicas, RequestId, Standing, Verdict,
};

/// What waits to be written.
pub struct Queue {
    state: Mutex<State>,
    /// The journal may have something to catch up with.
    trails: AtomicBool,
    wake: Notify,
    clock: Arc<dyn Clock>,
    /// Asked to commit at once, before anything is queued.
    journal: Option<Arc<dyn Journal>>,
    /// What was written, for the metrics.
    pub(crate) counts: Counts,
}

#[derive(Default)]
struct State {
    waiting: Vec<Item>,
    /// Nothing new is begun any more.
    closed: bool,
    /// The last commit failed, or the writer has been at something for too long.
    down: bool,
    /// The writer is at something.
    busy: bool,
    /// Intents that are durable and not closed: as many ends are still to come.
    open: usize,
}

/// Counters of the writer.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) commits: AtomicU64,
    pub(crate) entries: AtomicU64,
    pub(crate) failures: AtomicU64,
}

struct Item {
    word: Word,
    asker: Asker,
}

/// What is to be written. An end is priced by the writer, not where it was dropped.
enum Word {
    Ready(Entry),
    End(RequestId, Ended, UnixMillis),
}

impl Word {
    fn into_entry(self) -> Entry {
        match self {
            Self::Ready(entry) => entry,
            Self::End(id, ended, at) => Entry::Close(ended.closing(id, at)),
        }
    }
}

/// Who waits for the answer.
enum Asker {
    Begin(oneshot::Sender<Result<Open, RecordError>>),
    Refuse(oneshot::Sender<()>),
    Nobody,
}

impl Asker {
    fn has_left(&self) -> bool {
        match self {
            Self::Begin(asker) => asker.is_closed(),
            // A refusal is written even when nobody waits for it any more.
            Self::Refuse(_) | Self::Nobody => false,
        }
    }
}

/// A durable intent that nothing closed yet.
#[must_use = "an intent is closed by value; dropped, it closes as not sent or as left"]
pub struct Open {
    id: RequestId,
    queue: Arc<Queue>,
    standing: Option<Standing>,
    ended: Option<Ended>,
    closed: bool,
}

impl Open {
    /// Which request.
    #[must_use]
    pub const fn id(&self) -> RequestId {
        self.id
    }

    /// Where the budget stood when the amount was set aside.
    #[must_use]
    pub const fn standing(&self) -> Option<Standing> {
        self.standing
    }

    /// From now on, dropping this means `ended`.
    pub(crate) fn expect(&mut self, ended: Ended) {
        self.ended = Some(ended);
    }

    /// Closes the intent.
    pub(crate) fn close(mut self, ended: Ended) {
        match self.queue.close_at_once(self.id, ended) {
            None => self.closed = true,
            Some(ended) => self.ended = Some(ended),
        }
    }

    /// Closes the intent from a destructor: hands it over, and does nothing else.
    pub(crate) fn leave(mut self, ended: Ended) {
        self.ended = Some(ended);
    }
}

impl Drop for Open {
    /// Hands over what is known and does nothing else: no accounting in a destructor.
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        let ended = self.ended.take().unwrap_or_else(Ended::not_sent);
        self.queue.hand_over(self.id, ended);
    }
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::made(clock, None)
    }

    /// One that commits at once what `journal` commits at once. Its [`Writer`] has the same journal.
    #[must_use]
    pub fn over(clock: Arc<dyn Clock>, journal: Arc<dyn Journal>) -> Arc<Self> {
        Self::made(clock, Some(journal))
    }

    fn made(clock: Arc<dyn Clock>, journal: Option<Arc<dyn Journal>>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            trails: AtomicBool::new(false),
            wake: Notify::new(),
            clock,
            journal,
            counts: Counts::default(),
        })
    }

    /// Makes an intent durable.
    ///
    /// # Errors
    ///
    /// [`RecordError`] when it is not durable, when nobody knows, or when its amount does not fit.
    pub(crate) async fn begin(self: &Arc<Self>, intent: Intent) -> Result<Open, RecordError> {
        let id = intent.id;
        let entry = match self.commit_at_once(Entry::Begin(intent))? {
            AtOnce::Written(Verdict::Begun(standing)) => return Ok(self.opened(id, standing)),
            AtOnce::Written(Verdict::OverBudget(standing)) => {
                return Err(RecordError::OverBudget(standing));
            }
            AtOnce::Written(_) => return Err(RecordError::Unknown),
            AtOnce::Waits(entry) => entry,
        };
        let (asker, answer) = oneshot::channel();
        self.push(entry, Asker::Begin(asker))?;
        // One that is written after all finds nobody waiting and closes as not sent.
        match timeout(PATIENCE, answer).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(_)) => Err(RecordError::Down),
            Err(_) => Err(self.is_slow()),
        }
    }

    /// Makes a refusal durable. Gives up waiting like [`Queue::begin`], but what is queued is
    /// written.
    pub(crate) async fn refuse(&self, refused: Refused) -> Result<(), RecordError> {
        let entry = match self.commit_at_once(Entry::Refuse(refused))? {
            AtOnce::Written(_) => return Ok(()),
            AtOnce::Waits(entry) => entry,
        };
        let (asker, answer) = oneshot::channel();
        self.push(entry, Asker::Refuse(asker))?;
        match timeout(PATIENCE, answer).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(RecordError::Down),
            Err(_) => Err(self.is_slow()),
        }
    }

    /// Until the writer has done what it hangs in, nobody else waits for it. One that has nothing
    /// left to do by now is waited for: nothing would tell that it is back.
    fn is_slow(&self) -> RecordError {
        let mut state = self.state();
        if state.busy || !state.waiting.is_empty() {
            state.down = true;
        }
        RecordError::Slow
    }

    /// Whether the last commit succeeded.
    #[must_use]
    pub fn is_up(&self) -> bool {
        let state = self.state();
        !state.down && !state.closed
    }

    /// Takes nothing new. The writer ends when every request that runs has ended and is written.
    pub fn close(&self) {
        self.state().closed = true;
        self.wake.notify_one();
    }

    /// How many entries wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.state().waiting.len()
    }

    /// How many requests are on record and have not ended.
    #[must_use]
    pub fn open(&self) -> usize {
        self.state().open
    }

    fn commit_at_once(&self, entry: Entry) -> Result<AtOnce, RecordError> {
        let Some(journal) = &self.journal else {
            return Ok(AtOnce::Waits(entry));
        };
        if !self.is_up() {
            return Err(RecordError::Down);
        }
        let made = journal.commit_at_once(entry);
        if matches!(made, AtOnce::Written(_)) {
            self.counts.commits.fetch_add(1, Ordering::Relaxed);
            self.counts.entries.fetch_add(1, Ordering::Relaxed);
        }
        Ok(made)
    }

    /// Gives the end back when it has to be queued.
    fn close_at_once(&self, id: RequestId, ended: Ended) -> Option<Ended> {
        let Some(journal) = &self.journal else {
            return Some(ended);
        };
        let closing = ended.clone().closing(id, self.clock.now());
        if let AtOnce::Waits(_) = journal.commit_at_once(Entry::Close(closing)) {
            return Some(ended);
        }
        self.counts.commits.fetch_add(1, Ordering::Relaxed);
        self.counts.entries.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state();
        state.open = state.open.saturating_sub(1);
        let last = state.closed && state.open == 0;
        drop(state);
        let first = !self.trails.swap(true, Ordering::AcqRel);
        if first || last {
            self.wake.notify_one();
        }
        None
    }

    /// An intent that is durable now.
    fn opened(self: &Arc<Self>, id: RequestId, standing: Option<Standing>) -> Open {
        let mut state = self.state();
        state.open = state.open.saturating_add(1);
        drop(state);
        Open {
            id,
            queue: Arc::clone(self),
            standing,
            ended: None,
            closed: false,
        }
    }

    fn push(&self, entry: Entry, asker: Asker) -> Result<(), RecordError> {
        let mut state = self.state();
        // Refused at once while storage is known to be gone: nobody waits for a second to hear it.
        if state.closed || state.down {
            return Err(RecordError::Down);
        }
        if state.waiting.len() >= MOST_WAITING {
            return Err(RecordError::Full);
        }
        let word = Word::Ready(entry);
        state.waiting.push(Item { word, asker });
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Queues the end of a request. Never refused: there are no more of them than were begun.
    fn hand_over(&self, id: RequestId, ended: Ended) {
        let word = Word::End(id, ended, self.clock.now());
        let asker = Asker::Nobody;
        let mut state = self.state();
        state.open = state.open.saturating_sub(1);
        state.waiting.push(Item { word, asker });
        drop(state);
        self.wake.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next batch; `None` once nothing can come any more.
    async fn next(&self) -> Option<Vec<Item>> {
        loop {
            {
                let mut state = self.state();
                state.busy = !state.waiting.is_empty();
                if state.busy {
                    let most = state.waiting.len().min(MOST_IN_A_COMMIT);
                    let rest = state.waiting.split_off(most);
                    return Some(mem::replace(&mut state.waiting, rest));
                }
                // Whatever it hung in is over, and who waited has left: the next one finds out.
                state.down = false;
                if state.closed && state.open == 0 {
                    return None;
                }
            }
            if !self.trails.load(Ordering::Acquire) {
                self.wake.notified().await;
            } else if timeout(TRAIL, self.wake.notified()).await.is_err() {
                self.catch_up();
            }
        }
    }

    fn catch_up(&self) {
        self.trails.store(false, Ordering::Release);
        if let Some(journal) = &self.journal {
            journal.catch_up();
        }
    }
}

/// The one writer of a queue.
pub struct Writer {
    queue: Arc<Queue>,
    journal: Arc<dyn Journal>,
    replica: ReplicaId,
    replicas: Replicas,
}

impl Writer {
    /// The writer of `queue`.
    #[must_use]
    pub const fn new(
        queue: Arc<Queue>,
        journal: Arc<dyn Journal>,
        replica: ReplicaId,
        replicas: Replicas,
    ) -> Self {
        Self {
            queue,
            journal,
            replica,
            replicas,
        }
    }

    /// Closes what nobody answers for and, among several replicas, takes a lease.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    pub async fn recover(&self) -> Result<u64, crate::ports::StoreError> {
        let now = self.queue.clock.now();
        let reaped = self.journal.reap(self.replicas, now).await?;
        if self.replicas == Replicas::Several {
            self.journal.renew(self.replica, lease(now)).await?;
        }
        Ok(reaped)
    }

    /// Writes until the queue is closed and empty.
    pub async fn run(self) {
        let mut renewed_at = self.queue.clock.now();
        loop {
            match timeout(LEASE_RENEWAL, self.queue.next()).await {
                Ok(Some(batch)) => self.write(batch).await,
                Ok(None) => return self.queue.catch_up(),
                Err(_) => {}
            }
            self.keep_lease(&mut renewed_at).await;
        }
    }

    async fn write(&self, batch: Vec<Item>) {
        // Who left before the commit never was.
        let batch = batch.into_iter().filter(|item| !item.asker.has_left());
        let (entries, askers): (Vec<_>, Vec<_>) = batch
            .map(|item| (item.word.into_entry(), item.asker))
            .unzip();
        if entries.is_empty() {
            return;
        }
        let entries: Arc<[Entry]> = entries.into();
        match self.journal.commit(Arc::clone(&entries)).await {
            Ok(verdicts) if verdicts.len() == entries.len() => {
                self.succeeded(&entries);
                for ((entry, asker), verdict) in entries.iter().zip(askers).zip(verdicts) {
                    self.answer(entry, asker, verdict);
                }
            }
            Ok(_) => self.failed(&entries, askers).await,
            Err(cause) => {
                tracing::error!(cause = chain(&cause), "the journal did not commit");
                self.failed(&entries, askers).await;
            }
        }
    }

    fn answer(&self, entry: &Entry, asker: Asker, verdict: Verdict) {
        match (asker, verdict, entry) {
            (Asker::Begin(asker), Verdict::Begun(standing), Entry::Begin(intent)) => {
                let open = self.queue.opened(intent.id, standing);
                // Not taken: it comes back, is dropped, and closes as not sent.
                drop(asker.send(Ok(open)));
            }
            (Asker::Begin(asker), Verdict::OverBudget(standing), _) => {
                drop(asker.send(Err(RecordError::OverBudget(standing))));
            }
            (Asker::Refuse(asker), ..) => drop(asker.send(())),
            _ => {}
        }
    }

    fn succeeded(&self, entries: &[Entry]) {
        self.queue.state().down = false;
        let counts = &self.queue.counts;
        counts.commits.fetch_add(1, Ordering::Relaxed);
        let written = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        counts.entries.fetch_add(written, Ordering::Relaxed);
    }

    /// Nobody knows whether the batch is durable. Who asked to begin is refused, and the row that
    /// may be there is closed as not sent; ends and refusals are written again, which changes
    /// nothing if they were. One entry at a time, so that none can hold up the others for ever.
    async fn failed(&self, entries: &[Entry], askers: Vec<Asker>) {
        self.queue.counts.failures.fetch_add(1, Ordering::Relaxed);
        self.queue.state().down = true;
        let now = self.queue.clock.now();
        let mut again = Vec::with_capacity(entries.len());
        for (entry, asker) in entries.iter().zip(askers) {
            if let Asker::Begin(asker) = asker {
                drop(asker.send(Err(RecordError::Unknown)));
            }
            again.push(match entry {
                Entry::Begin(intent) => Entry::Close(Ended::not_sent().closing(intent.id, now)),
                other => other.clone(),
            });
        }
        while !again.is_empty() {
            sleep(RETRY).await;
            again = self.retry(again).await;
            if !again.is_empty() && self.queue.state().closed {
                // Storage is gone and so are we: what is left open is closed at the next start.
                return;
            }
        }
        self.queue.state().down = false;
    }

    /// What is still not written. Storage that fails twice in a row is gone for now.
    async fn retry(&self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut failing = Vec::new();
        let mut faults = 0_u8;
        let mut rest = entries.into_iter();
        for entry in rest.by_ref() {
            let alone = Arc::from([entry.clone()]);
            if self.journal.commit(alone).await.is_ok() {
                faults = 0;
                continue;
            }
            failing.push(entry);
            faults = faults.saturating_add(1);
            if faults == 2 {
                break;
            }
        }
        // Those that were not tried come first the next time.
        let mut next: Vec<Entry> = rest.collect();
        next.extend(failing);
        next
    }

    async fn keep_lease(&self, renewed_at: &mut UnixMillis) {
        let now = self.queue.clock.now();
        let age = now.0.saturating_sub(renewed_at.0);
        if self.replicas == Replicas::Sole || (0..LEASE_RENEWAL_MS).contains(&age) {
            return;
        }
        *renewed_at = now;
        self.queue.state().busy = true;
        let renewed = self.journal.renew(self.replica, lease(now)).await;
        let reaped = match renewed {
            Ok(()) => self.journal.reap(self.replicas, now).await,
            Err(cause) => Err(cause),
        };
        if let Err(cause) = reaped {
            tracing::warn!(cause = chain(&cause), "the lease was not renewed");
        }
    }
}

/// An error with all that caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn lease(now: UnixMillis) -> UnixMillis {
    now.plus_seconds(LEASE_SECONDS)
}

/// How long a request waits for its intent before it is refused.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the end of a request may wait for the next one, to be written with it.
const TRAIL: Duration = Duration::from_millis(10);
/// How long the writer waits after a failure.
const RETRY: Duration = Duration::from_millis(200);
/// How long a replica is believed to live without a word from it.
const LEASE_SECONDS: i64 = 60;
const LEASE_RENEWAL_MS: i64 = 10_000;
const LEASE_RENEWAL: Duration = Duration::from_secs(10);
/// One commit stays short, so that the next one is not far.
const MOST_IN_A_COMMIT: usize = 256;
/// More than this many waiting are refused: they would wait too long anyway.
const MOST_WAITING: usize = 4096;

#[cfg(test)]
mod tests;
