//! A Persona that says what a test tells it to.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use ring::hmac;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

pub(crate) struct Persona {
    pub(crate) base: String,
    state: Arc<Mutex<Office>>,
    _served: JoinSet<()>,
}

/// What it knows, and what it was asked.
#[derive(Default)]
pub(crate) struct Office {
    pub(crate) inquiries: BTreeMap<String, Inquiry>,
    pub(crate) link: Option<String>,
    pub(crate) down: bool,
    pub(crate) hiccups: u32,
    pub(crate) fetches: u32,
    pub(crate) keys: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Inquiry {
    pub(crate) status: String,
    pub(crate) reference: String,
    pub(crate) environment: &'static str,
    pub(crate) document: Value,
    pub(crate) face: Value,
    pub(crate) redacted: bool,
    pub(crate) children_redacted: bool,
}

/// Planted where only a vendor may have it.
pub(crate) const CANARIES: [&str; 6] = [
    "Wilhelmina",
    "Oranje",
    "1971-08-23",
    "CNRX123456",
    "\"NL\"",
    "2031-05-17",
];

type Shared = State<Arc<Mutex<Office>>>;

impl Persona {
    pub(crate) async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/api/v1", socket.local_addr().unwrap());
        let state = Arc::new(Mutex::new(Office::default()));
        let api = Router::new()
            .route("/inquiries", post(create))
            .route("/inquiries/{id}", get(inquiry).delete(redact))
            .route("/inquiries/{id}/generate-one-time-link", post(link))
            .route("/verifications/{id}", get(verification));
        let routes = Router::new()
            .nest("/api/v1", api)
            .with_state(Arc::clone(&state));
        let mut served = JoinSet::new();
        served.spawn(async move { axum::serve(socket, routes).await.unwrap() });
        Self {
            base,
            state,
            _served: served,
        }
    }

    pub(crate) fn office(&self) -> MutexGuard<'_, Office> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes an inquiry.
    pub(crate) fn set(&self, id: &str, change: impl FnOnce(&mut Inquiry)) {
        change(self.office().inquiries.get_mut(id).unwrap());
    }
}

/// An event as it is sent, with what it may tell of a person.
pub(crate) fn event(id: &str, name: &str, inquiry: &str, at: &str) -> Vec<u8> {
    json!({ "data": {
        "type": "event", "id": id,
        "attributes": {
            "name": name, "created-at": at,
            "payload": { "data": {
                "type": "inquiry", "id": inquiry,
                "attributes": { "status": "approved", "fields": {
                    "name-first": { "type": "string", "value": CANARIES[0] },
                    "birthdate": { "type": "date", "value": CANARIES[2] },
                } },
            }, "included": [] },
        },
    } })
    .to_string()
    .into_bytes()
}

/// The signature header over `body`.
pub(crate) fn signature(secret: &str, seconds: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{seconds}.").as_bytes());
    context.update(body);
    format!(
        "t={seconds},v1={}",
        crate::qualify::policy::hex(context.sign().as_ref())
    )
}

fn checked(office: &mut Office, headers: &HeaderMap) -> Result<(), StatusCode> {
    assert_eq!(headers["authorization"], "Bearer persona_production_key");
    assert_eq!(headers["persona-version"], "2025-12-08");
    assert_eq!(headers["key-inflection"], "kebab");
    if office.down {
        return Err(StatusCode::BAD_GATEWAY);
    }
    Ok(())
}

