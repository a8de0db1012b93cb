//! Sign-ins under way, sessions, and their end.

use bauta_attestation::ports::{
    Event, Lookup, MemberId, Rights,
    people::{
        BackChannelLogout, LoginAttempt, LoginBegun, LoginLimits, LogoutNames, Once, SessionRow,
        SignIn, SignedInAs, TakenLogin,
    },
};
use bauta_token::units::UnixMillis;
use sqlx::{query, query_scalar};

use super::{bytes, one, queue, queue_all, rights};
use crate::{
    Conn, dialect,
    identity_grant::directory::{admitted, word},
};

/// Counts and writes under one lock: of racers, no more get in than may.
pub(super) async fn begin(
    db: &mut Conn,
    attempt: &LoginAttempt,
    limits: LoginLimits,
) -> sqlx::Result<LoginBegun> {
    dialect::lock_logins(db).await?;
    let network = attempt.network.as_ref().map(|network| network.0.as_slice());
    let now = limits.now.0;
    let from_here = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM login_attempt
           WHERE network = $1 AND expires_at > $2"#,
        network,
        now
    )
    .fetch_one(&mut *db)
    .await?;
    let in_all = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM login_attempt
           WHERE expires_at > $1"#,
        now
    )
    .fetch_one(&mut *db)
    .await?;
    if from_here >= limits.per_network || in_all >= limits.in_all {
        return Ok(LoginBegun::TooMany);
    }
    let (state, browser) = (attempt.state.0.as_slice(), attempt.browser.0.as_slice());
    let (return_to, expires_at) = (attempt.return_to.as_str(), attempt.expires_at.0);
    query!(
        "INSERT INTO login_attempt (state, browser, return_to, network, expires_at)
         VALUES ($1, $2, $3, $4, $5)",
        state,
        browser,
        return_to,
        network,
        expires_at
    )
    .execute(db)
    .await?;
    Ok(LoginBegun::Kept)
}

/// One statement: of two callers with one state, one gets it.
pub(super) async fn take(
    db: &mut Conn,
    state: Lookup,
    browser: Lookup,
    now: UnixMillis,
) -> sqlx::Result<Option<TakenLogin>> {
    let (state, browser) = (state.0.as_slice(), browser.0.as_slice());
    let now = now.0;
    let taken = query_scalar!(
        r#"DELETE FROM login_attempt
           WHERE state = $1 AND browser = $2 AND expires_at > $3
           RETURNING return_to AS "return_to!: String""#,
        state,
        browser,
        now
    )
    .fetch_optional(db)
    .await?;
    Ok(taken.map(|return_to| TakenLogin { return_to }))
}

pub(super) async fn sign_in(db: &mut Conn, entry: &SignIn) -> sqlx::Result<SignedInAs> {
    let rights = match admitted(db, entry).await? {
        Ok(rights) => spelled(&rights)?,
        Err(refused) => return Ok(refused),
    };
    let written = if entry.new {
        join(db, entry, &rights).await?
    } else {
        return_of(db, entry, &rights).await?
    };
    if written != SignedInAs::Written {
        return Ok(written);
    }
    if let Some(old) = entry.replaces {
        let old = old.0.as_slice();
        query!(
            "DELETE FROM session
             WHERE id = $1",
            old
        )
        .execute(&mut *db)
        .await?;
    }
    insert(db, entry).await?;
    queue_all(db, &entry.events).await?;
    Ok(SignedInAs::Written)
}

async fn join(db: &mut Conn, entry: &SignIn, rights: &str) -> sqlx::Result<SignedInAs> {
    let id = entry.tag.member.as_bytes().as_slice();
    let (tag, subject) = (entry.tag.tag.0.as_slice(), entry.subject.0.as_slice());
    let join = entry.join.as_ref().map(|join| join.0.as_slice());
    let today = entry.now.day().0;
    let made = query!(
        "INSERT INTO member (id, tag, pepper_from, pepper_to, subject, join_hash, state, rights,
                             joined_on, signed_in_on)
         VALUES ($1, $2, $3, $4, $5, $6, 'active', $7, $8, $8)
         ON CONFLICT DO NOTHING",
        id,
        tag,
        entry.tag.pepper_from,
        entry.tag.pepper_to,
        subject,
        join,
        rights,
        today
    )
    .execute(db)
    .await?;
    Ok(if one(made.rows_affected()) {
        SignedInAs::Written
    } else {
        SignedInAs::Raced
    })
}

async fn return_of(db: &mut Conn, entry: &SignIn, rights: &str) -> sqlx::Result<SignedInAs> {
    let id = entry.tag.member.as_bytes().as_slice();
    let kept = query!(
        r#"SELECT state AS "state!: String", left_on AS "left_on?: i64"
           FROM member
           WHERE id = $1"#,
        id
    )
    .fetch_optional(&mut *db)
    .await?;
    match kept.as_ref().map(|kept| kept.state.as_str()) {
        None => return Ok(SignedInAs::Raced),
        Some("active") => {}
        Some(_) => return Ok(SignedInAs::Suspended),
    }
    if kept.is_some_and(|kept| kept.left_on.is_some()) && !is_listed(db, entry).await? {
        return Ok(SignedInAs::Left);
    }
    let (tag, subject) = (entry.tag.tag.0.as_slice(), entry.subject.0.as_slice());
    let join = entry.join.as_ref().map(|join| join.0.as_slice());
    let today = entry.now.day().0;
    query!(
        "UPDATE member
         SET tag = $2, pepper_from = $3, pepper_to = $4, subject = $5, join_hash = $6,
             rights = $7, signed_in_on = $8, left_on = NULL
         WHERE id = $1",
        id,
        tag,
        entry.tag.pepper_from,
        entry.tag.pepper_to,
        subject,
        join,
        rights,
        today
    )
    .execute(db)
    .await?;
    Ok(SignedInAs::Written)
}

