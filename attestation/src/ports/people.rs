//! The port for members: sign-in, verification, attestation, and the end of each.
//!
//! Every method is one transaction. Events passed in are written to the queue of the log in that
//! same transaction, so that an effect without its record cannot exist.

use async_trait::async_trait;
use bauta_audit::store::StoreError;
use bauta_token::units::{UnixDay, UnixMillis};

use super::{AttestationId, Lookup, MemberId, Rights, VerificationId};
use crate::log::Event;

/// Where members are kept. A method fails only when storage gives no answer, and then it is not known
/// whether it was done; each may be called again.
#[async_trait]
pub trait People: Send + Sync {
    // Sign-in.

    /// Notes that a browser was sent to the identity provider.
    async fn begin_login(&self, attempt: &LoginAttempt) -> Result<(), StoreError>;

    /// Takes the attempt that this state and this browser began: once, and while it lasts.
    async fn take_login(
        &self,
        state: Lookup,
        browser: Lookup,
        now: UnixMillis,
    ) -> Result<Option<TakenLogin>, StoreError>;

    /// The member whose tag is one of `tags`.
    async fn member_by_tag(&self, tags: &[Lookup]) -> Result<Option<MemberRow>, StoreError>;

    /// The member called `member`.
    async fn member(&self, member: MemberId) -> Result<Option<MemberRow>, StoreError>;

    /// Signs a member in: writes tag, rights and session, ends the session it replaces.
    async fn sign_in(&self, entry: &SignIn) -> Result<SignedInAs, StoreError>;

    /// The live session with this key and its member; notes that it was used.
    async fn session(
        &self,
        session: Lookup,
        now: UnixMillis,
        idle_seconds: i64,
    ) -> Result<Option<SessionRow>, StoreError>;

    /// Ends one session. Whether there was one.
    async fn end_session(&self, session: Lookup, event: &Event) -> Result<bool, StoreError>;

    /// Whom a logout token speaks of.
    async fn named(&self, named: LogoutNames) -> Result<Vec<MemberId>, StoreError>;

    /// Whether a logout token was taken before.
    async fn logout_taken(&self, token: Lookup) -> Result<bool, StoreError>;

    /// Ends every session of the members that a logout token names, once per token.
    async fn back_channel_logout(&self, logout: &BackChannelLogout) -> Result<Once, StoreError>;

    /// Queues events that have no effect besides being recorded.
    async fn note(&self, events: &[Event]) -> Result<(), StoreError>;

    // Members.

    /// What the portal shows of a member, and what `qualify` judges by.
    async fn standing(&self, member: MemberId) -> Result<Option<StandingRow>, StoreError>;

    /// Members after `after` in the order of their ids, at most `limit`.
    async fn members(
        &self,
        after: Option<MemberId>,
        limit: u32,
    ) -> Result<Vec<MemberRow>, StoreError>;

    /// Erases a member: row, tag, attestations, nonces, sessions, and what the log could tell.
    /// Vendor sessions stay until they are redacted, as nobody's.
    async fn erase_member(
        &self,
        member: MemberId,
        now: UnixMillis,
        event: &Event,
    ) -> Result<bool, StoreError>;

    /// Empties the log's leaves that spoke of erased members and were still queued at erasure.
    /// How many members are done.
    async fn scrub_erased(&self) -> Result<u64, StoreError>;

    // Verification.

    /// Notes that a verification began; refuses more than `limit` since `since`.
    async fn begin_verification(
        &self,
        attempt: &NewVerification,
        limit: u32,
        since: UnixMillis,
    ) -> Result<Begun, StoreError>;

    /// The attempt that a vendor's session belongs to.
    async fn verification(&self, vendor: Lookup) -> Result<Option<VerificationRow>, StoreError>;

    /// Whether a vendor's event was taken before.
    async fn event_seen(&self, event: Lookup) -> Result<bool, StoreError>;

    /// Writes what a vendor's event leads to, once per event and never backwards in its time.
    async fn decide(&self, decision: &Decision) -> Result<Decided, StoreError>;

