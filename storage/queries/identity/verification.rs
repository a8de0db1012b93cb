//! Attempts to verify: their vendor's events in order, their redaction.

use bauta_attestation::ports::{
    AttestationId, Lookup, MemberId, VerificationId,
    people::{
        Begun, Decided, Decision, NewVerification, RedactionRow, RedactionState, RedactionStep,
        Unredacted, VerificationRow, VerificationState,
    },
};
use bauta_token::units::UnixMillis;
use sqlx::{query, query_scalar};

use super::{attestation, bytes, one, queue, queue_all};
use crate::{Conn, log::corrupt};

pub(super) async fn begin(
    db: &mut Conn,
    attempt: &NewVerification,
    limit: u32,
    since: UnixMillis,
) -> sqlx::Result<Begun> {
    let (member, since) = (attempt.member.as_bytes().as_slice(), since.0);
    let recent = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM verification
           WHERE member = $1 AND began_at > $2"#,
        member,
        since
    )
    .fetch_one(&mut *db)
    .await?;
    if recent >= i64::from(limit) {
        return Ok(Begun::TooMany);
    }
    let id = attempt.verification.as_bytes().as_slice();
    let (vendor, notice) = (attempt.vendor.as_str(), attempt.notice_version.as_str());
    let (lookup, reference) = (attempt.lookup.0.as_slice(), attempt.reference.0.as_slice());
    let (session, now) = (attempt.vendor_session.as_slice(), attempt.now.0);
    let redact_at = attempt.redact_at.0;
    query!(
        "INSERT INTO verification (id, member, vendor, state, lookup, reference, vendor_session,
                                   notice_version, last_event, began_at, redaction, redaction_at,
                                   look_at)
         VALUES ($1, $2, $3, 'started', $4, $5, $6, $7, 0, $8, 'due', $9, $9)",
        id,
        member,
        vendor,
        lookup,
        reference,
        session,
        notice,
        now,
        redact_at
    )
    .execute(&mut *db)
    .await?;
    queue(db, &attempt.event).await?;
    Ok(Begun::Begun)
}

pub(super) async fn by_vendor(
    db: &mut Conn,
    vendor: Lookup,
) -> sqlx::Result<Option<VerificationRow>> {
    let lookup = vendor.0.as_slice();
    let id = query_scalar!(
        r#"SELECT id AS "id!: Vec<u8>"
           FROM verification
           WHERE lookup = $1"#,
        lookup
    )
    .fetch_optional(&mut *db)
    .await?;
    match id {
        Some(id) => by_id(db, VerificationId(bytes(&id)?)).await,
        None => Ok(None),
    }
}

pub(super) async fn newest(
    db: &mut Conn,
    member: MemberId,
) -> sqlx::Result<Option<VerificationRow>> {
    let member = member.as_bytes().as_slice();
    let id = query_scalar!(
        r#"SELECT id AS "id!: Vec<u8>"
           FROM verification
           WHERE member = $1
           ORDER BY began_at DESC
           LIMIT 1"#,
        member
    )
    .fetch_optional(&mut *db)
    .await?;
    match id {
        Some(id) => by_id(db, VerificationId(bytes(&id)?)).await,
        None => Ok(None),
    }
}

