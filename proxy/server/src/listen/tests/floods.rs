//! Frames that ask for nothing, a hundred thousand of each kind, against the real listener: the
//! connection ends, nothing of it is kept, and others are served meanwhile.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, split};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::tls::{SOON, connect, secured};
use super::{Reached, counting, limits};

const FRAMES: u32 = 100_000;

/// Kinds of frames (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `GET https://x/`, by the static table.
const GET: &[u8] = &[0x82, 0x87, 0x84, 0x41, 0x01, b'x'];
/// `POST https://x/`.
const POST: &[u8] = &[0x83, 0x87, 0x84, 0x41, 0x01, b'x'];

#[tokio::test(flavor = "multi_thread")]
async fn h2_01_streams_that_are_opened_and_reset_end_the_connection() {
    let begins = |n: u32| {
        let stream = 2 * n + 1;
        let mut two = frame(HEADERS, END_STREAM | END_HEADERS, stream, GET);
        two.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
        two
    };

    flood("opened and reset", &[], begins).await;
}

/// A frame that breaks a rule, for a stream.
type Fault = dyn Fn(u32) -> Vec<u8>;

#[tokio::test(flavor = "multi_thread")]
async fn h2_02_streams_that_make_the_server_reset_them_end_the_connection() {
    // Each is a fault of one stream and not of the connection (RFC 9113, sections 5.1, 5.3.1, 6.9).
    let no_window = |stream| frame(WINDOW, 0, stream, &[0; 4]);
    let too_wide = |stream| {
        let mut two = frame(WINDOW, 0, stream, &0x7fff_ffff_u32.to_be_bytes());
        two.extend(frame(WINDOW, 0, stream, &0x7fff_ffff_u32.to_be_bytes()));
        two
    };
    let on_itself = |stream: u32| {
        let mut payload = stream.to_be_bytes().to_vec();
        payload.push(16);
        frame(PRIORITY, 0, stream, &payload)
    };
    let after_its_end = |stream| frame(DATA, 0, stream, b"more");
    let more_than_told = |stream| frame(DATA, END_STREAM, stream, b"more than one");
    let kinds: [(&str, bool, &Fault); 5] = [
        ("no window", false, &no_window),
        ("too wide a window", false, &too_wide),
        ("priority on itself", false, &on_itself),
        ("data after the end", true, &after_its_end),
        ("more than its length", false, &more_than_told),
    ];
    for (name, ended, fault) in kinds {
        flood(name, &[], |n| {
            let stream = 2 * n + 1;
            let flags = if ended { END_STREAM } else { 0 };
            // A length of one, which `more than one` is not.
            let mut head = POST.to_vec();
            if !ended {
                head.extend_from_slice(b"\x0f\x0d\x011");
            }
            let mut bytes = frame(HEADERS, flags | END_HEADERS, stream, &head);
            bytes.extend(fault(stream));
            bytes
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h2_03_a_head_without_end_ends_the_connection() {
    let opened = frame(HEADERS, END_STREAM, 1, GET);

    // A field each time, and nothing at all.
    let field = |_| frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b");
    flood("a head without end", &opened, field).await;
    flood("an empty head without end", &opened, |_| {
        frame(CONTINUATION, 0, 1, &[])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h2_04_a_head_that_unpacks_to_much_reaches_no_handler() {
    // One entry of 4,000 bytes in the table, then sixteen thousand times its one-byte name.
    let mut bomb = GET.to_vec();
    bomb.extend_from_slice(&[0x40, 0x01, b'a', 0x7f, 0xa1, 0x1e]);
    bomb.extend(vec![b'b'; 4_000]);
    bomb.extend(vec![0xbe; 12_000]);
    let nameless = [GET, b"\x00\x00\x01b"].concat();
    for (name, head) in [("a bomb", bomb), ("no name", nameless)] {
        assert_eq!(refused(name, &head).await, 0, "{name}");
    }

    // A table that grows and shrinks as often as fits a head is a turn for each two bytes, no more.
    let flapping = [&[0x20, 0x3f, 0xe1, 0x1f].repeat(3_000), GET].concat();
    let began = Instant::now();
    assert!(refused("a table that flaps", &flapping).await <= 1);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn h2_05_empty_data_ends_the_connection() {
    let opened = frame(HEADERS, END_HEADERS, 1, POST);

    flood("empty data", &opened, |_| frame(DATA, 0, 1, &[])).await;
    // Padding is nothing too.
    flood("padding", &opened, |_| frame(DATA, 8, 1, &[1, 0])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h2_06_floods_of_control_frames_end_the_connection() {
    let size = [0, 4, 0, 1, 0, 0];
    flood("ping", &[], |_| frame(PING, 0, 0, &[7; 8])).await;
    flood("pong", &[], |_| frame(PING, 1, 0, &[7; 8])).await;
    flood("settings", &[], |_| frame(SETTINGS, 0, 0, &size)).await;
    flood("empty settings", &[], |_| frame(SETTINGS, 0, 0, &[])).await;
    flood("priority", &[], |n| {
        frame(PRIORITY, 0, 2 * n + 1, &[0, 0, 0, 0, 16])
    })
    .await;
    flood("window", &[], |_| frame(WINDOW, 0, 0, &[0, 0, 0, 1])).await;
    flood("unknown", &[], |_| frame(0xfa, 0, 0, &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h2_09_a_field_that_http_2_has_not_reaches_no_handler() {
    let literal = |name: &str, value: &[u8]| {
        let mut head = GET.to_vec();
        head.extend_from_slice(&[0, u8::try_from(name.len()).unwrap()]);
        head.extend_from_slice(name.as_bytes());
        head.push(u8::try_from(value.len()).unwrap());
        head.extend_from_slice(value);
        head
    };
    for (name, value) in [
        ("connection", b"close".as_slice()),
        ("transfer-encoding", b"chunked"),
        ("upgrade", b"h2c"),
        ("keep-alive", b"1"),
        ("proxy-connection", b"close"),
        ("te", b"gzip"),
        ("Accept", b"x"),
        ("a b", b"x"),
        ("x-a", b"a\r\nb: c"),
        ("x-a", b"a\0b"),
        ("x-a", b"a\nb"),
        (":path", b"/again"),
        (":unknown", b"x"),
    ] {
        let reached = refused(name, &literal(name, value)).await;
        assert_eq!(reached, 0, "{name}: {value:?}");
    }
    // The same way of asking, without such a field, gets there.
    assert_eq!(refused("plain", &literal("x-a", b"b")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_much_may_open_its_windows_as_often() {
    // Ten megabytes, and two frames for each 400 bytes that came: far past what is free.
    let router = Router::new().fallback(async || vec![b'a'; 10_000_000]);
    let edge = secured(router, limits()).await;
    let mut stream = open(
        edge.address,
        &frame(HEADERS, END_STREAM | END_HEADERS, 1, GET),
    )
    .await;
    let mut sent = 0;
    let mut read = Frames::default();

    let all = async {
        while read.data < 10_000_000 {
            let mut chunk = [0; 16 * 1024];
            let n = stream.read(&mut chunk).await.unwrap();
            assert_ne!(n, 0, "cut after {} bytes and {sent} frames", read.data);
            read.see(&chunk[..n]);
            let mut frames = Vec::new();
            while sent / 2 < read.data / 400 {
                for stream in [0, 1] {
                    frames.extend(frame(WINDOW, 0, stream, &400_u32.to_be_bytes()));
                }
                sent += 2;
            }
            stream.write_all(&frames).await.unwrap();
        }
    };
    timeout(SOON, Box::pin(all)).await.unwrap();

    assert!(sent >= 49_000, "{sent}");
}

/// Sends `opening` and then [`FRAMES`] times what `next` makes, and waits until the connection ends
/// by itself. Another client is answered before and after.
async fn flood(name: &str, opening: &[u8], next: impl Fn(u32) -> Vec<u8>) {
    let reached = Reached::default();
    let edge = secured(counting(&reached), limits()).await;
    let stream = open(edge.address, opening).await;
    let (reading, mut writing) = split(stream);
    let (memory, began) = (resident_kib(), Instant::now());
    let seen = tokio::task::spawn(to_the_end(reading));

    let mut sent = 0;
    for first in (0..FRAMES).step_by(500) {
        let many: Vec<u8> = (first..first + 500).flat_map(&next).collect();
        if writing.write_all(&many).await.is_err() || writing.flush().await.is_err() {
            break;
        }
        sent = first + 500;
    }
    let ended = timeout(SOON, seen).await;
    let code = ended.unwrap_or_else(|_| panic!("{name}: {sent} frames and it goes on"));

    let (took, grown) = (began.elapsed(), resident_kib().saturating_sub(memory));
    let code = code.unwrap();
    println!("{name}: over after {took:?}, error {code:?}, {sent} written, {grown} KiB more");
    assert!(grown < 32 * 1024, "{name}: {grown} KiB more");
    assert!(reached.count() < 2_000, "{name}: {}", reached.count());
    let other = answered(edge.address).await;
    assert!(other < Duration::from_secs(2), "{name}: {other:?}");
}

/// How many requests with `head` reached the handler, once the server has said what it thinks of it.
async fn refused(name: &str, head: &[u8]) -> usize {
    let reached = Reached::default();
    let edge = secured(counting(&reached), limits()).await;
    let (first, rest) = head.split_at(head.len().min(16_000));
    let mut bytes = if rest.is_empty() {
        frame(HEADERS, END_STREAM | END_HEADERS, 1, first)
    } else {
        frame(HEADERS, END_STREAM, 1, first)
    };
    if !rest.is_empty() {
        bytes.extend(frame(CONTINUATION, END_HEADERS, 1, rest));
    }
    let mut stream = open(edge.address, &bytes).await;
    let mut seen = Frames::default();
    let answer = async {
        while !seen.answered && seen.reset.is_none() && seen.gone.is_none() {
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(n) => seen.see(&chunk[..n]),
            }
        }
    };
    timeout(SOON, answer).await.unwrap();
    println!("{name}: reset {:?}, gone {:?}", seen.reset, seen.gone);
    reached.count()
}

async fn open(address: SocketAddr, opening: &[u8]) -> TlsStream<TcpStream> {
    let mut stream = connect(address, &["h2"]).await;
    let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    hello.extend(frame(SETTINGS, 0, 0, &[]));
    hello.extend_from_slice(opening);
    stream.write_all(&hello).await.unwrap();
    stream.flush().await.unwrap();
    stream
}

/// How long a request of somebody else takes.
async fn answered(address: SocketAddr) -> Duration {
    let began = Instant::now();
    let mut stream = connect(address, &["http/1.1"]).await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut status = [0; 12];
    timeout(SOON, stream.read_exact(&mut status))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    began.elapsed()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Reads until there is no more, and gives the code of the good-bye if there was one.
async fn to_the_end(mut stream: ReadHalf<TlsStream<TcpStream>>) -> Option<u32> {
    let mut seen = Frames::default();
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = stream.read(&mut chunk).await {
        seen.see(&chunk[..n]);
    }
    seen.gone
}

/// What a server sent.
#[derive(Default)]
struct Frames {
    rest: Vec<u8>,
    data: usize,
    answered: bool,
    reset: Option<u32>,
    gone: Option<u32>,
}

impl Frames {
    fn see(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        loop {
            let [a, b, c, kind, _, _, _, _, _, payload @ ..] = self.rest.as_slice() else {
                return;
            };
            let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap();
            let Some(payload) = payload.get(..length) else {
                return;
            };
            let code = |from: usize| {
                let four = payload.get(from..from + 4).unwrap();
                Some(u32::from_be_bytes(four.try_into().unwrap()))
            };
            match *kind {
                DATA => self.data += length,
                HEADERS => self.answered = true,
                RESET => self.reset = code(0),
                GO_AWAY => self.gone = code(4),
                _ => {}
            }
            self.rest.drain(..9 + length);
        }
    }
}

/// What this process holds in memory.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}
