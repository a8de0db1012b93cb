//! Grants: issued, renewed, ended. Logins that wait for a person are in `login.rs`.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use bauta_attestation::ports::{
    Event, Lookup, Rights,
    grants::{
        Answer, AskLimits, Asked, Asking, Basis, Build, Ending, Entry, Fall, Fell, Grants, Handle,
        Held, Issuance, KeptCode, KeptGrant, Named, NewGrant, Outcome, Poll, Renewal, Rise, Seal,
        Told, Typed, share_quota,
    },
};
use bauta_audit::{
    note::Signer,
    store::{Head, StoreError},
};
use bauta_token::{
    notice::Notice,
    pseudonym::Pseudonym,
    scope::Name,
    secret::{AuthCode, DeviceCode, Hashed, RefreshToken},
    units::{UnixDay, UnixMillis},
};
use sqlx::query;

use crate::{
    Conn, IdentityStore,
    log::{self, corrupt},
};

pub(crate) mod directory;
mod fall;
mod login;
mod notice;
pub(crate) mod seal;
mod workload;

#[async_trait]
impl Grants for IdentityStore {
    async fn issue(&self, issuance: Issuance) -> Result<Outcome, StoreError> {
        self.db
            .write("issue", move |db| {
                let issuance = issuance.clone();
                Box::pin(async move { issue(db, &issuance).await })
            })
            .await
    }

    async fn renewable(
        &self,
        token: Hashed<RefreshToken>,
    ) -> Result<Option<KeptGrant>, StoreError> {
        self.db
            .read("renewable", move |db| {
                Box::pin(async move {
                    match refresh_row(db, &token).await? {
                        Some((id, _)) => by_id(db, id).await,
                        None => Ok(None),
                    }
                })
            })
            .await
    }

    async fn grant(&self, id: Lookup) -> Result<Option<KeptGrant>, StoreError> {
        self.db
            .read("grant", move |db| Box::pin(by_id(db, id)))
            .await
    }

    async fn grants(&self, holder: Lookup, now: UnixMillis) -> Result<Vec<KeptGrant>, StoreError> {
        self.db
            .read("grants", move |db| Box::pin(in_force(db, holder, now)))
            .await
    }

    async fn builds(&self, now: UnixMillis) -> Result<Vec<Build>, StoreError> {
        self.db
            .read("builds", move |db| Box::pin(workload::in_force(db, now)))
            .await
    }

    async fn of_client(
        &self,
        client: &'static str,
        now: UnixMillis,
    ) -> Result<Vec<KeptGrant>, StoreError> {
        self.db
            .read("grants of a client", move |db| {
                Box::pin(of_client(db, client, now))
            })
            .await
    }

    async fn end(&self, ending: Ending) -> Result<bool, StoreError> {
        self.db
            .write("end grant", move |db| {
                let ending = ending.clone();
                Box::pin(async move {
                    let Ending {
                        id, holder, now, ..
                    } = &ending;
                    let ended = end(db, *id, &ending.end, *holder, *now).await?;
                    if ended {
                        seal::queue(db, &ending.leaf).await?;
                    }
                    Ok(ended)
                })
            })
            .await
    }

    async fn ask(&self, asking: Asking, limits: AskLimits) -> Result<Asked, StoreError> {
        self.db
            .write("ask", move |db| {
                let asking = asking.clone();
                Box::pin(async move { login::ask(db, &asking, limits).await })
            })
            .await
    }

    async fn poll(&self, code: Hashed<DeviceCode>, now: UnixMillis) -> Result<Poll, StoreError> {
        self.db
            .write("poll", move |db| Box::pin(login::poll(db, code, now)))
            .await
    }

    async fn typed(&self, entry: Entry) -> Result<Typed, StoreError> {
        self.db
            .write("typed", move |db| Box::pin(login::typed(db, entry)))
            .await
    }

    async fn answer(
        &self,
        user: Lookup,
        answer: Answer,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        self.db
            .write("answer", move |db| {
                let answer = answer.clone();
                Box::pin(async move { login::answer(db, user, &answer, now).await })
            })
            .await
    }

    async fn keep_code(&self, code: KeptCode) -> Result<(), StoreError> {
        self.db
            .write("keep code", move |db| {
                let code = code.clone();
                Box::pin(async move { login::keep_code(db, &code).await })
            })
            .await
    }

