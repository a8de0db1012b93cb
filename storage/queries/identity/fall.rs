//! The end of a member's right to go on: suspension, reinstatement, erasure.

use std::collections::BTreeSet;

use bauta_attestation::ports::{
    Lookup,
    grants::{Fall, Fell, Held, HeldFor, Named, Rise, hex},
};
use bauta_token::{
    notice::Notice,
    scope::Name,
    units::{UnixDay, UnixMillis},
};
use sqlx::query;

use super::{ACTIVE, SUSPENDED, end, end_all, in_force, name, notice, seal};
use crate::{Conn, log::corrupt};

pub(super) async fn suspend(db: &mut Conn, fall: &Fall) -> sqlx::Result<Fell> {
    let ended = end_all(db, fall.holder, &fall.grants, fall.now).await?;
    if ended == Fell::Changed {
        return Ok(ended);
    }
    let (member, reason) = (fall.member.as_bytes().as_slice(), fall.reason.as_str());
    let moved = query!(
        "UPDATE member
         SET state = $2, reason = $3
         WHERE id = $1 AND state <> $2",
        member,
        SUSPENDED,
        reason
    )
    .execute(&mut *db)
    .await?;
    query!(
        "DELETE FROM session
         WHERE member = $1",
        member
    )
    .execute(&mut *db)
    .await?;
    // The word of somebody who is no officer any more waits for no second one.
    query!(
        "DELETE FROM vouching
         WHERE officer = $1",
        member
    )
    .execute(&mut *db)
    .await?;
    hold(db, fall).await?;
    if moved.rows_affected() == 0 {
        return Ok(Fell::Already);
    }
    seal::queue(db, &fall.leaf).await?;
    Ok(ended)
}

/// Ends the grants whose scope is not kept, if all of them are named.
pub(super) async fn end_others(
    db: &mut Conn,
    holder: Lookup,
    keep: &BTreeSet<Name>,
    grants: &[Named],
    now: UnixMillis,
) -> sqlx::Result<Fell> {
    let mut lost = in_force(db, holder, now).await?;
    lost.retain(|grant| !keep.contains(&grant.scope));
    let of = |id| grants.iter().find(|named| named.id == id);
    if lost.iter().any(|grant| of(grant.id).is_none()) {
        return Ok(Fell::Changed);
    }
    let mut ended = 0_u64;
    for grant in &lost {
        if let Some(named) = of(grant.id)
            && end(db, grant.id, &named.end, Some(holder), now).await?
        {
            ended = ended.saturating_add(1);
        }
    }
    Ok(Fell::Ended(ended))
}

async fn hold(db: &mut Conn, fall: &Fall) -> sqlx::Result<()> {
    let holder = fall.holder.0.as_slice();
    for (held, pseudonym) in &fall.held {
        let (provider, epoch) = (held.provider.as_str(), held.epoch.0);
        let why = held.why.as_str();
        let new = query!(
            "INSERT INTO held_pseudonym (holder, provider, epoch, why)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (holder, provider) DO NOTHING",
            holder,
            provider,
            epoch,
            why
        )
        .execute(&mut *db)
        .await?;
        if new.rows_affected() == 1 {
            let notice = Notice::Suspended {
                pseudonym: pseudonym.clone(),
            };
            notice::append(db, &notice).await?;
        } else if held.why == HeldFor::Deactivated {
            // For good is for good.
            query!(
                "UPDATE held_pseudonym
                 SET why = $3
                 WHERE holder = $1 AND provider = $2",
                holder,
                provider,
                why
            )
            .execute(&mut *db)
            .await?;
        }
    }
    Ok(())
}

pub(super) async fn reinstate(db: &mut Conn, rise: &Rise) -> sqlx::Result<bool> {
    let member = rise.member.as_bytes().as_slice();
    let moved = query!(
        "UPDATE member
         SET state = $2, reason = NULL
         WHERE id = $1 AND state <> $2",
        member,
        ACTIVE
    )
    .execute(&mut *db)
    .await?;
    if moved.rows_affected() == 0 {
        return Ok(false);
    }
    let (holder, why) = (rise.holder.0.as_slice(), HeldFor::Suspended.as_str());
    query!(
        "DELETE FROM held_pseudonym
         WHERE holder = $1 AND why = $2",
        holder,
        why
    )
    .execute(&mut *db)
    .await?;
    for pseudonym in &rise.lifted {
        let notice = Notice::Lifted {
            pseudonym: pseudonym.clone(),
        };
        notice::append(db, &notice).await?;
    }
    seal::queue(db, &rise.leaf).await?;
    Ok(true)
}

/// The leaves of its grants lose salt and text; their hashes stay, and with them the tree.
pub(super) async fn forget(
    db: &mut Conn,
    holder: Lookup,
    grants: &[Named],
    now: UnixMillis,
) -> sqlx::Result<Fell> {
    let fell = end_all(db, holder, grants, now).await?;
    if fell == Fell::Changed {
        return Ok(fell);
    }
    let pattern = format!("%{}%", hex(&holder));
    let holder = holder.0.as_slice();
    query!(
        "DELETE FROM member_grant
         WHERE holder = $1",
        holder
    )
    .execute(&mut *db)
    .await?;
    let suspended = HeldFor::Suspended.as_str();
    query!(
        "DELETE FROM held_pseudonym
         WHERE holder = $1 AND why = $2",
        holder,
        suspended
    )
    .execute(&mut *db)
    .await?;
    query!(
        "UPDATE leaf
         SET salt = NULL, event = NULL
         WHERE event LIKE $1",
        pattern
    )
    .execute(db)
    .await?;
    Ok(fell)
}

pub(super) async fn held(db: &mut Conn, holder: Lookup) -> sqlx::Result<Vec<Held>> {
    let holder = holder.0.as_slice();
    let rows = query!(
        r#"SELECT provider AS "provider!: String", epoch AS "epoch!: i64", why AS "why!: String"
           FROM held_pseudonym
           WHERE holder = $1
           ORDER BY provider"#,
        holder
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Held {
                provider: name(&row.provider)?,
                epoch: UnixDay(row.epoch),
                why: HeldFor::parse(&row.why).ok_or_else(|| corrupt("a hold has no reason"))?,
            })
        })
        .collect()
}
