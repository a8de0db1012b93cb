//! An identity provider with a key of every kind we take.

use ring::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
    },
};
use serde_json::{Value, json};

use super::*;

pub(super) struct Idp {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed: SigningKey,
    randomness: SystemRandom,
}

impl Idp {
    pub(super) fn new() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "ring's signers ask for its own source"
        )]
        let randomness = SystemRandom::new();
        let ec = |alg: &'static EcdsaSigningAlgorithm| {
            let key = EcdsaKeyPair::generate_pkcs8(alg, &randomness).unwrap();
            EcdsaKeyPair::from_pkcs8(alg, key.as_ref(), &randomness).unwrap()
        };
        Self {
            rsa: rfc7515_key(),
            p256: ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            p384: ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            ed: SigningKey::from_seed(&[3; 32]).unwrap(),
            randomness,
        }
    }

    /// Its key set, without `alg`: each key may be used for all that it can.
    pub(super) fn jwks(&self) -> Value {
        json!({"keys": [
            {"kty": "RSA", "kid": "rsa", "use": "sig", "n": N, "e": "AQAB"},
            ec_key("P-256", "p256", self.p256.public_key().as_ref()),
            ec_key("P-384", "p384", self.p384.public_key().as_ref()),
            {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": encoded(self.ed.public())},
        ]})
    }

    pub(super) fn keys(&self) -> Jwks {
        Jwks::parse(self.jwks().to_string().as_bytes()).unwrap()
    }

    /// `header.payload`, signed as `alg` says, whatever the header says.
    pub(super) fn sign(&self, header: &str, payload: &str, alg: Alg) -> String {
        let message = format!("{}.{}", encoded(header), encoded(payload));
        let signature = self.signature(message.as_bytes(), alg);
        format!("{message}.{}", encoded(signature))
    }

    fn signature(&self, message: &[u8], alg: Alg) -> Vec<u8> {
        let rsa = |padding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; self.rsa.public().modulus_len()];
            self.rsa
                .sign(padding, &self.randomness, message, &mut signature)
                .unwrap();
            signature
        };
        let ec = |key: &EcdsaKeyPair| {
            key.sign(&self.randomness, message)
                .unwrap()
                .as_ref()
                .to_vec()
        };
        match alg {
            Alg::RS256 => rsa(&RSA_PKCS1_SHA256),
            Alg::RS384 => rsa(&RSA_PKCS1_SHA384),
            Alg::RS512 => rsa(&RSA_PKCS1_SHA512),
            Alg::PS256 => rsa(&RSA_PSS_SHA256),
            Alg::PS384 => rsa(&RSA_PSS_SHA384),
            Alg::PS512 => rsa(&RSA_PSS_SHA512),
            Alg::ES256 => ec(&self.p256),
            Alg::ES384 => ec(&self.p384),
            Alg::EdDSA => self.ed.sign(message).to_vec(),
        }
    }
}

/// The name of the key that signs with this.
pub(super) fn kid(alg: Alg) -> &'static str {
    match alg {
        Alg::ES256 => "p256",
        Alg::ES384 => "p384",
        Alg::EdDSA => "ed",
        _ => "rsa",
    }
}

fn ec_key(curve: &str, kid: &str, point: &[u8]) -> Value {
    let (x, y) = point[1..].split_at(point.len() / 2);
    json!({"kty": "EC", "kid": kid, "crv": curve, "x": encoded(x), "y": encoded(y)})
}

/// RFC 7515, appendix A.2.1: published, so it guards nothing.
fn rfc7515_key() -> RsaKeyPair {
    let number = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    RsaKeyPair::from_components(&KeyPairComponents {
        public_key: PublicKeyComponents {
            n: number(N),
            e: vec![1, 0, 1],
        },
        d: number(D),
        p: number(P),
        q: number(Q),
        dP: number(DP),
        dQ: number(DQ),
        qInv: number(QI),
    })
    .unwrap()
}

pub(super) const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const D: &str = "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ";
const P: &str = "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc";
const Q: &str = "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc";
const DP: &str = "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0";
const DQ: &str = "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU";
const QI: &str = "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U";
