//! Statements for many rows at once. How many is known only at run time, so these few are built then
//! and not checked when this compiles; whatever stands in them is bound. A statement's way to the
//! database and back costs more than the row it carries.

use bauta_audit::tree::{Hash, NodeId};
use bauta_proxy::ports::RequestId;
use sqlx::QueryBuilder;

use crate::{
    Conn, Db,
    log::{Entry, signed},
};

/// Leaves of the log: index, hash and what was hashed.
pub(crate) async fn insert_leaves(
    db: &mut Conn,
    leaves: &[(u64, Hash, &Entry)],
) -> sqlx::Result<()> {
    for leaves in portions(leaves) {
        let mut text = QueryBuilder::<Db>::new("INSERT INTO leaf (idx, hash, salt, event) ");
        let indices = leaves.iter().map(|(index, ..)| signed(*index));
        let indices: Vec<i64> = indices.collect::<sqlx::Result<_>>()?;
        let rows = leaves.iter().zip(indices);
        text.push_values(rows, |mut row, ((_, hash, entry), index)| {
            row.push_bind(index)
                .push_bind(hash.0.as_slice())
                .push_bind(entry.salt.as_ref().map(<[u8; 32]>::as_slice))
                .push_bind(entry.event.as_str());
        });
        text.build().execute(&mut *db).await?;
    }
    Ok(())
}

/// Complete subtrees of the log.
pub(crate) async fn insert_nodes(db: &mut Conn, nodes: &[(NodeId, Hash)]) -> sqlx::Result<()> {
    for nodes in portions(nodes) {
        let mut text = QueryBuilder::<Db>::new("INSERT INTO tree_node (level, idx, hash) ");
        let indices = nodes.iter().map(|(id, _)| signed(id.index));
        let indices: Vec<i64> = indices.collect::<sqlx::Result<_>>()?;
        let rows = nodes.iter().zip(indices);
        text.push_values(rows, |mut row, ((id, hash), index)| {
            row.push_bind(i64::from(id.level))
                .push_bind(index)
                .push_bind(hash.0.as_slice());
        });
        text.build().execute(&mut *db).await?;
    }
    Ok(())
}

/// All that these rows of the journal say is in the log now.
pub(crate) async fn mark_logged(db: &mut Conn, ids: &[RequestId]) -> sqlx::Result<()> {
    for ids in portions(ids) {
        let mut text = QueryBuilder::<Db>::new(
            "UPDATE journal
             SET intent_logged = TRUE, outcome_logged = (outcome IS NOT NULL)
             WHERE id IN (",
        );
        let mut list = text.separated(", ");
        for id in ids {
            list.push_bind(id.as_bytes().as_slice());
        }
        text.push(")");
        text.build().execute(&mut *db).await?;
    }
    Ok(())
}

/// `rows` in portions of a statement each. There are few sizes, so that few statements are prepared.
pub(crate) fn portions<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rest.len())?;
        let (portion, more) = rest.split_at_checked(size)?;
        rest = more;
        Some(portion)
    })
}

/// A statement has a handful of values a row; with 65,535 PostgreSQL has no more.
const SIZES: [usize; 4] = [256, 32, 4, 1];
