//! The only two ways into a database.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    pin::Pin,
    time::Duration,
};

use bauta_audit::store::StoreError;
use sqlx::{Connection, Pool};

use crate::{Conn, Database, Db, dialect};

impl Database {
    /// Runs `work` on one snapshot. It must not write.
    pub(crate) async fn read<T: Send>(
        &self,
        name: &'static str,
        work: impl Work<T>,
    ) -> Result<T, StoreError> {
        attempt(self.reader(), dialect::READ, &work)
            .await
            .map_err(|cause| StoreError::new(name, cause))
    }

    /// Runs `work` so that nothing it read has changed when it commits.
    ///
    /// `work` may run several times: whatever it does outside the transaction
    /// happens as often, and nothing it returns is final until this returns.
    pub(crate) async fn write<T: Send>(
        &self,
        name: &'static str,
        work: impl Work<T>,
    ) -> Result<T, StoreError> {
        for pause in PAUSES_MS {
            match attempt(self.writer(), dialect::WRITE, &work).await {
                Err(cause) if dialect::is_conflict(&cause) => {
                    tokio::time::sleep(Duration::from_millis(jittered(pause))).await;
                }
                outcome => return outcome.map_err(|cause| StoreError::new(name, cause)),
            }
        }
        attempt(self.writer(), dialect::WRITE, &work)
            .await
            .map_err(|cause| StoreError::new(name, cause))
    }
}

async fn attempt<T: Send>(
    pool: &Pool<Db>,
    begin: &'static str,
    work: &impl Work<T>,
) -> sqlx::Result<T> {
    let mut connection = pool.acquire().await?;
    let done = within(&mut connection, begin, work).await;
    // An error may have ended the transaction by itself, as a full disk does, and then the way back
    // fails too: such a connection believes for ever that it is in one. A conflict is no such error.
    if done
        .as_ref()
        .is_err_and(|cause| !dialect::is_conflict(cause))
    {
        connection.close_on_drop();
    }
    done
}

#[expect(clippy::disallowed_methods, reason = "the one place that begins")]
async fn within<T: Send>(
    connection: &mut Conn,
    begin: &'static str,
    work: &impl Work<T>,
) -> sqlx::Result<T> {
    let mut transaction = connection.begin_with(begin).await?;
    let value = work(&mut transaction).await?;
    transaction.commit().await?;
    Ok(value)
}

/// Between half and all of `pause`, so that two that collided do not collide again in step.
fn jittered(pause: u64) -> u64 {
    let spread = RandomState::new().build_hasher().finish();
    let half = pause / 2;
    half.saturating_add(spread.checked_rem(half.saturating_add(1)).unwrap_or(0))
}

/// What is done inside a transaction. Boxed, because the future of an async closure
/// cannot be shown to be `Send` for every connection lifetime (rustc 1.95).
pub(crate) trait Work<T>: Fn(&mut Conn) -> Step<'_, T> + Send + Sync {}
impl<T, F: Fn(&mut Conn) -> Step<'_, T> + Send + Sync> Work<T> for F {}

/// The future of one try.
pub(crate) type Step<'c, T> = Pin<Box<dyn Future<Output = sqlx::Result<T>> + Send + 'c>>;

/// How long a conflicting transaction waits before each further try.
const PAUSES_MS: [u64; 9] = [1, 2, 5, 10, 20, 40, 80, 160, 320];
