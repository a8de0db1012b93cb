//! `[upstream.federation]`: a provider that gives a token for an assertion of ours.

use bauta_token::scope::Name;
use http::Uri;
use serde::Deserialize;
use thiserror::Error;

use super::{BaseUrlError, Endpoint, UpstreamConfig};
use crate::dialect::Dialect;

/// What the provider's administrator was shown when the trust in this gateway was set up.
///
/// `audience` is what the provider's rule demands in `aud`; `subject` what it matches in `sub`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(tag = "at", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum FederationConfig {
    /// `POST {base_url}/v1/oauth/token`, RFC 7523.
    Anthropic {
        /// `aud` of the assertion.
        audience: String,
        /// `sub` of the assertion.
        #[serde(default = "subject")]
        subject: String,
        /// The federation rule, `fdrl_...`.
        rule: String,
        /// The organisation's UUID.
        organization: String,
        /// The service account that the rule targets, `svac_...`.
        service_account: String,
        /// The workspace the token is for, `wrkspc_...` or `default`; the rule's only one when
        /// left out.
        workspace: Option<String>,
        /// Where tokens are given; `{base_url}/v1/oauth/token` when left out.
        token_url: Option<String>,
    },
    /// `POST https://auth.openai.com/oauth/token`, RFC 8693.
    OpenAi {
        /// `aud` of the assertion.
        audience: String,
        /// `sub` of the assertion.
        #[serde(default = "subject")]
        subject: String,
        /// The workload identity provider that this gateway was registered as.
        identity_provider: String,
        /// The service account that its mapping names.
        service_account: String,
        /// Where tokens are given; OpenAI's own when left out.
        token_url: Option<String>,
    },
}

impl FederationConfig {
    /// `aud` of the assertion.
    #[must_use]
    pub fn audience(&self) -> &str {
        match self {
            Self::Anthropic { audience, .. } | Self::OpenAi { audience, .. } => audience,
        }
    }

    /// `sub` of the assertion.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::Anthropic { subject, .. } | Self::OpenAi { subject, .. } => subject,
        }
    }

    /// Where the tokens of `upstream` are given.
    pub(crate) fn token_uri(&self, upstream: &UpstreamConfig) -> Result<Uri, FederationError> {
        let refused = |cause| FederationError::TokenUrl {
            name: upstream.name.clone(),
            cause,
        };
        if upstream.dialect != self.dialect() {
            return Err(FederationError::Dialect(upstream.name.clone()));
        }
        // A token endpoint is no API: to a path that is written out, nothing is appended.
        let whole = |url| Endpoint::parse(Dialect::OpenAi, url);
        let (endpoint, path) = match self {
            Self::Anthropic { token_url, .. } => match token_url {
                Some(url) => (whole(url), ""),
                None => (upstream.endpoint(), "/v1/oauth/token"),
            },
            Self::OpenAi { token_url, .. } => (whole(token_url.as_deref().unwrap_or(OPENAI)), ""),
        };
        let endpoint = endpoint.map_err(refused)?;
        endpoint
            .below(path)
            .ok_or_else(|| refused(BaseUrlError::Path))
    }

    const fn dialect(&self) -> Dialect {
        match self {
            Self::Anthropic { .. } => Dialect::Anthropic,
            Self::OpenAi { .. } => Dialect::OpenAi,
        }
    }
}

fn subject() -> String {
    "bauta-gateway".to_owned()
}

const OPENAI: &str = "https://auth.openai.com/oauth/token";

/// Why `[upstream.federation]` is refused.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum FederationError {
    /// A provider of another dialect.
    #[error("upstream {0}: federation.at names a provider that does not speak its dialect")]
    Dialect(Name),
    /// The token endpoint is none that may be called.
    #[error("upstream {name}: the token_url of its federation is refused: {}", .cause.to_string().replace("base_url", "it"))]
    TokenUrl {
        /// The upstream.
        name: Name,
        /// What is wrong with it.
        cause: BaseUrlError,
    },
    /// A key and a federation.
    #[error(
        "upstream {0} has a credential and a federation; a gateway that federates needs no key: \
         leave the credential out"
    )]
    Both(Name),
    /// Nobody signs.
    #[error("upstream {0} federates, and there is no [federation] with a key to sign with")]
    NoIssuer(Name),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_asked_for_where_the_provider_gives_it() {
        let cases = [
            (
                ANTHROPIC,
                "anthropic",
                "",
                "https://api.example/v1/oauth/token",
            ),
            (
                ANTHROPIC,
                "anthropic",
                r#","token_url":"https://a.example/t""#,
                "https://a.example/t",
            ),
            (OPENAI_TABLE, "openai", "", OPENAI),
            (
                OPENAI_TABLE,
                "openai",
                r#","token_url":"http://127.0.0.1:9/oauth/token""#,
                "http://127.0.0.1:9/oauth/token",
            ),
        ];
        for (table, dialect, more, expected) in cases {
            let upstream = upstream(dialect, &format!("{table}{more}"));

            let federation = upstream.federation.as_ref().unwrap();
            let uri = federation.token_uri(&upstream).unwrap();

            assert_eq!(uri.to_string(), expected);
            assert_eq!(federation.subject(), "bauta-gateway");
        }
    }

    #[test]
    fn srf_01_a_token_url_is_checked_like_every_other() {
        for bad in ["http://a.example/t", "https://169.254.169.254/t", "x"] {
            let more = format!(r#"{ANTHROPIC},"token_url":"{bad}""#);
            let upstream = upstream("anthropic", &more);

            let federation = upstream.federation.as_ref().unwrap();

            assert!(federation.token_uri(&upstream).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_provider_is_federated_with_in_its_own_dialect_only() {
        let upstream = upstream("openai", ANTHROPIC);

        let federation = upstream.federation.as_ref().unwrap();

        assert_eq!(
            federation.token_uri(&upstream),
            Err(FederationError::Dialect(upstream.name.clone()))
        );
    }

    #[test]
    fn a_key_that_nobody_knows_is_refused() {
        let text = text("anthropic", &format!(r#"{ANTHROPIC},"colour":"x""#));

        assert!(serde_json::from_str::<UpstreamConfig>(&text).is_err());
    }

    const ANTHROPIC: &str = r#""at":"anthropic","audience":"https://a","rule":"fdrl_1",
        "organization":"o","service_account":"svac_1""#;
    const OPENAI_TABLE: &str = r#""at":"openai","audience":"https://a",
        "identity_provider":"wip_1","service_account":"sa_1""#;

    fn upstream(dialect: &str, federation: &str) -> UpstreamConfig {
        serde_json::from_str(&text(dialect, federation)).unwrap()
    }

    fn text(dialect: &str, federation: &str) -> String {
        format!(
            r#"{{"name":"a","dialect":"{dialect}","base_url":"https://api.example",
                "federation":{{{federation}}}}}"#
        )
    }
}
