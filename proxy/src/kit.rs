//! A gateway for tests: a clock that is moved, a feed that is told, an upstream that is scripted.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use axum::{body::Body, response::Response};
use bauta_audit::{
    note::{Signer, Verifier},
    tree::leaf_hash,
};
use bauta_token::{
    ambient::{Clock, Randomness},
    claims::Claims,
    jws,
    keys::{IssuerKey, SigningKey},
    manifest::{self, GateTerm, Manifest, VERSION},
    notice::{Notice, Numbered, Page},
    pseudonym::Pseudonym,
    scope::{Budget, Gate, ModelName, Name, Period, Privacy, Rate, Terms},
    units::{MicroUsd, UnixMillis},
};
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use zeroize::Zeroizing;

use crate::{
    Gateway, Parts, admit,
    federation::{AssertionKey, Issuer},
    forward::{Credential, Timeouts},
    log::Row,
    ports::{Feed, FeedError, Replicas, memory::Memory},
    router,
};

pub(crate) const START: UnixMillis = UnixMillis(1_763_632_800_000);

pub(crate) struct MockClock(AtomicI64);

impl MockClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START.0)))
    }

    pub(crate) fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for MockClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}

/// Every call gives other bytes, the same in every run.
#[derive(Default)]
pub(crate) struct Counted(AtomicU64);

impl Randomness for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        for some in bytes.chunks_mut(8) {
            // SplitMix64: no two of its words are equal.
            let n = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            some.copy_from_slice(&(n ^ (n >> 31)).to_be_bytes()[..some.len()]);
        }
    }
}

/// The identity plane, as far as a gateway hears of it.
pub(crate) struct Told {
    clock: Arc<MockClock>,
    log: Signer,
    state: Mutex<(Manifest, Vec<Numbered>)>,
}

impl Told {
    pub(crate) fn new(clock: Arc<MockClock>, manifest: Manifest) -> Arc<Self> {
        Arc::new(Self {
            clock,
            log: Signer::new("id.test/identity", &[3; 32]).unwrap(),
            state: Mutex::new((manifest, Vec::new())),
        })
    }

    pub(crate) fn verifier(&self) -> Verifier {
        self.log.verifier().clone()
    }

    pub(crate) fn signer(&self) -> &Signer {
        &self.log
    }

    pub(crate) fn say(&self, notice: Notice) {
        let mut state = self.state.lock().unwrap();
        let seq = u64::try_from(state.1.len()).unwrap().saturating_add(1);
        state.1.push(Numbered { seq, notice });
    }

    pub(crate) fn publish(&self, change: impl FnOnce(&mut Manifest)) {
        let mut state = self.state.lock().unwrap();
        state.0.issued_at = self.clock.now();
        change(&mut state.0);
    }

    pub(crate) fn page(&self, after: u64) -> Page {
        let state = self.state.lock().unwrap();
        let notices = state.1.iter().filter(|n| n.seq > after).take(3).cloned();
        Page {
            after,
            last: u64::try_from(state.1.len()).unwrap(),
            at: self.clock.now(),
            notices: notices.collect(),
            manifest: Some(self.proved(&state.0)),
        }
    }

    pub(crate) fn sign(&self, page: &Page) -> String {
        self.log.sign(&serde_json::to_string(page).unwrap())
    }

    pub(crate) fn proved(&self, manifest: &Manifest) -> String {
        let leaf = manifest.leaf().unwrap();
        let root = leaf_hash(None, leaf.as_bytes());
        manifest::prove(&leaf, 0, &[], &self.log.checkpoint(1, &root))
    }
}

#[async_trait]
impl Feed for Told {
    async fn pull(&self, after: u64) -> Result<String, FeedError> {
        Ok(self.sign(&self.page(after)))
    }
}

/// What an upstream was sent.
pub(crate) struct Sent {
    pub(crate) head: String,
    pub(crate) body: String,
}

/// What an upstream does with one request: writes to the socket as it likes.
pub(crate) enum Does {
    /// Writes these bytes and closes.
    Says(String),
    /// Writes these bytes and stays silent until the caller goes, then reports it.
    Waits(String),
    /// Writes these bytes and resets the connection.
    Resets(String),
    /// Writes what it is handed, then closes when the sender is dropped.
    Streams(mpsc::Receiver<String>),
    /// The same with bytes that need not be text where they are cut.
    Writes(mpsc::Receiver<Bytes>),
}

