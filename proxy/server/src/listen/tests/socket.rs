//! The same rows over a real socket, and what connections do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::rows::rows;
use super::{Reached, connection, counted, counting, edge, limits};

const SOON: Duration = Duration::from_secs(20);
const GOOD: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// Everything that comes until the other side closes, or until it ends with `last`.
async fn read(stream: &mut TcpStream, last: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let reading = async {
        let mut room = [0; 4096];
        while last.is_empty() || !all.ends_with(last) {
            match stream.read(&mut room).await {
                Ok(0) | Err(_) => break,
                Ok(read) => all.extend_from_slice(&room[..read]),
            }
        }
    };
    timeout(SOON, reading).await.unwrap();
    all
}

async fn exchange(address: SocketAddr, bytes: &[u8], last: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The answer may come, and the connection close, before all of it is sent.
    if let Err(error) = stream.write_all(bytes).await {
        println!("not all was sent: {error}");
    }
    read(&mut stream, last).await
}

fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer);
    text.match_indices("HTTP/1.1 ")
        .map(|(at, _)| text[at + 9..at + 12].parse().unwrap())
        .collect()
}

#[tokio::test]
async fn every_raw_row_gets_its_status_and_no_refused_one_reaches_a_handler() {
    let reached = Reached::default();
    let edge = edge(counting(&reached), limits()).await;
    let mut refused = 0;

    for row in rows() {
        let before = reached.count();
        // A row that starts with a good request, or breaks in the body of one, is not one refusal.
        let last: &[u8] = if row.status == 200 { b"ok" } else { b"" };
        let answer = exchange(edge.address, &row.bytes, last).await;

        let shown =
            String::from_utf8_lossy(row.bytes.get(..100).unwrap_or(&row.bytes)).into_owned();
        let got = statuses(&answer);
        assert_eq!(
            got.last(),
            Some(&row.status),
            "{}: {shown:?} got {got:?}",
            row.id
        );
        let good = row
            .bytes
            .windows(GOOD.len())
            .filter(|part| *part == GOOD)
            .count();
        let reach = if row.status == 200 {
            1
        } else {
            good.min(1) * usize::from(row.bytes.starts_with(GOOD))
        };
        assert_eq!(reached.count() - before, reach, "{}: {shown:?}", row.id);
        if row.status != 200 {
            refused += 1;
            let text = String::from_utf8_lossy(&answer).into_owned();
            assert!(!text.contains("evil"), "{}: echoes {text}", row.id);
        }
    }
    println!("{refused} raw requests refused, 0 of them reached a handler");
}

#[tokio::test]
async fn a_refusal_is_fixed_and_closes() {
    let edge = edge(counting(&Reached::default()), limits()).await;

    let answer = exchange(edge.address, b"GET /secret-canary\xff HTTP/1.1\r\n", b"").await;

    let text = String::from_utf8(answer).unwrap();
    assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
    assert!(text.contains("connection: close\r\n"), "{text}");
    assert!(
        text.contains("content-type: application/problem+json\r\n"),
        "{text}"
    );
    assert!(text.ends_with("{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400}"));
    assert_eq!(counted(&edge.limits, "target"), 1);
}

