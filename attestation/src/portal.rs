//! The member's pages and the officer's: server-rendered, readable by a screen reader. None needs a
//! script; one has one, to draw what its form leads to.
//!
//! A page is a template and a struct of plain text beside it (`view`); every value is escaped by
//! the template. Pages go by a cookie, so each form is guarded against other sites.

use std::sync::Arc;

use askama::Template;
use axum::{
    Router,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bauta_audit::store::StoreError;
use bauta_token::scope::{Name, Privacy};

use crate::{
    Plane,
    config::Environment,
    http::{Refusal, chain, guard},
    ports::MemberId,
    qualify::QualifyError,
};

mod appeal;
pub(crate) mod device;
mod gates;
pub(crate) mod home;
mod in_person;
mod officer;
pub(crate) mod privacy;
pub(crate) mod snippets;
mod take;
pub(crate) mod tokens;
mod usage;
pub(crate) mod verify;
pub(crate) mod view;
pub(crate) mod words;

/// All pages.
pub fn routes(plane: &Arc<Plane>) -> Router<Arc<Plane>> {
    let pages = Router::new()
        .route("/", get(home::page))
        .route("/verify", get(verify::page))
        .route("/verify/waiting", get(verify::waiting))
        .route(
            "/verify/in-person",
            get(in_person::page).post(in_person::show),
        )
        .route("/officer", get(officer::page).post(officer::typed))
        .route("/officer/vouch", post(officer::vouch))
        .route("/tokens", get(tokens::page).post(tokens::create))
        .route("/tokens/revoke", post(tokens::revoke))
        .route("/usage", get(usage::page))
        .route("/appeal", get(appeal::page).post(appeal::make))
        .route("/privacy", get(privacy::page))
        .route("/privacy/take", get(take::along))
        .route("/privacy/erase", post(take::erase))
        .route("/device", get(device::page).post(device::typed))
        .route("/device/answer", post(device::answer));
    Router::new()
        .route("/assets/portal.css", get(styles))
        .route("/assets/usage.js", get(usage::script))
        .route("/assets/mask.svg", get(mask))
        .merge(guard(pages, plane))
}

async fn styles() -> Response {
    asset(
        "text/css; charset=utf-8",
        include_str!("../templates/portal.css"),
    )
}

/// The picture styles itself for light and dark, which the policy of our pages does not allow; an
/// image brings its own.
async fn mask() -> Response {
    let mut response = asset("image/svg+xml", include_str!("../templates/mask.svg"));
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    response
}

pub(crate) fn asset(kind: &'static str, body: &'static str) -> Response {
    let cache = "public, max-age=3600";
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, cache)], body).into_response()
}

/// A rendered page.
pub(crate) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let headers = [
                (CONTENT_TYPE, "text/html; charset=utf-8"),
                (CACHE_CONTROL, "no-store"),
            ];
            (headers, html).into_response()
        }
        Err(error) => {
            tracing::error!(error = chain(&error), "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What all pages share.
pub(crate) fn frame(plane: &Plane, here: &'static str, signed_in: bool) -> view::Frame {
    view::Frame {
        here,
        signed_in,
        development: plane.settings.environment == Environment::Development,
    }
}

/// The policy of a page whose form leads to `also` besides this origin.
pub(crate) fn csp(also: &str) -> String {
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {also}; \
         frame-ancestors 'none'; base-uri 'none'"
    )
}

/// One sentence on what happened and one on what to do.
pub(crate) fn message(plane: &Plane, status: StatusCode, heading: &str, text: &str) -> Response {
    said(frame(plane, "", false), status, heading, text)
}

/// The same for who is signed in, and keeps the way to the other pages.
pub(crate) fn answer(plane: &Plane, status: StatusCode, heading: &str, text: &str) -> Response {
    said(frame(plane, "", true), status, heading, text)
}

fn said(frame: view::Frame, status: StatusCode, heading: &str, text: &str) -> Response {
    let mut response = page(&view::Message {
        frame,
        kicker: "",
        heading: heading.to_owned(),
        text: text.to_owned(),
        next: Some(view::Link::new("/", "Go to the start page")),
    });
    *response.status_mut() = status;
    response
}

/// What a member may let a program use now, and why it is nothing.
pub(crate) struct Opening {
    pub(crate) scopes: Vec<Name>,
    pub(crate) because: Closed,
}

/// Why nothing is open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Closed {
    /// No group opens anything, or not what was asked for.
    NotYours,
    /// There is no verification that counts.
    Verify,
    /// The last sign-in is too old.
    SignIn,
}

impl Plane {
    /// The sealed scopes that `member` qualifies for now; of those, `wanted` when it is given.
    pub(crate) async fn opening(
        &self,
        member: MemberId,
        wanted: Option<&Name>,
    ) -> Result<Opening, StoreError> {
        let mut opening = Opening {
            scopes: Vec::new(),
            because: Closed::NotYours,
        };
        let sealed = self
            .scopes
            .values()
            .filter(|rule| rule.privacy == Privacy::Sealed)
            .filter(|rule| wanted.is_none_or(|wanted| *wanted == rule.name));
        for rule in sealed {
            match self.qualify(member, &rule.name).await {
                Ok(_) => opening.scopes.push(rule.name.clone()),
                Err(QualifyError::Store(error)) => return Err(error),
                Err(QualifyError::NotVerified | QualifyError::Expired) => {
                    opening.because = Closed::Verify;
                }
                Err(QualifyError::SignInAgain) => opening.because = Closed::SignIn,
                Err(_) => {}
            }
        }
        Ok(opening)
    }
}

impl Closed {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::NotYours => {
                "Your groups do not open this here. Ask your platform team which group does, then \
                 sign in again."
            }
            Self::Verify => "Verify once first; after that this opens.",
            Self::SignIn => "Your sign-in is too old to go by. Sign out and in again.",
        }
    }
}

/// The page for who has nothing open.
pub(crate) fn closed(plane: &Plane, opening: &Opening) -> Response {
    let next = match opening.because {
        Closed::Verify => view::Link::new("/verify", "Verify once"),
        _ => view::Link::new("/", "Go to the overview"),
    };
    let mut response = page(&view::Message {
        frame: frame(plane, "", true),
        kicker: "Nothing to give yet",
        heading: "This is not open to you now".to_owned(),
        text: opening.because.text().to_owned(),
        next: Some(next),
    });
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

/// Storage gave no answer.
pub(crate) fn unavailable(error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(error = chain(error), "a page has no answer");
    Refusal::unavailable().into_response()
}

#[cfg(test)]
pub(crate) mod tests;
