//! The authorization server: how clients get tokens.
//!
//! Each endpoint is a thin caller of [`Plane::qualify`] and [`Plane::issue`]; none makes a token
//! by itself, so no grant type has rules of its own about who may have one. Errors are those of
//! RFC 6749, section 5.2, and say no more than the client knows.
//!
//! * `metadata`: RFC 8414 and the key set
//! * `authorize`: authorization code with PKCE, for a program on the same machine (RFC 8252)
//! * `pushed`: the same, sent ahead of the browser (RFC 9126)
//! * `device`: device authorization (RFC 8628), by policy only; its page is in the portal
//! * `token`: codes and refresh tokens against access tokens
//! * `exchange`: what a build's platform signed against one (RFC 8693)
//! * `revoke`, `introspect`: RFC 7009 and 7662

use std::sync::Arc;

use axum::{
    Router,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use crate::{Plane, http::guard};

pub(crate) mod authorize;
pub(crate) mod device;
pub(crate) mod exchange;
pub(crate) mod fields;
pub(crate) mod introspect;
pub(crate) mod metadata;
pub(crate) mod pushed;
pub(crate) mod revoke;
pub(crate) mod token;

/// All routes of the authorization server. Those that go by a cookie are guarded.
pub fn routes(plane: &Arc<Plane>) -> Router<Arc<Plane>> {
    let pages = Router::new().route(
        "/oauth/authorize",
        get(authorize::page).post(authorize::answer),
    );
    Router::new()
        .route(
            "/.well-known/oauth-authorization-server",
            get(metadata::server),
        )
        .route("/.well-known/openid-configuration", get(metadata::server))
        .route("/.well-known/jwks.json", get(metadata::keys))
        .route("/oauth/device_authorization", post(device::authorization))
        .route("/oauth/par", post(pushed::push))
        .route("/oauth/token", post(token::token))
        .route("/oauth/revoke", post(revoke::revoke))
        .route("/oauth/introspect", post(introspect::introspect))
        .merge(guard(pages, plane))
}

/// An error as RFC 6749, section 5.2, has it. Without `WWW-Authenticate`, also with 401: clients
/// that see one look no further.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct OauthError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) description: &'static str,
}

impl OauthError {
    pub(crate) const fn new(
        status: StatusCode,
        code: &'static str,
        description: &'static str,
    ) -> Self {
        Self {
            status,
            code,
            description,
        }
    }

    /// 400 `invalid_request`.
    pub(crate) const fn request(description: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// Storage or a key is not there.
    pub(crate) const fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            "nothing can be issued right now; try again",
        )
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code, "error_description": self.description });
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let retry = HeaderValue::from_static("5");
            headers.insert(RETRY_AFTER, retry);
        }
        response
    }
}

#[cfg(test)]
mod tests;
