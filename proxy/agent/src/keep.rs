//! Where a sign-in rests, and who may change it.
//!
//! A refresh token is good once: two processes that spend the same one end the whole sign-in, since
//! the server cannot tell them from a thief. So nothing is read or written without [`Held`], and
//! only one process holds at a time.
//!
//! What keeps is a [`Keep`]; a file that only its owner may read is one ([`FileKeep`]).

use std::{io, path::PathBuf, time::Duration};

use thiserror::Error;

use crate::grant::SignIn;

pub use file::FileKeep;

mod file;
mod text;

/// A place that keeps one sign-in.
pub trait Keep: Send + Sync {
    /// Takes the place for this process until what it gives is dropped; `None` while another
    /// process has it.
    ///
    /// # Errors
    ///
    /// When the place is not safe, or not there and cannot be made.
    fn try_hold(&self) -> Result<Option<Box<dyn Held>>, KeepError>;

    /// What a person calls the place.
    fn place(&self) -> String;
}

/// The place, held by this process alone.
pub trait Held: Send {
    /// What is kept, if anything is.
    ///
    /// # Errors
    ///
    /// When it is not safe or does not read.
    fn read(&self) -> Result<Option<SignIn>, KeepError>;

    /// Says now whether [`Held::write`] could work: asked before a token is spent that cannot be
    /// spent again.
    ///
    /// # Errors
    ///
    /// When it could not.
    fn ready(&mut self) -> Result<(), KeepError>;

    /// Keeps `sign_in` in place of what was kept. Whoever reads sees the one or the other whole.
    ///
    /// # Errors
    ///
    /// When it is not kept for sure.
    fn write(&mut self, sign_in: &SignIn) -> Result<(), KeepError>;

    /// Keeps nothing.
    ///
    /// # Errors
    ///
    /// When something may still be kept.
    fn forget(&mut self) -> Result<(), KeepError>;
}

/// Holds `keep`, waiting for whoever has it; not forever.
///
/// # Errors
///
/// What [`Keep::try_hold`] says, and [`KeepError::Busy`] when somebody else keeps it for too long.
pub async fn hold(keep: &dyn Keep) -> Result<Box<dyn Held>, KeepError> {
    for _ in 0..TRIES {
        if let Some(held) = keep.try_hold()? {
            return Ok(held);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(KeepError::Busy)
}

/// Why a sign-in cannot be kept or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeepError {
    /// Others may read or change it.
    #[error("{} may be read or changed by others (mode {mode:o}); run `chmod {} {}`, and sign in again if you are not sure that nobody has read it", path.display(), if *folder { "700" } else { "600" }, path.display())]
    Loose {
        /// What.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Whether it is a folder.
        folder: bool,
    },
    /// It belongs to somebody else.
    #[error("{} belongs to another user and was not read; name another folder with XDG_STATE_HOME", path.display())]
    Foreign {
        /// What.
        path: PathBuf,
    },
    /// It is not what was written.
    #[error("{} does not read as a sign-in of this version; delete it and sign in again", path.display())]
    Broken {
        /// What.
        path: PathBuf,
    },
    /// Another process has it and does not let go.
    #[error("another bauta has had the kept sign-in for half a minute; end it and try again")]
    Busy,
    /// The system refuses.
    #[error("{} cannot be used", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

const PAUSE: Duration = Duration::from_millis(20);
/// Half a minute: longer than a refresh with its retry can take.
const TRIES: u32 = 1_500;

#[cfg(test)]
mod tests;