#[tokio::test]
async fn an_unknown_method_is_told_the_known_ones() {
    let edge = edge(counting(&Reached::default()), limits()).await;

    let answer = exchange(edge.address, b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", b"").await;

    let text = String::from_utf8(answer).unwrap();
    assert!(
        text.contains("allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_refusal_waits_for_the_answer_before_it() {
    let reached = Reached::default();
    let edge = edge(counting(&reached), limits()).await;
    let bytes = [GOOD, GOOD, b"GET /../x HTTP/1.1\r\nHost: x\r\n\r\n", GOOD].concat();

    let answer = exchange(edge.address, &bytes, b"").await;

    assert_eq!(statuses(&answer), [200, 200, 400]);
    assert_eq!(reached.count(), 2);
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_turn() {
    let reached = Reached::default();
    let edge = edge(counting(&reached), limits()).await;
    let chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
        5\r\nhello\r\n0\r\n\r\n";
    let sized = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 27\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let bytes = [chunked.as_slice(), sized, GOOD, last].concat();

    for size in [1, 7, 64, bytes.len()] {
        let before = reached.count();
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in bytes.chunks(size) {
            stream.write_all(piece).await.unwrap();
        }

        let answer = read(&mut stream, b"").await;
        assert_eq!(
            statuses(&answer),
            [200, 200, 200, 200],
            "in pieces of {size}"
        );
        assert_eq!(reached.count() - before, 4, "in pieces of {size}");
    }
}

/// Whoever answers without having read the body ends the connection, and says so: a client that is
/// not told sends its next request into a connection that is gone.
#[tokio::test]
async fn an_answer_before_the_body_was_read_says_that_the_connection_ends() {
    let deaf = Router::new()
        .route("/deaf", post(async || "no"))
        .fallback(post(async |_body: Bytes| "ok"));
    let edge = edge(deaf, limits()).await;
    let ask = |path: &str, body: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: ");
        format!("{head}{}\r\n\r\n{body}", body.len())
    };
    let long = "a".repeat(200_000);
    for (asked, ends) in [
        (ask("/deaf", &long), true),
        (ask("/deaf", ""), false),
        (ask("/", &long), false),
        (ask("/", "b"), false),
    ] {
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        let (mut from, mut to) = stream.split();
        let sending = async { drop(to.write_all(asked.as_bytes()).await) };
        let answering = async {
            let mut all = Vec::new();
            while !(all.ends_with(b"ok") || all.ends_with(b"no")) {
                assert!(from.read_buf(&mut all).await.unwrap() > 0);
            }
            String::from_utf8(all).unwrap()
        };

        let ((), answer) = tokio::join!(sending, answering);

        let said = answer.contains("connection: close\r\n");
        assert_eq!(said, ends, "{asked:.40}: {answer}");
    }
}

/// Or the second small event of a stream waits until the first was acknowledged, which clients put
/// off for 40 ms.
#[tokio::test]
async fn what_is_answered_waits_for_no_acknowledgement() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).await;
    let (stream, _) = listener.accept().await.unwrap();
    let before = stream.nodelay().unwrap();

    let stream = connection(Router::new(), limits()).steady(stream);

    assert!(!before, "it would be so anyway");
    assert!(stream.inner().nodelay().unwrap());
}

#[tokio::test]
async fn a_bad_request_on_an_idle_connection_is_told() {
    let edge = edge(counting(&Reached::default()), limits()).await;
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    stream.write_all(GOOD).await.unwrap();
    assert_eq!(statuses(&read(&mut stream, b"ok").await), [200]);

    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: evil\r\n\r\n")
        .await
        .unwrap();

    assert_eq!(statuses(&read(&mut stream, b"").await), [421]);
}

#[tokio::test]
async fn a_body_that_waits_for_100_continue_is_served() {
    let reached = Reached::default();
    let edge = edge(counting(&reached), limits()).await;
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    stream.write_all(head).await.unwrap();
    assert_eq!(
        read(&mut stream, b"\r\n\r\n").await,
        b"HTTP/1.1 100 Continue\r\n\r\n"
    );

    stream.write_all(b"hello").await.unwrap();

    assert_eq!(statuses(&read(&mut stream, b"ok").await), [200]);
    assert_eq!(reached.count(), 1);
}

#[tokio::test]
async fn hdr_01_a_name_with_an_underscore_and_an_upgrade_reach_no_handler() {
    async fn names(headers: HeaderMap) -> String {
        let mut names: Vec<_> = headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect();
        names.sort();
        format!("{};", names.join(","))
    }
    let edge = edge(Router::new().fallback(names), limits()).await;
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    let odd = b"GET / HTTP/1.1\r\nHost: x\r\nX_Forwarded_For: 10.0.0.1\r\nx_forwarded_for: 1\r\n\
        Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nX-Kept: 1\r\n\r\n";

    stream.write_all(odd).await.unwrap();
    let first = String::from_utf8(read(&mut stream, b";").await).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Next: 1\r\n\r\n")
        .await
        .unwrap();
    let second = String::from_utf8(read(&mut stream, b";").await).unwrap();

    assert!(first.starts_with("HTTP/1.1 200"), "{first}");
    assert!(first.ends_with("\r\nconnection,host,x-kept;"), "{first}");
    assert!(second.ends_with("\r\nhost,x-next;"), "{second}");
}

#[tokio::test]
async fn h1_20_a_client_that_goes_away_cancels_its_request() {
    struct Gone(mpsc::UnboundedSender<()>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    let (gone, mut is_gone) = mpsc::unbounded_channel();
    let started = Arc::new(Notify::new());
    let started_in = Arc::clone(&started);
    let forever = move || {
        let (guard, started) = (Gone(gone.clone()), Arc::clone(&started_in));
        async move {
            let _guard = guard;
            started.notify_one();
            std::future::pending::<&'static str>().await
        }
    };
    let edge = edge(Router::new().fallback(forever), limits()).await;

    // Also when the next request is already there.
    for bytes in [
        GOOD.to_vec(),
        [GOOD, GOOD].concat(),
        [GOOD, b"GET /"].concat(),
    ] {
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        timeout(SOON, started.notified()).await.unwrap();
        drop(stream);

        timeout(SOON, is_gone.recv()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_answer_given_before_the_body_was_read_is_not_lost_in_a_reset() {
    async fn unread() -> (http::StatusCode, &'static str) {
        (http::StatusCode::UNAUTHORIZED, "no")
    }
    let edge = edge(Router::new().fallback(unread), limits()).await;
    let mut bytes = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n".to_vec();
    bytes.resize(bytes.len() + 900_000, b'a');

    let answer = exchange(edge.address, &bytes, b"").await;

    assert_eq!(statuses(&answer), [401]);
    assert!(answer.ends_with(b"no"));
}

#[tokio::test]
async fn a_body_arrives_byte_for_byte() {
    async fn echo(body: Bytes) -> Bytes {
        body
    }
    let edge = edge(Router::new().route("/", post(echo)), limits()).await;
    let body: Vec<u8> = (0..1_000_000_u32)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(7001) {
        chunked.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        chunked.extend(chunk);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");

    for request in [[head.as_bytes(), &body].concat(), chunked] {
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        let (mut from, mut to) = stream.split();
        let sending = async { to.write_all(&request).await.unwrap() };
        let mut answer = Vec::new();
        let receiving = async {
            while !answer.ends_with(&body[body.len() - 500..]) {
                assert_ne!(from.read_buf(&mut answer).await.unwrap(), 0);
            }
        };
        timeout(SOON, async { tokio::join!(sending, receiving) })
            .await
            .unwrap();

        assert!(answer.ends_with(&body));
    }
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_server_goes_on() {
    async fn fall() -> &'static str {
        panic!("secret-canary")
    }
    let edge = edge(Router::new().route("/", get(fall)), limits()).await;

    for _ in 0..2 {
        let answer = exchange(edge.address, GOOD, b"").await;

        assert_eq!(statuses(&answer), [500]);
        assert!(!String::from_utf8(answer).unwrap().contains("canary"));
    }
    assert_eq!(counted(&edge.limits, "panicked"), 2);
}

#[tokio::test]
async fn one_connection_too_many_is_told_to_come_back() {
    let mut few = limits();
    few.per_peer = 2;
    let edge = edge(counting(&Reached::default()), few).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        stream.write_all(GOOD).await.unwrap();
        assert_eq!(statuses(&read(&mut stream, b"ok").await), [200]);
        open.push(stream);
    }

    let answer = exchange(edge.address, b"", b"").await;
    assert_eq!(statuses(&answer), [503]);
    assert_eq!(counted(&edge.limits, "turned_away"), 1);

    // The place is free again when one of them is gone.
    drop(open.pop());
    let freed = async {
        while statuses(&exchange(edge.address, GOOD, b"ok").await) != [200] {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, freed).await.unwrap();
}

#[tokio::test]
async fn a_drain_ends_idle_connections_and_lets_the_running_finish() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let finished = Arc::new(AtomicUsize::new(0));
    let slow = {
        let (begun, go, finished) = (Arc::clone(&begun), Arc::clone(&go), Arc::clone(&finished));
        move || async move {
            begun.notify_one();
            go.notified().await;
            finished.fetch_add(1, Ordering::SeqCst);
            "ok"
        }
    };
    let router = Router::new()
        .route("/slow", get(slow))
        .route("/", get(async || "ok"));
    let edge = edge(router, limits()).await;
    let mut idle = TcpStream::connect(edge.address).await.unwrap();
    idle.write_all(GOOD).await.unwrap();
    read(&mut idle, b"ok").await;
    let mut silent = TcpStream::connect(edge.address).await.unwrap();
    let mut part = TcpStream::connect(edge.address).await.unwrap();
    part.write_all(b"GET / HTTP").await.unwrap();
    let mut running = TcpStream::connect(edge.address).await.unwrap();
    running
        .write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    begun.notified().await;

    edge.shutdown.cancel();

    for stream in [&mut idle, &mut silent, &mut part] {
        assert_eq!(read(stream, b"").await, b"");
    }
    assert!(TcpStream::connect(edge.address).await.is_err());
    go.notify_one();
    let answer = read(&mut running, b"").await;
    assert_eq!(statuses(&answer), [200]);
    assert!(
        String::from_utf8(answer)
            .unwrap()
            .contains("connection: close")
    );
    assert_eq!(finished.load(Ordering::SeqCst), 1);
    edge.tracker.close();
    timeout(SOON, edge.tracker.wait()).await.unwrap();
}

#[tokio::test]
async fn a_drain_cuts_what_is_still_running_at_its_end() {
    let mut short = limits();
    short.drain = Duration::from_millis(50);
    let begun = Arc::new(Notify::new());
    let begun_in = Arc::clone(&begun);
    let forever = move || async move {
        begun_in.notify_one();
        std::future::pending::<&'static str>().await
    };
    let edge = edge(Router::new().fallback(forever), short).await;
    let mut running = TcpStream::connect(edge.address).await.unwrap();
    running.write_all(GOOD).await.unwrap();
    begun.notified().await;

    edge.shutdown.cancel();

    assert_eq!(read(&mut running, b"").await, b"");
    edge.tracker.close();
    timeout(SOON, edge.tracker.wait()).await.unwrap();
    assert_eq!(counted(&edge.limits, "cut"), 1);
}
