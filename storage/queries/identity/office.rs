//! What the console remembers: looks, proposals, appeals.

use async_trait::async_trait;
use bauta_attestation::ports::{
    MemberId, Role,
    office::{
        Appeal, AppealAnswer, Ground, Look, Looked, NewAppeal, NewProposal, Objection, Office,
        Proposal, Proposed, Reply, Settled, Settling, Undoing, Verdict,
    },
    people::MemberState,
};
use bauta_audit::store::StoreError;
use bauta_token::units::UnixMillis;
use sqlx::{query, query_scalar};

use super::{by_id, bytes, one, queue};
use crate::{Conn, IdentityStore, log::corrupt};

#[async_trait]
impl Office for IdentityStore {
    async fn note_look(&self, look: &Look) -> Result<(), StoreError> {
        self.does("note look", look.clone(), |db, look| {
            Box::pin(async move { keep_look(db, &look).await })
        })
        .await
    }

    async fn looks(&self, member: MemberId, limit: u32) -> Result<Vec<Looked>, StoreError> {
        self.asks("looks", (member, limit), |db, with| {
            Box::pin(async move { looks(db, with.0, with.1).await })
        })
        .await
    }

    async fn propose(&self, proposal: &NewProposal) -> Result<Proposed, StoreError> {
        self.does("propose", proposal.clone(), |db, proposal| {
            Box::pin(async move { propose(db, &proposal).await })
        })
        .await
    }

    async fn proposals(&self, now: UnixMillis) -> Result<Vec<Proposal>, StoreError> {
        self.asks("proposals", now, |db, now| {
            Box::pin(async move { proposals(db, *now).await })
        })
        .await
    }

    async fn settle(&self, settling: &Settling) -> Result<Settled, StoreError> {
        self.does("settle", settling.clone(), |db, settling| {
            Box::pin(async move { settle(db, &settling).await })
        })
        .await
    }

    async fn appeal(&self, appeal: &NewAppeal) -> Result<bool, StoreError> {
        self.does("appeal", appeal.clone(), |db, appeal| {
            Box::pin(async move { object(db, &appeal).await })
        })
        .await
    }

    async fn appeal_of(&self, member: MemberId) -> Result<Option<Appeal>, StoreError> {
        self.asks("appeal of", member, |db, member| {
            Box::pin(async move { appeal_of(db, *member).await })
        })
        .await
    }

    async fn appeals(&self, limit: u32) -> Result<Vec<Appeal>, StoreError> {
        self.asks("appeals", limit, |db, limit| {
            Box::pin(async move { open_appeals(db, *limit).await })
        })
        .await
    }

    async fn answer_appeal(&self, answer: &AppealAnswer) -> Result<bool, StoreError> {
        self.does("answer appeal", answer.clone(), |db, answer| {
            Box::pin(async move { reply(db, &answer).await })
        })
        .await
    }

    async fn forget_office(&self, now: UnixMillis, before: UnixMillis) -> Result<u64, StoreError> {
        self.does("forget office", (now, before), |db, with| {
            Box::pin(async move { forget(db, with.0, with.1).await })
        })
        .await
    }
}

async fn keep_look(db: &mut Conn, look: &Look) -> sqlx::Result<()> {
    let (member, by) = (
        look.member.as_bytes().as_slice(),
        look.by.as_bytes().as_slice(),
    );
    let (role, at) = (look.role.as_str(), look.now.0);
    query!(
        "INSERT INTO member_look (member, looker, role, looked_at)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        member,
        by,
        role,
        at
    )
    .execute(&mut *db)
    .await?;
    queue(db, &look.event).await
}

