//! Device logins and authorization codes: short-lived, used once.

use bauta_attestation::ports::{
    Lookup,
    grants::{
        Allowed, Answer, AskLimits, Asked, Asking, Entry, Handle, KeptCode, Poll, Typed, Waiting,
    },
};
use bauta_token::{
    secret::{AuthCode, DeviceCode, Hashed},
    units::UnixMillis,
};
use sqlx::{query, query_scalar};

use super::{lookup, name};
use crate::{Conn, log::corrupt};

pub(super) async fn ask(db: &mut Conn, asking: &Asking, limits: AskLimits) -> sqlx::Result<Asked> {
    let network = asking.network.0.as_slice();
    let since = limits.since.0;
    let from_here = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM device_code
           WHERE network = $1 AND asked_at > $2"#,
        network,
        since
    )
    .fetch_one(&mut *db)
    .await?;
    let in_all = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM device_code
           WHERE asked_at > $1"#,
        since
    )
    .fetch_one(&mut *db)
    .await?;
    if from_here >= limits.per_network || in_all >= limits.in_all {
        return Ok(Asked::TooMany);
    }
    let (code, user) = (asking.code.as_bytes().as_slice(), asking.user.0.as_slice());
    let scope = asking.scope.as_ref().map(bauta_token::scope::Name::as_str);
    let (asked_at, expires_at) = (asking.asked_at.0, asking.expires_at.0);
    let kept = query!(
        "INSERT INTO device_code
             (hash, user_hash, surface, network, scope, asked_at, expires_at, wait_s, state)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting')
         ON CONFLICT DO NOTHING",
        code,
        user,
        asking.surface,
        network,
        scope,
        asked_at,
        expires_at,
        asking.wait_seconds
    )
    .execute(db)
    .await?;
    Ok(if kept.rows_affected() == 1 {
        Asked::Waiting
    } else {
        Asked::Taken
    })
}

