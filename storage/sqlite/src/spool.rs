//! The journal's commits, in a file of their own before they are in the tables.
//!
//! A transaction through sqlx costs a statement's way to another thread and back for each of its
//! statements; a request that asks a model needs two of them, and most of what a request cost was
//! that. So a commit is one appended line (ADR 17): what is open and where each budget stands is
//! judged in memory, by the one process that has the file, and the line is durable before anybody is
//! answered. When the log is sealed, and before anybody reads, what was committed lands in the tables:
//! many requests in one transaction, which also says how far the spool was read (`user_version`), and
//! in a seal makes their leaves as well. What a crash left in the spool lands when the file is opened
//! again.
//!
//! A write or a sync that fails stops the spool: nobody knows what is on the disk. It goes on in a
//! new file once all that was judged is in the tables, and until then nothing is committed. What could
//! not be written is taken back, so that nothing is judged twice.

use std::{
    io, mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
};

use async_trait::async_trait;
use bauta_audit::{
    note::Signer,
    store::{Head, LogStore, StoreError, StoredLeaf},
    tree::{Hash, NodeId},
};
use bauta_proxy::{
    log::Leaf,
    ports::{
        AtOnce, Entry, FeedBook, GrantUsage, Heard, Journal, ReplicaId, Replicas, Sealing,
        TurnedAway, Verdict,
    },
};
use bauta_token::{pseudonym::Pseudonym, units::UnixMillis};
use tokio::sync::Notify;

use self::{
    fact::Fact,
    landing::Landing,
    ledger::{Judged, Ledger},
    segment::Segment,
};
use crate::{Durability, GatewayStore, dialect, gateway_log, log};

pub(crate) mod fact;
pub(crate) mod landing;
pub(crate) mod ledger;
mod segment;

/// The gateway's database with its spool: what a server opens.
pub struct SpooledStore {
    store: GatewayStore,
    database: PathBuf,
    durability: Durability,
    state: Mutex<State>,
    /// The file to write to. Read by whoever judges and writes, for as long as that takes, so that
    /// nothing is in between when it is replaced.
    current: RwLock<Arc<Segment>>,
    /// Held by whoever lands or changes the tables beside the spool.
    landing: tokio::sync::Mutex<()>,
    /// Told when enough is pending.
    ripe: Notify,
}

struct State {
    ledger: Ledger,
    /// Judged, and not on the way into the tables yet.
    pending: Vec<Fact>,
    /// On the way into them. It stays here until it is known to be there: whoever lands may be gone
    /// in the middle of it.
    landing: Option<Arc<Landing>>,
    number: u32,
    /// A write or a sync failed, so nothing more goes into this file.
    broken: bool,
    /// Lines that are not in the file yet: ends of requests, which nobody waits for.
    lines: Vec<u8>,
    /// Somebody was told that enough is pending.
    ripe: bool,
}

