//! The port for members: sign-in, verification, attestation, and the end of each.
//!
//! Every method is one transaction. Events passed in are written to the queue of the log in that
//! same transaction, so that an effect without its record cannot exist.

use async_trait::async_trait;
use bauta_audit::store::StoreError;
use bauta_token::units::{UnixDay, UnixMillis};

use super::{AttestationId, Lookup, MemberId};
use crate::log::Event;

mod keep;
mod meeting;
mod sign_in;
mod verification;

pub use self::{keep::*, meeting::*, sign_in::*, verification::*};

/// Where members are kept. A method fails only when storage gives no answer, and then it is not known
/// whether it was done; each may be called again.
#[async_trait]
pub trait People: Send + Sync {
    // Sign-in.

    /// Notes that a browser is sent to the identity provider, unless too many are under way from
    /// its network or in all. Counted in the transaction that writes.
    async fn begin_login(
        &self,
        attempt: &LoginAttempt,
        limits: LoginLimits,
    ) -> Result<LoginBegun, StoreError>;

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

    /// Erases a member that is not suspended: row, tag, attestations, nonces, sessions, and what the log could tell.
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

    /// Keeps the code that a member is about to show to an officer, in place of the one before it.
    /// `false` when the member is suspended or gone.
    async fn show_code(&self, code: &MeetingCode) -> Result<bool, StoreError>;

    /// Whose code an officer typed. A wrong one is counted, and after too many no code is looked
    /// up, also a right one.
    async fn meet(&self, meeting: &Meeting) -> Result<Met, StoreError>;

    /// One officer vouches for a member. The second one's approval grants, and ends the
    /// member's code.
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
