//! The signatures of `jsonwebtoken`, done by `ring`.
//!
//! Signs with Ed25519 only. Verifies what identity providers sign with. Checks
//! signatures and nothing else: claims, `typ`, `crit` and key choice belong to the caller.

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
    signature::{Error as SignatureError, Signer, Verifier},
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, Ed25519KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

/// Installed once per process; without it the first token would panic.
pub(super) static RING: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is the crate's"
)]
fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    if *algorithm != Algorithm::EdDSA {
        return Err(ErrorKind::UnsupportedAlgorithm.into());
    }
    let pair =
        Ed25519KeyPair::from_pkcs8(key.as_bytes()).map_err(|_| ErrorKind::InvalidKeyFormat)?;
    Ok(Box::new(Ed25519(pair)))
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is the crate's"
)]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if algorithm.family() != key.family() {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    let algorithm = *algorithm;
    let key = match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            let scheme = rsa(algorithm).ok_or(ErrorKind::UnsupportedAlgorithm)?;
            PublicKey::Rsa {
                scheme,
                n: n.clone(),
                e: e.clone(),
            }
        }
        DecodingKeyKind::SecretOrDer(point) => {
            let scheme = curve(algorithm).ok_or(ErrorKind::UnsupportedAlgorithm)?;
            PublicKey::Point {
                scheme,
                point: point.clone(),
            }
        }
    };
    Ok(Box::new(Verify { algorithm, key }))
}

fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::RS256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Some(&RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Some(&RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Some(&RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

fn curve(algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    match algorithm {
        Algorithm::ES256 => Some(&ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Some(&ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Some(&ED25519),
        _ => None,
    }
}

struct Ed25519(Ed25519KeyPair);

impl JwtSigner for Ed25519 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

impl Signer<Vec<u8>> for Ed25519 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

struct Verify {
    algorithm: Algorithm,
    key: PublicKey,
}

enum PublicKey {
    Rsa {
        scheme: &'static RsaParameters,
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Point {
        scheme: &'static dyn VerificationAlgorithm,
        point: Vec<u8>,
    },
}

impl JwtVerifier for Verify {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for Verify {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), SignatureError> {
        match &self.key {
            PublicKey::Rsa { scheme, n, e } => {
                RsaPublicKeyComponents { n, e }.verify(scheme, message, signature)
            }
            PublicKey::Point { scheme, point } => {
                UnparsedPublicKey::new(*scheme, point).verify(message, signature)
            }
        }
        .map_err(|_| SignatureError::new())
    }
}

#[cfg(test)]
mod tests;
