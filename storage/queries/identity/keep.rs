//! What the plane keeps for itself: policies, keys, tags under their peppers; and forgetting.

use bauta_attestation::ports::{
    Event, Lookup, MemberId,
    people::{Horizon, PolicyRow, SigningKeyRow, TagRow},
};
use bauta_token::units::UnixMillis;
use sqlx::{query, query_scalar};

use super::{bytes, one, queue};
use crate::Conn;

pub(super) async fn policies(db: &mut Conn) -> sqlx::Result<Vec<PolicyRow>> {
    let rows = query!(
        r#"SELECT policy AS "policy!: String", version AS "version!: String",
                  hash AS "hash!: Vec<u8>", body AS "body!: String",
                  effective_from AS "effective_from!: i64", adopted_at AS "adopted_at!: i64"
           FROM policy_version
           ORDER BY policy, effective_from"#
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(PolicyRow {
                policy: row.policy,
                version: row.version,
                hash: bytes(&row.hash)?,
                body: row.body,
                effective_from: UnixMillis(row.effective_from),
                adopted_at: UnixMillis(row.adopted_at),
            })
        })
        .collect()
}

pub(super) async fn adopt(db: &mut Conn, policy: &PolicyRow, event: &Event) -> sqlx::Result<bool> {
    let (name, version) = (policy.policy.as_str(), policy.version.as_str());
    let (hash, body) = (policy.hash.as_slice(), policy.body.as_str());
    let (effective_from, adopted_at) = (policy.effective_from.0, policy.adopted_at.0);
    let adopted = query!(
        "INSERT INTO policy_version (policy, version, hash, body, effective_from, adopted_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT DO NOTHING",
        name,
        version,
        hash,
        body,
        effective_from,
        adopted_at
    )
    .execute(&mut *db)
    .await?;
    let adopted = one(adopted.rows_affected());
    if adopted {
        queue(db, event).await?;
    }
    Ok(adopted)
}

pub(super) async fn keys(db: &mut Conn) -> sqlx::Result<Vec<SigningKeyRow>> {
    let rows = query!(
        r#"SELECT kid AS "kid!: Vec<u8>", sealed AS "sealed!: Vec<u8>",
                  not_before AS "not_before!: i64", signs_until AS "signs_until!: i64",
                  not_after AS "not_after!: i64"
           FROM signing_key
           ORDER BY not_before"#
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(SigningKeyRow {
                kid: bytes(&row.kid)?,
                sealed: row.sealed,
                not_before: UnixMillis(row.not_before),
                signs_until: UnixMillis(row.signs_until),
                not_after: UnixMillis(row.not_after),
            })
        })
        .collect()
}

pub(super) async fn add_key(
    db: &mut Conn,
    key: &SigningKeyRow,
    unless_until: UnixMillis,
    event: &Event,
) -> sqlx::Result<bool> {
    let enough = unless_until.0;
    let there = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM signing_key
           WHERE signs_until > $1"#,
        enough
    )
    .fetch_one(&mut *db)
    .await?;
    if there > 0 {
        return Ok(false);
    }
    let (kid, sealed) = (key.kid.as_slice(), key.sealed.as_slice());
    let (not_before, signs_until, not_after) =
        (key.not_before.0, key.signs_until.0, key.not_after.0);
    query!(
        "INSERT INTO signing_key (kid, sealed, not_before, signs_until, not_after)
         VALUES ($1, $2, $3, $4, $5)",
        kid,
        sealed,
        not_before,
        signs_until,
        not_after
    )
    .execute(&mut *db)
    .await?;
    queue(db, event).await?;
    Ok(true)
}

pub(super) async fn fingerprint(db: &mut Conn, name: &str, value: Lookup) -> sqlx::Result<Lookup> {
    let value = value.0.as_slice();
    query!(
        "INSERT INTO fingerprint (name, value)
         VALUES ($1, $2)
         ON CONFLICT DO NOTHING",
        name,
        value
    )
    .execute(&mut *db)
    .await?;
    let kept = query_scalar!(
        r#"SELECT value AS "value!: Vec<u8>"
           FROM fingerprint
           WHERE name = $1"#,
        name
    )
    .fetch_one(db)
    .await?;
    Ok(Lookup(bytes(&kept)?))
}