async fn insert(db: &mut Conn, entry: &SignIn) -> sqlx::Result<()> {
    let (id, member) = (
        entry.session.0.as_slice(),
        entry.tag.member.as_bytes().as_slice(),
    );
    let idp_session = entry.idp_session.as_ref().map(|sid| sid.0.as_slice());
    let (now, expires_at) = (entry.now.0, entry.expires_at.0);
    query!(
        "INSERT INTO session (id, member, idp_session, signed_in_at, used_at, expires_at)
         VALUES ($1, $2, $3, $4, $4, $5)",
        id,
        member,
        idp_session,
        now,
        expires_at
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Whether the directory says that whoever comes may go on. Who left under another subject and of
/// whom it says nothing has still left.
async fn is_listed(db: &mut Conn, entry: &SignIn) -> sqlx::Result<bool> {
    let Some(subject) = entry.join else {
        return Ok(false);
    };
    Ok(word(db, subject).await? == Some(true))
}

fn spelled(rights: &Rights) -> sqlx::Result<String> {
    serde_json::to_string(rights).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// A session that lives, of a member that may go on, and when it was used last.
pub(super) async fn live(
    db: &mut Conn,
    session: Lookup,
    now: UnixMillis,
    idle: UnixMillis,
) -> sqlx::Result<Option<(SessionRow, UnixMillis)>> {
    let id = session.0.as_slice();
    let (now, idle) = (now.0, idle.0);
    let row = query!(
        r#"SELECT member.id AS "member!: Vec<u8>", member.rights AS "rights!: String",
                  session.signed_in_at AS "signed_in_at!: i64",
                  session.used_at AS "used_at!: i64", session.expires_at AS "expires_at!: i64"
           FROM session
           JOIN member ON member.id = session.member
           WHERE session.id = $1 AND session.expires_at > $2 AND session.used_at > $3
             AND member.state = 'active' AND member.left_on IS NULL"#,
        id,
        now,
        idle
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let live = SessionRow {
        member: MemberId(bytes(&row.member)?),
        rights: rights(&row.rights)?,
        signed_in_at: UnixMillis(row.signed_in_at),
        expires_at: UnixMillis(row.expires_at),
    };
    Ok(Some((live, UnixMillis(row.used_at))))
}

pub(super) async fn used(db: &mut Conn, session: Lookup, now: UnixMillis) -> sqlx::Result<()> {
    let (id, now) = (session.0.as_slice(), now.0);
    query!(
        "UPDATE session
         SET used_at = $2
         WHERE id = $1 AND used_at < $2",
        id,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn end(db: &mut Conn, session: Lookup, event: &Event) -> sqlx::Result<bool> {
    let id = session.0.as_slice();
    let ended = query!(
        "DELETE FROM session
         WHERE id = $1",
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

pub(super) async fn named(db: &mut Conn, names: LogoutNames) -> sqlx::Result<Vec<MemberId>> {
    let ids = match names {
        LogoutNames::Subject(subject) => {
            let subject = subject.0.as_slice();
            query_scalar!(
                r#"SELECT id AS "id!: Vec<u8>"
                   FROM member
                   WHERE subject = $1
                   ORDER BY id"#,
                subject
            )
            .fetch_all(db)
            .await?
        }
        LogoutNames::Session(sid) => {
            let sid = sid.0.as_slice();
            query_scalar!(
                r#"SELECT DISTINCT member AS "member!: Vec<u8>"
                   FROM session
                   WHERE idp_session = $1
                   ORDER BY member"#,
                sid
            )
            .fetch_all(db)
            .await?
        }
    };
    ids.iter().map(|id| Ok(MemberId(bytes(id)?))).collect()
}

pub(super) async fn logout_taken(db: &mut Conn, token: Lookup) -> sqlx::Result<bool> {
    let jti = token.0.as_slice();
    let known = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM logout_token
           WHERE jti = $1"#,
        jti
    )
    .fetch_one(db)
    .await?;
    Ok(known > 0)
}

pub(super) async fn back_channel(db: &mut Conn, logout: &BackChannelLogout) -> sqlx::Result<Once> {
    let (jti, until) = (logout.token.0.as_slice(), logout.remember_until.0);
    let fresh = query!(
        "INSERT INTO logout_token (jti, until)
         VALUES ($1, $2)
         ON CONFLICT DO NOTHING",
        jti,
        until
    )
    .execute(&mut *db)
    .await?;
    if !one(fresh.rows_affected()) {
        return Ok(Once::Before);
    }
    for member in &logout.members {
        let member = member.as_bytes().as_slice();
        query!(
            "DELETE FROM session
             WHERE member = $1",
            member
        )
        .execute(&mut *db)
        .await?;
    }
    queue_all(db, &logout.events).await?;
    Ok(Once::Now)
}
