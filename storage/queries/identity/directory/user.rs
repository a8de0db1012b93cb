//! People whom the directory lists.

use std::collections::BTreeSet;

use bauta_attestation::ports::{
    GroupId, Lookup, UserId,
    directory::{Changed, Said, Span, UserChange, UserRemoval, UserRow, Wanted},
};
use sqlx::{query, query_as, query_scalar};

use super::{depart, id, maybe, speak, unsigned, word};
use crate::{
    Conn,
    identity_grant::{lookup, seal},
};

pub(super) async fn by_id(db: &mut Conn, id: UserId) -> sqlx::Result<Option<UserRow>> {
    let id = id.as_bytes().as_slice();
    let row = query_as!(
        Row,
        r#"SELECT directory_user.id AS "id!: Vec<u8>", directory_user.subject AS "subject!: Vec<u8>",
                  user_name AS "user_name!: Vec<u8>", external AS "external?: Vec<u8>",
                  active AS "active!: bool", names AS "names?: Vec<u8>", version AS "version!: i64"
           FROM directory_user
           JOIN directory_word ON directory_word.subject = directory_user.subject
           WHERE directory_user.id = $1"#,
        id
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::read).transpose()
}

async fn by_name(db: &mut Conn, name: Lookup) -> sqlx::Result<Option<UserRow>> {
    let name = name.0.as_slice();
    let row = query_as!(
        Row,
        r#"SELECT directory_user.id AS "id!: Vec<u8>", directory_user.subject AS "subject!: Vec<u8>",
                  user_name AS "user_name!: Vec<u8>", external AS "external?: Vec<u8>",
                  active AS "active!: bool", names AS "names?: Vec<u8>", version AS "version!: i64"
           FROM directory_user
           JOIN directory_word ON directory_word.subject = directory_user.subject
           WHERE user_name = $1"#,
        name
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::read).transpose()
}

async fn by_subject(db: &mut Conn, subject: Lookup) -> sqlx::Result<Option<UserRow>> {
    let subject = subject.0.as_slice();
    let row = query_as!(
        Row,
        r#"SELECT directory_user.id AS "id!: Vec<u8>", directory_user.subject AS "subject!: Vec<u8>",
                  user_name AS "user_name!: Vec<u8>", external AS "external?: Vec<u8>",
                  active AS "active!: bool", names AS "names?: Vec<u8>", version AS "version!: i64"
           FROM directory_user
           JOIN directory_word ON directory_word.subject = directory_user.subject
           WHERE directory_user.subject = $1"#,
        subject
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::read).transpose()
}

/// One of a kind, but for the whole list and for `externalId`, which nobody keeps unique.
pub(super) async fn list(
    db: &mut Conn,
    wanted: Wanted<UserId>,
    span: Span,
) -> sqlx::Result<Vec<UserRow>> {
    let (most, skip) = (i64::from(span.most), i64::from(span.skip));
    let rows = match wanted {
        Wanted::All => {
            query_as!(
                Row,
                r#"SELECT directory_user.id AS "id!: Vec<u8>",
                          directory_user.subject AS "subject!: Vec<u8>",
                          user_name AS "user_name!: Vec<u8>", external AS "external?: Vec<u8>",
                          active AS "active!: bool", names AS "names?: Vec<u8>",
                          version AS "version!: i64"
                   FROM directory_user
                   JOIN directory_word ON directory_word.subject = directory_user.subject
                   ORDER BY directory_user.id
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
                r#"SELECT directory_user.id AS "id!: Vec<u8>",
                          directory_user.subject AS "subject!: Vec<u8>",
                          user_name AS "user_name!: Vec<u8>", external AS "external?: Vec<u8>",
                          active AS "active!: bool", names AS "names?: Vec<u8>",
                          version AS "version!: i64"
                   FROM directory_user
                   JOIN directory_word ON directory_word.subject = directory_user.subject
                   WHERE external = $1
                   ORDER BY directory_user.id
                   LIMIT $2 OFFSET $3"#,
                external,
                most,
                skip
            )
            .fetch_all(db)
            .await?
        }
        Wanted::Id(id) => return Ok(part(by_id(db, id).await?, span)),
        Wanted::Name(name) => return Ok(part(by_name(db, name).await?, span)),
        Wanted::Subject(subject) => return Ok(part(by_subject(db, subject).await?, span)),
    };
    rows.into_iter().map(Row::read).collect()
}

fn part(found: Option<UserRow>, span: Span) -> Vec<UserRow> {
    found
        .into_iter()
        .filter(|_| span.skip == 0 && span.most > 0)
        .collect()
}

pub(super) async fn count(db: &mut Conn, wanted: Wanted<UserId>) -> sqlx::Result<u64> {
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
           FROM directory_user"#
    )
    .fetch_one(db)
    .await?;
    unsigned(there)
}

pub(super) async fn groups(db: &mut Conn, user: UserId) -> sqlx::Result<Vec<GroupId>> {
    let user = user.as_bytes().as_slice();
    let ids = query_scalar!(
        r#"SELECT group_id AS "id!: Vec<u8>"
           FROM directory_membership
           WHERE user_id = $1
           ORDER BY group_id"#,
        user
    )
    .fetch_all(db)
    .await?;
    ids.into_iter().map(|it| Ok(GroupId(id(it)?))).collect()
}

