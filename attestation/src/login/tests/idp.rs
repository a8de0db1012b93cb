//! An identity provider that says what a test tells it to.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Form, Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bauta_token::keys::SigningKey;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};
use url::Url;

pub(crate) struct Idp {
    pub(crate) issuer: String,
    state: Arc<Mutex<Said>>,
    _served: JoinSet<()>,
}

/// What it says, and what it was asked.
pub(crate) struct Said {
    /// Over the usual discovery document.
    pub(crate) discovery: Value,
    /// Over the usual ID token.
    pub(crate) claims: Value,
    /// Header of tokens, without `alg`.
    pub(crate) header: Value,
    pub(crate) userinfo: Value,
    pub(crate) key: SigningKey,
    pub(crate) kid: String,
    pub(crate) down: bool,
    pub(crate) now: i64,
    pub(crate) codes: BTreeMap<String, Asked>,
    pub(crate) key_fetches: u32,
    pub(crate) exchanges: u32,
}

/// What a sign-in asked for.
pub(crate) struct Asked {
    nonce: String,
    challenge: String,
    redirect: String,
}

type Shared = State<(String, Arc<Mutex<Said>>)>;

impl Idp {
    pub(crate) async fn start(now_millis: i64) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", socket.local_addr().unwrap());
        let state = Arc::new(Mutex::new(Said {
            discovery: json!({}),
            claims: json!({ "sub": "alice", "groups": ["engineering"] }),
            header: json!({ "typ": "JWT" }),
            userinfo: Value::Null,
            key: SigningKey::from_seed(&[1; 32]).unwrap(),
            kid: "k1".to_owned(),
            down: false,
            now: now_millis / 1_000,
            codes: BTreeMap::new(),
            key_fetches: 0,
            exchanges: 0,
        }));
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .route("/me", get(userinfo))
            .with_state((issuer.clone(), Arc::clone(&state)));
        let mut served = JoinSet::new();
        served.spawn(async move { axum::serve(socket, routes).await.unwrap() });
        Self {
            issuer,
            state,
            _served: served,
        }
    }

    pub(crate) fn said(&self) -> MutexGuard<'_, Said> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the person in: what the browser brings back from `url`.
    pub(crate) fn lets_in(&self, url: &Url) -> String {
        let param = |name: &str| {
            let mut pairs = url.query_pairs();
            pairs
                .find(|(n, _)| n == name)
                .map(|(_, v)| v.into_owned())
                .unwrap()
        };
        assert_eq!(param("response_type"), "code");
        assert_eq!(param("code_challenge_method"), "S256");
        let mut said = self.said();
        let code = format!("code-{}", said.codes.len());
        said.codes.insert(
            code.clone(),
            Asked {
                nonce: param("nonce"),
                challenge: param("code_challenge"),
                redirect: param("redirect_uri"),
            },
        );
        form(&[
            ("code", &code),
            ("state", &param("state")),
            ("iss", &self.issuer),
        ])
    }

    /// A signed token that says `claims`.
    pub(crate) fn token(&self, claims: &Value) -> String {
        sign(&self.said(), claims)
    }
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

async fn discovery(State((issuer, state)): Shared) -> Response {
    let said = state.lock().unwrap();
    if said.down {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let usual = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "userinfo_endpoint": format!("{issuer}/me"),
        "end_session_endpoint": format!("{issuer}/bye"),
        "authorization_response_iss_parameter_supported": true,
        "id_token_signing_alg_values_supported": ["none", "EdDSA", "HS256"],
        "code_challenge_methods_supported": ["S256"],
    });
    Json(over(usual, &said.discovery)).into_response()
}

async fn jwks(State((_, state)): Shared) -> Response {
    let mut said = state.lock().unwrap();
    said.key_fetches += 1;
    if said.down {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    Json(json!({ "keys": [{
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": said.kid,
        "x": URL_SAFE_NO_PAD.encode(said.key.public()),
    }] }))
    .into_response()
}

async fn token(
    State((issuer, state)): Shared,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    let mut said = state.lock().unwrap();
    said.exchanges += 1;
    if said.down {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let secret = format!("Basic {}", STANDARD.encode("bauta:s3cret"));
    assert_eq!(headers["authorization"], secret.as_str());
    assert_eq!(form["grant_type"], "authorization_code");
    let refused = (
        StatusCode::BAD_REQUEST,
        Json(json!({ "error": "invalid_grant" })),
    );
    let Some(asked) = said.codes.remove(&form["code"]) else {
        return refused.into_response();
    };
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, form["code_verifier"].as_bytes()));
    if challenge != asked.challenge || form["redirect_uri"] != asked.redirect {
        return refused.into_response();
    }
    let usual = json!({
        "iss": issuer, "aud": "bauta", "nonce": asked.nonce, "sid": "s1",
        "iat": said.now, "exp": said.now + 300,
    });
    let id_token = sign(&said, &over(usual, &said.claims));
    Json(json!({ "id_token": id_token, "access_token": "opaque", "token_type": "Bearer" }))
        .into_response()
}

async fn userinfo(State((_, state)): Shared, headers: HeaderMap) -> Response {
    assert_eq!(headers["authorization"], "Bearer opaque");
    let said = state.lock().unwrap();
    if said.userinfo.is_null() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(said.userinfo.clone()).into_response()
}

fn sign(said: &Said, claims: &Value) -> String {
    let header = over(json!({ "alg": "EdDSA", "kid": said.kid }), &said.header);
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(&header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(said.key.sign(text.as_bytes()));
    format!("{text}.{signature}")
}

/// `usual` with `change` over it; null takes away.
pub(crate) fn over(mut usual: Value, change: &Value) -> Value {
    let map = usual.as_object_mut().unwrap();
    for (name, value) in change.as_object().unwrap() {
        if value.is_null() {
            map.remove(name);
        } else {
            map.insert(name.clone(), value.clone());
        }
    }
    usual
}
