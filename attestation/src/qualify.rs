//! Which gates a member satisfies, now.
//!
//! Policies are dated and versioned. What needs evidence was judged when the evidence was in
//! memory and is kept as a result; what needs only predicates and the date is judged here, each
//! time. `undetermined` satisfies nothing.
//!
//! A gate that is missing closes gated models, not the door: [`Qualified`] exists for every
//! verified member who may have the scope.

use std::sync::Arc;

use axum::http::StatusCode;
use bauta_audit::store::StoreError;
use bauta_token::{
    scope::{Gate, Name},
    units::{UnixDay, UnixMillis},
};
use thiserror::Error;

use crate::{
    Plane,
    attest::{Record, Truth},
    config::{Environment, ScopeRule},
    ports::{
        AttestationId, MemberId,
        people::{AttestationRow, MemberRow, StandingRow},
    },
};

pub mod policy;

/// A member who may have a token of one scope, now. Only [`Plane::qualify`] makes it, and issuing
/// takes it by value: what was judged once is used once.
pub struct Qualified {
    member: MemberId,
    scope: Arc<ScopeRule>,
    gates: Vec<Gate>,
    attestation: AttestationId,
    valid_until: UnixMillis,
}

impl Qualified {
    /// Who.
    #[must_use]
    pub const fn member(&self) -> MemberId {
        self.member
    }

    /// For what.
    #[must_use]
    pub fn scope_rule(&self) -> &ScopeRule {
        &self.scope
    }

    /// The gates that are satisfied now, in the order of their names.
    #[must_use]
    pub fn gates(&self) -> &[Gate] {
        &self.gates
    }

    /// On which attestation this rests.
    #[must_use]
    pub const fn attestation(&self) -> AttestationId {
        self.attestation
    }

    /// Nothing issued from this may live longer: the attestation ends, a rule on nationality takes
    /// effect that the member does not satisfy, or the sign-in is too old.
    #[must_use]
    pub const fn valid_until(&self) -> UnixMillis {
        self.valid_until
    }
}

/// Why a member gets nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QualifyError {
    /// There is no such member.
    #[error("there is no such member")]
    NoMember,
    /// The member is suspended, or the directory took it away.
    #[error("the member is suspended, or gone from the directory")]
    Suspended,
    /// The last sign-in is too old to go by what it said.
    #[error("the member has not signed in for too long")]
    SignInAgain,
    /// There is no such scope.
    #[error("there is no such scope")]
    NoScope,
    /// The member's groups do not open the scope.
    #[error("the scope is not open to the member")]
    NotYours,
    /// The member was never verified, or not with a check that counts here.
    #[error("the member is not verified")]
    NotVerified,
    /// The attestation has expired.
    #[error("the attestation of the member has expired")]
    Expired,
    /// The attestation is not as it was signed.
    #[error("the attestation of the member does not hold")]
    Broken(#[source] crate::attest::AttestError),
    /// Nobody knows.
    #[error("it is not known whether the member qualifies")]
    Store(#[from] StoreError),
}

impl QualifyError {
    /// Status and stable code for the caller.
    #[must_use]
    pub const fn public(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoMember | Self::Suspended => (StatusCode::FORBIDDEN, "member_suspended"),
            Self::SignInAgain => (StatusCode::FORBIDDEN, "login_required"),
            Self::NoScope | Self::NotYours => (StatusCode::FORBIDDEN, "invalid_scope"),
            Self::NotVerified => (StatusCode::FORBIDDEN, "verification_required"),
            Self::Expired => (StatusCode::FORBIDDEN, "verification_expired"),
            Self::Broken(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
            Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        }
    }
}

impl Plane {
    /// Judges whether `member` may have a token of `scope` now, and which gates it opens.
    ///
    /// # Errors
    ///
    /// [`QualifyError`], the most serious reason first.
    pub async fn qualify(&self, member: MemberId, scope: &Name) -> Result<Qualified, QualifyError> {
        let row = self.store.standing(member).await?;
        let row = row.ok_or(QualifyError::NoMember)?;
        let now = self.clock.now();
        self.may_ask(&row.member, scope, now)?;
        let rule = self.scopes.get(scope).ok_or(QualifyError::NoScope)?;
        let (attested, record) = self.attested(&row, now)?;
        let gates = self.gates(&record, now);
        Ok(Qualified {
            member,
            scope: Arc::clone(rule),
            attestation: attested.attestation,
            valid_until: self.valid_until(&row.member, attested, &record, now),
            gates,
        })
    }

    fn may_ask(&self, row: &MemberRow, scope: &Name, now: UnixMillis) -> Result<(), QualifyError> {
        if !row.may_go_on() {
            return Err(QualifyError::Suspended);
        }
        if now >= self.rights_end(row) {
            return Err(QualifyError::SignInAgain);
        }
        if !self.scopes.contains_key(scope) {
            return Err(QualifyError::NoScope);
        }
        let rule_open = self.scopes.get(scope).is_some_and(|r| r.groups.is_empty());
        if !rule_open && !row.rights.scopes.contains(scope) {
            return Err(QualifyError::NotYours);
        }
        Ok(())
    }

    /// The attestation that counts now, and what it says.
    pub(crate) fn attested<'r>(
        &self,
        row: &'r StandingRow,
        now: UnixMillis,
    ) -> Result<(&'r AttestationRow, Record), QualifyError> {
        let attested = row.attestation.as_ref().ok_or(QualifyError::NotVerified)?;
        let record =
            Record::open(attested, self.keys.attestation_public()).map_err(QualifyError::Broken)?;
        if !counts(&record.vendor_env, self.settings.environment) {
            return Err(QualifyError::NotVerified);
        }
        if now >= end_of(attested.expires_on) {
            return Err(QualifyError::Expired);
        }
        Ok((attested, record))
    }

    /// The gates that `record` satisfies: of the versions in force at `now`, and of those that will
    /// be, so that a token lives on when a version changes.
    pub(crate) fn gates(&self, record: &Record, now: UnixMillis) -> Vec<Gate> {
        self.policies
            .in_force_or_later(now)
            .filter(|policy| {
                policy
                    .judge(record, now.max(policy.effective_from()))
                    .holds()
            })
            .map(policy::Policy::gate)
            .collect()
    }

    fn valid_until(
        &self,
        row: &MemberRow,
        attested: &AttestationRow,
        record: &Record,
        now: UnixMillis,
    ) -> UnixMillis {
        let turns = self
            .policies
            .in_force(now)
            .filter(|policy| policy.judge(record, now) == Truth::True)
            .filter_map(|policy| policy.turns_against(record, now));
        turns
            .chain([end_of(attested.expires_on), self.rights_end(row)])
            .min()
            .unwrap_or(now)
    }

    fn rights_end(&self, row: &MemberRow) -> UnixMillis {
        self.sign_in_lapses(row.signed_in)
    }

    /// When what a sign-in said of a member's groups is too old to go by.
    pub(crate) fn sign_in_lapses(&self, signed_in: UnixDay) -> UnixMillis {
        let span = self.settings.sso.rights_max_age.as_seconds();
        end_of(signed_in).plus_seconds(span)
    }
}

/// The first instant after a day.
pub(crate) const fn end_of(day: UnixDay) -> UnixMillis {
    day.start().plus_seconds(86_400)
}

/// Production takes nothing but production.
fn counts(vendor_env: &str, environment: Environment) -> bool {
    match environment {
        Environment::Production => vendor_env == "production",
        Environment::Development => matches!(
            vendor_env,
            "production" | "development" | "sandbox" | "simulated"
        ),
    }
}
