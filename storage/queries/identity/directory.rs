//! The directory's people, groups and bearers, and what ends with them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use bauta_attestation::ports::{
    Event, GroupId, Lookup, MemberId, Rights, UserId,
    directory::{
        BearerRow, Census, Changed, Directory, GroupChange, GroupRemoval, GroupRow, NewBearer,
        Span, UserChange, UserRemoval, UserRow, Wanted,
    },
    people::{SignIn, SignedInAs},
};
use bauta_audit::store::StoreError;
use bauta_token::{
    secret::{Hashed, Scim},
    units::UnixMillis,
};
use sqlx::{query, query_scalar};

use super::lookup;
use crate::{Conn, IdentityStore, log::corrupt};

mod bearer;
mod depart;
mod group;
mod user;

#[async_trait]
impl Directory for IdentityStore {
    async fn keep_bearer(
        &self,
        bearer: &NewBearer,
        at_most: u32,
    ) -> Result<Option<i64>, StoreError> {
        self.does("keep bearer", (bearer.clone(), at_most), |db, with| {
            Box::pin(async move { bearer::keep(db, &with.0, with.1).await })
        })
        .await
    }

    async fn bearers(&self) -> Result<Vec<BearerRow>, StoreError> {
        self.asks("bearers", (), |db, _| Box::pin(bearer::all(db)))
            .await
    }

    async fn drop_bearer(&self, number: i64, event: &Event) -> Result<bool, StoreError> {
        self.does("drop bearer", (number, event.clone()), |db, with| {
            Box::pin(async move { bearer::drop(db, with.0, &with.1).await })
        })
        .await
    }

    async fn bearer(&self, hash: Hashed<Scim>, now: UnixMillis) -> Result<bool, StoreError> {
        let found = self
            .asks("bearer", (hash, now), |db, with| {
                Box::pin(async move { bearer::in_force(db, with.0, with.1).await })
            })
            .await?;
        let Some(used_on) = found else {
            return Ok(false);
        };
        // To the day: a directory that syncs all day is written down once.
        if used_on != Some(now.day()) {
            self.does("use bearer", (hash, now), |db, with| {
                Box::pin(async move { bearer::used(db, with.0, with.1).await })
            })
            .await?;
        }
        Ok(true)
    }

    async fn user(&self, id: UserId) -> Result<Option<UserRow>, StoreError> {
        self.asks("directory user", id, |db, id| {
            Box::pin(async move { user::by_id(db, *id).await })
        })
        .await
    }

    async fn count_users(&self, wanted: Wanted<UserId>) -> Result<u64, StoreError> {
        self.asks("count directory users", wanted, |db, wanted| {
            Box::pin(async move { user::count(db, *wanted).await })
        })
        .await
    }

    async fn users(&self, wanted: Wanted<UserId>, span: Span) -> Result<Vec<UserRow>, StoreError> {
        self.asks("directory users", (wanted, span), |db, with| {
            Box::pin(async move { user::list(db, with.0, with.1).await })
        })
        .await
    }

    async fn groups_of(&self, user: UserId) -> Result<Vec<GroupId>, StoreError> {
        self.asks("groups of a directory user", user, |db, user| {
            Box::pin(async move { user::groups(db, *user).await })
        })
        .await
    }

    async fn put_user(&self, change: &UserChange) -> Result<Changed<UserRow>, StoreError> {
        self.does("put directory user", change.clone(), |db, change| {
            Box::pin(async move { user::put(db, &change).await })
        })
        .await
    }

    async fn remove_user(&self, removal: &UserRemoval) -> Result<Changed<()>, StoreError> {
        self.does("remove directory user", removal.clone(), |db, removal| {
            Box::pin(async move { user::remove(db, &removal).await })
        })
        .await
    }

    async fn group(&self, id: GroupId) -> Result<Option<GroupRow>, StoreError> {
        self.asks("directory group", id, |db, id| {
            Box::pin(async move { group::by_id(db, *id).await })
        })
        .await
    }

    async fn count_groups(&self, wanted: Wanted<GroupId>) -> Result<u64, StoreError> {
        self.asks("count directory groups", wanted, |db, wanted| {
            Box::pin(async move { group::count(db, *wanted).await })
        })
        .await
    }

    async fn groups(
        &self,
        wanted: Wanted<GroupId>,
        span: Span,
    ) -> Result<Vec<GroupRow>, StoreError> {
        self.asks("directory groups", (wanted, span), |db, with| {
            Box::pin(async move { group::list(db, with.0, with.1).await })
        })
        .await
    }

    async fn people_in(&self, group: GroupId) -> Result<Vec<UserId>, StoreError> {
        self.asks("people in a group", group, |db, group| {
            Box::pin(async move {
                let people = group::people(db, *group).await?;
                Ok(people.into_iter().collect())
            })
        })
        .await
    }

    async fn put_group(&self, change: &GroupChange) -> Result<Changed<GroupRow>, StoreError> {
        self.does("put directory group", change.clone(), |db, change| {
            Box::pin(async move { group::put(db, &change).await })
        })
        .await
    }

    async fn remove_group(&self, removal: &GroupRemoval) -> Result<Changed<()>, StoreError> {
        self.does("remove directory group", removal.clone(), |db, removal| {
            Box::pin(async move { group::remove(db, &removal).await })
        })
        .await
    }

    async fn members_as(&self, subject: Lookup) -> Result<Vec<MemberId>, StoreError> {
        self.asks("members as", subject, |db, subject| {
            Box::pin(async move { members_as(db, *subject).await })
        })
        .await
    }

