//! All that only SQLite needs.

use crate::Conn;

mod land;

pub(crate) use land::{land, load};

/// Takes the write lock first: a reader that upgrades later is refused without waiting.
pub(crate) const WRITE: &str = "BEGIN IMMEDIATE";

/// One snapshot.
pub(crate) const READ: &str = "BEGIN DEFERRED";

/// Whether a second try may succeed. With the lock taken first, none is needed.
pub(crate) fn is_conflict(_cause: &sqlx::Error) -> bool {
    false
}

/// One sign-in is counted at a time. The write lock is that already.
#[expect(clippy::unused_async, reason = "the other backend waits here")]
pub(crate) async fn lock_logins(_db: &mut Conn) -> sqlx::Result<()> {
    Ok(())
}

/// One appender at a time. The write lock is that already.
#[expect(clippy::unused_async, reason = "the other backend waits here")]
pub(crate) async fn lock_log(_db: &mut Conn) -> sqlx::Result<()> {
    Ok(())
}
