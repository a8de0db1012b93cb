//! H1-18: slow clients, with a clock that is moved instead of waited for.

use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::super::pace::Steady;
use super::super::peers::Peers;
use super::{Reached, connection, counted, counting, limits};
use crate::listen::Limits;

const GOOD: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const BODY: &[u8] = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";

/// A connection with a pipe of `room` bytes each way, and its server side running.
fn open(router: Router, limits: &Limits, room: usize) -> (DuplexStream, JoinHandle<()>) {
    let (client, server) = duplex(room);
    let server = Steady::new(server, limits.write_stall, limits.body_floor);
    let running = tokio::task::spawn(connection(router, limits.clone()).http1(server));
    (client, running)
}

/// What comes before the other side closes, and how many seconds that took.
async fn to_end(client: &mut DuplexStream) -> (String, u64) {
    let begun = Instant::now();
    let mut all = Vec::new();
    drop(
        timeout(Duration::from_hours(1), client.read_to_end(&mut all))
            .await
            .unwrap(),
    );
    (String::from_utf8(all).unwrap(), begun.elapsed().as_secs())
}

async fn answered(client: &mut DuplexStream) -> bool {
    let mut all = Vec::new();
    while !all.ends_with(b"ok") {
        if client.read_buf(&mut all).await.unwrap() == 0 {
            return false;
        }
    }
    all.starts_with(b"HTTP/1.1 200 OK")
}

#[tokio::test(start_paused = true)]
async fn h1_18_a_silent_connection_is_cut_after_10_s_where_places_are_short() {
    let limits = limits();
    let (mut client, _running) = open(counting(&Reached::default()), &limits, 1024);

    let (answer, seconds) = to_end(&mut client).await;

    assert_eq!((answer.as_str(), seconds), ("", 10));
    assert_eq!(counted(&limits, "cut"), 1);
}

/// Pools of clients open a connection for a request that another one takes before it is there, and
/// keep it for 90 s. It must not be closed under the request that comes then.
#[tokio::test(start_paused = true)]
async fn a_spare_connection_of_a_clients_pool_is_open_when_it_is_used() {
    let peers = Peers::new(4, 4);
    let place = peers.admit(Ipv4Addr::LOCALHOST.into()).unwrap();
    let mut spare = connection(counting(&Reached::default()), limits());
    spare.place = place;
    let (mut client, server) = duplex(1024);
    let _running = tokio::task::spawn(spare.http1(server));

    sleep(Duration::from_secs(95)).await;
    client.write_all(GOOD).await.unwrap();

    assert!(answered(&mut client).await);
}

#[tokio::test(start_paused = true)]
async fn h1_18_a_spare_connection_is_cut_when_places_become_short() {
    let peers = Peers::new(4, 4);
    let admit = || peers.admit(Ipv4Addr::LOCALHOST.into()).unwrap();
    let limits = limits();
    let mut spare = connection(counting(&Reached::default()), limits.clone());
    spare.place = admit();
    let (mut client, server) = duplex(1024);
    let _running = tokio::task::spawn(spare.http1(server));
    sleep(Duration::from_secs(25)).await;

    let _crowd = [admit(), admit()];
    let (answer, seconds) = to_end(&mut client).await;

    assert_eq!((answer.as_str(), seconds), ("", 5));
    assert_eq!(counted(&limits, "cut"), 1);
}

