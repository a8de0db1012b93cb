//! The same rules over TLS, where the client may choose HTTP/2.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::HeaderMap;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Frame};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::{Reached, counted, counting, limits};
use crate::listen::{Limits, Tls, TlsError, serve_tls};

/// A certificate for `x` and its key, made for these tests and trusted by nobody else.
const CERT: &[u8] = include_bytes!("cert.pem");
const KEY: &[u8] = include_bytes!("key.pem");
pub(super) const SOON: Duration = Duration::from_secs(20);

pub(super) struct Secured {
    pub(super) address: SocketAddr,
    shutdown: CancellationToken,
    tracker: TaskTracker,
    _stop: DropGuard,
}

pub(super) async fn secured(router: Router, limits: Limits) -> Secured {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (shutdown, tracker) = (CancellationToken::new(), TaskTracker::new());
    let tls = Tls::from_pem(CERT, KEY).unwrap();
    let serving = serve_tls(
        listener,
        tls,
        router,
        limits,
        shutdown.clone(),
        tracker.clone(),
    );
    tracker.spawn(serving);
    let stop = shutdown.clone().drop_guard();
    Secured {
        address,
        shutdown,
        tracker,
        _stop: stop,
    }
}

pub(super) async fn connect(address: SocketAddr, alpn: &[&str]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(CERT).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("x").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

async fn status_of(address: SocketAddr, raw: &[u8]) -> String {
    let mut stream = connect(address, &["http/1.1"]).await;
    stream.write_all(raw).await.unwrap();
    let mut status = [0; 12];
    timeout(SOON, stream.read_exact(&mut status))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8(status.to_vec()).unwrap()
}

type Sender = http2::SendRequest<Full<Bytes>>;

async fn h2(address: SocketAddr) -> Sender {
    let stream = connect(address, &["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (sender, running) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::task::spawn(running);
    sender
}

fn ask(method: &str, uri: &str) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
    *request.uri_mut() = uri.parse().unwrap();
    request
}

async fn status(sender: &mut Sender, request: Request<Full<Bytes>>) -> u16 {
    let answer = timeout(SOON, sender.send_request(request))
        .await
        .unwrap()
        .unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn http_1_over_tls_is_read_as_strictly() {
    let reached = Reached::default();
    let edge = secured(counting(&reached), limits()).await;

    let good = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(status_of(edge.address, good).await, "HTTP/1.1 200");
    let two =
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(status_of(edge.address, two).await, "HTTP/1.1 400");
    assert_eq!(
        status_of(edge.address, b"GET / HTTP/1.1\nHost: x\n\n").await,
        "HTTP/1.1 400"
    );
    assert_eq!(reached.count(), 1);
}

#[tokio::test]
async fn http_2_requests_pass_the_same_rules() {
    let reached = Reached::default();
    let edge = secured(counting(&reached), limits()).await;
    let mut sender = h2(edge.address).await;
    let mut expect = async |code: u16, request: Request<Full<Bytes>>| {
        let shown = format!("{request:?}");
        assert_eq!(status(&mut sender, request).await, code, "{shown}");
    };

    expect(200, ask("GET", "https://x/v1/models")).await;
    for target in [
        "/v1/../admin",
        "/%2e%2e/admin",
        "/a%2fb",
        "/%00",
        "/%ff",
        "/?%zz",
    ] {
        expect(400, ask("GET", &format!("https://x{target}"))).await;
    }
    expect(404, ask("GET", "https://x//evil/x")).await;
    expect(421, ask("GET", "https://evil/")).await;
    expect(405, ask("TRACE", "https://x/")).await;
    expect(405, ask("get", "https://x/")).await;
    expect(414, ask("GET", &format!("https://x/{}", "a".repeat(8192)))).await;
    let mut body = ask("GET", "https://x/");
    *body.body_mut() = Full::from("hello");
    expect(400, body).await;
    let mut twice = ask("GET", "https://x/");
    twice
        .headers_mut()
        .append("authorization", "Bearer a".parse().unwrap());
    twice
        .headers_mut()
        .append("authorization", "Bearer b".parse().unwrap());
    expect(400, twice).await;
    let mut many = ask("GET", "https://x/");
    for n in 0..65 {
        let name = http::HeaderName::from_bytes(format!("x-{n}").as_bytes()).unwrap();
        many.headers_mut().append(name, "y".parse().unwrap());
    }
    expect(431, many).await;
    let mut expecting = ask("POST", "https://x/");
    expecting
        .headers_mut()
        .append("expect", "200-ok".parse().unwrap());
    expect(417, expecting).await;
    let mut other = ask("GET", "https://x/");
    other.headers_mut().append("host", "evil".parse().unwrap());
    expect(400, other).await;
    expect(200, ask("POST", "https://x/")).await;

    assert_eq!(reached.count(), 2);
}

#[tokio::test]
async fn hdr_01_a_name_with_an_underscore_reaches_no_handler_over_http_2() {
    async fn names(headers: HeaderMap) -> String {
        headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect::<Vec<_>>()
            .join(",")
    }
    let edge = secured(Router::new().fallback(names), limits()).await;
    let mut sender = h2(edge.address).await;
    let mut request = ask("GET", "https://x/");
    request
        .headers_mut()
        .insert("x_forwarded_for", "10.0.0.1".parse().unwrap());
    request.headers_mut().insert("x-kept", "1".parse().unwrap());

    let answer = timeout(SOON, sender.send_request(request))
        .await
        .unwrap()
        .unwrap();

    let names = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(names, "x-kept");
}

#[tokio::test]
async fn a_client_without_alpn_speaks_http_1() {
    let edge = secured(counting(&Reached::default()), limits()).await;
    let mut stream = connect(edge.address, &[]).await;

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
}

#[tokio::test]
async fn h1_18_a_handshake_that_does_not_come_is_cut() {
    let mut short = limits();
    short.first_byte = Duration::from_millis(50);
    let edge = secured(counting(&Reached::default()), short.clone()).await;

    // Nothing at all, a part of a hello, and no TLS.
    for bytes in [
        b"".as_slice(),
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        drop(
            timeout(SOON, stream.read_to_end(&mut answer))
                .await
                .unwrap(),
        );
        assert!(!answer.starts_with(b"HTTP"));
    }
    assert_eq!(counted(&short, "cut"), 3);
}

#[tokio::test]
async fn an_idle_http_2_connection_ends() {
    let mut short = limits();
    short.idle = Duration::from_millis(50);
    let edge = secured(counting(&Reached::default()), short).await;
    let mut sender = h2(edge.address).await;
    assert_eq!(status(&mut sender, ask("GET", "https://x/")).await, 200);

    let ended = async {
        while !sender.is_closed() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, ended).await.unwrap();
}

/// Asks ten times, reads no answer, and waits until the connection is cut for it.
async fn stalled(router: Router, limits: Limits) {
    let edge = secured(router, limits.clone()).await;
    let mut sender = h2(edge.address).await;

    let mut answers = Vec::new();
    for _ in 0..10 {
        let answer = timeout(SOON, sender.send_request(ask("GET", "https://x/"))).await;
        answers.extend(answer.unwrap());
    }
    assert!(!answers.is_empty());

    let cut = async {
        while counted(&limits, "cut") == 0 || !sender.is_closed() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, cut).await.unwrap();
    assert_eq!(counted(&limits, "cut"), 1);
    edge.shutdown.cancel();
    edge.tracker.close();
    timeout(SOON, edge.tracker.wait()).await.unwrap();
}

#[tokio::test]
async fn h2_07_a_reader_that_opens_no_window_for_a_stream_is_cut() {
    let mut short = limits();
    short.write_stall = Duration::from_millis(100);

    stalled(Router::new().fallback(async || Body::new(Endless)), short).await;
}

#[tokio::test]
async fn h2_07_a_reader_that_opens_no_window_for_the_last_part_is_cut() {
    let mut short = limits();
    (short.write_stall, short.idle) = (Duration::from_millis(100), Duration::from_secs(2));

    stalled(
        Router::new().fallback(async || vec![b'a'; 10_000_000]),
        short,
    )
    .await;
}

/// A body that always has more.
struct Endless;

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'a'; 16384])))))
    }
}