pub(super) async fn poll(
    db: &mut Conn,
    code: Hashed<DeviceCode>,
    now: UnixMillis,
) -> sqlx::Result<Poll> {
    let hash = code.as_bytes().as_slice();
    let row = query!(
        r#"SELECT scope AS "scope?: String", expires_at AS "expires_at!: i64",
                  polled_at AS "polled_at?: i64", wait_s AS "wait_s!: i64",
                  state AS "state!: String",
                  holder AS "holder?: Vec<u8>", handle AS "handle?: Vec<u8>"
           FROM device_code
           WHERE hash = $1"#,
        hash
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row.filter(|row| row.expires_at > now.0) else {
        return Ok(Poll::Expired);
    };
    let next = row
        .polled_at
        .map(|at| at.saturating_add(row.wait_s.saturating_mul(1000)));
    let too_soon = next.is_some_and(|next| now.0 < next);
    let wait = if too_soon {
        row.wait_s.saturating_add(SLOWER)
    } else {
        row.wait_s
    };
    query!(
        "UPDATE device_code
         SET polled_at = $2, wait_s = $3
         WHERE hash = $1",
        hash,
        now.0,
        wait
    )
    .execute(db)
    .await?;
    if too_soon {
        return Ok(Poll::TooSoon);
    }
    Ok(match row.state.as_str() {
        "waiting" => Poll::Waiting,
        "denied" => Poll::Denied,
        _ => {
            let torn = || corrupt("an allowed login has no member");
            Poll::Allowed(Allowed {
                holder: lookup(row.holder.ok_or_else(torn)?)?,
                handle: Handle(row.handle.ok_or_else(torn)?),
                scope: name(&row.scope.ok_or_else(torn)?)?,
            })
        }
    })
}

pub(super) async fn typed(db: &mut Conn, entry: Entry) -> sqlx::Result<Typed> {
    let (holder, since) = (entry.holder.0.as_slice(), entry.since.0);
    let attempts = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM code_attempt
           WHERE holder = $1 AND at > $2"#,
        holder,
        since
    )
    .fetch_one(&mut *db)
    .await?;
    if attempts >= entry.at_most {
        return Ok(Typed::Paused);
    }
    query!(
        "INSERT INTO code_attempt (holder, at)
         VALUES ($1, $2)",
        holder,
        entry.now.0
    )
    .execute(&mut *db)
    .await?;
    let user = entry.user.0.as_slice();
    let row = query!(
        r#"SELECT hash AS "hash!: Vec<u8>", surface AS "surface!: String",
                  network AS "network!: Vec<u8>", scope AS "scope?: String",
                  asked_at AS "asked_at!: i64"
           FROM device_code
           WHERE user_hash = $1 AND state = 'waiting' AND expires_at > $2"#,
        user,
        entry.now.0
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else {
        return Ok(Typed::Unknown);
    };
    Ok(Typed::Found(Waiting {
        code: Hashed::from_bytes(lookup(row.hash)?.0),
        surface: row.surface,
        network: lookup(row.network)?,
        scope: row.scope.as_deref().map(name).transpose()?,
        asked_at: UnixMillis(row.asked_at),
    }))
}

pub(super) async fn answer(
    db: &mut Conn,
    user: Lookup,
    answer: &Answer,
    now: UnixMillis,
) -> sqlx::Result<bool> {
    let user = user.0.as_slice();
    let done = match answer {
        Answer::Deny => {
            query!(
                "UPDATE device_code
                 SET state = 'denied'
                 WHERE user_hash = $1 AND state = 'waiting' AND expires_at > $2",
                user,
                now.0
            )
            .execute(db)
            .await?
        }
        Answer::Allow(allowed) => {
            let (holder, handle) = (allowed.holder.0.as_slice(), allowed.handle.0.as_slice());
            let scope = allowed.scope.as_str();
            query!(
                "UPDATE device_code
                 SET state = 'allowed', holder = $3, handle = $4, scope = $5
                 WHERE user_hash = $1 AND state = 'waiting' AND expires_at > $2",
                user,
                now.0,
                holder,
                handle,
                scope
            )
            .execute(db)
            .await?
        }
    };
    Ok(done.rows_affected() == 1)
}

/// Whether it was there, allowed by this holder, and still good.
pub(super) async fn spend_device(
    db: &mut Conn,
    code: &Hashed<DeviceCode>,
    holder: &Lookup,
    now: UnixMillis,
) -> sqlx::Result<bool> {
    let (hash, holder) = (code.as_bytes().as_slice(), holder.0.as_slice());
    let done = query!(
        "DELETE FROM device_code
         WHERE hash = $1 AND state = 'allowed' AND holder = $2 AND expires_at > $3",
        hash,
        holder,
        now.0
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn keep_code(db: &mut Conn, code: &KeptCode) -> sqlx::Result<()> {
    let (hash, challenge) = (code.code.as_bytes().as_slice(), code.challenge.as_slice());
    let (holder, handle) = (code.holder.0.as_slice(), code.handle.0.as_slice());
    let scope = code.scope.as_str();
    query!(
        "INSERT INTO auth_code
             (hash, challenge, redirect, client, scope, holder, handle, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        hash,
        challenge,
        code.redirect,
        code.client,
        scope,
        holder,
        handle,
        code.expires_at.0
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn code(db: &mut Conn, code: Hashed<AuthCode>) -> sqlx::Result<Option<KeptCode>> {
    let hash = code.as_bytes().as_slice();
    let row = query!(
        r#"SELECT challenge AS "challenge!: Vec<u8>", redirect AS "redirect!: String",
                  client AS "client!: String", scope AS "scope!: String",
                  holder AS "holder!: Vec<u8>", handle AS "handle!: Vec<u8>",
                  expires_at AS "expires_at!: i64", grant_id AS "grant_id?: Vec<u8>"
           FROM auth_code
           WHERE hash = $1"#,
        hash
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        Ok(KeptCode {
            code,
            challenge: lookup(row.challenge)?.0,
            redirect: row.redirect,
            client: row.client,
            scope: name(&row.scope)?,
            holder: lookup(row.holder)?,
            handle: Handle(row.handle),
            expires_at: UnixMillis(row.expires_at),
            used_for: row.grant_id.map(lookup).transpose()?,
        })
    })
    .transpose()
}

/// Whether it was unused and still good. It stays, so that a second use is seen.
pub(super) async fn spend_code(
    db: &mut Conn,
    code: &Hashed<AuthCode>,
    grant: Lookup,
    now: UnixMillis,
) -> sqlx::Result<bool> {
    let (hash, grant) = (code.as_bytes().as_slice(), grant.0.as_slice());
    let done = query!(
        "UPDATE auth_code
         SET grant_id = $2
         WHERE hash = $1 AND grant_id IS NULL AND expires_at > $3",
        hash,
        grant,
        now.0
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Logins of this holder that are under way.
pub(super) async fn drop_all(db: &mut Conn, holder: Lookup) -> sqlx::Result<()> {
    let holder = holder.0.as_slice();
    query!(
        "DELETE FROM device_code
         WHERE holder = $1",
        holder
    )
    .execute(&mut *db)
    .await?;
    query!(
        "DELETE FROM auth_code
         WHERE holder = $1",
        holder
    )
    .execute(&mut *db)
    .await?;
    query!(
        "DELETE FROM code_attempt
         WHERE holder = $1",
        holder
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn tidy(db: &mut Conn, now: UnixMillis) -> sqlx::Result<()> {
    query!(
        "DELETE FROM device_code
         WHERE expires_at <= $1",
        now.0
    )
    .execute(&mut *db)
    .await?;
    // A used code is kept for an hour, to see its second use.
    let hour_ago = now.plus_seconds(-3600).0;
    query!(
        "DELETE FROM auth_code
         WHERE expires_at <= $1",
        hour_ago
    )
    .execute(&mut *db)
    .await?;
    query!(
        "DELETE FROM code_attempt
         WHERE at <= $1",
        hour_ago
    )
    .execute(db)
    .await?;
    Ok(())
}

/// RFC 8628, section 3.5: each poll that comes too soon makes the wait this much longer.
const SLOWER: i64 = 5;
