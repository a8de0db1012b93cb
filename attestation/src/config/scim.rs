//! `[scim]`: the directory that says who joins, moves and leaves.

use serde::Deserialize;

/// The directory interface. It answers whoever shows a bearer that `bauta keys scim` made; without one
/// it answers nobody.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Scim {
    /// Takes e-mail addresses as `userName` and `externalId`, for a directory that can send nothing
    /// else. They are then kept, encrypted under a key of their own, and shown to the member.
    pub accept_email: bool,
    /// Lets only those sign in whom the directory lists.
    pub required: bool,
}

/// The attribute that joins a listed person with a sign-in, as `sso.scim_subject` names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum JoinBy {
    /// `externalId`.
    ExternalId,
    /// `userName`.
    UserName,
}

impl JoinBy {
    /// Reads what the configuration says.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "externalId" => Some(Self::ExternalId),
            "userName" => Some(Self::UserName),
            _ => None,
        }
    }
}
