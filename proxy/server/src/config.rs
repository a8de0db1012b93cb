//! `bauta.toml`: composed from the sections of both planes, parsed and checked whole.
//!
//! A configuration is hostile input: bounded in size, unknown keys are errors that name the
//! nearest known one, and nothing is taken from it before all of it is understood.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use bauta_attestation::config::{
    Admin, Oauth, PolicyConfig, Scim, ScopeRule, Sso, VerifierConfig, WorkloadRule,
};
use bauta_proxy::{
    config::{GuardConfig, ModelConfig, UpstreamConfig},
    settings::ClaudeCode,
};
use bauta_token::scope::{ModelName, Name, Privacy};
use serde::Deserialize;
use thiserror::Error;

use crate::secret::SecretRef;

pub(crate) mod nearest;
mod quotes;

/// All of `bauta.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Addresses.
    pub server: Server,
    /// Databases.
    pub storage: Storage,
    /// Key material; a role resolves only its own plane's.
    #[serde(default)]
    pub keys: Keys,
    /// The corporate identity provider. The identity plane needs it.
    pub sso: Option<Sso<SecretRef>>,
    /// What the console asks of administrators.
    #[serde(default)]
    pub admin: Admin,
    /// The token endpoints.
    #[serde(default)]
    pub oauth: Oauth,
    /// Who else may ask whether a token is good; nobody when left out.
    pub introspection: Option<Introspection>,
    /// Builds that prove who they are by the platform they run on.
    #[serde(default)]
    pub workload: Vec<WorkloadRule>,
    /// The directory interface.
    #[serde(default)]
    pub scim: Scim,
    /// Who may verify a person.
    #[serde(default)]
    pub verifier: Vec<VerifierConfig<SecretRef>>,
    /// Eligibility rules by name.
    #[serde(default)]
    pub policy: BTreeMap<Name, PolicyConfig>,
    /// Traces; none when left out.
    pub telemetry: Option<Telemetry>,
    /// The gateway as an issuer, for upstreams that give a token for an assertion of its own.
    pub federation: Option<Federation>,
    /// Places that answer model requests.
    #[serde(default)]
    pub upstream: Vec<UpstreamConfig>,
    /// What clients may ask for.
    #[serde(default)]
    pub model: Vec<ModelConfig>,
    /// What becomes of an identity that a client puts into a prompt by itself.
    #[serde(default)]
    pub guard: GuardConfig,
    /// What a signed-in Claude Code works by.
    #[serde(default)]
    pub claude_code: ClaudeCode,
    /// What tokens may be used for.
    #[serde(default)]
    pub scope: Vec<ScopeRule>,
}

/// `[server]`: where people and clients reach Bauta, and where it listens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Portal, OAuth and webhooks, as people and vendors write it. An origin without a path.
    pub public_url: String,
    /// Where tokens are used; the only audience they name. May equal `public_url`.
    pub gateway_url: String,
    /// Where the identity plane listens, and the gateway where `gateway_listen` is absent.
    pub listen: SocketAddr,
    /// Where the gateway listens; the same address serves both planes at one origin.
    pub gateway_listen: Option<SocketAddr>,
    /// TLS by this server itself; absent behind a proxy that does it.
    pub tls: Option<TlsFiles>,
    /// `/healthz`, `/readyz` and `/metrics`; never public.
    pub ops_listen: Option<SocketAddr>,
    /// Where a gateway of its own process pulls the feed from; the identity plane's `public_url`
    /// when absent.
    pub feed_url: Option<String>,
    /// The identity log's verification key; a gateway of its own process needs it and nothing else
    /// of the identity plane.
    pub identity_log_key: Option<String>,
}

/// `[server.tls]`: PEM files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate and those that lead to its root.
    pub cert: PathBuf,
    /// Its private key; readable by its owner only.
    pub key: PathBuf,
}

/// `[storage]`: one database for each plane.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// `sqlite://path` or `postgres://...`.
    pub identity: Option<String>,
    /// `sqlite://path` or `postgres://...`; never the same as `identity`.
    pub gateway: Option<String>,
    /// What a commit means before an upstream byte is sent.
    #[serde(default)]
    pub audit_durability: AuditDurability,
}

