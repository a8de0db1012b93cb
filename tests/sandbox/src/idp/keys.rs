//! Signing keys and the key set.

use crate::seed::{Seed, system};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, SHA512, digest};
use ring::error::KeyRejected;
use ring::hmac;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};
use std::io;

/// An algorithm that ID tokens are signed with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Alg {
    /// RSASSA-PKCS1-v1.5 with SHA-256, what most providers use.
    Rs256,
    /// ECDSA on P-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Alg {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// One generation of keys, one for each algorithm.
#[derive(Debug)]
struct Generation {
    number: u32,
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

/// The key set: the last generation signs.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) alg: Alg,
    made: u32,
    generations: Vec<Generation>,
    stranger: Generation,
}

impl Keys {
    pub(super) fn new(alg: Alg, seed: &Seed) -> io::Result<Self> {
        Ok(Self {
            alg,
            made: 1,
            generations: vec![Generation::new(1, seed)?],
            stranger: Generation::new(0, seed)?,
        })
    }

    pub(super) fn rotate(&mut self, seed: &Seed) -> io::Result<()> {
        self.made = self.made.saturating_add(1);
        self.generations.push(Generation::new(self.made, seed)?);
        Ok(())
    }

    pub(super) fn retire(&mut self) {
        let keep = self.generations.pop();
        self.generations.clear();
        self.generations.extend(keep);
    }

    /// The algorithms a client may meet, the signing one first.
    pub(super) fn algs(&self) -> Vec<&'static str> {
        let mut all = vec![self.alg.name()];
        let others = [Alg::Rs256, Alg::Es256, Alg::EdDsa];
        all.extend(
            others
                .into_iter()
                .filter(|alg| *alg != self.alg)
                .map(Alg::name),
        );
        all
    }

    pub(super) fn public(&self) -> Vec<Value> {
        self.generations
            .iter()
            .flat_map(Generation::public)
            .collect()
    }

    /// The id of the key that signs.
    pub(super) fn kid(&self) -> String {
        let number = self.generations.last().map_or(0, |last| last.number);
        kid(self.alg, number)
    }

    /// A signature over `input` with the key that signs.
    pub(super) fn sign(&self, input: &str) -> Vec<u8> {
        self.generations
            .last()
            .map(|last| last.sign(self.alg, input))
            .unwrap_or_default()
    }

    /// A signature with a key of the same kind that nobody published.
    pub(super) fn forge(&self, input: &str) -> Vec<u8> {
        self.stranger.sign(self.alg, input)
    }

    /// `at_hash` of an access token: the left half of the hash that the algorithm implies.
    pub(super) fn half_hash(&self, access: &str) -> String {
        let hash = match self.alg {
            Alg::EdDsa => digest(&SHA512, access.as_bytes()),
            Alg::Rs256 | Alg::Es256 => digest(&SHA256, access.as_bytes()),
        };
        let half = hash
            .as_ref()
            .get(..hash.as_ref().len() / 2)
            .unwrap_or_default();
        URL_SAFE_NO_PAD.encode(half)
    }
}

impl Generation {
    /// RSA keys alternate between two fixed ones and P-256 has one: ring makes the first not at all
    /// and the second not from a seed. Number 0, the stranger, has keys that are never published.
    fn new(number: u32, seed: &Seed) -> io::Result<Self> {
        let rsa = match number {
            0 => RSA_THREE,
            _ if number % 2 == 1 => RSA_ONE,
            _ => RSA_TWO,
        };
        let ed = seed.bytes();
        let p256 = if number == 0 {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &system())
                .map_err(|_| io::Error::other("no P-256 key could be made"))?
                .as_ref()
                .to_vec()
        } else {
            P256.to_vec()
        };
        Ok(Self {
            number,
            rsa: RsaKeyPair::from_pkcs8(rsa).map_err(refused)?,
            p256: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &p256, &system())
                .map_err(refused)?,
            ed: Ed25519KeyPair::from_seed_unchecked(&ed).map_err(refused)?,
        })
    }

    fn sign(&self, alg: Alg, input: &str) -> Vec<u8> {
        let message = input.as_bytes();
        match alg {
            Alg::EdDsa => self.ed.sign(message).as_ref().to_vec(),
            Alg::Es256 => self
                .p256
                .sign(&system(), message)
                .map(|signature| signature.as_ref().to_vec())
                .unwrap_or_default(),
            Alg::Rs256 => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                let signed = self
                    .rsa
                    .sign(&RSA_PKCS1_SHA256, &system(), message, &mut signature);
                signed.map(|()| signature).unwrap_or_default()
            }
        }
    }

    fn public(&self) -> [Value; 3] {
        let components: PublicKeyComponents<Vec<u8>> = self.rsa.public().into();
        // Uncompressed: one byte 4, then both coordinates.
        let point = self.p256.public_key().as_ref();
        let coordinate = |range| URL_SAFE_NO_PAD.encode(point.get(range).unwrap_or_default());
        [
            json!({
                "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid(Alg::Rs256, self.number),
                "n": URL_SAFE_NO_PAD.encode(&components.n), "e": URL_SAFE_NO_PAD.encode(&components.e),
            }),
            json!({
                "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid(Alg::Es256, self.number),
                "x": coordinate(1..33), "y": coordinate(33..65),
            }),
            json!({
                "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid(Alg::EdDsa, self.number),
                "x": URL_SAFE_NO_PAD.encode(self.ed.public_key().as_ref()),
            }),
        ]
    }
}

fn refused(why: KeyRejected) -> io::Error {
    io::Error::other(why.to_string())
}

fn kid(alg: Alg, number: u32) -> String {
    format!("sandbox-{}-{number}", alg.name().to_lowercase())
}

/// The compact form of a token whose signature `sign` makes.
pub(super) fn compact(header: &Value, payload: &str, sign: impl FnOnce(&str) -> Vec<u8>) -> String {
    let head = URL_SAFE_NO_PAD.encode(header.to_string());
    let body = URL_SAFE_NO_PAD.encode(payload);
    let input = format!("{head}.{body}");
    let signature = URL_SAFE_NO_PAD.encode(sign(&input));
    format!("{input}.{signature}")
}

/// A signature with a secret that both sides know, where none should be accepted.
pub(super) fn shared(secret: &str, input: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::sign(&key, input.as_bytes()).as_ref().to_vec()
}

// TEST ONLY. Made for the sandbox with `openssl genpkey`, published with it, worth nothing.
const RSA_ONE: &[u8] = include_bytes!("test-only-rsa-1.pk8");
const RSA_TWO: &[u8] = include_bytes!("test-only-rsa-2.pk8");
const RSA_THREE: &[u8] = include_bytes!("test-only-rsa-3.pk8");
const P256: &[u8] = include_bytes!("test-only-p256.pk8");
