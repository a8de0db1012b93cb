//! Corporate sign-in: OpenID Connect, code flow with PKCE.
//!
//! ```text
//! GET /login      state and browser are tied together, the browser goes to the identity provider
//! GET /callback   taken once, by that browser, for ten minutes: code -> ID token -> member
//! ```
//!
//! Nonce and PKCE verifier are derived from the browser's secret and the state: nothing about a
//! sign-in under way is stored but two hashes. Groups are turned into roles and scopes and
//! forgotten, the subject into a tag. No name or address is asked for.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{LOCATION, SET_COOKIE},
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bauta_token::{
    jws::{ForeignRule, Jwks, JwsError, Purpose, verify_foreign},
    secret::{FlowBinding, LoginState, Plain, SessionCookie, ct_eq},
    units::UnixMillis,
};
use ring::digest::{SHA256, digest};

use crate::{
    Plane,
    attest::tag::{Hardened, Subject},
    http::{Refusal, chain, guard},
    log::Scribe,
    network::Network,
    ports::{
        Lookup, MemberId, Rights, Role,
        directory::Claimed,
        people::{LoginAttempt, LoginBegun, LoginLimits, SignIn, SignedInAs},
    },
};

pub(crate) mod discovery;
mod error;
mod exchange;
pub(crate) mod id_token;
mod logout;
pub mod session;

pub use error::LoginError;
pub use session::SignedInMember;

use discovery::Provider;
use exchange::Tokens;
pub(crate) use id_token::wipe;
use id_token::{Claims, alg_of};
use session::{SESSION_COOKIE, cookie};

/// The routes of signing in and out.
pub(crate) fn routes(plane: &Arc<Plane>) -> Router<Arc<Plane>> {
    let by_cookie = Router::new()
        .route("/login", get(begin))
        .route("/callback", get(finish))
        .route("/logout", get(logout::confirm).post(logout::leave));
    // Called by the identity provider itself, which has no cookie and comes from nowhere.
    let by_token = Router::new().route("/logout/backchannel", post(logout::back_channel));
    guard(by_cookie, plane).merge(by_token)
}

async fn begin(
    State(plane): State<Arc<Plane>>,
    Network(network): Network,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = Query::read(query.as_deref().unwrap_or_default());
    let wanted = query
        .ok()
        .and_then(|query| query.one("return_to").map(str::to_owned));
    let to = wanted
        .filter(|to| is_local(to))
        .unwrap_or_else(|| "/".to_owned());
    let answer = plane.begin_login(to, network, &headers).await;
    answer.unwrap_or_else(|error| plane.refuse_login(&error, &headers))
}

async fn finish(
    State(plane): State<Arc<Plane>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let answer = plane
        .finish_login(query.as_deref().unwrap_or_default(), &headers)
        .await;
    match answer {
        Ok(answer) => {
            plane.metrics.sign_in("ok");
            answer
        }
        Err(error) => plane.refuse_login(&error, &headers),
    }
}

impl Plane {
    fn refuse_login(&self, error: &LoginError, headers: &HeaderMap) -> Response {
        self.metrics.sign_in(error.public().code());
        error.answer(headers)
    }

