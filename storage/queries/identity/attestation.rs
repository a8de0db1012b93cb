//! What is attested, and the officers who vouch.

use bauta_attestation::ports::{
    AttestationId, Event, MemberId, Role,
    people::{AttestationRow, AttestationState, MemberRow, NewAttestation, Vouch, Vouched},
};
use bauta_token::units::UnixDay;
use sqlx::{query, query_scalar};

use super::{by_id, bytes, meeting, one, queue, queue_all, rights};
use crate::{Conn, log::corrupt};

/// The attestation that counts; there is one at most.
pub(super) async fn valid(db: &mut Conn, member: MemberId) -> sqlx::Result<Option<AttestationRow>> {
    let id = member.as_bytes().as_slice();
    let row = query!(
        r#"SELECT id AS "id!: Vec<u8>", state AS "state!: String",
                  verified_on AS "verified_on!: i64", expires_on AS "expires_on!: i64",
                  record AS "record!: String", signature AS "signature!: Vec<u8>"
           FROM attestation
           WHERE member = $1 AND state = 'valid'
           ORDER BY expires_on DESC
           LIMIT 1"#,
        id
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(AttestationRow {
        attestation: AttestationId(bytes(&row.id)?),
        member,
        state: AttestationState::parse(&row.state)
            .ok_or_else(|| corrupt("an attestation's state"))?,
        verified_on: UnixDay(row.verified_on),
        expires_on: UnixDay(row.expires_on),
        record: row.record,
        signature: bytes(&row.signature)?,
    }))
}

/// A new one takes the place of what was valid.
pub(super) async fn grant(db: &mut Conn, grant: &NewAttestation) -> sqlx::Result<()> {
    let row = &grant.row;
    let (id, member) = (
        row.attestation.as_bytes().as_slice(),
        row.member.as_bytes().as_slice(),
    );
    query!(
        "UPDATE attestation
         SET state = 'replaced'
         WHERE member = $1 AND state = 'valid'",
        member
    )
    .execute(&mut *db)
    .await?;
    let state = row.state.as_str();
    let (verified_on, expires_on) = (row.verified_on.0, row.expires_on.0);
    let (record, signature) = (row.record.as_str(), row.signature.as_slice());
    query!(
        "INSERT INTO attestation (id, member, state, verified_on, expires_on, record, signature)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id,
        member,
        state,
        verified_on,
        expires_on,
        record,
        signature
    )
    .execute(&mut *db)
    .await?;
    let nonce = grant.nonce.as_slice();
    query!(
        "INSERT INTO evidence_nonce (attestation, nonce)
         VALUES ($1, $2)",
        id,
        nonce
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn revoke(db: &mut Conn, attestation: AttestationId) -> sqlx::Result<()> {
    let id = attestation.as_bytes().as_slice();
    query!(
        "UPDATE attestation
         SET state = 'revoked'
         WHERE id = $1",
        id
    )
    .execute(db)
    .await?;
    Ok(())
}

/// How many officers vouch for a member: those who still are officers, now.
pub(super) async fn vouched(db: &mut Conn, member: MemberId) -> sqlx::Result<u32> {
    let id = member.as_bytes().as_slice();
    let held = query_scalar!(
        r#"SELECT officer.rights AS "rights!: String"
           FROM vouching
           JOIN member AS officer ON officer.id = vouching.officer
           WHERE vouching.member = $1 AND officer.state = 'active'"#,
        id
    )
    .fetch_all(db)
    .await?;
    let mut count = 0_u32;
    for text in &held {
        if rights(text)?.roles.contains(&Role::Officer) {
            count = count.saturating_add(1);
        }
    }
    Ok(count)
}

pub(super) async fn vouch(db: &mut Conn, vouch: &Vouch) -> sqlx::Result<Vouched> {
    let about = by_id(db, vouch.member).await?;
    let active = about.is_some_and(|row| row.may_go_on());
    if !active || vouch.member == vouch.officer {
        return Ok(Vouched::NoMember);
    }
    let by = by_id(db, vouch.officer).await?;
    let officer = |row: &MemberRow| row.may_go_on() && row.rights.roles.contains(&Role::Officer);
    if !by.as_ref().is_some_and(officer) {
        return Ok(Vouched::NoOfficer);
    }
    let (member, officer) = (
        vouch.member.as_bytes().as_slice(),
        vouch.officer.as_bytes().as_slice(),
    );
    if !meeting::stands(db, member, vouch.code, vouch.now).await? {
        return Ok(Vouched::NoMember);
    }
    let since = vouch.since.0;
    query!(
        "DELETE FROM vouching
         WHERE member = $1 AND vouched_at <= $2",
        member,
        since
    )
    .execute(&mut *db)
    .await?;
    let now = vouch.now.0;
    let noted = query!(
        "INSERT INTO vouching (member, officer, vouched_at)
         VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING",
        member,
        officer,
        now
    )
    .execute(&mut *db)
    .await?;
    if !one(noted.rows_affected()) {
        return Ok(Vouched::Again);
    }
    queue(db, &vouch.event).await?;
    if vouched(db, vouch.member).await? < 2 {
        return Ok(Vouched::First);
    }
    query!(
        "DELETE FROM vouching
         WHERE member = $1",
        member
    )
    .execute(&mut *db)
    .await?;
    meeting::end(db, member).await?;
    grant(db, &vouch.grant).await?;
    queue_all(db, &vouch.granted).await?;
    Ok(Vouched::Granted)
}

pub(super) async fn expired(
    db: &mut Conn,
    today: UnixDay,
    limit: u32,
) -> sqlx::Result<Vec<(MemberId, AttestationId)>> {
    let (today, limit) = (today.0, i64::from(limit));
    let rows = query!(
        r#"SELECT id AS "id!: Vec<u8>", member AS "member!: Vec<u8>"
           FROM attestation
           WHERE state = 'valid' AND expires_on < $1
           ORDER BY expires_on
           LIMIT $2"#,
        today,
        limit
    )
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            Ok((
                MemberId(bytes(&row.member)?),
                AttestationId(bytes(&row.id)?),
            ))
        })
        .collect()
}

pub(super) async fn expire(
    db: &mut Conn,
    attestation: AttestationId,
    event: &Event,
) -> sqlx::Result<bool> {
    let id = attestation.as_bytes().as_slice();
    let ended = query!(
        "UPDATE attestation
         SET state = 'expired'
         WHERE id = $1 AND state = 'valid'",
        id
    )
    .execute(&mut *db)
    .await?;
    let ended = one(ended.rows_affected());
    if ended {
        queue(db, event).await?;
    }
    Ok(ended)
}