async fn by_id(
    db: &mut Conn,
    verification: VerificationId,
) -> sqlx::Result<Option<VerificationRow>> {
    let id = verification.as_bytes().as_slice();
    let row = query!(
        r#"SELECT member AS "member!: Vec<u8>", vendor AS "vendor!: String",
                  state AS "state!: String", reference AS "reference!: Vec<u8>",
                  vendor_session AS "vendor_session?: Vec<u8>",
                  notice_version AS "notice_version!: String", last_event AS "last_event!: i64",
                  began_at AS "began_at!: i64", attestation AS "attestation?: Vec<u8>",
                  redaction AS "redaction!: String", redaction_at AS "redaction_at!: i64"
           FROM verification
           WHERE id = $1"#,
        id
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let attestation = row.attestation.map(|id| bytes(&id)).transpose()?;
    Ok(Some(VerificationRow {
        verification,
        member: MemberId(bytes(&row.member)?),
        vendor: row.vendor,
        reference: Lookup(bytes(&row.reference)?),
        notice_version: row.notice_version,
        state: VerificationState::parse(&row.state)
            .ok_or_else(|| corrupt("a verification's state"))?,
        vendor_session: row.vendor_session,
        last_event: UnixMillis(row.last_event),
        began: UnixMillis(row.began_at),
        attestation: attestation.map(AttestationId),
        redaction: redaction(&row.redaction, row.redaction_at)?,
    }))
}

pub(super) async fn seen(db: &mut Conn, event: Lookup) -> sqlx::Result<bool> {
    let id = event.0.as_slice();
    let seen = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM vendor_event
           WHERE id = $1"#,
        id
    )
    .fetch_one(db)
    .await?;
    Ok(seen > 0)
}

/// The event is noted with its effect, or with having none: repeated, it has none in any case.
pub(super) async fn decide(db: &mut Conn, decision: &Decision) -> sqlx::Result<Decided> {
    if seen(db, decision.seen).await? {
        return Ok(Decided::Duplicate);
    }
    let Some(row) = by_id(db, decision.verification).await? else {
        return Ok(Decided::Gone);
    };
    if row.state != decision.from {
        return Ok(Decided::Raced);
    }
    if !note(db, decision).await? {
        return Ok(Decided::Duplicate);
    }
    if decision.at < row.last_event || !row.state.takes(decision.state) {
        return Ok(Decided::Late);
    }
    turn(db, decision, row.redaction).await?;
    if let Some(grant) = &decision.grant {
        attestation::grant(db, grant).await?;
        link(db, decision.verification, grant.row.attestation).await?;
    } else if decision.state == VerificationState::Declined
        && let Some(granted) = row.attestation
    {
        attestation::revoke(db, granted).await?;
    }
    queue_all(db, &decision.events).await?;
    Ok(Decided::Written)
}

async fn note(db: &mut Conn, decision: &Decision) -> sqlx::Result<bool> {
    let (seen, now) = (decision.seen.0.as_slice(), decision.now.0);
    let noted = query!(
        "INSERT INTO vendor_event (id, seen_at)
         VALUES ($1, $2)
         ON CONFLICT DO NOTHING",
        seen,
        now
    )
    .execute(db)
    .await?;
    Ok(one(noted.rows_affected()))
}

/// The new state; and when redaction is due, unless it was asked for already.
async fn turn(db: &mut Conn, decision: &Decision, redaction: RedactionState) -> sqlx::Result<()> {
    let id = decision.verification.as_bytes().as_slice();
    let (state, at) = (decision.state.as_str(), decision.at.0);
    query!(
        "UPDATE verification
         SET state = $2, last_event = $3
         WHERE id = $1",
        id,
        state,
        at
    )
    .execute(&mut *db)
    .await?;
    if let (RedactionState::Due(_), Some(due)) = (redaction, decision.redact_at) {
        let due = due.0;
        query!(
            "UPDATE verification
             SET redaction_at = $2, look_at = $2
             WHERE id = $1",
            id,
            due
        )
        .execute(db)
        .await?;
    }
    Ok(())
}

