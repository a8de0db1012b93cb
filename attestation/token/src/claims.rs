//! What a sealed token says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    pseudonym::Pseudonym,
    scope::{Gate, Name},
};

/// The claims of an access token, RFC 9068 with three of our own.
///
/// No field can hold a person: `sub` and `end` name the grant, `psn` is what each provider sees.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The issuer, byte for byte.
    pub iss: String,
    /// The gateway, and only the gateway.
    pub aud: String,
    /// Seconds since 1970 after which it is no longer taken.
    pub exp: i64,
    /// Seconds since 1970, rounded down to a minute: the exact second would single a sign-in out.
    pub iat: i64,
    /// Names this token, for revocation: 22 letters of base64url.
    pub jti: String,
    /// Names the grant. Random, never derived from a member.
    pub sub: Pseudonym,
    /// What the feed calls the grant when it ends. Made from `sub` under a key of the identity plane:
    /// a notice that is kept says nothing about the `sub` that the gateway's journal keeps (ADR 16).
    pub end: Pseudonym,
    /// What it may be used for.
    pub scope: Name,
    /// What each provider sees instead of a person.
    pub psn: BTreeMap<Name, Pseudonym>,
    /// Which gates the member satisfied when this was issued.
    pub gates: Vec<Gate>,
    /// A constant for each kind of client (RFC 9068, section 2.2): says nothing about a person.
    pub client_id: String,
}
