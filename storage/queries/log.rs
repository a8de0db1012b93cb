//! One Merkle log, opened once per database.

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
};

use bauta_audit::{
    note::Signer,
    store::{Head, StoreError, StoredLeaf},
    tree::{Frontier, Hash, NodeId, leaf_hash},
};
use sqlx::query;

use crate::{Conn, Database, dialect, many};

/// One event on its way into the log.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// 32 random bytes for an event about a member, a grant or a request; `None` for a public one.
    pub(crate) salt: Option<[u8; 32]>,
    /// Canonical JSON.
    pub(crate) event: String,
}

/// The last tree this process signed. Kept in memory and nowhere else: what is beside the leaves can
/// be changed with them.
#[derive(Default)]
pub(crate) struct Signed(Mutex<Option<(u64, Hash)>>);

impl Signed {
    /// Its size and root.
    pub(crate) fn last(&self) -> Option<(u64, Hash)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called when the transaction that signed `head` has committed.
    pub(crate) fn remember(&self, head: &Head) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((head.size, head.root));
    }
}

/// Refuses when the log is no continuation of what this process signed last: somebody with the
/// database cut or rewrote it, and a signature would make that history.
pub(crate) async fn continues(db: &mut Conn, signed: Option<(u64, Hash)>) -> sqlx::Result<()> {
    let Some((size, root)) = signed else {
        return Ok(());
    };
    let newest = newest(db).await?;
    if newest.size < size {
        return Err(corrupt("the log is shorter than the one that was signed"));
    }
    let is_so = if newest.size == size {
        // Whether the tree has this root is looked at by whoever appends to it.
        newest.root == root
    } else {
        let peaks = fetch(db, &Frontier::peak_ids(size)).await?;
        Frontier::new(size, peaks).is_some_and(|frontier| frontier.root() == root)
    };
    is_so
        .then_some(())
        .ok_or_else(|| corrupt("the log is not a continuation of the one that was signed"))
}

/// Takes the log for the rest of the transaction. Must be its first statement.
pub(crate) async fn lock(db: &mut Conn) -> sqlx::Result<()> {
    dialect::lock_log(db).await
}

/// Appends `entries` in order and signs a checkpoint over the whole. Needs [`lock`] first.
///
/// The frontier is read back and compared with the last signed root, so that a hash that rotted
/// on disk is found before a signature covers it.
pub(crate) async fn append(
    db: &mut Conn,
    signer: &Signer,
    now_millis: i64,
    entries: &[Entry],
) -> sqlx::Result<Head> {
    let old = newest(db).await?;
    let peaks = fetch(db, &Frontier::peak_ids(old.size)).await?;
    let mut frontier = Frontier::new(old.size, peaks)
        .filter(|frontier| frontier.root() == old.root)
        .ok_or_else(|| corrupt("the stored tree does not have the root that was signed"))?;
    let mut leaves = Vec::with_capacity(entries.len());
    let mut nodes = Vec::with_capacity(entries.len());
    for entry in entries {
        let hash = leaf_hash(entry.salt.as_ref(), entry.event.as_bytes());
        leaves.push((frontier.size(), hash, entry));
        let complete = frontier.append(hash).into_iter();
        nodes.extend(complete.filter(|(id, _)| id.level > 0));
    }
    many::insert_leaves(db, &leaves).await?;
    many::insert_nodes(db, &nodes).await?;
    let (size, root) = (frontier.size(), frontier.root());
    let note = signer.checkpoint(size, &root);
    insert_checkpoint(db, size, &root, &note, now_millis).await?;
    Ok(Head { size, root, note })
}

