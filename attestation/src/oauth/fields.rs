//! Form and query fields, each at most once.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts},
    http::{HeaderMap, Request, header::CONTENT_TYPE, request::Parts},
    response::{IntoResponse, Response},
};

use super::OauthError;

/// The fields of a form. A field that comes twice is refused (RFC 6749, section 3.2); one that we
/// do not know is ignored, since clients update themselves.
pub(crate) struct Form(Fields);

/// The fields of a query, under the same rules.
pub(crate) struct Query(pub(crate) Result<Fields, OauthError>);

/// Fields by name.
#[derive(Default)]
pub(crate) struct Fields(BTreeMap<String, String>);

impl Fields {
    pub(crate) fn read(encoded: &[u8]) -> Result<Self, OauthError> {
        let mut fields = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(encoded).take(MOST) {
            if fields
                .insert(name.into_owned(), value.into_owned())
                .is_some()
            {
                return Err(OauthError::request("a parameter is there twice"));
            }
        }
        Ok(Self(fields))
    }

    /// The field called `name`; an empty one is as good as none (RFC 6749, section 3.1).
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

impl std::ops::Deref for Form {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Response;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Response> {
        if !is_form(request.headers()) {
            return Err(NOT_A_FORM.into_response());
        }
        let body = axum::body::to_bytes(request.into_body(), MOST_BYTES)
            .await
            .map_err(|_| TOO_LONG.into_response())?;
        Fields::read(&body)
            .map(Self)
            .map_err(IntoResponse::into_response)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().unwrap_or_default();
        if query.len() > MOST_BYTES {
            return Ok(Self(Err(TOO_LONG)));
        }
        Ok(Self(Fields::read(query.as_bytes())))
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| {
            kind.trim()
                .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        })
}

const NOT_A_FORM: OauthError =
    OauthError::request("the body must be application/x-www-form-urlencoded");
const TOO_LONG: OauthError = OauthError::request("the request is too long");
const MOST: usize = 64;
const MOST_BYTES: usize = 16 * 1024;
