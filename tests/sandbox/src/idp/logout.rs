//! Signing out: at the provider, and told to the applications behind the browser's back.

use super::authorize::COOKIE;
use super::keys::compact;
use super::{Client, Idp, LogoutLie, Provider, Session, WHAT};
use crate::answer::Answer;
use crate::page;
use crate::request::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::io;
use std::time::Duration;
use url::form_urlencoded::Serializer;

/// Ends the browser's session. Who comes with an ID token of ours may be sent on.
pub(super) fn end(provider: &Provider, request: &Request) -> Answer {
    let given = match request.method {
        Method::POST => request.form(),
        _ => request.query(),
    };
    let given = given.unwrap_or_default();
    let hint = given.get("id_token_hint").and_then(|token| claims(token));
    let text = |name: &str| Some(hint.as_ref()?.get(name)?.as_str()?.to_owned());
    let sid = request
        .cookie(COOKIE)
        .map(str::to_owned)
        .or_else(|| text("sid"));
    if let Some(sid) = sid {
        provider.lock().sessions.remove(&sid);
    }
    let client = text("aud").and_then(|id| provider.lock().client(&id));
    let onward = given.get("post_logout_redirect_uri");
    match (client, onward) {
        (Some(client), Some(onward)) if client.post_logout_redirect_uris.contains(onward) => {
            let mark = if onward.contains('?') { '&' } else { '?' };
            let state = given.get("state").map(|state| {
                let query = Serializer::new(String::new())
                    .append_pair("state", state)
                    .finish();
                format!("{mark}{query}")
            });
            Answer::see_other(&format!("{onward}{}", state.unwrap_or_default()))
        }
        _ => page::page(
            StatusCode::OK,
            "You are signed out",
            WHAT,
            "<p>You can close this page.</p>",
            &[],
        ),
    }
    .with(
        "set-cookie",
        &format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
    )
}

/// The claims of a token, believed as they are: they only choose where a page leads.
fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

impl Provider {
    fn logout_token(
        &self,
        client: &Client,
        sub: &str,
        sid: Option<&str>,
        lie: LogoutLie,
    ) -> String {
        let now_s = self.clock.now_s();
        let mut claims = json!({
            "iss": self.issuer,
            "aud": client.id,
            "iat": now_s,
            "exp": now_s.saturating_add(120),
            "jti": self.seed.name("jti_"),
            "sub": sub,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        if let Some(claims) = claims.as_object_mut() {
            if let Some(sid) = sid {
                claims.insert("sid".to_owned(), json!(sid));
            }
            let changed = match lie {
                LogoutLie::WithNonce => Some(("nonce", json!("n-0S6_WzA2Mj"))),
                LogoutLie::WrongAudience => Some(("aud", json!("another-application"))),
                LogoutLie::WrongIssuer => Some(("iss", json!("https://other-idp.example"))),
                LogoutLie::Expired => Some(("exp", json!(now_s.saturating_sub(60)))),
                _ => None,
            };
            claims.extend(changed.map(|(name, value)| (name.to_owned(), value)));
            let gone: &[&str] = match lie {
                LogoutLie::NoEvents => &["events"],
                LogoutLie::Nobody => &["sub", "sid"],
                LogoutLie::NoId => &["jti"],
                _ => &[],
            };
            for name in gone {
                claims.remove(*name);
            }
        }
        let book = self.lock();
        let typ = if lie == LogoutLie::WrongType {
            "JWT"
        } else {
            "logout+jwt"
        };
        let header = json!({"alg": book.keys.alg.name(), "typ": typ, "kid": book.keys.kid()});
        let payload = claims.to_string();
        match lie {
            LogoutLie::AlgNone => compact(&json!({"alg": "none", "typ": typ}), &payload, |_| {
                Vec::new()
            }),
            LogoutLie::OtherKeySameKid => {
                compact(&header, &payload, |input| book.keys.forge(input))
            }
            _ => compact(&header, &payload, |input| book.keys.sign(input)),
        }
    }
}

impl Idp {
    /// The ids of the sessions in which a person is signed in.
    #[must_use]
    pub fn sessions(&self, name: &str) -> Vec<String> {
        let book = self.state.lock();
        let Some(person) = book.person(name) else {
            return Vec::new();
        };
        let theirs = book
            .sessions
            .iter()
            .filter(|(_, session)| session.sub == person.sub);
        theirs.map(|(sid, _)| sid.clone()).collect()
    }

    /// A logout token for `client` about a person, and about one session when `sid` is given.
    #[must_use]
    pub fn logout_token(
        &self,
        client: &str,
        name: &str,
        sid: Option<&str>,
        lie: LogoutLie,
    ) -> Option<String> {
        let (client, person) = {
            let book = self.state.lock();
            (book.client(client)?, book.person(name)?)
        };
        Some(self.state.logout_token(&client, &person.sub, sid, lie))
    }

    /// Posts a logout token to the application. Gives the status of its answer.
    ///
    /// # Errors
    ///
    /// When the application has no address for it or does not answer.
    pub async fn send_logout(&self, client: &str, token: &str) -> io::Result<u16> {
        let known = self.state.lock().client(client);
        let url = known
            .and_then(|client| client.backchannel_logout_uri)
            .ok_or_else(|| io::Error::other("no back-channel logout address"))?;
        let form = Serializer::new(String::new())
            .append_pair("logout_token", token)
            .finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let patience = Duration::from_secs(5);
        let reply = self
            .state
            .outbound
            .send(Method::POST, &url, &headers, form, patience)
            .await?;
        Ok(reply.status.as_u16())
    }

    /// Ends every session of a person and tells each application they had used. Gives the statuses.
    ///
    /// # Errors
    ///
    /// When an application cannot be reached.
    pub async fn sign_out(&self, name: &str) -> io::Result<Vec<u16>> {
        let mut statuses = Vec::new();
        for sid in self.sessions(name) {
            let ended: Option<Session> = self.state.lock().sessions.remove(&sid);
            for client in ended.into_iter().flat_map(|session| session.clients) {
                if let Some(token) = self.logout_token(&client, name, Some(&sid), LogoutLie::Honest)
                {
                    statuses.push(self.send_logout(&client, &token).await?);
                }
            }
        }
        Ok(statuses)
    }
}
