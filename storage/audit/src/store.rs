//! Where a log is kept. One implementation per database, and one in memory.

use std::{error::Error as StdError, ops::Range};

use async_trait::async_trait;
use thiserror::Error;

use crate::tree::{Hash, NodeId};

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