    async fn begin_login(
        &self,
        to: String,
        network: Option<Lookup>,
        headers: &HeaderMap,
    ) -> Result<Response, LoginError> {
        let now = self.clock.now();
        let provider = self.discovery.provider(now).await?;
        // One secret per browser, so that two tabs do not undo each other.
        let browser = cookie::<FlowBinding>(headers, LOGIN_COOKIE)
            .unwrap_or_else(|| Plain::generate(&*self.randomness));
        let state = Plain::<LoginState>::generate(&*self.randomness);
        let attempt = LoginAttempt {
            state: Lookup(*state.hash(self.keys.secrets()).as_bytes()),
            browser: Lookup(*browser.hash(self.keys.secrets()).as_bytes()),
            return_to: to,
            network,
            expires_at: now.plus_seconds(LOGIN_SECONDS),
        };
        let limits = LoginLimits {
            now,
            per_network: PER_NETWORK,
            in_all: IN_ALL,
        };
        if self.store.begin_login(&attempt, limits).await? == LoginBegun::TooMany {
            return Err(LoginError::TooMany);
        }
        let verifier = self.derived("pkce/v1", &browser, &state);
        let challenge = digest(&SHA256, verifier.as_bytes());
        let sso = &self.settings.sso;
        let mut url = provider.authorize.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &sso.client_id)
            .append_pair("redirect_uri", &self.redirect_uri())
            .append_pair("scope", &sso.scopes.join(" "))
            .append_pair("state", state.reveal())
            .append_pair("nonce", &self.derived("nonce/v1", &browser, &state))
            .append_pair(
                "code_challenge",
                &URL_SAFE_NO_PAD.encode(challenge.as_ref()),
            )
            .append_pair("code_challenge_method", "S256");
        let kept = set_cookie(LOGIN_COOKIE, browser.reveal(), LOGIN_SECONDS);
        Ok(see_other(url.as_str(), [kept]))
    }

    async fn finish_login(&self, query: &str, headers: &HeaderMap) -> Result<Response, LoginError> {
        let now = self.clock.now();
        let query = Query::read(query)?;
        let (state, browser, to) = self.take_attempt(&query, headers, now).await?;
        let provider = self.discovery.provider(now).await?;
        let code = self.accepted_code(&query, &provider)?;
        let verifier = self.derived("pkce/v1", &browser, &state);
        let tokens = self.exchange(&provider, code, &verifier).await?;
        let nonce = self.derived("nonce/v1", &browser, &state);
        let claims = self
            .verified_claims(&provider, &tokens, &nonce, now)
            .await?;
        let opened = self.rights(&provider, &claims, &tokens).await?;
        let session = self.admit(&claims, opened, headers, now).await?;
        let seconds = self.settings.sso.session_absolute.as_seconds();
        Ok(see_other(
            &to,
            [
                set_cookie(SESSION_COOKIE, session.reveal(), seconds),
                set_cookie(LOGIN_COOKIE, "", 0),
            ],
        ))
    }

    /// The attempt this answer belongs to: begun here, by this browser, not taken before.
    async fn take_attempt(
        &self,
        query: &Query,
        headers: &HeaderMap,
        now: UnixMillis,
    ) -> Result<(Plain<LoginState>, Plain<FlowBinding>, String), LoginError> {
        let state = query
            .one("state")
            .and_then(Plain::parse)
            .ok_or(LoginError::State)?;
        let browser = cookie::<FlowBinding>(headers, LOGIN_COOKIE).ok_or(LoginError::State)?;
        let taken = self
            .store
            .take_login(
                Lookup(*state.hash(self.keys.secrets()).as_bytes()),
                Lookup(*browser.hash(self.keys.secrets()).as_bytes()),
                now,
            )
            .await?
            .ok_or(LoginError::State)?;
        Ok((state, browser, taken.return_to))
    }

    /// The code of an answer that comes from the provider it was asked of (RFC 9207).
    fn accepted_code<'q>(
        &self,
        query: &'q Query,
        provider: &Provider,
    ) -> Result<&'q str, LoginError> {
        match query.one("iss") {
            Some(issuer) if issuer != self.settings.sso.issuer => return Err(LoginError::MixUp),
            None if provider.names_itself => return Err(LoginError::MixUp),
            _ => {}
        }
        if query.one("error").is_some() {
            return Err(LoginError::Denied);
        }
        // What comes in a URL was seen by whoever saw the URL: only a code may.
        if query
            .one("id_token")
            .or(query.one("access_token"))
            .is_some()
        {
            return Err(LoginError::Form);
        }
        query
            .one("code")
            .filter(|code| !code.is_empty() && code.len() <= 2_048)
            .ok_or(LoginError::Form)
    }

    async fn verified_claims(
        &self,
        provider: &Provider,
        tokens: &Tokens,
        nonce: &str,
        now: UnixMillis,
    ) -> Result<Claims, LoginError> {
        let claims = self
            .foreign(&tokens.id_token, Purpose::IdToken, provider, now)
            .await?;
        if !ct_eq(claims.text("nonce")?.as_bytes(), nonce.as_bytes()) {
            return Err(LoginError::Nonce);
        }
        if let (Some(access), Some(alg)) = (&tokens.access_token, alg_of(&tokens.id_token)) {
            claims.vouches_for(access, alg)?;
        }
        if let Some(tenant) = &self.settings.sso.tenant
            && claims.optional("tid")? != Some(tenant)
        {
            return Err(LoginError::Tenant);
        }
        Ok(claims)
    }

    /// The claims of a token that the identity provider signed. An unknown key, or a known one that
    /// does not fit any more, is looked up anew once.
    async fn foreign(
        &self,
        token: &str,
        purpose: Purpose,
        provider: &Provider,
        now: UnixMillis,
    ) -> Result<Claims, LoginError> {
        let sso = &self.settings.sso;
        let algs = provider.algs.clone();
        let rule = ForeignRule::new(purpose, sso.issuer.as_str(), sso.client_id.as_str(), algs);
        let check = |keys: &Jwks| verify_foreign::<Claims>(token, keys, &rule, now);
        let keys = self.discovery.keys(now).await?;
        match check(&keys) {
            Err(JwsError::UnknownKey | JwsError::Signature) => {
                let newer = self.discovery.newer_keys(&keys, now).await?;
                Ok(check(newer.as_ref().unwrap_or(&keys))?)
            }
            outcome => Ok(outcome?),
        }
    }

    /// What the groups open. The groups end here.
    async fn rights(
        &self,
        provider: &Provider,
        claims: &Claims,
        tokens: &Tokens,
    ) -> Result<Opened, LoginError> {
        let claim = self.settings.sso.groups_claim.as_str();
        if let Some(groups) = claims.groups(claim)? {
            return Ok(self.opened(|group| groups.contains(group)));
        }
        let Some((place, access)) = provider.userinfo.clone().zip(tokens.access_token.as_ref())
        else {
            return Ok(self.opened(|_| false));
        };
        let more = self.userinfo(place, access).await?;
        if more.text("sub")? != claims.text("sub")? {
            return Err(LoginError::MixUp);
        }
        let groups = more.groups(claim)?.unwrap_or_default();
        Ok(self.opened(|group| groups.contains(group)))
    }

    fn opened(&self, holds: impl Fn(&str) -> bool) -> Opened {
        let any = |groups: &[String]| groups.iter().any(|group| holds(group));
        let roles = &self.settings.sso.roles;
        let by_role = [&roles.admin, &roles.officer, &roles.auditor];
        let by_scope = self.scopes.values().map(|rule| &rule.groups);
        let named = by_role.into_iter().chain(by_scope).flatten();
        let named = named.filter(|group| holds(group));
        let claimed = Claimed {
            rules: Arc::clone(&self.group_rules),
            groups: named.map(|group| self.group_name(group)).collect(),
            listed_only: self.settings.scim.required,
        };
        let held = [
            (Role::Admin, &roles.admin),
            (Role::Officer, &roles.officer),
            (Role::Auditor, &roles.auditor),
        ];
        let rights = Rights {
            roles: held
                .iter()
                .filter(|(_, groups)| any(groups))
                .map(|(role, _)| *role)
                .collect(),
            scopes: self
                .scopes
                .values()
                .filter(|rule| rule.groups.is_empty() || any(&rule.groups))
                .map(|rule| rule.name.clone())
                .collect(),
        };
        Opened { rights, claimed }
    }

    /// Makes the subject a member and gives its session. The subject ends here.
    async fn admit(
        &self,
        claims: &Claims,
        opened: Opened,
        headers: &HeaderMap,
        now: UnixMillis,
    ) -> Result<Plain<SessionCookie>, LoginError> {
        let sso = &self.settings.sso;
        let person = Subject::new(&sso.issuer, claims.subject(&sso.subject_claim)?);
        let person = person.ok_or(LoginError::Form)?;
        let named = Subject::new(&sso.issuer, claims.text("sub")?).ok_or(LoginError::Form)?;
        let other = if person.is(&named) {
            None
        } else {
            Some(named.harden(&self.salt, &self.hashing).await?)
        };
        let person = person.harden(&self.salt, &self.hashing).await?;
        let subject = other.as_ref().unwrap_or(&person).logout(&self.keys);
        let session = Plain::generate(&*self.randomness);
        let replaces = cookie::<SessionCookie>(headers, SESSION_COOKIE);
        let hash =
            |secret: &Plain<SessionCookie>| Lookup(*secret.hash(self.keys.secrets()).as_bytes());
        let sid = claims.optional("sid")?;
        let arrival = Arrival {
            opened,
            subject,
            session: hash(&session),
            idp_session: sid.map(|sid| self.idp_session(sid)),
            replaces: replaces.as_ref().map(hash),
            now,
        };
        self.write_sign_in(&person, &arrival).await?;
        Ok(session)
    }

    /// Two first sign-ins of one person at once make one member: the one that came second looks
    /// again.
    async fn write_sign_in(&self, person: &Hardened, arrival: &Arrival) -> Result<(), LoginError> {
        let candidates = person.candidates(&self.keys);
        for _ in 0..RACES {
            let known = self.store.member_by_tag(&candidates).await?;
            let member = known
                .as_ref()
                .map_or_else(|| MemberId::random(&*self.randomness), |row| row.member);
            let tag = person.fresh(member, &self.keys).ok_or(LoginError::Form)?;
            let opened = &arrival.opened;
            let roles: Vec<_> = opened.rights.roles.iter().copied().collect();
            let scribe = self.scribe(arrival.now);
            let entry = SignIn {
                tag,
                new: known.is_none(),
                join: Some(person.join(&self.keys)),
                rights: opened.rights.clone(),
                claimed: opened.claimed.clone(),
                session: arrival.session,
                idp_session: arrival.idp_session,
                subject: arrival.subject,
                replaces: arrival.replaces,
                now: arrival.now,
                expires_at: arrival
                    .now
                    .plus_seconds(self.settings.sso.session_absolute.as_seconds()),
                events: vec![scribe.sso_login(member, &roles, known.is_none())],
            };
            match self.store.sign_in(&entry).await? {
                SignedInAs::Written => {
                    // After the new rights stand: nothing is issued by the old ones any more. Each
                    // sign-in looks, so that one that stopped here is made good by the next.
                    if known.is_some()
                        && let Some(row) = self.store.member(member).await?
                    {
                        self.end_lost(member, &row.rights).await?;
                    }
                    return Ok(());
                }
                SignedInAs::Raced => {}
                SignedInAs::Suspended => {
                    let refused = scribe.sso_refused(Some(member), "suspended");
                    self.store.note(&[refused]).await?;
                    return Err(LoginError::Suspended);
                }
                SignedInAs::Left => {
                    let refused = scribe.sso_refused(known.map(|row| row.member), "left");
                    self.store.note(&[refused]).await?;
                    return Err(LoginError::Left);
                }
                SignedInAs::Unlisted => {
                    let refused = scribe.sso_refused(known.map(|row| row.member), "unlisted");
                    self.store.note(&[refused]).await?;
                    return Err(LoginError::Unlisted);
                }
            }
        }
        Err(LoginError::Raced)
    }

    fn idp_session(&self, sid: &str) -> Lookup {
        let issuer = self.settings.sso.issuer.as_bytes();
        self.keys
            .lookup("idp-session/v1", &[issuer, sid.as_bytes()])
    }

    /// 43 characters that only this browser's attempt has.
    fn derived(
        &self,
        domain: &str,
        browser: &Plain<FlowBinding>,
        state: &Plain<LoginState>,
    ) -> String {
        let parts = [browser.reveal().as_bytes(), state.reveal().as_bytes()];
        URL_SAFE_NO_PAD.encode(self.keys.login().tag(domain, &parts))
    }

    pub(crate) fn redirect_uri(&self) -> String {
        format!("{}/callback", self.origin())
    }

    pub(crate) fn scribe(&self, at: UnixMillis) -> Scribe<'_> {
        Scribe {
            at,
            randomness: &*self.randomness,
        }
    }
}

