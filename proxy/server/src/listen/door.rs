//! The service behind hyper: every request that came through the front goes to the router here.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::body::Body;
use axum::response::IntoResponse;
use axum::{BoxError, Router};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};
use hyper::body::Incoming;
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
    let answer = guarded(router, &limits.tally, request).await;
    Ok(running.until_out(answer))
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
) -> Response<Body>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
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