async fn create(State(state): Shared, headers: HeaderMap, Json(asked): Json<Value>) -> Response {
    let mut office = state.lock().unwrap();
    if let Err(refusal) = checked(&mut office, &headers) {
        return refusal.into_response();
    }
    office
        .keys
        .push(headers["idempotency-key"].to_str().unwrap().to_owned());
    if office.hiccups > 0 {
        office.hiccups -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    assert_eq!(
        asked["meta"]["auto-create-account"], false,
        "no lasting account"
    );
    let attributes = asked["data"]["attributes"].as_object().unwrap();
    let sent: Vec<_> = attributes.keys().map(String::as_str).collect();
    assert_eq!(
        sent,
        ["inquiry-template-id", "redirect-uri", "reference-id"],
        "and nothing of a person"
    );
    assert_eq!(
        asked["data"]["attributes"]["redirect-uri"],
        "https://ai.example.com/verify/return"
    );
    let id = format!("inq_{}", office.inquiries.len());
    office.inquiries.insert(
        id.clone(),
        Inquiry {
            status: "created".to_owned(),
            reference: attributes["reference-id"].as_str().unwrap().to_owned(),
            environment: "production",
            document: passport(),
            face: selfie(),
            redacted: false,
            children_redacted: false,
        },
    );
    (StatusCode::CREATED, Json(show(&id, &office.inquiries[&id]))).into_response()
}

async fn link(State(state): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let mut office = state.lock().unwrap();
    if let Err(refusal) = checked(&mut office, &headers) {
        return refusal.into_response();
    }
    let usual = format!(
        "http://{}/verify?code=once-{id}",
        headers["host"].to_str().unwrap()
    );
    let mut shown = show(&id, &office.inquiries[&id]);
    shown["meta"] = json!({ "one-time-link": office.link.clone().unwrap_or(usual) });
    Json(shown).into_response()
}

async fn inquiry(State(state): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let mut office = state.lock().unwrap();
    if let Err(refusal) = checked(&mut office, &headers) {
        return refusal.into_response();
    }
    office.fetches += 1;
    match office.inquiries.get(&id) {
        Some(inquiry) => Json(show(&id, inquiry)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn redact(State(state): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let mut office = state.lock().unwrap();
    if let Err(refusal) = checked(&mut office, &headers) {
        return refusal.into_response();
    }
    let inquiry = office.inquiries.get_mut(&id).unwrap();
    inquiry.redacted = true;
    Json(show(&id, inquiry)).into_response()
}

async fn verification(
    State(state): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let mut office = state.lock().unwrap();
    if let Err(refusal) = checked(&mut office, &headers) {
        return refusal.into_response();
    }
    let (kind, parent) = id.split_at(5);
    let inquiry = &office.inquiries[parent];
    let mut attributes = if kind == "ver_g" {
        &inquiry.document
    } else {
        &inquiry.face
    }
    .clone();
    if inquiry.children_redacted {
        for (name, value) in attributes.as_object_mut().unwrap() {
            if !["status", "checks"].contains(&name.as_str()) {
                *value = Value::Null;
            }
        }
        attributes["redacted-at"] = json!("2026-11-23T00:00:00.000Z");
    }
    Json(json!({ "data": { "id": id, "attributes": attributes } })).into_response()
}

fn show(id: &str, inquiry: &Inquiry) -> Value {
    json!({ "data": {
        "type": "inquiry", "id": id,
        "attributes": {
            "status": inquiry.status, "reference-id": inquiry.reference,
            "environment": inquiry.environment,
            "redacted-at": inquiry.redacted.then_some("2026-11-22T00:00:30.000Z"),
            "fields": { "name-first": { "value": CANARIES[0] } },
        },
        "relationships": { "verifications": { "data": [
            { "type": "verification/government-id", "id": format!("ver_g{id}") },
            { "type": "verification/selfie", "id": format!("ver_s{id}") },
        ] } },
    } })
}

pub(crate) fn passport() -> Value {
    json!({
        "status": "passed", "id-class": "pp", "country-code": "NL", "nationality": "NL",
        "name-first": CANARIES[0], "name-last": CANARIES[1], "birthdate": CANARIES[2],
        "identification-number": CANARIES[3], "expiration-date": CANARIES[5],
        "photo-urls": [{ "page": "front", "url": "https://files.example/1?access_token=x" }],
        "checks": [{ "name": "id_compromised_detection", "status": "passed" }],
    })
}

pub(crate) fn selfie() -> Value {
    json!({ "status": "passed", "checks": [
        { "name": "selfie_id_comparison", "status": "passed" },
        { "name": "selfie_liveness_detection", "status": "passed" },
    ] })
}
