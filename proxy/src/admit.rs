//! The strict head: one canonical path, one credential, no header we cannot explain.
//!
//! Paths are compared byte for byte with a constant table, and a model in a path is read between
//! constants; nothing is decoded or joined, so a route has one spelling. What is kept of the headers is an allow-list, applied
//! here, so that no later stage can see what must not leave.

mod credential;
mod place;
mod route;

use std::fmt;

use bauta_token::scope::ModelName;
use http::{HeaderMap, Method, StatusCode, header, request::Parts};
use thiserror::Error;

pub(crate) use self::place::segment;
pub use self::{credential::Presented, place::Version, route::Route};
use self::{credential::credential, place::Place, route::by_headers};
use crate::{dialect::Dialect, scrub::headers};

/// Reads the head of a request.
///
/// # Errors
///
/// [`AdmitError`] when the head is not one this gateway serves. Nothing of it is echoed.
pub fn admit(parts: &Parts, limits: &Limits) -> Result<Head, AdmitError> {
    measure(parts, limits)?;
    let place = Place::of(parts.uri.path())?;
    let route = place.route;
    if parts.method != route.method() {
        return Err(AdmitError::Method(route));
    }
    let beta = query(route, parts.uri.query())?;
    let presented = credential(&parts.headers)?;
    body(parts, route, limits)?;
    let dialect = place.dialect(&parts.headers);
    Ok(Head {
        call: Call {
            route,
            dialect,
            beta,
            version: place.version,
            named: place.named,
            kept: headers::kept(&parts.headers, dialect).ok_or(AdmitError::Header)?,
        },
        presented,
    })
}

/// In whose words a refusal of this request is written, known even when the head is refused.
#[must_use]
pub fn dialect_of(parts: &Parts) -> Dialect {
    let path = parts.uri.path();
    match Place::of(path) {
        Ok(place) => place.dialect(&parts.headers),
        // Nobody else asks there, whatever is wrong with the rest of it.
        Err(_) if path.starts_with("/v1beta/") => Dialect::Gemini,
        Err(_) => by_headers(&parts.headers),
    }
}

/// A head that was read: what is called, and the credential it came with.
pub struct Head {
    call: Call,
    presented: Presented,
}

impl Head {
    /// The credential for `redeem`, the rest for `read`.
    #[must_use]
    pub fn split(self) -> (Presented, Call) {
        (self.presented, self.call)
    }

    /// What is called.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }
}

/// What is called, without the credential.
#[derive(Clone, Debug)]
pub struct Call {
    route: Route,
    dialect: Dialect,
    beta: bool,
    version: Version,
    named: Option<ModelName>,
    kept: HeaderMap,
}

impl Call {
    /// Which route.
    #[must_use]
    pub const fn route(&self) -> Route {
        self.route
    }

    /// In which wire format the caller speaks.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether the caller wrote `?beta=true`.
    #[must_use]
    pub const fn beta(&self) -> bool {
        self.beta
    }

    /// The version in the path.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The model in the path, where there is one.
    #[must_use]
    pub const fn named(&self) -> Option<&ModelName> {
        self.named.as_ref()
    }

    /// The headers that may leave, each in the form in which it leaves.
    #[must_use]
    pub const fn kept(&self) -> &HeaderMap {
        &self.kept
    }
}

/// What a head may be.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of method, target and headers together.
    pub head_bytes: usize,
    /// Bytes of a body.
    pub body_bytes: usize,
}

impl Limits {
    /// These limits.
    #[must_use]
    pub const fn new(head_bytes: usize, body_bytes: usize) -> Self {
        Self {
            head_bytes,
            body_bytes,
        }
    }
}

impl Default for Limits {
    /// 16 KiB of head, and the 32 MiB of body that the Claude gateway protocol expects.
    fn default() -> Self {
        Self::new(16 * 1024, 32 * 1024 * 1024)
    }
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum AdmitError {
    /// Method, target and headers are too many bytes.
    #[error("request head is too large")]
    HeadTooLarge,
    /// The path has a second spelling: an escape, a dot segment, a backslash, not ASCII.
    #[error("path is not canonical")]
    Path,
    /// No such route.
    #[error("no such route")]
    NoRoute,
    /// The route takes another method.
    #[error("route takes another method")]
    Method(Route),
    /// A query that this route does not take.
    #[error("query is not one this route takes")]
    Query,
    /// A stream in a form that is not relayed: one JSON array.
    #[error("stream is not asked for as events")]
    StreamForm,
    /// A credential in the query, where every log on the way can see it.
    #[error("credential in the query")]
    CredentialInQuery,
    /// No credential.
    #[error("no credential")]
    NoCredential,
    /// Two that differ, or one header twice.
    #[error("more than one credential")]
    SeveralCredentials,
    /// Not in the form of any credential of ours.
    #[error("credential is malformed")]
    Credential,
    /// A header that would leave holds bytes that are not visible ASCII.
    #[error("header is not visible ASCII")]
    Header,
    /// A body where none belongs.
    #[error("a body where none belongs")]
    Body,
    /// The body is more than the limit.
    #[error("body is too large")]
    BodyTooLarge,
    /// Not JSON in UTF-8.
    #[error("content type is not JSON")]
    ContentType,
    /// A compressed body: it is not unpacked here, and what we cannot read is not forwarded.
    #[error("content encoding on a request")]
    ContentEncoding,
}

impl AdmitError {
    /// Status, stable code and sentence for the caller.
    #[must_use]
    pub const fn public(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::HeadTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "head_too_large",
                "The head of this request is too large.",
            ),
            Self::Path => (
                StatusCode::BAD_REQUEST,
                "path_not_canonical",
                "This path is not in canonical form.",
            ),
            Self::NoRoute => (StatusCode::NOT_FOUND, "not_found", "There is nothing here."),
            Self::Method(_) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This route takes another method.",
            ),
            Self::Query => (
                StatusCode::BAD_REQUEST,
                "query_refused",
                "This route does not take this query.",
            ),
            Self::StreamForm => (
                StatusCode::BAD_REQUEST,
                "stream_form_refused",
                "Streams are relayed as events only. Add ?alt=sse to the path, as the SDKs do.",
            ),
            Self::CredentialInQuery => (
                StatusCode::BAD_REQUEST,
                "credential_in_query",
                "A token in the query ends up in logs. Send it in a header.",
            ),
            Self::NoCredential => (
                StatusCode::UNAUTHORIZED,
                "token_missing",
                "This request carries no token. Run `bauta token` for one.",
            ),
            Self::SeveralCredentials => (
                StatusCode::BAD_REQUEST,
                "several_credentials",
                "This request carries more than one credential. Send exactly one.",
            ),
            Self::Credential => (
                StatusCode::UNAUTHORIZED,
                "token_refused",
                "This token is not valid.",
            ),
            Self::Header => (
                StatusCode::BAD_REQUEST,
                "header_refused",
                "A header of this request is not visible ASCII.",
            ),
            Self::Body => (
                StatusCode::BAD_REQUEST,
                "body_refused",
                "This route takes no body.",
            ),
            Self::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "request_too_large",
                "The body of this request is too large.",
            ),
            Self::ContentType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "content_type_refused",
                "Send the body as application/json in UTF-8.",
            ),
            Self::ContentEncoding => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "content_encoding_refused",
                "Send the body without a content encoding.",
            ),
        }
    }
}

