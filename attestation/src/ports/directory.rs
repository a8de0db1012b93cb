//! What the directory interface (SCIM) asks of storage: people and groups as the directory lists
//! them, and the end of whoever it takes away.
//!
//! A person is a keyed hash ([`Lookup`]) of the value that joins it with a sign-in, and a word:
//! whether it may go on. The word outlives the listing, so that nobody comes back by being
//! forgotten. Whatever a change takes away ends in the transaction that writes the change.

use async_trait::async_trait;
use bauta_audit::store::StoreError;
use bauta_token::{
    secret::{Hashed, Scim},
    units::{UnixDay, UnixMillis},
};

use super::{Event, GroupId, Lookup, MemberId, UserId};

mod change;
mod rules;

pub use self::{change::*, rules::*};

/// The directory's people, groups and bearers. Each method is one transaction, and fails only when
/// storage gives no answer; each may be called again.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Keeps a bearer, unless `at_most` are in force. Gives its number.
    async fn keep_bearer(
        &self,
        bearer: &NewBearer,
        at_most: u32,
    ) -> Result<Option<i64>, StoreError>;

    /// Every bearer there is, in the order of their numbers.
    async fn bearers(&self) -> Result<Vec<BearerRow>, StoreError>;

    /// Ends a bearer. `false` when there is none of this number.
    async fn drop_bearer(&self, number: i64, event: &Event) -> Result<bool, StoreError>;

    /// Whether a bearer with this hash is in force; notes the day of its use.
    async fn bearer(&self, hash: Hashed<Scim>, now: UnixMillis) -> Result<bool, StoreError>;

    /// One of the people listed.
    async fn user(&self, id: UserId) -> Result<Option<UserRow>, StoreError>;

    /// How many people are wanted.
    async fn count_users(&self, wanted: Wanted<UserId>) -> Result<u64, StoreError>;

    /// People in the order of their ids.
    async fn users(&self, wanted: Wanted<UserId>, span: Span) -> Result<Vec<UserRow>, StoreError>;

    /// The groups that somebody is in, in the order of their ids.
    async fn groups_of(&self, user: UserId) -> Result<Vec<GroupId>, StoreError>;

    /// Writes one of the people listed, with all that follows from it.
    async fn put_user(&self, change: &UserChange) -> Result<Changed<UserRow>, StoreError>;

    /// Takes somebody off the list: it may not go on.
    async fn remove_user(&self, removal: &UserRemoval) -> Result<Changed<()>, StoreError>;

    /// One of the groups.
    async fn group(&self, id: GroupId) -> Result<Option<GroupRow>, StoreError>;

    /// How many groups are wanted.
    async fn count_groups(&self, wanted: Wanted<GroupId>) -> Result<u64, StoreError>;

    /// Groups in the order of their ids.
    async fn groups(
        &self,
        wanted: Wanted<GroupId>,
        span: Span,
    ) -> Result<Vec<GroupRow>, StoreError>;

    /// Who is in a group, in the order of their ids.
    async fn people_in(&self, group: GroupId) -> Result<Vec<UserId>, StoreError>;

    /// Writes a group, with all that follows from it.
    async fn put_group(&self, change: &GroupChange) -> Result<Changed<GroupRow>, StoreError>;

    /// Removes a group: what it alone opened is closed.
    async fn remove_group(&self, removal: &GroupRemoval) -> Result<Changed<()>, StoreError>;

    /// The members who sign in as this.
    async fn members_as(&self, subject: Lookup) -> Result<Vec<MemberId>, StoreError>;

    /// What the directory says of this; `None` when it never spoke of it.
    async fn word(&self, subject: Lookup) -> Result<Option<bool>, StoreError>;

    /// Forgets every name that was kept, and every bearer that has expired. How many.
    async fn forget_directory(&self, names: bool, now: UnixMillis) -> Result<u64, StoreError>;

    /// How many are listed, and how many of those have signed in.
    async fn census(&self) -> Result<Census, StoreError>;
}

/// A bearer that is made.
#[derive(Clone)]
pub struct NewBearer {
    /// Its hash.
    pub hash: Hashed<Scim>,
    /// When it is made.
    pub now: UnixMillis,
    /// When it is good no more.
    pub expires_at: UnixMillis,
    /// What the log says.
    pub event: Event,
}

/// A bearer as it is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BearerRow {
    /// What an administrator calls it by.
    pub number: i64,
    /// The day it was made.
    pub made_on: UnixDay,
    /// When it is good no more.
    pub expires_at: UnixMillis,
    /// The day of its last use.
    pub used_on: Option<UnixDay>,
}

/// Somebody the directory lists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserRow {
    /// What the directory calls it by here.
    pub id: UserId,
    /// What joins it with a sign-in.
    pub subject: Lookup,
    /// Finds it by its `userName`.
    pub user_name: Lookup,
    /// Finds it by its `externalId`.
    pub external: Option<Lookup>,
    /// Whether it may go on.
    pub active: bool,
    /// `userName` and `externalId`, sealed to this row; kept only for a directory that insists.
    pub names: Option<Vec<u8>>,
    /// Counts changes.
    pub version: i64,
}

/// A group that the directory pushes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupRow {
    /// What the directory calls it by here.
    pub id: GroupId,
    /// A keyed hash of its name.
    pub name: Lookup,
    /// Finds it by its `externalId`.
    pub external: Option<Lookup>,
    /// `displayName` and `externalId`, sealed to this row; kept only for a directory that insists.
    pub names: Option<Vec<u8>>,
    /// Counts changes.
    pub version: i64,
}

/// Which rows are looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "storage finds by each")]
pub enum Wanted<Id> {
    /// All there are.
    All,
    /// The one with this id.
    Id(Id),
    /// By `userName`, or by the `displayName` of a group.
    Name(Lookup),
    /// By `externalId`.
    External(Lookup),
    /// By what joins it with a sign-in; of groups none.
    Subject(Lookup),
}

/// A part of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// How many come before it.
    pub skip: u32,
    /// How many it has at most.
    pub most: u32,
}

/// How far the list and the sign-ins meet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Census {
    /// How many people are listed.
    pub users: u64,
    /// How many of them have signed in.
    pub joined: u64,
    /// How many groups are pushed.
    pub groups: u64,
}