impl SpooledStore {
    /// Opens `database`, made when absent, brings it to the newest schema, and lands what a process
    /// that ended left in the spool.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, belongs to another process, cannot be migrated, or its spool
    /// is damaged.
    pub async fn open(database: &Path, durability: Durability) -> sqlx::Result<Self> {
        let store = GatewayStore::open(database, durability).await?;
        let (ledger, number, segment) = recover(&store, database).await?;
        Ok(Self {
            store,
            database: database.to_owned(),
            durability,
            state: Mutex::new(State {
                ledger,
                pending: Vec::new(),
                landing: None,
                number,
                broken: false,
                lines: Vec::new(),
                ripe: false,
            }),
            current: RwLock::new(Arc::new(segment)),
            landing: tokio::sync::Mutex::default(),
            ripe: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> RwLockReadGuard<'_, Arc<Segment>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges and appends. Gives the file as well, for who has to wait until it is synced. After an
    /// error nothing of the batch was judged: it may be judged again when all else has landed.
    ///
    /// Two that come at once are judged one after the other and write side by side: the file system
    /// puts each whole write at the end, and the order of lines says nothing but that a request ends
    /// after it began.
    fn append(
        &self,
        batch: &[Entry],
        when: When,
    ) -> Result<(Vec<Verdict>, Arc<Segment>), StoreError> {
        let segment = self.current();
        let (verdicts, judged, mut lines) = {
            let mut state = self.state();
            if state.broken || state.pending.len() > MOST_PENDING {
                return Err(StoreError::new("spool", "it has to land first"));
            }
            let (verdicts, judged) = state.judge(batch);
            if when == When::Soon && state.lines.len() < MOST_LINES {
                let kept = segment::write_lines(&mut state.lines, &judged);
                self.settle(state, judged, kept)?;
                return Ok((verdicts, Arc::clone(&segment)));
            }
            (verdicts, judged, mem::take(&mut state.lines))
        };
        let written =
            segment::write_lines(&mut lines, &judged).and_then(|()| segment.append(&lines));
        self.settle(self.state(), judged, written)?;
        Ok((verdicts, Arc::clone(&segment)))
    }

    /// What was written goes on into the tables. What was not never was; nor what stands in the file
    /// after a line that may be torn.
    fn settle(
        &self,
        mut state: MutexGuard<'_, State>,
        judged: Vec<Judged>,
        written: io::Result<()>,
    ) -> Result<(), StoreError> {
        if written.is_err() || state.broken {
            state.broken = true;
            for last in judged.into_iter().rev() {
                state.ledger.take_back(last);
            }
            let cause = written
                .err()
                .unwrap_or_else(|| io::Error::other("it is torn"));
            return Err(StoreError::new("spool", cause));
        }
        state.pending.extend(judged.into_iter().map(|it| it.fact));
        if state.pending.len() >= RIPE && !mem::replace(&mut state.ripe, true) {
            self.ripe.notify_one();
        }
        Ok(())
    }

    async fn sync(&self, segment: Arc<Segment>) -> Result<(), StoreError> {
        if self.durability == Durability::Os {
            return Ok(());
        }
        let synced = tokio::task::spawn_blocking(move || segment.sync()).await;
        let synced = synced.map_err(|cause| StoreError::new("spool", cause))?;
        synced.map_err(|cause| {
            self.state().broken = true;
            StoreError::new("spool", cause)
        })
    }

    /// Moves what was judged into the tables. Nobody else may be landing.
    async fn land_now(&self) -> Result<(), StoreError> {
        self.turn().await?;
        self.finish().await
    }

    /// Puts what was judged on its way into the tables, if it was anything. Nobody else may be
    /// landing.
    async fn turn(&self) -> Result<(), StoreError> {
        self.finish().await?;
        let Some(next) = self.state().next() else {
            return Ok(());
        };
        let (database, durable) = (self.database.clone(), self.durability == Durability::Fsync);
        let open = move || Segment::open(&database, next, durable);
        let segment = tokio::task::spawn_blocking(open)
            .await
            .map_err(|cause| StoreError::new("spool", cause))?
            .map_err(|cause| StoreError::new("spool", cause))?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        self.state().turn_to(&current, next);
        *current = Arc::new(segment);
        Ok(())
    }

    /// Lands what is on the way, whoever put it there.
    async fn finish(&self) -> Result<(), StoreError> {
        let Some(landing) = self.state().landing.clone() else {
            return Ok(());
        };
        write(&self.store, Arc::clone(&landing)).await?;
        self.landed(landing.through).await;
        Ok(())
    }

    /// What was on the way is in the tables.
    async fn landed(&self, through: u32) {
        self.state().landing = None;
        self.clear(through).await;
    }

    /// Lands and seals in one transaction: a row that is in the log when it comes into the tables
    /// is not read and marked again.
    async fn land_sealed(
        &self,
        landing: Arc<Landing>,
        signer: Arc<Signer>,
        seed: [u8; 32],
        now: UnixMillis,
    ) -> Result<Sealing, StoreError> {
        let db = &self.store.db;
        let (before, through) = (db.signed.last(), landing.through);
        let sealing = db.write("seal", move |db| {
            let (landing, signer) = (Arc::clone(&landing), Arc::clone(&signer));
            Box::pin(async move {
                log::lock(db).await?;
                log::continues(db, before).await?;
                let landed = dialect::land(db, &landing, true).await?;
                let fresh = if landed { landing.untold() } else { Vec::new() };
                gateway_log::seal(db, &signer, &seed, now, &fresh).await
            })
        });
        let sealing = sealing.await?;
        db.signed.remember(&sealing.head);
        self.landed(through).await;
        Ok(sealing)
    }

    /// Deletes the files that have landed. One that stays is deleted at the next start.
    async fn clear(&self, through: u32) {
        let database = self.database.clone();
        let cleared = tokio::task::spawn_blocking(move || {
            for number in segment::numbers(&database)? {
                if number <= through {
                    segment::delete(&database, number)?;
                }
            }
            Ok::<_, io::Error>(())
        });
        if let Ok(Err(cause)) = cleared.await {
            tracing::warn!(%cause, "a file of the spool that has landed was not deleted");
        }
    }
}

impl State {
    fn judge(&mut self, batch: &[Entry]) -> (Vec<Verdict>, Vec<Judged>) {
        let mut verdicts = Vec::with_capacity(batch.len());
        let mut judged = Vec::with_capacity(batch.len());
        for entry in batch {
            let (verdict, fact) = self.ledger.judge(entry.clone());
            verdicts.push(verdict);
            judged.extend(fact);
        }
        (verdicts, judged)
    }

    /// Writes the lines that are not in the file yet. When that fails they are lost, and what they
    /// say is still on its way into the tables.
    fn catch_up(&mut self, segment: &Segment) {
        if let Err(cause) = segment.append(&mem::take(&mut self.lines)) {
            tracing::warn!(%cause, "the spool was not written; it goes on when all has landed");
            self.broken = true;
        }
    }

    /// The number of the file to go on in, when there is a reason to.
    fn next(&self) -> Option<u32> {
        let idle = self.pending.is_empty() && !self.broken;
        (!idle).then(|| self.number.saturating_add(1))
    }

    /// Leaves `segment` for the file of `number`, and puts what was judged on its way into the tables.
    fn turn_to(&mut self, segment: &Segment, number: u32) {
        self.catch_up(segment);
        let facts = mem::take(&mut self.pending);
        let landing = Landing::of(facts, self.ledger.take_changed(), self.number);
        self.ledger.forget_old();
        self.landing = Some(Arc::new(landing));
        self.number = number;
        self.broken = false;
        self.ripe = false;
    }
}

/// When a line has to be in the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum When {
    /// Before anybody is answered.
    Now,
    /// With the next one, or when [`Journal::catch_up`] is called.
    Soon,
}

async fn write(store: &GatewayStore, landing: Arc<Landing>) -> Result<(), StoreError> {
    let landed = store.db.write("land", move |db| {
        let landing = Arc::clone(&landing);
        Box::pin(async move { dialect::land(db, &landing, false).await })
    });
    landed.await.map(drop)
}

/// The ledger as the tables and the spool have it, with the spool landed; and the file to go on with.
pub(crate) async fn recover(
    store: &GatewayStore,
    database: &Path,
) -> sqlx::Result<(Ledger, u32, Segment)> {
    let (mut ledger, landed) = store.db.read("ledger", load()).await.map_err(boxed)?;
    let numbers = segment::numbers(database)?;
    let facts = left(database, landed, &numbers)?;
    for fact in &facts {
        ledger.replay(fact);
    }
    let mut last = landed;
    if !facts.is_empty() {
        last = numbers.last().copied().unwrap_or(landed);
        let landing = Landing::of(facts, ledger.take_changed(), last);
        write(store, Arc::new(landing)).await.map_err(boxed)?;
    }
    for number in numbers {
        segment::delete(database, number)?;
    }
    let next = last.saturating_add(1);
    Ok((ledger, next, Segment::open(database, next, true)?))
}

/// What the files past `landed` say, in order.
fn left(database: &Path, landed: u32, numbers: &[u32]) -> sqlx::Result<Vec<Fact>> {
    let mut facts = Vec::new();
    let mut expected = landed.saturating_add(1);
    for number in numbers.iter().copied().filter(|number| *number > landed) {
        if number != expected {
            missing(expected);
        }
        let (more, torn) = segment::read(&segment::text(database, number)?)
            .map_err(|cause| segment::damaged(database, number, &cause))?;
        if torn {
            tracing::warn!(
                number,
                "the end of a file of the spool is torn, as a crash leaves it"
            );
        }
        facts.extend(more);
        expected = number.saturating_add(1);
    }
    // There is always one to go on with, but beside a database that has never had a spool.
    if landed > 0 && expected == landed.saturating_add(1) {
        missing(expected);
    }
    Ok(facts)
}

/// Not a reason to stop: a backup may have been made without it, and there is no more to be had.
fn missing(number: u32) {
    tracing::warn!(
        number,
        "a file of the spool is missing: what was in it is not on record"
    );
}

fn load() -> impl crate::transaction::Work<(Ledger, u32)> {
    |db| {
        Box::pin(async move {
            let mut ledger = Ledger::default();
            let landed = dialect::load(db, &mut ledger).await?;
            ledger.forget_old();
            Ok((ledger, landed))
        })
    }
}

fn boxed(cause: StoreError) -> sqlx::Error {
    sqlx::Error::Configuration(Box::new(cause))
}

#[async_trait]
impl Journal for SpooledStore {
    fn commit_at_once(&self, entry: Entry) -> AtOnce {
        if self.durability == Durability::Fsync {
            return AtOnce::Waits(entry);
        }
        // What a request used is of no use to it any more. Its line costs a system call less when it
        // goes with that of the next request.
        let when = match &entry {
            Entry::Close(_) => When::Soon,
            Entry::Begin(_) | Entry::Refuse(_) => When::Now,
        };
        match self.append(std::slice::from_ref(&entry), when) {
            Ok((verdicts, _)) => match verdicts.first() {
                Some(verdict) => AtOnce::Written(*verdict),
                None => AtOnce::Waits(entry),
            },
            Err(_) => AtOnce::Waits(entry),
        }
    }

    async fn commit(&self, batch: Arc<[Entry]>) -> Result<Vec<Verdict>, StoreError> {
        let (verdicts, segment) = if let Ok(appended) = self.append(&batch, When::Now) {
            appended
        } else {
            self.land().await?;
            self.append(&batch, When::Now)?
        };
        if self.sync(segment).await.is_err() {
            // Judged, and durable when it has landed.
            self.land().await?;
        }
        Ok(verdicts)
    }

    fn catch_up(&self) {
        let segment = self.current();
        self.state().catch_up(&segment);
    }

    async fn ripen(&self) {
        self.ripe.notified().await;
    }

    async fn land(&self) -> Result<(), StoreError> {
        let _alone = self.landing.lock().await;
        self.land_now().await
    }

    async fn renew(&self, replica: ReplicaId, lease_until: UnixMillis) -> Result<(), StoreError> {
        self.store.renew(replica, lease_until).await
    }

    async fn reap(&self, replicas: Replicas, now: UnixMillis) -> Result<u64, StoreError> {
        let _alone = self.landing.lock().await;
        self.land_now().await?;
        let reaped = self.store.reap(replicas, now).await?;
        // Rows were closed beside the ledger: it is read again, with what was judged meanwhile.
        let (mut ledger, _) = self.store.db.read("ledger", load()).await?;
        // Nothing is judged that is not pending.
        let _nobody = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        for fact in &state.pending {
            ledger.replay(fact);
        }
        state.ledger = ledger;
        Ok(reaped)
    }

    async fn usage(
        &self,
        grant: &Pseudonym,
        window_start: UnixMillis,
    ) -> Result<GrantUsage, StoreError> {
        self.land().await?;
        self.store.usage(grant, window_start).await
    }

    async fn turn_away(&self, counts: Arc<[TurnedAway]>) -> Result<(), StoreError> {
        self.store.turn_away(counts).await
    }

    async fn seal(
        &self,
        signer: Arc<Signer>,
        seed: [u8; 32],
        now: UnixMillis,
    ) -> Result<Sealing, StoreError> {
        let _alone = self.landing.lock().await;
        self.turn().await?;
        let landing = self.state().landing.clone();
        match landing {
            Some(landing) => self.land_sealed(landing, signer, seed, now).await,
            None => self.store.seal(signer, seed, now).await,
        }
    }

    async fn disclose(
        &self,
        leaf: Leaf,
        signer: Arc<Signer>,
        now: UnixMillis,
    ) -> Result<Head, StoreError> {
        self.store.disclose(leaf, signer, now).await
    }
}

#[async_trait]
impl FeedBook for SpooledStore {
    async fn heard(&self, now: UnixMillis) -> Result<Heard, StoreError> {
        self.store.heard(now).await
    }

    async fn hear(&self, news: Arc<Heard>, now: UnixMillis) -> Result<(), StoreError> {
        self.store.hear(news, now).await
    }
}

#[async_trait]
impl LogStore for SpooledStore {
    async fn head(&self) -> Result<Head, StoreError> {
        self.store.head().await
    }

    async fn nodes(&self, ids: &[NodeId]) -> Result<Vec<Hash>, StoreError> {
        self.store.nodes(ids).await
    }

    async fn leaves(&self, range: std::ops::Range<u64>) -> Result<Vec<StoredLeaf>, StoreError> {
        self.store.leaves(range).await
    }
}

/// Ends of more requests are not kept waiting.
const MOST_LINES: usize = 32 * 1024;

/// So many pending are sealed at once: enough that an order is hidden among them and that a
/// transaction costs each of them little, and little enough to keep in memory (3 MiB).
const RIPE: usize = 4096;

/// More than this wait for nobody to land them: a commit lands them itself first.
const MOST_PENDING: usize = 50_000;
