//! All that only PostgreSQL needs.

use sqlx::Executor;

use crate::Conn;

/// The same promise SQLite's write lock gives: as if one writer ran at a time.
pub(crate) const WRITE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE";

/// One snapshot.
pub(crate) const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Whether a second try may succeed: serialization failure, deadlock.
pub(crate) fn is_conflict(cause: &sqlx::Error) -> bool {
    let code = cause
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

/// One sign-in is counted at a time, so that a morning's rush waits instead of conflicting. It must
/// be the first statement of the transaction, as below.
pub(crate) async fn lock_logins(db: &mut Conn) -> sqlx::Result<()> {
    db.execute("LOCK TABLE login_attempt IN EXCLUSIVE MODE")
        .await?;
    Ok(())
}

/// One appender at a time. `LOCK` takes no snapshot, so what is read after it is what the last
/// appender wrote; it must be the first statement of the transaction.
pub(crate) async fn lock_log(db: &mut Conn) -> sqlx::Result<()> {
    db.execute("LOCK TABLE leaf IN EXCLUSIVE MODE").await?;
    Ok(())
}