async fn looks(db: &mut Conn, member: MemberId, limit: u32) -> sqlx::Result<Vec<Looked>> {
    let (member, limit) = (member.as_bytes().as_slice(), i64::from(limit));
    let rows = query!(
        r#"SELECT looker AS "looker!: Vec<u8>", role AS "role!: String",
                  looked_at AS "looked_at!: i64"
           FROM member_look
           WHERE member = $1
           ORDER BY looked_at DESC
           LIMIT $2"#,
        member,
        limit
    )
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Looked {
                by: MemberId(bytes(&row.looker)?),
                role: Role::parse(&row.role).ok_or_else(|| corrupt("a look has no role"))?,
                at: UnixMillis(row.looked_at),
            })
        })
        .collect()
}

async fn propose(db: &mut Conn, new: &NewProposal) -> sqlx::Result<Proposed> {
    let proposal = &new.proposal;
    if by_id(db, proposal.member).await?.is_none() {
        return Ok(Proposed::NoMember);
    }
    let (member, by) = (
        proposal.member.as_bytes().as_slice(),
        proposal.by.as_bytes().as_slice(),
    );
    let (what, reason) = (proposal.what.as_str(), proposal.reason.as_str());
    let (at, expires_at) = (proposal.at.0, proposal.expires_at.0);
    query!(
        "DELETE FROM proposal
         WHERE member = $1 AND expires_at <= $2",
        member,
        at
    )
    .execute(&mut *db)
    .await?;
    let kept = query!(
        "INSERT INTO proposal (member, what, reason, proposer, proposed_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT DO NOTHING",
        member,
        what,
        reason,
        by,
        at,
        expires_at
    )
    .execute(&mut *db)
    .await?;
    if !one(kept.rows_affected()) {
        return Ok(Proposed::Another);
    }
    queue(db, &new.event).await?;
    Ok(Proposed::Kept)
}

async fn proposals(db: &mut Conn, now: UnixMillis) -> sqlx::Result<Vec<Proposal>> {
    let now = now.0;
    let rows = query!(
        r#"SELECT member AS "member!: Vec<u8>", what AS "what!: String",
                  reason AS "reason!: String", proposer AS "proposer!: Vec<u8>",
                  proposed_at AS "proposed_at!: i64", expires_at AS "expires_at!: i64"
           FROM proposal
           WHERE expires_at > $1
           ORDER BY proposed_at"#,
        now
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Proposal {
                member: MemberId(bytes(&row.member)?),
                what: Undoing::parse(&row.what).ok_or_else(|| corrupt("a proposal of nothing"))?,
                reason: row.reason,
                by: MemberId(bytes(&row.proposer)?),
                at: UnixMillis(row.proposed_at),
                expires_at: UnixMillis(row.expires_at),
            })
        })
        .collect()
}

/// Looks at the proposal, at who made it and at who settles it in the one transaction that takes it
/// away: of two who agree at once, one does.
async fn settle(db: &mut Conn, settling: &Settling) -> sqlx::Result<Settled> {
    let all = proposals(db, settling.now).await?;
    let named = |it: &Proposal| it.member == settling.member && it.at == settling.at;
    let Some(proposal) = all.into_iter().find(named) else {
        return Ok(Settled::Gone);
    };
    if settling.verdict == Verdict::Agreed {
        if proposal.by == settling.by {
            return Ok(Settled::Own);
        }
        if !is_admin(db, proposal.by).await? {
            return Ok(Settled::Gone);
        }
    }
    if !is_admin(db, settling.by).await? {
        return Ok(Settled::Gone);
    }
    let (member, at) = (settling.member.as_bytes().as_slice(), settling.at.0);
    query!(
        "DELETE FROM proposal
         WHERE member = $1 AND proposed_at = $2",
        member,
        at
    )
    .execute(&mut *db)
    .await?;
    queue(db, &settling.event).await?;
    Ok(Settled::Taken(proposal))
}

async fn is_admin(db: &mut Conn, member: MemberId) -> sqlx::Result<bool> {
    let row = by_id(db, member).await?;
    Ok(row.is_some_and(|row| {
        row.state == MemberState::Active && row.rights.roles.contains(&Role::Admin)
    }))
}