/// The names of the groups that somebody is in.
pub(super) async fn within(db: &mut Conn, subject: Lookup) -> sqlx::Result<BTreeSet<Lookup>> {
    let subject = subject.0.as_slice();
    let names = query_scalar!(
        r#"SELECT directory_group.name AS "name!: Vec<u8>"
           FROM directory_user
           JOIN directory_membership ON directory_membership.user_id = directory_user.id
           JOIN directory_group ON directory_group.id = directory_membership.group_id
           WHERE directory_user.subject = $1"#,
        subject
    )
    .fetch_all(db)
    .await?;
    names.into_iter().map(lookup).collect()
}

pub(super) async fn put(db: &mut Conn, change: &UserChange) -> sqlx::Result<Changed<UserRow>> {
    let old = by_id(db, change.row.id).await?;
    match (&old, change.from) {
        (None, None) => {}
        (Some(old), Some(from)) if old.version == from => {}
        (None, Some(_)) => return Ok(Changed::Gone),
        _ => return Ok(Changed::Stale),
    }
    if is_taken(db, &change.row).await? {
        return Ok(Changed::Taken);
    }
    let subject = change.row.subject;
    let active = match (change.said, word(db, subject).await?) {
        (Said::Active, _) => true,
        (Said::Inactive, _) => false,
        (Said::Nothing, Some(word)) => word,
        (Said::Nothing, None) => old.as_ref().is_none_or(|old| old.active),
    };
    let before = old.map(|old| old.subject).filter(|it| *it != subject);
    let (mut leave, mut stay) = (Vec::new(), Vec::new());
    leave.extend(before);
    if active {
        stay.push(subject);
    } else {
        leave.push(subject);
    }
    let leaving = depart::named(db, &leave, &change.affected, change.now).await?;
    let staying = depart::named(db, &stay, &change.affected, change.now).await?;
    let (Some(leaving), Some(staying)) = (leaving, staying) else {
        return Ok(Changed::Stale);
    };
    speak(db, subject, active).await?;
    write(db, &change.row).await?;
    if let Some(before) = before {
        // Whom the directory named once and names no more is a leaver.
        speak(db, before, false).await?;
    }
    for who in leaving {
        depart::leave(db, who, change.now).await?;
    }
    for who in staying {
        depart::come_back(db, who).await?;
    }
    seal::queue(db, &change.event).await?;
    let row = change.row.clone();
    Ok(Changed::Done(UserRow { active, ..row }))
}

pub(super) async fn remove(db: &mut Conn, removal: &UserRemoval) -> sqlx::Result<Changed<()>> {
    let Some(old) = by_id(db, removal.id).await? else {
        return Ok(Changed::Gone);
    };
    if old.version != removal.from {
        return Ok(Changed::Stale);
    }
    let leaving = depart::named(db, &[old.subject], &removal.affected, removal.now).await?;
    let Some(leaving) = leaving else {
        return Ok(Changed::Stale);
    };
    speak(db, old.subject, false).await?;
    let id = removal.id.as_bytes().as_slice();
    query!(
        "DELETE FROM directory_user
         WHERE id = $1",
        id
    )
    .execute(&mut *db)
    .await?;
    for who in leaving {
        depart::leave(db, who, removal.now).await?;
    }
    seal::queue(db, &removal.event).await?;
    Ok(Changed::Done(()))
}

async fn is_taken(db: &mut Conn, row: &UserRow) -> sqlx::Result<bool> {
    let id = row.id.as_bytes().as_slice();
    let (subject, name) = (row.subject.0.as_slice(), row.user_name.0.as_slice());
    let others = query_scalar!(
        r#"SELECT count(*) AS "n!: i64"
           FROM directory_user
           WHERE id <> $1 AND (subject = $2 OR user_name = $3)"#,
        id,
        subject,
        name
    )
    .fetch_one(db)
    .await?;
    Ok(others > 0)
}

async fn write(db: &mut Conn, row: &UserRow) -> sqlx::Result<()> {
    let id = row.id.as_bytes().as_slice();
    let (subject, name) = (row.subject.0.as_slice(), row.user_name.0.as_slice());
    let external = row.external.as_ref().map(|it| it.0.as_slice());
    let names = row.names.as_deref();
    query!(
        "INSERT INTO directory_user (id, subject, user_name, external, names, version)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO UPDATE
         SET subject = excluded.subject, user_name = excluded.user_name,
             external = excluded.external, names = excluded.names, version = excluded.version",
        id,
        subject,
        name,
        external,
        names,
        row.version
    )
    .execute(db)
    .await?;
    Ok(())
}

struct Row {
    id: Vec<u8>,
    subject: Vec<u8>,
    user_name: Vec<u8>,
    external: Option<Vec<u8>>,
    active: bool,
    names: Option<Vec<u8>>,
    version: i64,
}

impl Row {
    fn read(self) -> sqlx::Result<UserRow> {
        Ok(UserRow {
            id: UserId(id(self.id)?),
            subject: lookup(self.subject)?,
            user_name: lookup(self.user_name)?,
            external: maybe(self.external)?,
            active: self.active,
            names: self.names,
            version: self.version,
        })
    }
}
