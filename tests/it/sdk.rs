//! Programs that know nothing of Bauta talk through it: the providers' own SDKs, unmodified, and a
//! raw client where single bytes count.

pub(crate) mod clients;
mod limits;
pub(crate) mod stream;

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bauta::dev::{member::Member, stage::Scene};
use bauta_sandbox::{Fault, Reply, Request, Usage, persona::Decision};
use bauta_tests::{Backend, World, root, tool};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::{task::spawn_blocking, time::sleep};

#[tokio::test(flavor = "multi_thread")]
async fn prv_08_the_anthropic_sdk_works_unmodified_and_names_nobody_on_sqlite() {
    anthropic(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prv_08_the_anthropic_sdk_works_unmodified_and_names_nobody_on_postgres() {
    anthropic(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prv_08_the_openai_sdk_works_unmodified_and_names_nobody_on_sqlite() {
    openai(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prv_08_the_openai_sdk_works_unmodified_and_names_nobody_on_postgres() {
    openai(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prv_08_the_gemini_sdk_works_unmodified_and_names_nobody_on_sqlite() {
    gemini(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prv_08_the_gemini_sdk_works_unmodified_and_names_nobody_on_postgres() {
    gemini(Backend::Postgres).await;
}

async fn anthropic(backend: Backend) {
    let world = World::new(backend).await;
    let member = Known::verified(&world).await;
    let provider = &world.stage.scene.sandbox.anthropic;
    for (n, call) in (0..).zip(["stream", "whole", "async", "beta"]) {
        provider.reply_next(reply(call, n));
    }
    // The first five meet nothing; the sixth is cut, the seventh refused.
    for _ in 0..5 {
        provider.next(Fault::Delay(Duration::ZERO));
    }
    for fault in broken() {
        provider.next(fault);
    }
    provider.next(bauta_sandbox::anthropic::Refusal::RateLimited(7).fault());

    let told = Told::by("anthropic", &world, &member.token, "claude-opus").await;

    for (n, call) in (0..).zip(["stream", "whole", "async", "beta"]) {
        told.answered(call, n, "end_turn");
    }
    assert_eq!(told.seen["count"]["input"], 7, "{}", told.seen["count"]);
    told.raised("broken", "APIStatusError", None);
    told.raised("torn", "Exception", None);
    told.raised("limited", "RateLimitError", Some(429));
    let models = told.seen["models"]["ids"].to_string();
    assert!(
        models.contains("claude-opus") && !models.contains("gpt"),
        "{models}"
    );
    let requests = provider.requests();
    assert_eq!(requests.len(), 8, "the SDK's calls and nothing else");
    let face = member.face("anthropic");
    for request in &requests {
        nothing_but(request, &ANTHROPIC);
        member.is_unknown_to(request, &told.who);
        let user = &request.json().unwrap()["metadata"]["user_id"];
        // A count of tokens takes no metadata.
        if request.path() == MESSAGES {
            assert_eq!(user, face);
        } else {
            assert!(user.is_null(), "{user}");
        }
    }
    let betas = requests[3].header("anthropic-beta");
    assert_eq!(betas, Some("context-1m-2025-08-07"));
    assert_eq!(requests[4].path(), "/v1/messages/count_tokens");
    let outcomes = outcomes(&world, 8).await;
    let counted: Vec<_> = outcomes
        .iter()
        .filter(|o| o["outcome"] == "completed" && o["route"] == "messages")
        .map(|o| (o["input_tokens"].clone(), o["output_tokens"].clone()))
        .collect();
    for n in 0..4 {
        let used = (json!(101 + n), json!(31 + n));
        assert!(counted.contains(&used), "{used:?} of {outcomes:#?}");
    }
    count(&outcomes, "completed", 5);
    count(&outcomes, "upstream_truncated", 2);
    count(&outcomes, "upstream_error", 1);
    told.print(backend, "anthropic", &requests);
    world.end().await;
}

async fn openai(backend: Backend) {
    let world = World::new(backend).await;
    let member = Known::verified(&world).await;
    let provider = &world.stage.scene.sandbox.openai;
    let calls = ["stream", "whole", "async", "responses", "response"];
    for (n, call) in (0..).zip(calls) {
        provider.reply_next(reply(call, n));
        provider.next(Fault::Delay(Duration::ZERO));
    }
    for fault in broken().into_iter().chain(broken()) {
        provider.next(fault);
    }
    provider.next(bauta_sandbox::openai::Refusal::RateLimited(7).fault());

    let told = Told::by("openai", &world, &member.token, "gpt").await;

    for (n, call) in (0..).zip(calls) {
        let end = if call.starts_with("response") {
            "completed"
        } else {
            "stop"
        };
        told.answered(call, n, end);
    }
    told.raised("broken", "APIError", None);
    told.raised("torn", "Exception", None);
    told.raised("broken_responses", "Exception", None);
    told.raised("torn_responses", "Exception", None);
    told.raised("limited", "RateLimitError", Some(429));
    let models = told.seen["models"]["ids"].to_string();
    assert!(
        models.contains("gpt") && !models.contains("claude"),
        "{models}"
    );
    let requests = provider.requests();
    assert_eq!(requests.len(), 10, "the SDK's calls and nothing else");
    let face = member.face("openai");
    for request in &requests {
        nothing_but(request, &OPENAI);
        member.is_unknown_to(request, &told.who);
        let body = request.json().unwrap();
        for field in ["user", "safety_identifier"] {
            assert_eq!(body[field], face, "{field} of {}", request.path());
        }
        assert_eq!(body["metadata"], json!({}));
    }
    let outcomes = outcomes(&world, 10).await;
    for n in 0..5 {
        let used = |o: &&Value| o["input_tokens"] == 101 + n && o["output_tokens"] == 31 + n;
        assert_eq!(outcomes.iter().filter(used).count(), 1, "{outcomes:#?}");
    }
    count(&outcomes, "completed", 5);
    count(&outcomes, "upstream_truncated", 4);
    count(&outcomes, "upstream_error", 1);
    told.print(backend, "openai", &requests);
    world.end().await;
}

async fn gemini(backend: Backend) {
    let world = World::new(backend).await;
    let member = Known::verified(&world).await;
    let provider = &world.stage.scene.sandbox.gemini;
    for (n, call) in (0..).zip(["stream", "whole", "async"]) {
        let mut reply = reply(call, n);
        // Part of the bill, and told beside what was said.
        reply.usage = reply.usage.map(|usage| Usage {
            reasoning: 9,
            ..usage
        });
        provider.reply_next(reply);
    }
    // The first five meet nothing; two streams stop, and the last call is refused.
    for _ in 0..5 {
        provider.next(Fault::Delay(Duration::ZERO));
    }
    for fault in broken() {
        provider.next(fault);
    }
    provider.next(bauta_sandbox::gemini::Refusal::RateLimited(7).fault());

    let told = Told::by("gemini", &world, &member.token, "gemini").await;

    for (n, call) in (0..).zip(["stream", "whole", "async"]) {
        told.answered(call, n, "STOP");
    }
    assert_eq!(told.seen["count"]["input"], 7, "{}", told.seen["count"]);
    assert_eq!(told.seen["embed"]["vectors"], 2, "{}", told.seen["embed"]);
    told.raised("broken", "ServerError", Some(502));
    told.raised("torn", "Exception", None);
    told.raised("limited", "ClientError", Some(429));
    told.raised("other", "ClientError", Some(400));
    let models = told.seen["models"]["ids"].to_string();
    assert!(
        models.contains("models/gemini") && !models.contains("gpt"),
        "{models}"
    );
    assert_eq!(told.seen["model"]["name"], "models/gemini-flash");
    let requests = provider.requests();
    assert_eq!(requests.len(), 8, "the SDK's calls and nothing else");
    for request in &requests {
        nothing_but(request, &GOOGLE);
        member.is_unknown_to(request, &told.who);
        assert!(!request.contains(member.face("gemini")));
    }
    let targets: Vec<&str> = requests.iter().map(|request| &*request.target).collect();
    let stream = "/v1/models/gemini-3-pro:streamGenerateContent?alt=sse";
    let whole = "/v1/models/gemini-3-pro:generateContent";
    let counted = "/v1/models/gemini-3-pro:countTokens";
    let embed = "/v1/models/gemini-embedding-001:batchEmbedContents";
    assert_eq!(
        targets,
        [stream, whole, stream, counted, embed, stream, stream, whole]
    );
    for request in requests.iter().filter(|r| !r.target.contains("embedding")) {
        let labels = &request.json().unwrap()["labels"];
        let expected = request.target != counted;
        assert_eq!(*labels == json!({}), expected, "{request:?}");
    }
    let batch = requests[4].json().unwrap();
    let named = &batch["requests"][1]["model"];
    assert_eq!(named, "models/gemini-embedding-001");
    let outcomes = outcomes(&world, 9).await;
    for n in 0..3 {
        let used = |o: &&Value| o["input_tokens"] == 101 + n && o["output_tokens"] == 31 + n;
        assert_eq!(outcomes.iter().filter(used).count(), 1, "{outcomes:#?}");
    }
    count(&outcomes, "completed", 5);
    count(&outcomes, "upstream_truncated", 2);
    count(&outcomes, "upstream_error", 1);
    told.print(backend, "gemini", &requests);
    world.end().await;
}

/// A stream that stops: after a whole event, and in the middle of a line.
fn broken() -> [Fault; 2] {
    let nothing = bytes::Bytes::new();
    let after = Fault::Interrupt {
        after: 6,
        with: nothing,
    };
    [after, Fault::CutAfter(2_000)]
}

/// What the model says to the `n`th call, and what it says it used.
fn reply(call: &str, n: u64) -> Reply {
    Reply {
        text: Some(said(call)),
        usage: Some(Usage {
            input: 101 + n,
            output: 31 + n,
            cache_read: 11,
            ..Usage::default()
        }),
        ..Reply::default()
    }
}

fn said(call: &str) -> String {
    format!(
        "An answer to {call}, long enough to come in several parts: naïve, 東京, 🎭, and so on."
    )
}

/// What an SDK saw.
struct Told {
    who: BTreeMap<String, String>,
    seen: Value,
}

impl Told {
    async fn by(kind: &str, world: &World, token: &str, model: &str) -> Self {
        let mut script = Command::new(tool("BAUTA_TEST_PYTHON", "python3"));
        script
            .arg(root().join("tests/clients/stream.py"))
            .args([kind, &world.stage.scene.url, token, model, PROMPT])
            .stdin(Stdio::null());
        let run = spawn_blocking(move || script.output()).await.unwrap();
        let run = run.expect("BAUTA_TEST_PYTHON names no Python; ./tests/run installs one");
        let error = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{error}");
        let mut told: Value = serde_json::from_slice(&run.stdout).unwrap();
        Self {
            who: serde_json::from_value(told["who"].take()).unwrap(),
            seen: told["seen"].take(),
        }
    }

    /// Asserts that the `n`th call got its answer, streamed ones piece by piece as they were said.
    fn answered(&self, call: &str, n: u64, end: &str) {
        let seen = &self.seen[call];
        assert_eq!(seen["text"], said(call), "{call}: {seen}");
        assert_eq!(seen["end"], end, "{call}: {seen}");
        assert_eq!(seen["output"], 31 + n, "{call}: {seen}");
        assert_eq!(seen["cache_read"], 11, "{call}: {seen}");
        // A stream's; that none waits for another is asserted where the provider falls silent.
        let parts = seen["parts"].as_u64().unwrap_or(4);
        assert!(parts >= 4, "{call} came in {parts} parts");
    }

    fn raised(&self, call: &str, class: &str, status: Option<u16>) {
        let seen = &self.seen[call];
        let classes = seen["raised"].as_array();
        let is = classes.is_some_and(|all| all.iter().any(|one| one == class));
        assert!(is, "{call} raised no {class}: {seen}");
        if let Some(status) = status {
            assert_eq!(seen["status"], status, "{call}: {seen}");
        }
    }

    fn print(&self, backend: Backend, kind: &str, requests: &[Request]) {
        let bytes: usize = requests.iter().map(|r| r.body.len()).sum();
        println!(
            "{kind} SDK on {backend:?}: {} requests, {bytes} bytes upstream, none of {} identifiers; \
             a stream in {} parts over {} ms",
            requests.len(),
            self.who.len() + KINDS,
            self.seen["stream"]["parts"],
            self.seen["stream"]["spread_ms"],
        );
    }
}

/// A member, by everything that could give her away.
pub(crate) struct Known {
    token: String,
    number: String,
    subject: String,
    claims: Value,
}

/// Identifiers of a member that are no field of `who`.
const KINDS: usize = 6;

impl Known {
    async fn verified(world: &World) -> Self {
        let mut ada = world.member("Ada");
        ada.sign_in().await.unwrap();
        ada.verify(Decision::Approve).await.unwrap();
        let token = ada.device_token("frontier").await.unwrap().access;
        Self::of(&world.stage.scene, &mut ada, token).await
    }

    /// Ada, who is signed in and has `token`.
    pub(crate) async fn of(scene: &Scene, ada: &mut Member<'_>, token: String) -> Self {
        let people = scene.sandbox.idp.people();
        let subject = people.iter().find(|person| person.name == "Ada").unwrap();
        Self {
            number: ada.number().await.unwrap(),
            subject: subject.sub.clone(),
            claims: claims(&token),
            token,
        }
    }

    /// Whom `provider` sees.
    pub(crate) fn face(&self, provider: &str) -> &str {
        self.claims["psn"][provider].as_str().unwrap()
    }

    /// Asserts that nothing in the request is hers or her machine's.
    pub(crate) fn is_unknown_to(&self, request: &Request, who: &BTreeMap<String, String>) {
        let other = match self.face("anthropic") {
            face if request.contains(face) => self.face("openai"),
            face => face,
        };
        let payload = self.token.split('.').nth(1).unwrap();
        let own = [
            ("number", self.number.as_str()),
            ("subject", &self.subject),
            ("token", payload),
            ("grant", self.claims["sub"].as_str().unwrap()),
            ("token id", self.claims["jti"].as_str().unwrap()),
            ("other pseudonym", other),
        ];
        assert_eq!(own.len(), KINDS);
        let machine = who.iter().map(|(name, value)| (name.as_str(), &**value));
        for (name, value) in own.into_iter().chain(machine) {
            assert!(value.len() >= 5, "{name} is too short to be looked for");
            let found = request.contains(value);
            assert!(!found, "{} {request:#?} tells {name}", request.path());
        }
    }
}

/// The claims of an access token, unverified.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Asserts that the request carries `allowed` headers, each once, and no other.
fn nothing_but(request: &Request, allowed: &[&str]) {
    let mut names: Vec<_> = request.headers.iter().map(|(name, _)| name).collect();
    names.sort_by_key(|name| name.as_str());
    let before = names.len();
    names.dedup();
    assert_eq!(names.len(), before, "a header came twice: {request:?}");
    for name in names {
        assert!(allowed.contains(&name.as_str()), "{name} left: {request:?}");
    }
    let agent = request.header("user-agent").unwrap();
    assert!(AGENTS.contains(&agent), "{agent}");
}

/// How requests ended, as soon as `count` have, from the sealed gateway log. No more than that many
/// may have, and none is still open.
pub(crate) async fn outcomes(world: &World, count: usize) -> Vec<Value> {
    for _ in 0..250 {
        let events = sealed(world).await;
        let of = |kind| events.iter().filter(move |e| e["type"] == kind).cloned();
        let mut ends: Vec<Value> = of("request.outcome").collect();
        let sent = ends.len();
        ends.extend(of("request.refused"));
        if ends.len() >= count {
            assert_eq!(ends.len(), count, "{ends:#?}");
            assert_eq!(of("request.intent").count(), sent, "{events:#?}");
            return ends;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("{count} requests did not end within five seconds");
}

/// Every event of the gateway log, after what waits has entered it.
async fn sealed(world: &World) -> Vec<Value> {
    let gateway = world.stage.running.gateway.clone().unwrap();
    gateway.seal().await.unwrap();
    let log = gateway.log();
    let size = log.head().await.unwrap().size;
    let leaves = log.leaves(0..size).await.unwrap();
    let events = leaves.iter().map(|leaf| leaf.event.as_deref().unwrap());
    events
        .map(|event| serde_json::from_str(event).unwrap())
        .collect()
}

fn count(outcomes: &[Value], outcome: &str, expected: usize) {
    let found = outcomes.iter().filter(|o| o["outcome"] == outcome).count();
    assert_eq!(found, expected, "{outcome} among {outcomes:#?}");
}

/// A request as a program without an SDK sends it.
pub(crate) async fn post(world: &World, token: &str, path: &str, body: &Value) -> Response {
    world
        .stage
        .scene
        .http
        .post(format!("{}{path}", world.stage.scene.url))
        .header("authorization", format!("Bearer {token}"))
        .header("anthropic-version", "2023-06-01")
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .unwrap()
}

/// A short question to `model` in the dialect of `path`.
pub(crate) fn question(path: &str, model: &str, stream: bool, most: u32) -> Value {
    let messages = json!([{ "role": "user", "content": "What is a bauta?" }]);
    match path {
        MESSAGES => {
            json!({ "model": model, "max_tokens": most, "stream": stream, "messages": messages })
        }
        CHAT => {
            json!({ "model": model, "max_completion_tokens": most, "stream": stream, "messages": messages })
        }
        GEMINI => json!({
            "contents": [{ "role": "user", "parts": [{ "text": "What is a bauta?" }] }],
            "generationConfig": { "maxOutputTokens": most },
        }),
        _ => {
            json!({ "model": model, "max_output_tokens": most, "stream": stream, "input": "What is a bauta?" })
        }
    }
}

/// Where `model` is asked: in Gemini's dialect the path says which, and whether it is a stream.
pub(crate) fn at(path: &str, model: &str, stream: bool) -> String {
    let path = path.replace("MODEL", model);
    if stream {
        path
    } else {
        path.replace("streamGenerateContent?alt=sse", "generateContent")
    }
}

pub(crate) async fn told(answer: Response) -> (StatusCode, Value) {
    let status = answer.status();
    let text = answer.text().await.unwrap();
    let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, value)
}

pub(crate) const MESSAGES: &str = "/v1/messages";
pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const RESPONSES: &str = "/v1/responses";
/// With the model where `MODEL` is.
pub(crate) const GEMINI: &str = "/v1beta/models/MODEL:streamGenerateContent?alt=sse";

/// Seven tokens of the simulator's.
const PROMPT: &str = "What did the bauta hide?...";

/// Every header that a provider may get, and who sends it: what HTTP needs, what the provider
/// needs, and our credential.
pub(crate) const ANTHROPIC: [&str; 9] = [
    "accept",
    "accept-encoding",
    "anthropic-beta",
    "anthropic-version",
    "content-length",
    "content-type",
    "host",
    "user-agent",
    "x-api-key",
];
pub(crate) const OPENAI: [&str; 7] = [
    "accept",
    "accept-encoding",
    "authorization",
    "content-length",
    "content-type",
    "host",
    "user-agent",
];
pub(crate) const GOOGLE: [&str; 7] = [
    "accept",
    "accept-encoding",
    "content-length",
    "content-type",
    "host",
    "user-agent",
    "x-goog-api-key",
];
/// Products and versions of SDKs, without anything of a machine.
const AGENTS: [&str; 5] = [
    "Anthropic/Python 2.11.0",
    "AsyncAnthropic/Python 2.11.0",
    "OpenAI/Python 3.52.0",
    "AsyncOpenAI/Python 3.52.0",
    "google-genai-sdk/3.4.0",
];
