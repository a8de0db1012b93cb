//! The words of an exchange: an assertion of ours for a token of the provider's.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::config::FederationConfig;

/// What a provider gave.
pub(super) struct Given {
    pub(super) token: Zeroizing<String>,
    /// For how long, in seconds.
    pub(super) life_s: i64,
}

/// What is sent, beside the assertion only what configuration says.
pub(super) fn body(config: &FederationConfig, assertion: &str) -> Vec<u8> {
    let body = match config {
        FederationConfig::Anthropic {
            rule,
            organization,
            service_account,
            workspace,
            ..
        } => {
            let mut body = json!({
                "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                "assertion": assertion,
                "federation_rule_id": rule,
                "organization_id": organization,
                "service_account_id": service_account,
            });
            if let (Some(workspace), Some(members)) = (workspace, body.as_object_mut()) {
                members.insert("workspace_id".to_owned(), json!(workspace));
            }
            body
        }
        FederationConfig::OpenAi {
            identity_provider,
            service_account,
            ..
        } => json!({
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": assertion,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "identity_provider_id": identity_provider,
            "service_account_id": service_account,
        }),
    };
    body.to_string().into_bytes()
}

/// The headers it is sent with.
pub(super) fn headers(config: &FederationConfig) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json.clone());
    headers.insert(header::ACCEPT, json);
    headers.insert(header::USER_AGENT, HeaderValue::from_static("bauta"));
    if matches!(config, FederationConfig::Anthropic { .. }) {
        headers.insert(
            HeaderName::from_static("anthropic-beta"),
            HeaderValue::from_static("oauth-2025-04-20,oidc-federation-2026-04-01"),
        );
    }
    headers
}

/// Reads the answer.
pub(super) fn read(status: StatusCode, body: &[u8]) -> Result<Given, Refusal> {
    if !status.is_success() {
        return Err(Refusal::of(status, body));
    }
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| Refusal::Strange("an answer that is no token"))?;
    let kind = answer.token_type.as_deref().unwrap_or("Bearer");
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::Strange("a token that is no bearer token"));
    }
    let visible = |text: &str| {
        !text.is_empty() && text.len() <= TOKEN_BYTES && text.bytes().all(|b| b.is_ascii_graphic())
    };
    if !visible(&answer.access_token) {
        return Err(Refusal::Strange("a token that cannot stand in a header"));
    }
    if !(1..=LONGEST_LIFE_S).contains(&answer.expires_in) {
        return Err(Refusal::Strange(
            "a token of no life, or of more than a day",
        ));
    }
    Ok(Given {
        token: Zeroizing::new(answer.access_token),
        life_s: answer.expires_in,
    })
}

/// RFC 6749, section 5.1. What else is in it is not read.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: Option<String>,
    expires_in: i64,
}

/// RFC 6749, section 5.2.
#[derive(Default, Deserialize)]
struct Complaint {
    #[serde(default)]
    error: serde_json::Value,
    error_description: Option<String>,
}

/// Why there is no token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// Our key does not sign.
    Unsigned,
    /// The provider was not reached.
    Unreachable,
    /// It did not answer in time.
    Silent,
    /// It answered what no token endpoint answers.
    Strange(&'static str),
    /// It refuses the assertion: the status, its code and its words.
    Refused(u16, String, String),
}

impl Refusal {
    fn of(status: StatusCode, body: &[u8]) -> Self {
        let said: Complaint = serde_json::from_slice(body).unwrap_or_default();
        let code = match &said.error {
            serde_json::Value::String(code) => code.as_str(),
            // The providers' usual error document.
            other => text(other, "type").unwrap_or_default(),
        };
        let words = said.error_description.as_deref();
        let words = words.or_else(|| text(&said.error, "message"));
        Self::Refused(
            status.as_u16(),
            plain(code, 64),
            plain(words.unwrap_or_default(), 256),
        )
    }

    /// What an administrator does about it.
    pub(super) const fn mend(&self) -> &'static str {
        match self {
            Self::Unsigned => "Look at the key of [federation].",
            Self::Unreachable | Self::Silent => {
                "Is its token endpoint reachable from here? See token_url in [upstream.federation]."
            }
            Self::Strange(_) => "Does token_url in [upstream.federation] name its token endpoint?",
            Self::Refused(429 | 500..=599, ..) => "It is asked again in a moment.",
            Self::Refused(..) => {
                "Compare issuer, audience and subject, and the keys at the issuer's jwks.json, with \
                 what is registered there, and the ids in [upstream.federation] with it."
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned => f.write_str("the assertion could not be signed"),
            Self::Unreachable => f.write_str("the token endpoint was not reached"),
            Self::Silent => f.write_str("the token endpoint did not answer in time"),
            Self::Strange(what) => write!(f, "the token endpoint answered {what}"),
            Self::Refused(status, code, words) => write!(f, "{status} {code}: {words}"),
        }
    }
}

fn text<'v>(value: &'v serde_json::Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str()
}

/// A provider's words for the log: visible ASCII, short, and without anything that could be the
/// assertion itself.
fn plain(text: &str, most: usize) -> String {
    let words = text.split_ascii_whitespace();
    let words = words.map(|word| if word.contains("eyJ") { "..." } else { word });
    let text = words.collect::<Vec<_>>().join(" ");
    text.chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .take(most)
        .collect()
}

/// A token is a few hundred bytes.
pub(super) const ANSWER_BYTES: usize = 64 * 1024;
const TOKEN_BYTES: usize = 16 * 1024;
const LONGEST_LIFE_S: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_bearer_token_with_a_life_is_no_token() {
        let read = |body: &str| read(StatusCode::OK, body.as_bytes());

        let given = read(r#"{"access_token":"t","expires_in":60,"scope":"x"}"#).unwrap();
        assert_eq!((given.token.as_str(), given.life_s), ("t", 60));
        for bad in [
            "",
            "[]",
            r#"{"access_token":"t"}"#,
            r#"{"access_token":"","expires_in":60}"#,
            r#"{"access_token":"a b","expires_in":60}"#,
            r#"{"access_token":"t\r\nx: y","expires_in":60}"#,
            r#"{"access_token":"t","expires_in":0}"#,
            r#"{"access_token":"t","expires_in":-5}"#,
            r#"{"access_token":"t","expires_in":90000}"#,
            r#"{"access_token":"t","expires_in":60,"token_type":"mac"}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_the_providers_words_and_never_with_the_assertion() {
        let body = r#"{"error":"invalid_grant","error_description":"aud of eyJhbGciOi.x.y is \u001b[1mwrong"}"#;

        let refusal = Refusal::of(StatusCode::BAD_REQUEST, body.as_bytes());

        assert_eq!(
            refusal.to_string(),
            "400 invalid_grant: aud of ... is [1mwrong"
        );
        let other = br#"{"type":"error","error":{"type":"authentication_error","message":"no"}}"#;
        let refusal = Refusal::of(StatusCode::UNAUTHORIZED, other);
        assert_eq!(refusal.to_string(), "401 authentication_error: no");
        assert_eq!(
            Refusal::of(StatusCode::BAD_GATEWAY, b"<html>").to_string(),
            "502 : "
        );
    }
}
