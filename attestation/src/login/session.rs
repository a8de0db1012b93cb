//! Who is behind a browser's cookie.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{
        HeaderMap, Method, StatusCode,
        header::{COOKIE, LOCATION},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use bauta_audit::store::StoreError;
use bauta_token::{
    scope::Name,
    secret::{Kind, Plain, SessionCookie},
    units::UnixMillis,
};

use crate::{
    Plane,
    http::{Refusal, wants_page},
    ports::{Lookup, MemberId, Role},
};

/// A member with a live session. As an extractor it sends a browser to sign in, and refuses
/// anybody else with 401.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SignedInMember {
    /// Who.
    pub member: MemberId,
    /// What its groups make of it.
    pub roles: BTreeSet<Role>,
    /// What it may ask for, if it is verified.
    pub scopes: BTreeSet<Name>,
    /// When it signed in: what is sensitive may ask for a recent sign-in.
    pub signed_in_at: UnixMillis,
    /// When the session ends at the latest.
    pub expires_at: UnixMillis,
    /// The session itself.
    pub session: Lookup,
}

impl SignedInMember {
    /// Refuses who does not hold `role`.
    ///
    /// # Errors
    ///
    /// [`Refusal`] with 403.
    pub fn require(&self, role: Role) -> Result<(), Refusal> {
        if self.roles.contains(&role) {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "role_required",
            "This page is for people with another role.",
            "Ask whoever runs Bauta in your organisation.",
        ))
    }
}

impl Plane {
    /// The member behind the cookie in `headers`, if the session lives.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    pub async fn signed_in(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<SignedInMember>, StoreError> {
        let Some(cookie) = cookie::<SessionCookie>(headers, SESSION_COOKIE) else {
            return Ok(None);
        };
        let session = Lookup(*cookie.hash(self.keys.secrets()).as_bytes());
        let idle = self.settings.sso.session_idle.as_seconds();
        let row = self.store.session(session, self.clock.now(), idle).await?;
        Ok(row.map(|row| SignedInMember {
            member: row.member,
            roles: row.rights.roles,
            scopes: row.rights.scopes,
            signed_in_at: row.signed_in_at,
            expires_at: row.expires_at,
            session,
        }))
    }
}

impl FromRequestParts<Arc<Plane>> for SignedInMember {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, plane: &Arc<Plane>) -> Result<Self, Response> {
        match plane.signed_in(&parts.headers).await {
            Ok(Some(member)) => Ok(member),
            Ok(None) => Err(sign_in_first(parts)),
            Err(error) => {
                tracing::error!(
                    error = crate::http::chain(&error),
                    "no session could be read"
                );
                Err(Refusal::unavailable().answer(&parts.headers))
            }
        }
    }
}

impl OptionalFromRequestParts<Arc<Plane>> for SignedInMember {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        plane: &Arc<Plane>,
    ) -> Result<Option<Self>, Response> {
        plane.signed_in(&parts.headers).await.map_err(|error| {
            tracing::error!(
                error = crate::http::chain(&error),
                "no session could be read"
            );
            Refusal::unavailable().answer(&parts.headers)
        })
    }
}

/// A page that was asked for comes back after the sign-in; a form that was sent does not.
fn sign_in_first(parts: &Parts) -> Response {
    if !wants_page(&parts.headers) {
        return NOT_SIGNED_IN.into_response();
    }
    let mut to = "/login".to_owned();
    if parts.method == Method::GET {
        let back = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", back)
            .finish();
        to = format!("/login?{query}");
    }
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

/// The secret in the cookie called `name`. `None` when it is absent, there twice, or malformed.
pub(crate) fn cookie<K: Kind>(headers: &HeaderMap, name: &str) -> Option<Plain<K>> {
    let mut values = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(found, _)| *found == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Plain::parse(value),
        _ => None,
    }
}

const NOT_SIGNED_IN: Refusal = Refusal::new(
    StatusCode::UNAUTHORIZED,
    "login_required",
    "You are not signed in.",
    "Sign in and try again.",
);

/// Host-only, secure, whole origin: what the prefix promises.
pub(crate) const SESSION_COOKIE: &str = "__Host-bauta-session";
