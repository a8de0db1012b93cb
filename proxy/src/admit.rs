//! The strict head: one canonical path, one credential, no header we cannot explain.
//!
//! Paths are compared byte for byte with a constant table; nothing is decoded, joined or matched
//! by prefix, so a route has one spelling. What is kept of the headers is an allow-list, applied
//! here, so that no later stage can see what must not leave.

use std::fmt;

use bauta_token::scope::ModelName;
use http::{HeaderMap, HeaderName, Method, StatusCode, header, request::Parts};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{dialect::Dialect, scrub::headers};

/// Reads the head of a request.
///
/// # Errors
///
/// [`AdmitError`] when the head is not one this gateway serves. Nothing of it is echoed.
pub fn admit(parts: &Parts, limits: &Limits) -> Result<Head, AdmitError> {
    measure(parts, limits)?;
    let (route, named) = route(parts.uri.path())?;
    if parts.method != route.method() {
        return Err(AdmitError::Method(route));
    }
    let beta = query(route, parts.uri.query())?;
    let presented = credential(&parts.headers)?;
    body(parts, route, limits)?;
    let dialect = route.dialect(&parts.headers);
    Ok(Head {
        call: Call {
            route,
            dialect,
            beta,
            named,
            kept: headers::kept(&parts.headers, dialect).ok_or(AdmitError::Header)?,
        },
        presented,
    })
}

/// In whose words a refusal of this request is written, known even when the head is refused.
#[must_use]
pub fn dialect_of(parts: &Parts) -> Dialect {
    route(parts.uri.path()).map_or_else(
        |_| by_headers(&parts.headers),
        |(route, _)| route.dialect(&parts.headers),
    )
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

    /// The model in the path of [`Route::Model`].
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

/// A credential as it was shown. No `Debug`, `Clone` or `Serialize`; wiped when dropped.
pub struct Presented(Zeroizing<String>);

impl Presented {
    /// The text, for the one stage that checks it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A route that a token opens.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Route {
    /// `POST /v1/messages`.
    Messages,
    /// `POST /v1/messages/count_tokens`.
    CountTokens,
    /// `POST /v1/chat/completions`.
    Chat,
    /// `POST /v1/responses`.
    Responses,
    /// `POST /v1/embeddings`.
    Embeddings,
    /// `GET /v1/models`.
    Models,
    /// `GET /v1/models/{id}`.
    Model,
    /// `GET /usage/self`.
    Usage,
    /// `GET /managed/settings`.
    Settings,
    /// `POST /v1/metrics`, `/v1/logs` and `/v1/traces`.
    Telemetry,
}

impl Route {
    /// Every route with a path of its own, for the test that compares this table with the router.
    pub const TABLE: &'static [(&'static str, Self)] = &[
        ("/v1/messages", Self::Messages),
        ("/v1/messages/count_tokens", Self::CountTokens),
        ("/v1/chat/completions", Self::Chat),
        ("/v1/responses", Self::Responses),
        ("/v1/embeddings", Self::Embeddings),
        ("/v1/models", Self::Models),
        ("/usage/self", Self::Usage),
        ("/managed/settings", Self::Settings),
        ("/v1/metrics", Self::Telemetry),
        ("/v1/logs", Self::Telemetry),
        ("/v1/traces", Self::Telemetry),
    ];

    /// Its name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
            Self::Models => "models",
            Self::Model => "model",
            Self::Usage => "usage",
            Self::Settings => "settings",
            Self::Telemetry => "telemetry",
        }
    }

    /// The one method it takes.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Models | Self::Model | Self::Usage | Self::Settings => Method::GET,
            _ => Method::POST,
        }
    }

    /// Whether a model is asked: the routes that are read, routed, scrubbed and forwarded.
    #[must_use]
    pub const fn asks_a_model(self) -> bool {
        self.upstream_path().is_some()
    }

    /// What is appended to the base URL of an upstream.
    #[must_use]
    pub(crate) const fn upstream_path(self) -> Option<&'static str> {
        match self {
            Self::Messages => Some("/v1/messages"),
            Self::CountTokens => Some("/v1/messages/count_tokens"),
            Self::Chat => Some("/chat/completions"),
            Self::Responses => Some("/responses"),
            Self::Embeddings => Some("/embeddings"),
            _ => None,
        }
    }

    /// Its wire format; where both share a path, the one of the caller's headers.
    fn dialect(self, headers: &HeaderMap) -> Dialect {
        match self {
            Self::Messages | Self::CountTokens | Self::Settings | Self::Telemetry => {
                Dialect::Anthropic
            }
            Self::Chat | Self::Responses | Self::Embeddings => Dialect::OpenAi,
            Self::Models | Self::Model | Self::Usage => by_headers(headers),
        }
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

fn route(path: &str) -> Result<(Route, Option<ModelName>), AdmitError> {
    let dots = path.split('/').any(|part| part == "." || part == "..");
    let strange = |b: u8| b == b'%' || b == b'\\' || !b.is_ascii_graphic();
    if dots || path.bytes().any(strange) {
        return Err(AdmitError::Path);
    }
    if let Some((_, route)) = Route::TABLE.iter().find(|(known, _)| *known == path) {
        return Ok((*route, None));
    }
    // The one route with a variable: what follows is a model name or nothing.
    path.strip_prefix("/v1/models/")
        .filter(|id| id.split('/').all(|part| !part.is_empty()))
        .and_then(ModelName::parse)
        .map(|id| (Route::Model, Some(id)))
        .ok_or(AdmitError::NoRoute)
}

/// Whether `?beta=true` is there; anything that is not listed is refused.
fn query(route: Route, query: Option<&str>) -> Result<bool, AdmitError> {
    let Some(query) = query.filter(|text| !text.is_empty()) else {
        return Ok(false);
    };
    let mut names = query.split('&').map(|pair| pair.split('=').next());
    if names.any(|name| name.is_some_and(is_credential)) {
        return Err(AdmitError::CredentialInQuery);
    }
    match route {
        Route::Messages | Route::CountTokens if query == "beta=true" => Ok(true),
        Route::Models if query.split('&').all(is_paging) => Ok(false),
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
    let known = ["limit", "after_id", "before_id", "client_version"];
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    pair.split_once('=').is_some_and(|(name, value)| {
        known.contains(&name) && value.len() <= 64 && value.bytes().all(plain)
    })
}

/// The one credential. The same text in two headers is one: a token helper of Claude Code sends
/// its output as bearer and as key.
fn credential(headers: &HeaderMap) -> Result<Presented, AdmitError> {
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
    let copied = |value: &http::HeaderValue| {
        memchr::memmem::find(value.as_bytes(), text.as_bytes()).is_some()
    };
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

fn by_headers(headers: &HeaderMap) -> Dialect {
    let anthropic = headers.contains_key("anthropic-version") || headers.contains_key("x-api-key");
    if anthropic {
        Dialect::Anthropic
    } else {
        Dialect::OpenAi
    }
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
const CREDENTIAL_BYTES: usize = 8 * 1024;

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
