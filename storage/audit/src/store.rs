//! Where a log is kept. One implementation per database, and one in memory.

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use thiserror::Error;

use crate::{
    note::Signer,
    tree::{Frontier, Hash, NodeId, leaf_hash},
};

/// A log that was written. Three questions, no writes: leaves are appended by the plane's own
/// transactions, so that an event and its effect are one commit.
#[async_trait]
pub trait LogStore: Send + Sync {
    /// The newest signed checkpoint.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn head(&self) -> Result<Head, StoreError>;

    /// The hashes of complete subtrees, in the order asked.
    ///
    /// # Errors
    ///
    /// When storage does not answer, or one of them is not there.
    async fn nodes(&self, ids: &[NodeId]) -> Result<Vec<Hash>, StoreError>;

    /// The leaves of `range`, in order. Fewer when the log ends before the range does.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn leaves(&self, range: Range<u64>) -> Result<Vec<StoredLeaf>, StoreError>;
}

/// The end of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The signed note that says so; empty before the first checkpoint.
    pub note: String,
}

/// A leaf as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredLeaf {
    /// Its place, from 0.
    pub index: u64,
    /// Its hash: what the tree holds.
    pub hash: Hash,
    /// What is hashed before the event. `None` for events that are public, and after erasure.
    pub salt: Option<[u8; 32]>,
    /// The canonical event; `None` after erasure.
    pub event: Option<String>,
}

/// Why storage gave no answer.
#[derive(Debug, Error)]
#[error("storage gave no answer to {operation}")]
pub struct StoreError {
    operation: &'static str,
    #[source]
    cause: Box<dyn StdError + Send + Sync>,
}

impl StoreError {
    /// Names the transaction that failed; the cause stays in the chain.
    pub fn new(operation: &'static str, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            operation,
            cause: cause.into(),
        }
    }
}

/// One event on its way into a [`Memory`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// 32 random bytes for an event about a member, a grant or a request; `None` for a public one.
    pub salt: Option<[u8; 32]>,
    /// Canonical JSON.
    pub event: String,
}

/// A log in memory: for tests, and for a plane that keeps nothing.
#[derive(Debug, Default)]
pub struct Memory {
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    frontier: Frontier,
    nodes: BTreeMap<NodeId, Hash>,
    leaves: Vec<StoredLeaf>,
    note: String,
}

impl Memory {
    /// A log without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `entries` in order and signs a checkpoint over the whole.
    pub fn append(&self, signer: &Signer, entries: &[Entry]) -> Head {
        let mut log = self.log();
        for Entry { salt, event } in entries {
            let index = log.frontier.size();
            let hash = leaf_hash(salt.as_ref(), event.as_bytes());
            let grown = log.frontier.append(hash);
            log.nodes.extend(grown);
            log.leaves.push(StoredLeaf {
                index,
                hash,
                salt: *salt,
                event: Some(event.clone()),
            });
        }
        log.note = signer.checkpoint(log.frontier.size(), &log.frontier.root());
        log.head()
    }

    /// Forgets what leaf `index` says; its hash stays. False when there is no such leaf.
    pub fn erase(&self, index: u64) -> bool {
        let mut log = self.log();
        let place = usize::try_from(index).ok();
        let Some(leaf) = place.and_then(|place| log.leaves.get_mut(place)) else {
            return false;
        };
        (leaf.salt, leaf.event) = (None, None);
        true
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn head(&self) -> Head {
        Head {
            size: self.frontier.size(),
            root: self.frontier.root(),
            note: self.note.clone(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            frontier: Frontier::empty(),
            nodes: BTreeMap::new(),
            leaves: Vec::new(),
            note: String::new(),
        }
    }
}

#[async_trait]
impl LogStore for Memory {
    async fn head(&self) -> Result<Head, StoreError> {
        Ok(self.log().head())
    }

    async fn nodes(&self, ids: &[NodeId]) -> Result<Vec<Hash>, StoreError> {
        let log = self.log();
        ids.iter()
            .map(|id| {
                let found = log.nodes.get(id).copied();
                found.ok_or_else(|| StoreError::new("log nodes", "a node of the tree is missing"))
            })
            .collect()
    }

    async fn leaves(&self, range: Range<u64>) -> Result<Vec<StoredLeaf>, StoreError> {
        let log = self.log();
        let from = usize::try_from(range.start).unwrap_or(usize::MAX);
        let count = range.end.saturating_sub(range.start);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(log.leaves.iter().skip(from).take(count).cloned().collect())
    }
}
