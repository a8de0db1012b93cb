//! Two officers who know a person vouch for it, in person.
//!
//! For those who cannot or will not show a document to a vendor. Neither officer may be the member,
//! and the second must be another than the first.

use crate::{
    Plane,
    login::SignedInMember,
    ports::{
        MemberId, Role,
        people::{Vouch, Vouched},
    },
};

use super::VerifyError;

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
    /// There is no such member.
    NoMember,
}

impl Plane {
    /// Whether two officers may vouch here.
    #[must_use]
    pub const fn officers_vouch(&self) -> bool {
        self.officer.is_some()
    }

    /// Takes the word of `officer` for `member`.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] when it could not be written.
    pub async fn vouch(
        &self,
        officer: &SignedInMember,
        member: MemberId,
    ) -> Result<Word, VerifyError> {
        let Some(config) = &self.officer else {
            return Ok(Word::Refused);
        };
        if !officer.roles.contains(&Role::Officer) || officer.member == member {
            return Ok(Word::Refused);
        }
        let now = self.clock.now();
        let attested = self.attest_vouched(config, member, now)?;
        let vouch = Vouch {
            member,
            officer: officer.member,
            now,
            since: now.plus_seconds(config.second_within.as_seconds().saturating_neg()),
            grant: attested.grant,
            event: self.scribe(now).officer_vouched(member, officer.member),
            granted: attested.events,
        };
        let vouched = self.store.vouch(&vouch).await?;
        if vouched == Vouched::Granted {
            self.metrics.verified("vouched");
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