    /// One officer vouches for a member. The second one's approval grants.
    async fn vouch(&self, vouch: &Vouch) -> Result<Vouched, StoreError>;

    // Redaction.

    /// Attempts whose evidence is due to be redacted, or to be asked after, oldest first.
    async fn redactions_due(
        &self,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<RedactionRow>, StoreError>;

    /// How much evidence waits at vendors, and since when.
    async fn unredacted(&self) -> Result<Unredacted, StoreError>;

    /// Writes how far a redaction came.
    async fn redaction_step(&self, step: &RedactionStep) -> Result<(), StoreError>;

    // Policies and keys.

    /// Every version of every policy that was announced.
    async fn policies(&self) -> Result<Vec<PolicyRow>, StoreError>;

    /// Notes that a version of a policy was announced. `false` when it was before.
    async fn adopt_policy(&self, policy: &PolicyRow, event: &Event) -> Result<bool, StoreError>;

    /// Every sealed signing key.
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRow>, StoreError>;

    /// Adds a signing key, unless one is there that signs until after `unless_until`: of replicas
    /// that start together, one makes the key.
    async fn add_signing_key(
        &self,
        key: &SigningKeyRow,
        unless_until: UnixMillis,
        event: &Event,
    ) -> Result<bool, StoreError>;

    /// The fingerprint kept under `name`; `fingerprint` itself when none was.
    async fn fingerprint(&self, name: &str, fingerprint: Lookup) -> Result<Lookup, StoreError>;

    /// Tags whose outermost pepper is older than `newest`, at most `limit`.
    async fn stale_tags(&self, newest: i64, limit: u32) -> Result<Vec<TagRow>, StoreError>;

    /// Replaces a tag by its wrapped form, if it still is what it was.
    async fn wrap_tag(&self, old: &TagRow, new: &TagRow) -> Result<bool, StoreError>;

    // The passing of time.

    /// Members whose attestation ended before `today` and is still marked valid, at most `limit`.
    async fn expired(
        &self,
        today: UnixDay,
        limit: u32,
    ) -> Result<Vec<(MemberId, AttestationId)>, StoreError>;

    /// Marks an attestation expired. `false` when it was not valid any more.
    async fn expire(&self, attestation: AttestationId, event: &Event) -> Result<bool, StoreError>;

    /// Deletes what has had its time: attempts, sessions, seen events and tokens, old attestations.
    async fn forget(&self, horizon: &Horizon) -> Result<u64, StoreError>;
}

/// A browser that was sent to the identity provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoginAttempt {
    /// Keyed hash of the `state` parameter.
    pub state: Lookup,
    /// Keyed hash of the browser's login cookie.
    pub browser: Lookup,
    /// A local path to go to afterwards.
    pub return_to: String,
    /// After which the attempt is void.
    pub expires_at: UnixMillis,
}

/// An attempt that came back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TakenLogin {
    /// Where to go now.
    pub return_to: String,
}

/// A tag and the peppers it went through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TagRow {
    /// Whose.
    pub member: MemberId,
    /// The tag.
    pub tag: Lookup,
    /// Number of the pepper it was first made with.
    pub pepper_from: i64,
    /// Number of the pepper it was last wrapped with; equal when it is fresh.
    pub pepper_to: i64,
}

/// Whether a member may go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "storage knows every state")]
pub enum MemberState {
    /// It may.
    Active,
    /// Not until it is reinstated.
    Suspended,
}

impl MemberState {
    /// As a column holds it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// Reads what [`MemberState::as_str`] gives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Suspended]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MemberRow {
    /// Its id.
    pub member: MemberId,
    /// Its tag.
    pub tag: TagRow,
    /// The leaver join: a keyed hash of the directory's id.
    pub join: Option<Lookup>,
    /// Whether it may go on.
    pub state: MemberState,
    /// Why not: a code, never prose.
    pub reason: Option<String>,
    /// What its groups opened.
    pub rights: Rights,
    /// Keyed hash of the subject that logout tokens name.
    pub subject: Lookup,
    /// Day of the first sign-in.
    pub joined: UnixDay,
    /// Day of the last sign-in.
    pub signed_in: UnixDay,
}

