//! The `[[upstream]]` and `[[model]]` tables of `bauta.toml`, and what they become.
//!
//! A configuration is hostile input: it is checked whole at load, and what is built from it
//! (authorities, paths) is constant from then on. Nothing of a request ever reaches a URI.

use std::{collections::BTreeMap, net::IpAddr, num::NonZeroU32};

use bauta_token::scope::{ModelName, Name};
use http::{Uri, uri::Scheme};
use serde::Deserialize;
use thiserror::Error;

use crate::{
    admit::{Route, Version, segment},
    dialect::Dialect,
    price::Price,
};

mod federation;
mod guard;
mod keys;
mod secret;
mod wait;

pub use self::{
    federation::{FederationConfig, FederationError},
    guard::{Action, GuardConfig},
    keys::{KeySource, KeySources},
    secret::SecretSource,
    wait::{TimeoutsConfig, Wait},
};

/// One `[[upstream]]`: a place that answers model requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct UpstreamConfig {
    /// What targets call it, and what `bauta-served-by` shows.
    pub name: Name,
    /// Whose pseudonym it sees; its own name when left out. Two doors of one provider share one.
    pub provider: Option<Name>,
    /// Which wire format it speaks.
    pub dialect: Dialect,
    /// `https` anywhere, `http` only on loopback. As an SDK takes it: for `anthropic` without
    /// `/v1`, for `gemini` without `/v1beta`, for `openai` with its version (`/v1` when there is no path at all).
    pub base_url: String,
    /// What we show to it: one key, or several. A local server may need none.
    pub credential: Option<KeySources>,
    /// How a token is got for an assertion of ours, in the place of any key.
    pub federation: Option<FederationConfig>,
    /// What becomes of the `metadata` a client sets in the `openai` dialect. It is free text and
    /// often names a customer or a colleague.
    #[serde(default)]
    pub metadata: Metadata,
    /// Where the pseudonym goes when the client names no end user.
    #[serde(default)]
    pub end_user: EndUser,
    /// How long it is waited for, where that differs from the usual.
    #[serde(default)]
    pub timeouts: TimeoutsConfig,
}

impl UpstreamConfig {
    /// Whose pseudonym this upstream sees.
    #[must_use]
    pub fn provider(&self) -> &Name {
        self.provider.as_ref().unwrap_or(&self.name)
    }

    /// Where it answers.
    ///
    /// # Errors
    ///
    /// [`BaseUrlError`] when the URL is not one this gateway may call.
    pub fn endpoint(&self) -> Result<Endpoint, BaseUrlError> {
        Endpoint::parse(self.dialect, &self.base_url)
    }
}

/// What becomes of `metadata` in the `openai` dialect.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Metadata {
    /// Emptied.
    #[default]
    Drop,
    /// Sent as it came: the operator answers for what clients write into it.
    Keep,
}

/// Where the pseudonym goes when the client names no end user. A value of the client's is replaced
/// in any case.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndUser {
    /// Where the dialect keeps it: `metadata.user_id`, `safety_identifier`, or `user` for
    /// embeddings.
    #[default]
    Standard,
    /// `user`, for servers that speak the `openai` dialect of old.
    User,
    /// Nowhere, for servers that refuse a field they do not know.
    Off,
}

/// One `[[model]]`: what clients may ask for and who answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelConfig {
    /// What clients ask for. The exact names at its targets are accepted as well.
    pub name: ModelName,
    /// What else clients call it: the names that come built into them.
    #[serde(default)]
    pub aliases: Vec<ModelName>,
    /// The policy a member must satisfy; anyone with the scope may ask when left out.
    pub gated_by: Option<Name>,
    /// Who answers, tried in order.
    pub targets: Vec<TargetConfig>,
    /// Who answers when the gate is not satisfied or no target is available. Never gated.
    #[serde(default)]
    pub fallback: Vec<TargetConfig>,
    /// What it costs, or `"free"`. Left out, what a provider asks for the model by the list that
    /// comes with this program, where the upstream is that provider.
    pub price: Option<Price>,
    /// What it costs at a tier of service that a request asks for by name (`service_tier`, `speed`,
    /// `inference_geo`). A tier that has no price here is refused.
    #[serde(default)]
    pub tiers: BTreeMap<Name, Price>,
    /// The most tokens it writes in one answer; what a request that names no limit may cost.
    #[serde(default = "max_output")]
    pub max_output: u32,
    /// The most tokens it reads at once; what a request that points at something outside its body
    /// (an image, a file, an earlier answer) may cost.
    #[serde(default = "context")]
    pub context: u32,
}

