//! Rows of sign-in: attempts, members, sessions and their end.

use bauta_token::units::{UnixDay, UnixMillis};

use crate::{
    log::Event,
    ports::{Lookup, MemberId, Rights, directory::Claimed},
};

/// A browser that was sent to the identity provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoginAttempt {
    /// Keyed hash of the `state` parameter.
    pub state: Lookup,
    /// Keyed hash of the browser's login cookie.
    pub browser: Lookup,
    /// A local path to go to afterwards.
    pub return_to: String,
    /// Keyed hash of where it comes from; `None` when that is not known.
    pub network: Option<Lookup>,
    /// After which the attempt is void.
    pub expires_at: UnixMillis,
}

/// How many sign-ins may be under way.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a bound is these numbers")]
pub struct LoginLimits {
    /// What is void by now is not counted.
    pub now: UnixMillis,
    /// From one network.
    pub per_network: i64,
    /// In all.
    pub in_all: i64,
}

/// Whether a sign-in began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a caller answers each")]
pub enum LoginBegun {
    /// The browser may go to the identity provider.
    Kept,
    /// Too many are under way.
    TooMany,
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
    /// Day on which the directory took it away; `None` while it has not.
    pub left: Option<UnixDay>,
}

impl MemberRow {
    /// Whether it is neither suspended nor gone from the directory.
    #[must_use]
    pub fn may_go_on(&self) -> bool {
        self.state == MemberState::Active && self.left.is_none()
    }
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
    /// Which groups those were, for a directory that says otherwise.
    pub claimed: Claimed,
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
    /// The directory says that this person may not go on.
    Left,
    /// The directory does not list this person, and only those it lists may sign in.
    Unlisted,
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
