//! The same script against the gateway that Claude Code brings along and against ours: every answer
//! side by side, and every difference with its reason.
//!
//! What the other one answers is in `reference.json`, and a test runs it to see that this is still
//! so; with `BAUTA_BLESS=1` it is recorded anew.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bauta::dev::browser::Browser;
use bauta_sandbox::{Options, Sandbox, idp, persona::Decision};
use bauta_tests::{Backend, World, at, fresh, root};
use reqwest::{Client, Method, Url, header::HeaderMap};
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::{
    desk::{CLAUDE, Desk},
    server::free,
};

/// Step, difference and why it is meant; `*` at an end stands for whatever follows. A line that is no
/// difference any more is an error too.
const INTENDED: &[(&str, &str, &str)] = &[
    (
        "*",
        "body.request_id: text there, - here",
        "ours is in the header bauta-request, as on every answer",
    ),
    (
        "*",
        "headers.cache-control: - there, no-store here",
        "no cache keeps a refusal",
    ),
    (
        "*",
        "headers.x-should-retry: - there, false here",
        "a 401 without it is repeated for minutes",
    ),
    (
        "*",
        "body.error_description: - there, text here",
        "RFC 6749, section 5.2: people read it",
    ),
    (
        "discovery",
        "*",
        "it is also the server of `bauta login` and of native apps (RFC 8414)",
    ),
    (
        "device authorization",
        "body.login_notice: *",
        "what is kept of whoever signs in is said beside the code",
    ),
    (
        "token: asked again at once",
        "status: 429 there, 400 here",
        "RFC 8628, section 3.5; the client takes both",
    ),
    (
        "token: no grant type",
        "body.error: *",
        "RFC 6749, section 5.2: a parameter is missing",
    ),
    (
        "token: somebody said yes",
        "body.refresh_token: *",
        "it hands on the identity provider's, which gave none; ours are our own",
    ),
    (
        "token: somebody said yes",
        "body.scope: *",
        "RFC 6749, section 5.1: not the one that was asked for",
    ),
    (
        "refresh",
        "*",
        "it hands on the identity provider's, which gave none; ours are our own",
    ),
    (
        "refresh: unknown token",
        "*",
        "it asks the identity provider; ours are our own, and an unknown one is refused",
    ),
    ("revoke: the bearer", "*", "it has no revocation"),
    ("models with a revoked bearer", "*", "it has no revocation"),
    ("models", "body.*", "the list as Anthropic's SDKs read it"),
    (
        "messages: no length",
        "status: 411 there, 200 here",
        "a body is measured as it comes",
    ),
    (
        "messages: the bearer as a key",
        "status: 401 there, 200 here",
        "SDKs send it so, and helpers both ways",
    ),
    (
        "settings*",
        "headers.cache-control: *",
        "no cache hands it to another scope",
    ),
    (
        "settings*",
        "headers.vary: *",
        "one document for every client",
    ),
    (
        "settings: the same",
        "headers.etag: *",
        "RFC 9110, section 15.4.5: a 304 has the tag",
    ),
    (
        "usage",
        "*",
        "it has none where no cap is configured; here it is the token's own",
    ),
];

