//! What grants ask of storage: issuing, logins that wait for a person, and what the gateway is told.
//!
//! No method takes or gives a member: rows are found by [`Lookup`], a keyed hash of the member id, and lead back only through a
//! cell that the key opens.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use bauta_audit::{
    note::Signer,
    store::{Head, StoreError},
};
use bauta_token::{
    notice::{Notice, Numbered},
    pseudonym::Pseudonym,
    scope::Name,
    secret::{AuthCode, DeviceCode, Hashed, RefreshToken},
    units::{UnixDay, UnixMillis},
};

use super::{AttestationId, Event, Lookup, MemberId};
use crate::issue::ClientKind;

/// Grants, and all that begins and ends them. Each method is one transaction.
#[async_trait]
pub trait Grants: Send + Sync {
    /// Writes one issuance down: the basis is spent, the grant kept or renewed, the leaf queued.
    /// Of any number of racing callers with one basis, one is told [`Outcome::Issued`]; a renewal
    /// within its grace is told so again, for the same successor.
    ///
    /// # Errors
    ///
    /// When it is not known whether it was written. Nothing is then handed out.
    async fn issue(&self, issuance: Issuance) -> Result<Outcome, StoreError>;

    /// The grant that a refresh token belongs to, spent or not; `None` when it belongs to none.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn renewable(&self, token: Hashed<RefreshToken>)
    -> Result<Option<KeptGrant>, StoreError>;

    /// The grant with this id.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn grant(&self, id: Lookup) -> Result<Option<KeptGrant>, StoreError>;

    /// All grants of a holder that have not ended by `now`, newest first.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn grants(&self, holder: Lookup, now: UnixMillis) -> Result<Vec<KeptGrant>, StoreError>;

    /// All grants of builds that are in force at `now`, whosever they are.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn builds(&self, now: UnixMillis) -> Result<Vec<Build>, StoreError>;

    /// All grants of one kind of client that are in force at `now`, whosever they are.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn of_client(
        &self,
        client: &'static str,
        now: UnixMillis,
    ) -> Result<Vec<KeptGrant>, StoreError>;

    /// Ends a grant: its refresh tokens go, the gateway is told, the leaf is queued. Says whether it
    /// was in force until now; a second call does nothing.
    ///
    /// # Errors
    ///
    /// When it may not have ended.
    async fn end(&self, ending: Ending) -> Result<bool, StoreError>;

    /// Keeps a device login, unless too many came from its network or in all.
    ///
    /// # Errors
    ///
    /// When it may not have been kept.
    async fn ask(&self, asking: Asking, limits: AskLimits) -> Result<Asked, StoreError>;

    /// One poll of a device login.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn poll(&self, code: Hashed<DeviceCode>, now: UnixMillis) -> Result<Poll, StoreError>;

    /// One code a member typed. Counted before it is looked up.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn typed(&self, entry: Entry) -> Result<Typed, StoreError>;

    /// What the person said about a waiting login. `false` when there is none any more.
    ///
    /// # Errors
    ///
    /// When it may not have been kept.
    async fn answer(
        &self,
        user: Lookup,
        answer: Answer,
        now: UnixMillis,
    ) -> Result<bool, StoreError>;

    /// Keeps an authorization code.
    ///
    /// # Errors
    ///
    /// When it may not have been kept.
    async fn keep_code(&self, code: KeptCode) -> Result<(), StoreError>;

    /// An authorization code, used or not.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn code(&self, code: Hashed<AuthCode>) -> Result<Option<KeptCode>, StoreError>;

    /// Providers whose pseudonym of this holder does not change.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn held(&self, holder: Lookup) -> Result<Vec<Held>, StoreError>;

    /// Suspends a member: it may not go on, its sessions and grants end, logins under way are
    /// dropped, pseudonyms are held and refused, and the gateway is told.
    ///
    /// # Errors
    ///
    /// When something may still be in force.
    async fn fall(&self, fall: Fall) -> Result<Fell, StoreError>;

    /// Ends a suspension: the member may sign in again, and the pseudonyms it held are served
    /// again. Those held for good stay. `false` when the member was not suspended.
    ///
    /// # Errors
    ///
    /// When it may not have ended.
    async fn rise(&self, rise: Rise) -> Result<bool, StoreError>;

    /// Ends every grant of a holder and the logins under way; nothing is held. The leaf is queued
    /// when there was one.
    ///
    /// # Errors
    ///
    /// When something may still be in force.
    async fn end_all(
        &self,
        holder: Lookup,
        grants: Vec<Named>,
        now: UnixMillis,
        leaf: Event,
    ) -> Result<Fell, StoreError>;

    /// Ends the grants of a holder whose scope is not in `keep`, read in the transaction that ends
    /// them. The leaf is queued when there was one.
    ///
    /// # Errors
    ///
    /// When one may still be in force.
    async fn end_others(
        &self,
        holder: Lookup,
        keep: BTreeSet<Name>,
        grants: Vec<Named>,
        now: UnixMillis,
        leaf: Event,
    ) -> Result<Fell, StoreError>;

    /// Erases what this port keeps about a holder. Its grants are ended first, so that no token
    /// outlives it. Pseudonyms held for good stay: they name nobody any more.
    ///
    /// # Errors
    ///
    /// When something may be left.
    async fn forget_holder(
        &self,
        holder: Lookup,
        grants: Vec<Named>,
        now: UnixMillis,
    ) -> Result<Fell, StoreError>;

    /// Appends notices about gates.
    ///
    /// # Errors
    ///
    /// When they may not have been appended.
    async fn announce(&self, notices: Vec<Notice>) -> Result<(), StoreError>;

    /// Up to `at_most` notices after the number `after`, and the number of the last there is.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn notices(&self, after: u64, at_most: u32) -> Result<Told, StoreError>;

    /// Appends the canonical text of a manifest to the log as a public leaf and signs a checkpoint,
    /// unless the newest manifest is this one. Gives its place.
    ///
    /// # Errors
    ///
    /// When it may not have been appended.
    async fn publish(
        &self,
        text: String,
        signer: Arc<Signer>,
        now: UnixMillis,
    ) -> Result<u64, StoreError>;

    /// The newest manifest in the log: its place and its text.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    async fn manifest(&self) -> Result<Option<(u64, String)>, StoreError>;

    /// Moves queued events into the log and signs a checkpoint.
    ///
    /// # Errors
    ///
    /// When they may not have moved; they are then moved by the next call.
    async fn seal(&self, seal: Seal) -> Result<Head, StoreError>;

    /// Removes what has lapsed: logins, ended grants, the names in notices nobody needs any more.
    ///
    /// # Errors
    ///
    /// When something may be left; the next call removes it.
    async fn tidy(&self, now: UnixMillis) -> Result<(), StoreError>;
}

