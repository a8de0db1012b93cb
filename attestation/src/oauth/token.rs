//! The token endpoint: device codes, authorization codes, refresh tokens and tokens of builds'
//! platforms against tokens.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bauta_audit::store::StoreError;
use bauta_token::{
    scope::Name,
    secret::{AuthCode, CellError, DeviceCode, Plain, RefreshToken, ct_eq},
};
use ring::digest::{SHA256, digest};
use serde_json::json;

use super::{
    OauthError,
    exchange::{ACCESS_TOKEN, EXCHANGE_GRANT, exchange},
    fields::{Fields, Form},
};
use crate::{
    Plane,
    config::DeviceFlow,
    http::chain,
    issue::{
        Ask, ClientKind, IssueError, Issued,
        holder::{CODE, DEVICE},
    },
    ports::{MemberId, grants::Poll},
    qualify::QualifyError,
};

/// RFC 8628, section 3.4.
pub(super) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

pub(super) async fn token(State(plane): State<Arc<Plane>>, form: Form) -> Response {
    let exchanged = form.find("grant_type") == Some(EXCHANGE_GRANT);
    match granted(&plane, &form).await {
        Ok(issued) => answer(&issued, exchanged.then_some(ACCESS_TOKEN)),
        Err(error) => error.into_response(),
    }
}

async fn granted(plane: &Plane, form: &Fields) -> Result<Issued, OauthError> {
    // Nobody has a credential here: what was made for another server must not look like one.
    let asserts = ["client_assertion", "client_assertion_type", "client_secret"];
    if asserts.iter().any(|name| form.find(name).is_some()) {
        return Err(NO_CREDENTIAL);
    }
    match form.find("grant_type") {
        Some(DEVICE_GRANT) => device(plane, form).await,
        Some("authorization_code") => code(plane, form).await,
        Some("refresh_token") => refresh(plane, form).await,
        Some(EXCHANGE_GRANT) => exchange(plane, form).await,
        Some(_) => Err(UNSUPPORTED),
        None => Err(OauthError::request("grant_type is missing")),
    }
}

