//! A request as it arrived, whole.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;
use std::collections::BTreeMap;
use url::form_urlencoded;

/// A request as a simulator saw it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, undecoded.
    pub target: String,
    /// All headers; a repeated one is there as often as it came.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
    /// When it was complete, by the sandbox's clock, in milliseconds since 1970.
    pub at_ms: i64,
}

impl Request {
    /// The path without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The parts of the path between slashes.
    #[must_use]
    pub fn segments(&self) -> Vec<&str> {
        self.path()
            .split('/')
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// The value of a header that came exactly once and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.get_all(name).iter();
        let first = all.next()?;
        if all.next().is_some() {
            return None;
        }
        first.to_str().ok()
    }

    /// The query's parameters, decoded. A repeated one makes the whole query `None`.
    #[must_use]
    pub fn query(&self) -> Option<BTreeMap<String, String>> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        pairs(query.as_bytes())
    }

    /// The form in the body, decoded. A repeated field makes the whole form `None`.
    #[must_use]
    pub fn form(&self) -> Option<BTreeMap<String, String>> {
        let kind = self.header("content-type")?;
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return None;
        }
        pairs(&self.body)
    }

    /// The JSON document in the body.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The bearer token.
    #[must_use]
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// User and password of HTTP Basic authentication, undecoded beyond base64.
    #[must_use]
    pub fn basic(&self) -> Option<(String, String)> {
        let encoded = self.header("authorization")?.strip_prefix("Basic ")?;
        let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    /// The value of a cookie.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.headers.get_all("cookie").iter();
        cookies
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// Whether `needle` occurs in the target, in a header or in the body.
    #[must_use]
    pub fn contains(&self, needle: &str) -> bool {
        let needle = needle.as_bytes();
        let within = |hay: &[u8]| hay.windows(needle.len().max(1)).any(|part| part == needle);
        within(self.target.as_bytes())
            || within(&self.body)
            || self
                .headers
                .iter()
                .any(|(name, value)| within(name.as_str().as_bytes()) || within(value.as_bytes()))
    }
}

/// Decoded pairs, or nothing when a name comes twice: what follows would depend on which one is read.
fn pairs(encoded: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(encoded) {
        if out.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    Some(out)
}
