//! Introspection (RFC 7662), for resource servers other than our gateway, which never asks.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bauta_token::secret::ct_eq;
use serde_json::json;

use super::{OauthError, fields::Form};
use crate::{Plane, config::SecretText, http::chain};

impl Plane {
    /// What a resource server presents; `None` when introspection is off.
    pub(crate) fn introspection_secret(&self) -> Option<&SecretText> {
        self.settings.introspection.as_ref()
    }
}

pub(super) async fn introspect(
    State(plane): State<Arc<Plane>>,
    headers: HeaderMap,
    form: Form,
) -> Response {
    let Some(secret) = plane.introspection_secret() else {
        return OFF.into_response();
    };
    if !presents(&headers, secret) {
        let mut response = NOT_YOU.into_response();
        let challenge = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
        return response;
    }
    let Some(token) = form.find("token") else {
        return OauthError::request("token is missing").into_response();
    };
    let Some(claims) = plane.read_access(token) else {
        return inactive();
    };
    match plane.store.grant(plane.grant_id(&claims.sub)).await {
        Ok(Some(grant)) if !grant.ended => Json(json!({
            "active": true, "iss": claims.iss, "aud": claims.aud, "exp": claims.exp,
            "iat": claims.iat, "jti": claims.jti, "sub": claims.sub, "scope": claims.scope,
            "client_id": claims.client_id, "token_type": "Bearer",
        }))
        .into_response(),
        Ok(_) => inactive(),
        Err(error) => {
            tracing::error!(error = chain(&error), "a token could not be looked up");
            OauthError::unavailable().into_response()
        }
    }
}

fn inactive() -> Response {
    Json(json!({ "active": false })).into_response()
}

fn presents(headers: &HeaderMap, secret: &SecretText) -> bool {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    value
        .to_str()
        .ok()
        .and_then(|value| value.strip_prefix("Bearer "))
        .is_some_and(|given| ct_eq(given.as_bytes(), secret.reveal().as_bytes()))
}

const OFF: OauthError = OauthError::new(
    StatusCode::NOT_FOUND,
    "not_found",
    "introspection is switched off here",
);
const NOT_YOU: OauthError = OauthError::new(
    StatusCode::UNAUTHORIZED,
    "invalid_client",
    "introspection needs the configured secret",
);
