//! What an issuer publishes about itself: endpoints and keys, cached. The identity provider is one,
//! the platforms whose builds prove who they are ([`crate::workload`]) are others.
//!
//! Only what its discovery document may say is taken: the issuer byte for byte, and endpoints on
//! its own host or one that the configuration names. Whatever cannot be trusted leaves the last
//! good copy in place, until that is too old.

use std::sync::Arc;

use bauta_token::{
    jws::{Alg, Jwks, JwksError},
    units::UnixMillis,
};
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Mutex;
use url::Url;

use crate::{
    config::{self, SecretText, Sso},
    fetch::{self, FetchError},
};

/// The endpoints of an identity provider.
pub(crate) struct Provider {
    pub(crate) authorize: Url,
    pub(crate) token: Url,
    pub(crate) userinfo: Option<Url>,
    pub(crate) end_session: Option<Url>,
    /// Whether answers to the browser name their issuer (RFC 9207).
    pub(crate) names_itself: bool,
    /// Whether the client proves itself in the form instead of with HTTP Basic.
    pub(crate) secret_in_form: bool,
    pub(crate) algs: Vec<Alg>,
    keys: Url,
}

/// What is read from a discovery document, by what its issuer is to us.
pub(crate) trait Published: Sized {
    /// Reads `document`, which must be of `issuer`, with endpoints there or on one of `hosts`.
    fn read(document: &[u8], issuer: &str, hosts: &[String]) -> Result<Self, DiscoveryError>;

    /// Where the keys are.
    fn keys(&self) -> &Url;
}

impl Published for Provider {
    fn read(document: &[u8], issuer: &str, hosts: &[String]) -> Result<Self, DiscoveryError> {
        let document: Document =
            serde_json::from_slice(document).map_err(|_| DiscoveryError::Form("document"))?;
        document.read(issuer, hosts)
    }

    fn keys(&self) -> &Url {
        &self.keys
    }
}

/// What the provider answered just now.
pub(crate) struct Probe {
    /// How many keys of it can be used.
    pub(crate) keys: usize,
    /// What time it says it is, to the second.
    pub(crate) at: Option<UnixMillis>,
}

/// What was fetched, and when.
struct Cache<P> {
    provider: Option<(Arc<P>, UnixMillis)>,
    keys: Option<(Arc<Jwks>, UnixMillis)>,
    /// The last try, good or not.
    tried: Option<UnixMillis>,
}

/// Fetches and keeps what an issuer publishes. One fetch at a time: whoever waits for it takes what
/// it brought.
pub(crate) struct Discovery<P = Provider> {
    http: reqwest::Client,
    issuer: String,
    hosts: Vec<String>,
    /// How long nobody is asked again after a try when nothing good is kept.
    patience: u64,
    cache: Mutex<Cache<P>>,
}

impl Discovery {
    /// Of the identity provider. With nothing good kept it is asked again for each sign-in: a
    /// person waits for it.
    pub(crate) fn new(http: reqwest::Client, sso: &Sso<SecretText>) -> Self {
        Self::of(http, sso.issuer.clone(), sso.hosts.clone(), 0)
    }
}

impl<P: Published> Discovery<P> {
    /// Of `issuer`. After a try that brought nothing, and with nothing good kept, it is left alone
    /// for `patience` milliseconds.
    pub(crate) fn of(
        http: reqwest::Client,
        issuer: String,
        hosts: Vec<String>,
        patience: u64,
    ) -> Self {
        let cache = Cache {
            provider: None,
            keys: None,
            tried: None,
        };
        Self {
            http,
            issuer,
            hosts,
            patience,
            cache: Mutex::new(cache),
        }
    }

    /// The issuer's endpoints.
    pub(crate) async fn provider(&self, now: UnixMillis) -> Result<Arc<P>, DiscoveryError> {
        let mut cache = self.cache.lock().await;
        self.provider_in(&mut cache, now).await
    }