/// An upstream on loopback that answers one request after the other by a script.
pub(crate) struct Scripted {
    pub(crate) url: String,
    sent: Arc<Mutex<Vec<Sent>>>,
    script: Arc<Mutex<Vec<Does>>>,
    left: Mutex<mpsc::UnboundedReceiver<()>>,
}

impl Scripted {
    pub(crate) async fn start(tasks: &TaskTracker) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (gone, left) = mpsc::unbounded_channel();
        let this = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            sent: Arc::default(),
            script: Arc::default(),
            left: Mutex::new(left),
        });
        let (sent, script) = (Arc::clone(&this.sent), Arc::clone(&this.script));
        let inner = tasks.clone();
        tasks.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (sent, script) = (Arc::clone(&sent), Arc::clone(&script));
                inner.spawn(one(socket, sent, script, gone.clone()));
            }
        });
        this
    }

    pub(crate) fn will(&self, does: Does) {
        self.script.lock().unwrap().push(does);
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }

    /// Returns when a caller of [`Does::Waits`] has gone.
    pub(crate) async fn left(&self) {
        std::future::poll_fn(|cx| self.left.lock().unwrap().poll_recv(cx)).await;
    }
}

async fn one(
    mut socket: TcpStream,
    sent: Arc<Mutex<Vec<Sent>>>,
    script: Arc<Mutex<Vec<Does>>>,
    gone: mpsc::UnboundedSender<()>,
) {
    let Some(request) = read(&mut socket).await else {
        return;
    };
    sent.lock().unwrap().push(request);
    let does = {
        let mut script = script.lock().unwrap();
        assert!(!script.is_empty(), "a request that no script expects");
        script.remove(0)
    };
    match does {
        Does::Says(text) => socket.write_all(text.as_bytes()).await.unwrap(),
        Does::Resets(text) => {
            socket.write_all(text.as_bytes()).await.unwrap();
            socket.set_zero_linger().unwrap();
        }
        Does::Waits(text) => {
            socket.write_all(text.as_bytes()).await.unwrap();
            // Nothing more is sent on this connection, so a read ends when it is closed.
            assert_eq!(socket.read(&mut [0; 1]).await.unwrap_or(0), 0);
            gone.send(()).unwrap();
        }
        Does::Streams(mut pieces) => {
            while let Some(piece) = pieces.recv().await {
                if socket.write_all(piece.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
        Does::Writes(mut pieces) => {
            while let Some(piece) = pieces.recv().await {
                if socket.write_all(&piece).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn read(socket: &mut TcpStream) -> Option<Sent> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let n = socket.read(&mut chunk).await.ok()?;
        if n == 0 {
            return None;
        }
        bytes.extend_from_slice(&chunk[..n]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |n| n.parse().unwrap());
        if body.len() >= length {
            return Some(Sent {
                head: head.to_owned(),
                body: body.to_owned(),
            });
        }
    }
}

/// A whole answer.
pub(crate) fn document(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\nset-cookie: a=b\r\nserver: upstream\r\n\
         anthropic-ratelimit-requests-remaining: 1\r\nanthropic-organization-id: org\r\n\r\n{body}",
        body.len()
    )
}

/// The head of a stream that ends with its connection.
pub(crate) const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

pub(crate) const FIRST: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":\
    {\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n";
pub(crate) const TEXT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\
    \"delta\":{\"type\":\"text_delta\",\"text\":\"hello\"}}\n\n";
pub(crate) const LAST: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":\
    {\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":20}}\n\n\
    event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
pub(crate) const MESSAGE: &str = "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\
    \"hi\"}],\"usage\":{\"input_tokens\":10,\"output_tokens\":20}}";

/// A gateway between a member and two upstreams.
pub(crate) struct Kit {
    pub(crate) clock: Arc<MockClock>,
    pub(crate) book: Arc<Memory>,
    pub(crate) told: Arc<Told>,
    pub(crate) tasks: TaskTracker,
    pub(crate) main: Arc<Scripted>,
    pub(crate) local: Arc<Scripted>,
    pub(crate) gateway: Arc<Gateway>,
}

impl Kit {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With a token for an assertion, got at `desk`, in the place of the first upstream's key.
    pub(crate) async fn federated(desk: &str) -> Self {
        let key = AssertionKey::read(&AssertionKey::generate().unwrap()).unwrap();
        let federation = format!(
            "{{\"at\":\"anthropic\",\"audience\":\"https://aud\",\"rule\":\"fdrl_1\",\
              \"organization\":\"org\",\"service_account\":\"svac_1\",\
              \"token_url\":\"{desk}/v1/oauth/token\"}}"
        );
        Self::with(|parts| {
            parts.issuer = Some(Arc::new(Issuer::new("https://gw.test", vec![key]).unwrap()));
            parts.credentials.remove(&name("anthropic"));
            parts.upstreams[0].federation = Some(serde_json::from_str(&federation).unwrap());
        })
        .await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Parts)) -> Self {
        let clock = MockClock::new();
        let told = Told::new(Arc::clone(&clock), manifest());
        let tasks = TaskTracker::new();
        let (main, local) = (Scripted::start(&tasks).await, Scripted::start(&tasks).await);
        let book = Arc::new(Memory::default());
        let mut parts = parts(&clock, &told, &tasks, &book, &main.url, &local.url);
        change(&mut parts);
        let gateway = Gateway::open(parts).await.unwrap();
        gateway.follow().await.unwrap();
        Self {
            clock,
            book,
            told,
            tasks,
            main,
            local,
            gateway,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response {
        router(Arc::clone(&self.gateway))
            .oneshot(request)
            .await
            .unwrap()
    }

    /// Asks the model and gives status, headers and the whole body.
    pub(crate) async fn ask(&self, body: &str) -> (http::response::Parts, String) {
        self.get(messages(&token(|_| {}), body)).await
    }

    pub(crate) async fn get(&self, request: Request<Body>) -> (http::response::Parts, String) {
        let (parts, body) = self.send(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts, String::from_utf8(body.to_vec()).unwrap())
    }

    /// The rows of the journal, once `n` of them are closed.
    pub(crate) async fn closed(&self, n: usize) -> Vec<Row<'static>> {
        loop {
            let rows = self.book.rows();
            if rows.iter().filter(|row| row.ended.is_some()).count() >= n {
                return rows;
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn outcome(&self) -> String {
        let rows = self.closed(1).await;
        assert_eq!(rows.len(), 1);
        rows[0].ended.as_ref().unwrap().outcome.to_string()
    }
}

pub(crate) fn parts(
    clock: &Arc<MockClock>,
    told: &Arc<Told>,
    tasks: &TaskTracker,
    book: &Arc<Memory>,
    main: &str,
    local: &str,
) -> Parts {
    let upstreams = format!(
        "[{{\"name\":\"anthropic\",\"dialect\":\"anthropic\",\"base_url\":\"{main}\"}},\
          {{\"name\":\"local\",\"dialect\":\"anthropic\",\"base_url\":\"{local}\"}},\
          {{\"name\":\"google\",\"dialect\":\"gemini\",\"base_url\":\"{main}/g\"}},\
          {{\"name\":\"gemma\",\"dialect\":\"gemini\",\"base_url\":\"{local}\"}}]"
    );
    let models = "[{\"name\":\"claude-opus\",\"gated_by\":\"frontier-gate\",\
          \"targets\":[{\"upstream\":\"anthropic\",\"model\":\"claude-opus-4-7\"}],\
          \"fallback\":[{\"upstream\":\"local\",\"model\":\"qwen3\"}],\
          \"price\":{\"input\":\"5.00\",\"output\":\"25.00\"}},\
         {\"name\":\"claude-alone\",\
          \"targets\":[{\"upstream\":\"anthropic\",\"model\":\"claude-1\"}],\
          \"price\":{\"input\":\"5.00\",\"output\":\"25.00\"}},\
         {\"name\":\"claude-gated\",\"gated_by\":\"other-gate\",\
          \"targets\":[{\"upstream\":\"anthropic\",\"model\":\"claude-x\"}],\
          \"price\":{\"input\":\"5.00\",\"output\":\"25.00\"}},\
         {\"name\":\"gemini\",\"gated_by\":\"frontier-gate\",\
          \"targets\":[{\"upstream\":\"google\",\"model\":\"gemini-3-pro\"}],\
          \"fallback\":[{\"upstream\":\"gemma\",\"model\":\"gemma-4\"}],\
          \"price\":{\"input\":\"5.00\",\"output\":\"25.00\",\"cache_read\":\"1.00\"}}]";
    let mut credentials = HashMap::new();
    for upstream in ["anthropic", "google"] {
        credentials.insert(name(upstream), vec![Credential::new("sk-ours").unwrap()]);
    }
    Parts {
        book: Arc::clone(book) as Arc<dyn crate::ports::GatewayBook>,
        replicas: Replicas::Sole,
        feed: Arc::clone(told) as Arc<dyn Feed>,
        identity_log: told.verifier(),
        log: Signer::new("gw.test/gateway", &[4; 32]).unwrap(),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        randomness: Arc::new(Counted::default()),
        tasks: tasks.clone(),
        upstreams: serde_json::from_str(&upstreams).unwrap(),
        credentials,
        issuer: None,
        models: serde_json::from_str(models).unwrap(),
        cache_key: Zeroizing::new([5; 32]),
        guard: crate::config::GuardConfig::default(),
        claude_code: crate::settings::ClaudeCode::default(),
        verify_url: "https://id.test/verify".to_owned(),
        max_token_life_seconds: 90 * 86_400,
        limits: admit::Limits::default(),
        timeouts: Timeouts::default(),
        tracer: None,
    }
}

pub(crate) fn manifest() -> Manifest {
    let gate = |policy: &str| GateTerm {
        gate: Gate::new(name(policy), name("1")),
        effective_from: UnixMillis(0),
    };
    Manifest {
        v: VERSION,
        issuer: "https://id.test".to_owned(),
        audience: "bauta".to_owned(),
        keys: vec![IssuerKey::new(
            key().public(),
            UnixMillis(0),
            UnixMillis(i64::MAX),
        )],
        scopes: vec![Terms {
            name: name("frontier"),
            privacy: Privacy::Sealed,
            models: ["claude-opus", "claude-alone", "claude-gated", "gemini"]
                .map(|it| ModelName::parse(it).unwrap())
                .to_vec(),
            budget: Some(Budget {
                amount: MicroUsd::new(5_000_000).unwrap(),
                per: Period::Day,
            }),
            rate: Some(Rate {
                requests: 100,
                per: Period::Minute,
                concurrent: 50,
            }),
        }],
        gates: vec![gate("frontier-gate"), gate("other-gate")],
        issued_at: START,
    }
}

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(&[9; 32]).unwrap()
}

pub(crate) fn claims() -> Claims {
    let psn = [
        ("anthropic", 11),
        ("local", 12),
        ("google", 13),
        ("gemma", 14),
    ];
    Claims {
        iss: "https://id.test".to_owned(),
        aud: "bauta".to_owned(),
        exp: START.plus_seconds(3600).seconds(),
        iat: START.seconds(), // a whole minute
        jti: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        sub: grant(),
        end: end(),
        scope: name("frontier"),
        psn: psn
            .map(|(provider, n)| (name(provider), Pseudonym::from_bytes(&[n; 32])))
            .into(),
        gates: vec![Gate::new(name("frontier-gate"), name("1"))],
        client_id: "member".to_owned(),
    }
}

pub(crate) fn token(change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = claims();
    change(&mut claims);
    format!(
        "{}{}",
        jws::PREFIX,
        jws::sign_access(&claims, &key()).unwrap()
    )
}

pub(crate) fn grant() -> Pseudonym {
    Pseudonym::from_bytes(&[1; 32])
}

/// What the feed calls [`grant`].
pub(crate) fn end() -> Pseudonym {
    Pseudonym::from_bytes(&[2; 32])
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn messages(token: &str, body: &str) -> Request<Body> {
    Request::post("/v1/messages")
        .header("x-api-key", token)
        .header("content-type", "application/json")
        .header("anthropic-version", "2023-06-01")
        .header("user-agent", "claude-cli/2.1.329 (external, canary)")
        .header("x-forwarded-for", "192.0.2.1")
        .header("cookie", "canary=1")
        .body(Body::from(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap()
}

pub(crate) const ASK: &str = "{\"model\":\"claude-opus\",\"max_tokens\":100,\
    \"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
pub(crate) const ASK_STREAM: &str = "{\"model\":\"claude-opus\",\"max_tokens\":100,\
    \"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
