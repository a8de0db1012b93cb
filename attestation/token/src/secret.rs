//! Secrets: opaque ones that travel, the keys that hash them, and cells that hide a value at rest.
//!
//! An opaque secret is two types. [`Plain`] is what a client holds: it is made once, shown once
//! and forgotten. [`Hashed`] is what a column holds: nothing can be presented from it. A kind
//! ([`Kind`]) is part of both types, so a refresh token cannot be looked up as a device code.
//!
//! ```text
//! bauta_rt_ 7N4lY0cJ...43 letters...q2 0aZ3kP
//! prefix    256 random bits, base62    CRC-32 of all that precedes, base62
//! ```
//!
//! The prefix and the checksum let a secret scanner find a leaked one without false alarms, and
//! let us refuse a mistyped one before the database is asked. The underscore lets a double click
//! take the whole.
//!
//! The parts: [`MacKey`] and [`ct_eq`] compare without telling where two values differ, [`Root`]
//! gives every purpose its own key, [`Kek`] seals a cell of a table so that it opens in that cell
//! only. Nothing here has `Debug`, `Serialize` or `Clone` except what is already hashed.

use std::marker::PhantomData;

use zeroize::Zeroizing;

use crate::ambient::{Randomness, bytes};

pub use cell::{CellError, Kek, Place};
pub use key::{MacKey, Root, WeakKey, ct_eq};

mod cell;
mod key;
mod letters;

/// What an opaque secret is for.
///
/// A crate that needs another one implements this for a unit struct of its own.
pub trait Kind {
    /// What the text begins with: `bauta_`, a short word and `_`.
    const PREFIX: &'static str;
    /// Separates the hashes of this kind from those of every other.
    const DOMAIN: &'static str;
}

/// Renews a grant.
pub struct RefreshToken;

impl Kind for RefreshToken {
    const PREFIX: &'static str = "bauta_rt_";
    const DOMAIN: &'static str = "bauta/refresh-token/v1";
}

/// Polls for the outcome of a device authorization (RFC 8628).
pub struct DeviceCode;

impl Kind for DeviceCode {
    const PREFIX: &'static str = "bauta_dc_";
    const DOMAIN: &'static str = "bauta/device-code/v1";
}

/// The bearer of a directory that provisions members.
pub struct Scim;

impl Kind for Scim {
    const PREFIX: &'static str = "bauta_scim_";
    const DOMAIN: &'static str = "bauta/scim/v1";
}

/// A session at the gateway, opened with a token and spent instead of it.
pub struct GatewaySession;

impl Kind for GatewaySession {
    const PREFIX: &'static str = "bauta_s_";
    const DOMAIN: &'static str = "bauta/gateway-session/v1";
}

/// A browser that signed in.
pub struct SessionCookie;

impl Kind for SessionCookie {
    const PREFIX: &'static str = "bauta_ck_";
    const DOMAIN: &'static str = "bauta/session-cookie/v1";
}

/// `state` of a sign-in that is under way.
pub struct LoginState;

impl Kind for LoginState {
    const PREFIX: &'static str = "bauta_st_";
    const DOMAIN: &'static str = "bauta/login-state/v1";
}

/// Ties a sign-in to the browser that began it.
pub struct FlowBinding;

impl Kind for FlowBinding {
    const PREFIX: &'static str = "bauta_fb_";
    const DOMAIN: &'static str = "bauta/flow-binding/v1";
}

/// An authorization code, good for one exchange.
pub struct AuthCode;

impl Kind for AuthCode {
    const PREFIX: &'static str = "bauta_ac_";
    const DOMAIN: &'static str = "bauta/authorization-code/v1";
}

/// A secret as its holder has it. Wiped when dropped.
pub struct Plain<K> {
    text: Zeroizing<String>,
    kind: PhantomData<K>,
}

impl<K: Kind> Plain<K> {
    /// A fresh one of 256 random bits.
    #[must_use]
    pub fn generate(randomness: &dyn Randomness) -> Self {
        Self::from_bits(&Zeroizing::new(bytes(randomness)))
    }

    /// The one that shows these 256 bits, for a secret that is derived instead of drawn. They must
    /// be as good as random: the output of a keyed hash, never of anything that can be guessed.
    #[must_use]
    pub fn from_bits(bits: &[u8; 32]) -> Self {
        // Room for all of it: a string that grows leaves a copy behind that nobody wipes.
        let mut text = Zeroizing::new(String::with_capacity(Self::length()));
        text.push_str(K::PREFIX);
        letters::push_bits(&mut text, bits);
        let sum = letters::crc32(text.as_bytes());
        letters::push_sum(&mut text, sum);
        Self {
            text,
            kind: PhantomData,
        }
    }

    /// Reads what [`Plain::reveal`] gave. `None` for a wrong prefix, length, letter or checksum: none
    /// of these needs a database to be refused.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(K::PREFIX)?;
        if rest.len() != LETTERS || !letters::are_letters(rest) {
            return None;
        }
        let (bits, sum) = rest.split_at_checked(BITS_LETTERS)?;
        let summed = text.get(..text.len().checked_sub(SUM_LETTERS)?)?;
        let whole = letters::fit_256_bits(bits)
            && letters::read_sum(sum) == Some(letters::crc32(summed.as_bytes()));
        whole.then(|| Self {
            text: Zeroizing::new(text.to_owned()),
            kind: PhantomData,
        })
    }

    /// The text, to be shown to its holder and to nobody else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is stored and looked up instead.
    #[must_use]
    pub fn hash(&self, key: &MacKey) -> Hashed<K> {
        Hashed::from_bytes(key.tag(K::DOMAIN, &[self.text.as_bytes()]))
    }

    const fn length() -> usize {
        K::PREFIX.len().saturating_add(LETTERS)
    }
}

/// A secret as a column holds it: HMAC-SHA-256 under a key that is not in the database.
pub struct Hashed<K> {
    tag: [u8; 32],
    kind: PhantomData<K>,
}

impl<K> Hashed<K> {
    /// As read from a column.
    #[must_use]
    pub const fn from_bytes(tag: [u8; 32]) -> Self {
        Self {
            tag,
            kind: PhantomData,
        }
    }

    /// As a column holds it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.tag
    }
}

impl<K> Clone for Hashed<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Hashed<K> {}

impl<K> PartialEq for Hashed<K> {
    /// Takes as long for values that differ early as for values that differ late.
    fn eq(&self, other: &Self) -> bool {
        ct_eq(&self.tag, &other.tag)
    }
}

impl<K> Eq for Hashed<K> {}

/// 62^43 is just above 2^256.
const BITS_LETTERS: usize = 43;
/// 62^6 is above 2^32.
const SUM_LETTERS: usize = 6;
const LETTERS: usize = BITS_LETTERS + SUM_LETTERS;

#[cfg(test)]
pub(crate) mod tests;