async fn object(db: &mut Conn, appeal: &NewAppeal) -> sqlx::Result<bool> {
    if by_id(db, appeal.member).await?.is_none() {
        return Ok(false);
    }
    let member = appeal.member.as_bytes().as_slice();
    let (about, ground, at) = (appeal.about.as_str(), appeal.ground.as_str(), appeal.now.0);
    query!(
        "DELETE FROM appeal
         WHERE member = $1 AND reply IS NOT NULL",
        member
    )
    .execute(&mut *db)
    .await?;
    let kept = query!(
        "INSERT INTO appeal (member, about, ground, made_at)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        member,
        about,
        ground,
        at
    )
    .execute(&mut *db)
    .await?;
    let kept = one(kept.rows_affected());
    if kept {
        queue(db, &appeal.event).await?;
    }
    Ok(kept)
}

async fn appeal_of(db: &mut Conn, member: MemberId) -> sqlx::Result<Option<Appeal>> {
    let id = member.as_bytes().as_slice();
    let row = query!(
        r#"SELECT about AS "about!: String", ground AS "ground!: String",
                  made_at AS "made_at!: i64", reply AS "reply?: String",
                  answered_at AS "answered_at?: i64"
           FROM appeal
           WHERE member = $1"#,
        id
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let reply = row.reply.as_deref().map(Reply::parse);
    Ok(Some(Appeal {
        member,
        about: Objection::parse(&row.about).ok_or_else(|| corrupt("an appeal about nothing"))?,
        ground: Ground::parse(&row.ground).ok_or_else(|| corrupt("an appeal without a ground"))?,
        at: UnixMillis(row.made_at),
        reply: match (reply, row.answered_at) {
            (None, _) => None,
            (Some(Some(reply)), Some(at)) => Some((reply, UnixMillis(at))),
            _ => return Err(corrupt("an answer to an appeal")),
        },
    }))
}

async fn open_appeals(db: &mut Conn, limit: u32) -> sqlx::Result<Vec<Appeal>> {
    let limit = i64::from(limit);
    let members = query_scalar!(
        r#"SELECT member AS "member!: Vec<u8>"
           FROM appeal
           WHERE reply IS NULL
           ORDER BY made_at
           LIMIT $1"#,
        limit
    )
    .fetch_all(&mut *db)
    .await?;
    let mut out = Vec::with_capacity(members.len());
    for member in members {
        out.extend(appeal_of(db, MemberId(bytes(&member)?)).await?);
    }
    Ok(out)
}

async fn reply(db: &mut Conn, answer: &AppealAnswer) -> sqlx::Result<bool> {
    let member = answer.member.as_bytes().as_slice();
    let (at, reply, now) = (answer.at.0, answer.reply.as_str(), answer.now.0);
    let answered = query!(
        "UPDATE appeal
         SET reply = $3, answered_at = $4
         WHERE member = $1 AND made_at = $2 AND reply IS NULL",
        member,
        at,
        reply,
        now
    )
    .execute(&mut *db)
    .await?;
    let answered = one(answered.rows_affected());
    if answered {
        queue(db, &answer.event).await?;
    }
    Ok(answered)
}

async fn forget(db: &mut Conn, now: UnixMillis, before: UnixMillis) -> sqlx::Result<u64> {
    let (now, before) = (now.0, before.0);
    let looks = query!(
        "DELETE FROM member_look
         WHERE looked_at <= $1",
        before
    )
    .execute(&mut *db)
    .await?;
    let proposals = query!(
        "DELETE FROM proposal
         WHERE expires_at <= $1",
        now
    )
    .execute(&mut *db)
    .await?;
    let appeals = query!(
        "DELETE FROM appeal
         WHERE answered_at <= $1",
        before
    )
    .execute(db)
    .await?;
    let office = looks
        .rows_affected()
        .saturating_add(proposals.rows_affected());
    Ok(office.saturating_add(appeals.rows_affected()))
}
