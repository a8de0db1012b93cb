//! A listener on loopback, and what all simulators have in common.

use crate::answer::{self, Answer, Body};
use crate::fault::{Fault, Storm};
use crate::request::Request;
use crate::tape::Tape;
use http::Response;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// A simulated counterparty: decides what to say, and nothing about how it is sent.
pub(crate) trait Counterpart: Send + Sync + 'static {
    /// The answer to `request`. `scripted` is what the script wants said instead; a simulator that
    /// must know about it (an idempotent one) gets to see it.
    fn answer(&self, request: &Request, scripted: Option<Answer>) -> Answer;
}

/// A running simulator. Clones speak of the same one; the [`Sandbox`](crate::Sandbox) ends it.
#[derive(Debug)]
pub struct Simulator<S> {
    pub(crate) state: Arc<S>,
    pub(crate) tape: Arc<Tape>,
    address: SocketAddr,
}

impl<S> Clone for Simulator<S> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            tape: Arc::clone(&self.tape),
            address: self.address,
        }
    }
}

impl<S> Simulator<S> {
    /// The base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        base_url(self.address)
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.tape.requests()
    }

    /// Forgets the requests so far. Counts go on.
    pub fn forget_requests(&self) {
        self.tape.forget();
    }

    /// How many exchanges the client gave up before they were complete.
    #[must_use]
    pub fn aborted(&self) -> usize {
        self.tape.tally().aborted
    }

    /// Waits until at least `count` requests have arrived since the start.
    pub async fn until_requests(&self, count: usize) {
        self.tape.until(|tally| tally.requests >= count).await;
    }

    /// Waits until the client has given up at least `count` exchanges since the start.
    pub async fn until_aborted(&self, count: usize) {
        self.tape.until(|tally| tally.aborted >= count).await;
    }

    /// Lets the next request meet `fault`; called again, the one after that.
    pub fn next(&self, fault: Fault) {
        self.tape.script.push(None, fault);
    }

    /// Lets the next request whose path begins with `path` meet `fault`.
    pub fn next_at(&self, path: &str, fault: Fault) {
        self.tape.script.push(Some(path), fault);
    }

    /// How many scripted faults have not happened yet.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        self.tape.script.left()
    }

    /// Lets every request from now on take its chance; `None` ends it.
    pub fn weather(&self, storm: Option<Storm>) {
        self.tape.script.weather(storm);
    }
}

/// Serves `state` on `listener` until `tasks` is dropped.
pub(crate) fn launch<S: Counterpart>(
    listener: Listener,
    state: Arc<S>,
    tape: Arc<Tape>,
    tasks: &mut JoinSet<()>,
) -> Simulator<S> {
    let simulator = Simulator {
        state,
        tape,
        address: listener.address,
    };
    tasks.spawn(accept(listener.socket, simulator.clone()));
    simulator
}

/// A bound socket and the address it got.
pub(crate) struct Listener {
    socket: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Listener {
    /// Binds `port` on 127.0.0.1; 0 takes any free one.
    pub(crate) fn bind(port: u16) -> io::Result<Self> {
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nonblocking(true)?;
        let socket = TcpListener::from_std(socket)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    pub(crate) fn url(&self) -> String {
        base_url(self.address)
    }
}

fn base_url(address: SocketAddr) -> String {
    format!("http://{address}")
}

async fn accept<S: Counterpart>(socket: TcpListener, simulator: Simulator<S>) {
    // Owned here, so that the end of this task is the end of every connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            taken = socket.accept() => match taken {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, simulator.clone()));
                }
                // Out of file descriptors, most likely: give the others time to close.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse<S: Counterpart>(stream: TcpStream, simulator: Simulator<S>) {
    let reset = Arc::new(AtomicBool::new(false));
    let wire = Wire {
        stream,
        reset: Arc::clone(&reset),
    };
    let service =
        service_fn(move |incoming| handle(incoming, simulator.clone(), Arc::clone(&reset)));
    // A connection that breaks is an event of the client's, or one that the script asked for.
    drop(
        http1::Builder::new()
            .serve_connection(TokioIo::new(wire), service)
            .await,
    );
}

async fn handle<S: Counterpart>(
    incoming: hyper::Request<Incoming>,
    simulator: Simulator<S>,
    reset: Arc<AtomicBool>,
) -> io::Result<Response<Body>> {
    let exchange = simulator.tape.open();
    let (parts, body) = incoming.into_parts();
    let body = Limited::new(body, BODY_CAP)
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes();
    let request = Request {
        method: parts.method,
        target: parts
            .uri
            .path_and_query()
            .map_or_else(String::new, ToString::to_string),
        headers: parts.headers,
        body,
        at_ms: simulator.tape.clock.now_ms(),
    };
    simulator.tape.record(request.clone());
    let (scripted, fault) = match simulator.tape.script.take(&request) {
        Some(Fault::Answer(answer)) => (Some(*answer), None),
        other => (None, other),
    };
    let mut answer = simulator.state.answer(&request, scripted);
    if request.method == http::Method::HEAD {
        answer.frames.clear();
    }
    answer::send(answer, fault, exchange, reset).await
}

/// A connection that can be reset instead of closed.
struct Wire {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.load(Ordering::SeqCst) {
            // Nobody is left to tell; the close that follows is then an ordinary one.
            drop(self.stream.set_zero_linger());
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Twice the largest body that any of the simulated parties accepts.
const BODY_CAP: usize = 64 * 1024 * 1024;