/// A sign-in that was checked.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Who, and the fresh tag.
    pub tag: TagRow,
    /// Whether the member is new.
    pub new: bool,
    /// The leaver join.
    pub join: Option<Lookup>,
    /// What the groups opened.
    pub rights: Rights,
    /// Keyed hash of the new session's cookie.
    pub session: Lookup,
    /// Keyed hash of the identity provider's session id.
    pub idp_session: Option<Lookup>,
    /// Keyed hash of the subject that logout tokens name.
    pub subject: Lookup,
    /// Keyed hash of the cookie the browser came with.
    pub replaces: Option<Lookup>,
    /// When.
    pub now: UnixMillis,
    /// When the session ends at the latest.
    pub expires_at: UnixMillis,
    /// What the log says.
    pub events: Vec<Event>,
}

/// What came of a sign-in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SignedInAs {
    /// The session is there.
    Written,
    /// Somebody else made or erased this member in between: look again.
    Raced,
    /// The member is suspended; no session was made.
    Suspended,
}

/// A live session and its member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionRow {
    /// Whose.
    pub member: MemberId,
    /// What it may do.
    pub rights: Rights,
    /// When the member signed in.
    pub signed_in_at: UnixMillis,
    /// When the session ends at the latest.
    pub expires_at: UnixMillis,
}

/// Whom a logout token speaks of. All sessions of that member end, whichever way it is named:
/// somebody who was signed out for cause must not go on in another browser.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a token names one or the other")]
pub enum LogoutNames {
    /// By keyed hash of `sub`.
    Subject(Lookup),
    /// By keyed hash of `sid`, when there is no `sub`.
    Session(Lookup),
}

/// A logout token that was checked.
#[derive(Clone, Debug)]
pub struct BackChannelLogout {
    /// Whose sessions.
    pub members: Vec<MemberId>,
    /// Keyed hash of its `jti`.
    pub token: Lookup,
    /// Until when the `jti` is remembered.
    pub remember_until: UnixMillis,
    /// What the log says, for each member.
    pub events: Vec<Event>,
}

/// Whether a thing that must happen once happened now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "it did or it did not")]
pub enum Once {
    /// Now.
    Now,
    /// It had already; nothing was changed.
    Before,
}

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

/// A version of a policy that was announced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyRow {
    /// Its name.
    pub policy: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its canonical text.
    pub hash: [u8; 32],
    /// Its canonical text: it stays in force until a newer version takes effect.
    pub body: String,
    /// From when it counts.
    pub effective_from: UnixMillis,
    /// When it was announced.
    pub adopted_at: UnixMillis,
}

/// A signing key at rest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SigningKeyRow {
    /// SHA-256 of the public half.
    pub kid: [u8; 32],
    /// The seed, sealed to this row.
    pub sealed: Vec<u8>,
    /// Signs from here on.
    pub not_before: UnixMillis,
    /// Signs no more from here on.
    pub signs_until: UnixMillis,
    /// Its last token expires here.
    pub not_after: UnixMillis,
}

/// What an event of an erasure contains, and no other: it stays readable, since it names nobody any
/// more and says that the erasure happened.
pub const ERASED_EVENT: &str = r#""type":"member.erased""#;

/// Before which instants things are forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Horizon {
    /// Now: attempts, sessions and seen tokens carry their own end.
    pub now: UnixMillis,
    /// Seen events older than this go. At least 7 days ago: no vendor retries for longer.
    pub events: UnixMillis,
    /// Attestations that ended before this day go, with their nonces.
    pub attestations: UnixDay,
    /// Attempts that began before this and hold nothing any more go.
    pub verifications: UnixMillis,
    /// Sessions nobody used since then go.
    pub idle: UnixMillis,
}
