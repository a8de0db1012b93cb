//! Predicates and tags: where vendor data ends.
//!
//! What goes in is evidence, in a type that cannot be stored or printed. What comes out is an
//! attestation: results, a month, an expiry, a commitment, a signature.

use std::collections::BTreeMap;

use bauta_audit::canonical;
use bauta_token::{
    ambient::bytes,
    keys::SigningKey,
    scope::{Gate, Name},
    units::{UnixDay, UnixMillis},
};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::{
    Plane,
    config::{Environment, OfficerConfig, VendorEnvironment},
    log::Event,
    ports::{
        AttestationId, MemberId,
        people::{AttestationRow, AttestationState, NewAttestation, VerificationRow},
    },
    verify::Terms,
};
use evidence::{Evidence, month, month_end_by, month_start};

pub(crate) mod evidence;
pub(crate) mod redact;
pub(crate) mod tag;

/// A statement about a person that a policy may ask for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Predicate {
    /// There is such a person, and it is the one who signed in.
    PersonVerified,
    /// That person is 18 or older.
    #[serde(rename = "age_over_18")]
    AgeOver18,
    /// The document had not expired when it was checked.
    DocumentUnexpired,
    /// The face was alive and the one on the document.
    LivenessChecked,
    /// The name was looked for on sanctions lists and not found.
    SanctionsClear,
}

impl Predicate {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::PersonVerified,
        Self::AgeOver18,
        Self::DocumentUnexpired,
        Self::LivenessChecked,
        Self::SanctionsClear,
    ];

    /// As configuration and records write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PersonVerified => "person_verified",
            Self::AgeOver18 => "age_over_18",
            Self::DocumentUnexpired => "document_unexpired",
            Self::LivenessChecked => "liveness_checked",
            Self::SanctionsClear => "sanctions_clear",
        }
    }
}

/// True, false, or not known. Not known satisfies nothing.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth")]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows.
    #[default]
    Undetermined,
}

impl Truth {
    /// True only when both are; false when one is.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::True, Self::True) => Self::True,
            (Self::False, _) | (_, Self::False) => Self::False,
            _ => Self::Undetermined,
        }
    }

    /// Whether it is known to hold.
    #[must_use]
    pub const fn holds(self) -> bool {
        matches!(self, Self::True)
    }
}

impl From<bool> for Truth {
    fn from(known: bool) -> Self {
        if known { Self::True } else { Self::False }
    }
}

/// `true`, `false` or `"undetermined"`.
impl Serialize for Truth {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::True => to.serialize_bool(true),
            Self::False => to.serialize_bool(false),
            Self::Undetermined => to.serialize_str("undetermined"),
        }
    }
}

impl<'de> Deserialize<'de> for Truth {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Truth;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false or \"undetermined\"")
            }
            fn visit_bool<E: de::Error>(self, known: bool) -> Result<Truth, E> {
                Ok(known.into())
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Truth, E> {
                (text == "undetermined")
                    .then_some(Truth::Undetermined)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        from.deserialize_any(Visitor)
    }
}

/// What a policy said about a member, at one version.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It may pass.
    Eligible,
    /// It may not.
    Ineligible,
    /// Nobody knows, so it may not.
    Undetermined,
    /// The policy has no such rule. Records signed before this was written say `eligible`, and
    /// `not_required` beside it.
    NotAsked,
}

impl Outcome {
    /// As records write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eligible => "eligible",
            Self::Ineligible => "ineligible",
            Self::Undetermined => "undetermined",
            Self::NotAsked => "not_asked",
        }
    }
}

impl From<Truth> for Outcome {
    fn from(truth: Truth) -> Self {
        match truth {
            Truth::True => Self::Eligible,
            Truth::False => Self::Ineligible,
            Truth::Undetermined => Self::Undetermined,
        }
    }
}

/// The result of one policy at one version. Results are kept, inputs are not.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Eligibility {
    /// Which policy.
    pub policy: Name,
    /// Which wording.
    pub policy_version: Name,
    /// SHA-256 of the wording.
    pub policy_hash: String,
    /// All of it, as if every part were in force.
    pub result: Outcome,
    /// Its rule on nationality alone.
    pub nationality: Outcome,
    /// SHA-256 of that rule; a later version with the same rule keeps the result.
    pub nationality_rule: Option<String>,
    /// On what the nationality part rests.
    pub basis: Basis,
}

/// On what a result rests.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Basis {
    /// The nationality in a passport.
    PassportNationality,
    /// Officers of the employer, together with trade counsel.
    EmployerAssessment,
    /// The policy has no rule on nationality.
    NotRequired,
    /// There was nothing to rest on.
    Nothing,
}