/// A lookup as events write it.
#[must_use]
pub fn hex(lookup: &Lookup) -> String {
    use std::fmt::Write as _;
    lookup
        .0
        .iter()
        .fold(String::with_capacity(64), |mut out, byte| {
            let _fits = write!(out, "{byte:02x}");
            out
        })
}

/// A member id as rows of grants hold it: encrypted, bound to its row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Handle(pub Vec<u8>);

/// One token that is about to be handed out.
#[derive(Clone)]
pub struct Issuance {
    /// Who it is for. Nothing is issued to a member that was suspended meanwhile.
    pub member: MemberId,
    /// What it rests on. Asked again as it is written: what was taken back since the judgement
    /// entitles to nothing.
    pub ground: Ground,
    /// The grant it belongs to.
    pub id: Lookup,
    /// What the notice calls that grant if it must end.
    pub end: Pseudonym,
    /// What entitles to it.
    pub basis: Basis,
    /// When it expires.
    pub live_until: UnixMillis,
    /// No token of the grant lives longer than this.
    pub ends_at: UnixMillis,
    /// When it is made.
    pub now: UnixMillis,
    /// Says so in the log.
    pub leaf: Event,
}

/// What a token rests on besides what was asked for: both still hold when it is written down, or
/// it is not written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ground {
    /// Must still be the valid one of the member.
    pub attestation: AttestationId,
    /// Must still be open to the member by its groups; `None` for a scope that is open to all.
    pub scope: Option<Name>,
}

/// What entitles to a token. Each is spent in the transaction that writes the token down.
#[derive(Clone)]
#[expect(clippy::exhaustive_enums, reason = "storage knows every basis")]
pub enum Basis {
    /// The member asked in the portal.
    Asked(NewGrant),
    /// A device login that was allowed.
    Device(Hashed<DeviceCode>, NewGrant),
    /// An authorization code.
    Code(Hashed<AuthCode>, NewGrant),
    /// A refresh token and its successor.
    Renewal(Renewal),
    /// A token that the platform of a build signed.
    Workload(Presented, NewGrant),
}

/// A token of a build's platform, on its way to be spent: it opens nothing a second time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Presented {
    /// Finds it again.
    pub token: Lookup,
    /// The rule that it satisfied.
    pub rule: Lookup,
    /// Until when it is remembered: neither it nor what it gave is good for longer.
    pub until: UnixMillis,
}