/// One of the places that answer for a model.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TargetConfig {
    /// Which upstream.
    pub upstream: Name,
    /// What the model is called there.
    pub model: ModelName,
    /// What it costs there, when that differs from the model's price. The model's tiers are not for
    /// it then.
    pub price: Option<Price>,
    /// What its tiers of service cost there, when they differ from the model's.
    pub tiers: Option<BTreeMap<Name, Price>>,
    /// Its share of the work. Neighbours in the list that all have one share it: a grant stays
    /// with one of them, so that a provider's cache finds its prompts again, and goes to the others
    /// when that one fails. Without, targets are tried in order.
    pub weight: Option<NonZeroU32>,
}

/// Where an upstream answers: scheme, authority and a constant URI per route.
///
/// Built once from configuration. No part of a request can change a byte of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    scheme: Scheme,
    authority: String,
    base: String,
}

impl Endpoint {
    /// Reads a `base_url`.
    ///
    /// # Errors
    ///
    /// [`BaseUrlError`] names what is wrong with it.
    pub fn parse(dialect: Dialect, text: &str) -> Result<Self, BaseUrlError> {
        let uri: Uri = text.parse().map_err(|_| BaseUrlError::Malformed)?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(BaseUrlError::Malformed);
        };
        if text.contains('#') || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(BaseUrlError::Extra);
        }
        let loopback = host(authority.host())?;
        match scheme.as_str() {
            "https" => {}
            "http" if loopback => {}
            "http" => return Err(BaseUrlError::Plain),
            _ => return Err(BaseUrlError::Scheme),
        }
        Ok(Self {
            scheme: scheme.clone(),
            authority: authority.as_str().to_ascii_lowercase(),
            base: base(dialect, uri.path())?,
        })
    }

    /// The URI of `route`, or `None` for a route no upstream serves.
    #[must_use]
    pub fn uri(&self, route: Route, beta: bool) -> Option<Uri> {
        let path = route.upstream_path()?;
        let query = if beta { "?beta=true" } else { "" };
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.as_str())
            .path_and_query(format!("{}{path}{query}", self.base))
            .build()
            .ok()
    }

    /// The URI of a `route` that has the model in its path, or `None` when it has not, or when the
    /// name cannot stand there. `model` is the target's name, which is configuration's: what a
    /// caller wrote is only ever compared with it.
    #[must_use]
    pub fn model_uri(&self, route: Route, version: Version, model: &ModelName) -> Option<Uri> {
        let verb = route.verb()?;
        let model = segment(model.as_str())?;
        let version = version.segment();
        let path = format!("{}/{version}/models/{model}:{verb}", self.base);
        let path = match route.query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.as_str())
            .path_and_query(path)
            .build()
            .ok()
    }

    /// The URI of a constant `path` below the base, which begins with a slash or is empty.
    pub(crate) fn below(&self, path: &'static str) -> Option<Uri> {
        let whole = format!("{}{path}", self.base);
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.as_str())
            .path_and_query(if whole.is_empty() { "/" } else { &whole })
            .build()
            .ok()
    }

    /// Host and port, as the connection needs them.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Host and port for a plain connection, with the scheme's port where none is written.
    #[must_use]
    pub fn address(&self) -> String {
        let port = if self.is_tls() { 443 } else { 80 };
        let written = self.authority.rsplit_once(':');
        // A colon inside brackets is part of an IPv6 address.
        if written.is_some_and(|(_, port)| !port.contains(']')) {
            return self.authority.clone();
        }
        format!("{}:{port}", self.authority)
    }

    /// Whether the connection is encrypted; it always is off this machine.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }
}

/// The path that every route is appended to, without a slash at the end.
fn base(dialect: Dialect, path: &str) -> Result<String, BaseUrlError> {
    let path = path.trim_end_matches('/');
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    let dotted = path.split('/').any(|part| part == "." || part == "..");
    if !path.bytes().all(plain) || path.contains("//") || dotted {
        return Err(BaseUrlError::Path);
    }
    match dialect {
        // Its SDKs append `/v1/messages` themselves; a doubled version is always a mistake.
        Dialect::Anthropic if path.ends_with("/v1") => Err(BaseUrlError::Version),
        Dialect::Gemini if path.ends_with("/v1") || path.ends_with("/v1beta") => {
            Err(BaseUrlError::Version)
        }
        Dialect::OpenAi if path.is_empty() => Ok("/v1".to_owned()),
        _ => Ok(path.to_owned()),
    }
}