fn is_meant((of, what, _): &(&str, &str, &str), step: &str, line: &str) -> bool {
    let fits = |pattern: &str, text: &str| match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == pattern,
    };
    fits(of, step) && fits(what, line)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_from_the_reference_gateway_is_meant_to() {
    let world = World::new(Backend::Sqlite).await;
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    ada.verify(Decision::Approve).await.unwrap();
    let side = Side::new(&world.stage.scene.url, world.stage.scene.http.clone());

    let mut script = Script::begin(&side).await;
    super::allow(&world, &mut ada, &script.user_code).await;
    script.go_on(&side).await;

    let theirs = recorded();
    let mut unexpected = Vec::new();
    let mut found = Vec::new();
    for (step, ours) in &script.seen {
        let theirs = &theirs["steps"][step];
        assert!(theirs.is_object(), "{step} was never recorded");
        for line in differences(theirs, ours) {
            let why = INTENDED.iter().find(|rule| is_meant(rule, step, &line));
            match why {
                Some((.., why)) => println!("{step}: {line}: {why}"),
                None => unexpected.push(format!("{step}: {line}")),
            }
            found.push((step.clone(), line));
        }
    }
    println!(
        "{} answers compared, {} differences, all of them meant",
        script.seen.len(),
        found.len()
    );
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    for (step, what, _) in INTENDED {
        let rule = (*step, *what, "");
        let is_there = found.iter().any(|(of, line)| is_meant(&rule, of, line));
        assert!(
            is_there,
            "{step}: {what}: there is no such difference any more"
        );
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_gateway_answers_as_it_was_recorded() {
    let reference = Reference::start().await;
    let side = Side {
        is_reference: true,
        ..Side::new(&reference.url, reference.http.clone())
    };

    let mut script = Script::begin(&side).await;
    reference.allow(&script.user_code).await;
    script.go_on(&side).await;

    let path = recording();
    if std::env::var_os("BAUTA_BLESS").is_some() {
        let file = json!({
            "of": "claude gateway of @anthropic-ai/claude-code",
            "version": reference.version,
            "how": "the script of tests/it/claude/protocol.rs, on PostgreSQL, with the simulated \
                    identity provider and model provider",
            "steps": script.seen,
        });
        fs::write(&path, serde_json::to_string_pretty(&file).unwrap() + "\n").unwrap();
    }
    let known = recorded();
    assert_eq!(
        known["version"],
        reference.version.as_str(),
        "record it anew"
    );
    for (step, seen) in &script.seen {
        let news = differences(&known["steps"][step], seen);
        assert!(news.is_empty(), "{step}: {news:#?}");
    }
}

/// Both sides hash what they hand out in the same way, which Claude Code does again.
#[test]
fn the_checksum_of_the_reference_gateways_vector_is_ours() {
    let settings = json!({
        "env": { "CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS": "1" },
        "availableModels": ["claude-opus-4-8", "claude-sonnet-4-6"],
    });

    assert_eq!(
        checksum(&settings),
        "sha256:51bb96ba4c987c7185d03ffd3e69bdd721f2ce6ed201b74071d81aca313416c4"
    );
}

/// What was answered, step by step.
struct Script {
    seen: BTreeMap<String, Value>,
    user_code: String,
    device_code: String,
}

impl Script {
    /// Until somebody has to say yes in a browser.
    async fn begin(side: &Side) -> Self {
        let mut seen = BTreeMap::new();
        let mut see = |step: &str, (seen_, _): (Value, Value)| {
            seen.insert(step.to_owned(), seen_);
        };
        see("discovery", side.get(DISCOVERY, None, &[]).await);
        let (shown, asked) = side.post(DEVICE, &[("surface", "claude_code")]).await;
        see("device authorization", (shown, Value::Null));
        let (_, other) = side.post(DEVICE, &[("surface", "claude_code")]).await;
        let other = other["device_code"].as_str().unwrap().to_owned();
        for step in ["token: nobody said yes yet", "token: asked again at once"] {
            see(step, side.poll(&other).await);
        }
        see("token: unknown code", side.poll("bauta-knows-none").await);
        for (step, form) in [
            ("token: no grant type", &[][..]),
            (
                "token: unknown grant type",
                &[("grant_type", "password")][..],
            ),
            (
                "refresh: unknown token",
                &[("grant_type", "refresh_token"), ("refresh_token", "x")][..],
            ),
        ] {
            see(step, side.post(TOKEN, form).await);
        }
        for path in [SETTINGS, MODELS, USAGE] {
            let step = format!("{path} without a bearer");
            see(&step, side.get(path, None, &[]).await);
        }
        see(
            "messages without a bearer",
            side.ask(None, &question("claude-opus-4-8")).await,
        );
        Self {
            seen,
            user_code: asked["user_code"].as_str().unwrap().to_owned(),
            device_code: asked["device_code"].as_str().unwrap().to_owned(),
        }
    }

    /// After somebody did.
    async fn go_on(&mut self, side: &Side) {
        let (seen, tokens) = side.poll(&self.device_code).await;
        self.see("token: somebody said yes", seen);
        let bearer = tokens["access_token"].as_str().expect("a token").to_owned();
        self.see("token: taken already", side.poll(&self.device_code).await.0);
        self.settings(side, &bearer).await;
        let (seen, _) = side.get(MODELS, Some(&bearer), &[]).await;
        self.see("models", seen);
        self.messages(side, &bearer).await;
        for signal in ["metrics", "logs", "traces"] {
            let path = format!("/v1/{signal}");
            let (seen, _) = side
                .send(&path, Some(&bearer), "application/x-protobuf", "\u{a}\u{0}")
                .await;
            self.see(&format!("telemetry: {signal}"), seen);
        }
        let (seen, _) = side.get(USAGE, Some(&bearer), &[]).await;
        self.see("usage", seen);
        self.end(side, &bearer, &tokens).await;
    }

    async fn settings(&mut self, side: &Side, bearer: &str) {
        let (seen, document) = side.get(SETTINGS, Some(bearer), &[]).await;
        self.see("settings", seen);
        let told = document["checksum"].as_str().unwrap().to_owned();
        assert_eq!(told, checksum(&document["settings"]), "of {}", side.url);
        let tag = format!("\"{told}\"");
        for (step, tag) in [
            ("settings: the same", tag.as_str()),
            ("settings: others", "\"sha256:0\""),
        ] {
            let same = [("if-none-match", tag)];
            let (seen, _) = side.get(SETTINGS, Some(bearer), &same).await;
            self.see(step, seen);
        }
    }

    async fn messages(&mut self, side: &Side, bearer: &str) {
        let whole = question("claude-opus-4-8");
        self.see("messages", side.ask(Some(bearer), &whole).await.0);
        let mut stream = whole.clone();
        stream["stream"] = true.into();
        self.see(
            "messages: a stream",
            side.ask(Some(bearer), &stream).await.0,
        );
        let denied = question("claude-of-nobody-9");
        self.see(
            "messages: a model that is not open",
            side.ask(Some(bearer), &denied).await.0,
        );
        let mut unheard = whole.clone();
        unheard["unheard_of"] = json!({ "a": 1 });
        self.see(
            "messages: a member nobody knows",
            side.ask(Some(bearer), &unheard).await.0,
        );
        let by_key = side
            .raw(bearer, "x-api-key: ", &whole, Framing::Length)
            .await;
        self.see("messages: the bearer as a key", by_key);
        let chunked = side
            .raw(bearer, "authorization: Bearer ", &whole, Framing::Chunks)
            .await;
        self.see("messages: no length", chunked);
        let mut count = whole;
        count.as_object_mut().unwrap().remove("max_tokens");
        let count = count.to_string();
        let counted = side
            .send(COUNT, Some(bearer), "application/json", &count)
            .await;
        self.see("count", counted.0);
    }

    async fn end(&mut self, side: &Side, bearer: &str, tokens: &Value) {
        let refresh = tokens["refresh_token"]
            .as_str()
            .unwrap_or("none")
            .to_owned();
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &*refresh),
        ];
        let (seen, fresh) = side.post(TOKEN, &form).await;
        self.see("refresh", seen);
        let fresh = fresh["access_token"].as_str().unwrap_or(bearer).to_owned();
        self.see(
            "revoke: the bearer",
            side.post(REVOKE, &[("token", &fresh)]).await.0,
        );
        // A revocation is heard of within seconds.
        for _ in 0..250 {
            let (seen, _) = side.get(MODELS, Some(&fresh), &[]).await;
            let is_over = seen["status"] != 200 || side.is_reference;
            self.see("models with a revoked bearer", seen);
            if is_over {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn see(&mut self, step: &str, seen: Value) {
        self.seen.insert(step.to_owned(), seen);
    }
}

/// A gateway, as a client sees it.
struct Side {
    url: String,
    http: Client,
    is_reference: bool,
}

enum Framing {
    Length,
    Chunks,
}

impl Side {
    fn new(url: &str, http: Client) -> Self {
        Self {
            url: url.to_owned(),
            http,
            is_reference: false,
        }
    }

    async fn get(&self, path: &str, bearer: Option<&str>, more: &[(&str, &str)]) -> (Value, Value) {
        let mut request = self.request(Method::GET, path, bearer);
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        seen(request.send().await.unwrap()).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (Value, Value) {
        let request = self.request(Method::POST, path, None).form(form);
        seen(request.send().await.unwrap()).await
    }

    async fn poll(&self, code: &str) -> (Value, Value) {
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        self.post(TOKEN, &[("grant_type", grant), ("device_code", code)])
            .await
    }

    async fn ask(&self, bearer: Option<&str>, body: &Value) -> (Value, Value) {
        let path = "/v1/messages?beta=true";
        self.send(path, bearer, "application/json", &body.to_string())
            .await
    }

    async fn send(
        &self,
        path: &str,
        bearer: Option<&str>,
        kind: &str,
        body: &str,
    ) -> (Value, Value) {
        let request = self.request(Method::POST, path, bearer);
        let request = request.header("content-type", kind).body(body.to_owned());
        seen(request.send().await.unwrap()).await
    }

    fn request(&self, method: Method, path: &str, bearer: Option<&str>) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let request = request
            .header("user-agent", "claude-code/2.1.329")
            .header("anthropic-version", "2023-06-01");
        match bearer {
            Some(bearer) => request.bearer_auth(bearer),
            None => request,
        }
    }

    /// The status of a request that is written by hand.
    async fn raw(&self, bearer: &str, shown: &str, body: &Value, framing: Framing) -> Value {
        let host = self.url.trim_start_matches("http://");
        let body = body.to_string();
        let (framing, body) = match framing {
            Framing::Length => (format!("content-length: {}", body.len()), body),
            Framing::Chunks => {
                let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
                ("transfer-encoding: chunked".to_owned(), chunks)
            }
        };
        let request = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: {host}\r\n{shown}{bearer}\r\n\
             anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n\
             connection: close\r\n{framing}\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|it| it.parse::<u16>().ok());
        json!({ "status": status })
    }
}

/// What of an answer is compared, and what it says.
async fn seen(answer: reqwest::Response) -> (Value, Value) {
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    let shape = match &body {
        Value::Null if text.contains("event: ") => events(&text),
        Value::Null if text.is_empty() => Value::Null,
        Value::Null => json!("text"),
        body => shape(body, ""),
    };
    let seen = json!({ "status": status, "headers": told(&headers), "body": shape });
    (seen, body)
}

/// The headers that a client of this protocol reads.
fn told(headers: &HeaderMap) -> Value {
    let mut told = Map::new();
    for name in HEADERS {
        let Some(value) = headers.get(name) else {
            continue;
        };
        let value = value.to_str().unwrap();
        let value = match name {
            "etag" if value.starts_with("\"sha256:") && value.ends_with('"') => "the checksum",
            "retry-after" => "seconds",
            "content-type" => value.split(';').next().unwrap(),
            _ => value,
        };
        told.insert(name.to_owned(), value.into());
    }
    told.into()
}

/// A document with its fixed words, and the types of everything else.
fn shape(value: &Value, key: &str) -> Value {
    match value {
        Value::String(_) | Value::Number(_) if WORDS.contains(&key) => value.clone(),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        Value::Array(values) if WORDS.contains(&key) => {
            let mut words: Vec<_> = values.iter().map(ToString::to_string).collect();
            words.sort();
            words.join(", ").into()
        }
        Value::Array(values) => values
            .first()
            .map_or(json!([]), |it| json!([shape(it, key)])),
        // What is set differs by intent; that it is hashed alike is asserted.
        Value::Object(_) if key == "settings" => "settings".into(),
        Value::Object(members) => {
            let members = members.iter();
            members
                .map(|(key, value)| (key.clone(), shape(value, key)))
                .collect::<Map<_, _>>()
                .into()
        }
        other => other.clone(),
    }
}

/// The names of the events of a stream, each once.
fn events(text: &str) -> Value {
    let mut names: Vec<&str> = Vec::new();
    for name in text.lines().filter_map(|line| line.strip_prefix("event: ")) {
        if name != "ping" && !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(" ").into()
}

/// A line for each leaf that is not the same.
fn differences(theirs: &Value, ours: &Value) -> Vec<String> {
    let (mut left, mut right) = (BTreeMap::new(), BTreeMap::new());
    flat(theirs, "", &mut left);
    flat(ours, "", &mut right);
    let mut places: Vec<&String> = left.keys().chain(right.keys()).collect();
    places.sort();
    places.dedup();
    let absent = "-".to_owned();
    let of =
        |side: &BTreeMap<String, String>, place: &str| side.get(place).unwrap_or(&absent).clone();
    places
        .iter()
        .map(|place| (place, of(&left, place), of(&right, place)))
        .filter(|(_, theirs, ours)| theirs != ours)
        .map(|(place, theirs, ours)| format!("{place}: {theirs} there, {ours} here"))
        .collect()
}

fn flat(value: &Value, at: &str, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let path = if at.is_empty() {
                    key.clone()
                } else {
                    format!("{at}.{key}")
                };
                flat(value, &path, into);
            }
        }
        Value::Array(values) => {
            for value in values {
                flat(value, &format!("{at}[]"), into);
            }
        }
        Value::Null => {}
        Value::String(text) => drop(into.insert(at.to_owned(), text.clone())),
        other => drop(into.insert(at.to_owned(), other.to_string())),
    }
}

