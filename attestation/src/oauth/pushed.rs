//! Pushed authorization requests (RFC 9126): what a browser would carry is sent here first, and the
//! browser carries a name for it.
//!
//! The name is the request itself under a key of ours, with its end: nothing is stored, so nobody
//! fills a table, and nobody changes what was pushed (ADR 40).

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::{
    OauthError,
    authorize::{Asked, Wrong, read_fields},
    fields::{Fields, Form},
};
use crate::{Plane, issue::ClientKind};

/// Takes a request that the authorization endpoint would take.
pub(super) async fn push(State(plane): State<Arc<Plane>>, form: Form) -> Response {
    match pushed(&plane, &form) {
        Ok(name) => {
            let body = Json(json!({ "request_uri": name, "expires_in": LIFE }));
            (StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], body).into_response()
        }
        Err(error) => error.into_response(),
    }
}

fn pushed(plane: &Plane, form: &Fields) -> Result<String, OauthError> {
    if form.find("client_id") != Some(ClientKind::Cli.as_str()) {
        return Err(NO_CLIENT);
    }
    if form.find("request_uri").is_some() {
        return Err(OauthError::request("a request is pushed by its fields"));
    }
    let asked = read_fields(plane, form).map_err(|wrong| match wrong {
        Wrong::Here(why) => OauthError::request(why),
        Wrong::There { code, .. } => OauthError::new(StatusCode::BAD_REQUEST, code, WRONG),
    })?;
    Ok(plane.name_of(&asked))
}

/// Whether `text` is a name that this endpoint could have given.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(URN)
}

impl Plane {
    fn name_of(&self, asked: &Asked) -> String {
        let ends = self.clock.now().plus_seconds(LIFE).0.to_string();
        let mut fields = url::form_urlencoded::Serializer::new(String::new());
        fields.append_pair("ends", &ends);
        fields.extend_pairs(asked.fields());
        let fields = fields.finish();
        let mut name = self.pushed_mac(fields.as_bytes()).to_vec();
        name.extend_from_slice(fields.as_bytes());
        format!("{URN}{}", URL_SAFE_NO_PAD.encode(name))
    }

    /// The fields that were pushed under `name`; `None` when they were not, not here, or too long
    /// ago.
    pub(super) fn pushed(&self, name: &str) -> Option<Fields> {
        let name = URL_SAFE_NO_PAD.decode(name.strip_prefix(URN)?).ok()?;
        let (mac, fields) = name.split_first_chunk::<32>()?;
        let key = self.keys.mac(KEY);
        if !key.verify(DOMAIN, &[fields], mac) {
            return None;
        }
        let fields = Fields::read(fields).ok()?;
        let ends: i64 = fields.find("ends")?.parse().ok()?;
        (self.clock.now().0 < ends).then_some(fields)
    }

    fn pushed_mac(&self, fields: &[u8]) -> [u8; 32] {
        self.keys.mac(KEY).tag(DOMAIN, &[fields])
    }
}

/// RFC 9126, section 2.2.
const URN: &str = "urn:ietf:params:oauth:request_uri:";
/// Ten minutes: a sign-in may come between.
const LIFE: i64 = 600;
const KEY: &str = "pushed-request/v1";
const DOMAIN: &str = "bauta/pushed-request/v1";

const WRONG: &str = "the authorization endpoint would refuse this request";
const NO_CLIENT: OauthError = OauthError::new(
    StatusCode::UNAUTHORIZED,
    "invalid_client",
    "the program that asks is not known here",
);

#[cfg(test)]
mod tests;