pub(super) async fn stale_tags(
    db: &mut Conn,
    newest: i64,
    limit: u32,
) -> sqlx::Result<Vec<TagRow>> {
    let limit = i64::from(limit);
    let rows = query!(
        r#"SELECT id AS "id!: Vec<u8>", tag AS "tag!: Vec<u8>",
                  pepper_from AS "pepper_from!: i64", pepper_to AS "pepper_to!: i64"
           FROM member
           WHERE pepper_to < $1
           ORDER BY id
           LIMIT $2"#,
        newest,
        limit
    )
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(TagRow {
                member: MemberId(bytes(&row.id)?),
                tag: Lookup(bytes(&row.tag)?),
                pepper_from: row.pepper_from,
                pepper_to: row.pepper_to,
            })
        })
        .collect()
}

/// Unless the member signed in meanwhile and has a fresh one.
pub(super) async fn wrap_tag(db: &mut Conn, old: &TagRow, new: &TagRow) -> sqlx::Result<bool> {
    let id = old.member.as_bytes().as_slice();
    let (was, is) = (old.tag.0.as_slice(), new.tag.0.as_slice());
    let wrapped = query!(
        "UPDATE member
         SET tag = $3, pepper_to = $4
         WHERE id = $1 AND tag = $2",
        id,
        was,
        is,
        new.pepper_to
    )
    .execute(db)
    .await?;
    Ok(one(wrapped.rows_affected()))
}

pub(super) async fn forget(db: &mut Conn, horizon: &Horizon) -> sqlx::Result<u64> {
    let (now, idle) = (horizon.now.0, horizon.idle.0);
    let attempts = query!(
        "DELETE FROM login_attempt
         WHERE expires_at <= $1",
        now
    )
    .execute(&mut *db)
    .await?;
    let sessions = query!(
        "DELETE FROM session
         WHERE expires_at <= $1 OR used_at <= $2",
        now,
        idle
    )
    .execute(&mut *db)
    .await?;
    let logouts = query!(
        "DELETE FROM logout_token
         WHERE until <= $1",
        now
    )
    .execute(&mut *db)
    .await?;
    let kept = forget_evidence(db, horizon)
        .await?
        .saturating_add(forget_meetings(db, horizon).await?);
    let keys = query!(
        "DELETE FROM signing_key
         WHERE not_after <= $1",
        now
    )
    .execute(db)
    .await?;
    Ok([attempts, sessions, logouts, keys]
        .iter()
        .map(sqlx_rows)
        .fold(kept, u64::saturating_add))
}

async fn forget_evidence(db: &mut Conn, horizon: &Horizon) -> sqlx::Result<u64> {
    let (events, verifications) = (horizon.events.0, horizon.verifications.0);
    let events = query!(
        "DELETE FROM vendor_event
         WHERE seen_at <= $1",
        events
    )
    .execute(&mut *db)
    .await?;
    let attestations = horizon.attestations.0;
    let attestations = query!(
        "DELETE FROM attestation
         WHERE expires_on < $1",
        attestations
    )
    .execute(&mut *db)
    .await?;
    let verifications = query!(
        "DELETE FROM verification
         WHERE look_at IS NULL AND began_at <= $1",
        verifications
    )
    .execute(db)
    .await?;
    Ok([events, attestations, verifications]
        .iter()
        .map(sqlx_rows)
        .fold(0, u64::saturating_add))
}

async fn forget_meetings(db: &mut Conn, horizon: &Horizon) -> sqlx::Result<u64> {
    let (now, misses, vouchings) = (horizon.now.0, horizon.misses.0, horizon.vouchings.0);
    let codes = query!(
        "DELETE FROM meeting_code
         WHERE expires_at <= $1",
        now
    )
    .execute(&mut *db)
    .await?;
    let misses = query!(
        "DELETE FROM meeting_miss
         WHERE at <= $1",
        misses
    )
    .execute(&mut *db)
    .await?;
    let vouchings = query!(
        "DELETE FROM vouching
         WHERE vouched_at <= $1",
        vouchings
    )
    .execute(db)
    .await?;
    Ok([codes, misses, vouchings]
        .iter()
        .map(sqlx_rows)
        .fold(0, u64::saturating_add))
}

fn sqlx_rows(done: &<crate::Db as sqlx::Database>::QueryResult) -> u64 {
    done.rows_affected()
}
