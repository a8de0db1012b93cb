//! Rows of verification: attempts, decisions, attestations, redaction.

use bauta_token::units::{UnixDay, UnixMillis};

use super::MemberRow;
use crate::{
    log::Event,
    ports::{AttestationId, Lookup, MemberId, VerificationId},
};

/// All that decides about a member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StandingRow {
    /// The member.
    pub member: MemberRow,
    /// The newest attestation that is valid.
    pub attestation: Option<AttestationRow>,
    /// The newest attempt to verify.
    pub verification: Option<VerificationRow>,
    /// How many officers have vouched and wait for a second.
    pub vouched: u32,
}

/// An attestation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AttestationRow {
    /// Its id.
    pub attestation: AttestationId,
    /// About whom.
    pub member: MemberId,
    /// Whether it counts.
    pub state: AttestationState,
    /// First day of the month of the check.
    pub verified_on: UnixDay,
    /// Last day it is valid: the end of a month.
    pub expires_on: UnixDay,
    /// The minimal record, canonical JSON, without a subject.
    pub record: String,
    /// Ed25519 over the record.
    pub signature: [u8; 64],
}

/// Whether an attestation counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "storage knows every state")]
pub enum AttestationState {
    /// It does, until it expires.
    Valid,
    /// The vendor took it back.
    Revoked,
    /// A newer one took its place.
    Replaced,
    /// Its time is over.
    Expired,
}

impl AttestationState {
    /// As a column holds it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Revoked => "revoked",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
        }
    }

    /// Reads what [`AttestationState::as_str`] gives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Valid, Self::Revoked, Self::Replaced, Self::Expired]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// The states of an attempt to verify.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "storage knows every state")]
pub enum VerificationState {
    /// The member was sent to the vendor.
    Started,
    /// The vendor is looking; this grants nothing.
    Submitted,
    /// A person at the vendor is looking.
    UnderReview,
    /// The vendor said yes.
    Approved,
    /// The vendor said no.
    Declined,
    /// Nobody finished it.
    Expired,
}

impl VerificationState {
    /// Whether an attempt in this state moves to `next`.
    ///
    /// A decision stands until the opposite decision: what was approved only a refusal takes back,
    /// and what was refused only an approval grants. Everything else moves on freely.
    #[must_use]
    pub const fn takes(self, next: Self) -> bool {
        match self {
            Self::Approved => matches!(next, Self::Declined),
            Self::Declined => matches!(next, Self::Approved),
            Self::Started => !matches!(next, Self::Started),
            Self::Submitted => !matches!(next, Self::Started | Self::Submitted),
            Self::UnderReview => !matches!(next, Self::Started | Self::UnderReview),
            Self::Expired => !matches!(next, Self::Started | Self::Expired),
        }
    }

    /// As a column holds it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Submitted => "submitted",
            Self::UnderReview => "review",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Expired => "expired",
        }
    }

    /// Reads what [`VerificationState::as_str`] gives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Started,
            Self::Submitted,
            Self::UnderReview,
            Self::Approved,
            Self::Declined,
            Self::Expired,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

/// Where redaction stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "storage knows every state")]
pub enum RedactionState {
    /// Not due before this.
    Due(UnixMillis),
    /// Asked for then, not confirmed yet.
    Requested(UnixMillis),
    /// The vendor's answers showed then that it is gone.
    Confirmed(UnixMillis),
}

impl RedactionState {
    /// As two columns hold it.
    #[must_use]
    pub const fn columns(self) -> (&'static str, UnixMillis) {
        match self {
            Self::Due(at) => ("due", at),
            Self::Requested(at) => ("requested", at),
            Self::Confirmed(at) => ("confirmed", at),
        }
    }

    /// Reads what [`RedactionState::columns`] gives.
    #[must_use]
    pub fn parse(text: &str, at: UnixMillis) -> Option<Self> {
        match text {
            "due" => Some(Self::Due(at)),
            "requested" => Some(Self::Requested(at)),
            "confirmed" => Some(Self::Confirmed(at)),
            _ => None,
        }
    }
}

/// An attempt to verify.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerificationRow {
    /// Its id.
    pub verification: VerificationId,
    /// Whose.
    pub member: MemberId,
    /// The vendor's kind, as in configuration.
    pub vendor: String,
    /// Keyed hash of the random reference that the vendor was given.
    pub reference: Lookup,
    /// Which privacy notice the member agreed to.
    pub notice_version: String,
    /// How far it came.
    pub state: VerificationState,
    /// The vendor's session id, sealed to this row; absent once redaction is confirmed.
    pub vendor_session: Option<Vec<u8>>,
    /// The vendor's time of the last event that counted.
    pub last_event: UnixMillis,
    /// When it began.
    pub began: UnixMillis,
    /// What it led to.
    pub attestation: Option<AttestationId>,
    /// Where redaction stands.
    pub redaction: RedactionState,
}