/// The minimal record: all that is kept of a verification. Without a subject; the signature binds
/// it to its member.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of this form.
    pub v: u8,
    /// Its id.
    pub att_id: AttestationId,
    /// Who looked.
    pub vendor: String,
    /// `production`, `sandbox` or `simulated`.
    pub vendor_env: String,
    /// How.
    pub method: String,
    /// How sure that makes one. Organisation-defined unless the vendor was assessed.
    pub assurance: String,
    /// What was found.
    pub predicates: BTreeMap<Predicate, Truth>,
    /// What the policies of that day said.
    pub eligibility: Vec<Eligibility>,
    /// `YYYY-MM`.
    pub verified_on: String,
    /// `YYYY-MM-DD`, always the end of a month.
    pub expires_on: String,
    /// HMAC-SHA-256 under a nonce that is kept apart.
    pub evidence_commitment: String,
    /// What the member was told, and when.
    pub consent: Option<Consent>,
    /// The key that signed.
    pub issuer_kid: String,
}

/// The notice a member agreed to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Which wording.
    pub notice_version: String,
    /// `YYYY-MM-DD`.
    pub at: String,
}

impl Record {
    /// Signs the record for `member`.
    ///
    /// # Errors
    ///
    /// [`AttestError::Form`] when it has no canonical text.
    pub(crate) fn sign(
        &self,
        member: MemberId,
        days: (UnixDay, UnixDay),
        key: &SigningKey,
    ) -> Result<AttestationRow, AttestError> {
        let value = serde_json::to_value(self).map_err(|_| AttestError::Form)?;
        let record = canonical::to_string(&value).map_err(|_| AttestError::Form)?;
        let signature = key.sign(&signed_bytes(member, &record));
        Ok(AttestationRow {
            attestation: self.att_id,
            member,
            state: AttestationState::Valid,
            verified_on: days.0,
            expires_on: days.1,
            record,
            signature,
        })
    }

    /// Reads a row back, if this key signed it for this member.
    ///
    /// # Errors
    ///
    /// [`AttestError::Signature`] when it was changed, or moved from another member.
    pub(crate) fn open(row: &AttestationRow, public: &[u8; 32]) -> Result<Self, AttestError> {
        UnparsedPublicKey::new(&ED25519, public)
            .verify(&signed_bytes(row.member, &row.record), &row.signature)
            .map_err(|_| AttestError::Signature)?;
        let record: Self = serde_json::from_str(&row.record).map_err(|_| AttestError::Form)?;
        // The columns are for searching; the record is what was signed.
        let fits =
            record.att_id == row.attestation && record.expires_on == row.expires_on.to_string();
        if fits {
            Ok(record)
        } else {
            Err(AttestError::Signature)
        }
    }
}

/// What is about to be written, with what the log says of it.
pub(crate) struct Attested {
    pub(crate) grant: NewAttestation,
    pub(crate) events: Vec<Event>,
}

/// Why evidence of an approved session leads to no attestation: a word for the log.
pub(crate) type Why = &'static str;

impl Plane {
    /// Makes results of evidence. What the vendor knows ends here.
    pub(crate) fn attest(
        &self,
        terms: &Terms,
        row: &VerificationRow,
        evidence: &Evidence,
        now: UnixMillis,
    ) -> Result<Result<Attested, Why>, AttestError> {
        let today = now.day();
        let predicates = evidence.predicates(today);
        if predicates.get(&Predicate::PersonVerified) != Some(&Truth::True) {
            return Ok(Err("insufficient"));
        }
        let expires_on = evidence.last_day(now.plus_seconds(terms.valid_for.as_seconds()).day());
        if expires_on < today {
            return Ok(Err("document_expires"));
        }
        let nonce = bytes(&*self.randomness);
        let eligibility = self
            .policies
            .all()
            .map(|policy| policy.decide(&predicates, |rule| evidence.may_pass(rule)))
            .collect();
        let record = Record {
            vendor: terms.kind.to_owned(),
            vendor_env: environment(terms.environment, evidence.sandbox).to_owned(),
            method: terms.method.to_owned(),
            // No vendor here is assessed for a level of NIST or eIDAS.
            assurance: "org:photo-id-and-face".to_owned(),
            evidence_commitment: evidence.commitment(&nonce),
            consent: Some(Consent {
                notice_version: row.notice_version.clone(),
                at: row.began.day().to_string(),
            }),
            ..self.blank_record(predicates, eligibility, expires_on, now)
        };
        self.seal_record(&record, row.member, expires_on, nonce, now)
            .map(Ok)
    }

    /// Makes results of two officers' word.
    pub(crate) fn attest_vouched(
        &self,
        config: &OfficerConfig,
        member: MemberId,
        now: UnixMillis,
    ) -> Result<Attested, AttestError> {
        let predicates: BTreeMap<_, _> = config
            .predicates
            .iter()
            .map(|predicate| (*predicate, Truth::True))
            .collect();
        let expires_on = month_end_by(now.plus_seconds(config.valid_for.as_seconds()).day());
        let eligibility = self.policies.all().map(|policy| {
            let assessed = config.assesses.contains(policy.gate().policy());
            policy.decide(&predicates, |_| {
                if assessed {
                    (Truth::True, Basis::EmployerAssessment)
                } else {
                    (Truth::Undetermined, Basis::Nothing)
                }
            })
        });
        let nonce = bytes(&*self.randomness);
        let record = Record {
            vendor: "officer".to_owned(),
            vendor_env: officers(self.settings.environment).to_owned(),
            method: "two_officers_in_person".to_owned(),
            assurance: "org:known-in-person".to_owned(),
            // Nobody else holds evidence: it commits to the ids alone, and says so by its form.
            evidence_commitment: "none".to_owned(),
            ..self.blank_record(predicates.clone(), eligibility.collect(), expires_on, now)
        };
        self.seal_record(&record, member, expires_on, nonce, now)
    }

