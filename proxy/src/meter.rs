//! The answer on its way to the caller: byte for byte, counted as it goes by, settled once.
//!
//! A frame that comes in goes out as it is; nothing is gathered and nothing is rebuilt. Bytes of
//! ours stand only between complete events: a heartbeat when the provider is silent, and one last
//! event when a stream cannot go on. Whatever ends the answer (its own end, a fault, a revocation,
//! a caller who leaves) closes the row of the journal, exactly once.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bauta_token::ambient::Clock;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::{
    admit::Route,
    dialect::{Dialect, Ending, Tally, Told},
    forward::{Answer, Relay, Timeouts},
    http::{self as http_line, Line},
    metrics::{self, Metrics},
    ports::Outcome,
    record::{Ended, Open, Sent},
    redeem::{Cut, Watch},
    reserve::{Hold, headers},
    route::health::Health,
    trace::Tracer,
};

/// What the stage needs beside the answer.
#[derive(Clone)]
pub struct Meter {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    tracer: Option<Arc<Tracer>>,
    health: Arc<Health>,
    timeouts: Timeouts,
}

impl Meter {
    /// A meter that reckons by `clock`.
    #[must_use]
    pub const fn new(
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        tracer: Option<Arc<Tracer>>,
        health: Arc<Health>,
        timeouts: Timeouts,
    ) -> Self {
        Self {
            clock,
            metrics,
            tracer,
            health,
            timeouts,
        }
    }

    /// The response for the caller, its body counted as it goes by.
    #[must_use]
    pub fn meter(&self, answer: Answer, mut line: Line) -> Response<Metered> {
        let now = self.clock.now();
        line.answered(now);
        let Answer {
            response,
            dialect,
            route,
            fallback,
            served_by,
            explained,
            upstream,
            idle_s,
            hold,
            open,
            sent,
            watch,
        } = answer;
        let (head, inner) = response.into_parts();
        let tally = Tally::new(route, &head.headers);
        let mut kept = dialect.returned(&head.headers);
        insert(&mut kept, SERVED_BY, &served_by);
        kept.insert(
            FALLBACK,
            HeaderValue::from_static(if fallback { "true" } else { "false" }),
        );
        if let Some(told) = explained {
            kept.insert(EXPLAIN, HeaderValue::from_static(told.code));
        }
        if let Ok(id) = HeaderValue::from_bytes(&open.id().letters()) {
            kept.insert(REQUEST, id);
        }
        if head.status.is_success() {
            headers::insert(&mut kept, dialect, &hold, open.standing(), now);
        }
        if tally.is_stream() {
            // Proxies on the way must not gather a stream.
            kept.insert(ACCEL, HeaderValue::from_static("no"));
            kept.entry(header::CACHE_CONTROL)
                .or_insert(HeaderValue::from_static("no-cache"));
        }
        let mut body = Metered {
            inner,
            live: Some(Live {
                dialect,
                route,
                status: head.status,
                tally,
                watch,
                open,
                sent,
                _hold: hold,
                line,
                quiet_s: 0,
                idle_s,
                upstream,
            }),
            last: None,
            ticks: None,
            meter: self.clone(),
        };
        // Nobody asks for a piece of a body that has none.
        body.end_with_the_last_byte();
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.headers_mut() = kept;
        response
    }
}

/// The body of an answer.
pub struct Metered {
    inner: Relay,
    /// Until the row is closed.
    live: Option<Live>,
    /// What is still to be said after that.
    last: Option<Result<Bytes, io::Error>>,
    /// Counts silence; made at the first one, since most answers have none.
    ticks: Option<Interval>,
    meter: Meter,
}

struct Live {
    dialect: Dialect,
    route: Route,
    status: StatusCode,
    tally: Tally,
    watch: Watch,
    open: Open,
    sent: Sent,
    /// Its turn is over when the answer is.
    _hold: Hold,
    line: Line,
    quiet_s: u32,
    idle_s: u32,
    upstream: usize,
}

