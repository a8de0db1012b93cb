//! What anybody may read of the gateway log: checkpoints and hashes.
//!
//! Leaves are salted, so a hash says nothing about a request; events and salts leave in exports
//! only, made over [`crate::Gateway::log`].

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bauta_audit::tile::Tile;
use http::{HeaderValue, Method, StatusCode, header, request::Parts};

use crate::Gateway;

/// The answer for a path under `/log/gateway/`; `None` for every other path.
pub async fn serve(gateway: &Gateway, parts: &Parts) -> Option<Response> {
    let path = parts.uri.path().strip_prefix("/log/gateway/")?;
    if parts.method != Method::GET {
        return Some(StatusCode::METHOD_NOT_ALLOWED.into_response());
    }
    let log = gateway.log();
    if path == "checkpoint" {
        return Some(match log.head().await {
            Ok(head) if head.note.is_empty() => StatusCode::NOT_FOUND.into_response(),
            Ok(head) => with(head.note, "text/plain; charset=utf-8", "no-store"),
            Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        });
    }
    let Ok(tile) = path.parse::<Tile>() else {
        return Some(StatusCode::NOT_FOUND.into_response());
    };
    Some(match tile.contents(&*log).await {
        Ok(Some(hashes)) => with(hashes, "application/octet-stream", FOR_EVER),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    })
}

fn with(body: impl Into<Body>, kind: &'static str, cache: &'static str) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

/// A tile never changes; a partial one is another path.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