fn measure(parts: &Parts, limits: &Limits) -> Result<(), AdmitError> {
    let target = parts.uri.path_and_query().map_or(0, |it| it.as_str().len());
    let line = parts.method.as_str().len().saturating_add(target);
    let total = parts.headers.iter().fold(line, |sum, (name, value)| {
        // The colon, the blank and the line end count, as they did on the wire.
        sum.saturating_add(name.as_str().len())
            .saturating_add(value.len())
            .saturating_add(4)
    });
    if total > limits.head_bytes {
        return Err(AdmitError::HeadTooLarge);
    }
    Ok(())
}

/// Whether `?beta=true` is there; anything that is not listed is refused.
fn query(route: Route, query: Option<&str>) -> Result<bool, AdmitError> {
    let Some(query) = query.filter(|text| !text.is_empty()) else {
        return match route.query() {
            Some(_) => Err(AdmitError::StreamForm),
            None => Ok(false),
        };
    };
    let mut names = query.split('&').map(|pair| pair.split('=').next());
    if names.any(|name| name.is_some_and(is_credential)) {
        return Err(AdmitError::CredentialInQuery);
    }
    match route {
        Route::Messages | Route::CountTokens if query == "beta=true" => Ok(true),
        Route::Models if query.split('&').all(is_paging) => Ok(false),
        _ if route.query() == Some(query) => Ok(false),
        Route::StreamGenerateContent if query == "alt=json" => Err(AdmitError::StreamForm),
        _ => Err(AdmitError::Query),
    }
}

/// `?key=` is how one provider takes keys; the others are what people try.
fn is_credential(name: &str) -> bool {
    ["key", "api_key", "apikey", "token", "access_token", "auth"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// What clients add to the model list: a page, and Codex its version. Read by nobody.
fn is_paging(pair: &str) -> bool {
    let known = [
        "limit",
        "after_id",
        "before_id",
        "client_version",
        "pageSize",
        "pageToken",
    ];
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    pair.split_once('=').is_some_and(|(name, value)| {
        known.contains(&name) && value.len() <= 64 && value.bytes().all(plain)
    })
}

fn body(parts: &Parts, route: Route, limits: &Limits) -> Result<(), AdmitError> {
    let headers = &parts.headers;
    let length = headers.get(header::CONTENT_LENGTH).map(|value| {
        value
            .to_str()
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    });
    if route.method() == Method::GET {
        let has = headers.contains_key(header::TRANSFER_ENCODING)
            || length.is_some_and(|length| length != Some(0));
        return if has { Err(AdmitError::Body) } else { Ok(()) };
    }
    if let Some(length) = length {
        let length = length.ok_or(AdmitError::Body)?;
        if usize::try_from(length).map_or(true, |bytes| bytes > limits.body_bytes) {
            return Err(AdmitError::BodyTooLarge);
        }
    }
    if route.asks_a_model() {
        encoding(headers)?;
        content_type(headers)?;
    }
    Ok(())
}

fn encoding(headers: &HeaderMap) -> Result<(), AdmitError> {
    let plain = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Ok(());
    }
    Err(AdmitError::ContentEncoding)
}

fn content_type(headers: &HeaderMap) -> Result<(), AdmitError> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(AdmitError::ContentType);
    };
    let text = value.to_str().map_err(|_| AdmitError::ContentType)?;
    let (kind, parameter) = text.split_once(';').unwrap_or((text, ""));
    let parameter = parameter.trim();
    let utf8 = ["", "charset=utf-8", "charset=\"utf-8\""]
        .iter()
        .any(|known| parameter.eq_ignore_ascii_case(known));
    if kind.trim().eq_ignore_ascii_case("application/json") && utf8 {
        return Ok(());
    }
    Err(AdmitError::ContentType)
}

/// Names the route and nothing else: neither credential nor path.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("route", &self.call.route)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
