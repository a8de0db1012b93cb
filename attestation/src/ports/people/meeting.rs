//! Rows of a meeting: a member shows a code to an officer in person.

use bauta_token::units::UnixMillis;

use crate::ports::{Lookup, MemberId};

/// A code that a member is about to be shown.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "one field a column")]
pub struct MeetingCode {
    /// Whose.
    pub member: MemberId,
    /// Keyed hash of the code.
    pub code: Lookup,
    /// When it is too late.
    pub expires_at: UnixMillis,
}

/// A code that an officer typed.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a question and its bound")]
pub struct Meeting {
    /// Keyed hash of the code.
    pub code: Lookup,
    /// Who typed it.
    pub officer: MemberId,
    /// When.
    pub now: UnixMillis,
    /// Wrong ones are counted from here.
    pub since: UnixMillis,
    /// How many wrong ones there may be.
    pub at_most: i64,
}

/// Whose code it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a page says each")]
pub enum Met {
    /// Too many wrong ones were typed.
    Paused,
    /// Nobody's, or not any more.
    Unknown,
    /// This member's.
    Found(MemberId),
}