/// Whether `host` is this machine.
///
/// An address is taken in its one canonical spelling only: `0x7f.1`, `2130706433` and mapped
/// IPv6 addresses mean different hosts to different resolvers.
fn host(host: &str) -> Result<bool, BaseUrlError> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return if may_be_upstream(address) {
            Ok(address.is_loopback())
        } else {
            Err(BaseUrlError::Address)
        };
    }
    let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    let labels = bare.split('.').all(|label| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    });
    // The last label of a name is never numeric (RFC 1123, section 2.1); one that is would be an
    // address in a spelling that some parsers read.
    let last = bare.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().next().is_some_and(|b| b.is_ascii_digit());
    if !bare.bytes().all(letters) || !labels || numeric || bare.len() > 253 {
        return Err(BaseUrlError::Host);
    }
    Ok(bare.eq_ignore_ascii_case("localhost"))
}

/// Whether an upstream may have this address. None has one that is link-local (cloud metadata), a
/// carrier's (100.64.0.0/10, RFC 6598), unspecified, multicast, mapped or tunnelled, nor the
/// metadata address of the one cloud that has its own.
pub(crate) fn may_be_upstream(address: IpAddr) -> bool {
    !match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let carrier = first == 100 && (64..128).contains(&second);
            first == 0 || carrier || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast()
        }
        IpAddr::V6(v6) if v6.segments() == AMAZON => true,
        IpAddr::V6(v6) => {
            let mapped = matches!(v6.segments(), [0, 0, 0, 0, 0, 0 | 0xffff, _, _]);
            let tunnelled = matches!(
                v6.segments(),
                [0x0064, 0xff9b, ..] | [0x2002, ..] | [0x2001, 0, ..]
            );
            v6.is_multicast()
                || v6.is_unicast_link_local()
                || tunnelled
                || (mapped && !v6.is_loopback())
        }
    }
}

/// Where Amazon's metadata service answers over IPv6.
const AMAZON: [u16; 8] = [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254];

/// Why a `base_url` is refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum BaseUrlError {
    /// Not an absolute URL.
    #[error("base_url is not an absolute URL")]
    Malformed,
    /// Neither `https` nor `http`.
    #[error("base_url is https, or http on loopback")]
    Scheme,
    /// Plain `http` to another machine.
    #[error("base_url is plain http to another machine: use https")]
    Plain,
    /// User information, a query or a fragment.
    #[error("base_url carries a user, a query or a fragment")]
    Extra,
    /// Not a host name in its one spelling.
    #[error("base_url names a host in a spelling that is not canonical")]
    Host,
    /// An address that is never an upstream.
    #[error("base_url names a link-local, carrier, mapped or unspecified address")]
    Address,
    /// A path with anything but plain segments.
    #[error("base_url has a path that is not made of plain segments")]
    Path,
    /// A version where the route brings its own.
    #[error("base_url ends in a version, which this dialect appends itself: leave it out")]
    Version,
}

const fn max_output() -> u32 {
    128_000
}

