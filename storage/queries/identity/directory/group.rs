//! Groups that the directory pushes, and what closes with them.

use std::collections::BTreeSet;

use bauta_attestation::ports::{
    GroupId, Lookup, MemberId, Rights, UserId,
    directory::{
        Affected, Changed, GroupChange, GroupRemoval, GroupRow, Members, Openings, Span, Wanted,
    },
};
use bauta_token::units::UnixMillis;
use sqlx::{query, query_as, query_scalar};

use super::{id, maybe, members_as, unsigned, user};
use crate::{
    Conn,
    identity_grant::{fall, in_force, lookup, seal},
    log::corrupt,
};

pub(super) async fn by_id(db: &mut Conn, id: GroupId) -> sqlx::Result<Option<GroupRow>> {
    let id = id.as_bytes().as_slice();
    let row = query_as!(
        Row,
        r#"SELECT id AS "id!: Vec<u8>", name AS "name!: Vec<u8>", external AS "external?: Vec<u8>",
                  names AS "names?: Vec<u8>", version AS "version!: i64"
           FROM directory_group
           WHERE id = $1"#,
        id
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::read).transpose()
}

async fn by_name(db: &mut Conn, name: Lookup) -> sqlx::Result<Option<GroupRow>> {
    let name = name.0.as_slice();
    let row = query_as!(
        Row,
        r#"SELECT id AS "id!: Vec<u8>", name AS "name!: Vec<u8>", external AS "external?: Vec<u8>",
                  names AS "names?: Vec<u8>", version AS "version!: i64"
           FROM directory_group
           WHERE name = $1"#,
        name
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::read).transpose()
}

pub(super) async fn is_pushed(db: &mut Conn, name: Lookup) -> sqlx::Result<bool> {
    Ok(by_name(db, name).await?.is_some())
}

pub(super) async fn list(
    db: &mut Conn,
    wanted: Wanted<GroupId>,
    span: Span,
) -> sqlx::Result<Vec<GroupRow>> {
    let (most, skip) = (i64::from(span.most), i64::from(span.skip));
    let one = |found: Option<GroupRow>| -> Vec<GroupRow> {
        let here = |_: &GroupRow| skip == 0 && most > 0;
        found.into_iter().filter(here).collect()
    };
    let rows = match wanted {
        Wanted::All => {
            query_as!(
                Row,
                r#"SELECT id AS "id!: Vec<u8>", name AS "name!: Vec<u8>",
                          external AS "external?: Vec<u8>", names AS "names?: Vec<u8>",
                          version AS "version!: i64"
                   FROM directory_group
                   ORDER BY id
                   LIMIT $1 OFFSET $2"#,
                most,
                skip
            )
            .fetch_all(db)
            .await?
        }
        Wanted::External(external) => {
            let external = external.0.as_slice();
            query_as!(
                Row,
                r#"SELECT id AS "id!: Vec<u8>", name AS "name!: Vec<u8>",
                          external AS "external?: Vec<u8>", names AS "names?: Vec<u8>",
                          version AS "version!: i64"
                   FROM directory_group
                   WHERE external = $1
                   ORDER BY id
                   LIMIT $2 OFFSET $3"#,
                external,
                most,
                skip
            )
            .fetch_all(db)
            .await?
        }
        Wanted::Id(id) => return Ok(one(by_id(db, id).await?)),
        Wanted::Name(name) => return Ok(one(by_name(db, name).await?)),
        Wanted::Subject(_) => return Ok(Vec::new()),
    };
    rows.into_iter().map(Row::read).collect()
}

pub(super) async fn count(db: &mut Conn, wanted: Wanted<GroupId>) -> sqlx::Result<u64> {
    if wanted != Wanted::All {
        let all = Span {
            skip: 0,
            most: u32::MAX,
        };
        let found = list(db, wanted, all).await?.len();
        return Ok(u64::try_from(found).unwrap_or(u64::MAX));
    }
    let there = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM directory_group"#
    )
    .fetch_one(db)
    .await?;
    unsigned(there)
}

pub(super) async fn people(db: &mut Conn, group: GroupId) -> sqlx::Result<BTreeSet<UserId>> {
    let group = group.as_bytes().as_slice();
    let ids = query_scalar!(
        r#"SELECT user_id AS "id!: Vec<u8>"
           FROM directory_membership
           WHERE group_id = $1
           ORDER BY user_id"#,
        group
    )
    .fetch_all(db)
    .await?;
    ids.into_iter().map(|it| Ok(UserId(id(it)?))).collect()
}

