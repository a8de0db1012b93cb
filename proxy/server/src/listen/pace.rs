//! How long a slow peer is waited for.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// An alarm that is cheap to put off: the timer is only ever brought forward, and what rings too
/// early is set again then.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Ready at `deadline`.
    pub(super) fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

/// The patience left with a peer whose turn it is: waiting uses it up, bytes earn it back, and it is
/// never more than the grace. So a pause is cut after the grace, and a trickle is cut when it is
/// below the floor for long enough to have used the grace up.
#[derive(Debug)]
pub(super) struct Patience {
    grace: Duration,
    floor: u64,
    left: Duration,
    since: Option<Instant>,
}

impl Patience {
    /// The whole `grace`, earned back at `floor` bytes a second.
    pub(super) fn new(grace: Duration, floor: u64) -> Self {
        Self {
            grace,
            floor: floor.max(1),
            left: grace,
            since: None,
        }
    }

    /// Waits, if it does not already, and says until when.
    pub(super) fn wait(&mut self) -> Instant {
        let since = *self.since.get_or_insert_with(Instant::now);
        // Nothing the configuration can say is so long that this has no answer.
        since.checked_add(self.left).unwrap_or(since)
    }

    /// The peer moved `bytes`.
    pub(super) fn earn(&mut self, bytes: usize) {
        let Some(since) = self.since.take() else {
            return;
        };
        let waited = since.elapsed();
        let Some(left) = self.left.checked_sub(waited) else {
            // Past the deadline and not cut: it was not the peer's turn all that time.
            self.left = self.grace;
            return;
        };
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let earned = bytes
            .saturating_mul(1_000)
            .checked_div(self.floor)
            .unwrap_or(0);
        self.left = left
            .saturating_add(Duration::from_millis(earned))
            .min(self.grace);
    }

    /// Starts again with the whole grace.
    pub(super) fn renew(&mut self) {
        self.left = self.grace;
        self.since = None;
    }
}

/// A stream whose peer has to take what it is sent.
#[derive(Debug)]
pub(super) struct Steady<S> {
    inner: S,
    alarm: Alarm,
    patience: Patience,
}

impl<S> Steady<S> {
    /// `inner`, cut when its peer takes nothing for `grace`, or less than `floor` bytes a second.
    pub(super) fn new(inner: S, grace: Duration, floor: u64) -> Self {
        let patience = Patience::new(grace, floor);
        Self {
            inner,
            alarm: Alarm::default(),
            patience,
        }
    }

    /// What is under it.
    #[cfg(test)]
    pub(super) const fn inner(&self) -> &S {
        &self.inner
    }

    fn settle<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
        moved: impl Fn(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(result) = polled {
            self.patience.earn(result.as_ref().map_or(0, moved));
            return Poll::Ready(result);
        }
        let deadline = self.patience.wait();
        self.alarm
            .poll_until(cx, deadline)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Steady<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Steady<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.settle(cx, polled, |moved| *moved)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_write_vectored(cx, slices);
        this.settle(cx, polled, |moved| *moved)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A TCP stream is flushed at once; writing is where it waits.
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn patience_is_earned_back_by_bytes_and_never_saved_up() {
        let mut patience = Patience::new(GRACE, 1024);
        let begun = Instant::now();
        assert_eq!(patience.wait(), begun + GRACE);

        advance(Duration::from_secs(8)).await;
        patience.earn(2048);
        assert_eq!(patience.wait(), Instant::now() + Duration::from_secs(4));

        patience.earn(1_000_000);
        assert_eq!(patience.wait(), Instant::now() + GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_asked_is_not_held_against_the_peer() {
        let mut patience = Patience::new(GRACE, 1024);
        patience.wait();

        advance(GRACE * 3).await;
        patience.earn(1);

        assert_eq!(patience.wait(), Instant::now() + GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_rings_at_the_last_deadline_that_was_asked_for() {
        let (mut alarm, begun) = (Alarm::default(), Instant::now());
        let mut until = async |seconds| {
            let deadline = begun + Duration::from_secs(seconds);
            std::future::poll_fn(|cx| alarm.poll_until(cx, deadline)).await;
            begun.elapsed().as_secs()
        };

        assert_eq!(until(10).await, 10);
        assert_eq!(until(30).await, 30);
        assert_eq!(until(20).await, 30);
        let waiting = std::future::poll_fn(|cx| alarm.poll_until(cx, begun + GRACE * 9));
        assert!(tokio::time::timeout(GRACE, waiting).await.is_err());
        let nearer = begun + GRACE * 5;
        std::future::poll_fn(|cx| alarm.poll_until(cx, nearer)).await;
        assert_eq!(begun.elapsed().as_secs(), 50);
    }
}