async fn link(db: &mut Conn, id: VerificationId, to: AttestationId) -> sqlx::Result<()> {
    let (id, to) = (id.as_bytes().as_slice(), to.as_bytes().as_slice());
    query!(
        "UPDATE verification
         SET attestation = $2
         WHERE id = $1",
        id,
        to
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn due(
    db: &mut Conn,
    now: UnixMillis,
    limit: u32,
) -> sqlx::Result<Vec<RedactionRow>> {
    let (now, limit) = (now.0, i64::from(limit));
    let rows = query!(
        r#"SELECT id AS "id!: Vec<u8>", member AS "member!: Vec<u8>", vendor AS "vendor!: String",
                  vendor_session AS "vendor_session!: Vec<u8>",
                  redaction AS "redaction!: String", redaction_at AS "redaction_at!: i64"
           FROM verification
           WHERE look_at <= $1 AND vendor_session IS NOT NULL
           ORDER BY look_at
           LIMIT $2"#,
        now,
        limit
    )
    .fetch_all(&mut *db)
    .await?;
    let mut out = Vec::with_capacity(rows.len());
    for row in rows {
        out.push(RedactionRow {
            verification: VerificationId(bytes(&row.id)?),
            member: Some(MemberId(bytes(&row.member)?)),
            vendor: row.vendor,
            vendor_session: row.vendor_session,
            redaction: redaction(&row.redaction, row.redaction_at)?,
        });
    }
    out.extend(orphans_due(db, now, limit).await?);
    out.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(out)
}

async fn orphans_due(db: &mut Conn, now: i64, limit: i64) -> sqlx::Result<Vec<RedactionRow>> {
    let rows = query!(
        r#"SELECT id AS "id!: Vec<u8>", vendor AS "vendor!: String",
                  vendor_session AS "vendor_session!: Vec<u8>",
                  requested AS "requested!: bool", look_at AS "look_at!: i64"
           FROM orphan_session
           WHERE look_at <= $1
           ORDER BY look_at
           LIMIT $2"#,
        now,
        limit
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let at = UnixMillis(row.look_at);
            Ok(RedactionRow {
                verification: VerificationId(bytes(&row.id)?),
                member: None,
                vendor: row.vendor,
                vendor_session: row.vendor_session,
                redaction: if row.requested {
                    RedactionState::Requested(at)
                } else {
                    RedactionState::Due(at)
                },
            })
        })
        .collect()
}

/// Counted over attempts and over what erased members left; only attempts know when they began.
pub(super) async fn unredacted(db: &mut Conn) -> sqlx::Result<Unredacted> {
    let held = query!(
        r#"SELECT count(*) AS "n!: i64", min(began_at) AS "oldest?: i64"
           FROM verification
           WHERE vendor_session IS NOT NULL"#
    )
    .fetch_one(&mut *db)
    .await?;
    let orphans = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM orphan_session"#
    )
    .fetch_one(db)
    .await?;
    Ok(Unredacted {
        sessions: u64::try_from(held.n.saturating_add(orphans)).unwrap_or_default(),
        oldest: held.oldest.map(UnixMillis),
    })
}

pub(super) async fn redact(db: &mut Conn, step: &RedactionStep) -> sqlx::Result<()> {
    let id = step.verification.as_bytes().as_slice();
    let (state, at) = step.redaction.columns();
    let (at, again_at) = (at.0, step.again_at.0);
    if matches!(step.redaction, RedactionState::Confirmed(_)) {
        confirmed(db, id, state, at).await?;
    } else {
        query!(
            "UPDATE verification
             SET redaction = $2, redaction_at = $3, look_at = $4
             WHERE id = $1",
            id,
            state,
            at,
            again_at
        )
        .execute(&mut *db)
        .await?;
        let requested = matches!(step.redaction, RedactionState::Requested(_));
        query!(
            "UPDATE orphan_session
             SET requested = $2, look_at = $3
             WHERE id = $1",
            id,
            requested,
            again_at
        )
        .execute(&mut *db)
        .await?;
    }
    if let Some(event) = &step.event {
        queue(db, event).await?;
    }
    Ok(())
}

/// With nothing left to ask the vendor about, its id goes too.
async fn confirmed(db: &mut Conn, id: &[u8], state: &str, at: i64) -> sqlx::Result<()> {
    query!(
        "UPDATE verification
         SET redaction = $2, redaction_at = $3, look_at = NULL, vendor_session = NULL
         WHERE id = $1",
        id,
        state,
        at
    )
    .execute(&mut *db)
    .await?;
    query!(
        "DELETE FROM orphan_session
         WHERE id = $1",
        id
    )
    .execute(db)
    .await?;
    Ok(())
}

fn redaction(state: &str, at: i64) -> sqlx::Result<RedactionState> {
    RedactionState::parse(state, UnixMillis(at)).ok_or_else(|| corrupt("a redaction's state"))
}
