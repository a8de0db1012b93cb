//! The authorization endpoint: code with PKCE, for a program on the member's own machine.
//!
//! There is one client, and it answers on loopback (RFC 8252): the redirect is compared as text,
//! all of it but the port. A request whose client or redirect does not hold is refused on a page of
//! ours; nothing is ever sent to an address that was not checked.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_SECURITY_POLICY, LOCATION},
    },
    response::{IntoResponse, Response},
};
use bauta_token::{
    scope::Name,
    secret::{AuthCode, Plain},
};

use super::{
    OauthError,
    fields::{Fields, Form, Query},
    pushed::is_name,
    token::challenge,
};
use crate::{
    Plane,
    http::{Refusal, chain},
    issue::{ClientKind, holder::CODE},
    login::SignedInMember,
    portal::{self, Closed, Opening, view},
    ports::grants::KeptCode,
};

/// A request that may be put to the member.
pub(super) struct Asked {
    client: ClientKind,
    redirect: String,
    challenge: [u8; 32],
    challenge_text: String,
    state: Option<String>,
    scope: Option<Name>,
}

impl Asked {
    /// Its parameters, as whoever asked would send them again.
    pub(super) fn fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", self.client.as_str()),
            ("redirect_uri", self.redirect.as_str()),
            ("code_challenge", self.challenge_text.as_str()),
            ("code_challenge_method", "S256"),
        ];
        fields.extend(self.state.as_deref().map(|state| ("state", state)));
        fields.extend(self.scope.as_ref().map(|scope| ("scope", scope.as_str())));
        fields
    }
}

