//! The port behind the console: who looked at a member, what waits for a second administrator, and
//! what members object to.
//!
//! Every method is one transaction, and an event that is passed in is queued in it.

use async_trait::async_trait;
use bauta_audit::store::StoreError;
use bauta_token::units::UnixMillis;

use super::{MemberId, Role};
use crate::log::Event;

/// Where the console keeps what it must remember. Each method may be called again.
#[async_trait]
pub trait Office: Send + Sync {
    /// Notes that somebody looked at a member's page. The member sees it.
    async fn note_look(&self, look: &Look) -> Result<(), StoreError>;

    /// Who looked at `member`, newest first, at most `limit`.
    async fn looks(&self, member: MemberId, limit: u32) -> Result<Vec<Looked>, StoreError>;

    /// Keeps a proposal. A member has at most one that still lives.
    async fn propose(&self, proposal: &NewProposal) -> Result<Proposed, StoreError>;

    /// Every proposal that lives at `now`, oldest first.
    async fn proposals(&self, now: UnixMillis) -> Result<Vec<Proposal>, StoreError>;

    /// Takes a proposal away: by another administrator who agrees, or by any who does not.
    async fn settle(&self, settling: &Settling) -> Result<Settled, StoreError>;

    /// Keeps an appeal in place of one that was answered. `false` when one is open already, or the
    /// member is gone.
    async fn appeal(&self, appeal: &NewAppeal) -> Result<bool, StoreError>;

    /// The newest appeal of `member`.
    async fn appeal_of(&self, member: MemberId) -> Result<Option<Appeal>, StoreError>;

    /// Appeals that nobody has answered, oldest first, at most `limit`.
    async fn appeals(&self, limit: u32) -> Result<Vec<Appeal>, StoreError>;

    /// Answers an open appeal. `false` when it is not open any more.
    async fn answer_appeal(&self, answer: &AppealAnswer) -> Result<bool, StoreError>;

    /// Deletes what has had its time: looks and answered appeals from before `before`, and
    /// proposals that lapsed by `now`.
    async fn forget_office(&self, now: UnixMillis, before: UnixMillis) -> Result<u64, StoreError>;
}

/// Somebody looks at a member's page.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "one field a column")]
pub struct Look {
    /// At whom.
    pub member: MemberId,
    /// Who looks.
    pub by: MemberId,
    /// As what.
    pub role: Role,
    /// When.
    pub now: UnixMillis,
    /// What the log says.
    pub event: Event,
}

/// Somebody looked at a member's page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "one field a column")]
pub struct Looked {
    /// Who.
    pub by: MemberId,
    /// As what.
    pub role: Role,
    /// When.
    pub at: UnixMillis,
}

/// What an administrator may propose to another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the schema checks these two")]
pub enum Undoing {
    /// To let a suspended member go on.
    Reinstate,
    /// To erase a member.
    Erase,
}

impl Undoing {
    /// As a column holds it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reinstate => "reinstate",
            Self::Erase => "erase",
        }
    }

    /// Reads what [`Undoing::as_str`] gives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Reinstate, Self::Erase]
            .into_iter()
            .find(|it| it.as_str() == text)
    }
}

/// What waits for a second administrator.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "one field a column")]
pub struct Proposal {
    /// About whom.
    pub member: MemberId,
    /// What.
    pub what: Undoing,
    /// Why: a code.
    pub reason: String,
    /// Who proposes it.
    pub by: MemberId,
    /// When it was proposed; with the member, this names it.
    pub at: UnixMillis,
    /// When it lapses.
    pub expires_at: UnixMillis,
}

/// A proposal that is made.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a row and its record")]
pub struct NewProposal {
    /// What it says.
    pub proposal: Proposal,
    /// What the log says.
    pub event: Event,
}

/// Whether a proposal is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a page says each")]
pub enum Proposed {
    /// It waits.
    Kept,
    /// Another one about this member waits.
    Another,
    /// There is no such member.
    NoMember,
}

/// The end of a proposal.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a question and its record")]
pub struct Settling {
    /// About whom.
    pub member: MemberId,
    /// When it was proposed.
    pub at: UnixMillis,
    /// Who settles it.
    pub by: MemberId,
    /// Whether it is agreed to.
    pub verdict: Verdict,
    /// Now.
    pub now: UnixMillis,
    /// What the log says.
    pub event: Event,
}

/// What a second administrator says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there are two answers")]
pub enum Verdict {
    /// It shall be done.
    Agreed,
    /// It shall not; whoever proposed it may say this too.
    Dropped,
}

/// What came of settling.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a page says each")]
pub enum Settled {
    /// It waits no more; this is what it was.
    Taken(Proposal),
    /// It is gone, has lapsed, or who proposed it is no administrator any more.
    Gone,
    /// Nobody agrees to what they proposed themselves.
    Own,
}

/// What a member objects to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the schema checks these")]
pub enum Objection {
    /// That a check was not approved.
    Declined,
    /// That models stay closed.
    Closed,
    /// What is kept about it.
    Record,
}

impl Objection {
    /// All of them, in the order offered.
    pub const ALL: [Self; 3] = [Self::Declined, Self::Closed, Self::Record];

    /// As a column holds it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Closed => "closed",
            Self::Record => "record",
        }
    }

    /// Reads what [`Objection::as_str`] gives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// Why a member objects. A choice and never prose: what people write about themselves names them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the schema checks these")]
pub enum Ground {
    /// The check was wrong about it.
    Mistaken,
    /// Something has changed since.
    Changed,
    /// It wants somebody to look and to talk to it.
    Person,
}

impl Ground {
    /// All of them, in the order offered.
    pub const ALL: [Self; 3] = [Self::Mistaken, Self::Changed, Self::Person];

    /// As a column holds it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mistaken => "mistaken",
            Self::Changed => "changed",
            Self::Person => "person",
        }
    }

    /// Reads what [`Ground::as_str`] gives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// What an administrator or officer answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the schema checks these")]
pub enum Reply {
    /// Verify again.
    Again,
    /// Come and see two officers.
    Meet,
    /// It was looked at and stays.
    Stands,
}

impl Reply {
    /// All of them, in the order offered.
    pub const ALL: [Self; 3] = [Self::Again, Self::Meet, Self::Stands];

    /// As a column holds it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Again => "again",
            Self::Meet => "meet",
            Self::Stands => "stands",
        }
    }

    /// Reads what [`Reply::as_str`] gives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// A member objects.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "one field a column")]
pub struct Appeal {
    /// Who.
    pub member: MemberId,
    /// To what.
    pub about: Objection,
    /// Why.
    pub ground: Ground,
    /// When.
    pub at: UnixMillis,
    /// What was answered, and when.
    pub reply: Option<(Reply, UnixMillis)>,
}

/// An appeal that is made.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a row and its record")]
pub struct NewAppeal {
    /// Who.
    pub member: MemberId,
    /// To what.
    pub about: Objection,
    /// Why.
    pub ground: Ground,
    /// When.
    pub now: UnixMillis,
    /// What the log says.
    pub event: Event,
}

/// An appeal that is answered.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a change and its record")]
pub struct AppealAnswer {
    /// Whose.
    pub member: MemberId,
    /// When it was made.
    pub at: UnixMillis,
    /// What is answered.
    pub reply: Reply,
    /// When.
    pub now: UnixMillis,
    /// What the log says.
    pub event: Event,
}