    /// The issuer's keys.
    pub(crate) async fn keys(&self, now: UnixMillis) -> Result<Arc<Jwks>, DiscoveryError> {
        let mut cache = self.cache.lock().await;
        if let Some((keys, at)) = &cache.keys
            && (age(*at, now) < FRESH || !may_try(&cache, now))
            && age(*at, now) < GOOD
        {
            return Ok(Arc::clone(keys));
        }
        let good = |(_, at): &(Arc<Jwks>, UnixMillis)| age(*at, now) < GOOD;
        let last = cache.keys.clone().filter(good);
        if last.is_none() && cache.tried.is_some_and(|at| age(at, now) < self.patience) {
            return Err(DiscoveryError::Lately);
        }
        match self.fetch_keys(&mut cache, now).await {
            Ok(keys) => Ok(keys),
            // An outage of the issuer must not keep anybody out who would have come in with the
            // keys of an hour ago; a day later it does.
            Err(error) => last.map_or(Err(error), |(keys, _)| Ok(keys)),
        }
    }

    /// The issuer's keys after `known` did not serve; `None` when it was asked a moment ago.
    pub(crate) async fn newer_keys(
        &self,
        known: &Arc<Jwks>,
        now: UnixMillis,
    ) -> Result<Option<Arc<Jwks>>, DiscoveryError> {
        let mut cache = self.cache.lock().await;
        if let Some((keys, _)) = &cache.keys
            && !Arc::ptr_eq(keys, known)
        {
            return Ok(Some(Arc::clone(keys)));
        }
        if !may_try(&cache, now) {
            return Ok(None);
        }
        self.fetch_keys(&mut cache, now).await.map(Some)
    }

    /// Asks anew and keeps nothing: for the page that says whether it works.
    pub(crate) async fn probe(&self) -> Result<Probe, DiscoveryError> {
        let provider = self.fetch_provider().await?;
        let (body, at) = fetch::dated(&self.http, provider.keys().clone(), None, LONGEST).await?;
        let keys = Jwks::parse(&body).map_err(DiscoveryError::Keys)?;
        if keys.is_empty() {
            return Err(DiscoveryError::Form("jwks"));
        }
        Ok(Probe {
            keys: keys.len(),
            at,
        })
    }

    async fn provider_in(
        &self,
        cache: &mut Cache<P>,
        now: UnixMillis,
    ) -> Result<Arc<P>, DiscoveryError> {
        if let Some((provider, at)) = &cache.provider
            && age(*at, now) < GOOD
        {
            return Ok(Arc::clone(provider));
        }
        match self.fetch_provider().await {
            Ok(provider) => {
                let provider = Arc::new(provider);
                cache.provider = Some((Arc::clone(&provider), now));
                Ok(provider)
            }
            // The last good copy: what changed may be an attack, and endpoints rarely change.
            Err(error) => match &cache.provider {
                Some((provider, _)) => {
                    tracing::warn!(
                        error = crate::http::chain(&error),
                        issuer = self.issuer,
                        "an issuer's discovery document was refused; the last one is kept"
                    );
                    Ok(Arc::clone(provider))
                }
                None => Err(error),
            },
        }
    }

    async fn fetch_keys(
        &self,
        cache: &mut Cache<P>,
        now: UnixMillis,
    ) -> Result<Arc<Jwks>, DiscoveryError> {
        cache.tried = Some(now);
        let provider = self.provider_in(cache, now).await?;
        let body = fetch::get(&self.http, provider.keys().clone(), None, LONGEST).await?;
        let keys = Jwks::parse(&body).map_err(DiscoveryError::Keys)?;
        if keys.is_empty() {
            return Err(DiscoveryError::Form("jwks"));
        }
        let keys = Arc::new(keys);
        cache.keys = Some((Arc::clone(&keys), now));
        Ok(keys)
    }

    async fn fetch_provider(&self) -> Result<P, DiscoveryError> {
        // Appended to the issuer's own path, as OpenID Connect Discovery, section 4, wants it.
        let place = format!("{}{WELL_KNOWN}", self.issuer.trim_end_matches('/'));
        let url = Url::parse(&place).map_err(|_| DiscoveryError::Form("issuer"))?;
        let body = fetch::get(&self.http, url, None, LONGEST).await?;
        P::read(&body, &self.issuer, &self.hosts)
    }
}

