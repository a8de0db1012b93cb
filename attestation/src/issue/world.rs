//! A plane in memory with members in it, a clock that is moved by hand, and nothing random.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, request::Builder},
};
use bauta_token::{
    ambient::{Clock, Randomness, bytes},
    scope::{ModelName, Name, Privacy},
    secret::{Plain, SessionCookie},
    units::{UnixDay, UnixMillis},
};
use ring::digest::{SHA256, digest};
use serde_json::Value;
use tower::ServiceExt;
use url::Url;
use zeroize::Zeroizing;

use crate::{
    Parts, Plane,
    attest::{Predicate, Record, Truth},
    config::{
        Admin, DeviceFlow, Environment, Oauth, Roles, Scim, ScopeRule, SecretText, Settings, Span,
        Sso,
    },
    keys::KeyMaterial,
    login::session::SESSION_COOKIE,
    ports::{
        AttestationId, Event, Lookup, MemberId, Rights, Role,
        directory::Claimed,
        memory::Memory,
        people::{MeetingCode, NewAttestation, People, SignIn, TagRow, Vouch},
    },
    router,
};

pub(crate) struct World {
    pub(crate) plane: Arc<Plane>,
    pub(crate) store: Arc<Memory>,
    clock: Arc<Hand>,
    randomness: Arc<Counted>,
}

/// A member that is signed in and verified.
pub(crate) struct Ada {
    pub(crate) id: MemberId,
    pub(crate) cookie: Plain<SessionCookie>,
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// The `error` of an OAuth refusal.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn location(&self) -> Url {
        let to = self.headers.get("location").unwrap().to_str().unwrap();
        Url::parse("https://ai.example.com")
            .unwrap()
            .join(to)
            .unwrap()
    }
}

impl World {
    pub(crate) async fn new(device: DeviceFlow) -> Self {
        Self::with(device, |_| {}).await
    }

    pub(crate) async fn with(device: DeviceFlow, change: impl FnOnce(&mut Settings)) -> Self {
        // A second one is refused, and is the same.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let clock = Arc::new(Hand(AtomicI64::new(NOW)));
        Self::on(Arc::default(), clock, Arc::default(), device, change).await
    }

    /// A server that starts anew on what this one has written, with other settings.
    pub(crate) async fn restarted(
        &self,
        device: DeviceFlow,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let world = Self::on(store, clock, Arc::clone(&self.randomness), device, change).await;
        world.plane.claim().await.unwrap();
        world
    }