fn checksum(settings: &Value) -> String {
    // The maps of `Value` are sorted, and it is written without a space.
    let hash = digest(&SHA256, settings.to_string().as_bytes());
    let digits: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{digits}")
}

fn question(model: &str) -> Value {
    json!({
        "model": model,
        "max_tokens": 64,
        "metadata": { "user_id": "canary" },
        "messages": [ { "role": "user", "content": "What is a bauta?" } ],
    })
}

fn recording() -> PathBuf {
    root().join("tests/it/claude/reference.json")
}

fn recorded() -> Value {
    let text = fs::read_to_string(recording()).unwrap_or_default();
    serde_json::from_str(&text).expect("BAUTA_BLESS=1 records the reference gateway")
}

/// The gateway that is in the program of Claude Code, with simulated counterparties.
struct Reference {
    url: String,
    http: Client,
    version: String,
    sandbox: Sandbox,
    _process: Process,
    _desk: Desk,
}

/// A program that starts another one: both end with it, since both are of its group.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        drop(Command::new("kill").args(["-9", "--", &group]).status());
        drop(self.0.wait());
    }
}

impl Reference {
    async fn start() -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut options = Options::default();
        options.anthropic.models.clear();
        let sandbox = Sandbox::start(options).unwrap();
        let database = fresh("reference").await;
        let address = free();
        let url = format!("http://{address}");
        let desk = Desk::new();
        let config = CONFIG
            .replace("@PORT@", &address.port().to_string())
            .replace("@URL@", &url)
            .replace("@ISSUER@", &sandbox.idp.issuer())
            .replace("@DATABASE@", &at(&database))
            .replace("@UPSTREAM@", &sandbox.anthropic.url());
        desk.write("gateway.yaml", &config);
        let log = fs::File::create(desk.home.join("gateway.log")).unwrap();
        let mut gateway = desk.node(CLAUDE);
        gateway
            .args(["gateway", "--config"])
            .arg(desk.home.join("gateway.yaml"))
            .env("CLAUDE_GATEWAY_ALLOW_LOOPBACK", "1")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(log);
        let mut process = Process(gateway.spawn().unwrap());
        let said = || fs::read_to_string(desk.home.join("gateway.log")).unwrap_or_default();
        for _ in 0..3_000 {
            if TcpStream::connect(address).await.is_ok() {
                break;
            }
            assert!(
                process.0.try_wait().unwrap().is_none(),
                "it ended: {}",
                said()
            );
            sleep(Duration::from_millis(20)).await;
        }
        Self {
            http: bauta::serve::outbound().unwrap(),
            version: version(),
            url,
            sandbox,
            _process: process,
            _desk: desk,
        }
    }

    /// Says yes, as a person does in a browser who signs in at the identity provider.
    async fn allow(&self, code: &str) {
        let mut browser = Browser::new(self.http.clone());
        let typed = format!("{}/device", self.url);
        drop(browser.open(&format!("{typed}?user_code={code}")).await);
        let asked = browser
            .submit(&typed, &[("user_code", code)])
            .await
            .unwrap();
        // It leads to the provider, which does not know it yet: the way there says what to expect.
        let pairs: BTreeMap<_, _> = asked.url.query_pairs().into_owned().collect();
        let back = pairs
            .get("redirect_uri")
            .unwrap_or_else(|| panic!("no way to the provider: {} {}", asked.url, asked.body));
        self.sandbox
            .idp
            .register(idp::Client::new("abc", "defdefdef", back));
        let back = self
            .sandbox
            .idp
            .sign_in(asked.url.as_str(), "Ada")
            .await
            .unwrap();
        let done = browser
            .open(Url::parse(&back).unwrap().as_str())
            .await
            .unwrap();
        assert!(done.status.is_success(), "{} {}", done.url, done.body);
    }
}

