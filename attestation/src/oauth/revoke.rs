//! Revocation (RFC 7009). Who holds a token may end its grant; nothing else is asked.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{OauthError, fields::Form};
use crate::{Plane, http::chain};

/// A token that nobody knows is as revoked as one can be: 200.
pub(super) async fn revoke(State(plane): State<Arc<Plane>>, form: Form) -> Response {
    let Some(token) = form.find("token") else {
        return OauthError::request("token is missing").into_response();
    };
    match plane.revoke(token).await {
        Ok(_) => StatusCode::OK.into_response(),
        Err(error) => {
            tracing::error!(error = chain(&error), "a token may not be revoked");
            OauthError::unavailable().into_response()
        }
    }
}
