//! The edge against hostile bytes: rows of the threat catalogue, slow clients, other parsers.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test that overflows or leaves a task behind fails; its figures are printed"
)]

mod differential;
mod floods;
mod rows;
mod slow;
mod socket;
mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::peers::Peers;
use super::{Connection, Hosts, Limits, serve};

/// Requests whose head and whole body reached a handler.
#[derive(Clone, Default)]
struct Reached(Arc<AtomicUsize>);

impl Reached {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Answers everything with `ok`, after it has read the body.
fn counting(reached: &Reached) -> Router {
    async fn count(State(reached): State<Reached>, _body: Bytes) -> &'static str {
        reached.0.fetch_add(1, Ordering::SeqCst);
        "ok"
    }
    Router::new().fallback(count).with_state(reached.clone())
}

fn limits() -> Limits {
    Limits::new(Hosts::new(["x", "[::1]:8080", "ai.example.com:443"]).unwrap())
}

/// A running server, which stops when this is dropped.
struct Edge {
    address: SocketAddr,
    limits: Limits,
    shutdown: CancellationToken,
    tracker: TaskTracker,
    _stop: DropGuard,
}

async fn edge(router: Router, limits: Limits) -> Edge {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let tracker = TaskTracker::new();
    let serving = serve(
        listener,
        router,
        limits.clone(),
        shutdown.clone(),
        tracker.clone(),
    );
    tracker.spawn(serving);
    let stop = shutdown.clone().drop_guard();
    Edge {
        address,
        limits,
        shutdown,
        tracker,
        _stop: stop,
    }
}

/// One connection without a socket.
fn connection(router: Router, limits: Limits) -> Connection {
    let place = Peers::new(1, 1)
        .admit(IpAddr::from(Ipv4Addr::LOCALHOST))
        .unwrap();
    Connection {
        router,
        limits: Arc::new(limits),
        shutdown: CancellationToken::new(),
        cut: CancellationToken::new(),
        tracker: TaskTracker::new(),
        place,
    }
}

/// How often `name` was counted.
fn counted(limits: &Limits, name: &str) -> u64 {
    limits
        .tally
        .counts()
        .find(|(known, _)| *known == name)
        .unwrap()
        .1
}
