//! Rows that the plane keeps for itself: policies and keys.

use bauta_token::units::{UnixDay, UnixMillis};

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
    /// Words of officers older than this count no more and go.
    pub vouchings: UnixMillis,
    /// Wrong codes that officers typed before this go.
    pub misses: UnixMillis,
}
