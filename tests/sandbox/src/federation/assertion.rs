//! Reads an assertion as a provider does: the key by its id, the algorithm by the key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value;

/// What was claimed.
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) aud: String,
    pub(super) jti: String,
    pub(super) iat: i64,
    pub(super) exp: i64,
}

/// The claims of an assertion that one of the keys signed.
pub(super) fn verified(assertion: &str, jwks: &Value) -> Result<Claims, String> {
    let mut parts = assertion.rsplitn(2, '.');
    let (Some(signature), Some(signed)) = (parts.next(), parts.next()) else {
        return Err("no JWT".to_owned());
    };
    let (head, claims) = signed.split_once('.').ok_or("no JWT")?;
    let head = json(head)?;
    let kid = text(&head, "kid").ok_or("no kid")?;
    let keys = jwks.get("keys").and_then(Value::as_array);
    let keys = keys.ok_or("no keys are registered")?;
    let mut named = keys.iter().filter(|key| text(key, "kid") == Some(kid));
    let (Some(key), None) = (named.next(), named.next()) else {
        return Err("kid names no key that is registered".to_owned());
    };
    let signature = bytes(signature)?;
    let member = |name: &str| bytes(text(key, name).unwrap_or_default());
    let good = match (text(key, "kty"), text(&head, "alg")) {
        (Some("EC"), Some("ES256")) if text(key, "crv") == Some("P-256") => {
            let point = [vec![4], member("x")?, member("y")?].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(signed.as_bytes(), &signature)
                .is_ok()
        }
        (Some("RSA"), Some("RS256")) => {
            let (n, e) = (member("n")?, member("e")?);
            RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
                .is_ok()
        }
        _ => return Err("alg does not fit the key".to_owned()),
    };
    if !good {
        return Err("the signature is not by the key that kid names".to_owned());
    }
    claimed(&json(claims)?)
}

fn claimed(claims: &Value) -> Result<Claims, String> {
    let said = |name: &str| {
        let value = text(claims, name).map(ToOwned::to_owned);
        value.ok_or_else(|| format!("{name} is absent or no text"))
    };
    let number = |name: &str| {
        let value = claims.get(name).and_then(Value::as_i64);
        value.ok_or_else(|| format!("{name} is absent or no number"))
    };
    Ok(Claims {
        iss: said("iss")?,
        sub: said("sub")?,
        aud: said("aud")?,
        jti: text(claims, "jti").unwrap_or_default().to_owned(),
        iat: number("iat")?,
        exp: number("exp")?,
    })
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

fn json(part: &str) -> Result<Value, String> {
    serde_json::from_slice(&bytes(part)?).map_err(|_| "no JWT".to_owned())
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| "no base64url".to_owned())
}
