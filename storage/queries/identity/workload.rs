//! Tokens of builds' platforms that were presented, and the grants they gave.

use bauta_attestation::ports::{
    Lookup,
    grants::{Build, Presented},
};
use bauta_token::units::UnixMillis;
use sqlx::{query, query_scalar};

use super::{by_id, lookup};
use crate::{Conn, log::corrupt};

pub(super) async fn was_presented(db: &mut Conn, presented: &Presented) -> sqlx::Result<bool> {
    let token = presented.token.0.as_slice();
    let n = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM workload_token
           WHERE token = $1"#,
        token
    )
    .fetch_one(db)
    .await?;
    Ok(n > 0)
}

/// Writes it down in the transaction of its grant. Of two that race one is told of a conflict and
/// looks again.
pub(super) async fn keep(db: &mut Conn, presented: &Presented, grant: Lookup) -> sqlx::Result<()> {
    let (token, rule) = (presented.token.0.as_slice(), presented.rule.0.as_slice());
    let grant = grant.0.as_slice();
    let kept = query!(
        "INSERT INTO workload_token (token, rule, grant_id, until)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        token,
        rule,
        grant,
        presented.until.0
    )
    .execute(db)
    .await?;
    if kept.rows_affected() == 1 {
        return Ok(());
    }
    Err(corrupt("a token is there that was not"))
}

/// Grants of builds that are in force.
pub(super) async fn in_force(db: &mut Conn, now: UnixMillis) -> sqlx::Result<Vec<Build>> {
    let rows = query!(
        r#"SELECT workload_token.rule AS "rule!: Vec<u8>", member_grant.id AS "id!: Vec<u8>"
           FROM workload_token
           JOIN member_grant ON member_grant.id = workload_token.grant_id
           WHERE member_grant.ended_at IS NULL AND member_grant.ends_at > $1"#,
        now.0
    )
    .fetch_all(&mut *db)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(grant) = by_id(db, lookup(row.id)?).await? {
            let rule = lookup(row.rule)?;
            found.push(Build { rule, grant });
        }
    }
    Ok(found)
}

pub(super) async fn tidy(db: &mut Conn, now: UnixMillis) -> sqlx::Result<()> {
    query!(
        "DELETE FROM workload_token
         WHERE until <= $1",
        now.0
    )
    .execute(db)
    .await?;
    Ok(())
}
