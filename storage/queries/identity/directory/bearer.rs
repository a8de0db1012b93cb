//! Bearers of the directory.

use bauta_attestation::ports::{
    Event,
    directory::{BearerRow, NewBearer},
};
use bauta_token::{
    secret::{Hashed, Scim},
    units::{UnixDay, UnixMillis},
};
use sqlx::{query, query_scalar};

use crate::{Conn, identity_grant::seal};

pub(super) async fn keep(
    db: &mut Conn,
    bearer: &NewBearer,
    at_most: u32,
) -> sqlx::Result<Option<i64>> {
    let (now, today) = (bearer.now.0, bearer.now.day().0);
    let there = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM directory_bearer
           WHERE expires_at > $1"#,
        now
    )
    .fetch_one(&mut *db)
    .await?;
    if there >= i64::from(at_most) {
        return Ok(None);
    }
    let last = query_scalar!(
        r#"SELECT coalesce(max(number), 0) AS "n!: i64"
           FROM directory_bearer"#
    )
    .fetch_one(&mut *db)
    .await?;
    let number = last.saturating_add(1);
    let (hash, expires_at) = (bearer.hash.as_bytes().as_slice(), bearer.expires_at.0);
    query!(
        "INSERT INTO directory_bearer (number, hash, made_on, expires_at)
         VALUES ($1, $2, $3, $4)",
        number,
        hash,
        today,
        expires_at
    )
    .execute(&mut *db)
    .await?;
    seal::queue(db, &bearer.event).await?;
    Ok(Some(number))
}

pub(super) async fn all(db: &mut Conn) -> sqlx::Result<Vec<BearerRow>> {
    let rows = query!(
        r#"SELECT number AS "number!: i64", made_on AS "made_on!: i64",
                  expires_at AS "expires_at!: i64", used_on AS "used_on?: i64"
           FROM directory_bearer
           ORDER BY number"#
    )
    .fetch_all(db)
    .await?;
    let row = rows.into_iter().map(|row| BearerRow {
        number: row.number,
        made_on: UnixDay(row.made_on),
        expires_at: UnixMillis(row.expires_at),
        used_on: row.used_on.map(UnixDay),
    });
    Ok(row.collect())
}

pub(super) async fn drop(db: &mut Conn, number: i64, event: &Event) -> sqlx::Result<bool> {
    let gone = query!(
        "DELETE FROM directory_bearer
         WHERE number = $1",
        number
    )
    .execute(&mut *db)
    .await?;
    let was = gone.rows_affected() == 1;
    if was {
        seal::queue(db, event).await?;
    }
    Ok(was)
}

/// The day it was used last, of one that is in force.
pub(super) async fn in_force(
    db: &mut Conn,
    hash: Hashed<Scim>,
    now: UnixMillis,
) -> sqlx::Result<Option<Option<UnixDay>>> {
    let (hash, now) = (hash.as_bytes().as_slice(), now.0);
    let row = query!(
        r#"SELECT used_on AS "used_on?: i64"
           FROM directory_bearer
           WHERE hash = $1 AND expires_at > $2"#,
        hash,
        now
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| row.used_on.map(UnixDay)))
}

pub(super) async fn used(db: &mut Conn, hash: Hashed<Scim>, now: UnixMillis) -> sqlx::Result<()> {
    let (hash, today) = (hash.as_bytes().as_slice(), now.day().0);
    query!(
        "UPDATE directory_bearer
         SET used_on = $2
         WHERE hash = $1",
        hash,
        today
    )
    .execute(db)
    .await?;
    Ok(())
}