/// A grant of a build, and the rule it rests on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Build {
    /// The rule.
    pub rule: Lookup,
    /// The grant.
    pub grant: KeptGrant,
}

/// Whether grants of these two kinds of client count against one quota. Builds have one of their
/// own: a busy day of theirs must not keep their sponsor from signing in, nor the reverse.
#[must_use]
pub fn share_quota(one: &str, other: &str) -> bool {
    let build = ClientKind::Ci.as_str();
    (one == build) == (other == build)
}

/// A grant that begins.
#[derive(Clone)]
pub struct NewGrant {
    /// Whose it is.
    pub holder: Lookup,
    /// Whose it is and its name, for whoever has the key.
    pub handle: Handle,
    /// Chosen by the member, encrypted.
    pub label: Option<Vec<u8>>,
    /// Kind of client.
    pub client: &'static str,
    /// What it is for.
    pub scope: Name,
    /// How it is renewed; `None` for a token that is not.
    pub refresh: Option<Hashed<RefreshToken>>,
    /// How many grants the holder may have at once, of those that [`share_quota`] counts together.
    pub quota: u32,
}

/// A rotation of a refresh token.
#[derive(Clone)]
pub struct Renewal {
    /// What was presented.
    pub old: Hashed<RefreshToken>,
    /// What takes its place: derived from it, so that a retry gets the same.
    pub new: Hashed<RefreshToken>,
    /// How long after its use the old one may come back.
    pub grace_millis: i64,
    /// The leaf that is queued instead when it comes back later: the grant has ended.
    pub reuse: Event,
}

/// What became of an issuance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a caller answers each")]
pub enum Outcome {
    /// It is written down.
    Issued,
    /// What entitled to it was used before, or is gone.
    Spent,
    /// A spent refresh token came back: the grant has ended.
    Reused,
    /// The holder has as many grants as may be.
    Full,
    /// The member is suspended, or there is none.
    Barred,
    /// The attestation or the scope was taken back since the judgement. Nothing was spent.
    Withdrawn,
}

/// A grant as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptGrant {
    /// A keyed hash of its name: the name itself is in its tokens and nowhere here.
    pub id: Lookup,
    /// Whose it is.
    pub holder: Lookup,
    /// Whose it is and its name, for whoever has the key.
    pub handle: Handle,
    /// Chosen by the member, encrypted.
    pub label: Option<Vec<u8>>,
    /// Kind of client.
    pub client: String,
    /// What it is for.
    pub scope: Name,
    /// When it began.
    pub made_on: UnixDay,
    /// When its newest token was made.
    pub refreshed_on: UnixDay,
    /// No token of it lives longer.
    pub ends_at: UnixMillis,
    /// When its newest token expires.
    pub live_until: UnixMillis,
    /// Whether it was ended.
    pub ended: bool,
}

/// A grant that is to end.
#[derive(Clone)]
pub struct Ending {
    /// Which.
    pub id: Lookup,
    /// What the notice calls it.
    pub end: Pseudonym,
    /// When set, it ends only if it is this holder's.
    pub holder: Option<Lookup>,
    /// When.
    pub now: UnixMillis,
    /// Says so in the log.
    pub leaf: Event,
}

/// A device login that begins.
#[derive(Clone)]
pub struct Asking {
    /// What the client polls with.
    pub code: Hashed<DeviceCode>,
    /// What the person types.
    pub user: Lookup,
    /// What asks, by its own account.
    pub surface: String,
    /// Where it asks from.
    pub network: Lookup,
    /// What it asks for.
    pub scope: Option<Name>,
    /// When it asks.
    pub asked_at: UnixMillis,
    /// When it is too late.
    pub expires_at: UnixMillis,
    /// Seconds between polls.
    pub wait_seconds: i64,
}

/// How many device logins may begin since an instant.
#[derive(Clone, Copy, Debug)]
pub struct AskLimits {
    /// Counted from here.
    pub since: UnixMillis,
    /// From one network.
    pub per_network: i64,
    /// In all.
    pub in_all: i64,
}

/// Whether a device login was kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a caller answers each")]
pub enum Asked {
    /// It waits for a person.
    Waiting,
    /// Too many began.
    TooMany,
    /// The typed code is in use; draw another.
    Taken,
}

/// The answer to a poll.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a caller answers each")]
pub enum Poll {
    /// There is no such login, or there was.
    Expired,
    /// It came too soon; from now on the wait is longer.
    TooSoon,
    /// The person has not answered.
    Waiting,
    /// The person said no.
    Denied,
    /// The person said yes.
    Allowed(Allowed),
}

