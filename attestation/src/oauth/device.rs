//! Device authorization (RFC 8628): off unless policy says otherwise, since phishing kits use it.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bauta_token::{
    scope::Name,
    secret::{DeviceCode, Plain},
};
use serde_json::json;

use super::{OauthError, fields::Form};
use crate::{
    Plane,
    config::DeviceFlow,
    http::chain,
    network::Network,
    ports::{
        Lookup,
        grants::{AskLimits, Asked, Asking},
    },
    user_code::UserCode,
};

impl Plane {
    /// What a typed code is found by.
    pub(crate) fn user_code(&self, typed: &UserCode) -> Lookup {
        self.keys.lookup("bauta/user-code/v1", &[typed.as_bytes()])
    }
}

pub(super) async fn authorization(
    State(plane): State<Arc<Plane>>,
    Network(network): Network,
    form: Form,
) -> Response {
    match begin(&plane, network, &form).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn begin(
    plane: &Plane,
    network: Option<Lookup>,
    form: &Form,
) -> Result<Response, OauthError> {
    let surface = surface(form.find("surface"));
    match plane.settings.oauth.device {
        DeviceFlow::On => {}
        DeviceFlow::Gateway if surface == GATEWAY_SURFACE => {}
        _ => return Err(OFF),
    }
    let scope = form.find("scope").map(Name::parse);
    let scope = match scope {
        Some(None) => return Err(NO_SCOPE),
        Some(Some(name)) if !plane.scopes.contains_key(&name) => return Err(NO_SCOPE),
        found => found.flatten(),
    };
    let now = plane.clock.now();
    let limits = AskLimits {
        since: now.plus_seconds(-WINDOW),
        // Of requests from nobody knows where, one cannot shut the door on the others.
        per_network: network.map_or(IN_ALL, |_| PER_NETWORK),
        in_all: IN_ALL,
    };
    for _ in 0..TRIES {
        let code = Plain::<DeviceCode>::generate(&*plane.randomness);
        let user = UserCode::random(&*plane.randomness);
        let asking = Asking {
            code: code.hash(plane.keys.secrets()),
            user: plane.user_code(&user),
            surface: surface.clone(),
            network: network.unwrap_or_else(|| plane.nowhere()),
            scope: scope.clone(),
            asked_at: now,
            expires_at: now.plus_seconds(LIFE),
            wait_seconds: WAIT,
        };
        match plane.store.ask(asking, limits).await {
            Ok(Asked::Waiting) => return Ok(answer(plane, &code, &user)),
            Ok(Asked::TooMany) => return Err(TOO_MANY),
            Ok(Asked::Taken) => {}
            Err(error) => {
                tracing::error!(error = chain(&error), "no device login could be kept");
                return Err(OauthError::unavailable());
            }
        }
    }
    Err(OauthError::unavailable())
}

fn answer(plane: &Plane, code: &Plain<DeviceCode>, user: &UserCode) -> Response {
    let page = format!("{}/device", plane.origin());
    let shown = user.to_string();
    Json(json!({
        "device_code": code.reveal(),
        "user_code": shown,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={shown}"),
        "expires_in": LIFE,
        "interval": WAIT,
        "login_notice": NOTICE,
    }))
    .into_response()
}

/// What asks, by its own account, cut to what can do no harm on a page or in a log.
fn surface(claimed: Option<&str>) -> String {
    let plain = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_';
    let name: String = claimed
        .unwrap_or_default()
        .chars()
        .filter(plain)
        .take(32)
        .collect();
    if name.is_empty() {
        "unknown".to_owned()
    } else {
        name
    }
}

const OFF: OauthError = OauthError::new(
    StatusCode::BAD_REQUEST,
    "unauthorized_client",
    "logins by code are switched off here; sign in with a browser on the same machine",
);
const NO_SCOPE: OauthError = OauthError::new(
    StatusCode::BAD_REQUEST,
    "invalid_scope",
    "there is no such scope",
);
const TOO_MANY: OauthError = OauthError::new(
    StatusCode::TOO_MANY_REQUESTS,
    "slow_down",
    "too many logins were begun; wait a few minutes",
);

const LIFE: i64 = 600;
const WAIT: i64 = 5;
const WINDOW: i64 = 600;
const PER_NETWORK: i64 = 30;
const IN_ALL: i64 = 600;
const TRIES: u8 = 4;
const GATEWAY_SURFACE: &str = "claude_code";
const NOTICE: &str = "Type the code only if you started this login yourself. Your prompts travel \
                      under a pseudonym; the portal shows everything that is kept about you.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surface_cannot_carry_markup() {
        assert_eq!(surface(Some("claude_code")), "claude_code");
        assert_eq!(surface(Some("<b>X</b>\u{202e}")), "bb");
        assert_eq!(surface(Some(&"a".repeat(99))).len(), 32);
        assert_eq!(surface(None), "unknown");
    }
}
