//! The keys of an identity provider.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use thiserror::Error;

use super::{
    JwsError,
    strict::{self, Fault, Limits},
};

/// An algorithm that somebody else may sign with, by its name in RFC 7518, section 3.1. HMAC and
/// `none` have no name here.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[non_exhaustive]
pub enum Alg {
    /// RSA PKCS#1 v1.5 with SHA-256, what most identity providers sign with.
    RS256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    RS384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    RS512,
    /// RSA-PSS with SHA-256.
    PS256,
    /// RSA-PSS with SHA-384.
    PS384,
    /// RSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256.
    ES256,
    /// ECDSA on P-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

impl Alg {
    /// Every one of them.
    pub const ALL: [Self; 9] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
    ];

    /// The name, exactly: `eddsa`, `rs256 ` and `none` are nothing.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == name)
    }

    /// As a header and a key name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }

    pub(super) const fn algorithm(self) -> Algorithm {
        match self {
            Self::RS256 => Algorithm::RS256,
            Self::RS384 => Algorithm::RS384,
            Self::RS512 => Algorithm::RS512,
            Self::PS256 => Algorithm::PS256,
            Self::PS384 => Algorithm::PS384,
            Self::PS512 => Algorithm::PS512,
            Self::ES256 => Algorithm::ES256,
            Self::ES384 => Algorithm::ES384,
            Self::EdDSA => Algorithm::EdDSA,
        }
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of public keys (RFC 7517), read strictly.
///
/// Keys for encryption and of kinds we do not know are left out, as the RFC says. A key that is
/// weak, malformed or private refuses the whole set: its owner does not know what it publishes.
#[derive(Clone, Debug)]
pub struct Jwks {
    keys: Vec<Key>,
}

impl Jwks {
    /// Reads a set as it was fetched.
    ///
    /// # Errors
    ///
    /// [`JwksError`] when the set is not to be trusted.
    pub fn parse(json: &[u8]) -> Result<Self, JwksError> {
        if json.len() > LENGTH {
            return Err(JwksError::Long);
        }
        strict::names(json, LIMITS).map_err(JwksError::Json)?;
        let set: RawSet = serde_json::from_slice(json).map_err(|_| JwksError::Shape)?;
        if set.keys.len() > KEYS {
            return Err(JwksError::Long);
        }
        let mut keys = Vec::<Key>::with_capacity(set.keys.len());
        for raw in set.keys {
            let Some(key) = raw.read()? else { continue };
            if keys.iter().any(|other| other.clashes(&key)) {
                return Err(JwksError::Twice);
            }
            keys.push(key);
        }
        Ok(Self { keys })
    }

    /// How many keys can be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The one key for this header.
    pub(super) fn find(&self, kid: Option<&str>, alg: Alg) -> Result<&Key, JwsError> {
        let fits = |key: &&Key| key.fits(alg) && (kid.is_none() || key.kid.as_deref() == kid);
        let mut fitting = self.keys.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (None, _) => Err(JwsError::UnknownKey),
            (Some(_), Some(_)) => Err(JwsError::AmbiguousKey),
        }
    }
}

/// Why a set of keys is refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum JwksError {
    /// More bytes or keys than we take.
    #[error("a key set is longer than is taken")]
    Long,
    /// No JSON that we take.
    #[error("a key set is refused: {0}")]
    Json(Fault),
    /// JSON, but no key set.
    #[error("a key set is not of its form")]
    Shape,
    /// A key that is not of its kind.
    #[error("a key in a key set is malformed")]
    Key,
    /// RSA below 2048 bits or with a small exponent, or a curve of less than 128 bits of strength.
    #[error("a key in a key set is weak")]
    Weak,
    /// A private key, published.
    #[error("a key set holds a private key")]
    Private,
    /// Two keys that one header could mean.
    #[error("two keys in a key set have one name")]
    Twice,
}

/// A public key that can verify.
#[derive(Clone, Debug)]
pub(super) struct Key {
    kid: Option<String>,
    alg: Option<Alg>,
    public: Public,
}

#[derive(Clone, Debug)]
enum Public {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Key {
    pub(super) fn decoding(&self) -> DecodingKey {
        match &self.public {
            Public::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
            Public::P256(point) | Public::P384(point) => DecodingKey::from_ec_der(point),
            Public::Ed25519(public) => DecodingKey::from_ed_der(public),
        }
    }

    fn fits(&self, alg: Alg) -> bool {
        self.alg.is_none_or(|only| only == alg) && self.public.signs(alg)
    }