/// Who allowed a login, and what it is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Allowed {
    /// Who.
    pub holder: Lookup,
    /// Who, for whoever has the key.
    pub handle: Handle,
    /// For what.
    pub scope: Name,
}

/// A code a member typed.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The code.
    pub user: Lookup,
    /// Who typed it.
    pub holder: Lookup,
    /// When.
    pub now: UnixMillis,
    /// Attempts are counted from here.
    pub since: UnixMillis,
    /// How many attempts there may be.
    pub at_most: i64,
}

/// What a typed code names.
#[derive(Clone, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a page says each")]
pub enum Typed {
    /// Too many were typed.
    Paused,
    /// Nothing that waits.
    Unknown,
    /// A login that waits.
    Found(Waiting),
}

/// A device login that waits for a person.
#[derive(Clone, Eq, PartialEq)]
pub struct Waiting {
    /// What the client polls with: the row the answer's cell is bound to.
    pub code: Hashed<DeviceCode>,
    /// What asks, by its own account.
    pub surface: String,
    /// Where it asks from.
    pub network: Lookup,
    /// What it asks for.
    pub scope: Option<Name>,
    /// When it began.
    pub asked_at: UnixMillis,
}

/// What a person says about a login.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "yes or no")]
pub enum Answer {
    /// Yes.
    Allow(Allowed),
    /// No.
    Deny,
}

/// An authorization code as it is kept.
#[derive(Clone, Eq, PartialEq)]
pub struct KeptCode {
    /// Its hash.
    pub code: Hashed<AuthCode>,
    /// SHA-256 of the verifier.
    pub challenge: [u8; 32],
    /// Where it was sent.
    pub redirect: String,
    /// Kind of client.
    pub client: String,
    /// What was consented to.
    pub scope: Name,
    /// Who consented.
    pub holder: Lookup,
    /// Who consented, for whoever has the key.
    pub handle: Handle,
    /// When it is too late.
    pub expires_at: UnixMillis,
    /// The grant made from it.
    pub used_for: Option<Lookup>,
}

/// A pseudonym that stays past its epoch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Held {
    /// At which provider.
    pub provider: Name,
    /// The first day of its epoch.
    pub epoch: UnixDay,
    /// Why.
    pub why: HeldFor,
}

/// Why a pseudonym stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the schema checks these two")]
pub enum HeldFor {
    /// The member is suspended here.
    Suspended,
    /// The provider has shut the account for good.
    Deactivated,
}

impl HeldFor {
    /// As a column holds it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Suspended => "suspended",
            Self::Deactivated => "deactivated",
        }
    }

    /// Reads what [`HeldFor::as_str`] gives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Suspended, Self::Deactivated]
            .into_iter()
            .find(|why| why.as_str() == text)
    }
}

/// A grant and what the notice of its end calls it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// Which.
    pub id: Lookup,
    /// What the notice calls it.
    pub end: Pseudonym,
}

/// What became of ending all that a member has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a caller answers each")]
pub enum Fell {
    /// So many grants ended.
    Ended(u64),
    /// A grant that was not named has begun meanwhile. Nothing was changed; name them again.
    Changed,
    /// There is no such member, or it was suspended already. Its grants have ended all the same.
    Already,
}

/// A suspension.
#[derive(Clone)]
pub struct Fall {
    /// Who.
    pub member: MemberId,
    /// Finds its grants.
    pub holder: Lookup,
    /// Every grant it has in force.
    pub grants: Vec<Named>,
    /// Why: a code, never prose.
    pub reason: String,
    /// Which pseudonyms are refused and stay.
    pub held: Vec<(Held, Pseudonym)>,
    /// When.
    pub now: UnixMillis,
    /// Says so in the log.
    pub leaf: Event,
}

/// The end of a suspension.
#[derive(Clone)]
pub struct Rise {
    /// Who.
    pub member: MemberId,
    /// Finds what was held.
    pub holder: Lookup,
    /// Which pseudonyms are served again.
    pub lifted: Vec<Pseudonym>,
    /// Says so in the log.
    pub leaf: Event,
}

/// Notices, and how far they go.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Told {
    /// The number of the last notice there is.
    pub last: u64,
    /// In order.
    pub notices: Vec<Numbered>,
}

/// A batch of events on its way into the log.
#[derive(Clone)]
pub struct Seal {
    /// Signs the checkpoint.
    pub signer: Arc<Signer>,
    /// When.
    pub now: UnixMillis,
    /// How many events at most.
    pub at_most: u32,
}
