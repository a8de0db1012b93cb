//! The edge: accepts connections, reads HTTP strictly, keeps the time, drains.
//!
//! hyper serves the connections, axum the routes. In front of hyper stands a reader of our own
//! (`strict`), because hyper accepts requests that two parsers can read in two ways, and a proxy
//! that verifies must not be one of two parsers. See ADR 9.
//!
//! ```text
//!   socket ─► Steady (write stall) ─► [TLS] ─► Strict (heads, framing, time) ─► hyper ─► router
//! ```
//!
//! A plain connection speaks HTTP/1.1 and nothing else. Over TLS the client chooses HTTP/2 by ALPN;
//! its frames are hyper's business, its requests pass the same rules (`h2`).

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod door;
mod frame;
mod h2;
mod head;
mod host;
mod pace;
mod peers;
mod refusal;
mod scan;
mod strict;
mod target;
mod tls;
mod wire;

#[cfg(test)]
mod tests;

use self::pace::Steady;
use self::peers::{Peers, Place};
use self::strict::Strict;
use self::wire::Wire;

pub use self::host::{Hosts, HostsError};
pub use self::refusal::{Reason, Tally};
pub use self::tls::{Tls, TlsError};

/// How much the edge bears, and for how long.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The names we answer to. A request to another is answered 421.
    pub hosts: Hosts,
    /// Open connections in all.
    pub connections: u32,
    /// Open connections from one address (IPv6: from one network of 64 bits). Behind a proxy every
    /// connection comes from one address: then this is as good as `connections`.
    pub per_peer: u32,
    /// Until a new connection's first byte where places are short, and for a TLS handshake. Where
    /// they are not, a connection is waited for like an idle one.
    pub first_byte: Duration,
    /// From the first byte of a request head to its last.
    pub head: Duration,
    /// Between an answer and the next request. Longer than the 90 s for which the pools of Go,
    /// hyper and reqwest keep a connection: who closes first must be the client (ADR 48).
    pub idle: Duration,
    /// What a client may pause in the middle of a body before it has to be faster than `body_floor`.
    pub body_grace: Duration,
    /// Bytes a second, the least that a client has to send of a body, or take of an answer.
    pub body_floor: u64,
    /// What a client may pause in the middle of taking an answer.
    pub write_stall: Duration,
    /// How long a client that is still sending is listened to after its answer, so that it reads
    /// the answer and not a reset.
    pub linger: Duration,
    /// How long running requests get after the shutdown began.
    pub drain: Duration,
    /// What is counted, for metrics and for the durable count of refusals.
    pub tally: Arc<Tally>,
}

impl Limits {
    /// The limits we promise, for a server with these names.
    #[must_use]
    pub fn new(hosts: Hosts) -> Self {
        Self {
            hosts,
            connections: 4096,
            per_peer: 256,
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(100),
            body_grace: Duration::from_secs(10),
            body_floor: 1024,
            write_stall: Duration::from_secs(30),
            linger: Duration::from_secs(1),
            drain: Duration::from_mins(2),
            tally: Arc::default(),
        }
    }
}

/// Serves `router` on plain connections until `shutdown`, then drains.
///
/// Returns when the last connection is gone: at once those that have no request running, the others
/// when their answer is out, and all of them at the end of [`Limits::drain`]. The listener is closed
/// as soon as the shutdown begins. Every task runs on `tracker`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
    tracker: TaskTracker,
) {
    accept(listener, None, router, limits, shutdown, tracker).await;
}

/// Serves `router` over TLS until `shutdown`, then drains. See [`serve`].
pub async fn serve_tls(
    listener: TcpListener,
    tls: Tls,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
    tracker: TaskTracker,
) {
    accept(listener, Some(tls), router, limits, shutdown, tracker).await;
}

async fn accept(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
    tracker: TaskTracker,
) {
    let limits = Arc::new(limits);
    let peers = Peers::new(limits.connections, limits.per_peer);
    let cut = CancellationToken::new();
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            next = next(&listener) => next,
        };
        let Some(place) = peers.admit(peer) else {
            limits.tally.turn_away();
            turn_away(&stream, tls.is_some());
            continue;
        };
        let connection = Connection {
            router: router.clone(),
            limits: Arc::clone(&limits),
            // Children: a token that all share would be one lock that all take at every wake-up.
            shutdown: shutdown.child_token(),
            cut: cut.child_token(),
            tracker: tracker.clone(),
            place,
        };
        match &tls {
            None => drop(tracker.spawn(connection.plain(stream))),
            Some(tls) => drop(tracker.spawn(connection.secured(stream, tls.clone()))),
        }
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, peers.gone())
        .await
        .is_err()
    {
        cut.cancel();
        peers.gone().await;
    }
}

/// The next connection. An error is the connection's, or passes when others close.
async fn next(listener: &TcpListener) -> (TcpStream, IpAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer.ip()),
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::warn!(error = %error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

/// Tells a client over a cap to come back, as far as that costs nothing: what it has sent is read
/// once so that closing does not reset, and nothing is waited for.
fn turn_away(stream: &TcpStream, secured: bool) {
    if secured {
        return;
    }
    let mut waste = [0; 4096];
    let heard = stream.try_read(&mut waste);
    let told = stream.try_write(refusal::BUSY);
    tracing::debug!(heard = heard.is_ok(), told = told.is_ok(), "over a cap");
}

/// One connection, and what it needs.
struct Connection {
    router: Router,
    limits: Arc<Limits>,
    shutdown: CancellationToken,
    cut: CancellationToken,
    tracker: TaskTracker,
    place: Place,
}

impl Connection {
    async fn plain(self, stream: TcpStream) {
        let stream = self.steady(stream);
        self.http1(stream).await;
    }

    async fn secured(self, stream: TcpStream, tls: Tls) {
        let shaking = tls.acceptor().accept(self.steady(stream));
        let shaken = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => return,
            shaken = tokio::time::timeout(self.limits.first_byte, shaking) => shaken,
        };
        let Ok(Ok(stream)) = shaken else {
            self.limits.tally.cut();
            return;
        };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            h2::serve(self, stream).await;
        } else {
            self.http1(stream).await;
        }
    }

    fn steady(&self, stream: TcpStream) -> Steady<TcpStream> {
        // Where it is not possible an event is late, which is no reason to refuse it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = %error, "no TCP_NODELAY");
        }
        Steady::new(stream, self.limits.write_stall, self.limits.body_floor)
    }

    /// Runs HTTP/1.1 on `stream` to its end.
    async fn http1<S: AsyncRead + AsyncWrite + Unpin>(self, stream: S) {
        let wire = Arc::new(Wire::default());
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(self.place.house());
            let limits = Arc::clone(&self.limits);
            door::answer(self.router.clone(), Arc::clone(&wire), limits, request)
        });
        let (limits, crowd) = (Arc::clone(&self.limits), self.place.crowd());
        let strict = Strict::new(stream, limits, Arc::clone(&wire), crowd);
        let mut builder = http1::Builder::new();
        builder
            .half_close(false)
            .max_buf_size(32 * 1024)
            .header_read_timeout(None);
        let mut serving = Box::pin(builder.serve_connection(TokioIo::new(strict), service));
        tokio::select! {
            biased;
            // How a connection ends is the client's business, and an error says no more than that.
            _end = serving.as_mut() => return,
            () = self.shutdown.cancelled() => {}
        }
        wire.drain();
        serving.as_mut().graceful_shutdown();
        tokio::select! {
            biased;
            _end = serving.as_mut() => {}
            () = self.cut.cancelled() => self.limits.tally.cut(),
        }
    }
}