/// `audit_durability`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AuditDurability {
    /// A record survives a power cut.
    #[default]
    Fsync,
    /// A record survives the process, not the machine. Said in each export made under it.
    Os,
}

/// `[keys]`: where the root secrets are.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Identity plane: makes tags worthless to whoever steals the database.
    pub pepper: Option<SecretRef>,
    /// Identity plane: seals cells, and the other keys are derived from it.
    pub kek: Option<SecretRef>,
    /// Gateway plane: its log key and cache keys are derived from it.
    pub gateway: Option<SecretRef>,
}

/// `[introspection]`: a resource server besides the gateway, which never asks (RFC 7662).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Introspection {
    /// What it presents, as a bearer token.
    pub secret: SecretRef,
}

/// `[telemetry]`: traces of some requests of the gateway, in which nobody is named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Where the collector takes OTLP over HTTP, without `/v1/traces`: `https`, or `http` on
    /// loopback.
    pub otlp: String,
    /// What the collector is shown: the whole value of the `Authorization` header, such as
    /// `Bearer ...`.
    pub authorization: Option<SecretRef>,
    /// One request in so many is traced.
    #[serde(default = "one_in")]
    pub one_in: u32,
}

/// `[federation]`: what the gateway signs its assertions with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Federation {
    /// PKCS#8 files, P-256 or RSA. The first signs, all are published: a new key is added at the
    /// end, put first when the providers have it, and the old one taken out a day later.
    pub keys: Vec<SecretRef>,
}

impl Config {
    /// Reads and checks `file`, with `BAUTA__SECTION__KEY` from the environment on top.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says which key, why, and what to write instead.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let size = fs::metadata(file)
            .map_err(|e| ConfigError::io(file, e))?
            .len();
        if size > LIMIT {
            return Err(ConfigError::Invalid(format!(
                "{} is longer than {LIMIT} bytes",
                file.display()
            )));
        }
        let text = fs::read_to_string(file).map_err(|e| ConfigError::io(file, e))?;
        let overrides = std::env::vars().filter(|(name, _)| name.starts_with(OVERRIDE));
        Self::parse(&text, overrides)
    }

    /// Checks `text` with `overrides` on top.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says which key, why, and what to write instead.
    pub fn parse(
        text: &str,
        overrides: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table: toml::Table = text.parse().map_err(|e| unread(text, &e))?;
        for (name, value) in overrides {
            place(&mut table, &name, &value)?;
        }
        let config: Self = table.try_into().map_err(|e| invalid(&e))?;
        config.check()?;
        Ok(config)
    }

    /// What no single section can see.
    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |text: String| Err(ConfigError::Invalid(text));
        for (key, url) in [
            ("public_url", &self.server.public_url),
            ("gateway_url", &self.server.gateway_url),
        ] {
            if !is_origin(url) {
                return refuse(format!(
                    "server.{key} is \"{url}\"; write an https origin without a path or slash at \
                     its end (http only on loopback), such as \"https://ai.example.com\""
                ));
            }
        }
        if let Some(telemetry) = &self.telemetry
            && !is_origin(&telemetry.otlp)
        {
            return refuse(format!(
                "telemetry.otlp is \"{}\"; write an https origin without a path or slash at its \
                 end (http only on loopback), such as \"http://127.0.0.1:4318\"",
                telemetry.otlp
            ));
        }
        for (key, url) in [
            ("identity", &self.storage.identity),
            ("gateway", &self.storage.gateway),
        ] {
            // The URL is not repeated: it may hold a password.
            if url
                .as_deref()
                .is_some_and(|url| !bauta_storage::is_url(url))
            {
                return refuse(format!(
                    "storage.{key} names no database that there is a backend for; write \
                     \"sqlite://data/{key}.db\" or \"postgres://user@host/name\""
                ));
            }
        }
        if self.storage.identity.is_some() && self.storage.identity == self.storage.gateway {
            return refuse(
                "storage.identity and storage.gateway are the same database; the planes must \
                 not meet: give each its own"
                    .to_owned(),
            );
        }
        unique("scope", self.scope.iter().map(|s| s.name.as_str()))?;
        unique("model", self.model.iter().map(|m| m.name.as_str()))?;
        unique("upstream", self.upstream.iter().map(|u| u.name.as_str()))?;
        for model in &self.model {
            if let Some(gate) = model
                .gated_by
                .as_ref()
                .filter(|g| !self.policy.contains_key(*g))
            {
                return refuse(format!(
                    "model \"{}\" is gated by \"{gate}\", and there is no [policy.{gate}]",
                    model.name
                ));
            }
        }
        for scope in &self.scope {
            if scope.privacy != Privacy::Sealed {
                return refuse(format!(
                    "scope \"{}\" asks for privacy = \"anonymous\", which this version does not \
                     serve; write \"sealed\", which is pseudonymous and not anonymous, or leave \
                     the scope out",
                    scope.name
                ));
            }
            let unknown = |name: &&ModelName| !self.model.iter().any(|m| m.name == **name);
            if let Some(model) = scope.models.iter().find(unknown) {
                return refuse(format!(
                    "scope \"{}\" lists model \"{model}\", and there is no [[model]] of that name",
                    scope.name
                ));
            }
        }
        Ok(())
    }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            let text = format!("{what} \"{name}\" is there twice");
            return Err(ConfigError::Invalid(text));
        }
    }
    Ok(())
}

