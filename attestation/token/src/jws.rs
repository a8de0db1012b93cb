//! The one place a JWT is parsed: ours, or an identity provider's.
//!
//! The policy comes first, then the signature, then the claims, in this order:
//!
//! 1. length, three parts, base64url in its one form (`jws/parts.rs`)
//! 2. header: strict JSON, no extension of any kind, `typ` as the purpose wants it
//! 3. `alg` from our configuration, never from the token alone
//! 4. exactly one key by `kid`, and one that fits
//! 5. payload: strict JSON, no name twice at any depth (`jws/strict.rs`)
//! 6. the signature, and a second opinion on issuer and audience, by `jsonwebtoken`
//! 7. issuer byte for byte, audience, dates
//!
//! Nonce, `at_hash`, `events` and revocation are the caller's: they need what only it knows.
//!
//! `jsonwebtoken` alone accepts an absent audience, an unknown `crit`, any `typ`, an issuer that
//! is a list and a year-old clock, and it reads the system's clock. Whatever is decided here is
//! decided by us, at the time we are given.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::de::DeserializeOwned;

use crate::{
    claims::Claims,
    keys::{IssuerKey, KeyId, SigningKey},
    units::UnixMillis,
};

pub use error::JwsError;
pub use foreign::{ForeignRule, Purpose};
pub use hint::Hint;
pub use jwks::{Alg, Jwks, JwksError};

use parts::{Parts, RawHeader};
use strict::Limits;

mod error;
mod foreign;
mod hint;
mod jwks;
mod parts;
mod provider;
mod strict;

/// What an access token begins with when it is handed out, so that a scanner can tell it from the
/// other base64 in a file. It may be left out when presented.
pub const PREFIX: &str = "bauta_";

/// How far two clocks may differ, in seconds.
pub const LEEWAY_SECONDS: i64 = 10;

/// What an access token must say to be taken here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expected {
    /// The issuer, byte for byte.
    pub issuer: String,
    /// Us. A token for us and another is for neither.
    pub audience: String,
    /// The longest life we believe, in seconds.
    pub max_life_seconds: i64,
}

/// Makes `ring` do the signatures of `jsonwebtoken` in this process. Every function here does it
/// by itself; `main` does it first so that no other provider gets in before.
pub fn install() {
    // An error means that a provider is there already, and this is the only one in the tree.
    let _already = provider::RING.install_default();
}

/// Signs an access token. [`PREFIX`] is not part of what it gives.
///
/// # Errors
///
/// [`JwsError::Claim`] when the claims are none that [`verify_access`] would take or say more about
/// the time of a sign-in than they may; [`JwsError::Unsigned`] when the key does not sign.
pub fn sign_access(claims: &Claims, key: &SigningKey) -> Result<String, JwsError> {
    check_shape(claims)?;
    if claims.iat.rem_euclid(60) != 0 {
        return Err(JwsError::Claim("iat"));
    }
    install();
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(ACCESS_TYP.to_owned());
    header.kid = Some(key.id().to_string());
    encode(&header, claims, &EncodingKey::from_ed_der(key.pkcs8())).map_err(|_| JwsError::Unsigned)
}

/// Verifies an access token of ours, with or without [`PREFIX`].
///
/// # Errors
///
/// [`JwsError`]; the caller learns one thing only, see [`JwsError::public`].
pub fn verify_access(
    token: &str,
    keys: &[IssuerKey],
    expect: &Expected,
    now: UnixMillis,
) -> Result<Claims, JwsError> {
    if token.len() > ACCESS_LENGTH {
        return Err(JwsError::Length);
    }
    let token = token.strip_prefix(PREFIX).unwrap_or(token);
    let parts = Parts::split(token, ACCESS_LENGTH)?;
    let header = RawHeader::read(&parts.header)?;
    header.only(&["alg", "typ", "kid"])?;
    if header.typ.as_deref() != Some(ACCESS_TYP) {
        return Err(JwsError::Typ);
    }
    if header.alg != Alg::EdDSA.as_str() {
        return Err(JwsError::Alg);
    }
    let public = issuer_key(keys, header.kid.as_deref(), now)?;
    strict::names(&parts.payload, ACCESS_LIMITS).map_err(JwsError::Payload)?;
    let claims: Claims = opened(
        token,
        &DecodingKey::from_ed_der(&public),
        &demands(Algorithm::EdDSA, &expect.issuer, &expect.audience),
    )?;
    check_access(&claims, expect, now.seconds())?;
    Ok(claims)
}

