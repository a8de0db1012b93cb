//! The queue of the identity log: events are written with their effect and move into the tree in
//! batches.

use bauta_attestation::ports::{Event, grants::Seal};
use bauta_audit::store::Head;
use sqlx::query;

use crate::{
    Conn,
    log::{self, Entry, corrupt},
};

/// Queues an event in the transaction of its effect.
pub(crate) async fn queue(db: &mut Conn, event: &Event) -> sqlx::Result<()> {
    let salt = event.salt().map(<[u8; 32]>::as_slice);
    let text = event.text();
    query!(
        "INSERT INTO pending_event (salt, event)
         VALUES ($1, $2)",
        salt,
        text
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Moves the oldest events of the queue into the tree, in a transaction that has the log's lock. With
/// none, it signs that the log lives.
pub(super) async fn seal(db: &mut Conn, batch: &Seal) -> sqlx::Result<Head> {
    let at_most = i64::from(batch.at_most);
    let rows = query!(
        r#"SELECT seq AS "seq!: i64", salt AS "salt?: Vec<u8>", event AS "event!: String"
           FROM pending_event
           ORDER BY seq
           LIMIT $1"#,
        at_most
    )
    .fetch_all(&mut *db)
    .await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        query!(
            "DELETE FROM pending_event
             WHERE seq = $1",
            row.seq
        )
        .execute(&mut *db)
        .await?;
        let salt = row
            .salt
            .map(|salt| {
                salt.try_into()
                    .map_err(|_| corrupt("a salt is not 32 bytes"))
            })
            .transpose()?;
        entries.push(Entry {
            salt,
            event: row.event,
        });
    }
    log::append(db, &batch.signer, batch.now.0, &entries).await
}
