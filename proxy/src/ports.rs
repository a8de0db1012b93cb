//! What the gateway asks of storage and of the identity plane, as use cases.
//!
//! Each method is one transaction. Not-found is `Option`; an unknown outcome is an error, and the
//! caller takes it for the unsafe one: a request whose intent may not be durable is not sent.

use std::sync::Arc;

use async_trait::async_trait;
use bauta_audit::{
    note::Signer,
    store::{Head, LogStore},
};
use bauta_token::{
    notice::{Notice, Numbered},
    pseudonym::Pseudonym,
    scope::{Gate, Name},
    units::{MicroUsd, UnixMillis},
};
use thiserror::Error;

pub use bauta_audit::store::StoreError;

use crate::log::Leaf;

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(any(test, feature = "conformance"))]
pub mod memory;
mod request_id;

pub use request_id::{RequestId, RequestIds};

/// The gateway's database: everything the plane keeps.
pub trait GatewayBook: Journal + FeedBook + LogStore {}
impl<T: Journal + FeedBook + LogStore> GatewayBook for T {}

/// What was asked and how it ended.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes `batch` in order, all of it or nothing, and answers each entry in its place.
    ///
    /// Every entry may be written again after an error without another effect: an intent and a
    /// refusal are known by their id, and a row is closed once.
    ///
    /// # Errors
    ///
    /// When the commit failed or its answer was lost: the batch may be durable or not.
    async fn commit(&self, batch: Arc<[Entry]>) -> Result<Vec<Verdict>, StoreError>;

    /// Commits one entry before it returns, where that waits for no disk and nobody else; gives it
    /// back where it does, to be committed with others. What closes a request may survive a process
    /// that is killed only after [`Journal::catch_up`]; a row that it left open is closed as
    /// [`Outcome::Unknown`].
    fn commit_at_once(&self, entry: Entry) -> AtOnce {
        AtOnce::Waits(entry)
    }

    /// Writes what [`Journal::commit_at_once`] took and did not write yet. To be called some
    /// milliseconds after it at most.
    fn catch_up(&self) {}

    /// Waits until so much waits to be sealed that it should not wait for its time. For ever, where
    /// nothing is kept in memory until then.
    async fn ripen(&self) {
        std::future::pending::<()>().await;
    }

    /// Moves what was committed to where it is kept, if that is another place.
    ///
    /// # Errors
    ///
    /// When storage does not answer. What was committed stays committed.
    async fn land(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Says that `replica` lives and answers for its open rows until `lease_until`.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn renew(&self, replica: ReplicaId, lease_until: UnixMillis) -> Result<(), StoreError>;

    /// Closes as [`Outcome::Unknown`] every open row that no living replica answers for, charged
    /// at what was held. Gives how many.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn reap(&self, replicas: Replicas, now: UnixMillis) -> Result<u64, StoreError>;

    /// What `grant` has used by model, and where its budget stands in the window from
    /// `window_start` on.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn usage(
        &self,
        grant: &Pseudonym,
        window_start: UnixMillis,
    ) -> Result<GrantUsage, StoreError>;

    /// Adds to the counts of requests that were refused before a token was known.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn turn_away(&self, counts: Arc<[TurnedAway]>) -> Result<(), StoreError>;

    /// Moves rows into the log in an order that `seed` decides, and signs a checkpoint. Of rows
    /// that have to be read for it, at most [`SEAL_ROWS`].
    ///
    /// # Errors
    ///
    /// When storage does not answer or the stored tree is not the one that was signed.
    async fn seal(
        &self,
        signer: Arc<Signer>,
        seed: [u8; 32],
        now: UnixMillis,
    ) -> Result<Sealing, StoreError>;

    /// Appends what the log says of an export of itself and signs a checkpoint: in the tree when
    /// this returns.
    ///
    /// # Errors
    ///
    /// When it may not have been appended. Nothing may be exported then.
    async fn disclose(
        &self,
        leaf: Leaf,
        signer: Arc<Signer>,
        now: UnixMillis,
    ) -> Result<Head, StoreError>;
}

/// How many rows one seal takes: few enough that a request waits a few milliseconds at most.
pub const SEAL_ROWS: i64 = 512;

/// One thing the journal is told.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "storage must know each")]
pub enum Entry {
    /// A request is about to be sent.
    Begin(Intent),
    /// A request is over.
    Close(Closing),
    /// A request with a good token was refused.
    Refuse(Refused),
}