/// An attempt that begins.
#[derive(Clone, Debug)]
pub struct NewVerification {
    /// Its id.
    pub verification: VerificationId,
    /// Whose.
    pub member: MemberId,
    /// The vendor's kind.
    pub vendor: String,
    /// Keyed hash of the vendor's session id.
    pub lookup: Lookup,
    /// Keyed hash of the random reference that the vendor was given.
    pub reference: Lookup,
    /// The vendor's session id, sealed.
    pub vendor_session: Vec<u8>,
    /// Which privacy notice the member agreed to.
    pub notice_version: String,
    /// When.
    pub now: UnixMillis,
    /// When the vendor is asked to redact even if it never decides.
    pub redact_at: UnixMillis,
    /// What the log says.
    pub event: Event,
}

/// Whether an attempt began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "it began or it did not")]
pub enum Begun {
    /// It did.
    Begun,
    /// The member had too many lately.
    TooMany,
}

/// What a vendor's event leads to.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Which attempt.
    pub verification: VerificationId,
    /// The state it was in when this was decided.
    pub from: VerificationState,
    /// Keyed hash of the vendor's event id.
    pub seen: Lookup,
    /// The vendor's own time of the event.
    pub at: UnixMillis,
    /// Now, for the memory of seen events.
    pub now: UnixMillis,
    /// The state it leads to. [`VerificationState::Declined`] revokes what the attempt had granted.
    pub state: VerificationState,
    /// When the vendor must be asked to redact, unless it was asked already.
    pub redact_at: Option<UnixMillis>,
    /// What is attested, when the state is [`VerificationState::Approved`].
    pub grant: Option<NewAttestation>,
    /// What the log says.
    pub events: Vec<Event>,
}

/// An attestation that is made.
#[derive(Clone, Debug)]
pub struct NewAttestation {
    /// The row.
    pub row: AttestationRow,
    /// The nonce of the evidence commitment, kept apart.
    pub nonce: [u8; 32],
}

/// What came of a decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Decided {
    /// It was written.
    Written,
    /// This event was written before.
    Duplicate,
    /// A later event was written before, or the state does not move there: nothing was changed.
    Late,
    /// The state is not the one this was decided from: decide again. The event is not noted.
    Raced,
    /// The attempt is gone: its member was erased.
    Gone,
}

/// An officer's word for a member.
#[derive(Clone, Debug)]
pub struct Vouch {
    /// About whom.
    pub member: MemberId,
    /// By whom.
    pub officer: MemberId,
    /// The code that the member shows: it has to stand when the word is written, or one meeting
    /// would count again after it had led to an attestation.
    pub code: Lookup,
    /// When.
    pub now: UnixMillis,
    /// A first approval older than this no longer counts.
    pub since: UnixMillis,
    /// What the second approval grants.
    pub grant: NewAttestation,
    /// What the log says of this approval.
    pub event: Event,
    /// What the log says besides, when this is the second.
    pub granted: Vec<Event>,
}

/// What came of an officer's word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Vouched {
    /// One more officer is needed.
    First,
    /// This officer had vouched already; nothing was changed.
    Again,
    /// This was the second officer: it is attested.
    Granted,
    /// There is no such member, or it is suspended.
    NoMember,
    /// Who vouches is no officer, or not any more.
    NoOfficer,
}

/// Evidence that waits at a vendor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RedactionRow {
    /// Which attempt.
    pub verification: VerificationId,
    /// Whose; nobody's after erasure.
    pub member: Option<MemberId>,
    /// The vendor's kind.
    pub vendor: String,
    /// The vendor's session id, sealed.
    pub vendor_session: Vec<u8>,
    /// Where redaction stands.
    pub redaction: RedactionState,
}

/// What vendors still hold.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Unredacted {
    /// How many sessions are not confirmed redacted.
    pub sessions: u64,
    /// When the oldest of them began.
    pub oldest: Option<UnixMillis>,
}

/// How far a redaction came.
#[derive(Clone, Debug)]
pub struct RedactionStep {
    /// Which attempt.
    pub verification: VerificationId,
    /// Where it stands now. [`RedactionState::Confirmed`] also deletes the vendor's session id.
    pub redaction: RedactionState,
    /// When to look again.
    pub again_at: UnixMillis,
    /// What the log says, if this is news.
    pub event: Option<Event>,
}