/// `kind` is said where it is asked for: RFC 8693, section 2.2.1.
fn answer(issued: &Issued, kind: Option<&'static str>) -> Response {
    let mut body = json!({
        "access_token": issued.access(),
        "token_type": "Bearer",
        "expires_in": issued.expires_in(),
        "scope": issued.scope(),
    });
    if let Some(body) = body.as_object_mut() {
        let refresh = issued.refresh().map(Plain::reveal);
        for (name, value) in [("refresh_token", refresh), ("issued_token_type", kind)] {
            if let Some(value) = value {
                body.insert(name.to_owned(), value.into());
            }
        }
    }
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn device(plane: &Plane, form: &Fields) -> Result<Issued, OauthError> {
    let code = form
        .find("device_code")
        .ok_or(OauthError::request("device_code is missing"))?;
    let code = Plain::<DeviceCode>::parse(code).ok_or(EXPIRED)?;
    let hash = code.hash(plane.keys.secrets());
    let now = plane.clock.now();
    let allowed = match plane
        .store
        .poll(hash, now)
        .await
        .map_err(|error| unknown(&error))?
    {
        Poll::Allowed(allowed) => allowed,
        Poll::Waiting => return Err(PENDING),
        Poll::TooSoon => return Err(SLOW_DOWN),
        Poll::Denied => return Err(DENIED),
        Poll::Expired => return Err(EXPIRED),
    };
    if !plane.serves(ClientKind::Device) {
        return Err(NO_CLIENT);
    }
    let member = plane
        .open_member(DEVICE, hash.as_bytes(), &allowed.handle)
        .map_err(torn)?;
    if !plane
        .scopes
        .get(&allowed.scope)
        .is_some_and(|rule| rule.device)
    {
        return Err(NO_SCOPE);
    }
    issue(plane, member, &allowed.scope, Ask::device(hash))
        .await
        .map_err(|refused| match refused {
            Refused::Scope => NO_SCOPE,
            Refused::Spent => EXPIRED,
            Refused::Member | Refused::Again => DENIED,
            Refused::Unknown => OauthError::unavailable(),
        })
}

async fn code(plane: &Plane, form: &Fields) -> Result<Issued, OauthError> {
    let text = form
        .find("code")
        .ok_or(OauthError::request("code is missing"))?;
    let verifier = form
        .find("code_verifier")
        .ok_or(OauthError::request("code_verifier is missing"))?;
    let hash = Plain::<AuthCode>::parse(text)
        .ok_or(BAD_CODE)?
        .hash(plane.keys.secrets());
    let kept = plane
        .store
        .code(hash)
        .await
        .map_err(|error| unknown(&error))?;
    let kept = kept.ok_or(BAD_CODE)?;
    if let Some(grant) = kept.used_for {
        // Somebody has it who should not: what it gave ends (RFC 6749, section 4.1.2).
        end_of_reused_code(plane, grant).await?;
        return Err(BAD_CODE);
    }
    let fits = kept.expires_at > plane.clock.now()
        && form.find("client_id") == Some(kept.client.as_str())
        && form.find("redirect_uri") == Some(kept.redirect.as_str())
        && proves(verifier, &kept.challenge);
    let client = ClientKind::parse(&kept.client)
        .filter(|_| fits)
        .ok_or(BAD_CODE)?;
    let member = plane
        .open_member(CODE, hash.as_bytes(), &kept.handle)
        .map_err(torn)?;
    let issued = issue(plane, member, &kept.scope, Ask::code(hash, client)).await;
    match issued {
        Ok(issued) => Ok(issued),
        Err(Refused::Scope) => Err(NO_SCOPE),
        Err(Refused::Member | Refused::Again) => Err(BAD_CODE),
        Err(Refused::Unknown) => Err(OauthError::unavailable()),
        Err(Refused::Spent) => {
            let kept = plane
                .store
                .code(hash)
                .await
                .map_err(|error| unknown(&error))?;
            if let Some(grant) = kept.and_then(|kept| kept.used_for) {
                end_of_reused_code(plane, grant).await?;
            }
            Err(BAD_CODE)
        }
    }
}

async fn end_of_reused_code(plane: &Plane, grant: crate::ports::Lookup) -> Result<(), OauthError> {
    tracing::warn!("an authorization code came twice");
    if let Some(kept) = plane
        .store
        .grant(grant)
        .await
        .map_err(|error| unknown(&error))?
    {
        plane
            .end_kept(&kept, None, "code_reuse")
            .await
            .map_err(|error| unknown(&error))?;
    }
    Ok(())
}

async fn refresh(plane: &Plane, form: &Fields) -> Result<Issued, OauthError> {
    let text = form
        .find("refresh_token")
        .ok_or(OauthError::request("refresh_token is missing"))?;
    let old = Plain::<RefreshToken>::parse(text).ok_or(BAD_REFRESH)?;
    let hash = old.hash(plane.keys.secrets());
    let kept = plane
        .store
        .renewable(hash)
        .await
        .map_err(|error| unknown(&error))?;
    let kept = kept.filter(|kept| !kept.ended).ok_or(BAD_REFRESH)?;
    let client = ClientKind::parse(&kept.client).ok_or(BAD_REFRESH)?;
    if !plane.serves(client) {
        return Err(NO_CLIENT);
    }
    // A narrower scope is none of ours: scopes have no parts.
    if form
        .find("scope")
        .is_some_and(|scope| scope != kept.scope.as_str())
    {
        return Err(NO_SCOPE);
    }
    let member = plane.open_grant(&kept).map_err(torn)?.member;
    let scope = kept.scope.clone();
    let renewal = Ask::renewal(old, kept.clone(), client);
    let issued = issue(plane, member, &scope, renewal).await;
    if matches!(issued, Err(Refused::Scope | Refused::Member)) {
        // Who may not renew may not go on with what is left either.
        let ended = plane.end_kept(&kept, None, "refresh_refused").await;
        ended.map_err(|error| unknown(&error))?;
    }
    issued.map_err(|refused| match refused {
        Refused::Scope => NO_SCOPE,
        Refused::Spent | Refused::Member | Refused::Again => BAD_REFRESH,
        Refused::Unknown => OauthError::unavailable(),
    })
}

impl Plane {
    /// Whether clients of this kind are served now: what policy has switched off since goes on with
    /// nothing that it holds.
    pub(crate) fn serves(&self, client: ClientKind) -> bool {
        client != ClientKind::Device || self.settings.oauth.device != DeviceFlow::Off
    }
}

/// Why nothing was issued, as far as a grant type cares.
pub(super) enum Refused {
    Scope,
    Member,
    /// Something that passes when the member signs in again, or by itself.
    Again,
    Spent,
    Unknown,
}

/// Judged again, each time; then issued.
pub(super) async fn issue(
    plane: &Plane,
    member: MemberId,
    scope: &Name,
    ask: Ask,
) -> Result<Issued, Refused> {
    let qualified = plane.qualify(member, scope).await.map_err(|error| {
        tracing::info!(code = error.public().1, "a token was refused");
        match error {
            QualifyError::NoScope | QualifyError::NotYours => Refused::Scope,
            QualifyError::SignInAgain => Refused::Again,
            QualifyError::Store(_) | QualifyError::Broken(_) => {
                tracing::error!(error = chain(&error), "nobody could be judged");
                Refused::Unknown
            }
            _ => Refused::Member,
        }
    })?;
    plane.issue(qualified, ask).await.map_err(|error| {
        tracing::info!(code = error.public().1, "a token was refused");
        match error {
            IssueError::Anonymous | IssueError::Life => Refused::Scope,
            IssueError::Spent | IssueError::Reused => Refused::Spent,
            IssueError::Lapsing | IssueError::Full => Refused::Again,
            IssueError::Barred | IssueError::Withdrawn => Refused::Member,
            _ => {
                tracing::error!(error = chain(&error), "nothing could be issued");
                Refused::Unknown
            }
        }
    })
}

/// RFC 7636, section 4.6.
fn proves(verifier: &str, challenge: &[u8; 32]) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    (43..=128).contains(&verifier.len())
        && verifier.bytes().all(plain)
        && ct_eq(digest(&SHA256, verifier.as_bytes()).as_ref(), challenge)
}

