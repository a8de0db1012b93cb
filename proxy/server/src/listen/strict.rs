//! The reader in front of hyper.
//!
//! It lets a request head through when the whole of it is there and good, and then exactly as many
//! body bytes as the head announced. What it does not let through hyper never sees:
//!
//! * A **refused head** is replaced by a stand-in, a request with a method of our own that no client
//!   can send because the scanner refuses it. The service answers the stand-in with the refusal, so
//!   that hyper writes it in its turn, behind whatever is still in its buffer, and closes.
//! * A **broken body** ends early: its handler sees an error instead of a body, hyper closes.
//! * A **next request** on the same connection is held until the answer before it is out. So there is
//!   one request at a time, and a peer that goes away is noticed while its request runs.
//!
//! It also keeps the time: a head has 10 s from its first byte, a connection without a request 100 s
//! (10 s before the first where places are short), a body its floor. Only time during which it is
//! the client's turn counts.
//!
//! Bytes are read into hyper's own buffer and judged there; only what has to wait is copied.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Limits;
use super::head::MAX_HEAD;
use super::pace::{Alarm, Patience};
use super::peers::Crowd;
use super::refusal::Reason;
use super::scan::{Found, Scanner};
use super::wire::Wire;

/// The method of the request that stands in for a refused one.
pub(super) const STAND_IN_METHOD: &str = "REFUSED";
const STAND_IN: &[u8] = b"REFUSED / HTTP/1.1\r\n\r\n";

/// What is still read and thrown away after our last byte, so that a client that is still sending
/// reads our answer and not a reset.
const LINGER_BYTES: usize = 1024 * 1024;

/// A stream of which hyper sees good requests only.
#[derive(Debug)]
pub(super) struct Strict<S> {
    inner: S,
    limits: Arc<Limits>,
    wire: Arc<Wire>,
    crowd: Crowd,
    scanner: Scanner,
    held: Held,
    phase: Phase,
    alarm: Alarm,
    /// Patience with the body that is being read.
    body: Patience,
    /// Since when nothing is there and nothing is running.
    quiet_since: Option<Instant>,
    /// Since when a part of a head is there.
    head_since: Option<Instant>,
    /// No request came yet.
    fresh: bool,
    /// How long that is borne.
    silence: Duration,
    /// Bytes thrown away after a refusal.
    discarded: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The stand-in is on its way; nothing else will be let through.
    Refused,
    /// Hyper was told that the stream has ended.
    Ended,
    /// Our last byte is out; the client's are thrown away.
    Lingering,
}

/// Bytes that wait: first what is good and hyper had no room for, then what is not yet judged.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    /// Where the first byte is.
    from: usize,
    /// Where the first byte is that is not yet known to be good.
    good: usize,
}

