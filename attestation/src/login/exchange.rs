//! The code for tokens, and what userinfo adds.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use url::Url;
use zeroize::{Zeroize, Zeroizing};

use super::{LoginError, discovery::Provider, id_token::Claims};
use crate::{
    Plane,
    fetch::{self, FetchError},
};

/// What the token endpoint gave. Wiped when dropped.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) id_token: String,
    pub(super) access_token: Option<String>,
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.id_token.zeroize();
        self.access_token.zeroize();
    }
}

impl Plane {
    /// Trades the code. Never sent anywhere but to the token endpoint of the one issuer.
    pub(super) async fn exchange(
        &self,
        provider: &Provider,
        code: &str,
        verifier: &str,
    ) -> Result<Tokens, LoginError> {
        let sso = &self.settings.sso;
        let redirect = self.redirect_uri();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect),
            ("code_verifier", verifier),
        ];
        let mut request = self.http.post(provider.token.clone());
        if provider.secret_in_form {
            form.push(("client_id", &sso.client_id));
            form.push(("client_secret", sso.client_secret.reveal()));
        } else {
            let mut value =
                http::HeaderValue::from_str(&basic(&sso.client_id, sso.client_secret.reveal()))
                    .map_err(|_| LoginError::Form)?;
            value.set_sensitive(true);
            request = request.header(http::header::AUTHORIZATION, value);
        }
        let request = request.header("accept", "application/json").form(&form);
        let answer = fetch::send(request).await.map_err(LoginError::Exchange)?;
        match answer.status().as_u16() {
            200 => {}
            // The code was used, is too old, or somebody else's.
            400..=499 => return Err(LoginError::Denied),
            status => return Err(LoginError::Exchange(FetchError::Status(status))),
        }
        let body = fetch::body(answer, LONGEST)
            .await
            .map_err(LoginError::Exchange)?;
        serde_json::from_slice(&body).map_err(|_| LoginError::Form)
    }

    /// What userinfo says of the person.
    pub(super) async fn userinfo(&self, place: Url, access: &str) -> Result<Claims, LoginError> {
        let body = fetch::get(&self.http, place, Some(access), LONGEST)
            .await
            .map_err(LoginError::Exchange)?;
        serde_json::from_slice(&body).map_err(|_| LoginError::Form)
    }
}

/// RFC 6749, section 2.3.1: both halves are form-encoded before they are joined.
fn basic(id: &str, secret: &str) -> Zeroizing<String> {
    let encode =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let pair = Zeroizing::new(format!(
        "{}:{}",
        encode(id),
        *Zeroizing::new(encode(secret))
    ));
    Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

const LONGEST: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_with_a_colon_or_a_percent_arrives_whole() {
        let sent = basic("bauta", "a:b%c d");
        let pair = STANDARD
            .decode(sent.strip_prefix("Basic ").unwrap())
            .unwrap();

        assert_eq!(pair, b"bauta:a%3Ab%25c+d");
    }
}
