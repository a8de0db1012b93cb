//! What clients discover: RFC 8414 and the key set.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::header::CACHE_CONTROL,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{Plane, config::DeviceFlow};

/// The metadata document; also under the name that OpenID clients look for.
pub(super) async fn server(State(plane): State<Arc<Plane>>) -> Response {
    (
        [(CACHE_CONTROL, "public, max-age=300")],
        Json(document(&plane)),
    )
        .into_response()
}

fn document(plane: &Plane) -> Value {
    let issuer = plane.issuer();
    let at = |path: &str| format!("{issuer}{path}");
    let mut grants = vec!["authorization_code", "refresh_token"];
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "pushed_authorization_request_endpoint": at("/oauth/par"),
        "revocation_endpoint": at("/oauth/revoke"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": true,
        "service_documentation": at("/"),
        // RFC 9728, section 4: where the tokens are used.
        "protected_resources": [plane.audience()],
    });
    let Some(fields) = document.as_object_mut() else {
        return document;
    };
    if plane.settings.oauth.device != DeviceFlow::Off {
        grants.push(super::token::DEVICE_GRANT);
        fields.insert(
            "device_authorization_endpoint".to_owned(),
            at("/oauth/device_authorization").into(),
        );
        fields.insert("gateway_protocol_version".to_owned(), 1.into());
    }
    if plane.introspection_secret().is_some() {
        fields.insert(
            "introspection_endpoint".to_owned(),
            at("/oauth/introspect").into(),
        );
        fields.insert(
            "introspection_endpoint_auth_methods_supported".to_owned(),
            // RFC 8414, section 2: a type of access token, as IANA spells it.
            json!(["Bearer"]),
        );
    }
    if !plane.workloads.is_empty() {
        grants.push(super::exchange::EXCHANGE_GRANT);
    }
    fields.insert("grant_types_supported".to_owned(), grants.into());
    document
}

/// The public halves of the keys that sign tokens, next ones included (RFC 8037).
pub(super) async fn keys(State(plane): State<Arc<Plane>>) -> Response {
    let keys: Vec<_> = plane
        .issuer_keys()
        .into_iter()
        .map(|key| {
            json!({
                "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
                "kid": key.kid, "x": key.x,
            })
        })
        .collect();
    (
        [(CACHE_CONTROL, "public, max-age=300")],
        Json(json!({ "keys": keys })),
    )
        .into_response()
}