/// At most one fetch a minute, whatever is asked for: an unknown key id costs an attacker nothing.
fn may_try<P>(cache: &Cache<P>, now: UnixMillis) -> bool {
    cache.tried.is_none_or(|at| age(at, now) >= PAUSE)
}

/// A clock that was set back makes nothing fresh for ever.
const fn age(at: UnixMillis, now: UnixMillis) -> u64 {
    now.0.abs_diff(at.0)
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    response_types_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    id_token_signing_alg_values_supported: Option<Vec<String>>,
}

impl Document {
    fn read(self, issuer: &str, hosts: &[String]) -> Result<Provider, DiscoveryError> {
        if self.issuer != issuer {
            return Err(DiscoveryError::Issuer);
        }
        let lists = |list: &Option<Vec<String>>, wanted: &str| {
            list.as_ref()
                .is_none_or(|list| list.iter().any(|one| one == wanted))
        };
        if !lists(&self.response_types_supported, "code") {
            return Err(DiscoveryError::Form("response_types_supported"));
        }
        if !lists(&self.code_challenge_methods_supported, "S256") {
            return Err(DiscoveryError::Form("code_challenge_methods_supported"));
        }
        let basic = lists(
            &self.token_endpoint_auth_methods_supported,
            "client_secret_basic",
        );
        if !basic
            && !lists(
                &self.token_endpoint_auth_methods_supported,
                "client_secret_post",
            )
        {
            return Err(DiscoveryError::Form(
                "token_endpoint_auth_methods_supported",
            ));
        }
        let algs = algs(self.id_token_signing_alg_values_supported.as_deref())?;
        let place =
            |text: &str, name| endpoint(text, issuer, hosts).ok_or(DiscoveryError::Endpoint(name));
        Ok(Provider {
            authorize: place(&self.authorization_endpoint, "authorization_endpoint")?,
            token: place(&self.token_endpoint, "token_endpoint")?,
            keys: place(&self.jwks_uri, "jwks_uri")?,
            userinfo: optional("userinfo_endpoint", self.userinfo_endpoint, issuer, hosts),
            end_session: optional(
                "end_session_endpoint",
                self.end_session_endpoint,
                issuer,
                hosts,
            ),
            names_itself: self.authorization_response_iss_parameter_supported,
            secret_in_form: !basic,
            algs,
        })
    }
}

/// What an issuer says it signs with and we can check. Never `none`, never HMAC, though some list
/// them.
pub(crate) fn algs(listed: Option<&[String]>) -> Result<Vec<Alg>, DiscoveryError> {
    let Some(listed) = listed else {
        return Ok(vec![Alg::RS256]);
    };
    let algs: Vec<_> = listed.iter().filter_map(|name| Alg::parse(name)).collect();
    if algs.is_empty() {
        return Err(DiscoveryError::Form(
            "id_token_signing_alg_values_supported",
        ));
    }
    Ok(algs)
}

/// An endpoint that sign-in can do without. Left out loudly: groups may be missing for want of it.
fn optional(
    name: &'static str,
    text: Option<String>,
    issuer: &str,
    hosts: &[String],
) -> Option<Url> {
    let found = endpoint(&text?, issuer, hosts);
    if found.is_none() {
        tracing::warn!(
            name,
            "an endpoint on another host is left out; name its host in sso.hosts"
        );
    }
    found
}

/// A URL on the issuer's own host, or on one that the configuration names: https, or http where
/// the issuer itself is on loopback.
pub(crate) fn endpoint(text: &str, issuer: &str, hosts: &[String]) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let home = Url::parse(issuer).ok()?;
    let own = url.host_str() == home.host_str() && url.scheme() == home.scheme();
    let named = url.scheme() == "https"
        && url
            .domain()
            .is_some_and(|domain| hosts.iter().any(|host| host == domain));
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (plain && config::is_safe(&url) && (own || named)).then_some(url)
}