/// The newest checkpoint, or the empty log.
pub(crate) async fn newest(db: &mut Conn) -> sqlx::Result<Head> {
    let row = query!(
        r#"SELECT size AS "size!: i64", root AS "root!: Vec<u8>", note AS "note!: String"
           FROM checkpoint
           ORDER BY size DESC
           LIMIT 1"#
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else {
        return Ok(Head {
            size: 0,
            root: Frontier::empty().root(),
            note: String::new(),
        });
    };
    Ok(Head {
        size: unsigned(row.size)?,
        root: hash_of(&row.root)?,
        note: row.note,
    })
}

/// The hashes of complete subtrees, in the order asked.
pub(crate) async fn fetch(db: &mut Conn, ids: &[NodeId]) -> sqlx::Result<Vec<Hash>> {
    let mut out = Vec::with_capacity(ids.len());
    for id in ids {
        let index = signed(id.index)?;
        let bytes = if id.level == 0 {
            sqlx::query_scalar!(
                r#"SELECT hash AS "hash!: Vec<u8>" FROM leaf WHERE idx = $1"#,
                index
            )
            .fetch_optional(&mut *db)
            .await?
        } else {
            let level = i64::from(id.level);
            sqlx::query_scalar!(
                r#"SELECT hash AS "hash!: Vec<u8>"
                   FROM tree_node
                   WHERE level = $1 AND idx = $2"#,
                level,
                index
            )
            .fetch_optional(&mut *db)
            .await?
        };
        let bytes = bytes.ok_or_else(|| corrupt("a node of the tree is missing"))?;
        out.push(hash_of(&bytes)?);
    }
    Ok(out)
}

async fn leaves(db: &mut Conn, range: Range<u64>) -> sqlx::Result<Vec<StoredLeaf>> {
    let (from, to) = (signed(range.start)?, signed(range.end)?);
    let rows = query!(
        r#"SELECT idx AS "idx!: i64", hash AS "hash!: Vec<u8>",
                  salt AS "salt?: Vec<u8>", event AS "event?: String"
           FROM leaf
           WHERE idx >= $1 AND idx < $2
           ORDER BY idx"#,
        from,
        to
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let salt = row
                .salt
                .map(|salt| {
                    salt.try_into()
                        .map_err(|_| corrupt("a salt is not 32 bytes"))
                })
                .transpose()?;
            Ok(StoredLeaf {
                index: unsigned(row.idx)?,
                hash: hash_of(&row.hash)?,
                salt,
                event: row.event,
            })
        })
        .collect()
}

/// A checkpoint over no new leaf replaces the one of the same size: it says the log lives.
async fn insert_checkpoint(
    db: &mut Conn,
    size: u64,
    root: &Hash,
    note: &str,
    now_millis: i64,
) -> sqlx::Result<()> {
    let (size, root) = (signed(size)?, root.0.as_slice());
    query!(
        "INSERT INTO checkpoint (size, root, note, signed_at)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (size) DO UPDATE
         SET note = excluded.note, signed_at = excluded.signed_at",
        size,
        root,
        note,
        now_millis
    )
    .execute(db)
    .await?;
    Ok(())
}

/// [`bauta_audit::store::LogStore`] of either plane.
impl Database {
    pub(crate) async fn log_head(&self) -> Result<Head, StoreError> {
        self.read("log head", |db| Box::pin(newest(db))).await
    }

    pub(crate) async fn log_nodes(&self, ids: &[NodeId]) -> Result<Vec<Hash>, StoreError> {
        let ids = ids.to_vec();
        self.read("log nodes", move |db| {
            let ids = ids.clone();
            Box::pin(async move { fetch(db, &ids).await })
        })
        .await
    }

    pub(crate) async fn log_leaves(
        &self,
        range: Range<u64>,
    ) -> Result<Vec<StoredLeaf>, StoreError> {
        self.read("log leaves", move |db| Box::pin(leaves(db, range.clone())))
            .await
    }
}

/// What storage should never hold.
pub(crate) fn corrupt(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}

fn hash_of(bytes: &[u8]) -> sqlx::Result<Hash> {
    bytes
        .try_into()
        .map(Hash)
        .map_err(|_| corrupt("a hash is not 32 bytes"))
}

pub(crate) fn signed(number: u64) -> sqlx::Result<i64> {
    i64::try_from(number).map_err(|_| corrupt("a log index is out of range"))
}

fn unsigned(number: i64) -> sqlx::Result<u64> {
    u64::try_from(number).map_err(|_| corrupt("a log index is negative"))
}