/// The 32 bytes of an `S256` challenge; `None` when it is not one.
pub(super) fn challenge(text: &str) -> Option<[u8; 32]> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    bytes.try_into().ok()
}

fn unknown(error: &StoreError) -> OauthError {
    tracing::error!(error = chain(error), "the token endpoint has no answer");
    OauthError::unavailable()
}

fn torn(error: CellError) -> OauthError {
    tracing::error!(error = chain(&error), "a stored handle does not open");
    OauthError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "server_error",
        "what is stored about this login does not open",
    )
}

pub(super) const fn bad(code: &'static str, description: &'static str) -> OauthError {
    OauthError::new(StatusCode::BAD_REQUEST, code, description)
}

const UNSUPPORTED: OauthError = bad(
    "unsupported_grant_type",
    "grant_types_supported of this server's metadata says which there are",
);
const NO_CREDENTIAL: OauthError = OauthError::new(
    StatusCode::UNAUTHORIZED,
    "invalid_client",
    "clients have no secret and no assertion here; leave it out",
);
const NO_CLIENT: OauthError = bad(
    "unauthorized_client",
    "logins by code are switched off here; sign in with a browser on the same machine",
);
const PENDING: OauthError = bad(
    "authorization_pending",
    "the code has not been answered yet",
);
const SLOW_DOWN: OauthError = bad("slow_down", "wait five seconds longer between polls");
const DENIED: OauthError = bad("access_denied", "the login was denied");
const EXPIRED: OauthError = bad("expired_token", "the code has expired or was used");
const BAD_CODE: OauthError = bad("invalid_grant", "the code does not hold");
pub(super) const NO_SCOPE: OauthError = bad("invalid_scope", "the scope is not open to you");
/// 401, because that is what makes Claude Code sign in again.
const BAD_REFRESH: OauthError = OauthError::new(
    StatusCode::UNAUTHORIZED,
    "invalid_grant",
    "the refresh token does not hold; sign in again",
);