/// The version that is installed.
fn version() -> String {
    let file = crate::desk::packages().join("@anthropic-ai/claude-code/package.json");
    let said: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    said["version"].as_str().unwrap().to_owned()
}

const DISCOVERY: &str = "/.well-known/oauth-authorization-server";
const DEVICE: &str = "/oauth/device_authorization";
const TOKEN: &str = "/oauth/token";
const REVOKE: &str = "/oauth/revoke";
const SETTINGS: &str = "/managed/settings";
const MODELS: &str = "/v1/models?limit=1000";
const USAGE: &str = "/api/oauth/usage";
const COUNT: &str = "/v1/messages/count_tokens";

const HEADERS: [&str; 7] = [
    "content-type",
    "cache-control",
    "etag",
    "retry-after",
    "x-should-retry",
    "vary",
    "www-authenticate",
];

/// Keys whose values a client acts on.
const WORDS: [&str; 8] = [
    "error",
    "type",
    "token_type",
    "interval",
    "gateway_protocol_version",
    "grant_types_supported",
    "role",
    "object",
];

const CONFIG: &str = r#"
listen: { host: 127.0.0.1, port: @PORT@, public_url: "@URL@" }
oidc: { issuer: "@ISSUER@", client_id: abc, client_secret: defdefdef }
session: { jwt_secret: "a secret of a test, at least 32 bytes long" }
store: { postgres_url: "@DATABASE@" }
upstreams: [ { provider: anthropic, base_url: "@UPSTREAM@", auth: { api_key: sk-test } } ]
auto_include_builtin_models: true
managed: { policies: [ { match: {}, cli: { availableModels: [claude-opus-4-8], env: { CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS: "1" } } } ] }
"#;
