//! Members who may not go on, or may again.

use bauta_attestation::ports::{Lookup, directory::Affected};
use bauta_token::units::UnixMillis;
use sqlx::query;

use super::members_as;
use crate::{
    Conn,
    identity_grant::{end_all, in_force, seal},
};

/// Every member who signs in as one of `subjects`, if all of them and all their grants are named;
/// else `None`, and what the caller has is out of date.
pub(super) async fn named<'a>(
    db: &mut Conn,
    subjects: &[Lookup],
    affected: &'a [Affected],
    now: UnixMillis,
) -> sqlx::Result<Option<Vec<&'a Affected>>> {
    let mut all = Vec::new();
    for subject in subjects {
        for member in members_as(db, *subject).await? {
            let Some(found) = affected.iter().find(|it| it.member == member) else {
                return Ok(None);
            };
            let has = in_force(db, found.holder, now).await?;
            let known = |id| found.grants.iter().any(|named| named.id == id);
            if !has.iter().all(|grant| known(grant.id)) {
                return Ok(None);
            }
            all.push(found);
        }
    }
    Ok(Some(all))
}

/// It may not go on: sessions, grants, logins under way and words as an officer end.
pub(super) async fn leave(db: &mut Conn, who: &Affected, now: UnixMillis) -> sqlx::Result<()> {
    // That every grant is named was seen in this transaction.
    end_all(db, who.holder, &who.grants, now).await?;
    let (member, today) = (who.member.as_bytes().as_slice(), now.day().0);
    query!(
        "DELETE FROM session
         WHERE member = $1",
        member
    )
    .execute(&mut *db)
    .await?;
    query!(
        "DELETE FROM vouching
         WHERE officer = $1",
        member
    )
    .execute(&mut *db)
    .await?;
    let left = query!(
        "UPDATE member
         SET left_on = $2
         WHERE id = $1 AND left_on IS NULL",
        member,
        today
    )
    .execute(&mut *db)
    .await?;
    if left.rows_affected() == 1 {
        seal::queue(db, &who.left).await?;
    }
    Ok(())
}

/// It may sign in again. Nothing that ended begins again.
pub(super) async fn come_back(db: &mut Conn, who: &Affected) -> sqlx::Result<()> {
    let member = who.member.as_bytes().as_slice();
    let back = query!(
        "UPDATE member
         SET left_on = NULL
         WHERE id = $1 AND left_on IS NOT NULL",
        member
    )
    .execute(&mut *db)
    .await?;
    if back.rows_affected() == 1 {
        seal::queue(db, &who.back).await?;
    }
    Ok(())
}
