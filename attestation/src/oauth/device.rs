//! Device authorization (RFC 8628): off unless policy says otherwise, since phishing kits use it.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bauta_token::{
    ambient::{Randomness, bytes},
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
};

impl Plane {
    /// What a typed code is found by.
    pub(crate) fn user_code(&self, typed: &UserCode) -> Lookup {
        self.keys.lookup("bauta/user-code/v1", &[&typed.0])
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

/// Eight letters that a person types: no vowel, so that no word comes out, and none that looks
/// like another.
pub(crate) struct UserCode([u8; 8]);

impl UserCode {
    fn random(randomness: &dyn Randomness) -> Self {
        let mut letters = [0; 8];
        let mut filled = 0;
        while filled < letters.len() {
            // 240 is the largest multiple of 20 in a byte: what is above would favour some letters.
            for byte in bytes::<16>(randomness)
                .into_iter()
                .filter(|byte| *byte < 240)
            {
                let letter = ALPHABET.get(usize::from(byte % 20)).copied();
                if let (Some(slot), Some(letter)) = (letters.get_mut(filled), letter) {
                    *slot = letter;
                    filled = filled.saturating_add(1);
                }
            }
        }
        Self(letters)
    }

    /// What a person typed: in any case, with or without a dash or spaces.
    pub(crate) fn read(typed: &str) -> Option<Self> {
        if typed.len() > 32 {
            return None;
        }
        let letters: Vec<u8> = typed
            .bytes()
            .filter(|byte| !b"- ".contains(byte))
            .map(|byte| byte.to_ascii_uppercase())
            .collect();
        let letters: [u8; 8] = letters.try_into().ok()?;
        letters
            .iter()
            .all(|letter| ALPHABET.contains(letter))
            .then_some(Self(letters))
    }
}

/// `XXXX-XXXX`.
impl std::fmt::Display for UserCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, letter) in self.0.iter().enumerate() {
            let dash = if place == 4 { "-" } else { "" };
            write!(f, "{dash}{}", char::from(*letter))?;
        }
        Ok(())
    }
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

/// RFC 8628, section 6.1.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
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
    fn a_typed_code_is_read_as_people_write_it() {
        let read = |text: &str| UserCode::read(text).map(|code| code.to_string());

        assert_eq!(read("bcdf-ghjk").as_deref(), Some("BCDF-GHJK"));
        assert_eq!(read(" BCDF GHJK ").as_deref(), Some("BCDF-GHJK"));
        for bad in [
            "",
            "BCDF",
            "BCDF-GHJKL",
            "ABCD-EFGH",
            "BCDF_GHJK",
            "1234-5678",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_surface_cannot_carry_markup() {
        assert_eq!(surface(Some("claude_code")), "claude_code");
        assert_eq!(surface(Some("<b>X</b>\u{202e}")), "bb");
        assert_eq!(surface(Some(&"a".repeat(99))).len(), 32);
        assert_eq!(surface(None), "unknown");
    }
}
