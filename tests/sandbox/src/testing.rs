//! What the tests of the simulators share: a client, a webhook's receiver and raw sockets.

use crate::answer::Answer;
use crate::outbound::{Outbound, Reply};
use crate::persona::Deliveries;
use crate::server::{Counterpart, Listener, launch};
use crate::tape::Tape;
use crate::{Clock, Options, Request, Sandbox, Simulator};
use http::{Method, StatusCode};
use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// 2026-11-20T10:00:00Z.
pub(crate) const NOW_MS: i64 = 1_795_168_800_000;

/// Options under which nothing happens by itself.
pub(crate) fn still() -> Options {
    let mut options = Options {
        clock: Clock::fixed(NOW_MS),
        seed: 1,
        ..Options::default()
    };
    options.persona.deliveries = Deliveries::OnDemand;
    options.anthropic.gap = Duration::ZERO;
    options.openai.gap = Duration::ZERO;
    options.gemini.gap = Duration::ZERO;
    options
}

pub(crate) fn sandbox() -> Sandbox {
    Sandbox::start(still()).unwrap()
}

/// One request and its answer.
pub(crate) async fn call(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let method: Method = method.parse().unwrap();
    let sent = Outbound::new()
        .send(method, url, headers, body.to_owned(), PATIENCE)
        .await;
    sent.unwrap()
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// Everything that a server sends to a raw request before the connection ends, and how it ends.
pub(crate) async fn raw(address: SocketAddr, request: &str) -> (String, io::Result<usize>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut got))
        .await
        .unwrap();
    (String::from_utf8(got).unwrap(), end)
}

/// Sends a raw request and waits for `count` bytes of the answer. The connection is then the
/// caller's to drop.
pub(crate) async fn begin(address: SocketAddr, request: &str, count: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut got = vec![0; count];
    timeout(PATIENCE, stream.read_exact(&mut got))
        .await
        .unwrap()
        .unwrap();
    stream
}

/// A POST of JSON by hand.
pub(crate) fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: sandbox\r\nconnection: close\r\ncontent-type: application/json\r\n\
         {headers}content-length: {}\r\n\r\n{body}",
        body.len(),
    )
}

/// The body of an answer in chunked coding, as far as it came, and whether it came to its end.
pub(crate) fn unchunked(answer: &str) -> (String, bool) {
    let (_, mut rest) = answer.split_once("\r\n\r\n").unwrap();
    let mut body = String::new();
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let (piece, after) = tail.split_at(size);
        body.push_str(piece);
        rest = after.strip_prefix("\r\n").unwrap();
    }
    (body, false)
}

/// Names and data of the events in a stream.
pub(crate) fn events(stream: &str) -> Vec<(String, String)> {
    let event = |block: &str| {
        let field = |name: &str| {
            let lines = block.lines().filter_map(|line| line.strip_prefix(name));
            lines.collect::<Vec<_>>().join("\n")
        };
        (field("event: "), field("data: "))
    };
    stream
        .split("\n\n")
        .filter(|block| !block.is_empty())
        .map(event)
        .collect()
}

/// Waits for something that has to happen soon.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.unwrap()
}

/// A receiver of webhooks that says yes, unless its script says otherwise.
pub(crate) struct Inbox;

impl Counterpart for Inbox {
    fn answer(&self, _: &Request, scripted: Option<Answer>) -> Answer {
        scripted.unwrap_or_else(|| Answer::empty(StatusCode::OK))
    }
}

pub(crate) fn inbox(tasks: &mut JoinSet<()>) -> Simulator<Inbox> {
    let tape = Arc::new(Tape::new(Clock::fixed(NOW_MS)));
    launch(Listener::bind(0).unwrap(), Arc::new(Inbox), tape, tasks)
}

const PATIENCE: Duration = Duration::from_secs(10);
