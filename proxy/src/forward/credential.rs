//! What we show to an upstream.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use zeroize::Zeroizing;

use crate::dialect::Dialect;

/// The gateway's own credential at an upstream. No `Debug`, `Clone` or `Serialize`.
pub struct Credential {
    secret: Zeroizing<String>,
    weight: Option<u32>,
}

impl Credential {
    /// `None` when it cannot stand in a header.
    #[must_use]
    pub fn new(secret: &str) -> Option<Self> {
        let secret = secret.trim();
        let fits = !secret.is_empty() && secret.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Self {
            secret: Zeroizing::new(secret.to_owned()),
            weight: None,
        })
    }

    /// One of several that are used in proportion to their weights.
    #[must_use]
    pub const fn weighing(mut self, weight: u32) -> Self {
        self.weight = Some(weight);
        self
    }

    pub(super) const fn weight(&self) -> Option<u32> {
        self.weight
    }

    /// The header that carries it in this dialect, never shown by `Debug`.
    pub(super) fn header(&self, dialect: Dialect) -> Option<Shown> {
        let (name, text) = match dialect {
            Dialect::Anthropic => (
                HeaderName::from_static("x-api-key"),
                Zeroizing::new(self.secret.as_str().to_owned()),
            ),
            Dialect::Gemini => (
                HeaderName::from_static("x-goog-api-key"),
                Zeroizing::new(self.secret.as_str().to_owned()),
            ),
            Dialect::OpenAi => (
                header::AUTHORIZATION,
                Zeroizing::new(format!("Bearer {}", self.secret.as_str())),
            ),
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(Shown { name, value })
    }
}

/// A credential in its header, made once.
pub(super) struct Shown {
    name: HeaderName,
    value: HeaderValue,
}

impl Shown {
    /// Puts it in the place of whatever stands there.
    pub(super) fn insert(&self, headers: &mut HeaderMap) {
        headers.insert(self.name.clone(), self.value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_has_its_header_and_neither_is_printed() {
        let credential = Credential::new("sk-canary\n").unwrap();

        for (dialect, name, value) in [
            (Dialect::Anthropic, "x-api-key", "sk-canary"),
            (Dialect::OpenAi, "authorization", "Bearer sk-canary"),
            (Dialect::Gemini, "x-goog-api-key", "sk-canary"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static("theirs"),
            );
            credential.header(dialect).unwrap().insert(&mut headers);

            assert_eq!(headers.get(name).unwrap(), value);
            assert_eq!(headers.len(), 1);
            assert!(!format!("{headers:?}").contains("canary"));
        }
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_no_credential() {
        for bad in ["", "  ", "a b", "a\u{7f}", "a\r\nb"] {
            assert!(Credential::new(bad).is_none(), "{bad:?}");
        }
    }
}