pub(super) async fn put(db: &mut Conn, change: &GroupChange) -> sqlx::Result<Changed<GroupRow>> {
    let old = by_id(db, change.row.id).await?;
    match (&old, change.from) {
        (None, None) => {}
        (Some(old), Some(from)) if old.version == from => {}
        (None, Some(_)) => return Ok(Changed::Gone),
        _ => return Ok(Changed::Stale),
    }
    let named = by_name(db, change.row.name).await?;
    if named.is_some_and(|it| it.id != change.row.id) {
        return Ok(Changed::Taken);
    }
    let before = people(db, change.row.id).await?;
    let Some(after) = people_after(db, &before, &change.members).await? else {
        return Ok(Changed::Stranger);
    };
    let step = Step {
        old: old.map(|old| old.name),
        new: Some(change.row.name),
        before: &before,
        after: &after,
    };
    let shifts = step
        .shifts(db, &change.openings, &change.affected, change.now)
        .await?;
    let Some(shifts) = shifts else {
        return Ok(Changed::Stale);
    };
    write(db, &change.row).await?;
    for user in before.difference(&after) {
        drop_out(db, change.row.id, *user).await?;
    }
    for user in after.difference(&before) {
        come_in(db, change.row.id, *user).await?;
    }
    apply(db, shifts, change.now).await?;
    seal::queue(db, &change.event).await?;
    Ok(Changed::Done(change.row.clone()))
}

pub(super) async fn remove(db: &mut Conn, removal: &GroupRemoval) -> sqlx::Result<Changed<()>> {
    let Some(old) = by_id(db, removal.id).await? else {
        return Ok(Changed::Gone);
    };
    if old.version != removal.from {
        return Ok(Changed::Stale);
    }
    let (before, after) = (people(db, removal.id).await?, BTreeSet::new());
    let step = Step {
        old: Some(old.name),
        new: None,
        before: &before,
        after: &after,
    };
    let shifts = step
        .shifts(db, &removal.openings, &removal.affected, removal.now)
        .await?;
    let Some(shifts) = shifts else {
        return Ok(Changed::Stale);
    };
    let id = removal.id.as_bytes().as_slice();
    query!(
        "DELETE FROM directory_group
         WHERE id = $1",
        id
    )
    .execute(&mut *db)
    .await?;
    apply(db, shifts, removal.now).await?;
    seal::queue(db, &removal.event).await?;
    Ok(Changed::Done(()))
}

/// Who is in it afterwards; `None` when somebody comes who is not listed.
async fn people_after(
    db: &mut Conn,
    before: &BTreeSet<UserId>,
    members: &Members,
) -> sqlx::Result<Option<BTreeSet<UserId>>> {
    match members {
        Members::Exactly(wanted) => {
            let mut after = BTreeSet::new();
            for user in wanted {
                if before.contains(user) || user::by_id(db, *user).await?.is_some() {
                    after.insert(*user);
                }
            }
            Ok(Some(after))
        }
        Members::Shift { add, remove } => {
            for user in add.difference(before) {
                if user::by_id(db, *user).await?.is_none() {
                    return Ok(None);
                }
            }
            let all = before.union(add).copied();
            Ok(Some(all.filter(|user| !remove.contains(user)).collect()))
        }
    }
}

/// A group under its old name and its new one, with its people before and after.
struct Step<'a> {
    old: Option<Lookup>,
    new: Option<Lookup>,
    before: &'a BTreeSet<UserId>,
    after: &'a BTreeSet<UserId>,
}

/// What becomes of a member's rights, and what ends with them.
struct Shift<'a> {
    member: MemberId,
    rights: Rights,
    keep: BTreeSet<bauta_token::scope::Name>,
    losing: Option<&'a Affected>,
}

impl Step<'_> {
    /// What becomes of every member behind the people it touches; `None` when one that loses by it
    /// is not named with all its grants.
    async fn shifts<'a>(
        &self,
        db: &mut Conn,
        openings: &Openings,
        affected: &'a [Affected],
        now: UnixMillis,
    ) -> sqlx::Result<Option<Vec<Shift<'a>>>> {
        let mut shifts = Vec::new();
        let opens = |name: Option<Lookup>| {
            let rules = &openings.rules.0;
            name.filter(|name| rules.iter().any(|rule| rule.name == *name))
        };
        let (old, new) = (opens(self.old), opens(self.new));
        if old.is_none() && new.is_none() {
            return Ok(Some(shifts));
        }
        for user in self.before.union(self.after) {
            let was = old.filter(|_| self.before.contains(user));
            let is = new.filter(|_| self.after.contains(user));
            if was == is {
                continue;
            }
            let Some(row) = user::by_id(db, *user).await? else {
                continue;
            };
            let mut within = user::within(db, row.subject).await?;
            within.retain(|name| Some(*name) != self.old);
            within.extend(is);
            for member in members_as(db, row.subject).await? {
                let Some(rights) = rights_of(db, member).await? else {
                    continue;
                };
                let (gained, lost) = (is.into_iter().collect(), was.into_iter().collect());
                let next = openings.rules.shifted(&rights, &gained, &lost, &within);
                if next == rights {
                    continue;
                }
                let keep = next.scopes.union(&openings.to_all).cloned().collect();
                let losing = affected.iter().find(|it| it.member == member);
                if !rights.scopes.is_subset(&next.scopes)
                    && !is_named(db, losing, &keep, now).await?
                {
                    return Ok(None);
                }
                shifts.push(Shift {
                    member,
                    rights: next,
                    keep,
                    losing,
                });
            }
        }
        Ok(Some(shifts))
    }
}