    async fn word(&self, subject: Lookup) -> Result<Option<bool>, StoreError> {
        self.asks("directory word", subject, |db, subject| {
            Box::pin(async move { word(db, *subject).await })
        })
        .await
    }

    async fn forget_directory(&self, names: bool, now: UnixMillis) -> Result<u64, StoreError> {
        self.does("forget directory", (names, now), |db, with| {
            Box::pin(async move { forget(db, with.0, with.1).await })
        })
        .await
    }

    async fn census(&self) -> Result<Census, StoreError> {
        self.asks("directory census", (), |db, _| Box::pin(census(db)))
            .await
    }
}

/// The rights of a sign-in, or why there is none.
pub(crate) async fn admitted(
    db: &mut Conn,
    entry: &SignIn,
) -> sqlx::Result<Result<Rights, SignedInAs>> {
    let word = match entry.join {
        Some(subject) => word(db, subject).await?.map(|active| (subject, active)),
        None => None,
    };
    let claimed = &entry.claimed;
    match word {
        Some((_, false)) => Ok(Err(SignedInAs::Left)),
        None if claimed.listed_only => Ok(Err(SignedInAs::Unlisted)),
        None => Ok(Ok(entry.rights.clone())),
        Some((subject, true)) => {
            let mut pushed = BTreeSet::new();
            for rule in &claimed.rules.0 {
                if group::is_pushed(db, rule.name).await? {
                    pushed.insert(rule.name);
                }
            }
            let within = user::within(db, subject).await?;
            let rights = (claimed.rules).settle(&entry.rights, &claimed.groups, &pushed, &within);
            Ok(Ok(rights))
        }
    }
}

/// Whether the directory says that this person may go on; `None` when it never spoke of it.
pub(crate) async fn word(db: &mut Conn, subject: Lookup) -> sqlx::Result<Option<bool>> {
    let subject = subject.0.as_slice();
    query_scalar!(
        r#"SELECT active AS "active!: bool"
           FROM directory_word
           WHERE subject = $1"#,
        subject
    )
    .fetch_optional(db)
    .await
}

/// With a member that is erased goes what the directory said of it, unless it still lists it: when
/// it takes the person away, that has to be heard.
pub(crate) async fn erase(db: &mut Conn, subject: Lookup) -> sqlx::Result<()> {
    let subject = subject.0.as_slice();
    query!(
        "DELETE FROM directory_user
         WHERE subject = $1
           AND subject IN (SELECT subject FROM directory_word WHERE NOT active)",
        subject
    )
    .execute(&mut *db)
    .await?;
    query!(
        "DELETE FROM directory_word
         WHERE subject = $1 AND NOT active",
        subject
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn speak(db: &mut Conn, subject: Lookup, active: bool) -> sqlx::Result<()> {
    let subject = subject.0.as_slice();
    query!(
        "INSERT INTO directory_word (subject, active)
         VALUES ($1, $2)
         ON CONFLICT (subject) DO UPDATE
         SET active = excluded.active",
        subject,
        active
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn members_as(db: &mut Conn, subject: Lookup) -> sqlx::Result<Vec<MemberId>> {
    let subject = subject.0.as_slice();
    let ids = query_scalar!(
        r#"SELECT id AS "id!: Vec<u8>"
           FROM member
           WHERE join_hash = $1
           ORDER BY id"#,
        subject
    )
    .fetch_all(db)
    .await?;
    ids.into_iter().map(|it| Ok(MemberId(id(it)?))).collect()
}

async fn forget(db: &mut Conn, names: bool, now: UnixMillis) -> sqlx::Result<u64> {
    let mut forgotten = 0_u64;
    if names {
        let users = query!(
            "UPDATE directory_user
             SET names = NULL
             WHERE names IS NOT NULL"
        )
        .execute(&mut *db)
        .await?;
        let groups = query!(
            "UPDATE directory_group
             SET names = NULL
             WHERE names IS NOT NULL"
        )
        .execute(&mut *db)
        .await?;
        forgotten = users.rows_affected().saturating_add(groups.rows_affected());
    }
    let now = now.0;
    let bearers = query!(
        "DELETE FROM directory_bearer
         WHERE expires_at <= $1",
        now
    )
    .execute(db)
    .await?;
    Ok(forgotten.saturating_add(bearers.rows_affected()))
}

async fn census(db: &mut Conn) -> sqlx::Result<Census> {
    let row = query!(
        r#"SELECT (SELECT count(*) FROM directory_user) AS "users!: i64",
                  (SELECT count(*)
                   FROM directory_user
                   WHERE subject IN (SELECT join_hash FROM member)) AS "joined!: i64",
                  (SELECT count(*) FROM directory_group) AS "groups!: i64""#
    )
    .fetch_one(db)
    .await?;
    Ok(Census {
        users: unsigned(row.users)?,
        joined: unsigned(row.joined)?,
        groups: unsigned(row.groups)?,
    })
}

fn id(bytes: Vec<u8>) -> sqlx::Result<[u8; 16]> {
    bytes
        .try_into()
        .map_err(|_| corrupt("an id is not 16 bytes"))
}

fn maybe(bytes: Option<Vec<u8>>) -> sqlx::Result<Option<Lookup>> {
    bytes.map(lookup).transpose()
}

fn unsigned(number: i64) -> sqlx::Result<u64> {
    u64::try_from(number).map_err(|_| corrupt("a number is negative"))
}
