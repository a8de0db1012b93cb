//! The routes of the one-time check.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::{Form, State, rejection::FormRejection},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_LENGTH},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Deserialize;

use super::{Taken, VerifyError, persona};
use crate::{
    Plane,
    http::{Refusal, chain},
    login::{SignedInMember, see_other},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    vendor: String,
    /// The version of the notice that was shown.
    notice_version: String,
}

/// Sends the member to the vendor.
pub(super) async fn start(
    State(plane): State<Arc<Plane>>,
    member: SignedInMember,
    headers: HeaderMap,
    form: Result<Form<Start>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else {
        return refusal(&VerifyError::NoConsent).answer(&headers);
    };
    match plane
        .start_verification(member.member, &form.vendor, &form.notice_version)
        .await
    {
        Ok(link) => see_other(&link, []),
        Err(error) => {
            let refusal = refusal(&error);
            tracing::warn!(
                error = chain(&error),
                code = refusal.code(),
                "no verification began"
            );
            refusal.answer(&headers)
        }
    }
}

/// The way back from the vendor. Its query carries names and dates of birth: nothing of it is read,
/// nothing is logged, and the next address has none. That somebody came back proves nothing.
pub(super) async fn back() -> Response {
    see_other("/verify/waiting", [])
}

/// Persona's webhooks.
pub(super) async fn persona(
    State(plane): State<Arc<Plane>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = take_persona(&plane, &headers, body).await;
    plane.metrics.webhook(match answer.status().as_u16() {
        200 => "taken",
        401 => "unsigned",
        404 => "unknown",
        503 => "unavailable",
        _ => "malformed",
    });
    answer
}

async fn take_persona(plane: &Plane, headers: &HeaderMap, body: Body) -> Response {
    let Some(vendor) = plane.vendor(persona::KIND) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body = match read(headers, body).await {
        Ok(body) => body,
        Err(status) => return status.into_response(),
    };
    let hint = match vendor.verify_webhook(headers, &body, plane.clock.now()) {
        Ok(hint) => hint,
        Err(error) => {
            tracing::warn!(error = chain(&error), "a webhook was refused");
            return error.status().into_response();
        }
    };
    // The vendor waits five seconds; what is not written by then it sends again.
    match tokio::time::timeout(PATIENCE, plane.take_hint(vendor.as_ref(), &hint)).await {
        Ok(Ok(Taken::Done)) => StatusCode::OK.into_response(),
        Ok(Ok(Taken::Unknown)) => StatusCode::NOT_FOUND.into_response(),
        Ok(Err(error)) => {
            tracing::error!(error = chain(&error), "a webhook could not be taken");
            Refusal::unavailable().into_response()
        }
        Err(_) => Refusal::unavailable().into_response(),
    }
}

/// The raw body, as it was signed. Nothing is decompressed, and nothing past the cap is read.
async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, StatusCode> {
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let said = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    let said = said.and_then(|length| length.parse::<usize>().ok());
    if said.is_some_and(|length| length > LONGEST) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    match tokio::time::timeout(PATIENCE, to_bytes(body, LONGEST)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

const fn refusal(error: &VerifyError) -> Refusal {
    match error {
        VerifyError::NoVendor | VerifyError::NoConsent => Refusal::new(
            StatusCode::BAD_REQUEST,
            "consent_required",
            "Verification starts when you have agreed to the current privacy notice.",
            "Go back, read the notice and agree to it.",
        ),
        VerifyError::TooMany => Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_attempts",
            "You began too many verifications today.",
            "Try again tomorrow, or ask a compliance officer to vouch for you.",
        ),
        VerifyError::Vendor(_) => Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "verifier_unavailable",
            "The verification service does not answer right now.",
            "Try again in a few minutes.",
        ),
        _ => Refusal::unavailable(),
    }
}

/// 1 MiB.
const LONGEST: usize = 1024 * 1024;
const PATIENCE: Duration = Duration::from_millis(4_500);