#[tokio::test(start_paused = true)]
async fn h1_18_a_head_in_pieces_is_refused_10_s_after_its_first_byte() {
    let reached = Reached::default();
    let limits = limits();
    let (client, _running) = open(counting(&reached), &limits, 1024);
    sleep(Duration::from_secs(9)).await;
    let (mut from, mut to) = tokio::io::split(client);
    let trickle = tokio::task::spawn(async move {
        for byte in GOOD.iter().cycle().take(20) {
            if to.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    });

    let begun = Instant::now();
    let mut answer = String::new();
    from.read_to_string(&mut answer).await.unwrap();

    assert!(
        answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{answer}"
    );
    // One more second of listening, so that the answer is read.
    assert!((10..=11).contains(&begun.elapsed().as_secs()));
    assert_eq!(reached.count(), 0);
    assert_eq!(counted(&limits, "slow_head"), 1);
    trickle.abort();
}

#[tokio::test(start_paused = true)]
async fn h1_18_a_body_that_stops_is_cut_after_10_s() {
    let reached = Reached::default();
    let limits = limits();
    let (mut client, _running) = open(counting(&reached), &limits, 4096);
    client.write_all(BODY).await.unwrap();
    client.write_all(b"some").await.unwrap();

    let (answer, seconds) = to_end(&mut client).await;

    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!((10..=11).contains(&seconds), "{seconds} s");
    assert_eq!(reached.count(), 0);
    assert_eq!(counted(&limits, "cut"), 1);
}

/// Seconds until a body at `bytes` a second is cut, if it is within two minutes.
async fn cut_at(bytes: usize) -> Option<u64> {
    let limits = limits();
    let (mut client, running) = open(counting(&Reached::default()), &limits, 64 * 1024);
    client.write_all(BODY).await.unwrap();
    let begun = Instant::now();
    let piece = vec![b'a'; bytes];
    for _ in 0..120 {
        if running.is_finished() || client.write_all(&piece).await.is_err() {
            return Some(begun.elapsed().as_secs());
        }
        sleep(Duration::from_secs(1)).await;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn h1_18_a_body_below_the_floor_is_cut_and_one_above_it_is_not() {
    let trickle = cut_at(10).await.unwrap();
    let half = cut_at(512).await.unwrap();
    let above = cut_at(1100).await;

    println!("cut after {trickle} s at 10 B/s, {half} s at 512 B/s, {above:?} at 1100 B/s");
    assert!((10..=12).contains(&trickle), "{trickle} s");
    assert!((18..=22).contains(&half), "{half} s");
    assert_eq!(above, None);
}

#[tokio::test(start_paused = true)]
async fn h1_18_a_pause_in_a_body_is_borne_if_it_is_short() {
    let reached = Reached::default();
    let (mut client, _running) = open(counting(&reached), &limits(), 4096);
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        .await
        .unwrap();

    sleep(Duration::from_secs(9)).await;
    client.write_all(b"b").await.unwrap();

    assert!(answered(&mut client).await);
    assert_eq!(reached.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn h1_18_an_idle_connection_lives_100_s_from_each_answer() {
    let (mut client, _running) = open(counting(&Reached::default()), &limits(), 1024);
    for _ in 0..5 {
        client.write_all(GOOD).await.unwrap();
        assert!(answered(&mut client).await);
        sleep(Duration::from_secs(99)).await;
    }
    client.write_all(GOOD).await.unwrap();
    assert!(answered(&mut client).await);

    let (rest, seconds) = to_end(&mut client).await;

    assert_eq!((rest.as_str(), seconds), ("", 100));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_long_is_no_idle_connection() {
    async fn think() -> &'static str {
        sleep(Duration::from_mins(10)).await;
        "ok"
    }
    let (mut client, _running) = open(Router::new().fallback(think), &limits(), 1024);
    client.write_all(GOOD).await.unwrap();

    assert!(answered(&mut client).await);

    let (_, seconds) = to_end(&mut client).await;
    assert_eq!(seconds, 100);
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_long_pauses_is_not_cut() {
    async fn pausing() -> Body {
        let (mut to, from) = duplex(1024);
        tokio::task::spawn(async move {
            for _ in 0..10 {
                sleep(Duration::from_mins(2)).await;
                to.write_all(b"data: x\n\n").await.unwrap();
            }
            to.write_all(b"ok").await.unwrap();
        });
        Body::new(Piped(from))
    }
    let (mut client, _running) = open(Router::new().fallback(pausing), &limits(), 1024);
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();

    let (answer, seconds) = to_end(&mut client).await;

    assert_eq!(answer.matches("data: x").count(), 10);
    assert_eq!(seconds, 1200);
}

/// A body that comes out of a pipe.
struct Piped(DuplexStream);

impl hyper::body::Body for Piped {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
        use tokio::io::{AsyncRead, ReadBuf};
        let mut room = [0; 256];
        let mut buf = ReadBuf::new(&mut room);
        std::task::ready!(std::pin::Pin::new(&mut self.get_mut().0).poll_read(cx, &mut buf))?;
        let read = Bytes::copy_from_slice(buf.filled());
        let frame = (!read.is_empty()).then(|| Ok(hyper::body::Frame::data(read)));
        std::task::Poll::Ready(frame)
    }
}

const PIECE: usize = 16 * 1024;

/// A body without end, which counts its pieces.
struct Endless(Reached);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        let piece = Bytes::from_static(&[b'a'; PIECE]);
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(piece))))
    }
}

