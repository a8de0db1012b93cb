//! The `[guard]` table: what becomes of an identity that a client puts into a prompt by itself.

use serde::Deserialize;

/// What is done about each kind of identity.
///
/// What a client is known to add is meant, at the places where it adds it; a person who writes
/// their name into a prompt is not stopped.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "a table of the configuration")]
pub struct GuardConfig {
    /// The name that Git is configured with (`Git user: ...`).
    pub git_user: Action,
    /// The address of a signed-in account (`# userEmail`).
    pub email: Action,
    /// The name in the path of a home folder that a client tells as its own.
    ///
    /// Not taken out unless asked for: a model that is told another path calls tools with it, and
    /// on the machine there is no such path.
    pub home: Action,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            git_user: Action::Redact,
            email: Action::Redact,
            home: Action::Flag,
        }
    }
}

/// What is done.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Action {
    /// Nothing, and nothing is looked for.
    Off,
    /// It is counted, and the answer says so.
    Flag,
    /// A placeholder is sent in its place.
    Redact,
    /// The request is refused.
    Block,
}