/// Whether every grant outside of what is kept is named.
async fn is_named(
    db: &mut Conn,
    losing: Option<&Affected>,
    keep: &BTreeSet<bauta_token::scope::Name>,
    now: UnixMillis,
) -> sqlx::Result<bool> {
    let Some(losing) = losing else {
        return Ok(false);
    };
    let mut lost = in_force(db, losing.holder, now).await?;
    lost.retain(|grant| !keep.contains(&grant.scope));
    let known = |id| losing.grants.iter().any(|named| named.id == id);
    Ok(lost.iter().all(|grant| known(grant.id)))
}

async fn apply(db: &mut Conn, shifts: Vec<Shift<'_>>, now: UnixMillis) -> sqlx::Result<()> {
    for shift in shifts {
        let member = shift.member.as_bytes().as_slice();
        let rights = serde_json::to_string(&shift.rights)
            .map_err(|error| sqlx::Error::Encode(error.into()))?;
        query!(
            "UPDATE member
             SET rights = $2
             WHERE id = $1",
            member,
            rights
        )
        .execute(&mut *db)
        .await?;
        let Some(who) = shift.losing else { continue };
        let fell = fall::end_others(db, who.holder, &shift.keep, &who.grants, now).await?;
        if matches!(fell, bauta_attestation::ports::grants::Fell::Ended(1..)) {
            seal::queue(db, &who.lost).await?;
        }
    }
    Ok(())
}

async fn rights_of(db: &mut Conn, member: MemberId) -> sqlx::Result<Option<Rights>> {
    let member = member.as_bytes().as_slice();
    let rights = query_scalar!(
        r#"SELECT rights AS "rights!: String"
           FROM member
           WHERE id = $1"#,
        member
    )
    .fetch_optional(db)
    .await?;
    let read =
        |text: String| serde_json::from_str(&text).map_err(|_| corrupt("rights are not rights"));
    rights.map(read).transpose()
}

async fn write(db: &mut Conn, row: &GroupRow) -> sqlx::Result<()> {
    let (id, name) = (row.id.as_bytes().as_slice(), row.name.0.as_slice());
    let external = row.external.as_ref().map(|it| it.0.as_slice());
    let names = row.names.as_deref();
    query!(
        "INSERT INTO directory_group (id, name, external, names, version)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE
         SET name = excluded.name, external = excluded.external, names = excluded.names,
             version = excluded.version",
        id,
        name,
        external,
        names,
        row.version
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn come_in(db: &mut Conn, group: GroupId, user: UserId) -> sqlx::Result<()> {
    let (group, user) = (group.as_bytes().as_slice(), user.as_bytes().as_slice());
    query!(
        "INSERT INTO directory_membership (group_id, user_id)
         VALUES ($1, $2)
         ON CONFLICT DO NOTHING",
        group,
        user
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn drop_out(db: &mut Conn, group: GroupId, user: UserId) -> sqlx::Result<()> {
    let (group, user) = (group.as_bytes().as_slice(), user.as_bytes().as_slice());
    query!(
        "DELETE FROM directory_membership
         WHERE group_id = $1 AND user_id = $2",
        group,
        user
    )
    .execute(db)
    .await?;
    Ok(())
}

struct Row {
    id: Vec<u8>,
    name: Vec<u8>,
    external: Option<Vec<u8>>,
    names: Option<Vec<u8>>,
    version: i64,
}

impl Row {
    fn read(self) -> sqlx::Result<GroupRow> {
        Ok(GroupRow {
            id: GroupId(id(self.id)?),
            name: lookup(self.name)?,
            external: maybe(self.external)?,
            names: self.names,
            version: self.version,
        })
    }
}