    async fn code(&self, code: Hashed<AuthCode>) -> Result<Option<KeptCode>, StoreError> {
        self.db
            .read("code", move |db| Box::pin(login::code(db, code)))
            .await
    }

    async fn held(&self, holder: Lookup) -> Result<Vec<Held>, StoreError> {
        self.db
            .read("held", move |db| Box::pin(fall::held(db, holder)))
            .await
    }

    async fn fall(&self, fall: Fall) -> Result<Fell, StoreError> {
        self.db
            .write("fall", move |db| {
                let fall = fall.clone();
                Box::pin(async move { fall::suspend(db, &fall).await })
            })
            .await
    }

    async fn rise(&self, rise: Rise) -> Result<bool, StoreError> {
        self.db
            .write("rise", move |db| {
                let rise = rise.clone();
                Box::pin(async move { fall::reinstate(db, &rise).await })
            })
            .await
    }

    async fn end_all(
        &self,
        holder: Lookup,
        grants: Vec<Named>,
        now: UnixMillis,
        leaf: Event,
    ) -> Result<Fell, StoreError> {
        self.db
            .write("end grants", move |db| {
                let (grants, leaf) = (grants.clone(), leaf.clone());
                Box::pin(async move {
                    let fell = end_all(db, holder, &grants, now).await?;
                    if matches!(fell, Fell::Ended(1..)) {
                        seal::queue(db, &leaf).await?;
                    }
                    Ok(fell)
                })
            })
            .await
    }

    async fn end_others(
        &self,
        holder: Lookup,
        keep: BTreeSet<Name>,
        grants: Vec<Named>,
        now: UnixMillis,
        leaf: Event,
    ) -> Result<Fell, StoreError> {
        self.db
            .write("end other grants", move |db| {
                let (keep, grants, leaf) = (keep.clone(), grants.clone(), leaf.clone());
                Box::pin(async move {
                    let fell = fall::end_others(db, holder, &keep, &grants, now).await?;
                    if matches!(fell, Fell::Ended(1..)) {
                        seal::queue(db, &leaf).await?;
                    }
                    Ok(fell)
                })
            })
            .await
    }

    async fn forget_holder(
        &self,
        holder: Lookup,
        grants: Vec<Named>,
        now: UnixMillis,
    ) -> Result<Fell, StoreError> {
        self.db
            .write("forget holder", move |db| {
                let grants = grants.clone();
                Box::pin(async move { fall::forget(db, holder, &grants, now).await })
            })
            .await
    }