/// Why a configuration is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{path} cannot be read: {cause}; `bauta init` writes a configuration")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It says something that cannot be.
    #[error("{0}")]
    Invalid(String),
}

impl ConfigError {
    fn io(path: &Path, cause: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            cause,
        }
    }
}

/// `BAUTA__SERVER__LISTEN=...` becomes `server.listen`. A value that reads as TOML is taken as
/// that, anything else as text.
fn place(table: &mut toml::Table, name: &str, value: &str) -> Result<(), ConfigError> {
    let path = name.strip_prefix(OVERRIDE).unwrap_or(name).to_lowercase();
    let mut parts: Vec<_> = path.split("__").collect();
    let Some(last) = parts.pop().filter(|last| !last.is_empty()) else {
        return Err(ConfigError::Invalid(format!("{name} names no key")));
    };
    let mut at = table;
    for part in parts {
        at = at
            .entry(part)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(|| {
                ConfigError::Invalid(format!(
                    "{name} goes through \"{part}\", which is no section; lists of sections are \
                     set in the file"
                ))
            })?;
    }
    let value = format!("v = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    at.insert(last.to_owned(), value);
    Ok(())
}

/// What is no TOML.
fn unread(text: &str, error: &toml::de::Error) -> ConfigError {
    let hint = error.span().map(|span| quotes::around(text, span.start));
    let told = error.to_string();
    ConfigError::Invalid(format!("{}{}", told.trim_end(), hint.unwrap_or_default()))
}

/// What is TOML and no configuration.
fn invalid(error: &toml::de::Error) -> ConfigError {
    let text = error.to_string();
    let nearest = nearest::hint(error.message());
    let quotes = quotes::instead_of_number(error.message());
    // The place, where there is one, is a line of its own and comes last.
    let (what, place) = text
        .trim_end()
        .split_once('\n')
        .unwrap_or((text.trim_end(), ""));
    let place = if place.is_empty() {
        String::new()
    } else {
        format!(" {}", place.trim())
    };
    ConfigError::Invalid(format!("{what}{nearest}{quotes}{place}"))
}

/// `https://host[:port]`, or `http` on loopback.
fn is_origin(text: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(text) else {
        return false;
    };
    let loopback = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    let scheme = url.scheme() == "https" || (url.scheme() == "http" && loopback);
    scheme && url.origin().ascii_serialization() == text
}

const fn one_in() -> u32 {
    100
}

const OVERRIDE: &str = "BAUTA__";

/// A configuration is a page or two.
const LIMIT: u64 = 1_048_576;

#[cfg(test)]
mod tests;
