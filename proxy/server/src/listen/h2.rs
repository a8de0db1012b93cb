//! HTTP/2, over TLS only. Its framing is hyper's; its requests pass the rules of the HTTP/1 front.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::{HeaderMap, Request, Response, header};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::head::{MAX_FIELDS, MAX_HEAD, MAX_TARGET, takes_body};
use super::host::{Authority, Hosts};
use super::refusal::Reason;
use super::wire::{Leaving, Running, Wire};
use super::{Connection, Limits, door, target};

mod calm;
mod streams;

use self::calm::Calm;
use self::streams::{Coming, Watch};

/// How often a connection is looked at for being idle or stalled.
const LOOK: Duration = Duration::from_secs(5);

/// Runs HTTP/2 on `stream` to its end.
pub(super) async fn serve<S>(connection: Connection, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (wire, watch) = (Arc::new(Wire::default()), Arc::new(Watch::new()));
    let limits = &connection.limits;
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(connection.place.house());
        let (router, limits) = (connection.router.clone(), Arc::clone(limits));
        let (wire, watch) = (Arc::clone(&wire), Arc::clone(&watch));
        async move { Ok::<_, Infallible>(watch.over(answer(router, wire, limits, request).await)) }
    });
    let builder = builder(&connection.tracker);
    let stream = Calm::new(stream, Arc::clone(&limits.tally));
    let mut serving = Box::pin(builder.serve_connection(TokioIo::new(stream), service));
    let last_wait = tokio::select! {
        biased;
        // How a connection ends is the client's business, and an error says no more than that.
        _end = serving.as_mut() => return,
        () = connection.shutdown.cancelled() => None,
        end = watched(&wire, &watch, limits) => match end {
            End::Idle => Some(limits.write_stall),
            End::Stalled => return limits.tally.cut(),
        },
    };
    serving.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        _end = serving.as_mut() => {}
        () = connection.cut.cancelled() => limits.tally.cut(),
        // An idle client that does not take our good-bye.
        () = tokio::time::sleep(last_wait.unwrap_or(Duration::MAX)) => limits.tally.cut(),
    }
}

fn builder(tracker: &TaskTracker) -> http2::Builder<Tracked> {
    let mut builder = http2::Builder::new(Tracked(tracker.clone()));
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .max_header_list_size(16 * 1024)
        .max_frame_size(16 * 1024)
        .max_concurrent_streams(100)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(64 * 1024)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(50);
    builder
}

/// Why a connection is ended from this side.
enum End {
    /// Nothing has run for a while.
    Idle,
    /// A client does not take its answer.
    Stalled,
}

/// Returns when there is a reason to end the connection.
async fn watched(wire: &Wire, watch: &Watch, limits: &Limits) -> End {
    let opened = Instant::now();
    loop {
        tokio::time::sleep(LOOK.min(limits.idle).min(limits.write_stall)).await;
        if watch.has_stalled(limits.write_stall) {
            return End::Stalled;
        }
        let since = wire.idle_since().unwrap_or(opened);
        if wire.is_idle() && since.elapsed() >= limits.idle {
            return End::Idle;
        }
    }
}

async fn answer(
    router: Router,
    wire: Arc<Wire>,
    limits: Arc<Limits>,
    mut request: Request<Incoming>,
) -> Response<Leaving> {
    wire.enter(false);
    let running = Running::new(&wire);
    if let Err(reason) = check(&request, &limits.hosts) {
        limits.tally.refuse(reason);
        let mut answer = reason.answer(&limits.hosts);
        // One stream is refused, not the connection; the field does not exist here.
        answer.headers_mut().remove(header::CONNECTION);
        return running.until_out(answer);
    }
    door::take_odd(request.headers_mut());
    let request = request.map(|body| Coming::new(body, &limits));
    let answer = door::guarded(router, &limits.tally, request).await;
    running.until_out(answer)
}

/// The rules of `head`, for a request that hyper has already taken apart.
fn check<B: hyper::body::Body>(request: &Request<B>, hosts: &Hosts) -> Result<(), Reason> {
    let takes_body = takes_body(request.method().as_str().as_bytes()).ok_or(Reason::Method)?;
    let path = request
        .uri()
        .path_and_query()
        .ok_or(Reason::Target)?
        .as_str();
    if path.len() > MAX_TARGET {
        return Err(Reason::LongTarget);
    }
    target::check(path.as_bytes())?;
    let headers = request.headers();
    check_fields(headers)?;
    if !takes_body && !request.body().is_end_stream() {
        return Err(Reason::Body);
    }
    let asked = authority(request)?;
    if hosts.contain(&asked) {
        Ok(())
    } else {
        hosts.turn_away(&asked);
        Err(Reason::Misdirected)
    }
}

fn check_fields(headers: &HeaderMap) -> Result<(), Reason> {
    let size = |sum: usize, (name, value): (&header::HeaderName, &header::HeaderValue)| {
        sum.saturating_add(name.as_str().len())
            .saturating_add(value.len())
    };
    let fields = u32::try_from(headers.len()).unwrap_or(u32::MAX);
    if fields > MAX_FIELDS || headers.iter().fold(0, size) > MAX_HEAD {
        return Err(Reason::LargeHead);
    }
    if headers.values().any(|value| value.to_str().is_err()) {
        return Err(Reason::Malformed);
    }
    if headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
        return Err(Reason::Credentials);
    }
    if headers.get_all(header::CONTENT_LENGTH).iter().count() > 1 {
        return Err(Reason::Framing);
    }
    match headers.get(header::EXPECT) {
        Some(value) if value != "100-continue" => Err(Reason::Expectation),
        _ => Ok(()),
    }
}

/// Whom the request is addressed to: `:authority`, and a `Host` only if it says the same.
fn authority<B>(request: &Request<B>) -> Result<Authority<&str>, Reason> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().map(http::HeaderValue::as_bytes);
    let pseudo = request
        .uri()
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    let differ = matches!((pseudo, host), (Some(pseudo), Some(host)) if pseudo != host);
    if hosts.next().is_some() || differ {
        return Err(Reason::Host);
    }
    pseudo
        .or(host)
        .and_then(Authority::parse)
        .ok_or(Reason::Host)
}

/// Runs hyper's own tasks on our tracker, so that shutdown waits for them.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        drop(self.0.spawn(task));
    }
}