    async fn announce(&self, notices: Vec<Notice>) -> Result<(), StoreError> {
        self.db
            .write("announce", move |db| {
                let notices = notices.clone();
                Box::pin(async move {
                    for notice in &notices {
                        notice::append(db, notice).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn notices(&self, after: u64, at_most: u32) -> Result<Told, StoreError> {
        self.db
            .read("notices", move |db| {
                Box::pin(notice::after(db, after, at_most))
            })
            .await
    }

    async fn publish(
        &self,
        text: String,
        signer: Arc<Signer>,
        now: UnixMillis,
    ) -> Result<u64, StoreError> {
        let before = self.db.signed.last();
        self.db
            .write("publish", move |db| {
                let (text, signer) = (text.clone(), Arc::clone(&signer));
                Box::pin(async move { notice::publish(db, text, &signer, before, now).await })
            })
            .await
    }

    async fn manifest(&self) -> Result<Option<(u64, String)>, StoreError> {
        self.db
            .read("manifest", |db| Box::pin(notice::manifest(db)))
            .await
    }

    async fn seal(&self, batch: Seal) -> Result<Head, StoreError> {
        let before = self.db.signed.last();
        let head = self
            .db
            .write("seal", move |db| {
                let batch = batch.clone();
                Box::pin(async move {
                    log::lock(db).await?;
                    log::continues(db, before).await?;
                    seal::seal(db, &batch).await
                })
            })
            .await?;
        self.db.signed.remember(&head);
        Ok(head)
    }

    async fn tidy(&self, now: UnixMillis) -> Result<(), StoreError> {
        self.db
            .write("tidy", move |db| Box::pin(tidy(db, now)))
            .await
    }
}

async fn issue(db: &mut Conn, issuance: &Issuance) -> sqlx::Result<Outcome> {
    if let Some(refused) = refused(db, issuance).await? {
        return Ok(refused);
    }
    let outcome = match &issuance.basis {
        Basis::Asked(grant) => begin(db, issuance, grant).await?,
        Basis::Device(code, grant) => {
            if !login::spend_device(db, code, &grant.holder, issuance.now).await? {
                return Ok(Outcome::Spent);
            }
            begin(db, issuance, grant).await?
        }
        Basis::Code(code, grant) => {
            if !login::spend_code(db, code, issuance.id, issuance.now).await? {
                return Ok(Outcome::Spent);
            }
            begin(db, issuance, grant).await?
        }
        Basis::Renewal(renewal) => renew(db, issuance, renewal).await?,
        Basis::Workload(presented, grant) => {
            if workload::was_presented(db, presented).await? {
                return Ok(Outcome::Spent);
            }
            let begun = begin(db, issuance, grant).await?;
            if begun == Outcome::Issued {
                workload::keep(db, presented, issuance.id).await?;
            }
            begun
        }
    };
    if outcome == Outcome::Issued {
        seal::queue(db, &issuance.leaf).await?;
    }
    Ok(outcome)
}

/// Asked again here, so that a suspension, a departure, a verification that was taken back or a
/// group that was lost after the judgement wins.
async fn refused(db: &mut Conn, issuance: &Issuance) -> sqlx::Result<Option<Outcome>> {
    let (member, attestation) = (
        issuance.member.as_bytes().as_slice(),
        issuance.ground.attestation.as_bytes().as_slice(),
    );
    let row = query!(
        r#"SELECT state AS "state!: String", left_on AS "left_on?: i64",
                  rights AS "rights!: String",
                  (SELECT count(*)
                   FROM attestation
                   WHERE attestation.id = $2 AND attestation.member = member.id
                         AND attestation.state = 'valid') AS "attested!: i64"
           FROM member
           WHERE id = $1"#,
        member,
        attestation
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row.filter(|row| row.state == ACTIVE && row.left_on.is_none()) else {
        return Ok(Some(Outcome::Barred));
    };
    let rights: Rights =
        serde_json::from_str(&row.rights).map_err(|_| corrupt("rights are not rights"))?;
    let lost = |scope| !rights.scopes.contains(scope);
    let withdrawn = row.attested == 0 || issuance.ground.scope.as_ref().is_some_and(lost);
    Ok(withdrawn.then_some(Outcome::Withdrawn))
}

async fn begin(db: &mut Conn, issuance: &Issuance, grant: &NewGrant) -> sqlx::Result<Outcome> {
    let held = in_force(db, grant.holder, issuance.now).await?;
    let counted = |kept: &&KeptGrant| share_quota(&kept.client, grant.client);
    let held = held.iter().filter(counted).count();
    if held >= usize::try_from(grant.quota).unwrap_or(usize::MAX) {
        return Ok(Outcome::Full);
    }
    let id = issuance.id.0.as_slice();
    let (holder, handle) = (grant.holder.0.as_slice(), grant.handle.0.as_slice());
    let (label, scope) = (grant.label.as_deref(), grant.scope.as_str());
    let today = issuance.now.day().0;
    let (ends_at, live_until) = (issuance.ends_at.0, issuance.live_until.0);
    query!(
        "INSERT INTO member_grant
             (id, holder, handle, label, client, scope, made_on, refreshed_on, ends_at, live_until)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        id,
        holder,
        handle,
        label,
        grant.client,
        scope,
        today,
        today,
        ends_at,
        live_until
    )
    .execute(&mut *db)
    .await?;
    if let Some(refresh) = &grant.refresh {
        insert_refresh(db, refresh, issuance.id).await?;
    }
    Ok(Outcome::Issued)
}

/// Rotates. A spent token that comes back is a retry while its successor is unused and the grace
/// lasts; after that somebody else has it, and the grant ends.
async fn renew(db: &mut Conn, issuance: &Issuance, renewal: &Renewal) -> sqlx::Result<Outcome> {
    let Some((id, spent_at)) = refresh_row(db, &renewal.old).await? else {
        return Ok(Outcome::Spent);
    };
    let kept = by_id(db, id).await?;
    let lives = kept.is_some_and(|grant| !grant.ended && grant.ends_at > issuance.now);
    if !lives || id != issuance.id {
        return Ok(Outcome::Spent);
    }
    match spent_at {
        None => {
            spend_refresh(db, &renewal.old, issuance.now).await?;
            insert_refresh(db, &renewal.new, id).await?;
        }
        Some(spent_at) => {
            let unused = matches!(refresh_row(db, &renewal.new).await?, Some((_, None)));
            let late = issuance.now.0.saturating_sub(spent_at) > renewal.grace_millis;
            if late || !unused {
                end(db, id, &issuance.end, None, issuance.now).await?;
                seal::queue(db, &renewal.reuse).await?;
                return Ok(Outcome::Reused);
            }
        }
    }
    let (live_until, ends_at) = (issuance.live_until.0, issuance.ends_at.0);
    let (id, today) = (id.0.as_slice(), issuance.now.day().0);
    query!(
        "UPDATE member_grant
         SET refreshed_on = $2,
             ends_at = $3,
             live_until = CASE WHEN live_until > $4 THEN live_until ELSE $4 END
         WHERE id = $1",
        id,
        today,
        ends_at,
        live_until
    )
    .execute(&mut *db)
    .await?;
    Ok(Outcome::Issued)
}

/// Whether it was in force. A holder, when given, must be its holder.
async fn end(
    db: &mut Conn,
    id: Lookup,
    name: &Pseudonym,
    holder: Option<Lookup>,
    now: UnixMillis,
) -> sqlx::Result<bool> {
    let Some(grant) = by_id(db, id).await? else {
        return Ok(false);
    };
    if grant.ended || holder.is_some_and(|holder| holder != grant.holder) {
        return Ok(false);
    }
    let id = id.0.as_slice();
    query!(
        "UPDATE member_grant
         SET ended_at = $2
         WHERE id = $1",
        id,
        now.0
    )
    .execute(&mut *db)
    .await?;
    query!(
        "DELETE FROM refresh_token
         WHERE grant_id = $1",
        id
    )
    .execute(&mut *db)
    .await?;
    if grant.live_until > now {
        let notice = Notice::Ended {
            grant: name.clone(),
            until: grant.live_until,
        };
        notice::append(db, &notice).await?;
    }
    Ok(true)
}

/// Ends all, if all are named: a grant that began since is one that nobody could tell the gateway of.
async fn end_all(
    db: &mut Conn,
    holder: Lookup,
    grants: &[Named],
    now: UnixMillis,
) -> sqlx::Result<Fell> {
    let named = |grant: &KeptGrant| grants.iter().any(|named| named.id == grant.id);
    if !in_force(db, holder, now).await?.iter().all(named) {
        return Ok(Fell::Changed);
    }
    let mut ended = 0_u64;
    for grant in grants {
        if end(db, grant.id, &grant.end, Some(holder), now).await? {
            ended = ended.saturating_add(1);
        }
    }
    login::drop_all(db, holder).await?;
    Ok(Fell::Ended(ended))
}

async fn tidy(db: &mut Conn, now: UnixMillis) -> sqlx::Result<()> {
    login::tidy(db, now).await?;
    workload::tidy(db, now).await?;
    notice::blank(db, now).await?;
    // An ended grant stays until its last token has expired; a lapsed one needs no end.
    query!(
        "DELETE FROM member_grant
         WHERE live_until <= $1 AND (ended_at IS NOT NULL OR ends_at <= $1)",
        now.0
    )
    .execute(&mut *db)
    .await?;
    Ok(())
}

async fn insert_refresh(
    db: &mut Conn,
    token: &Hashed<RefreshToken>,
    grant: Lookup,
) -> sqlx::Result<()> {
    let (hash, grant) = (token.as_bytes().as_slice(), grant.0.as_slice());
    query!(
        "INSERT INTO refresh_token (hash, grant_id)
         VALUES ($1, $2)",
        hash,
        grant
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn spend_refresh(
    db: &mut Conn,
    token: &Hashed<RefreshToken>,
    now: UnixMillis,
) -> sqlx::Result<()> {
    let hash = token.as_bytes().as_slice();
    query!(
        "UPDATE refresh_token
         SET spent_at = $2
         WHERE hash = $1",
        hash,
        now.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Its grant, and when it was spent.
async fn refresh_row(
    db: &mut Conn,
    token: &Hashed<RefreshToken>,
) -> sqlx::Result<Option<(Lookup, Option<i64>)>> {
    let hash = token.as_bytes().as_slice();
    let row = query!(
        r#"SELECT grant_id AS "grant_id!: Vec<u8>", spent_at AS "spent_at?: i64"
           FROM refresh_token
           WHERE hash = $1"#,
        hash
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| Ok((lookup(row.grant_id)?, row.spent_at)))
        .transpose()
}

async fn by_id(db: &mut Conn, id: Lookup) -> sqlx::Result<Option<KeptGrant>> {
    let id = id.0.as_slice();
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id AS "id!: Vec<u8>", holder AS "holder!: Vec<u8>",
                  handle AS "handle!: Vec<u8>", label AS "label?: Vec<u8>",
                  client AS "client!: String", scope AS "scope!: String",
                  made_on AS "made_on!: i64", refreshed_on AS "refreshed_on!: i64",
                  ends_at AS "ends_at!: i64", live_until AS "live_until!: i64",
                  ended_at AS "ended_at?: i64"
           FROM member_grant
           WHERE id = $1"#,
        id
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::read).transpose()
}

async fn in_force(db: &mut Conn, holder: Lookup, now: UnixMillis) -> sqlx::Result<Vec<KeptGrant>> {
    let holder = holder.0.as_slice();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id AS "id!: Vec<u8>", holder AS "holder!: Vec<u8>",
                  handle AS "handle!: Vec<u8>", label AS "label?: Vec<u8>",
                  client AS "client!: String", scope AS "scope!: String",
                  made_on AS "made_on!: i64", refreshed_on AS "refreshed_on!: i64",
                  ends_at AS "ends_at!: i64", live_until AS "live_until!: i64",
                  ended_at AS "ended_at?: i64"
           FROM member_grant
           WHERE holder = $1 AND ended_at IS NULL AND ends_at > $2
           ORDER BY made_on DESC, id"#,
        holder,
        now.0
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::read).collect()
}

async fn of_client(
    db: &mut Conn,
    client: &'static str,
    now: UnixMillis,
) -> sqlx::Result<Vec<KeptGrant>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id AS "id!: Vec<u8>", holder AS "holder!: Vec<u8>",
                  handle AS "handle!: Vec<u8>", label AS "label?: Vec<u8>",
                  client AS "client!: String", scope AS "scope!: String",
                  made_on AS "made_on!: i64", refreshed_on AS "refreshed_on!: i64",
                  ends_at AS "ends_at!: i64", live_until AS "live_until!: i64",
                  ended_at AS "ended_at?: i64"
           FROM member_grant
           WHERE client = $1 AND ended_at IS NULL AND ends_at > $2"#,
        client,
        now.0
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::read).collect()
}

struct Row {
    id: Vec<u8>,
    holder: Vec<u8>,
    handle: Vec<u8>,
    label: Option<Vec<u8>>,
    client: String,
    scope: String,
    made_on: i64,
    refreshed_on: i64,
    ends_at: i64,
    live_until: i64,
    ended_at: Option<i64>,
}

impl Row {
    fn read(self) -> sqlx::Result<KeptGrant> {
        Ok(KeptGrant {
            id: lookup(self.id)?,
            holder: lookup(self.holder)?,
            handle: Handle(self.handle),
            label: self.label,
            client: self.client,
            scope: name(&self.scope)?,
            made_on: UnixDay(self.made_on),
            refreshed_on: UnixDay(self.refreshed_on),
            ends_at: UnixMillis(self.ends_at),
            live_until: UnixMillis(self.live_until),
            ended: self.ended_at.is_some(),
        })
    }
}

fn lookup(bytes: Vec<u8>) -> sqlx::Result<Lookup> {
    bytes
        .try_into()
        .map(Lookup)
        .map_err(|_| corrupt("a lookup is not 32 bytes"))
}

fn name(text: &str) -> sqlx::Result<Name> {
    Name::parse(text).ok_or_else(|| corrupt("a name is none"))
}

/// What the column may hold.
const ACTIVE: &str = "active";
const SUSPENDED: &str = "suspended";
