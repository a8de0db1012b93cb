//! The service behind hyper: every request that came through the front goes to the router here.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body;
use axum::response::IntoResponse;
use axum::{BoxError, Router};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tower::Service;

use super::Limits;
use super::head::is_odd;
use super::refusal::{Tally, fault};
use super::strict::STAND_IN_METHOD;
use super::wire::{Leaving, Running, Wire};

/// Answers an HTTP/1 request: a stand-in with its refusal, the rest with what the router says.
pub(super) async fn answer(
    router: Router,
    wire: Arc<Wire>,
    limits: Arc<Limits>,
    mut request: Request<Incoming>,
) -> Result<Response<Leaving>, Infallible> {
    let running = Running::new(&wire);
    if request.method().as_str() == STAND_IN_METHOD {
        return Ok(running.until_out(wire.refused().answer(&limits.hosts)));
    }
    if wire.is_odd() {
        take_odd(request.headers_mut());
    }
    let ended = Arc::new(AtomicBool::new(request.body().is_end_stream()));
    let request = request.map(|body| Heard {
        body,
        ended: Arc::clone(&ended),
    });
    let mut answer = guarded(router, &limits.tally, request).await;
    if !ended.load(Ordering::Relaxed) {
        // Hyper closes behind it, and a client that is not told sends its next request into that.
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    Ok(running.until_out(answer))
}

/// A request's body, of which is known whether it was read to its end.
struct Heard {
    body: Incoming,
    ended: Arc<AtomicBool>,
}

impl Body for Heard {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.ended.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Takes off the fields that no handler may see.
pub(super) fn take_odd(headers: &mut HeaderMap) {
    let odd: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_odd(name.as_str().as_bytes()))
        .cloned()
        .collect();
    for name in odd {
        headers.remove(name);
    }
}

/// The router's answer, or a 500 where a handler panicked. What it panicked with is not looked at:
/// it may hold anything.
pub(super) async fn guarded<B>(
    mut router: Router,
    tally: &Tally,
    request: Request<B>,
) -> Response<body::Body>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let mut answering = pin!(router.call(request));
    let answered = std::future::poll_fn(|cx| {
        match catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Some),
            Err(_payload) => Poll::Ready(None),
        }
    });
    if let Some(answer) = answered.await {
        return answer.into_response();
    }
    tally.panic();
    tracing::error!("a handler panicked");
    fault()
}
