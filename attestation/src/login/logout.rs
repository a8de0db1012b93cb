//! Signing out: by the member, and by the identity provider behind the browser's back.

use std::sync::Arc;

use askama::Template;
use axum::{
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
};
use bauta_token::jws::Purpose;
use serde_json::{Value, json};

use super::{LoginError, SESSION_COOKIE, SignedInMember, Subject, chain, see_other, set_cookie};
use crate::{
    Plane,
    http::Refusal,
    portal::{self, view::Frame},
    ports::people::{BackChannelLogout, LogoutNames},
};

/// Asks whether the member means it: a link elsewhere must not sign anybody out.
pub(super) async fn confirm(State(plane): State<Arc<Plane>>) -> Response {
    portal::page(&SignOut {
        frame: portal::frame(&plane, "", false),
    })
}

#[derive(Template)]
#[template(path = "logout.html")]
struct SignOut {
    frame: Frame,
}

/// Ends the session of this browser, then asks the identity provider to end its own.
pub(super) async fn leave(
    State(plane): State<Arc<Plane>>,
    member: Option<SignedInMember>,
    headers: HeaderMap,
) -> Response {
    let gone = set_cookie(SESSION_COOKIE, "", 0);
    if let Some(member) = member {
        let event = plane
            .scribe(plane.clock.now())
            .logout(member.member, "member");
        if let Err(error) = plane.store.end_session(member.session, &event).await {
            tracing::error!(error = chain(&error), "a session could not be ended");
            return Refusal::unavailable().answer(&headers);
        }
    }
    see_other(&plane.after_logout().await, [gone])
}

/// A logout token of the identity provider (OpenID Connect Back-Channel Logout).
pub(super) async fn back_channel(State(plane): State<Arc<Plane>>, body: Body) -> Response {
    let mut response = match plane.take_logout(body).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => {
            let status = match &error {
                LoginError::Provider(_) | LoginError::Store(_) | LoginError::Tag(_) => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                _ => StatusCode::BAD_REQUEST,
            };
            tracing::warn!(error = chain(&error), "a logout token was refused");
            (status, axum::Json(json!({ "error": "invalid_request" }))).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Plane {
    async fn after_logout(&self) -> String {
        // Signing out works when the identity provider does not.
        let provider = self.discovery.provider(self.clock.now()).await.ok();
        let Some(mut url) = provider.and_then(|provider| provider.end_session.clone()) else {
            return "/".to_owned();
        };
        // No id_token_hint: an ID token names a person and is not kept for this.
        url.query_pairs_mut()
            .append_pair("client_id", &self.settings.sso.client_id)
            .append_pair("post_logout_redirect_uri", &format!("{}/", self.origin()));
        url.into()
    }

    async fn take_logout(&self, body: Body) -> Result<(), LoginError> {
        let now = self.clock.now();
        let body = to_bytes(body, LONGEST)
            .await
            .map_err(|_| LoginError::Form)?;
        let token = sole_token(&body).ok_or(LoginError::Form)?;
        let provider = self.discovery.provider(now).await?;
        let claims = self
            .foreign(&token, Purpose::Logout, &provider, now)
            .await?;
        if !claims.object("events").is_some_and(is_logout) {
            return Err(LoginError::Form);
        }
        let issuer = self.settings.sso.issuer.as_str();
        let jti = claims.text("jti")?;
        let names = match (claims.optional("sub")?, claims.optional("sid")?) {
            (Some(sub), _) => {
                let subject = Subject::new(issuer, sub).ok_or(LoginError::Form)?;
                let hard = subject.harden(&self.salt, &self.hashing).await?;
                LogoutNames::Subject(hard.logout(&self.keys))
            }
            (None, Some(sid)) => LogoutNames::Session(self.idp_session(sid)),
            (None, None) => return Err(LoginError::Form),
        };
        let token = self
            .keys
            .lookup("logout-jti/v1", &[issuer.as_bytes(), jti.as_bytes()]);
        if self.store.logout_taken(token).await? {
            return Ok(());
        }
        let members = self.store.named(names).await?;
        for member in &members {
            // Before the token is noted: were it after, a crash in between would leave them.
            self.end_grants(*member, "idp_logout").await?;
        }
        let logout = BackChannelLogout {
            token,
            // Longer than any logout token is taken for.
            remember_until: now.plus_seconds(REMEMBER_SECONDS),
            events: members
                .iter()
                .map(|who| self.scribe(now).logout(*who, "idp"))
                .collect(),
            members: members.clone(),
        };
        self.store.back_channel_logout(&logout).await?;
        for member in members {
            // And once more: a session that still lived may have been given one in between.
            self.end_grants(member, "idp_logout").await?;
        }
        Ok(())
    }
}

/// The one `logout_token` of a form.
fn sole_token(form: &[u8]) -> Option<String> {
    let mut found = url::form_urlencoded::parse(form).filter(|(name, _)| name == "logout_token");
    match (found.next(), found.next()) {
        (Some((_, token)), None) => Some(token.into_owned()),
        _ => None,
    }
}

fn is_logout(events: &serde_json::Map<String, Value>) -> bool {
    events.get(BACK_CHANNEL).is_some_and(Value::is_object)
}

const BACK_CHANNEL: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Bytes of a form with one token.
const LONGEST: usize = 64 * 1024;
/// One day.
const REMEMBER_SECONDS: i64 = 86_400;