impl Body for Metered {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if self.live.is_none() {
                let last = self.last.take();
                return Poll::Ready(last.map(|last| last.map(Frame::data)));
            }
            if let Some(cut) = self.taken_away() {
                self.cut(cut);
                continue;
            }
            match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers stay here: nothing in them is the caller's business.
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    if self.count(&data) {
                        self.end_with_the_last_byte();
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
                Poll::Ready(Some(Err(_))) => self.cut(End::Broken),
                Poll::Ready(None) => self.ended(),
                Poll::Pending => {
                    if let Some(beat) = ready!(self.poll_silence(cx)) {
                        return Poll::Ready(Some(Ok(Frame::data(beat))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.live.is_none() && self.last.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.live {
            // Events of ours may be added to a stream; a document keeps its length.
            Some(live) if !live.tally.is_stream() => self.inner.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

/// Why an answer is cut.
#[derive(Clone, Copy)]
enum End {
    Taken(Cut),
    Broken,
    Idle,
    Oversized,
}

impl Metered {
    fn taken_away(&mut self) -> Option<End> {
        let now = self.meter.clock.now();
        let live = self.live.as_mut()?;
        live.watch.check(now).map(End::Taken)
    }

    /// Counts a piece. Whether it may go on to the caller.
    fn count(&mut self, data: &Bytes) -> bool {
        let Some(live) = &mut self.live else {
            return false;
        };
        live.quiet_s = 0;
        live.line.bytes(data.len());
        live.tally.feed(data);
        if live.tally.is_oversized() {
            self.cut(End::Oversized);
            return false;
        }
        true
    }

    /// One second of silence after the other: a heartbeat now and then, and an end to it.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let ticks = self.ticks.get_or_insert_with(|| {
            let mut ticks = interval(SECOND);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        ready!(ticks.poll_tick(cx));
        let timeouts = self.meter.timeouts;
        let Some(live) = &mut self.live else {
            return Poll::Ready(None);
        };
        live.quiet_s = live.quiet_s.saturating_add(1);
        if live.quiet_s > live.idle_s {
            self.cut(End::Idle);
            return Poll::Ready(None);
        }
        let due = live.quiet_s.checked_rem(timeouts.heartbeat_s) == Some(0);
        if due && live.tally.between_events() && !live.tally.has_ended() {
            return Poll::Ready(Some(Bytes::from_static(live.dialect.heartbeat())));
        }
        Poll::Ready(None)
    }

    /// An answer of known length ends with its last byte. Whoever relays it knows the length too,
    /// and does not ask for the end after it.
    fn end_with_the_last_byte(&mut self) {
        if self.inner.is_end_stream() {
            self.ended();
        }
    }

    /// The upstream said all it had to say.
    fn ended(&mut self) {
        let Some(live) = &self.live else { return };
        if !live.status.is_success() {
            return self.settle(Outcome::UpstreamError);
        }
        match live.tally.clone().total().ending {
            // A provider that gave up said so itself, and a client that reads it knows.
            Ending::Complete | Ending::Failed => self.settle(Outcome::Completed),
            Ending::Truncated => self.cut(End::Broken),
        }
    }

    /// Ends the answer before its end: with an event that the caller's client raises as an error,
    /// or, where there are no events, by breaking off, so that it cannot pass for a whole one.
    fn cut(&mut self, end: End) {
        let Some(live) = &self.live else { return };
        let (outcome, told) = end.told();
        if live.tally.has_ended() {
            return self.settle(outcome.after_its_end());
        }
        self.last = Some(if live.tally.is_stream() {
            Ok(live.dialect.cut(live.route, &live.tally, &told))
        } else {
            Err(io::Error::from(io::ErrorKind::UnexpectedEof))
        });
        self.settle(outcome);
    }

    /// Closes the row.
    fn settle(&mut self, outcome: Outcome) {
        let Some(live) = self.live.take() else { return };
        let (open, ended) = live.settle(outcome, &self.meter);
        open.close(ended);
    }
}

impl Live {
    /// The row, and how it ended.
    fn settle(self, outcome: Outcome, meter: &Meter) -> (Open, Ended) {
        // The provider's error is the provider's, whoever leaves in the middle of it.
        let outcome = if self.status.is_success() {
            outcome
        } else {
            Outcome::UpstreamError
        };
        match outcome {
            Outcome::Completed => meter.health.completed(self.upstream),
            Outcome::UpstreamTruncated => meter.health.broke_off(self.upstream),
            _ => {}
        }
        let total = self.tally.total();
        let served = Arc::clone(&self.sent.served);
        let ended = Ended {
            outcome,
            status: Some(self.status),
            sent: Some(self.sent),
            total: Some(total),
        };
        let (now, cost_micro_usd) = (meter.clock.now(), ended.cost().get());
        meter.metrics.ended(&metrics::Ending {
            route: self.route,
            outcome,
            served: &served,
            first_byte_ms: self.line.first_byte_ms(),
            took_ms: self.line.took_ms(now),
            usage: total.usage,
            cost_micro_usd,
        });
        let told = http_line::Answer {
            dialect: self.dialect,
            served: &served,
            usage: total.usage,
            cost_micro_usd,
        };
        let tracer = meter.tracer.as_deref();
        self.line.end(outcome, self.status, &told, now, tracer);
        (self.open, ended)
    }
}

/// The caller left, or the server drains: what is known is handed over.
impl Drop for Metered {
    fn drop(&mut self) {
        let Some(live) = self.live.take() else { return };
        // Who leaves after the end was told has had everything.
        let outcome = if live.tally.has_ended() {
            Outcome::Completed
        } else {
            Outcome::ClientGone
        };
        let (open, ended) = live.settle(outcome, &self.meter);
        open.leave(ended);
    }
}

impl End {
    const fn told(self) -> (Outcome, Told) {
        match self {
            Self::Taken(Cut::Revoked) => (
                Outcome::Revoked,
                Told::new((
                    StatusCode::UNAUTHORIZED,
                    "token_revoked",
                    "This token was revoked.",
                )),
            ),
            Self::Taken(Cut::Stale) => (
                Outcome::Stale,
                Told::new((
                    StatusCode::SERVICE_UNAVAILABLE,
                    "stale",
                    "The gateway does not hear the identity plane and lets nobody pass.",
                )),
            ),
            Self::Taken(Cut::Drained) => (
                Outcome::Drained,
                Told::new((
                    StatusCode::SERVICE_UNAVAILABLE,
                    "draining",
                    "The gateway is restarting. Ask again.",
                )),
            ),
            Self::Broken => (
                Outcome::UpstreamTruncated,
                Told::new((
                    StatusCode::BAD_GATEWAY,
                    "upstream_truncated",
                    "The provider's answer stopped before its end.",
                )),
            ),
            Self::Idle => (
                Outcome::UpstreamTruncated,
                Told::new((
                    StatusCode::GATEWAY_TIMEOUT,
                    "upstream_silent",
                    "The provider fell silent before the end of its answer.",
                )),
            ),
            Self::Oversized => (
                Outcome::UpstreamTruncated,
                Told::new((
                    StatusCode::BAD_GATEWAY,
                    "upstream_oversized",
                    "The provider's answer has a line longer than any client takes.",
                )),
            ),
        }
    }
}

impl Outcome {
    /// A connection that breaks after the end was told took nothing away.
    const fn after_its_end(self) -> Self {
        match self {
            Self::UpstreamTruncated => Self::Completed,
            other => other,
        }
    }
}

fn insert(headers: &mut http::HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

const SERVED_BY: HeaderName = HeaderName::from_static("bauta-served-by");
const FALLBACK: HeaderName = HeaderName::from_static("bauta-fallback");
/// The code of a provider's refusal, for `bauta explain`.
const EXPLAIN: HeaderName = HeaderName::from_static("bauta-explain");
/// The journal's id of the request.
pub(crate) const REQUEST: HeaderName = HeaderName::from_static("bauta-request");
const ACCEL: HeaderName = HeaderName::from_static("x-accel-buffering");
const SECOND: Duration = Duration::from_secs(1);