/// What the journal answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the queue must know each")]
pub enum Verdict {
    /// The intent is durable and its amount set aside; where the budget stands now, if there is one.
    Begun(Option<Standing>),
    /// The amount does not fit: the refusal is durable, nothing is set aside.
    OverBudget(Standing),
    /// The row is closed by this entry.
    Closed,
    /// The row was closed before, or never begun.
    ClosedBefore,
    /// The refusal is durable.
    Refused,
}

/// What became of an entry that was to be committed at once.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "it is, or it waits")]
#[expect(clippy::large_enum_variant, reason = "moved once, and never kept")]
pub enum AtOnce {
    /// It is committed, and this is the answer.
    Written(Verdict),
    /// It is not.
    Waits(Entry),
}

/// A request that is about to be sent.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "one field a column")]
pub struct Intent {
    /// Names the request.
    pub id: RequestId,
    /// Which process answers for it.
    pub replica: ReplicaId,
    /// Whose token: the grant's random pseudonym.
    pub grant: Pseudonym,
    /// Under which scope.
    pub scope: Name,
    /// In which wire format.
    pub dialect: &'static str,
    /// By which of our routes.
    pub route: &'static str,
    /// The model asked for, as configuration names it.
    pub model: String,
    /// What opened it; `None` when it is not gated.
    pub gate: Option<Gate>,
    /// `upstream/model` in the order they are tried, separated by blanks.
    pub targets: String,
    /// When it came.
    pub started_at: UnixMillis,
    /// An upper bound of its cost.
    pub held: MicroUsd,
    /// The budget it is held in.
    pub budget: Option<Window>,
}

impl Intent {
    /// The refusal it becomes when its amount does not fit.
    #[must_use]
    pub fn over_budget(&self) -> Refused {
        Refused {
            id: self.id,
            replica: self.replica,
            grant: self.grant.clone(),
            scope: self.scope.clone(),
            dialect: self.dialect,
            route: self.route,
            model: self.model.clone(),
            reason: OVER_BUDGET,
            status: 429,
            at: self.started_at,
        }
    }
}

/// The reason of a refusal for want of budget.
pub const OVER_BUDGET: &str = "budget";

/// One window of a budget.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a start and a ceiling")]
pub struct Window {
    /// When it began.
    pub start: UnixMillis,
    /// What may be spent in it.
    pub limit: MicroUsd,
}

/// Where a budget stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "two sums")]
pub struct Standing {
    /// Set aside by requests that still run.
    pub held: MicroUsd,
    /// Charged.
    pub spent: MicroUsd,
}

impl Standing {
    /// What `limit` leaves.
    #[must_use]
    pub fn left(self, limit: MicroUsd) -> MicroUsd {
        limit.saturating_sub(self.held).saturating_sub(self.spent)
    }
}

/// A request that is over.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "one field a column")]
pub struct Closing {
    /// Which.
    pub id: RequestId,
    /// How it ended.
    pub outcome: Outcome,
    /// The HTTP status the caller got, if it got one.
    pub status: Option<u16>,
    /// Who answered.
    pub served: Option<Served>,
    /// What was counted.
    pub tokens: Option<Tokens>,
    /// What it costs.
    pub charge: Charge,
    /// When.
    pub ended_at: UnixMillis,
}

impl Closing {
    /// What closes a row that nobody answers for: charged at what was held.
    #[must_use]
    pub const fn unknown(id: RequestId, ended_at: UnixMillis) -> Self {
        Self {
            id,
            outcome: Outcome::Unknown,
            status: None,
            served: None,
            tokens: None,
            charge: Charge::Held,
            ended_at,
        }
    }
}

/// Who answered.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct Served {
    /// The upstream.
    pub upstream: Name,
    /// The model, as the upstream names it.
    pub model: String,
}

/// Tokens as the provider counted them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the four that are priced")]
pub struct Tokens {
    /// Read, without cached ones.
    pub input: u64,
    /// Written.
    pub output: u64,
    /// Read from the provider's cache.
    pub cache_read: u64,
    /// Written to the provider's cache.
    pub cache_write: u64,
}

/// What a request costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "known or not")]
pub enum Charge {
    /// This much.
    Amount(MicroUsd),
    /// All that was held: nobody knows better, and a crash must not make usage free.
    Held,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The answer was relayed to its end.
    Completed,
    /// The upstream refused, and its own error was relayed.
    UpstreamError,
    /// No upstream answered.
    Unreachable,
    /// The answer stopped before its end.
    UpstreamTruncated,
    /// The caller left.
    ClientGone,
    /// Cut: the token, the grant or a pseudonym was taken away.
    Revoked,
    /// Cut: the gateway no longer knew what was taken away.
    Stale,
    /// Cut: the gateway was shut down.
    Drained,
    /// Nothing was sent.
    NotSent,
    /// The process ended before the request did.
    Unknown,
    /// Refused before anything was sent.
    Refused,
}

