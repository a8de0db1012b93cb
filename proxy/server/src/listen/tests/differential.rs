//! Mutated requests: nothing panics, the verdict does not depend on how bytes arrive, and what the
//! scanner lets through hyper reads as the same requests. Two parsers that count differently are how
//! one request is smuggled inside another.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::super::scan::{Found, Scanner};
use super::limits;
use super::rows::{rows, verdict};

/// What goes wrong with framing, in pieces small enough to land anywhere.
const SPLICES: [&str; 40] = [
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    " ",
    "\t",
    ":",
    "0",
    "0\r\n\r\n",
    "5\r\nhello\r\n",
    ";a=b",
    ",",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "content-length:3\r\n",
    "chunked",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding:",
    "Host: x\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST / HTTP/1.1\r\n",
    "HTTP/1.0",
    "HTTP/1.1",
    "\0",
    "\u{b}",
    "Expect: 100-continue\r\n",
    "%2e%2e",
    "%",
    "//",
    "/../",
    "?",
    "#",
    "@",
    "\\",
    "\u{e9}",
    "ffffffff\r\n",
    "GET http://x/ HTTP/1.1\r\n",
    "Upgrade: h2c\r\n",
    "A: b\r\n c",
];

/// How many cases; `tests/run --full edge` asks for more. Proptest reads its seed by itself.
fn config() -> ProptestConfig {
    let asked = std::env::var("BAUTA_TEST_EDGE_CASES").ok();
    ProptestConfig {
        cases: asked.map_or(2000, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        ..Default::default()
    }
}

fn good() -> impl Strategy<Value = Vec<u8>> {
    let body = proptest::collection::vec(any::<u8>(), 0..40);
    let path = "/[a-z0-9]{0,8}(\\?[a-z=&]{0,8})?";
    (0..4_usize, path, body, 1..9_usize).prop_map(|(kind, path, body, size)| {
        let mut raw = match kind {
            0 => return format!("GET {path} HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n").into_bytes(),
            1 => format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
            _ => format!(
                "PUT {path} HTTP/1.1\r\nContent-Length: {}\r\nHost: x\r\n\r\n",
                body.len()
            ),
        }
        .into_bytes();
        if kind > 1 {
            raw.extend(body);
            return raw;
        }
        for chunk in body.chunks(size) {
            raw.extend(format!("{:X}\r\n", chunk.len()).into_bytes());
            raw.extend(chunk);
            raw.extend(b"\r\n");
        }
        raw.extend(b"0\r\n\r\n");
        raw
    })
}

#[derive(Clone, Debug)]
enum Mutation {
    Put(u8),
    Insert(u8),
    Splice(usize),
    Cut(usize),
    Repeat(usize),
}

fn mutation() -> impl Strategy<Value = (prop::sample::Index, Mutation)> {
    let kind = prop_oneof![
        any::<u8>().prop_map(Mutation::Put),
        any::<u8>().prop_map(Mutation::Insert),
        (0..SPLICES.len()).prop_map(Mutation::Splice),
        (0..SPLICES.len()).prop_map(Mutation::Splice),
        (1..12_usize).prop_map(Mutation::Cut),
        (1..40_usize).prop_map(Mutation::Repeat),
    ];
    (any::<prop::sample::Index>(), kind)
}

fn mutate(bytes: &mut Vec<u8>, at: prop::sample::Index, mutation: &Mutation) {
    let at = at.index(bytes.len() + 1);
    let until = |len: usize| (at + len).min(bytes.len());
    match *mutation {
        Mutation::Put(byte) => {
            if let Some(old) = bytes.get_mut(at) {
                *old = byte;
            }
        }
        Mutation::Insert(byte) => bytes.insert(at, byte),
        Mutation::Splice(which) => drop(bytes.splice(at..at, SPLICES[which].bytes())),
        Mutation::Cut(len) => drop(bytes.drain(at..until(len))),
        Mutation::Repeat(len) => {
            let part = bytes[at..until(len)].to_vec();
            drop(bytes.splice(at..at, part));
        }
    }
}

/// A request as one parser saw it: method, target, length of a body that is whole.
type Seen = (String, String, Option<usize>);

/// The bytes that the scanner lets through, and the requests it saw in them.
fn scanned(bytes: &[u8]) -> (Vec<u8>, Vec<Seen>) {
    let hosts = limits().hosts;
    let mut scanner = Scanner::new();
    let (mut at, mut seen) = (0, Vec::<Seen>::new());
    loop {
        let was_head = scanner.at_head();
        let passed = scanner.pass(&bytes[at..], &hosts);
        let part = &bytes[at..at + passed.bytes];
        at += passed.bytes;
        match passed.found {
            Found::Head { .. } => {
                let line = String::from_utf8(part.split(|b| *b == b'\r').next().unwrap().to_vec());
                let line = line.unwrap();
                let mut words = line.split(' ').map(str::to_owned);
                let (method, target) = (words.next().unwrap(), words.next().unwrap());
                seen.push((method, target, scanner.at_head().then_some(0)));
                // What hyper is sent here is sent at once: as if it had asked for it.
                scanner.answered();
            }
            _ if !was_head && scanner.at_head() => seen.last_mut().unwrap().2 = Some(part.len()),
            Found::Nothing if passed.bytes > 0 => {}
            _ => return (bytes[..at].to_vec(), seen),
        }
    }
}

/// What hyper alone sees in `bytes`.
async fn parsed(bytes: Vec<u8>) -> Vec<Seen> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (client, server) = duplex(1 << 20);
    let (mut from, mut to) = tokio::io::split(client);
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            let at = {
                let mut seen = seen.lock().unwrap();
                seen.push((head.method.to_string(), head.uri.to_string(), None));
                seen.len() - 1
            };
            if let Ok(body) = body.collect().await {
                seen.lock().unwrap()[at].2 = Some(body.to_bytes().len());
            }
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }
    });
    let mut builder = http1::Builder::new();
    builder.half_close(true).header_read_timeout(None);
    let serving = builder.serve_connection(TokioIo::new(server), service);
    let writing = async move {
        to.write_all(&bytes).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let reading = async move {
        let mut waste = Vec::new();
        drop(from.read_to_end(&mut waste).await);
    };
    drop(tokio::join!(serving, writing, reading));
    let seen = seen.lock().unwrap();
    seen.clone()
}

