//! Rows of the journal on their way into the gateway log.

use std::ops::Range;

use async_trait::async_trait;
use bauta_audit::{
    note::Signer,
    store::{Head, LogStore, StoreError, StoredLeaf},
    tree::{Hash, NodeId},
};
use bauta_proxy::{
    log::{Batch, Ended, Row},
    ports::{RequestId, SEAL_ROWS, Sealing, Tokens},
};
use bauta_token::units::UnixMillis;
use sqlx::query;

use crate::{
    Conn, GatewayStore,
    log::{self, Entry, corrupt},
    many,
};

#[async_trait]
impl LogStore for GatewayStore {
    async fn head(&self) -> Result<Head, StoreError> {
        self.db.log_head().await
    }

    async fn nodes(&self, ids: &[NodeId]) -> Result<Vec<Hash>, StoreError> {
        self.db.log_nodes(ids).await
    }

    async fn leaves(&self, range: Range<u64>) -> Result<Vec<StoredLeaf>, StoreError> {
        self.db.log_leaves(range).await
    }
}

/// Appends what no leaf tells of yet, and marks it, in one transaction that has the log's lock.
/// `fresh` are rows that this transaction wrote, marked already.
pub(crate) async fn seal(
    db: &mut Conn,
    signer: &Signer,
    seed: &[u8; 32],
    now: UnixMillis,
    fresh: &[Untold<'_>],
) -> sqlx::Result<Sealing> {
    let mut batch = Batch::new(seed);
    let rows = unlogged(db).await?;
    for some in [fresh, &rows].into_iter().flat_map(|it| it.chunks(AT_ONCE)) {
        for untold in some {
            if !untold.intent_logged {
                batch.intent(&untold.row).map_err(no_text)?;
            }
            batch.outcome(&untold.row).map_err(no_text)?;
        }
        // Somebody's answer waits while this thread makes leaves.
        tokio::task::yield_now().await;
    }
    let ids: Vec<RequestId> = rows.iter().map(|untold| untold.row.id).collect();
    many::mark_logged(db, &ids).await?;
    gather_turned_away(db, &mut batch, now).await?;
    let entries: Vec<Entry> = batch
        .into_leaves()
        .into_iter()
        .map(|(salt, event)| Entry {
            salt: Some(salt),
            event,
        })
        .collect();
    let head = log::append(db, signer, now.0, &entries).await?;
    Ok(Sealing {
        leaves: entries.len(),
        more: i64::try_from(rows.len()).unwrap_or(i64::MAX) >= SEAL_ROWS,
        head,
    })
}

/// A row with an event that is no leaf yet.
pub(crate) struct Untold<'t> {
    /// The whole of it.
    pub(crate) row: Row<'t>,
    /// Whether its intent is a leaf, or there was none.
    pub(crate) intent_logged: bool,
}

/// Rows with an event that is no leaf yet. Each half of the union
/// has a partial index of its own: the table grows, what is unlogged does not. And each has a limit
/// of its own: a union is whole before anything is cut off, and the backlog of a busy half minute
/// would be sorted once for every seal.
async fn unlogged(db: &mut Conn) -> sqlx::Result<Vec<Untold<'static>>> {
    let rows = query!(
        r#"SELECT id AS "id!: Vec<u8>", grant_sub AS "grant_sub!: String",
                  scope AS "scope!: String", dialect AS "dialect!: String",
                  route AS "route!: String", model AS "model!: String", gate AS "gate?: String",
                  targets AS "targets!: String", started_at AS "started_at!: i64",
                  held AS "held!: i64", outcome AS "outcome?: String",
                  reason AS "reason?: String", status AS "status?: i64",
                  upstream AS "upstream?: String", served_model AS "served_model?: String",
                  input_tokens AS "input_tokens?: i64", output_tokens AS "output_tokens?: i64",
                  cache_read AS "cache_read?: i64", cache_write AS "cache_write?: i64",
                  charged AS "charged?: i64", ended_at AS "ended_at?: i64",
                  intent_logged AS "intent_logged!: bool"
           FROM journal
           WHERE id IN (SELECT id
                        FROM (SELECT id FROM journal WHERE NOT intent_logged LIMIT $1) AS begun
                        UNION
                        SELECT id
                        FROM (SELECT id FROM journal
                              WHERE NOT outcome_logged AND outcome IS NOT NULL
                              LIMIT $1) AS ended
                        LIMIT $1)"#,
        SEAL_ROWS
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let tokens = row.input_tokens.map(|input| Tokens {
                input: count(Some(input)),
                output: count(row.output_tokens),
                cache_read: count(row.cache_read),
                cache_write: count(row.cache_write),
            });
            let ended = row.outcome.map(|outcome| Ended {
                outcome: outcome.into(),
                reason: row.reason.map(Into::into),
                status: row.status,
                upstream: row.upstream.map(Into::into),
                served_model: row.served_model.map(Into::into),
                tokens,
                charged: row.charged,
                at: UnixMillis(row.ended_at.unwrap_or(row.started_at)),
            });
            let journal = Row {
                id: request_id(row.id)?,
                grant: row.grant_sub.into(),
                scope: row.scope.into(),
                dialect: row.dialect.into(),
                route: row.route.into(),
                model: row.model.into(),
                gate: row.gate.map(Into::into),
                targets: row.targets.into(),
                started_at: UnixMillis(row.started_at),
                held: row.held,
                ended,
            };
            Ok(Untold {
                row: journal,
                intent_logged: row.intent_logged,
            })
        })
        .collect()
}

/// One event for each reason of each minute that is over.
async fn gather_turned_away(db: &mut Conn, batch: &mut Batch, now: UnixMillis) -> sqlx::Result<()> {
    let this_minute = now.0.saturating_sub(now.0.rem_euclid(60_000));
    let rows = query!(
        r#"SELECT minute AS "minute!: i64", reason AS "reason!: String", n AS "n!: i64",
                  logged AS "logged!: i64"
           FROM turned_away
           WHERE n > logged AND minute < $1"#,
        this_minute,
    )
    .fetch_all(&mut *db)
    .await?;
    for row in rows {
        let more = row.n.saturating_sub(row.logged);
        batch
            .turned_away(UnixMillis(row.minute), &row.reason, more)
            .map_err(no_text)?;
        query!(
            "UPDATE turned_away
             SET logged = $3
             WHERE minute = $1 AND reason = $2",
            row.minute,
            row.reason,
            row.n,
        )
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// The id that a column holds.
pub(crate) fn request_id(bytes: Vec<u8>) -> sqlx::Result<RequestId> {
    let bytes = bytes
        .try_into()
        .map_err(|_| corrupt("a request id is not 16 bytes"))?;
    Ok(RequestId::from_bytes(bytes))
}

fn count(column: Option<i64>) -> u64 {
    column.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

fn no_text(cause: bauta_audit::canonical::CanonicalError) -> sqlx::Error {
    sqlx::Error::Encode(Box::new(cause))
}

/// So many rows become leaves before others get a turn: a fraction of a millisecond.
const AT_ONCE: usize = 64;