/// Why an issuer cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// It was not reached, or did not answer as it should.
    #[error("the issuer did not answer")]
    Fetch(#[from] FetchError),
    /// Its document names another issuer. Byte for byte: a slash more is another one.
    #[error("the discovery document names another issuer than the configuration")]
    Issuer,
    /// Its document has an endpoint where none may be.
    #[error("the discovery document's {0} is not on the issuer's host; name its host in hosts")]
    Endpoint(&'static str),
    /// Its document is not what it should be.
    #[error("the discovery document's {0} cannot be used")]
    Form(&'static str),
    /// Its keys cannot be trusted.
    #[error("the issuer's keys are refused")]
    Keys(#[source] JwksError),
    /// It was asked a moment ago and is left alone for now.
    #[error("the issuer did not answer a moment ago")]
    Lately,
}

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Bytes of a document or key set.
const LONGEST: usize = 256 * 1024;

/// One hour: keys are asked for anew.
const FRESH: u64 = 3_600_000;
/// One day: without an answer for this long, nobody signs in.
const GOOD: u64 = 86_400_000;
/// One minute between two fetches of the keys.
const PAUSE: u64 = 60_000;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://idp.example/t1";

    fn read(change: &[(&str, Value)]) -> Result<Provider, DiscoveryError> {
        let mut document = json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://idp.example/t1/auth",
            "token_endpoint": "https://idp.example/t1/token",
            "jwks_uri": "https://idp.example/t1/jwks",
        });
        for (name, value) in change {
            document[*name] = value.clone();
        }
        let document: Document = serde_json::from_value(document).unwrap();
        document.read(ISSUER, &["keys.idp-cdn.example".to_owned()])
    }

    #[test]
    fn oid_13_a_document_of_another_issuer_is_refused() {
        for issuer in [
            "https://idp.example/t1/",
            "https://idp.example/t2",
            "https://IDP.example/t1",
            "",
        ] {
            let refused = read(&[("issuer", json!(issuer))]);
            assert!(matches!(refused, Err(DiscoveryError::Issuer)), "{issuer}");
        }
        assert!(read(&[]).is_ok());
    }

    #[test]
    fn oid_13_an_endpoint_elsewhere_is_refused() {
        for place in [
            "http://idp.example/t1/jwks",
            "https://169.254.169.254/jwks",
            "http://169.254.169.254/latest/meta-data",
            "https://evil.example/jwks",
            "https://idp.example.evil.example/jwks",
            "https://idp.example@evil.example/jwks",
            "https://user:pass@idp.example/jwks",
            "file:///etc/passwd",
            "//evil.example/jwks",
            "http://localhost/jwks",
            "http://keys.idp-cdn.example/jwks",
        ] {
            for name in ["jwks_uri", "token_endpoint", "authorization_endpoint"] {
                let refused = read(&[(name, json!(place))]);
                assert!(
                    matches!(refused, Err(DiscoveryError::Endpoint(n)) if n == name),
                    "{name} {place}"
                );
            }
        }
        assert!(read(&[("jwks_uri", json!("https://keys.idp-cdn.example/jwks"))]).is_ok());
    }

    #[test]
    fn oid_04_a_provider_without_s256_is_refused() {
        let plain = [("code_challenge_methods_supported", json!(["plain"]))];
        assert!(read(&plain).is_err());
        assert!(read(&[("response_types_supported", json!(["id_token", "token"]))]).is_err());
    }

    #[test]
    fn none_and_hmac_are_never_taken_though_they_are_listed() {
        let listed = [(
            "id_token_signing_alg_values_supported",
            json!(["none", "HS256", "ES256"]),
        )];
        assert_eq!(read(&listed).map(|p| p.algs).unwrap(), [Alg::ES256]);
        let weak = [(
            "id_token_signing_alg_values_supported",
            json!(["none", "HS256"]),
        )];
        assert!(read(&weak).is_err());
    }
}
