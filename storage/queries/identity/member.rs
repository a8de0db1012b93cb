//! Members: sign-in, sessions, standing, erasure. Verifications, attestations and what the plane
//! keeps for itself are in the files beside.

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use bauta_attestation::ports::{
    AttestationId, Event, Lookup, MemberId, Rights,
    people::{
        BackChannelLogout, Begun, Decided, Decision, ERASED_EVENT, Horizon, LoginAttempt,
        LoginBegun, LoginLimits, LogoutNames, Meeting, MeetingCode, MemberRow, MemberState, Met,
        NewVerification, Once, People, PolicyRow, RedactionRow, RedactionStep, SessionRow, SignIn,
        SignedInAs, SigningKeyRow, StandingRow, TagRow, TakenLogin, Unredacted, VerificationRow,
        Vouch, Vouched,
    },
};
use bauta_audit::{
    store::{Head, LogStore, StoreError, StoredLeaf},
    tree::{Hash, NodeId},
};
use bauta_token::units::{UnixDay, UnixMillis};
use sqlx::{query, query_scalar};

use crate::{Conn, IdentityStore, log::corrupt, transaction::Step};

mod attestation;
mod keep;
mod meeting;
mod office;
mod session;
mod verification;

/// A transaction over `T` that may run several times.
pub(crate) type Use<A, T> = for<'c> fn(&'c mut Conn, Arc<A>) -> Step<'c, T>;

impl IdentityStore {
    pub(crate) async fn asks<A: Send + Sync, T: Send>(
        &self,
        name: &'static str,
        with: A,
        work: Use<A, T>,
    ) -> Result<T, StoreError> {
        let with = Arc::new(with);
        self.db
            .read(name, move |db| work(db, Arc::clone(&with)))
            .await
    }

    pub(crate) async fn does<A: Send + Sync, T: Send>(
        &self,
        name: &'static str,
        with: A,
        work: Use<A, T>,
    ) -> Result<T, StoreError> {
        let with = Arc::new(with);
        self.db
            .write(name, move |db| work(db, Arc::clone(&with)))
            .await
    }
}

#[async_trait]
impl People for IdentityStore {
    async fn begin_login(
        &self,
        attempt: &LoginAttempt,
        limits: LoginLimits,
    ) -> Result<LoginBegun, StoreError> {
        self.does("begin login", (attempt.clone(), limits), |db, with| {
            Box::pin(async move { session::begin(db, &with.0, with.1).await })
        })
        .await
    }

    async fn take_login(
        &self,
        state: Lookup,
        browser: Lookup,
        now: UnixMillis,
    ) -> Result<Option<TakenLogin>, StoreError> {
        self.does("take login", (state, browser, now), |db, with| {
            Box::pin(async move { session::take(db, with.0, with.1, with.2).await })
        })
        .await
    }

    async fn member_by_tag(&self, tags: &[Lookup]) -> Result<Option<MemberRow>, StoreError> {
        self.asks("member by tag", tags.to_vec(), |db, tags| {
            Box::pin(async move { by_tag(db, &tags).await })
        })
        .await
    }

    async fn member(&self, member: MemberId) -> Result<Option<MemberRow>, StoreError> {
        self.asks("member", member, |db, member| {
            Box::pin(async move { by_id(db, *member).await })
        })
        .await
    }

    async fn sign_in(&self, entry: &SignIn) -> Result<SignedInAs, StoreError> {
        self.does("sign in", entry.clone(), |db, entry| {
            Box::pin(async move { session::sign_in(db, &entry).await })
        })
        .await
    }

    async fn session(
        &self,
        session: Lookup,
        now: UnixMillis,
        idle_seconds: i64,
    ) -> Result<Option<SessionRow>, StoreError> {
        let idle = now.plus_seconds(idle_seconds.saturating_neg());
        let found = self
            .asks("session", (session, now, idle), |db, with| {
                Box::pin(async move { session::live(db, with.0, with.1, with.2).await })
            })
            .await?;
        let Some((row, used_at)) = found else {
            return Ok(None);
        };
        // To the minute: a page that asks ten times is written down once.
        if used_at.plus_seconds(60) <= now {
            self.does("use session", (session, now), |db, with| {
                Box::pin(async move { session::used(db, with.0, with.1).await })
            })
            .await?;
        }
        Ok(Some(row))
    }

    async fn end_session(&self, session: Lookup, event: &Event) -> Result<bool, StoreError> {
        self.does("end session", (session, event.clone()), |db, with| {
            Box::pin(async move { session::end(db, with.0, &with.1).await })
        })
        .await
    }

    async fn named(&self, named: LogoutNames) -> Result<Vec<MemberId>, StoreError> {
        self.asks("named by logout", named, |db, named| {
            Box::pin(async move { session::named(db, *named).await })
        })
        .await
    }

