//! What a signed-in Claude Code is to work by: its managed settings.
//!
//! The document is the same for every token of a scope: what it opens, what keeps a name out of
//! prompts, and what the operator adds. It is asked for about once an hour.

use std::fmt::Write as _;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    dialect::Dialect,
    models,
    redeem::Pass,
    route::{Door, Models},
};

/// The `[claude_code]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "a table of the configuration")]
pub struct ClaudeCode {
    /// Whether settings are handed out at all.
    pub managed: bool,
    /// What the operator adds, as Claude Code's settings file has it. Objects are merged with ours
    /// member by member; anything else of ours gives way.
    pub settings: Map<String, Value>,
}

impl Default for ClaudeCode {
    fn default() -> Self {
        Self {
            managed: true,
            settings: Map::new(),
        }
    }
}

impl ClaudeCode {
    /// The document for whoever holds `pass`, or that it is the one they have. `None` when there is
    /// none to have.
    #[must_use]
    pub fn answer(&self, models: &Models, pass: &Pass, asking: &HeaderMap) -> Option<Response> {
        if !self.managed {
            return None;
        }
        let settings = self.document(&available(models, pass), default(models, pass));
        let checksum = checksum(&settings);
        let tag = HeaderValue::try_from(format!("\"{checksum}\"")).ok()?;
        let mut response = if has(asking, &checksum) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let body = json!({ "uuid": checksum, "checksum": checksum, "settings": settings });
            Json(body).into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, tag);
        // The same for nobody else: the next one may have another scope.
        let private = HeaderValue::from_static("private, no-cache");
        headers.insert(header::CACHE_CONTROL, private);
        Some(response)
    }

    fn document(&self, available: &[&str], default: Option<&str>) -> Value {
        let mut settings = json!({
            "env": {
                // Without it the name that Git is configured with is in every first prompt.
                "CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS": "1",
                // Otherwise it reports to others than this gateway.
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            },
            // It would tell the provider, past this gateway, which pages are read.
            "skipWebFetchPreflight": true,
            "availableModels": available,
            "enforceAvailableModels": true,
        });
        if let (Some(first), Some(settings)) = (default, settings.as_object_mut()) {
            settings.insert("model".to_owned(), first.into());
        }
        merge(&mut settings, &self.settings);
        settings
    }
}

/// The models that `pass` opens in the dialect that Claude Code speaks, by every name it may use.
fn available<'a>(models: &'a Models, pass: &Pass) -> Vec<&'a str> {
    let open = models.iter();
    let open = open.filter(|model| models::opens(pass, model, Dialect::Anthropic));
    let mut names = Vec::new();
    for model in open {
        let aliases = model.aliases().iter();
        let targets = model.doors().iter().filter(|door| !door.is_fallback());
        let all = std::iter::once(model.name())
            .chain(aliases)
            .chain(targets.map(Door::model));
        for name in all {
            if !names.contains(&name.as_str()) {
                names.push(name.as_str());
            }
        }
    }
    names
}

/// What to begin with: the first model that `pass` opens, by a name that a client knows if there is
/// one. The one that is built in would be refused on every request where it is not open.
fn default<'a>(models: &'a Models, pass: &Pass) -> Option<&'a str> {
    let mut open = models.iter();
    let first = open.find(|model| models::opens(pass, model, Dialect::Anthropic))?;
    let known = first.aliases().first().unwrap_or_else(|| first.name());
    Some(known.as_str())
}

/// Puts `more` over `settings`.
fn merge(settings: &mut Value, more: &Map<String, Value>) {
    let Some(settings) = settings.as_object_mut() else {
        return;
    };
    for (key, value) in more {
        match (settings.get_mut(key), value) {
            (Some(ours @ Value::Object(_)), Value::Object(theirs)) => merge(ours, theirs),
            _ => {
                settings.insert(key.clone(), value.clone());
            }
        }
    }
}

/// RFC 9110, section 13.1.2. `*` asks whether there are any.
fn has(asking: &HeaderMap, checksum: &str) -> bool {
    let values = asking.get_all(header::IF_NONE_MATCH).iter();
    let tags = values.filter_map(|value| value.to_str().ok());
    let mut tags = tags.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|tag| {
        let strong = tag.strip_prefix("W/").unwrap_or(tag);
        strong == "*" || strong.trim_matches('"') == checksum
    })
}

/// `sha256:` and the digest of the settings, compact and with their keys sorted.
fn checksum(settings: &Value) -> String {
    let mut text = String::new();
    write_sorted(&mut text, settings);
    let hash = digest(&SHA256, text.as_bytes());
    let mut named = "sha256:".to_owned();
    for byte in hash.as_ref() {
        // Writing to a string does not fail.
        let _never = write!(named, "{byte:02x}");
    }
    named
}

fn write_sorted(out: &mut String, value: &Value) {
    match value {
        Value::Object(object) => {
            let mut members: Vec<_> = object.iter().collect();
            members.sort_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (n, (key, value)) in members.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_sorted(out, value);
            }
            out.push('}');
        }
        Value::Array(array) => {
            out.push('[');
            for (n, value) in array.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_sorted(out, value);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both sides make it, so it is known from the other one: Claude Code's own gateway, 2.1.329.
    #[test]
    fn the_checksum_is_the_one_that_claude_code_s_gateway_makes() {
        let settings = json!({
            "env": { "CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS": "1" },
            "availableModels": ["claude-opus-4-8", "claude-sonnet-4-6"],
        });

        assert_eq!(
            checksum(&settings),
            "sha256:51bb96ba4c987c7185d03ffd3e69bdd721f2ce6ed201b74071d81aca313416c4"
        );
    }

    #[test]
    fn what_the_operator_adds_is_merged_and_what_is_ours_gives_way() {
        let more = json!({
            "env": { "CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS": "0", "MORE": "1" },
            "skipWebFetchPreflight": false,
            "permissions": { "deny": ["WebFetch"] },
        });
        let ours = ClaudeCode {
            settings: more.as_object().unwrap().clone(),
            ..ClaudeCode::default()
        };

        let settings = ours.document(&["claude-opus"], Some("claude-opus"));

        let env = &settings["env"];
        assert_eq!(env["CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS"], "0");
        assert_eq!(env["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"], "1");
        assert_eq!(env["MORE"], "1");
        assert_eq!(settings["skipWebFetchPreflight"], false);
        assert_eq!(settings["permissions"]["deny"][0], "WebFetch");
        assert_eq!(settings["availableModels"], json!(["claude-opus"]));
        assert_eq!(settings["model"], "claude-opus");
    }

    #[test]
    fn only_the_same_checksum_is_not_modified() {
        let asks = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            has(&headers, "sha256:ab")
        };

        assert!(!has(&HeaderMap::new(), "sha256:ab"));
        for same in [
            "\"sha256:ab\"",
            "*",
            "\"x\", \"sha256:ab\"",
            "W/\"sha256:ab\"",
        ] {
            assert!(asks(same), "{same}");
        }
        for other in ["\"sha256:abc\"", "\"\"", "\"sha256:a\""] {
            assert!(!asks(other), "{other}");
        }
    }
}