#[tokio::test(start_paused = true)]
async fn h1_18_a_reader_that_stops_is_cut_after_30_s() {
    let big = Router::new().fallback(async || vec![b'a'; 10_000_000]);
    let (mut client, running) = open(big, &limits(), 1024);
    let begun = Instant::now();
    client.write_all(GOOD).await.unwrap();

    timeout(Duration::from_hours(1), running)
        .await
        .unwrap()
        .unwrap();

    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn h1_18_a_reader_that_trickles_is_cut() {
    let big = Router::new().fallback(async || vec![b'a'; 10_000_000]);
    let (mut client, running) = open(big, &limits(), 64);
    let begun = Instant::now();
    client.write_all(GOOD).await.unwrap();
    let reading = tokio::task::spawn(async move {
        let mut room = [0; 10];
        while client.read(&mut room).await.is_ok_and(|read| read > 0) {
            sleep(Duration::from_secs(1)).await;
        }
        pending::<()>().await;
    });

    timeout(Duration::from_hours(1), running)
        .await
        .unwrap()
        .unwrap();

    let seconds = begun.elapsed().as_secs();
    println!("a reader at 10 B/s is cut after {seconds} s");
    assert!((30..=33).contains(&seconds), "{seconds} s");
    reading.abort();
}

/// What is held for readers that do not read is a few pieces each, whatever there is to send: the
/// next piece is asked for when the last one is gone.
#[tokio::test(start_paused = true)]
async fn sse_05_a_thousand_readers_that_stop_hold_little_and_are_cut() {
    const READERS: usize = 1_000;
    let made = Reached::default();
    let endless = {
        let made = made.clone();
        move || {
            let body = Body::new(Endless(made.clone()));
            async move { body }
        }
    };
    let router = Router::new()
        .route("/", axum::routing::get(endless))
        .route("/health", axum::routing::get(async || "ok"));
    let limits = limits();
    let mut stalled = Vec::new();
    for _ in 0..READERS {
        let (mut client, running) = open(router.clone(), &limits, 1024);
        client.write_all(GOOD).await.unwrap();
        stalled.push((client, running));
    }
    sleep(Duration::from_secs(25)).await;

    let (mut other, _running) = open(router, &limits, 1024);
    let health = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    other.write_all(health).await.unwrap();
    assert!(answered(&mut other).await, "others are served");
    let held = made.count() * PIECE / READERS;
    let begun = Instant::now();
    for (client, running) in stalled {
        timeout(Duration::from_mins(1), running)
            .await
            .unwrap()
            .unwrap();
        drop(client);
    }

    let seconds = begun.elapsed().as_secs();
    println!(
        "{READERS} stalled readers: {held} bytes held for each, all cut after {seconds} s more"
    );
    assert!(held <= 128 * 1024, "{held}");
    assert_eq!(seconds, 5);
}

#[tokio::test(start_paused = true)]
async fn h1_18_a_client_that_sends_on_after_its_refusal_is_listened_to_for_1_s() {
    let (mut client, running) = open(counting(&Reached::default()), &limits(), 1024);
    let begun = Instant::now();
    client.write_all(b"TRACE / HTTP/1.1\r\n").await.unwrap();

    timeout(Duration::from_mins(1), running)
        .await
        .unwrap()
        .unwrap();

    assert_eq!(begun.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn h1_18_each_body_has_its_own_patience() {
    let reached = Reached::default();
    let (mut client, _running) = open(counting(&reached), &limits(), 4096);

    for _ in 0..5 {
        client
            .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
            .await
            .unwrap();
        sleep(Duration::from_secs(9)).await;
        client.write_all(b"b").await.unwrap();
        assert!(answered(&mut client).await);
    }

    assert_eq!(reached.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_at_once_what_has_no_request_running() {
    for begun_with in [b"".as_slice(), b"GET / HT"] {
        let (mut client, server) = duplex(1024);
        let connection = connection(counting(&Reached::default()), limits());
        let shutdown = connection.shutdown.clone();
        let running = tokio::task::spawn(connection.http1(server));
        client.write_all(begun_with).await.unwrap();
        sleep(Duration::from_secs(1)).await;

        shutdown.cancel();

        // The one second is for a client that is still sending.
        let (answer, seconds) = to_end(&mut client).await;
        assert_eq!((answer.as_str(), seconds), ("", 0));
        running.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_behind_a_running_request_is_bounded() {
    let forever = Router::new().fallback(pending::<&'static str>);
    let (mut client, _running) = open(forever, &limits(), 1024);
    client.write_all(GOOD).await.unwrap();

    let flood = vec![b'a'; 200_000];
    let mut sent = 0;
    let sending = async {
        loop {
            sent += client.write(&flood).await.unwrap();
        }
    };
    assert!(timeout(Duration::from_mins(1), sending).await.is_err());

    println!("{sent} bytes were taken in behind a running request");
    assert!((16_384..=64 * 1024).contains(&sent), "{sent}");
}