/// Compares both on `bytes`. Body lengths are compared as whole or not: the scanner counts framing.
fn compare(runtime: &tokio::runtime::Runtime, bytes: &[u8]) {
    let whole = |seen: Vec<Seen>| -> Vec<_> {
        seen.into_iter()
            .map(|(method, target, body)| (method, target, body.is_some()))
            .collect()
    };
    let (through, ours) = scanned(bytes);
    let theirs = runtime.block_on(parsed(through));
    assert_eq!(
        whole(ours),
        whole(theirs),
        "{:?}",
        String::from_utf8_lossy(bytes)
    );
}

#[test]
fn hyper_sees_in_every_row_what_the_scanner_saw() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for row in rows() {
        compare(&runtime, &row.bytes);
    }
}

#[test]
fn hyper_sees_in_mutated_requests_what_the_scanner_saw() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let requests = proptest::collection::vec(good(), 1..4);
    let mutations = proptest::collection::vec(mutation(), 0..5);
    proptest!(config(), |(requests in requests, mutations in mutations)| {
        let mut bytes = requests.concat();
        for (at, mutation) in &mutations {
            mutate(&mut bytes, *at, mutation);
        }
        compare(&runtime, &bytes);
    });
    println!(
        "{} mutated connections: hyper saw what the scanner saw",
        config().cases
    );
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_verdict_does_not_depend_on_how_bytes_arrive(
        requests in proptest::collection::vec(good(), 1..4),
        mutations in proptest::collection::vec(mutation(), 0..5),
        sizes in proptest::collection::vec(1..50_usize, 1..50),
    ) {
        let mut bytes = requests.concat();
        for (at, mutation) in &mutations {
            mutate(&mut bytes, *at, mutation);
        }
        let mut pieces = Vec::new();
        let mut rest = bytes.as_slice();
        for size in sizes {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);

        let whole = verdict([bytes.as_slice()]);

        prop_assert_eq!(verdict(pieces).1, whole.1);
        prop_assert_eq!(verdict(bytes.chunks(1)).1, whole.1);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(scanned(&bytes));
    }

    #[test]
    fn an_untouched_request_passes(requests in proptest::collection::vec(good(), 1..5)) {
        let (heads, stopped) = verdict([requests.concat().as_slice()]);

        prop_assert_eq!((heads, stopped), (requests.len(), None));
    }
}