impl Held {
    fn push(&mut self, bytes: &[u8]) {
        if self.from == self.bytes.len() {
            self.clear();
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn clear(&mut self) {
        // Most connections never hold a byte; one that held a lot gives the room back.
        self.bytes.clear();
        self.bytes.shrink_to(1024);
        (self.from, self.good) = (0, 0);
    }

    fn unjudged(&self) -> &[u8] {
        self.bytes.get(self.good..).unwrap_or_default()
    }

    /// Gives what is good to `buf`, as much as fits. False when there is nothing to give.
    fn deliver(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let good = self.bytes.get(self.from..self.good).unwrap_or_default();
        let Some(part) = good
            .get(..good.len().min(buf.remaining()))
            .filter(|p| !p.is_empty())
        else {
            return false;
        };
        buf.put_slice(part);
        self.from = self.from.saturating_add(part.len());
        if self.from == self.bytes.len() {
            self.clear();
        }
        true
    }
}

impl<S> Strict<S> {
    /// A connection at its start.
    pub(super) fn new(inner: S, limits: Arc<Limits>, wire: Arc<Wire>, crowd: Crowd) -> Self {
        let silence = limits.first_byte;
        let body = Patience::new(limits.body_grace, limits.body_floor);
        Self {
            inner,
            limits,
            wire,
            crowd,
            scanner: Scanner::new(),
            held: Held::default(),
            phase: Phase::Open,
            alarm: Alarm::default(),
            body,
            quiet_since: None,
            head_since: None,
            fresh: true,
            silence,
            discarded: 0,
        }
    }

    /// Whether bytes have to wait because an answer is not out yet.
    fn is_holding(&self) -> bool {
        self.scanner.at_head() && !self.wire.is_idle()
    }

    /// Judges `bytes` as far as they may go in now; how many are good. Acts on what it finds.
    fn judge(&mut self, bytes: &[u8]) -> usize {
        let mut good = 0_usize;
        loop {
            let rest = bytes.get(good..).unwrap_or_default();
            // A head is judged at the start of a run only: a refusal never has good bytes before it.
            let next = self.scanner.at_head() && (good > 0 || self.is_holding());
            if next || rest.is_empty() {
                return good;
            }
            let passed = self.scanner.pass(rest, &self.limits.hosts);
            good = good.saturating_add(passed.bytes);
            match passed.found {
                Found::Head { odd } => {
                    self.wire.enter(odd);
                    self.body.renew();
                    self.fresh = false;
                    (self.head_since, self.quiet_since) = (None, None);
                }
                Found::Nothing if passed.bytes == 0 => return good,
                Found::Nothing => {}
                Found::Refused(reason) => {
                    self.refuse(reason);
                    return good;
                }
                Found::Broken(reason) => {
                    self.limits.tally.refuse(reason);
                    self.phase = Phase::Ended;
                    return good;
                }
            }
        }
    }

    /// Puts the stand-in in the place of all that waits.
    fn refuse(&mut self, reason: Reason) {
        self.limits.tally.refuse(reason);
        self.wire.refuse(reason);
        self.held.clear();
        self.held.push(STAND_IN);
        self.held.good = STAND_IN.len();
        self.phase = Phase::Refused;
    }

    /// Judges what was held, if its turn has come. True when there is something new to deliver or
    /// the phase has changed.
    fn judge_held(&mut self) -> bool {
        if self.phase != Phase::Open || self.held.unjudged().is_empty() || self.is_holding() {
            return false;
        }
        let bytes = std::mem::take(&mut self.held.bytes);
        let from = self.held.good;
        let good = self.judge(bytes.get(from..).unwrap_or_default());
        if self.phase == Phase::Refused {
            return true;
        }
        self.held.bytes = bytes;
        self.held.good = from.saturating_add(good);
        good > 0 || self.phase != Phase::Open
    }

    /// Nothing came. Ready when it was waited for long enough, and acted on.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let later = |since: Instant, wait: Duration| since.checked_add(wait).unwrap_or(since);
        if self.is_holding() {
            if !self.held.bytes.is_empty() {
                self.wire.hold(cx.waker());
            }
            // Nobody is waited for. The alarm only sees to it that someone looks here again when the
            // answer has been out for a while: hyper does not by itself.
            let look = later(Instant::now(), self.limits.idle);
            return self.alarm.poll_until(cx, look);
        }
        let part = !self.held.unjudged().is_empty();
        let deadline = if !self.scanner.at_head() {
            self.body.wait()
        } else if part {
            let since = *self.head_since.get_or_insert_with(Instant::now);
            later(since, self.limits.head)
        } else {
            let since = self.quiet_since.or_else(|| self.wire.idle_since());
            let since = *self.quiet_since.insert(since.unwrap_or_else(Instant::now));
            let wait = if self.fresh {
                self.silence
            } else {
                self.limits.idle
            };
            later(since, wait)
        };
        ready!(self.alarm.poll_until(cx, deadline));
        if self.fresh && !part && self.silence < self.limits.idle && !self.crowd.is_dense() {
            // A pool's spare connection: closed now, it may be closed under a request.
            self.silence = self.silence.saturating_add(self.limits.first_byte);
            return self.poll_patience(cx);
        }
        if part && self.scanner.at_head() {
            self.refuse(Reason::SlowHead);
        } else {
            if !self.scanner.at_head() || self.fresh {
                self.limits.tally.cut();
            }
            self.phase = Phase::Ended;
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> Strict<S> {
    /// Reads once. Ready when there is something new to look at.
    fn poll_more(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_holding() && self.held.bytes.len() >= MAX_HEAD {
            // Enough waits already; the answer that is due goes first.
            self.wire.hold(cx.waker());
            return Poll::Pending;
        }
        let before = buf.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Pending => return self.poll_patience(cx).map(Ok),
            Poll::Ready(result) => result?,
        }
        let fresh = buf.filled().get(before..).unwrap_or_default();
        if fresh.is_empty() {
            self.phase = Phase::Ended;
            return Poll::Ready(Ok(()));
        }
        self.body.earn(fresh.len());
        let good = if self.held.bytes.is_empty() {
            self.judge(fresh)
        } else {
            0
        };
        if self.phase == Phase::Open {
            let rest = fresh.get(good..).unwrap_or_default();
            if !rest.is_empty() {
                if self.scanner.at_head() && !self.is_holding() && self.head_since.is_none() {
                    self.head_since = Some(Instant::now());
                }
                self.held.push(rest);
            }
        }
        buf.set_filled(before.saturating_add(good));
        Poll::Ready(Ok(()))
    }

    /// Reads and throws away. Ready when the peer is gone.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut room = [0_u8; 4096];
        while self.discarded < LINGER_BYTES {
            let mut waste = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut waste))?;
            if waste.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.discarded = self.discarded.saturating_add(waste.filled().len());
        }
        Poll::Pending
    }

    /// Whether the client may still be sending what nobody will read.
    fn must_linger(&self) -> bool {
        self.phase == Phase::Refused || !self.scanner.at_head() || !self.held.bytes.is_empty()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            if this.held.deliver(buf) || buf.remaining() == 0 || buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            if this.judge_held() {
                continue;
            }
            match this.phase {
                Phase::Open => {}
                // The answer is on its way, even to a client that has closed its own direction.
                Phase::Refused => return Poll::Pending,
                Phase::Ended | Phase::Lingering => return Poll::Ready(Ok(())),
            }
            if this.wire.is_draining() && this.wire.is_idle() && this.scanner.at_head() {
                this.phase = Phase::Ended;
                continue;
            }
            ready!(this.poll_more(cx, buf))?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.scanner.answered();
        Pin::new(&mut this.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.scanner.answered();
        Pin::new(&mut this.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.phase != Phase::Lingering {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            if !this.must_linger() {
                return Poll::Ready(Ok(()));
            }
            this.phase = Phase::Lingering;
            this.discarded = 0;
            this.quiet_since = Some(Instant::now());
        }
        // An error here is the peer being gone, which is what we wait for.
        if this.poll_discard(cx).is_ready() || this.discarded >= LINGER_BYTES {
            return Poll::Ready(Ok(()));
        }
        let since = this.quiet_since.unwrap_or_else(Instant::now);
        let deadline = since.checked_add(this.limits.linger).unwrap_or(since);
        this.alarm.poll_until(cx, deadline).map(Ok)
    }
}
