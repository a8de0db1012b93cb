//! The one credential of a request.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use zeroize::Zeroizing;

use super::AdmitError;

/// A credential as it was shown. No `Debug`, `Clone` or `Serialize`; wiped when dropped.
pub struct Presented(Zeroizing<String>);

impl Presented {
    /// The text, for the one stage that checks it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The one credential. The same text in two headers is one: a token helper of Claude Code sends
/// its output as bearer and as key.
pub(super) fn credential(headers: &HeaderMap) -> Result<Presented, AdmitError> {
    let mut found: Option<&str> = None;
    for (name, scheme) in CREDENTIALS {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next() else { continue };
        if values.next().is_some() {
            return Err(AdmitError::SeveralCredentials);
        }
        let value = value.to_str().map_err(|_| AdmitError::Credential)?;
        let text = match scheme {
            Scheme::Bearer => bearer(value)?,
            Scheme::Key => value,
        };
        if found.is_some_and(|other| other != text) {
            return Err(AdmitError::SeveralCredentials);
        }
        found = Some(text);
    }
    let text = found.ok_or(AdmitError::NoCredential)?;
    if text.contains([',', ' ']) {
        return Err(AdmitError::SeveralCredentials);
    }
    if text.is_empty() || text.len() > CREDENTIAL_BYTES || !text.bytes().all(is_token) {
        return Err(AdmitError::Credential);
    }
    let copied =
        |value: &HeaderValue| memchr::memmem::find(value.as_bytes(), text.as_bytes()).is_some();
    if headers.get_all(header::COOKIE).iter().any(copied) {
        return Err(AdmitError::SeveralCredentials);
    }
    Ok(Presented(Zeroizing::new(text.to_owned())))
}

fn bearer(value: &str) -> Result<&str, AdmitError> {
    let (scheme, text) = value.split_once(' ').ok_or(AdmitError::Credential)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AdmitError::Credential);
    }
    Ok(text)
}

/// The letters of RFC 6750's `b64token`.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// How a credential stands in its header.
#[derive(Clone, Copy)]
enum Scheme {
    Bearer,
    Key,
}

const CREDENTIALS: [(HeaderName, Scheme); 3] = [
    (header::AUTHORIZATION, Scheme::Bearer),
    (HeaderName::from_static("x-api-key"), Scheme::Key),
    (HeaderName::from_static("x-goog-api-key"), Scheme::Key),
];

/// A longer token is refused before anything is computed over it.
pub(super) const CREDENTIAL_BYTES: usize = 8 * 1024;
