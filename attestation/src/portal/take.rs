//! A member takes everything held about it along, or has it erased.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, SET_COOKIE},
    },
    response::{IntoResponse, Response},
};
use bauta_audit::store::StoreError;
use serde_json::{Value, json};

use super::{message, privacy, unavailable, view::Group};
use crate::{
    Plane,
    login::{SignedInMember, session::SESSION_COOKIE, set_cookie},
    member::Erased,
    oauth::fields::Form,
};

/// What the privacy page shows, for programs.
pub(super) async fn along(State(plane): State<Arc<Plane>>, member: SignedInMember) -> Response {
    match document(&plane, &member).await {
        Ok(document) => {
            let headers = [
                (CONTENT_TYPE, "application/json"),
                (
                    CONTENT_DISPOSITION,
                    "attachment; filename=\"bauta-about-me.json\"",
                ),
                (CACHE_CONTROL, "no-store"),
            ];
            (headers, document).into_response()
        }
        Err(error) => unavailable(&error),
    }
}

async fn document(plane: &Plane, member: &SignedInMember) -> Result<String, StoreError> {
    let now = plane.clock.now();
    let held = privacy::held(plane, member).await?;
    let looks = plane.store.looks(member.member, MOST_LOOKS).await?;
    let looks = looks.iter().map(
        |look| json!({ "by": look.by, "role": look.role.as_str(), "at": look.at.to_string() }),
    );
    let document = json!({
        "member": member.member,
        "made_at": now.to_string(),
        "held": held.iter().map(group).collect::<Vec<_>>(),
        "looks": looks.collect::<Vec<_>>(),
        "log": "What the log says of you is in an export of profile dsar, which an auditor makes: \
                `bauta audit export --plane identity --profile dsar`.",
    });
    // Before it is handed out: what left is on record.
    let event = plane.scribe(now).member_exported(member.member);
    plane.store.note(&[event]).await?;
    serde_json::to_string_pretty(&document).map_err(|error| StoreError::new("write it down", error))
}

fn group(group: &Group) -> Value {
    let facts = group
        .facts
        .iter()
        .map(|fact| json!({ "name": fact.name, "value": fact.value }));
    json!({
        "title": group.title,
        "facts": facts.collect::<Vec<_>>(),
        "record": group.record,
        "gone": group.gone,
    })
}

pub(super) async fn erase(
    State(plane): State<Arc<Plane>>,
    member: SignedInMember,
    form: Form,
) -> Response {
    if form.find("sure") != Some("yes") {
        let mut page = privacy::shown(&plane, &member, Some(NOT_SURE)).await;
        *page.status_mut() = StatusCode::BAD_REQUEST;
        return page;
    }
    let who = member.member;
    match plane.erase_for(who, Some(who), Some("asked-for-it")).await {
        Ok(Erased::Done | Erased::NoMember) => {
            let mut page = message(&plane, StatusCode::OK, "You are erased", GONE);
            let headers = page.headers_mut();
            let gone: Option<HeaderValue> = set_cookie(SESSION_COOKIE, "", 0);
            if let Some(gone) = gone {
                headers.append(SET_COOKIE, gone);
            }
            page
        }
        Ok(Erased::Held) => {
            let mut page = privacy::shown(&plane, &member, Some(HELD)).await;
            *page.status_mut() = StatusCode::CONFLICT;
            page
        }
        Err(error) => unavailable(&error),
    }
}

const NOT_SURE: &str = "Nothing was erased: tick the box first, since it cannot be undone.";
const HELD: &str = "Nothing was erased: your access is suspended, or a provider has shut your account \
                    there. Ask a compliance officer.";
const GONE: &str = "Your row, your attestation and its nonce are gone, your tokens ended, and what the \
                    log said of you in words is emptied. What a vendor still holds is deleted there \
                    next. If you sign in again you begin as somebody new.";
const MOST_LOOKS: u32 = 1_000;
