//! What the two ends of one connection know of each other: the reader in front of hyper and the
//! service behind it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use super::refusal::Reason;

/// What the two ends of one connection share. All of it is touched by the connection's own task;
/// the atomics only say so to the compiler.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// Requests that went in and whose answers are not out.
    running: AtomicU32,
    odd: AtomicBool,
    draining: AtomicBool,
    refused: AtomicU8,
    after: Mutex<After>,
}

/// What happens when an answer is out.
#[derive(Debug, Default)]
struct After {
    /// Who waits for it.
    held: Option<Waker>,
    /// When the last one was.
    idle_since: Option<Instant>,
}

impl Wire {
    /// A request goes in. `odd` when it has fields that no handler may see.
    pub(super) fn enter(&self, odd: bool) {
        self.odd.store(odd, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether every request was answered.
    pub(super) fn is_idle(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }

    /// Whether the request that went in last has fields to take off.
    pub(super) fn is_odd(&self) -> bool {
        self.odd.load(Ordering::Relaxed)
    }

    /// The next request is a refusal's stand-in; this is the refusal.
    pub(super) fn refuse(&self, reason: Reason) {
        let index = Reason::ALL.iter().position(|known| *known == reason);
        let index = index.and_then(|at| u8::try_from(at).ok()).unwrap_or(0);
        self.refused.store(index, Ordering::Relaxed);
        self.enter(false);
    }

    /// What the stand-in stands for.
    pub(super) fn refused(&self) -> Reason {
        let index = usize::from(self.refused.load(Ordering::Relaxed));
        Reason::ALL.get(index).copied().unwrap_or(Reason::Malformed)
    }

    /// No new request may go in.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether new requests are turned down.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Has `waker` woken when the running answer is out. Its caller looks at [`Self::is_idle`] before.
    pub(super) fn hold(&self, waker: &Waker) {
        let mut after = self.after.lock().unwrap_or_else(PoisonError::into_inner);
        match after.held.as_ref() {
            Some(known) if known.will_wake(waker) => {}
            _ => after.held = Some(waker.clone()),
        }
    }

    /// When the last answer was out.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.after
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .idle_since
    }

    fn leave(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        let mut after = self.after.lock().unwrap_or_else(PoisonError::into_inner);
        after.idle_since = Some(Instant::now());
        if let Some(waker) = after.held.take() {
            waker.wake();
        }
    }
}

/// A request that went in. When it is dropped, with its answer or with the connection, it is out.
#[derive(Debug)]
pub(super) struct Running(Arc<Wire>);

impl Running {
    /// The request that went in last.
    pub(super) fn new(wire: &Arc<Wire>) -> Self {
        Self(Arc::clone(wire))
    }

    /// The same answer, which is out when its last byte is.
    pub(super) fn until_out(self, answer: Response<Body>) -> Response<Leaving> {
        answer.map(|body| Leaving {
            body,
            _running: self,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// An answer's body on its way out.
#[derive(Debug)]
pub(super) struct Leaving {
    body: Body,
    _running: Running,
}

impl hyper::body::Body for Leaving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
