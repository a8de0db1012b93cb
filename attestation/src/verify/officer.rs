//! Two officers who know a person vouch for it, in person.
//!
//! For those who cannot or will not show a document to a vendor. Neither officer may be the member,
//! and the second must be another than the first; where there is a vendor, both are verified. The member shows a code on its own page; an
//! officer who was not told it has nobody to vouch for.

use bauta_audit::store::StoreError;

use crate::{
    Plane,
    login::SignedInMember,
    ports::{
        Lookup, MemberId, Role,
        people::{Meeting, MeetingCode, Met, Vouch, Vouched},
    },
    user_code::UserCode,
};

use super::{GATE_LOST, VerifyError};

/// What an officer's word came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Word {
    /// One more officer is needed.
    First,
    /// This officer had vouched already.
    Again,
    /// The member is attested.
    Granted,
    /// Only an officer may, for somebody else, where the configuration has this verifier.
    Refused,
    /// A vendor verifies people here, and the officer is not verified.
    Unverified,
    /// There is no such member.
    NoMember,
}

impl Plane {
    /// Whether two officers may vouch here.
    #[must_use]
    pub const fn officers_vouch(&self) -> bool {
        self.officer.is_some()
    }

    /// Whether the word of `officer` counts. Where a vendor verifies people, only an officer who is
    /// verified may vouch: else whoever names the officers verifies whom it likes (ADR 0022).
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    pub(crate) async fn word_counts(&self, officer: MemberId) -> Result<bool, StoreError> {
        if self.vendors.is_empty() {
            return Ok(true);
        }
        let standing = self.standing(officer).await?;
        Ok(standing.is_some_and(|standing| standing.verified.is_some()))
    }

    /// A fresh code for `member` to show to officers, in place of the one before. `None` for a
    /// member that may not go on.
    ///
    /// # Errors
    ///
    /// When it may not have been kept.
    pub(crate) async fn meeting_code(
        &self,
        member: MemberId,
    ) -> Result<Option<UserCode>, StoreError> {
        let code = UserCode::random(&*self.randomness);
        let shown = MeetingCode {
            member,
            code: self.meeting(&code),
            expires_at: self.clock.now().plus_seconds(CODE_SECONDS),
        };
        let kept = self.store.show_code(&shown).await?;
        Ok(kept.then_some(code))
    }

    /// Whose code `officer` was told.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    pub(crate) async fn meet(&self, officer: MemberId, code: &UserCode) -> Result<Met, StoreError> {
        let now = self.clock.now();
        let meeting = Meeting {
            code: self.meeting(code),
            officer,
            now,
            since: now.plus_seconds(-WINDOW),
            at_most: AT_MOST,
        };
        self.store.meet(&meeting).await
    }

    /// A code of a device is not found by this, nor the other way round.
    fn meeting(&self, code: &UserCode) -> Lookup {
        self.keys
            .lookup("bauta/meeting-code/v1", &[code.as_bytes()])
    }

    /// Takes the word of `officer` for `member`, who shows `code`.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] when it could not be written.
    pub(crate) async fn vouch(
        &self,
        officer: &SignedInMember,
        member: MemberId,
        code: &UserCode,
    ) -> Result<Word, VerifyError> {
        let Some(config) = &self.officer else {
            return Ok(Word::Refused);
        };
        if !officer.roles.contains(&Role::Officer) || officer.member == member {
            return Ok(Word::Refused);
        }
        if !self.word_counts(officer.member).await? {
            return Ok(Word::Unverified);
        }
        let now = self.clock.now();
        let attested = self.attest_vouched(config, member, now)?;
        let loses = self.loses_a_gate(member, &attested.grant, now).await?;
        let vouch = Vouch {
            member,
            officer: officer.member,
            code: self.meeting(code),
            now,
            since: now.plus_seconds(config.second_within.as_seconds().saturating_neg()),
            grant: attested.grant,
            event: self.scribe(now).officer_vouched(member, officer.member),
            granted: attested.events,
        };
        let vouched = self.store.vouch(&vouch).await?;
        if vouched == Vouched::Granted {
            self.metrics.verified("vouched");
            if loses {
                self.end_grants(member, GATE_LOST).await?;
            }
        }
        Ok(match vouched {
            Vouched::First => Word::First,
            Vouched::Again => Word::Again,
            Vouched::Granted => Word::Granted,
            Vouched::NoMember => Word::NoMember,
            Vouched::NoOfficer => Word::Refused,
        })
    }
}

/// How long a code is shown for: both officers may use it.
pub(crate) const CODE_SECONDS: i64 = 1_800;
const WINDOW: i64 = 600;
/// Wrong codes of one officer in that time.
const AT_MOST: i64 = 10;