const fn context() -> u32 {
    1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_appended_to_the_base_and_to_nothing_else() {
        let cases = [
            (
                Dialect::Anthropic,
                "https://api.anthropic.com",
                Route::Messages,
                "https://api.anthropic.com/v1/messages",
            ),
            (
                Dialect::Anthropic,
                "https://api.example.com/anthropic/",
                Route::CountTokens,
                "https://api.example.com/anthropic/v1/messages/count_tokens",
            ),
            (
                Dialect::OpenAi,
                "https://api.openai.com",
                Route::Responses,
                "https://api.openai.com/v1/responses",
            ),
            (
                Dialect::OpenAi,
                "https://api.openai.com/v1",
                Route::Embeddings,
                "https://api.openai.com/v1/embeddings",
            ),
            (
                Dialect::OpenAi,
                "http://127.0.0.1:8000/api/paas/v4",
                Route::Chat,
                "http://127.0.0.1:8000/api/paas/v4/chat/completions",
            ),
        ];
        for (dialect, base, route, expected) in cases {
            let endpoint = Endpoint::parse(dialect, base).unwrap();

            assert_eq!(endpoint.uri(route, false).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn url_08_a_model_stands_in_a_path_by_its_configured_name_alone() {
        let endpoint = Endpoint::parse(Dialect::Gemini, "https://g.example/x/").unwrap();
        let uri = |route, model: &str| {
            let model = ModelName::parse(model).unwrap();
            endpoint.model_uri(route, Version::V1Beta, &model)
        };

        assert_eq!(
            uri(Route::StreamGenerateContent, "gemini-3-pro")
                .unwrap()
                .to_string(),
            "https://g.example/x/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse"
        );
        for bad in ["a/b", "..", "a:countTokens", "a@b", "models/a", "//evil"] {
            assert!(uri(Route::GenerateContent, bad).is_none(), "{bad}");
        }
        assert!(uri(Route::Messages, "a").is_none());
    }

    #[test]
    fn an_address_has_a_port_written_or_not() {
        for (base, address) in [
            ("https://a.example", "a.example:443"),
            ("http://127.0.0.1:11434", "127.0.0.1:11434"),
            ("http://[::1]", "[::1]:80"),
            ("https://[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ] {
            let endpoint = Endpoint::parse(Dialect::OpenAi, base).unwrap();

            assert_eq!(endpoint.address(), address);
        }
    }

    #[test]
    fn the_beta_flag_is_a_constant_of_ours() {
        let endpoint = Endpoint::parse(Dialect::Anthropic, "https://a.example").unwrap();

        assert_eq!(
            endpoint.uri(Route::Messages, true).unwrap().to_string(),
            "https://a.example/v1/messages?beta=true"
        );
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in [
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "http://localhost",
            "http://127.9.9.9",
        ] {
            assert!(Endpoint::parse(Dialect::OpenAi, good).is_ok(), "{good}");
        }
        for bad in [
            "http://10.0.0.1",
            "http://example.com",
            "http://localhost.evil.example",
        ] {
            let refused = Endpoint::parse(Dialect::OpenAi, bad);
            assert_eq!(refused, Err(BaseUrlError::Plain), "{bad}");
        }
    }

    #[test]
    fn srf_01_an_address_in_disguise_is_refused() {
        for bad in [
            "https://169.254.169.254",
            "https://2852039166",
            "https://0x7f.1",
            "https://127.1",
            "https://[::ffff:7f00:1]",
            "https://localhost.",
            "https://0.0.0.0",
            "https://[fe80::1]",
            "https://[64:ff9b::a9fe:a9fe]",
            "https://[2002:7f00:1::]",
            "https://[2001::1]",
            "https://[::]",
            "https://[::127.0.0.1]",
            "https://017700000001",
        ] {
            assert!(Endpoint::parse(Dialect::OpenAi, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn srf_06_addresses_of_tunnels_carriers_and_zones_are_refused() {
        for bad in [
            "https://100.64.0.1",
            "https://100.127.255.254",
            "https://[fe80::1%25eth0]",
            "https://[fe80::1%eth0]",
            "https://[64:ff9b::7f00:1]",
            "https://[2002:a9fe:a9fe::]",
            "https://[2001:0:1::1]",
            "https://[fd00:ec2::254]",
            "https://0.0.0.0",
            "https://0",
        ] {
            assert!(Endpoint::parse(Dialect::OpenAi, bad).is_err(), "{bad}");
        }
        for good in [
            "https://100.63.0.1",
            "https://100.128.0.1",
            "https://10.0.0.1",
        ] {
            assert!(Endpoint::parse(Dialect::OpenAi, good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_base_url_has_nothing_but_scheme_host_and_path() {
        for bad in [
            "api.openai.com",
            "/v1",
            "ftp://a.example",
            "https://u:p@a.example",
            "https://a.example/?x=1",
            "https://a.example/#f",
            "https://a.example/a/../b",
            "https://a.example//b",
            "https://a.example/%2e",
            "",
            "https://",
        ] {
            assert!(Endpoint::parse(Dialect::OpenAi, bad).is_err(), "{bad}");
        }
        for (dialect, doubled) in [
            (Dialect::Anthropic, "https://a.example/v1"),
            (Dialect::Gemini, "https://a.example/v1"),
            (Dialect::Gemini, "https://a.example/v1beta/"),
        ] {
            let refused = Endpoint::parse(dialect, doubled);
            assert_eq!(refused, Err(BaseUrlError::Version), "{doubled}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let upstream =
            r#"{"name":"a","dialect":"openai","base_url":"https://a.example","colour":1}"#;

        assert!(serde_json::from_str::<UpstreamConfig>(upstream).is_err());
    }
}