    fn blank_record(
        &self,
        predicates: BTreeMap<Predicate, Truth>,
        eligibility: Vec<Eligibility>,
        expires_on: UnixDay,
        now: UnixMillis,
    ) -> Record {
        Record {
            v: 1,
            att_id: AttestationId::random(&*self.randomness),
            vendor: String::new(),
            vendor_env: String::new(),
            method: String::new(),
            assurance: String::new(),
            predicates,
            eligibility,
            verified_on: month(now.day()),
            expires_on: expires_on.to_string(),
            evidence_commitment: String::new(),
            consent: None,
            issuer_kid: self.keys.attestation().id().to_string(),
        }
    }

    fn seal_record(
        &self,
        record: &Record,
        member: MemberId,
        expires_on: UnixDay,
        nonce: [u8; 32],
        now: UnixMillis,
    ) -> Result<Attested, AttestError> {
        let days = (month_start(now.day()), expires_on);
        let row = record.sign(member, days, self.keys.attestation())?;
        let scribe = self.scribe(now);
        let value = serde_json::from_str(&row.record).map_err(|_| AttestError::Form)?;
        let mut events = vec![scribe.attestation_created(member, row.attestation, &value)];
        let decided = record.eligibility.iter().map(|kept| {
            let gate = Gate::new(kept.policy.clone(), kept.policy_version.clone());
            scribe.eligibility_decided(member, &gate, kept.result.as_str())
        });
        events.extend(decided);
        Ok(Attested {
            grant: NewAttestation { row, nonce },
            events,
        })
    }
}

/// Officers of a server that is being tried out are whoever its developer says.
const fn officers(environment: Environment) -> &'static str {
    match environment {
        Environment::Production => "production",
        Environment::Development => "development",
    }
}

/// The vendor's own word that nothing was checked outweighs the configuration.
const fn environment(configured: VendorEnvironment, sandbox: bool) -> &'static str {
    match configured {
        VendorEnvironment::Simulated => "simulated",
        VendorEnvironment::Sandbox => "sandbox",
        VendorEnvironment::Production if sandbox => "sandbox",
        VendorEnvironment::Production => "production",
    }
}

/// The member is part of what is signed and no part of what is kept in the record.
fn signed_bytes(member: MemberId, record: &str) -> Vec<u8> {
    format!("bauta/attestation/v1\n{member}\n{record}").into_bytes()
}

/// Why there is no attestation.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttestError {
    /// It is not of the form this version writes.
    #[error("an attestation is not of a known form")]
    Form,
    /// It was changed, or is another member's.
    #[error("the signature of an attestation does not hold")]
    Signature,
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    /// Names a method twice for whatever can be printed: then the compiler does not know which.
    trait Silent<A> {
        fn is_silent() {}
    }
    impl<T: ?Sized> Silent<()> for T {}
    impl<T: ?Sized + Debug> Silent<u8> for T {}

    #[test]
    fn prv_05_what_is_personal_or_secret_cannot_be_printed() {
        // None of these lines compiles once its type derives `Debug`.
        <tag::Subject as Silent<_>>::is_silent();
        <tag::Hardened as Silent<_>>::is_silent();
        <Evidence as Silent<_>>::is_silent();
        <evidence::Private<UnixDay> as Silent<_>>::is_silent();
        <crate::verify::Session as Silent<_>>::is_silent();
        <crate::verify::Created as Silent<_>>::is_silent();
        <crate::config::SecretText as Silent<_>>::is_silent();
        <crate::keys::KeyMaterial as Silent<_>>::is_silent();
        <crate::keys::Keys as Silent<_>>::is_silent();
        <SigningKey as Silent<_>>::is_silent();
    }

    #[test]
    fn two_doubtful_truths_make_no_certain_one() {
        use Truth::{False, True, Undetermined};

        for (one, other, both) in [
            (True, True, True),
            (True, Undetermined, Undetermined),
            (Undetermined, False, False),
            (Undetermined, Undetermined, Undetermined),
        ] {
            assert_eq!((one.and(other), other.and(one)), (both, both));
        }
        let written = serde_json::to_string(&[True, False, Undetermined]);
        assert_eq!(
            written.as_deref().ok(),
            Some(r#"[true,false,"undetermined"]"#)
        );
        assert!(serde_json::from_str::<Truth>("\"yes\"").is_err());
        assert!(serde_json::from_str::<Truth>("null").is_err());
    }
}