    async fn on(
        store: Arc<Memory>,
        clock: Arc<Hand>,
        randomness: Arc<Counted>,
        device: DeviceFlow,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = settings(device);
        change(&mut settings);
        let plane = Plane::open(Parts {
            settings,
            keys: KeyMaterial {
                peppers: vec![key(1)],
                kek: key(2),
            },
            store: store.clone(),
            clock: clock.clone(),
            randomness: randomness.clone(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        })
        .await
        .unwrap();
        Self {
            plane,
            store,
            clock,
            randomness,
        }
    }

    pub(crate) async fn later(&self, seconds: i64) {
        self.clock
            .0
            .fetch_add(seconds.saturating_mul(1_000), Ordering::Relaxed);
        self.plane.turn_keys().await.unwrap();
    }

    /// Somebody who signs in and was verified, on the word of two officers.
    pub(crate) async fn ada(&self) -> Ada {
        let ada = self.stranger().await;
        self.verify(ada.id).await;
        ada
    }

    /// Somebody who signs in and was never verified.
    pub(crate) async fn stranger(&self) -> Ada {
        self.browser(&[]).await
    }

    /// The member of this id, signed in and verified: one that settings may name.
    pub(crate) async fn joins(&self, id: MemberId) -> Ada {
        let ada = self.arrives(id, &[]).await;
        self.verify(id).await;
        ada
    }

    /// Somebody with these roles at a browser.
    pub(crate) async fn browser(&self, roles: &[Role]) -> Ada {
        let id = MemberId::random(&*self.plane.randomness);
        self.arrives(id, roles).await
    }

    async fn arrives(&self, id: MemberId, roles: &[Role]) -> Ada {
        let cookie = Plain::generate(&*self.plane.randomness);
        let session = Lookup(*cookie.hash(self.plane.keys.secrets()).as_bytes());
        self.sign_in(id, session, roles).await;
        Ada { id, cookie }
    }

    /// An officer who signed in.
    pub(crate) async fn officer(&self) -> MemberId {
        let id = MemberId::random(&*self.plane.randomness);
        let session = Lookup(bytes(&*self.plane.randomness));
        self.sign_in(id, session, &[Role::Officer]).await;
        id
    }

    async fn sign_in(&self, member: MemberId, session: Lookup, roles: &[Role]) {
        let now = self.plane.clock.now();
        let random = || Lookup(bytes(&*self.plane.randomness));
        let entry = SignIn {
            tag: TagRow {
                member,
                tag: random(),
                pepper_from: 1,
                pepper_to: 1,
            },
            new: true,
            join: None,
            rights: Rights {
                scopes: [name("frontier"), name("quiet")].into(),
                roles: roles.iter().copied().collect(),
            },
            claimed: Claimed::default(),
            session,
            idp_session: None,
            subject: random(),
            replaces: None,
            now,
            expires_at: now.plus_seconds(43_200),
            events: Vec::new(),
        };
        self.store.sign_in(&entry).await.unwrap();
    }

    /// The member signs in again, and its groups open these scopes and no others.
    pub(crate) async fn moves(&self, member: MemberId, scopes: &[&str]) {
        let now = self.plane.clock.now();
        let row = self.store.member(member).await.unwrap().unwrap();
        let rights = Rights {
            scopes: scopes.iter().map(|scope| name(scope)).collect(),
            ..Rights::default()
        };
        let entry = SignIn {
            tag: row.tag,
            new: false,
            join: None,
            rights: rights.clone(),
            claimed: Claimed::default(),
            session: Lookup(bytes(&*self.plane.randomness)),
            idp_session: None,
            subject: row.subject,
            replaces: None,
            now,
            expires_at: now.plus_seconds(43_200),
            events: Vec::new(),
        };
        self.store.sign_in(&entry).await.unwrap();
        self.plane.end_lost(member, &rights).await.unwrap();
    }

    pub(crate) async fn verify(&self, member: MemberId) {
        let now = self.plane.clock.now();
        let code = Lookup(bytes(&*self.plane.randomness));
        let shown = MeetingCode {
            member,
            code,
            expires_at: now.plus_seconds(1),
        };
        self.store.show_code(&shown).await.unwrap();
        for officer in [9, 8] {
            let officer = MemberId([officer; 16]);
            let session = Lookup(bytes(&*self.plane.randomness));
            self.sign_in(officer, session, &[Role::Officer]).await;
            let event = Event::private("x", now, Value::Null, &*self.plane.randomness);
            let vouch = Vouch {
                member,
                officer,
                code,
                now,
                since: UnixMillis(0),
                grant: self.attestation(member),
                event,
                granted: Vec::new(),
            };
            self.store.vouch(&vouch).await.unwrap();
        }
    }

    fn attestation(&self, member: MemberId) -> NewAttestation {
        let att_id = AttestationId::random(&*self.plane.randomness);
        let record = Record {
            v: 1,
            att_id,
            vendor: "officer".to_owned(),
            vendor_env: "production".to_owned(),
            method: "in_person".to_owned(),
            assurance: "organisation-defined".to_owned(),
            predicates: BTreeMap::from([(Predicate::PersonVerified, Truth::True)]),
            eligibility: Vec::new(),
            verified_on: "2026-11".to_owned(),
            expires_on: LAST_DAY.to_string(),
            evidence_commitment: "none".to_owned(),
            consent: None,
            issuer_kid: "none".to_owned(),
        };
        let days = (UnixDay(20_758), LAST_DAY);
        let row = record.sign(member, days, self.plane.keys.attestation());
        NewAttestation {
            row: row.unwrap(),
            nonce: [0; 32],
        }
    }

    pub(crate) async fn get(&self, path: &str, ada: Option<&Ada>) -> Reply {
        let request = Request::get(path).header("accept", "text/html");
        self.send(with_cookie(request, ada).body(Body::empty()).unwrap())
            .await
    }

    /// A form as a page of ours sends it.
    pub(crate) async fn post(&self, path: &str, ada: Option<&Ada>, form: &[(&str, &str)]) -> Reply {
        let body = encode(form);
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        self.send(with_cookie(request, ada).body(body.into()).unwrap())
            .await
    }

    /// A form as a client sends it: no cookie, no page.
    pub(crate) async fn client(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        self.raw(path, &encode(form)).await
    }

    pub(crate) async fn raw(&self, path: &str, body: &str) -> Reply {
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.to_owned().into());
        self.send(request.unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let routes: Router = router(Arc::clone(&self.plane));
        let (parts, body) = routes.oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Token by code flow: consent, redirect, exchange.
    pub(crate) async fn login(&self, ada: &Ada) -> Value {
        let code = self.code(ada).await;
        let reply = self.client("/oauth/token", &exchange(&code)).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        reply.json()
    }

    pub(crate) async fn code(&self, ada: &Ada) -> String {
        let mut form = authorization();
        form.push(("scope", "frontier"));
        form.push(("answer", "allow"));
        let reply = self.post("/oauth/authorize", Some(ada), &form).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.body);
        param(&reply.location(), "code").unwrap()
    }
}

pub(crate) fn param(url: &Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs.find(|(n, _)| n == name).map(|(_, v)| v.into_owned())
}

/// An authorization request that holds.
pub(crate) fn authorization() -> Vec<(&'static str, &'static str)> {
    vec![
        ("response_type", "code"),
        ("client_id", "bauta-cli"),
        ("redirect_uri", REDIRECT),
        ("code_challenge", challenge()),
        ("code_challenge_method", "S256"),
        ("state", "xyz"),
    ]
}

/// The exchange that belongs to it.
pub(crate) fn exchange(code: &str) -> Vec<(&str, &str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("client_id", "bauta-cli"),
        ("code_verifier", VERIFIER),
    ]
}

