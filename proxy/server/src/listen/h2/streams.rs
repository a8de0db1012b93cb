//! The two directions of one HTTP/2 stream. A socket that moves says nothing about a stream that
//! does not, so each stream is watched by itself.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::super::Limits;
use super::super::pace::{Alarm, Patience};
use super::super::refusal::Tally;
use super::super::wire::Leaving;

/// A request body that has to keep coming.
pub(super) struct Coming {
    body: Incoming,
    alarm: Alarm,
    patience: Patience,
    tally: Arc<Tally>,
}

impl Coming {
    pub(super) fn new(body: Incoming, limits: &Limits) -> Self {
        let patience = Patience::new(limits.body_grace, limits.body_floor);
        let tally = Arc::clone(&limits.tally);
        Self {
            body,
            alarm: Alarm::default(),
            patience,
            tally,
        }
    }
}

impl Body for Coming {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            if let Some(Ok(frame)) = &frame {
                this.patience.earn(frame.data_ref().map_or(0, Bytes::len));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        let deadline = this.patience.wait();
        this.alarm.poll_until(cx, deadline).map(|()| {
            this.tally.cut();
            Some(Err(io::ErrorKind::TimedOut.into()))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The answers on one connection, and since when each waits for its client.
#[derive(Debug)]
pub(super) struct Watch {
    opened: Instant,
    going: Mutex<Vec<Weak<Mark>>>,
}

/// When a part of an answer was handed over, in milliseconds after the connection opened, plus one;
/// 0 when the next part was asked for, which is when the client had room for the last.
type Mark = AtomicU64;

impl Watch {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            going: Mutex::default(),
        }
    }

    /// The same answer, watched.
    pub(super) fn over(self: &Arc<Self>, answer: Response<Leaving>) -> Response<Going> {
        let mark = Arc::new(Mark::new(0));
        let mut going = self.going.lock().unwrap_or_else(PoisonError::into_inner);
        going.retain(|mark| mark.strong_count() > 0);
        going.push(Arc::downgrade(&mark));
        drop(going);
        let watch = Arc::clone(self);
        answer.map(|body| Going { body, mark, watch })
    }

    /// Whether an answer has waited for its client for `limit`.
    pub(super) fn has_stalled(&self, limit: Duration) -> bool {
        let now = self.now();
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let going = self.going.lock().unwrap_or_else(PoisonError::into_inner);
        let mut handed = going
            .iter()
            .filter_map(Weak::upgrade)
            .map(|mark| mark.load(Ordering::Relaxed));
        handed.any(|at| at != 0 && now.saturating_sub(at) >= limit)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .saturating_add(1)
    }
}

/// An answer's body on its way out.
pub(super) struct Going {
    body: Leaving,
    mark: Arc<Mark>,
    watch: Arc<Watch>,
}

impl Body for Going {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        this.mark.store(0, Ordering::Relaxed);
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(Some(_))) {
            this.mark.store(this.watch.now(), Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use axum::body::Body as Any;
    use http_body_util::BodyExt;
    use tokio::time::advance;

    use super::super::super::wire::{Running, Wire};
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    /// A body that always has more.
    struct Endless;

    impl Body for Endless {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"more")))))
        }
    }

    /// A body that has nothing to say yet.
    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn h2_07_an_answer_stalls_when_its_next_part_is_not_asked_for() {
        let (watch, wire) = (Arc::new(Watch::new()), Arc::new(Wire::default()));
        wire.enter(false);
        let answer = Running::new(&wire).until_out(Response::new(Any::new(Endless)));
        let mut going = watch.over(answer).into_body();
        advance(LIMIT * 2).await;
        assert!(!watch.has_stalled(LIMIT), "nothing was handed over yet");

        for _ in 0..5 {
            going.frame().await.unwrap().unwrap();
            advance(Duration::from_secs(29)).await;
            assert!(!watch.has_stalled(LIMIT));
        }
        advance(Duration::from_secs(1)).await;

        assert!(watch.has_stalled(LIMIT));
        drop(going);
        assert!(!watch.has_stalled(LIMIT), "it is over");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_has_nothing_to_say_yet_does_not_stall() {
        let (watch, wire) = (Arc::new(Watch::new()), Arc::new(Wire::default()));
        wire.enter(false);
        let answer = Running::new(&wire).until_out(Response::new(Any::new(Silent)));
        let mut going = watch.over(answer).into_body();

        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut going).poll_frame(&mut cx).is_pending());
        advance(LIMIT * 10).await;

        assert!(!watch.has_stalled(LIMIT));
    }
}
