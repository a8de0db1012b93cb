//! The three parts of a token, and its header.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer};

use super::{
    JwsError,
    strict::{self, Limits, Names},
};

/// Header and payload as bytes. The signature is looked at by `jsonwebtoken`, which decodes
/// exactly as strictly: no padding, no white space, no bits left over in the last letter.
pub(super) struct Parts {
    pub(super) header: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

impl Parts {
    /// # Errors
    ///
    /// [`JwsError::Length`] or [`JwsError::Parts`].
    pub(super) fn split(token: &str, longest: usize) -> Result<Self, JwsError> {
        if token.is_empty() || token.len() > longest {
            return Err(JwsError::Length);
        }
        let mut parts = token.split('.');
        let three = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(header), Some(payload), Some(signature), None) = three else {
            return Err(JwsError::Parts);
        };
        let (header, payload) = (part(header)?, part(payload)?);
        // An empty signature is how an unsigned token looks.
        part(signature)?;
        Ok(Self { header, payload })
    }
}

fn part(text: &str) -> Result<Vec<u8>, JwsError> {
    // Nothing is base64url too, but no part of a token.
    match URL_SAFE_NO_PAD.decode(text) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(JwsError::Parts),
    }
}

/// Whether `text` is `N` bytes in base64url, in its one form.
pub(super) fn are_bytes<const N: usize>(text: &str) -> bool {
    URL_SAFE_NO_PAD
        .decode(text)
        .is_ok_and(|bytes| bytes.len() == N)
}

/// What a header says, before any of it is believed.
pub(super) struct RawHeader {
    pub(super) alg: String,
    pub(super) typ: Option<String>,
    pub(super) kid: Option<String>,
    names: Names,
}

impl RawHeader {
    /// # Errors
    ///
    /// [`JwsError::Header`] when it is no JSON that we take; [`JwsError::Extension`] when one of
    /// the three is no string.
    pub(super) fn read(json: &[u8]) -> Result<Self, JwsError> {
        let names = strict::names(json, LIMITS).map_err(JwsError::Header)?;
        let Fields { alg, typ, kid } =
            serde_json::from_slice(json).map_err(|_| JwsError::Extension)?;
        if kid.as_ref().is_some_and(|kid| kid.len() > KID_LENGTH) {
            return Err(JwsError::UnknownKey);
        }
        Ok(Self {
            alg,
            typ,
            kid,
            names,
        })
    }

    /// Our own headers have these members and no other.
    pub(super) fn only(&self, members: &[&str]) -> Result<(), JwsError> {
        let exact = self.names.len() == members.len()
            && members.iter().all(|name| self.names.contains(*name));
        exact.then_some(()).ok_or(JwsError::Extension)
    }

    /// Others' may have more, such as `x5t`, but nothing that changes how the token is read or
    /// brings a key along. `crit` is refused whatever it lists: we understand no extension.
    pub(super) fn without_extensions(&self) -> Result<(), JwsError> {
        let any = REFUSED.iter().any(|name| self.names.contains(*name));
        (!any).then_some(()).ok_or(JwsError::Extension)
    }
}

#[derive(Deserialize)]
struct Fields {
    alg: String,
    #[serde(default, deserialize_with = "present")]
    typ: Option<String>,
    #[serde(default, deserialize_with = "present")]
    kid: Option<String>,
}

/// A member that may be absent but not null.
pub(super) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

const REFUSED: [&str; 9] = [
    "crit", "b64", "jku", "x5u", "jwk", "x5c", "cty", "zip", "enc",
];

const LIMITS: Limits = Limits {
    depth: 2,
    values: 64,
};

const KID_LENGTH: usize = 256;