/// A request that may not.
pub(super) enum Wrong {
    /// Whoever asked is not known well enough to be answered.
    Here(&'static str),
    /// The program is told.
    There {
        redirect: String,
        state: Option<String>,
        code: &'static str,
    },
}

/// The page that asks the member.
pub(super) async fn page(
    State(plane): State<Arc<Plane>>,
    Query(query): Query,
    request: Request,
) -> Response {
    let asked = match read(&plane, query) {
        Ok(asked) => asked,
        Err(wrong) => return wrong.answer(&plane),
    };
    let (mut parts, _) = request.into_parts();
    let member = match SignedInMember::from_request_parts(&mut parts, &plane).await {
        Ok(member) => member,
        Err(to_sign_in) => return to_sign_in,
    };
    let opening = plane.opening(member.member, asked.scope.as_ref()).await;
    let scopes = match opening {
        Ok(Opening { scopes, .. }) if !scopes.is_empty() => scopes,
        Ok(opening) => return closed(&plane, &asked, &opening),
        Err(error) => return no_answer(&error),
    };
    consent(&plane, &asked, &scopes)
}

fn consent(plane: &Plane, asked: &Asked, scopes: &[Name]) -> Response {
    // The scope is what the member chooses.
    let fields = asked
        .fields()
        .into_iter()
        .filter(|(name, _)| *name != "scope");
    let fields = fields.map(|(name, value)| view::Field {
        name,
        value: value.to_owned(),
    });
    let mut response = portal::page(&view::Authorize {
        frame: portal::frame(plane, "", true),
        client: "the bauta command line".to_owned(),
        redirect: asked.redirect.clone(),
        fields: fields.collect(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
    });
    // A browser follows the redirect after the form only to where the page says it may.
    let to = asked.redirect.trim_end_matches(PATH);
    if let Ok(policy) = HeaderValue::from_str(&portal::csp(to)) {
        response
            .headers_mut()
            .insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// What the member said.
pub(super) async fn answer(
    State(plane): State<Arc<Plane>>,
    member: SignedInMember,
    form: Form,
) -> Response {
    let asked = match read_fields(&plane, &form) {
        Ok(asked) => asked,
        Err(wrong) => return wrong.answer(&plane),
    };
    if form.find("answer") != Some("allow") {
        return back(
            &plane,
            &asked.redirect,
            asked.state.as_deref(),
            &[("error", "access_denied")],
        );
    }
    let Some(scope) = asked.scope.clone() else {
        return Wrong::Here("No scope was chosen.").answer(&plane);
    };
    match allow(&plane, &member, &asked, scope).await {
        Ok(response) => response,
        Err(refusal) => refusal,
    }
}

async fn allow(
    plane: &Plane,
    member: &SignedInMember,
    asked: &Asked,
    scope: Name,
) -> Result<Response, Response> {
    let opening = plane.opening(member.member, Some(&scope)).await;
    let opening = opening.map_err(|error| no_answer(&error))?;
    if opening.scopes.is_empty() {
        return Err(closed(plane, asked, &opening));
    }
    let code = Plain::<AuthCode>::generate(&*plane.randomness);
    let hash = code.hash(plane.keys.secrets());
    let handle = plane
        .seal_member(CODE, hash.as_bytes(), member.member)
        .map_err(|error| no_answer(&error))?;
    plane
        .store
        .keep_code(KeptCode {
            code: hash,
            challenge: asked.challenge,
            redirect: asked.redirect.clone(),
            client: asked.client.as_str().to_owned(),
            scope,
            holder: plane.holder(member.member),
            handle,
            expires_at: plane.clock.now().plus_seconds(LIFE),
            used_for: None,
        })
        .await
        .map_err(|error| no_answer(&error))?;
    let fields = [("code", code.reveal())];
    Ok(back(
        plane,
        &asked.redirect,
        asked.state.as_deref(),
        &fields,
    ))
}

/// Nothing is open to the member. The program is told, since it would wait in vain; it sends the
/// browser on to where that can be mended.
fn closed(plane: &Plane, asked: &Asked, opening: &Opening) -> Response {
    let code = match opening.because {
        Closed::Verify => "verification_required",
        Closed::SignIn => "login_required",
        Closed::NotYours => "invalid_scope",
    };
    back(
        plane,
        &asked.redirect,
        asked.state.as_deref(),
        &[("error", code)],
    )
}

fn read(plane: &Plane, query: Result<Fields, OauthError>) -> Result<Asked, Wrong> {
    let fields = query.map_err(|error| Wrong::Here(error.description))?;
    let Some(name) = fields.find("request_uri").filter(|name| is_name(name)) else {
        return read_fields(plane, &fields);
    };
    // RFC 9126, section 4: what was pushed counts, and only for who pushed it.
    let pushed = plane.pushed(name);
    let pushed = pushed.filter(|pushed| pushed.find("client_id") == fields.find("client_id"));
    read_fields(plane, &pushed.ok_or(STALE)?)
}

/// Client and redirect first: until they hold, nobody is told anything.
pub(super) fn read_fields(plane: &Plane, fields: &Fields) -> Result<Asked, Wrong> {
    let client = match fields.find("client_id").map(ClientKind::parse) {
        Some(Some(ClientKind::Cli)) => ClientKind::Cli,
        _ => return Err(Wrong::Here("The program that asks is not known here.")),
    };
    let redirect = fields
        .find("redirect_uri")
        .filter(|redirect| is_loopback(redirect))
        .ok_or(Wrong::Here(
            "The address to answer to is not one that a program on this computer may use.",
        ))?
        .to_owned();
    let state = match fields.find("state") {
        Some(state) if state.len() > 512 || !state.bytes().all(|b| (0x20..0x7f).contains(&b)) => {
            return Err(Wrong::Here("The request is malformed."));
        }
        state => state.map(str::to_owned),
    };
    let there = |code| Wrong::There {
        redirect: redirect.clone(),
        state: state.clone(),
        code,
    };
    if fields.find("response_type") != Some("code") {
        return Err(there("unsupported_response_type"));
    }
    if fields
        .find("response_mode")
        .is_some_and(|mode| mode != "query")
        || fields.find("code_challenge_method") != Some("S256")
        || fields.find("request").is_some()
        || fields.find("request_uri").is_some()
    {
        return Err(there("invalid_request"));
    }
    let challenge_text = fields.find("code_challenge").unwrap_or_default().to_owned();
    let challenge = challenge(&challenge_text).ok_or_else(|| there("invalid_request"))?;
    let scope = match fields.find("scope").map(Name::parse) {
        None => None,
        Some(Some(name)) if plane.scopes.contains_key(&name) => Some(name),
        Some(_) => return Err(there("invalid_scope")),
    };
    Ok(Asked {
        client,
        redirect,
        challenge,
        challenge_text,
        state,
        scope,
    })
}

/// `http://127.0.0.1:PORT/callback`, or the same on `[::1]`: nothing else, to the byte. Never
/// `localhost`, which a resolver may send elsewhere.
fn is_loopback(redirect: &str) -> bool {
    let rest = ["http://127.0.0.1:", "http://[::1]:"]
        .iter()
        .find_map(|host| redirect.strip_prefix(host));
    let port = rest.and_then(|rest| rest.strip_suffix(PATH));
    port.is_some_and(|port| {
        (1..=5).contains(&port.len())
            && !port.starts_with('0')
            && port.bytes().all(|b| b.is_ascii_digit())
            && port.parse::<u16>().is_ok()
    })
}

impl Wrong {
    fn answer(self, plane: &Plane) -> Response {
        match self {
            Self::Here(text) => portal::message(
                plane,
                StatusCode::BAD_REQUEST,
                "This sign-in cannot go on",
                text,
            ),
            Self::There {
                redirect,
                state,
                code,
            } => back(plane, &redirect, state.as_deref(), &[("error", code)]),
        }
    }
}

/// 303 to the program, with `iss` so that it knows who answered (RFC 9207).
fn back(plane: &Plane, redirect: &str, state: Option<&str>, fields: &[(&str, &str)]) -> Response {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields);
    if let Some(state) = state {
        query.append_pair("state", state);
    }
    query.append_pair("iss", &plane.issuer());
    let to = format!("{redirect}?{}", query.finish());
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

fn no_answer(error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(error = chain(error), "a sign-in of a program has no answer");
    Refusal::unavailable().into_response()
}

const STALE: Wrong = Wrong::Here(
    "It was begun more than ten minutes ago, or not here. Begin it again in the program.",
);
const PATH: &str = "/callback";
const LIFE: i64 = 60;

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn oid_09_only_the_exact_loopback_redirect_is_taken() {
        for good in [
            "http://127.0.0.1:1/callback",
            "http://127.0.0.1:65535/callback",
            "http://[::1]:8080/callback",
        ] {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "http://127.0.0.1/callback",
            "http://127.0.0.1:/callback",
            "http://127.0.0.1:0/callback",
            "http://127.0.0.1:080/callback",
            "http://127.0.0.1:65536/callback",
            "http://127.0.0.1:8080/callback/",
            "http://127.0.0.1:8080/callback?x=1",
            "http://127.0.0.1:8080/callback#x",
            "http://127.0.0.1:8080/Callback",
            "http://127.0.0.1:8080//callback",
            "http://127.0.0.1:8080/x/../callback",
            "http://127.0.0.1:8080/x%2f..%2fcallback",
            "http://127.0.0.1:8080\\callback",
            "http://127.0.0.1:80@evil.example/callback",
            "http://127.0.0.1:8080@evil.example/callback",
            "http://user@127.0.0.1:8080/callback",
            "http://127.0.0.1.evil.example:8080/callback",
            "http://127.0.0.1.:8080/callback",
            "http://localhost:8080/callback",
            "http://localhost.evil.example:8080/callback",
            "https://127.0.0.1:8080/callback",
            "HTTP://127.0.0.1:8080/callback",
            "http://127.1:8080/callback",
            "http://2130706433:8080/callback",
            "http://[::ffff:127.0.0.1]:8080/callback",
            " http://127.0.0.1:8080/callback",
            "http://127.0.0.1:8080/callback ",
            "http://127.0.0.1:8080/callback\u{0}",
            "http://127.0.0.1:80 80/callback",
            "http://127.0.0.1:\u{661}/callback",
            "javascript:alert(1)",
            "",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }
}
