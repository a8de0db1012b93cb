//! The gateway proves to a provider who it is, and holds no key of the provider's.
//!
//! It is an issuer of its own (OpenID Connect Discovery 1.0, as Kubernetes is one for its service
//! accounts): it publishes its metadata and its keys under `/federation/`, signs short assertions
//! about itself, and a provider that was told to trust them gives a token for one (RFC 7523 or RFC
//! 8693). Its keys sign nothing else, and nothing that they signed opens anything here.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bauta_token::{
    ambient::{self, Randomness},
    units::UnixMillis,
};
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use ring::rand::SystemRandom;
use serde_json::json;
use thiserror::Error;
use zeroize::Zeroizing;

pub use self::key::{AssertionKey, KeyError};
use crate::Gateway;

mod key;

/// The gateway as an issuer.
pub struct Issuer {
    url: String,
    /// The first signs; the others are published, so that what they signed is still believed, or
    /// will be once they sign.
    keys: Vec<AssertionKey>,
    random: SystemRandom,
}

impl Issuer {
    /// The issuer of a gateway that clients reach at `gateway_url`. The first of `keys` signs, all
    /// are published: a key is put at the end before it signs and left there after it did.
    ///
    /// # Errors
    ///
    /// [`IssuerError`] without a key, and with one twice.
    #[expect(
        clippy::disallowed_methods,
        reason = "ring takes its own source of randomness for signatures and no other"
    )]
    pub fn new(gateway_url: &str, keys: Vec<AssertionKey>) -> Result<Self, IssuerError> {
        if keys.is_empty() {
            return Err(IssuerError::NoKey);
        }
        for (place, key) in keys.iter().enumerate() {
            if keys.iter().take(place).any(|it| it.id() == key.id()) {
                return Err(IssuerError::Twice);
            }
        }
        Ok(Self {
            url: format!("{gateway_url}/federation"),
            keys,
            random: SystemRandom::new(),
        })
    }

    /// What stands in `iss`, and what a provider is told to trust, byte for byte.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a provider finds at `/federation/.well-known/openid-configuration`.
    #[must_use]
    pub fn metadata(&self) -> String {
        let mut algs: Vec<_> = self.keys.iter().map(AssertionKey::alg).collect();
        algs.sort_unstable();
        algs.dedup();
        json!({
            "issuer": self.url,
            "jwks_uri": format!("{}/jwks.json", self.url),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algs,
        })
        .to_string()
    }

    /// The public halves, for `/federation/jwks.json` or for a provider's form.
    #[must_use]
    pub fn jwks(&self) -> String {
        let keys: Vec<_> = self.keys.iter().map(AssertionKey::public).collect();
        json!({ "keys": keys }).to_string()
    }

    /// A fresh assertion that the holder of this key is `subject`, for `audience` and nobody else.
    /// It says nothing about anybody: the gateway is the subject.
    ///
    /// # Errors
    ///
    /// [`IssuerError::Unsigned`] when the key does not sign.
    pub(crate) fn assert(
        &self,
        audience: &str,
        subject: &str,
        now: UnixMillis,
        randomness: &dyn Randomness,
    ) -> Result<Zeroizing<String>, IssuerError> {
        let key = self.keys.first().ok_or(IssuerError::NoKey)?;
        // Providers check it against replay only where it is there.
        let jti = URL_SAFE_NO_PAD.encode(ambient::bytes::<16>(randomness));
        let iat = now.seconds();
        let head = json!({ "alg": key.alg(), "kid": key.id(), "typ": "JWT" });
        let claims = json!({
            "iss": self.url,
            "sub": subject,
            "aud": audience,
            "iat": iat,
            "exp": iat.saturating_add(LIFE_SECONDS),
            "jti": jti,
        });
        let mut text = Zeroizing::new(URL_SAFE_NO_PAD.encode(head.to_string()));
        text.push('.');
        text.push_str(&URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = key.sign(text.as_bytes(), &self.random)?;
        text.push('.');
        text.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(text)
    }
}

/// The answer for a path under `/federation/`; `None` for every other path.
pub(crate) fn serve(gateway: &Gateway, parts: &Parts) -> Option<Response> {
    let path = parts.uri.path().strip_prefix("/federation/")?;
    let Some(issuer) = &gateway.issuer else {
        return Some(StatusCode::NOT_FOUND.into_response());
    };
    let body = match path {
        ".well-known/openid-configuration" => issuer.metadata(),
        "jwks.json" => issuer.jwks(),
        _ => return Some(StatusCode::NOT_FOUND.into_response()),
    };
    if parts.method != Method::GET {
        return Some(StatusCode::METHOD_NOT_ALLOWED.into_response());
    }
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(FRESH));
    Some(response)
}

/// How long an assertion is good for. It is used at once; a provider gives a token of at most twice
/// what is left of it, so that it also bounds what a stolen token is worth.
pub(crate) const LIFE_SECONDS: i64 = 300;

/// A new key is published for longer than that before it signs.
const FRESH: &str = "public, max-age=300";

/// Why there is no issuer, or no assertion.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum IssuerError {
    /// Nothing to sign with.
    #[error("federation.keys names no key")]
    NoKey,
    /// One key twice.
    #[error("federation.keys names one key twice")]
    Twice,
    /// The key does not sign.
    #[error("the key of [federation] does not sign")]
    Unsigned,
}

#[cfg(test)]
mod tests;