impl Outcome {
    /// Every one.
    pub const ALL: [Self; 11] = [
        Self::Completed,
        Self::UpstreamError,
        Self::Unreachable,
        Self::UpstreamTruncated,
        Self::ClientGone,
        Self::Revoked,
        Self::Stale,
        Self::Drained,
        Self::NotSent,
        Self::Unknown,
        Self::Refused,
    ];

    /// As it is stored, logged and counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::UpstreamError => "upstream_error",
            Self::Unreachable => "upstream_unreachable",
            Self::UpstreamTruncated => "upstream_truncated",
            Self::ClientGone => "client_gone",
            Self::Revoked => "revoked",
            Self::Stale => "stale",
            Self::Drained => "drained",
            Self::NotSent => "not_sent",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
        }
    }
}

/// A request that was refused after its token was found good.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "one field a column")]
pub struct Refused {
    /// Names the request.
    pub id: RequestId,
    /// Which process.
    pub replica: ReplicaId,
    /// Whose token.
    pub grant: Pseudonym,
    /// Under which scope.
    pub scope: Name,
    /// In which wire format.
    pub dialect: &'static str,
    /// By which of our routes.
    pub route: &'static str,
    /// The model asked for; empty when it was refused before that was known.
    pub model: String,
    /// Why, as a stable code.
    pub reason: &'static str,
    /// The HTTP status the caller got.
    pub status: u16,
    /// When.
    pub at: UnixMillis,
}

/// Requests of one minute that were refused for one reason before a token was known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "one field a column")]
pub struct TurnedAway {
    /// The minute's first instant.
    pub minute: UnixMillis,
    /// Why, as a stable code.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

/// 16 random bytes, new at each start: the process that answers for a row.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "bytes")]
pub struct ReplicaId(pub [u8; 16]);

/// Who else writes to the database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "alone or not")]
pub enum Replicas {
    /// Nobody: a file that is locked. What is open when it is opened, no one answers for.
    Sole,
    /// Others, known by their leases.
    Several,
}

/// What a grant has used.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "what the usage page shows")]
pub struct GrantUsage {
    /// By model, in the order of their names.
    pub models: Vec<ModelUsage>,
    /// Where the budget stands in the window asked about.
    pub standing: Standing,
}

/// What a grant has used of one model.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "what the usage page shows")]
pub struct ModelUsage {
    /// As configuration names it.
    pub model: String,
    /// Requests that were sent.
    pub requests: u64,
    /// What they counted.
    pub tokens: Tokens,
    /// What they cost.
    pub charged: MicroUsd,
}

/// What one seal did.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a count, a rest and the end of the log"
)]
pub struct Sealing {
    /// How many leaves were appended.
    pub leaves: usize,
    /// Whether there may be more to seal.
    pub more: bool,
    /// The log after it.
    pub head: Head,
}

/// What the identity plane broadcast, kept across a restart.
#[async_trait]
pub trait FeedBook: Send + Sync {
    /// All that was heard and is not past its time.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn heard(&self, now: UnixMillis) -> Result<Heard, StoreError>;

    /// Keeps what a page brought. A number heard before is left as it is, and the place in the
    /// feed never goes back.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn hear(&self, news: Arc<Heard>, now: UnixMillis) -> Result<(), StoreError>;
}

/// The feed up to a place.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "what a restart needs")]
pub struct Heard {
    /// The number of the last notice.
    pub seq: u64,
    /// When the newest page was signed, by the identity plane's clock.
    pub page_at: UnixMillis,
    /// The manifest in force, with its proof.
    pub manifest: Option<String>,
    /// Notices that still say something, in order.
    pub notices: Vec<Numbered>,
}

/// When `notice` says nothing any more; `None` while only a later notice can take it back.
#[must_use]
pub const fn forget_after(notice: &Notice) -> Option<UnixMillis> {
    match notice {
        Notice::Revoked { until, .. } | Notice::Ended { until, .. } => Some(*until),
        _ => None,
    }
}

/// Where pages of the feed come from: in-process, or the identity plane's `/feed`.
#[async_trait]
pub trait Feed: Send + Sync {
    /// The signed page of notices after number `after`.
    ///
    /// # Errors
    ///
    /// [`FeedError`] when there is none to be had.
    async fn pull(&self, after: u64) -> Result<String, FeedError>;
}

/// Why no page came.
#[derive(Debug, Error)]
#[error("the feed gave no page")]
pub struct FeedError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl FeedError {
    /// Keeps the cause in the chain.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
