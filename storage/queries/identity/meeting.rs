//! Codes that members show to officers in person.

use bauta_attestation::ports::{
    Lookup, MemberId,
    people::{Meeting, MeetingCode, Met},
};
use bauta_token::units::UnixMillis;
use sqlx::{query, query_scalar};

use super::{by_id, bytes};
use crate::Conn;

pub(super) async fn show(db: &mut Conn, shown: &MeetingCode) -> sqlx::Result<bool> {
    let whose = by_id(db, shown.member).await?;
    if whose.is_none_or(|row| !row.may_go_on()) {
        return Ok(false);
    }
    let (member, code) = (shown.member.as_bytes().as_slice(), shown.code.0.as_slice());
    let expires_at = shown.expires_at.0;
    query!(
        "INSERT INTO meeting_code (member, code, expires_at)
         VALUES ($1, $2, $3)
         ON CONFLICT (member) DO UPDATE
         SET code = excluded.code, expires_at = excluded.expires_at",
        member,
        code,
        expires_at
    )
    .execute(db)
    .await?;
    Ok(true)
}

/// Wrong codes are counted before any is looked up: a right guess that came too late finds nothing.
pub(super) async fn meet(db: &mut Conn, meeting: &Meeting) -> sqlx::Result<Met> {
    let (code, officer) = (
        meeting.code.0.as_slice(),
        meeting.officer.as_bytes().as_slice(),
    );
    let (now, since) = (meeting.now.0, meeting.since.0);
    let misses = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM meeting_miss
           WHERE officer = $1 AND at > $2"#,
        officer,
        since
    )
    .fetch_one(&mut *db)
    .await?;
    if misses >= meeting.at_most {
        return Ok(Met::Paused);
    }
    let member = query_scalar!(
        r#"SELECT member AS "member!: Vec<u8>"
           FROM meeting_code
           WHERE code = $1 AND expires_at > $2"#,
        code,
        now
    )
    .fetch_optional(&mut *db)
    .await?;
    if let Some(member) = member {
        return Ok(Met::Found(MemberId(bytes(&member)?)));
    }
    query!(
        "INSERT INTO meeting_miss (officer, at)
         VALUES ($1, $2)",
        officer,
        now
    )
    .execute(db)
    .await?;
    Ok(Met::Unknown)
}

/// Whether `member` shows this code now.
pub(super) async fn stands(
    db: &mut Conn,
    member: &[u8],
    code: Lookup,
    now: UnixMillis,
) -> sqlx::Result<bool> {
    let (code, now) = (code.0.as_slice(), now.0);
    let n = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM meeting_code
           WHERE member = $1 AND code = $2 AND expires_at > $3"#,
        member,
        code,
        now
    )
    .fetch_one(db)
    .await?;
    Ok(n > 0)
}

/// The member is verified: nobody need meet it any more.
pub(super) async fn end(db: &mut Conn, member: &[u8]) -> sqlx::Result<()> {
    query!(
        "DELETE FROM meeting_code
         WHERE member = $1",
        member
    )
    .execute(db)
    .await?;
    Ok(())
}