#[tokio::test]
async fn h1_18_a_body_that_stops_is_cut_over_http_2() {
    let mut short = limits();
    short.body_grace = Duration::from_millis(50);
    let reached = Reached::default();
    let edge = secured(counting(&reached), short.clone()).await;
    let stream = connect(edge.address, &["h2"]).await;
    let (mut sender, running) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::task::spawn(running);
    let request = Request::post("https://x/").body(Never).unwrap();

    let answer = timeout(SOON, sender.send_request(request))
        .await
        .unwrap()
        .unwrap();

    assert_eq!(answer.status(), 400);
    assert_eq!(reached.count(), 0);
    assert_eq!(counted(&short, "cut"), 1);
}

/// A body that never comes.
struct Never;

impl hyper::body::Body for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_drain_ends_http_2_connections() {
    let edge = secured(counting(&Reached::default()), limits()).await;
    let mut sender = h2(edge.address).await;
    assert_eq!(status(&mut sender, ask("GET", "https://x/")).await, 200);

    edge.shutdown.cancel();

    edge.tracker.close();
    timeout(SOON, edge.tracker.wait()).await.unwrap();
}

#[test]
fn a_certificate_without_its_key_is_refused() {
    assert!(matches!(
        Tls::from_pem(b"", KEY),
        Err(TlsError::NoCertificate)
    ));
    assert!(matches!(Tls::from_pem(CERT, b""), Err(TlsError::Key(_))));
    assert!(matches!(Tls::from_pem(CERT, CERT), Err(TlsError::Key(_))));
    assert!(matches!(
        Tls::from_pem(KEY, KEY),
        Err(TlsError::NoCertificate)
    ));
}
