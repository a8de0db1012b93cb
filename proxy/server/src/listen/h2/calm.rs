//! What a client may send beside its requests.
//!
//! A frame that asks for nothing costs its sender a few bytes and the server a turn of its state
//! machine, an answer, or a stream that is made and thrown away. The library bounds some of them;
//! PING, SETTINGS, PRIORITY, `WINDOW_UPDATE` and empty DATA it takes for ever. So frames are counted
//! here, before the library sees them: each such frame spends a credit, and credit comes with time
//! and with what the client is sent, since whoever reads much has windows to open.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::super::refusal::Tally;

/// A connection whose client is cut when it sends too much that asks for nothing.
pub(super) struct Calm<S> {
    stream: S,
    frames: Frames,
    credit: Credit,
    tally: Arc<Tally>,
}

impl<S> Calm<S> {
    pub(super) fn new(stream: S, tally: Arc<Tally>) -> Self {
        Self {
            stream,
            frames: Frames::default(),
            credit: Credit::new(Instant::now()),
            tally,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Calm<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        let new = buf.filled().get(before..).unwrap_or_default();
        let idle = this.frames.see(new);
        if idle > 0 && !this.credit.spend(idle, Instant::now()) {
            this.tally.cut();
            buf.set_filled(before);
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Calm<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(sent)) = &written {
            this.credit.earn(*sent);
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, parts);
        if let Poll::Ready(Ok(sent)) = &written {
            this.credit.earn(*sent);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Where the bytes stand between frames (RFC 9113, sections 3.4 and 4.1).
struct Frames {
    /// Bytes to pass over: of the preface, then of payloads.
    skip: usize,
    head: [u8; HEAD],
    have: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            skip: PREFACE,
            head: [0; HEAD],
            have: 0,
        }
    }
}

impl Frames {
    /// Goes over `bytes` and says how many frames began in it that ask for nothing.
    fn see(&mut self, bytes: &[u8]) -> u32 {
        let mut rest = bytes;
        let mut idle = 0_u32;
        while !rest.is_empty() {
            if self.skip > 0 {
                let passed = self.skip.min(rest.len());
                self.skip = self.skip.saturating_sub(passed);
                rest = rest.get(passed..).unwrap_or_default();
                continue;
            }
            for (place, byte) in self.head.iter_mut().skip(self.have).zip(rest) {
                *place = *byte;
            }
            let taken = HEAD.saturating_sub(self.have).min(rest.len());
            self.have = self.have.saturating_add(taken);
            rest = rest.get(taken..).unwrap_or_default();
            if self.have == HEAD {
                let [a, b, c, kind, flags, ..] = self.head;
                let length = u32::from_be_bytes([0, a, b, c]);
                self.skip = usize::try_from(length).unwrap_or(usize::MAX);
                self.have = 0;
                idle = idle.saturating_add(u32::from(is_idle(kind, flags, length)));
            }
        }
        idle
    }
}

/// Whether a frame asks for nothing: all but HEADERS, and DATA that brings something. A padded one
/// may be padding alone.
const fn is_idle(kind: u8, flags: u8, length: u32) -> bool {
    match kind {
        DATA => flags & PADDED != 0 || (length == 0 && flags & END_STREAM == 0),
        HEADERS => false,
        _ => true,
    }
}

/// What a client may still send that asks for nothing.
struct Credit {
    left: u32,
    counted_at: Instant,
    /// Bytes sent to it that were not yet counted.
    bytes: usize,
}

impl Credit {
    const fn new(now: Instant) -> Self {
        Self {
            left: MOST,
            counted_at: now,
            bytes: 0,
        }
    }

    fn earn(&mut self, bytes: usize) {
        let bytes = self.bytes.saturating_add(bytes);
        let more = bytes.div_euclid(BYTES_EACH);
        self.bytes = bytes.rem_euclid(BYTES_EACH);
        self.add(u32::try_from(more).unwrap_or(u32::MAX));
    }

    fn spend(&mut self, frames: u32, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.counted_at).as_secs();
        if seconds > 0 {
            self.counted_at = now;
            let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
            self.add(seconds.saturating_mul(EACH_SECOND));
        }
        let left = self.left.checked_sub(frames);
        self.left = left.unwrap_or(0);
        left.is_some()
    }

    fn add(&mut self, more: u32) {
        self.left = self.left.saturating_add(more).min(MOST);
    }
}

/// How many such frames a client may send at once, and each second for ever. A browser sends a dozen
/// on a connection, and a client that reads as fast as it can two for each 32 KiB.
const MOST: u32 = 1_000;
const EACH_SECOND: u32 = 50;

/// And one more for so many bytes that it is sent: more than an answer to such a frame has, and about
/// one event of a stream.
const BYTES_EACH: usize = 128;

const PREFACE: usize = 24;
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 0x1;
const PADDED: u8 = 0x8;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn frames_are_told_apart_wherever_the_bytes_are_cut() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        for (kind, flags, payload) in [
            (4, 0, vec![4; 6]),
            (1, 5, vec![6; 3]),
            (0, 0, vec![0; 300]),
            (0, 0, vec![]),
            (0, END_STREAM, vec![]),
            (0, PADDED, vec![255; 256]),
            (6, 0, vec![6; 8]),
            (77, 0, vec![]),
        ] {
            let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
            bytes.extend_from_slice(&length[1..]);
            bytes.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
            bytes.extend_from_slice(&payload);
        }

        for cut in 0..=bytes.len() {
            let (one, two) = bytes.split_at(cut);
            let mut frames = Frames::default();
            assert_eq!(frames.see(one) + frames.see(two), 5, "cut at {cut}");
        }
    }

    #[test]
    fn credit_comes_with_time_and_with_what_is_sent_and_is_bounded() {
        let start = Instant::now();
        let mut credit = Credit::new(start);
        assert!(credit.spend(MOST, start));
        assert!(!credit.spend(1, start + Duration::from_millis(999)));

        credit.earn(BYTES_EACH - 1);
        assert!(!credit.spend(1, start));
        credit.earn(1);
        assert!(credit.spend(1, start));

        assert!(credit.spend(EACH_SECOND, start + Duration::from_secs(1)));
        assert!(!credit.spend(1, start + Duration::from_secs(1)));

        credit.earn(usize::MAX / 2);
        assert!(credit.spend(MOST, start));
        assert!(!credit.spend(1, start));
    }
}
