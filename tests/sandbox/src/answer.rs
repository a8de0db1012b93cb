//! An answer, and the ways in which a fault spoils it.

use crate::fault::Fault;
use crate::sse::Frame;
use crate::tape::Exchange;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::Value;
use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// What a simulator says to one request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: Box<HeaderMap>,
    /// The body, piece by piece. More than one piece makes it a stream.
    pub frames: Vec<Frame>,
    /// The pause between two pieces.
    pub gap: Duration,
}

impl Answer {
    /// An answer without a body.
    #[must_use]
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: Box::default(),
            frames: Vec::new(),
            gap: Duration::ZERO,
        }
    }

    /// A JSON document.
    #[must_use]
    pub fn json(status: StatusCode, document: &Value) -> Self {
        Self::bytes(status, "application/json", document.to_string())
    }

    /// A body of a given type.
    #[must_use]
    pub fn bytes(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut answer = Self::empty(status).with("content-type", content_type);
        answer.frames.push(Frame::raw(body));
        answer
    }

    /// A stream of events.
    #[must_use]
    pub fn events(frames: Vec<Frame>, gap: Duration) -> Self {
        let mut answer = Self::empty(StatusCode::OK)
            .with("content-type", "text/event-stream; charset=utf-8")
            .with("cache-control", "no-cache");
        answer.frames = frames;
        answer.gap = gap;
        answer
    }

    /// Sends the browser elsewhere with GET.
    #[must_use]
    pub fn see_other(location: &str) -> Self {
        Self::empty(StatusCode::SEE_OTHER).with("location", location)
    }

    /// The same with a header set. One that HTTP cannot carry is left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if let Some((name, value)) = header(name, value) {
            self.headers.insert(name, value);
        }
        self
    }

    fn and(mut self, more: &[(String, String)]) -> Self {
        for (name, value) in more.iter().filter_map(|(name, value)| header(name, value)) {
            self.headers.append(name, value);
        }
        self
    }

    fn is_stream(&self) -> bool {
        self.headers
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
    }
}

fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::try_from(name).ok()?;
    let value = HeaderValue::try_from(value).ok()?;
    Some((name, value))
}

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The ends a body can come to.
#[derive(Clone, Copy, Debug)]
enum End {
    Clean,
    Broken,
    Reset,
    Silent,
}

/// Sends `answer`, spoiled by `fault`, over the connection that `reset` belongs to.
///
/// # Errors
///
/// An error closes the connection: that is how hyper is told to break off.
pub(crate) async fn send(
    answer: Answer,
    fault: Option<Fault>,
    mut exchange: Exchange,
    reset: Arc<AtomicBool>,
) -> io::Result<Response<Body>> {
    match &fault {
        Some(Fault::Hang) => pending().await,
        Some(Fault::Delay(by)) => sleep(*by).await,
        Some(Fault::Reset) => {
            reset.store(true, Ordering::SeqCst);
            exchange.finish();
            return Err(broken());
        }
        _ => {}
    }
    let (answer, end) = spoil(answer, fault);
    Ok(play(answer, end, exchange, reset))
}

fn spoil(answer: Answer, fault: Option<Fault>) -> (Answer, End) {
    let whole = length(&answer.frames);
    let mut answer = if answer.is_stream() {
        answer
    } else {
        // Said before the cut, so that a cut body falls short of what the head promised.
        answer.with("content-length", &whole.to_string())
    };
    match fault {
        Some(Fault::CutAfter(count)) => (first(answer, count), End::Broken),
        Some(Fault::ResetAfter(count)) => (first(answer, count), End::Reset),
        Some(Fault::StallAfter(count)) => (first(answer, count), End::Silent),
        Some(Fault::NoTerminal) => {
            answer.frames.retain(|frame| !frame.terminal);
            (answer, End::Clean)
        }
        Some(Fault::Interrupt { after, with }) => {
            answer.frames.truncate(after);
            answer.frames.push(Frame::raw(with));
            answer.headers.remove("content-length");
            (answer, End::Clean)
        }
        Some(Fault::Rechunk(size)) => (pieces(answer, size), End::Clean),
        Some(Fault::Slow(gap)) => {
            let mut answer = pieces(answer, 1);
            answer.gap = gap;
            (answer, End::Clean)
        }
        Some(Fault::ContentType(kind)) => (answer.with("content-type", &kind), End::Clean),
        Some(Fault::Headers(more)) => (answer.and(&more), End::Clean),
        _ => (answer, End::Clean),
    }
}

fn length(frames: &[Frame]) -> usize {
    frames
        .iter()
        .fold(0, |sum, frame| frame.bytes.len().saturating_add(sum))
}

/// The answer with only the first `count` bytes of its body.
fn first(mut answer: Answer, count: usize) -> Answer {
    let mut left = count;
    for frame in &mut answer.frames {
        frame.bytes.truncate(left);
        left = left.saturating_sub(frame.bytes.len());
    }
    answer.frames.retain(|frame| !frame.bytes.is_empty());
    answer
}

/// The answer with its body in pieces of `size` bytes.
fn pieces(mut answer: Answer, size: usize) -> Answer {
    let mut all = BytesMut::new();
    for frame in &answer.frames {
        all.extend_from_slice(&frame.bytes);
    }
    let all = all.freeze();
    let pieces = all
        .chunks(size.max(1))
        .map(|piece| Frame::raw(all.slice_ref(piece)));
    answer.frames = pieces.collect();
    answer
}

/// A body on its way out.
struct Playing {
    frames: VecDeque<Bytes>,
    gap: Duration,
    begun: bool,
    end: End,
    exchange: Exchange,
    reset: Arc<AtomicBool>,
}

fn play(
    answer: Answer,
    end: End,
    mut exchange: Exchange,
    reset: Arc<AtomicBool>,
) -> Response<Body> {
    let frames: VecDeque<Bytes> = answer.frames.into_iter().map(|frame| frame.bytes).collect();
    if frames.is_empty() && matches!(end, End::Clean) {
        exchange.finish();
    }
    let playing = Playing {
        frames,
        gap: answer.gap,
        begun: false,
        end,
        exchange,
        reset,
    };
    let body = StreamBody::new(stream::unfold(playing, step)).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = *answer.headers;
    response
}

type Step = Option<(io::Result<hyper::body::Frame<Bytes>>, Playing)>;

async fn step(mut playing: Playing) -> Step {
    if let Some(bytes) = playing.frames.pop_front() {
        if playing.begun && !playing.gap.is_zero() {
            sleep(playing.gap).await;
        }
        playing.begun = true;
        // Told the length, hyper does not ask again after the last piece: this is the end.
        if playing.frames.is_empty() && matches!(playing.end, End::Clean) {
            playing.exchange.finish();
        }
        return Some((Ok(hyper::body::Frame::data(bytes)), playing));
    }
    match playing.end {
        End::Clean => return None,
        End::Silent => pending().await,
        End::Broken => {}
        End::Reset => playing.reset.store(true, Ordering::SeqCst),
    }
    // hyper writes out what it holds only while the body has nothing more to give.
    sleep(FLUSH).await;
    playing.exchange.finish();
    Some((Err(broken()), playing))
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "broken off by the script")
}

const FLUSH: Duration = Duration::from_millis(20);
