//! What a token has used: asked of the gateway by the member's own browser, never by this side.
//!
//! The page is a form that posts the token there. Where scripts run, one of ours sends the same form
//! and draws the answer in place.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, header::CONTENT_SECURITY_POLICY},
    response::Response,
};

use super::{asset, frame, page as render, view};
use crate::{Plane, login::SignedInMember};

pub(super) async fn page(State(plane): State<Arc<Plane>>, _: SignedInMember) -> Response {
    let gateway = plane.settings.gateway_url.origin().ascii_serialization();
    let policy = policy(&gateway);
    let mut response = render(&view::Usage {
        frame: frame(&plane, "usage", true),
        gateway,
    });
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// That of the other pages, and besides one script of ours, which may call the gateway and cannot
/// write markup.
fn policy(gateway: &str) -> String {
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src \
         {gateway}; form-action 'self' {gateway}; frame-ancestors 'none'; base-uri 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

pub(super) async fn script() -> Response {
    asset(
        "text/javascript; charset=utf-8",
        include_str!("../../templates/usage.js"),
    )
}
