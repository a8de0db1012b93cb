//! A key that signs assertions: P-256 or RSA, as a provider's verifier expects of an issuer.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};
use thiserror::Error;
use zeroize::Zeroizing;

use super::IssuerError;

/// A key of the issuer's. Has no `Debug`, `Clone` or `Serialize`.
pub struct AssertionKey {
    pair: Pair,
    id: String,
}

enum Pair {
    P256(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

impl AssertionKey {
    /// The key of a file: PKCS#8, as PEM (`openssl genpkey`) or as it is.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when it is no such file, or of another kind.
    pub fn read(bytes: &[u8]) -> Result<Self, KeyError> {
        let der = if bytes.trim_ascii_start().starts_with(b"-----") {
            let pem = PrivatePkcs8KeyDer::from_pem_slice(bytes).map_err(|_| KeyError::Form)?;
            Zeroizing::new(pem.secret_pkcs8_der().to_vec())
        } else {
            Zeroizing::new(bytes.to_vec())
        };
        let pair = Pair::read(&der)?;
        Ok(Self {
            id: thumbprint(&pair),
            pair,
        })
    }

    /// A fresh P-256 key as PKCS#8, for a file of its own.
    ///
    /// # Errors
    ///
    /// [`KeyError::Form`] when the system has no randomness to give.
    #[expect(
        clippy::disallowed_methods,
        reason = "ring makes keys from its own source of randomness and no other"
    )]
    pub fn generate() -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        made.map(|der| Zeroizing::new(der.as_ref().to_vec()))
            .map_err(|_| KeyError::Form)
    }

    /// What `kid` calls it: its thumbprint (RFC 7638).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it signs with (RFC 7518, section 3.1).
    #[must_use]
    pub const fn alg(&self) -> &'static str {
        match self.pair {
            Pair::P256(_) => "ES256",
            Pair::Rsa(_) => "RS256",
        }
    }

    /// Its public half as a provider reads it (RFC 7517).
    #[must_use]
    pub fn public(&self) -> Value {
        let mut key = self.pair.required();
        if let Some(members) = key.as_object_mut() {
            members.insert("alg".to_owned(), json!(self.alg()));
            members.insert("use".to_owned(), json!("sig"));
            members.insert("kid".to_owned(), json!(self.id));
        }
        key
    }

    pub(super) fn sign(
        &self,
        message: &[u8],
        random: &SystemRandom,
    ) -> Result<Vec<u8>, IssuerError> {
        match &self.pair {
            Pair::P256(pair) => pair
                .sign(random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| IssuerError::Unsigned),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, random, message, &mut signature)
                    .map_err(|_| IssuerError::Unsigned)?;
                Ok(signature)
            }
        }
    }
}

impl Pair {
    #[expect(
        clippy::disallowed_methods,
        reason = "ring checks a key against its own source of randomness and no other"
    )]
    fn read(der: &[u8]) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random) {
            return Ok(Self::P256(Box::new(pair)));
        }
        // Below 2048 bits ring refuses it.
        let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| KeyError::Kind)?;
        Ok(Self::Rsa(Box::new(pair)))
    }

    /// The members that the thumbprint is over, and no other.
    fn required(&self) -> Value {
        match self {
            Self::P256(pair) => {
                // Uncompressed: a byte that says so, then both coordinates.
                let point = pair.public_key().as_ref();
                let halves = point.get(1..).and_then(|both| both.split_at_checked(32));
                let (x, y) = halves.unwrap_or_default();
                json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
            }
            Self::Rsa(pair) => {
                let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "n": encode(&parts.n), "e": encode(&parts.e) })
            }
        }
    }
}

/// RFC 7638: the hash of the required members in the order of their names.
fn thumbprint(pair: &Pair) -> String {
    let required = pair.required();
    let members: BTreeMap<_, _> = required.as_object().into_iter().flatten().collect();
    let text = serde_json::to_string(&members).unwrap_or_default();
    encode(digest(&SHA256, text.as_bytes()).as_ref())
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Why a key cannot sign assertions. Never holds any of it.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum KeyError {
    /// No PKCS#8.
    #[error(
        "it is no PKCS#8 file; `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` writes one"
    )]
    Form,
    /// Neither P-256 nor RSA of at least 2048 bits.
    #[error(
        "it is neither a P-256 nor an RSA key of 2048 bits or more, whole; `openssl genpkey \
         -algorithm EC -pkeyopt ec_paramgen_curve:P-256` writes one"
    )]
    Kind,
}
