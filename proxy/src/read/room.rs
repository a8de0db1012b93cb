//! How many bytes of bodies there may be at once.
//!
//! A body is in memory from its first byte until an upstream begins to answer. The limit of one
//! body says nothing about many, so all of them share one room, and a body that does not fit is
//! refused, not waited for: who waits holds what it has.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ReadError;

/// The room that all bodies share.
pub struct Room(Arc<Semaphore>);

/// What one body has of a room, given back when dropped.
#[must_use = "a share that is dropped is given back"]
pub struct Share {
    room: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// A room of so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// A share that has nothing yet.
    pub(super) fn share(&self) -> Share {
        Share {
            room: Arc::clone(&self.0),
            held: None,
        }
    }
}

impl Default for Room {
    /// 256 MiB: eight of the largest bodies, or some thousands of usual ones.
    fn default() -> Self {
        Self::new(256 * 1024 * 1024)
    }
}

impl Share {
    /// Takes so many bytes more.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), ReadError> {
        let bytes = u32::try_from(bytes).map_err(|_| ReadError::TooLarge)?;
        let more = Arc::clone(&self.room)
            .try_acquire_many_owned(bytes)
            .map_err(|_| ReadError::Busy)?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}