fn challenge() -> &'static str {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let text = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    assert_eq!(text, CHALLENGE, "RFC 7636, appendix B");
    CHALLENGE
}

pub(crate) fn encode(form: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish()
}

fn with_cookie(request: Builder, ada: Option<&Ada>) -> Builder {
    match ada {
        Some(ada) => request.header(
            "cookie",
            format!("{SESSION_COOKIE}={}", ada.cookie.reveal()),
        ),
        None => request,
    }
}

pub(crate) fn settings(device: DeviceFlow) -> Settings {
    Settings {
        public_url: Url::parse("https://ai.example.com").unwrap(),
        gateway_url: Url::parse("https://gw.example.com").unwrap(),
        environment: Environment::Production,
        sso: Sso {
            issuer: "https://idp.example.com".to_owned(),
            client_id: "bauta".to_owned(),
            client_secret: SecretText::new(Zeroizing::new("s3cret".to_owned())),
            scopes: vec!["openid".to_owned()],
            groups_claim: "groups".to_owned(),
            subject_claim: "sub".to_owned(),
            scim_subject: "externalId".to_owned(),
            hosts: Vec::new(),
            tenant: None,
            roles: Roles::default(),
            session_idle: Span::seconds(7 * 86_400),
            session_absolute: Span::seconds(7 * 86_400),
            rights_max_age: Span::seconds(400 * 86_400),
        },
        admin: Admin::default(),
        oauth: Oauth {
            device,
            ..Oauth::default()
        },
        scim: Scim::default(),
        introspection: None,
        verifiers: Vec::new(),
        policies: BTreeMap::new(),
        scopes: vec![
            scope("frontier", Privacy::Sealed, true),
            scope("quiet", Privacy::Sealed, false),
            scope("masked", Privacy::Anonymous, true),
        ],
        workloads: Vec::new(),
        gates: BTreeMap::new(),
        providers: vec![name("anthropic"), name("openai")],
    }
}

fn scope(called: &str, privacy: Privacy, device: bool) -> ScopeRule {
    ScopeRule {
        name: name(called),
        privacy,
        models: vec![ModelName::parse("claude-opus").unwrap()],
        groups: if called == "masked" {
            Vec::new()
        } else {
            vec!["engineering".to_owned()]
        },
        token_ttl: Span::seconds(3_600),
        max_label_ttl: Some(Span::seconds(90 * 86_400)),
        budget: None,
        rate: None,
        device,
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn key(n: u8) -> Zeroizing<[u8; 32]> {
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, &[n]).as_ref());
    Zeroizing::new(key)
}

struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::Relaxed))
    }
}

/// Different each time and the same in each run.
#[derive(Default)]
struct Counted(AtomicU64);

impl Randomness for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(32) {
            let n = self.0.fetch_add(1, Ordering::Relaxed);
            let block = digest(&SHA256, &n.to_be_bytes());
            part.copy_from_slice(&block.as_ref()[..part.len()]);
        }
    }
}

/// 2026-11-21T00:00:30Z: not on the minute, so that rounding shows.
pub(crate) const NOW: i64 = 1_795_219_230_000;
/// 2027-11-30.
const LAST_DAY: UnixDay = UnixDay(21_152);
pub(crate) const REDIRECT: &str = "http://127.0.0.1:49152/callback";
/// RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