/// Verifies a token of an identity provider and gives its claims as `T`.
///
/// `T` names what the caller needs; a claim it does not name is dropped.
///
/// # Errors
///
/// [`JwsError::UnknownKey`] when no key of the set fits: fetch the set again, once, and at most
/// once a minute. Any other [`JwsError`] is final.
pub fn verify_foreign<T: DeserializeOwned>(
    token: &str,
    jwks: &Jwks,
    rule: &ForeignRule,
    now: UnixMillis,
) -> Result<T, JwsError> {
    let parts = Parts::split(token, FOREIGN_LENGTH)?;
    let header = RawHeader::read(&parts.header)?;
    header.without_extensions()?;
    if !rule.purpose.takes(header.typ.as_deref()) {
        return Err(JwsError::Typ);
    }
    let alg = Alg::parse(&header.alg)
        .filter(|alg| rule.algs.contains(alg))
        .ok_or(JwsError::Alg)?;
    let key = jwks.find(header.kid.as_deref(), alg)?;
    let names = strict::names(&parts.payload, FOREIGN_LIMITS).map_err(JwsError::Payload)?;
    rule.purpose.check_names(&names)?;
    let claims = opened(
        token,
        &key.decoding(),
        &demands(alg.algorithm(), &rule.issuer, &rule.client_id),
    )?;
    rule.check(&parts.payload, now.seconds())?;
    Ok(claims)
}

/// The one key with this id, while it may be used.
fn issuer_key(
    keys: &[IssuerKey],
    kid: Option<&str>,
    now: UnixMillis,
) -> Result<[u8; 32], JwsError> {
    let kid = kid.and_then(KeyId::parse).ok_or(JwsError::UnknownKey)?;
    let mut named = keys.iter().filter(|key| key.kid == kid);
    let key = match (named.next(), named.next()) {
        (Some(key), None) => key,
        (None, _) => return Err(JwsError::UnknownKey),
        (Some(_), Some(_)) => return Err(JwsError::AmbiguousKey),
    };
    if now.plus_seconds(LEEWAY_SECONDS) < key.not_before || now >= key.not_after {
        return Err(JwsError::KeyWindow);
    }
    key.public().ok_or(JwsError::UnknownKey)
}

/// The signature, and what `jsonwebtoken` checks besides. Times are left to us: it knows no clock
/// but the system's.
fn opened<T: DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    demands: &Validation,
) -> Result<T, JwsError> {
    install();
    match decode(token, key, demands) {
        Ok(opened) => Ok(opened.claims),
        // The source is dropped on purpose: it may quote the token.
        Err(fault) => Err(JwsError::of(fault.kind())),
    }
}

fn demands(alg: Algorithm, issuer: &str, audience: &str) -> Validation {
    let mut demands = Validation::new(alg);
    demands.set_issuer(&[issuer]);
    demands.set_audience(&[audience]);
    demands.set_required_spec_claims(&["exp", "iss", "aud"]);
    demands.validate_exp = false;
    demands.validate_nbf = false;
    demands
}

fn check_access(claims: &Claims, expect: &Expected, now: i64) -> Result<(), JwsError> {
    check_shape(claims)?;
    let claim = |holds: bool, name| holds.then_some(()).ok_or(JwsError::Claim(name));
    claim(claims.iss == expect.issuer, "iss")?;
    claim(claims.aud == expect.audience, "aud")?;
    claim(claims.iat <= now.saturating_add(LEEWAY_SECONDS), "iat")?;
    let longest = claims.iat.saturating_add(expect.max_life_seconds);
    claim(claims.exp <= longest, "exp")?;
    claim(claims.exp > now.saturating_sub(LEEWAY_SECONDS), "exp")
}

/// What holds for every token of ours, whoever looks at it and when.
fn check_shape(claims: &Claims) -> Result<(), JwsError> {
    if !parts::are_bytes::<16>(&claims.jti) {
        return Err(JwsError::Claim("jti"));
    }
    if claims.iat < 0 || claims.exp <= claims.iat || claims.exp > LAST_SECOND {
        return Err(JwsError::Claim("exp"));
    }
    Ok(())
}

const ACCESS_TYP: &str = "at+jwt";

/// Ours hold a few gates and one pseudonym per provider.
const ACCESS_LENGTH: usize = 8 * 1024;
const ACCESS_LIMITS: Limits = Limits {
    depth: 3,
    values: 512,
};

/// Room for the 200 groups that Entra lists at most.
const FOREIGN_LENGTH: usize = 16 * 1024;
const FOREIGN_LIMITS: Limits = Limits {
    depth: 12,
    values: 1024,
};

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;

#[cfg(test)]
mod tests;
