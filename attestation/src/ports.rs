//! What the identity plane asks of storage. A port is a use case and one transaction, not a table.
//!
//! [`people::People`] keeps members, sessions, verifications and attestations; grants and notices
//! are a port of their own, as are what the console remembers ([`office::Office`]) and what the
//! directory says ([`directory::Directory`]). Whoever implements all of them is a [`Store`].

use std::{collections::BTreeSet, fmt};

use bauta_audit::store::LogStore;
use bauta_token::{ambient::Randomness, scope::Name};
use serde::{Deserialize, Serialize};

pub mod directory;
#[cfg(feature = "conformance")]
pub mod directory_conformance;
#[cfg(any(test, feature = "conformance"))]
mod directory_memory;
pub mod grants;
#[cfg(feature = "conformance")]
pub mod grants_conformance;
#[cfg(any(test, feature = "conformance"))]
mod grants_memory;
#[cfg(any(test, feature = "conformance"))]
pub mod memory;
pub mod office;
#[cfg(feature = "conformance")]
pub mod office_conformance;
#[cfg(any(test, feature = "conformance"))]
mod office_memory;
pub mod people;
#[cfg(feature = "conformance")]
pub mod people_conformance;
#[cfg(any(test, feature = "conformance"))]
mod people_memory;

pub use crate::log::Event;
use directory::Directory;
use grants::Grants;
use office::Office;
use people::People;

/// All that the plane keeps.
pub trait Store: People + Grants + Office + Directory + LogStore + Send + Sync {}
impl<T: People + Grants + Office + Directory + LogStore + Send + Sync> Store for T {}

/// Names a member: 128 random bits, shown as `mbr_` and 26 letters of base32.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberId(pub [u8; 16]);

/// Names one attestation: `att_` and 26 letters of base32.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct AttestationId(pub [u8; 16]);

/// Names one attempt to verify: `ver_` and 26 letters of base32.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct VerificationId(pub [u8; 16]);

/// Names somebody the directory lists: `usr_` and 26 letters of base32. Never one of the directory's
/// own ids.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(pub [u8; 16]);

/// Names a group of the directory: `grp_` and 26 letters of base32. Never one of the directory's own
/// ids.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupId(pub [u8; 16]);

/// A keyed hash that a row is found by. Says nothing without the key, which no database holds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Lookup(pub [u8; 32]);

/// What a member may do here besides being one.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Runs the system.
    Admin,
    /// Vouches for people and opens cases.
    Officer,
    /// Reads and exports the log, and can issue nothing.
    Auditor,
}

impl Role {
    /// As configuration and log write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Officer => "officer",
            Self::Auditor => "auditor",
        }
    }

    /// Reads what [`Role::as_str`] gives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Admin, Self::Officer, Self::Auditor]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

/// What a member's groups opened at the last sign-in. The groups themselves are not kept.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rights {
    /// Roles held.
    pub roles: BTreeSet<Role>,
    /// Scopes that may be asked for.
    pub scopes: BTreeSet<Name>,
}

macro_rules! id {
    ($id:ident, $prefix:literal) => {
        impl $id {
            /// A fresh one.
            #[must_use]
            pub fn random(randomness: &dyn Randomness) -> Self {
                Self(bauta_token::ambient::bytes(randomness))
            }

            /// Reads what [`fmt::Display`] writes, and nothing else.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                unbase32(text.strip_prefix($prefix)?).map(Self)
            }

            /// Its bytes, as a column holds them.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, base32(self.0))
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl TryFrom<String> for $id {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text).ok_or(concat!("not an id that begins with ", $prefix))
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.to_string()
            }
        }
    };
}
id!(MemberId, "mbr_");
id!(AttestationId, "att_");
id!(VerificationId, "ver_");
id!(UserId, "usr_");
id!(GroupId, "grp_");

/// RFC 4648, section 6, lower case, unpadded: 128 bits and two zero bits are 26 letters.
fn base32(bytes: [u8; 16]) -> String {
    let bits = u128::from_be_bytes(bytes);
    let first = (0..25_u32).map(|n| bits >> 123_u32.saturating_sub(n.saturating_mul(5)));
    let last = bits << 2;
    first
        .chain(std::iter::once(last))
        .map(|group| {
            let index = usize::try_from(group & 31).unwrap_or_default();
            ALPHABET.get(index).copied().map_or('a', char::from)
        })
        .collect()
}

fn unbase32(text: &str) -> Option<[u8; 16]> {
    if text.len() != 26 {
        return None;
    }
    let mut bits = 0_u128;
    for (place, letter) in text.bytes().enumerate() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        let value = u128::try_from(value).ok()?;
        if place < 25 {
            bits = bits << 5 | value;
        } else if value.trailing_zeros() >= 2 {
            bits = bits << 3 | value >> 2;
        } else {
            return None;
        }
    }
    Some(bits.to_be_bytes())
}

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_only_in_its_one_form() {
        for bytes in [[0; 16], [0xff; 16], *b"0123456789abcdef"] {
            let text = MemberId(bytes).to_string();

            assert_eq!(text.len(), 30);
            assert_eq!(MemberId::parse(&text), Some(MemberId(bytes)));
            assert_eq!(AttestationId::parse(&text), None);
            assert_eq!(MemberId::parse(&text.to_uppercase()), None);
        }
        let loose = format!("mbr_{}b", "a".repeat(25));
        assert_eq!(MemberId::parse(&loose), None, "the last two bits are zero");
    }

    #[test]
    fn an_id_is_written_as_rfc_4648_writes_it() {
        // Python: base64.b32encode(b"0123456789abcdef").lower().rstrip(b"=")
        let text = MemberId(*b"0123456789abcdef").to_string();
        assert_eq!(text, "mbr_gaytemzugu3doobzmfrggzdfmy");
    }
}
