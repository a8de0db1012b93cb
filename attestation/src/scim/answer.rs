//! Answers of the directory interface: documents, versions, and refusals (RFC 7644, section 3.12).

use axum::{
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{
            CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
        },
    },
    response::{IntoResponse, Response},
};
use bauta_audit::store::StoreError;
use bauta_token::secret::CellError;
use serde_json::{Value, json};

use crate::{attest::tag::TagError, http::chain};

/// A refusal. Nothing in it comes from the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ScimError {
    status: StatusCode,
    kind: Option<&'static str>,
    detail: &'static str,
}

impl ScimError {
    /// A refusal with one of the keywords of RFC 7644, table 9.
    pub(super) const fn bad(kind: &'static str, detail: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: Some(kind),
            detail,
        }
    }

    pub(super) const fn new(status: StatusCode, detail: &'static str) -> Self {
        Self {
            status,
            kind: None,
            detail,
        }
    }
}

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.as_u16().to_string(),
            "detail": self.detail,
        });
        if let (Some(kind), Some(fields)) = (self.kind, body.as_object_mut()) {
            fields.insert("scimType".to_owned(), kind.into());
        }
        let mut response = document(self.status, &body);
        let more = match self.status {
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer")),
            StatusCode::TOO_MANY_REQUESTS => Some((RETRY_AFTER, "60")),
            StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, "5")),
            _ => None,
        };
        if let Some((name, value)) = more {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<StoreError> for ScimError {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = chain(&error), "the directory has no answer");
        UNAVAILABLE
    }
}

impl From<TagError> for ScimError {
    fn from(error: TagError) -> Self {
        tracing::error!(error = chain(&error), "the directory has no answer");
        UNAVAILABLE
    }
}

impl From<CellError> for ScimError {
    fn from(error: CellError) -> Self {
        tracing::error!(
            error = chain(&error),
            "a name of the directory does not open"
        );
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "What is kept of this resource does not open. Ask whoever runs Bauta.",
        )
    }
}

/// A document of the directory interface.
pub(super) fn document(status: StatusCode, body: &Value) -> Response {
    let kind = [(CONTENT_TYPE, "application/scim+json")];
    (status, kind, body.to_string()).into_response()
}

/// One resource, with its version and, when it is new, its place.
pub(super) fn resource(status: StatusCode, body: &Value, version: i64, place: &str) -> Response {
    let mut response = document(status, body);
    let headers = response.headers_mut();
    headers.extend(HeaderValue::from_str(&tag(version)).map(|it| (ETAG, it)));
    if status == StatusCode::CREATED {
        headers.extend(HeaderValue::from_str(place).map(|it| (LOCATION, it)));
    }
    response
}

/// Nothing to say.
pub(super) fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// A version as an entity tag. Weak: two versions are the same resource said twice, not the same bytes.
pub(super) fn tag(version: i64) -> String {
    format!("W/\"{version}\"")
}

/// Refuses a change to what is not the version that the caller saw (RFC 7232, section 3.1).
pub(super) fn unchanged(headers: &HeaderMap, version: i64) -> Result<(), ScimError> {
    let mut lines = headers.get_all(IF_MATCH).iter().peekable();
    if lines.peek().is_none() || lines.any(|line| names(line, version)) {
        return Ok(());
    }
    Err(CHANGED)
}

/// Whether the caller has this version already.
pub(super) fn is_known(headers: &HeaderMap, version: i64) -> bool {
    let mut lines = headers.get_all(IF_NONE_MATCH).iter();
    lines.any(|line| names(line, version))
}

/// Whether a list of entity tags names a version; a strong one that some clients make of it counts.
fn names(line: &HeaderValue, version: i64) -> bool {
    let wanted = tag(version);
    let line = line.to_str().unwrap_or_default();
    line.split(',')
        .map(str::trim)
        .any(|given| given == "*" || given == wanted || wanted.strip_prefix("W/") == Some(given))
}

pub(super) const NOT_FOUND: ScimError =
    ScimError::new(StatusCode::NOT_FOUND, "There is no such resource.");
pub(super) const NOT_ALLOWED: ScimError = ScimError::new(
    StatusCode::METHOD_NOT_ALLOWED,
    "This resource does not take this method.",
);
pub(super) const UNAUTHORIZED: ScimError = ScimError::new(
    StatusCode::UNAUTHORIZED,
    "A bearer of the directory interface is needed, in the Authorization header. \
     `bauta keys scim new` makes one.",
);
pub(super) const TOO_MANY: ScimError = ScimError::new(
    StatusCode::TOO_MANY_REQUESTS,
    "Too many wrong bearers came from this network. Wait a minute.",
);
pub(super) const UNAVAILABLE: ScimError = ScimError::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "Bauta cannot answer right now. Nothing may have been changed; try again.",
);
pub(super) const TOO_LONG: ScimError = ScimError::new(
    StatusCode::PAYLOAD_TOO_LARGE,
    "The body is longer than a mebibyte. Send fewer members at once.",
);
pub(super) const NO_JSON: ScimError = ScimError::new(
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "The body has to be application/scim+json, and not compressed.",
);
pub(super) const SYNTAX: ScimError = ScimError::bad(
    "invalidSyntax",
    "The body is not the JSON that this resource takes, or says a thing twice.",
);
const CHANGED: ScimError = ScimError::new(
    StatusCode::PRECONDITION_FAILED,
    "The resource is not the version that If-Match names. Read it again.",
);
pub(super) const TAKEN: ScimError = ScimError {
    status: StatusCode::CONFLICT,
    kind: Some("uniqueness"),
    detail: "Another resource has this name or this identifier.",
};