    async fn logout_taken(&self, token: Lookup) -> Result<bool, StoreError> {
        self.asks("logout taken", token, |db, token| {
            Box::pin(async move { session::logout_taken(db, *token).await })
        })
        .await
    }

    async fn back_channel_logout(&self, logout: &BackChannelLogout) -> Result<Once, StoreError> {
        self.does("back-channel logout", logout.clone(), |db, logout| {
            Box::pin(async move { session::back_channel(db, &logout).await })
        })
        .await
    }

    async fn note(&self, events: &[Event]) -> Result<(), StoreError> {
        self.does("note", events.to_vec(), |db, events| {
            Box::pin(async move { queue_all(db, &events).await })
        })
        .await
    }

    async fn standing(&self, member: MemberId) -> Result<Option<StandingRow>, StoreError> {
        self.asks("standing", member, |db, member| {
            Box::pin(async move { standing(db, *member).await })
        })
        .await
    }

    async fn members(
        &self,
        after: Option<MemberId>,
        limit: u32,
    ) -> Result<Vec<MemberRow>, StoreError> {
        self.asks("members", (after, limit), |db, with| {
            Box::pin(async move { page(db, with.0, with.1).await })
        })
        .await
    }

    async fn erase_member(
        &self,
        member: MemberId,
        now: UnixMillis,
        event: &Event,
    ) -> Result<bool, StoreError> {
        self.does("erase member", (member, now, event.clone()), |db, with| {
            Box::pin(async move { erase(db, with.0, with.1, &with.2).await })
        })
        .await
    }

    async fn scrub_erased(&self) -> Result<u64, StoreError> {
        self.does("scrub erased", (), |db, _| Box::pin(scrub_all(db)))
            .await
    }

    async fn begin_verification(
        &self,
        attempt: &NewVerification,
        limit: u32,
        since: UnixMillis,
    ) -> Result<Begun, StoreError> {
        self.does(
            "begin verification",
            (attempt.clone(), limit, since),
            |db, with| {
                Box::pin(async move { verification::begin(db, &with.0, with.1, with.2).await })
            },
        )
        .await
    }

    async fn verification(&self, vendor: Lookup) -> Result<Option<VerificationRow>, StoreError> {
        self.asks("verification", vendor, |db, vendor| {
            Box::pin(async move { verification::by_vendor(db, *vendor).await })
        })
        .await
    }

    async fn event_seen(&self, event: Lookup) -> Result<bool, StoreError> {
        self.asks("event seen", event, |db, event| {
            Box::pin(async move { verification::seen(db, *event).await })
        })
        .await
    }

    async fn decide(&self, decision: &Decision) -> Result<Decided, StoreError> {
        self.does("decide", decision.clone(), |db, decision| {
            Box::pin(async move { verification::decide(db, &decision).await })
        })
        .await
    }

    async fn show_code(&self, code: &MeetingCode) -> Result<bool, StoreError> {
        self.does("show code", code.clone(), |db, code| {
            Box::pin(async move { meeting::show(db, &code).await })
        })
        .await
    }

    async fn meet(&self, meeting: &Meeting) -> Result<Met, StoreError> {
        self.does("meet", meeting.clone(), |db, asked| {
            Box::pin(async move { meeting::meet(db, &asked).await })
        })
        .await
    }

    async fn vouch(&self, vouch: &Vouch) -> Result<Vouched, StoreError> {
        self.does("vouch", vouch.clone(), |db, vouch| {
            Box::pin(async move { attestation::vouch(db, &vouch).await })
        })
        .await
    }

