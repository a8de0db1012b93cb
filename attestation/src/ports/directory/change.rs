//! What the directory writes, and what ends with it.

use std::{collections::BTreeSet, sync::Arc};

use bauta_token::{scope::Name, units::UnixMillis};

use super::{GroupRow, GroupRules, UserRow};
use crate::ports::{Event, GroupId, Lookup, MemberId, UserId, grants::Named};

/// A member whom a change may take away from, with the names of all its grants: only the key can
/// tell them. One that is missing or has other grants by now makes the change [`Changed::Stale`].
#[derive(Clone)]
pub struct Affected {
    /// Who.
    pub member: MemberId,
    /// Finds its grants.
    pub holder: Lookup,
    /// Every grant it has in force.
    pub grants: Vec<Named>,
    /// What the log says when it may not go on.
    pub left: Event,
    /// What the log says when it may sign in again.
    pub back: Event,
    /// What the log says when grants end with a group.
    pub lost: Event,
}

/// What the directory says of somebody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "it says yes, no, or nothing")]
pub enum Said {
    /// It may go on.
    Active,
    /// It may not.
    Inactive,
    /// Nothing: who was taken away stays so.
    Nothing,
}

/// Somebody is listed, or listed otherwise.
#[derive(Clone)]
pub struct UserChange {
    /// The row as it is to be, but for `active`, which [`UserChange::said`] decides.
    pub row: UserRow,
    /// Which version it follows; `None` for somebody new.
    pub from: Option<i64>,
    /// What the directory says.
    pub said: Said,
    /// Every member who signs in as the old or the new subject.
    pub affected: Vec<Affected>,
    /// When.
    pub now: UnixMillis,
    /// What the log says.
    pub event: Event,
}

/// Somebody is taken off the list.
#[derive(Clone)]
pub struct UserRemoval {
    /// Who.
    pub id: UserId,
    /// Which version it must be.
    pub from: i64,
    /// Every member who signs in as this.
    pub affected: Vec<Affected>,
    /// When.
    pub now: UnixMillis,
    /// What the log says.
    pub event: Event,
}

/// A change of who is in a group.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "storage writes each")]
pub enum Members {
    /// These and nobody else. Who is not listed is left out.
    Exactly(BTreeSet<UserId>),
    /// Some come and some go. Whoever comes has to be listed.
    Shift {
        /// Who comes.
        add: BTreeSet<UserId>,
        /// Who goes.
        remove: BTreeSet<UserId>,
    },
}

/// What the names of groups open, and what is open to all.
#[derive(Clone, Default)]
pub struct Openings {
    /// By group.
    pub rules: Arc<GroupRules>,
    /// To every member.
    pub to_all: BTreeSet<Name>,
}

/// A group is pushed, or pushed otherwise.
#[derive(Clone)]
pub struct GroupChange {
    /// The row as it is to be.
    pub row: GroupRow,
    /// Which version it follows; `None` for a new one.
    pub from: Option<i64>,
    /// Who is in it.
    pub members: Members,
    /// What groups open.
    pub openings: Openings,
    /// Every member who may lose by it.
    pub affected: Vec<Affected>,
    /// When.
    pub now: UnixMillis,
    /// What the log says.
    pub event: Event,
}

/// A group is removed.
#[derive(Clone)]
pub struct GroupRemoval {
    /// Which.
    pub id: GroupId,
    /// Which version it must be.
    pub from: i64,
    /// What groups open.
    pub openings: Openings,
    /// Every member who may lose by it.
    pub affected: Vec<Affected>,
    /// When.
    pub now: UnixMillis,
    /// What the log says.
    pub event: Event,
}

/// What became of a change.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a caller answers each")]
pub enum Changed<T> {
    /// It is written, with all that follows.
    Done(T),
    /// Another row has one of its names.
    Taken,
    /// There is no such row.
    Gone,
    /// Who is to come is not listed.
    Stranger,
    /// The row or the grants are not what they were when this was made. Nothing was changed; look
    /// again.
    Stale,
}
