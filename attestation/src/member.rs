//! A member's states and their only transitions, and what is shown of it.

use std::collections::{BTreeMap, BTreeSet};

use bauta_audit::store::StoreError;
use bauta_token::{
    pseudonym::Pseudonym,
    scope::{Gate, Name},
    units::{UnixDay, UnixMillis},
};

use crate::{
    Plane,
    attest::{Predicate, Record, Truth},
    ports::{
        AttestationId, MemberId, Role,
        grants::HeldFor,
        people::{MemberRow, MemberState, RedactionState, StandingRow, VerificationState},
    },
    qualify::QualifyError,
};

/// What the portal shows of a member.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Standing {
    /// Who.
    pub member: MemberId,
    /// Whether it may go on.
    pub state: MemberState,
    /// Why not: a code.
    pub reason: Option<String>,
    /// Roles held.
    pub roles: BTreeSet<Role>,
    /// Scopes that may be asked for once verified.
    pub scopes: BTreeSet<Name>,
    /// Day of the first sign-in.
    pub joined: UnixDay,
    /// Day of the last sign-in.
    pub signed_in: UnixDay,
    /// Day on which the directory took it away.
    pub left: Option<UnixDay>,
    /// What is attested, if it counts now.
    pub verified: Option<Verified>,
    /// Why nothing counts, when something is there.
    pub expired: bool,
    /// The newest attempt to verify.
    pub attempt: Option<Attempt>,
    /// How many officers have vouched and wait for a second.
    pub vouched: u32,
    /// Every policy there is, and what it says of this member.
    pub gates: Vec<GateStanding>,
}

/// What is attested of a member.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Verified {
    /// The attestation.
    pub attestation: AttestationId,
    /// Who looked.
    pub vendor: String,
    /// `production`, `development`, `sandbox` or `simulated`.
    pub environment: String,
    /// How.
    pub method: String,
    /// `YYYY-MM`.
    pub verified_on: String,
    /// The last day it is valid.
    pub valid_until: UnixDay,
    /// What was found.
    pub predicates: BTreeMap<Predicate, Truth>,
    /// The signed record, as it is stored.
    pub record: String,
}

/// How far the newest attempt came.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Attempt {
    /// With whom.
    pub vendor: String,
    /// How far.
    pub state: VerificationState,
    /// Day it began.
    pub began: UnixDay,
    /// Whether the vendor still holds evidence.
    pub redaction: RedactionState,
}

/// What a policy says of a member.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct GateStanding {
    /// Policy and version.
    pub gate: Gate,
    /// Whether it is satisfied, judged at the later of now and the date it takes effect.
    pub result: Truth,
    /// From when it counts.
    pub effective_from: UnixMillis,
    /// What of it is not known to hold, and what is known instead. Empty without an attestation.
    pub lacks: Vec<(Asked, Truth)>,
    /// From when a rule on nationality will close it to this member.
    pub closes_at: Option<UnixMillis>,
}

/// One thing that a policy asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Asked {
    /// This statement about the person.
    Predicate(Predicate),
    /// Its rule on nationality.
    Nationality,
}

impl Standing {
    /// What the policy called `name` says at `now`: of its versions, the one in force.
    pub(crate) fn gate(&self, name: &Name, now: UnixMillis) -> Option<&GateStanding> {
        self.gates
            .iter()
            .filter(|gate| gate.gate.policy() == name && gate.effective_from <= now)
            .max_by_key(|gate| gate.effective_from)
    }
}