    async fn redactions_due(
        &self,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<RedactionRow>, StoreError> {
        self.asks("redactions due", (now, limit), |db, with| {
            Box::pin(async move { verification::due(db, with.0, with.1).await })
        })
        .await
    }

    async fn unredacted(&self) -> Result<Unredacted, StoreError> {
        self.asks("unredacted", (), |db, _| {
            Box::pin(verification::unredacted(db))
        })
        .await
    }

    async fn redaction_step(&self, step: &RedactionStep) -> Result<(), StoreError> {
        self.does("redaction step", step.clone(), |db, step| {
            Box::pin(async move { verification::redact(db, &step).await })
        })
        .await
    }

    async fn policies(&self) -> Result<Vec<PolicyRow>, StoreError> {
        self.asks("policies", (), |db, _| Box::pin(keep::policies(db)))
            .await
    }

    async fn adopt_policy(&self, policy: &PolicyRow, event: &Event) -> Result<bool, StoreError> {
        self.does(
            "adopt policy",
            (policy.clone(), event.clone()),
            |db, with| Box::pin(async move { keep::adopt(db, &with.0, &with.1).await }),
        )
        .await
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKeyRow>, StoreError> {
        self.asks("signing keys", (), |db, _| Box::pin(keep::keys(db)))
            .await
    }

    async fn add_signing_key(
        &self,
        key: &SigningKeyRow,
        unless_until: UnixMillis,
        event: &Event,
    ) -> Result<bool, StoreError> {
        self.does(
            "add signing key",
            (key.clone(), unless_until, event.clone()),
            |db, with| Box::pin(async move { keep::add_key(db, &with.0, with.1, &with.2).await }),
        )
        .await
    }

    async fn fingerprint(&self, name: &str, fingerprint: Lookup) -> Result<Lookup, StoreError> {
        self.does("fingerprint", (name.to_owned(), fingerprint), |db, with| {
            Box::pin(async move { keep::fingerprint(db, &with.0, with.1).await })
        })
        .await
    }

    async fn stale_tags(&self, newest: i64, limit: u32) -> Result<Vec<TagRow>, StoreError> {
        self.asks("stale tags", (newest, limit), |db, with| {
            Box::pin(async move { keep::stale_tags(db, with.0, with.1).await })
        })
        .await
    }

    async fn wrap_tag(&self, old: &TagRow, new: &TagRow) -> Result<bool, StoreError> {
        self.does("wrap tag", (*old, *new), |db, with| {
            Box::pin(async move { keep::wrap_tag(db, &with.0, &with.1).await })
        })
        .await
    }

    async fn expired(
        &self,
        today: UnixDay,
        limit: u32,
    ) -> Result<Vec<(MemberId, AttestationId)>, StoreError> {
        self.asks("expired", (today, limit), |db, with| {
            Box::pin(async move { attestation::expired(db, with.0, with.1).await })
        })
        .await
    }

    async fn expire(&self, attestation: AttestationId, event: &Event) -> Result<bool, StoreError> {
        self.does("expire", (attestation, event.clone()), |db, with| {
            Box::pin(async move { attestation::expire(db, with.0, &with.1).await })
        })
        .await
    }

    async fn forget(&self, horizon: &Horizon) -> Result<u64, StoreError> {
        self.does("forget", *horizon, |db, horizon| {
            Box::pin(async move { keep::forget(db, &horizon).await })
        })
        .await
    }
}

#[async_trait]
impl LogStore for IdentityStore {
    async fn head(&self) -> Result<Head, StoreError> {
        self.db.log_head().await
    }

    async fn nodes(&self, ids: &[NodeId]) -> Result<Vec<Hash>, StoreError> {
        self.db.log_nodes(ids).await
    }

    async fn leaves(&self, range: Range<u64>) -> Result<Vec<StoredLeaf>, StoreError> {
        self.db.log_leaves(range).await
    }
}

async fn standing(db: &mut Conn, member: MemberId) -> sqlx::Result<Option<StandingRow>> {
    let Some(row) = by_id(db, member).await? else {
        return Ok(None);
    };
    Ok(Some(StandingRow {
        member: row,
        attestation: attestation::valid(db, member).await?,
        verification: verification::newest(db, member).await?,
        vouched: attestation::vouched(db, member).await?,
    }))
}

/// The row, with everything that hangs on it, and the texts and salts of the log's leaves. Vendor
/// sessions become nobody's and are redacted next.
async fn erase(
    db: &mut Conn,
    member: MemberId,
    now: UnixMillis,
    event: &Event,
) -> sqlx::Result<bool> {
    let kept = by_id(db, member).await?;
    let Some(row) = kept.filter(|row| row.state == MemberState::Active) else {
        return Ok(false);
    };
    if let Some(subject) = row.join {
        crate::identity_grant::directory::erase(db, subject).await?;
    }
    let (id, at) = (member.as_bytes().as_slice(), now.0);
    query!(
        "INSERT INTO orphan_session (id, vendor, vendor_session, requested, look_at)
         SELECT id, vendor, vendor_session, redaction = 'requested', $2
         FROM verification
         WHERE member = $1 AND vendor_session IS NOT NULL",
        id,
        at
    )
    .execute(&mut *db)
    .await?;
    query!(
        "DELETE FROM member
         WHERE id = $1",
        id
    )
    .execute(&mut *db)
    .await?;
    let name = member.to_string();
    query!(
        "INSERT INTO erasure (member, erased_at)
         VALUES ($1, $2)
         ON CONFLICT DO NOTHING",
        name,
        at
    )
    .execute(&mut *db)
    .await?;
    scrub(db, &name).await?;
    queue(db, event).await?;
    Ok(true)
}

/// A full scan of the log: an erasure is rare, and an index from members to leaves would be the
/// very list that an erasure must not leave behind.
async fn scrub(db: &mut Conn, member: &str) -> sqlx::Result<()> {
    let (about, erasure) = (format!("%{member}%"), format!("%{ERASED_EVENT}%"));
    query!(
        "UPDATE leaf
         SET salt = NULL, event = NULL
         WHERE event LIKE $1 AND event NOT LIKE $2",
        about,
        erasure
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Events that were queued at an erasure have been sealed since: they are emptied as well.
async fn scrub_all(db: &mut Conn) -> sqlx::Result<u64> {
    let waiting = query_scalar!(
        r#"SELECT member AS "member!: String"
           FROM erasure"#
    )
    .fetch_all(&mut *db)
    .await?;
    let mut done = 0_u64;
    for member in waiting {
        let about = format!("%{member}%");
        let queued = query_scalar!(
            r#"SELECT count(*) AS "n!: i64"
               FROM pending_event
               WHERE event LIKE $1"#,
            about
        )
        .fetch_one(&mut *db)
        .await?;
        if queued > 0 {
            continue;
        }
        scrub(db, &member).await?;
        query!(
            "DELETE FROM erasure
             WHERE member = $1",
            member
        )
        .execute(&mut *db)
        .await?;
        done = done.saturating_add(1);
    }
    Ok(done)
}

async fn by_tag(db: &mut Conn, tags: &[Lookup]) -> sqlx::Result<Option<MemberRow>> {
    for tag in tags {
        let tag = tag.0.as_slice();
        let found = query_scalar!(
            r#"SELECT id AS "id!: Vec<u8>"
               FROM member
               WHERE tag = $1"#,
            tag
        )
        .fetch_optional(&mut *db)
        .await?;
        if let Some(id) = found {
            return by_id(db, MemberId(bytes(&id)?)).await;
        }
    }
    Ok(None)
}

async fn by_id(db: &mut Conn, member: MemberId) -> sqlx::Result<Option<MemberRow>> {
    let id = member.as_bytes().as_slice();
    let row = query!(
        r#"SELECT tag AS "tag!: Vec<u8>", pepper_from AS "pepper_from!: i64",
                  pepper_to AS "pepper_to!: i64", subject AS "subject!: Vec<u8>",
                  join_hash AS "join_hash?: Vec<u8>", state AS "state!: String",
                  reason AS "reason?: String", rights AS "rights!: String",
                  joined_on AS "joined_on!: i64", signed_in_on AS "signed_in_on!: i64",
                  left_on AS "left_on?: i64"
           FROM member
           WHERE id = $1"#,
        id
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(MemberRow {
        member,
        tag: TagRow {
            member,
            tag: Lookup(bytes(&row.tag)?),
            pepper_from: row.pepper_from,
            pepper_to: row.pepper_to,
        },
        join: row
            .join_hash
            .map(|join| bytes(&join))
            .transpose()?
            .map(Lookup),
        state: MemberState::parse(&row.state).ok_or_else(|| corrupt("a member's state"))?,
        reason: row.reason,
        rights: rights(&row.rights)?,
        subject: Lookup(bytes(&row.subject)?),
        joined: UnixDay(row.joined_on),
        signed_in: UnixDay(row.signed_in_on),
        left: row.left_on.map(UnixDay),
    }))
}

async fn page(db: &mut Conn, after: Option<MemberId>, limit: u32) -> sqlx::Result<Vec<MemberRow>> {
    // Below every id: the first page begins with the first.
    let after = after.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
    let (after, limit) = (after.as_slice(), i64::from(limit));
    let ids = query_scalar!(
        r#"SELECT id AS "id!: Vec<u8>"
           FROM member
           WHERE id > $1
           ORDER BY id
           LIMIT $2"#,
        after,
        limit
    )
    .fetch_all(&mut *db)
    .await?;
    let mut out = Vec::with_capacity(ids.len());
    for id in ids {
        out.extend(by_id(db, MemberId(bytes(&id)?)).await?);
    }
    Ok(out)
}

/// Queues an event in the transaction of its effect.
async fn queue(db: &mut Conn, event: &Event) -> sqlx::Result<()> {
    crate::identity_grant::seal::queue(db, event).await
}

async fn queue_all(db: &mut Conn, events: &[Event]) -> sqlx::Result<()> {
    for event in events {
        queue(db, event).await?;
    }
    Ok(())
}

fn rights(text: &str) -> sqlx::Result<Rights> {
    serde_json::from_str(text).map_err(|_| corrupt("rights are not rights"))
}

fn bytes<const N: usize>(column: &[u8]) -> sqlx::Result<[u8; N]> {
    column
        .try_into()
        .map_err(|_| corrupt("a column has another length"))
}

/// Whether a statement that must change one row did.
fn one(changed: u64) -> bool {
    changed == 1
}