    fn clashes(&self, other: &Self) -> bool {
        self.kid.is_some()
            && self.kid == other.kid
            && Alg::ALL
                .into_iter()
                .any(|alg| self.fits(alg) && other.fits(alg))
    }
}

impl Public {
    const fn signs(&self, alg: Alg) -> bool {
        match alg {
            Alg::RS256 | Alg::RS384 | Alg::RS512 | Alg::PS256 | Alg::PS384 | Alg::PS512 => {
                matches!(self, Self::Rsa { .. })
            }
            Alg::ES256 => matches!(self, Self::P256(_)),
            Alg::ES384 => matches!(self, Self::P384(_)),
            Alg::EdDSA => matches!(self, Self::Ed25519(_)),
        }
    }
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<RawKey>,
}

/// A key as it is written. Members that we do not know are no matter.
#[derive(Deserialize)]
struct RawKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<IgnoredAny>,
}

impl RawKey {
    /// `None` for a key that is well but not for us.
    fn read(self) -> Result<Option<Key>, JwksError> {
        if !matches!(self.kty.as_str(), "RSA" | "EC" | "OKP") {
            return Ok(None);
        }
        if self.d.is_some() {
            return Err(JwksError::Private);
        }
        if !self.verifies() {
            return Ok(None);
        }
        let alg = match self.alg.as_deref() {
            None => None,
            // RFC 9864 calls the same thing by the name of its curve.
            Some("Ed25519") => Some(Alg::EdDSA),
            Some(name) => match Alg::parse(name) {
                Some(alg) => Some(alg),
                None => return Ok(None),
            },
        };
        let Some(public) = self.public()? else {
            return Ok(None);
        };
        if alg.is_some_and(|alg| !public.signs(alg)) {
            return Err(JwksError::Key);
        }
        Ok(Some(Key {
            kid: self.kid,
            alg,
            public,
        }))
    }

    fn verifies(&self) -> bool {
        let use_fits = self.r#use.as_deref().is_none_or(|word| word == "sig");
        let listed = |all: &Vec<String>| all.iter().any(|word| word == "verify");
        use_fits && self.key_ops.as_ref().is_none_or(listed)
    }

    fn public(&self) -> Result<Option<Public>, JwksError> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => self.rsa().map(Some),
            ("EC", Some("P-256")) => Ok(Some(Public::P256(self.point(32)?))),
            ("EC", Some("P-384")) => Ok(Some(Public::P384(self.point(48)?))),
            ("EC", Some("P-192" | "P-224")) => Err(JwksError::Weak),
            ("OKP", Some("Ed25519")) => Ok(Some(Public::Ed25519(number(self.x.as_ref(), 32)?))),
            (_, Some(_)) => Ok(None),
            (_, None) => Err(JwksError::Key),
        }
    }

    fn rsa(&self) -> Result<Public, JwksError> {
        let n = bytes(self.n.as_ref())?;
        let e = bytes(self.e.as_ref())?;
        // RFC 7518, section 6.3.1: the shortest form, without leading zeros.
        let (Some(&high), Some(&low)) = (n.first(), n.last()) else {
            return Err(JwksError::Key);
        };
        if high == 0 || low & 1 == 0 || e.first() == Some(&0) || e.len() > 4 {
            return Err(JwksError::Key);
        }
        let exponent = e.iter().fold(0_u32, |sum, b| (sum << 8) | u32::from(*b));
        let unused = usize::try_from(high.leading_zeros()).unwrap_or(0);
        let bits = n.len().saturating_mul(8).saturating_sub(unused);
        if bits < RSA_BITS || exponent < 65_537 {
            return Err(JwksError::Weak);
        }
        if bits > RSA_BITS_MOST || exponent & 1 == 0 {
            return Err(JwksError::Key);
        }
        Ok(Public::Rsa { n, e })
    }

    /// An uncompressed point. Whether it is on its curve is checked when it verifies.
    fn point(&self, size: usize) -> Result<Vec<u8>, JwksError> {
        let mut point = vec![4];
        point.extend(number(self.x.as_ref(), size)?);
        point.extend(number(self.y.as_ref(), size)?);
        Ok(point)
    }
}

fn bytes(text: Option<&String>) -> Result<Vec<u8>, JwksError> {
    let text = text.ok_or(JwksError::Key)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JwksError::Key)
}

/// RFC 7518, section 6.2.1.2: a coordinate has the full length of its field.
fn number(text: Option<&String>, size: usize) -> Result<Vec<u8>, JwksError> {
    let bytes = bytes(text)?;
    (bytes.len() == size).then_some(bytes).ok_or(JwksError::Key)
}

const RSA_BITS: usize = 2048;
/// What ring takes at most.
const RSA_BITS_MOST: usize = 8192;

const LENGTH: usize = 256 * 1024;
const KEYS: usize = 64;
const LIMITS: Limits = Limits {
    depth: 6,
    values: 4096,
};

#[cfg(test)]
mod tests;