impl Plane {
    /// What the portal shows of `member`; `None` when there is no such member.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    pub async fn standing(&self, member: MemberId) -> Result<Option<Standing>, StoreError> {
        let now = self.clock.now();
        Ok(self
            .store
            .standing(member)
            .await?
            .map(|row| self.show(row, now)))
    }

    pub(crate) fn show(&self, row: StandingRow, now: UnixMillis) -> Standing {
        let attested = self.attested(&row, now);
        let expired = matches!(attested, Err(QualifyError::Expired));
        let attested = attested.ok();
        let gates = self.gate_standings(attested.as_ref().map(|(_, record)| record), now);
        let verified = attested.map(|(row, record)| Verified {
            attestation: row.attestation,
            vendor: record.vendor,
            environment: record.vendor_env,
            method: record.method,
            verified_on: record.verified_on,
            valid_until: row.expires_on,
            predicates: record.predicates,
            record: row.record.clone(),
        });
        Standing {
            member: row.member.member,
            state: row.member.state,
            reason: row.member.reason,
            roles: row.member.rights.roles,
            scopes: self.open_scopes(row.member.rights.scopes),
            joined: row.member.joined,
            signed_in: row.member.signed_in,
            left: row.member.left,
            verified,
            expired,
            attempt: row.verification.map(|attempt| Attempt {
                vendor: attempt.vendor,
                state: attempt.state,
                began: attempt.began.day(),
                redaction: attempt.redaction,
            }),
            vouched: row.vouched,
            gates,
        }
    }

    /// Of the scopes kept, those there still are, and those open to every member.
    fn open_scopes(&self, kept: BTreeSet<Name>) -> BTreeSet<Name> {
        let still = kept
            .into_iter()
            .filter(|name| self.scopes.contains_key(name));
        let for_all = self.scopes.values().filter(|rule| rule.groups.is_empty());
        still.chain(for_all.map(|rule| rule.name.clone())).collect()
    }

    fn gate_standings(&self, record: Option<&Record>, now: UnixMillis) -> Vec<GateStanding> {
        self.policies
            .all()
            .map(|policy| {
                let at = now.max(policy.effective_from());
                GateStanding {
                    gate: policy.gate(),
                    result: record.map_or(Truth::Undetermined, |record| policy.judge(record, at)),
                    effective_from: policy.effective_from(),
                    lacks: record.map_or_else(Vec::new, |record| policy.lacks(record, at)),
                    closes_at: record.and_then(|record| policy.turns_against(record, at)),
                }
            })
            .collect()
    }

    /// Members in the order of their ids, for administration.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    pub async fn members(
        &self,
        after: Option<MemberId>,
        limit: u32,
    ) -> Result<Vec<MemberRow>, StoreError> {
        self.store.members(after, limit.min(MOST_MEMBERS)).await
    }

    /// Suspends `member` at once and everywhere: sessions and grants end, pseudonyms are refused.
    /// `false` when it was suspended before, or there is none.
    ///
    /// # Errors
    ///
    /// When something may still be in force; call again.
    pub async fn suspend(
        &self,
        member: MemberId,
        by: Option<MemberId>,
        reason: &str,
    ) -> Result<bool, StoreError> {
        self.fall(member, by, reason).await
    }

    /// Suspends the member that a provider sees as `pseudonym` and has shut out for good. Also after a
    /// reinstatement that provider is not asked for this member any more, under no name. `None` when
    /// no provider sees anybody so.
    ///
    /// # Errors
    ///
    /// When something may still be in force; call again.
    pub async fn shut_out(
        &self,
        pseudonym: &Pseudonym,
        by: Option<MemberId>,
        reason: &str,
    ) -> Result<Option<MemberId>, StoreError> {
        let Some(seen) = self.seen_as(pseudonym).await? else {
            return Ok(None);
        };
        let member = seen.member;
        if !self.fall_for(member, by, reason, Some(&seen)).await? {
            // It was suspended already; that it is shut out is news all the same.
            let scribe = self.scribe(self.clock.now());
            let event = scribe.member_suspended(member, by, reason);
            self.store.note(&[event]).await?;
        }
        Ok(Some(member))
    }

    /// Lets `member` go on. What ended stays ended; it signs in again. `false` when it was not
    /// suspended.
    ///
    /// # Errors
    ///
    /// When it may still be suspended.
    pub async fn reinstate(
        &self,
        member: MemberId,
        by: Option<MemberId>,
    ) -> Result<bool, StoreError> {
        self.rise(member, by, None).await
    }

    /// The same, with a code that says why.
    pub(crate) async fn reinstate_for(
        &self,
        member: MemberId,
        by: MemberId,
        reason: &str,
    ) -> Result<bool, StoreError> {
        self.rise(member, Some(by), Some(reason)).await
    }

    /// Erases `member`: row, tag, attestations and nonces, and the salts and texts of the log's
    /// leaves about it, which become noise in an intact tree. What a vendor holds is redacted on.
    ///
    /// Who is suspended, or whose account a provider has shut, is not erased: an erased person that
    /// signs in again is somebody new, and would get a fresh pseudonym by it.
    ///
    /// # Errors
    ///
    /// When something may be left; call again.
    pub async fn erase(
        &self,
        member: MemberId,
        by: Option<MemberId>,
    ) -> Result<Erased, StoreError> {
        self.erase_for(member, by, None).await
    }

    /// The same, with a code that says why.
    pub(crate) async fn erase_for(
        &self,
        member: MemberId,
        by: Option<MemberId>,
        reason: Option<&str>,
    ) -> Result<Erased, StoreError> {
        let Some(row) = self.store.member(member).await? else {
            return Ok(Erased::NoMember);
        };
        let held = self.store.held(self.holder(member)).await?;
        let shut = held.iter().any(|held| held.why == HeldFor::Deactivated);
        if shut || row.state != MemberState::Active {
            return Ok(Erased::Held);
        }
        let now = self.clock.now();
        self.end_grants(member, "erased").await?;
        self.forget_grants(member).await?;
        let event = self.scribe(now).member_erased(member, by, reason);
        Ok(if self.store.erase_member(member, now, &event).await? {
            Erased::Done
        } else {
            Erased::Held
        })
    }
}

/// What came of an erasure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Erased {
    /// It is done.
    Done,
    /// There is no such member.
    NoMember,
    /// The member is suspended or shut out by a provider: nothing was erased.
    Held,
}

const MOST_MEMBERS: u32 = 500;
