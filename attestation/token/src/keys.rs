//! Keys that sign tokens, and the public halves that travel.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair},
};
use serde::{Deserialize, Serialize};

use crate::units::UnixMillis;

/// SHA-256 of the 32 bytes of an Ed25519 public key. Always all 32 bytes: a truncated id can be
/// matched by a key made for it.
#[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 32]);

impl KeyId {
    /// The id of the key with this public half.
    #[must_use]
    pub fn of(public: &[u8; 32]) -> Self {
        let mut id = [0; 32];
        id.copy_from_slice(digest(&SHA256, public).as_ref());
        Self(id)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads what [`fmt::Display`] writes: 43 letters of base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl TryFrom<String> for KeyId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a key id is 32 bytes in base64url")
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

/// A key that signs tokens. Has no `Debug`, `Clone` or `Serialize`.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    pkcs8: zeroize::Zeroizing<Vec<u8>>,
    public: [u8; 32],
}

impl SigningKey {
    /// The key of this seed; `None` only when ring refuses it, which for 32 bytes it never does.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self {
            pkcs8: pkcs8(seed, &public),
            pair,
            public,
        })
    }

    /// The half that may travel.
    #[must_use]
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// The id of this key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.public)
    }

    /// An Ed25519 signature over `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        out.copy_from_slice(self.pair.sign(message).as_ref());
        out
    }

    /// PKCS#8 version 2 (RFC 8410), as `jsonwebtoken` hands keys to a provider.
    #[must_use]
    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }
}

/// RFC 8410, section 7, version 2: private seed and public key in fixed-length DER.
fn pkcs8(seed: &[u8; 32], public: &[u8; 32]) -> zeroize::Zeroizing<Vec<u8>> {
    const HEAD: [u8; 16] = [
        0x30, 0x53, 0x02, 0x01, 0x01, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    const MIDDLE: [u8; 5] = [0xa1, 0x23, 0x03, 0x21, 0x00];
    let mut out = zeroize::Zeroizing::new(Vec::with_capacity(85));
    out.extend_from_slice(&HEAD);
    out.extend_from_slice(seed);
    out.extend_from_slice(&MIDDLE);
    out.extend_from_slice(public);
    out
}

/// A public key and when it may be used.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerKey {
    /// Its id; [`KeyId::of`] of `public`, checked when a manifest is read.
    pub kid: KeyId,
    /// The 32 bytes, in base64url.
    pub x: String,
    /// Signs from here on.
    pub not_before: UnixMillis,
    /// Its last token expires here.
    pub not_after: UnixMillis,
}

impl IssuerKey {
    /// The entry for `public`.
    #[must_use]
    pub fn new(public: &[u8; 32], not_before: UnixMillis, not_after: UnixMillis) -> Self {
        Self {
            kid: KeyId::of(public),
            x: URL_SAFE_NO_PAD.encode(public),
            not_before,
            not_after,
        }
    }

    /// The 32 bytes; `None` when they are no key or not the one that `kid` names.
    #[must_use]
    pub fn public(&self) -> Option<[u8; 32]> {
        let public: [u8; 32] = URL_SAFE_NO_PAD.decode(&self.x).ok()?.try_into().ok()?;
        (KeyId::of(&public) == self.kid).then_some(public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_is_all_of_the_hash_in_its_one_spelling() {
        let id = SigningKey::from_seed(&[1; 32]).unwrap().id();
        let text = id.to_string();

        assert_eq!(text.len(), 43);
        assert_eq!(KeyId::parse(&text), Some(id));
        let short = URL_SAFE_NO_PAD.encode([1; 31]);
        let long = URL_SAFE_NO_PAD.encode([1; 33]);
        // 32 bytes leave two bits of the last letter unused.
        let stray = format!("{}B", "A".repeat(42));
        for bad in ["", &text[1..], &format!("{text}="), &short, &long, &stray] {
            assert_eq!(KeyId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_der_of_a_key_is_that_key() {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();

        let read = Ed25519KeyPair::from_pkcs8(key.pkcs8()).unwrap();

        assert_eq!(read.public_key().as_ref(), key.public());
        assert_eq!(read.sign(b"message").as_ref(), key.sign(b"message"));
    }

    #[test]
    fn a_published_key_is_the_one_its_id_names_or_none() {
        let [one, other] = [1, 2].map(|seed| SigningKey::from_seed(&[seed; 32]).unwrap());
        let published =
            |key: &SigningKey| IssuerKey::new(key.public(), UnixMillis(0), UnixMillis(1));
        let good = published(&one);
        let crossed = IssuerKey {
            x: published(&other).x,
            ..good.clone()
        };
        let padded = IssuerKey {
            x: format!("{}=", good.x),
            ..good.clone()
        };

        assert_eq!(good.public().as_ref(), Some(one.public()));
        assert_eq!(crossed.public(), None);
        assert_eq!(padded.public(), None);
    }

    #[test]
    fn a_published_key_reads_back_and_takes_nothing_else() {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let published = IssuerKey::new(key.public(), UnixMillis(5), UnixMillis(9));
        let text = serde_json::to_string(&published).unwrap();

        assert_eq!(serde_json::from_str::<IssuerKey>(&text).unwrap(), published);
        let more = text.replacen('{', r#"{"d":"x","#, 1);
        assert!(serde_json::from_str::<IssuerKey>(&more).is_err());
    }
}
