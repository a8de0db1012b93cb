//! A platform that signs tokens for its builds: its keys, and what a token of it must be.

use std::sync::Arc;

use bauta_token::{
    jws::{Alg, ForeignRule, Jwks, JwsError, Purpose, verify_foreign},
    units::UnixMillis,
};
use serde::Deserialize;
use url::Url;

use super::WorkloadError;
use crate::{
    config::WorkloadRule,
    login::{
        discovery::{Discovery, DiscoveryError, Published, algs, endpoint},
        id_token::Claims,
    },
};

/// One issuer, and where its keys come from.
pub(super) struct Platform {
    issuer: String,
    keys: Source,
}

enum Source {
    /// Its discovery document, at most once a minute.
    Published(Discovery<Endpoints>),
    /// A file that was read at start.
    Kept(Arc<Jwks>),
    /// A file that holds no keys, or was not read.
    Nowhere,
}

impl Platform {
    pub(super) fn new(rule: &WorkloadRule, http: reqwest::Client) -> Self {
        let issuer = rule.issuer.clone();
        let keys = match (&rule.keys_file, &rule.keys) {
            (None, _) => {
                let hosts = rule.hosts.clone();
                Source::Published(Discovery::of(http, issuer.clone(), hosts, PATIENCE))
            }
            (Some(_), Some(json)) => {
                Jwks::parse(json).map_or(Source::Nowhere, |keys| Source::Kept(Arc::new(keys)))
            }
            (Some(_), None) => Source::Nowhere,
        };
        Self { issuer, keys }
    }

    /// The claims of a token that this platform signed for `audience`. An unknown key, or a known
    /// one that does not fit any more, is looked up anew once.
    pub(super) async fn verified(
        &self,
        token: &str,
        audience: &str,
        now: UnixMillis,
    ) -> Result<Claims, WorkloadError> {
        let (keys, algs) = self.keys(now).await?;
        let mut rule = ForeignRule::new(Purpose::Workload, self.issuer.as_str(), audience, algs);
        rule.max_life_seconds = LONGEST_LIFE;
        let check = |keys: &Jwks| verify_foreign::<Claims>(token, keys, &rule, now);
        match (check(&keys), &self.keys) {
            (Err(JwsError::UnknownKey | JwsError::Signature), Source::Published(discovery)) => {
                let newer = discovery.newer_keys(&keys, now).await?;
                Ok(check(newer.as_ref().unwrap_or(&keys))?)
            }
            (outcome, _) => Ok(outcome?),
        }
    }

    /// Its keys, and the algorithms it says it signs with.
    pub(super) async fn keys(
        &self,
        now: UnixMillis,
    ) -> Result<(Arc<Jwks>, Vec<Alg>), DiscoveryError> {
        match &self.keys {
            Source::Published(discovery) => {
                // Keys first: with them the endpoints are there too, and were asked for with care.
                let keys = discovery.keys(now).await?;
                let algs = discovery.provider(now).await?.algs.clone();
                Ok((keys, algs))
            }
            Source::Kept(keys) => Ok((Arc::clone(keys), Alg::ALL.to_vec())),
            Source::Nowhere => Err(DiscoveryError::Form("keys_file")),
        }
    }
}

/// What a platform's discovery document must say: nobody signs in there.
struct Endpoints {
    keys: Url,
    algs: Vec<Alg>,
}

impl Published for Endpoints {
    fn read(document: &[u8], issuer: &str, hosts: &[String]) -> Result<Self, DiscoveryError> {
        #[derive(Deserialize)]
        struct Document {
            issuer: String,
            jwks_uri: String,
            id_token_signing_alg_values_supported: Option<Vec<String>>,
        }
        let document: Document =
            serde_json::from_slice(document).map_err(|_| DiscoveryError::Form("document"))?;
        if document.issuer != issuer {
            return Err(DiscoveryError::Issuer);
        }
        Ok(Self {
            keys: endpoint(&document.jwks_uri, issuer, hosts)
                .ok_or(DiscoveryError::Endpoint("jwks_uri"))?,
            algs: algs(document.id_token_signing_alg_values_supported.as_deref())?,
        })
    }

    fn keys(&self) -> &Url {
        &self.keys
    }
}

/// A day: the token of a job that runs for longer is not taken.
pub(super) const LONGEST_LIFE: i64 = 86_400;
/// Five seconds: whoever shows tokens of a platform that is away does not make us call it each time.
const PATIENCE: u64 = 5_000;