/// What the groups of a sign-in open, and which of those in the configuration they were.
struct Opened {
    rights: Rights,
    claimed: Claimed,
}

/// A person who has proven who it is, as what is about to be written.
struct Arrival {
    opened: Opened,
    subject: Lookup,
    session: Lookup,
    idp_session: Option<Lookup>,
    replaces: Option<Lookup>,
    now: UnixMillis,
}

/// The parameters of an answer, each at most once.
struct Query(Vec<(String, String)>);

impl Query {
    fn read(text: &str) -> Result<Self, LoginError> {
        if text.len() > 8_192 {
            return Err(LoginError::Form);
        }
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()).into_owned() {
            if pairs.len() >= 32 || pairs.iter().any(|(known, _)| *known == name) {
                return Err(LoginError::Form);
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    fn one(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Whether `path` stays here: a path of this origin, in characters that no browser reads otherwise.
pub(crate) fn is_local(path: &str) -> bool {
    let rest = path.strip_prefix('/');
    rest.is_some_and(|rest| !rest.starts_with('/'))
        && path.len() <= 2_048
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && !["/login", "/callback", "/logout"].iter().any(|own| {
            path.strip_prefix(own)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['?', '/', '#']))
        })
}

pub(crate) fn see_other<const N: usize>(to: &str, cookies: [Option<HeaderValue>; N]) -> Response {
    let Ok(place) = HeaderValue::from_str(to) else {
        return Refusal::unavailable().into_response();
    };
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response();
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// A cookie for this host alone; gone at once when `seconds` is 0.
pub(crate) fn set_cookie(name: &str, value: &str, seconds: i64) -> Option<HeaderValue> {
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}");
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

const LOGIN_COOKIE: &str = "__Host-bauta-login";
/// How long a sign-in may take.
const LOGIN_SECONDS: i64 = 600;
/// Sign-ins that may be under way from one network: an office of thousands that begins its morning,
/// since one that is completed is under way no more.
const PER_NETWORK: i64 = 300;
/// Sign-ins that may be under way in all: some megabytes.
const IN_ALL: i64 = 20_000;
/// Two that collide settle in two tries; four more than are needed.
const RACES: u8 = 6;

#[cfg(test)]
pub(crate) mod tests;
