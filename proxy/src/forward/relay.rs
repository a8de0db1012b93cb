//! The body of an answer: as it comes, or with its beginning read already.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

/// A body of which nothing is lost when its beginning was looked at.
pub struct Relay {
    ahead: VecDeque<Bytes>,
    /// `None` when all of it is ahead.
    rest: Option<Incoming>,
    /// It broke after what is ahead.
    broken: bool,
}

impl Relay {
    /// A body that nobody has looked at. Allocates nothing.
    #[must_use]
    pub(super) const fn whole(body: Incoming) -> Self {
        Self {
            ahead: VecDeque::new(),
            rest: Some(body),
            broken: false,
        }
    }

    /// Reads the body as far as `most` bytes and `patience` go. What was read before counts.
    pub(super) async fn hear(
        response: Response<Self>,
        most: usize,
        patience: Duration,
    ) -> Response<Self> {
        let (head, mut relay) = response.into_parts();
        // What came before the time was up stays ahead.
        drop(timeout(patience, relay.gather(most)).await);
        Response::from_parts(head, relay)
    }

    async fn gather(&mut self, most: usize) {
        let lengths = self.ahead.iter().map(Bytes::len);
        let mut size = lengths.fold(0_usize, usize::saturating_add);
        while let Some(body) = self.rest.as_mut().filter(|_| size <= most) {
            match body.frame().await {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    size = size.saturating_add(data.len());
                    self.ahead.push_back(data);
                }
                Some(Err(_)) => {
                    self.broken = true;
                    self.rest = None;
                }
                None => self.rest = None,
            }
        }
        if self.ahead.len() > 1 && self.rest.is_none() && !self.broken {
            let pieces: Vec<Bytes> = self.ahead.drain(..).collect();
            self.ahead.push_back(pieces.concat().into());
        }
    }

    /// All of it, when it was read to its end.
    pub(super) fn heard(&self) -> Option<&[u8]> {
        match (&self.rest, self.ahead.len(), self.broken) {
            (None, 1, false) => self.ahead.front().map(|it| &**it),
            _ => None,
        }
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(data) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if self.broken {
            self.broken = false;
            let error = io::Error::from(io::ErrorKind::UnexpectedEof);
            return Poll::Ready(Some(Err(error)));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(cx).map_err(io::Error::other),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        let rest = self.rest.as_ref().is_none_or(Body::is_end_stream);
        rest && self.ahead.is_empty() && !self.broken
    }

    fn size_hint(&self) -> SizeHint {
        let lengths = self.ahead.iter().map(Bytes::len);
        let ahead = lengths.fold(0_u64, |sum, it| {
            sum.saturating_add(u64::try_from(it).unwrap_or(u64::MAX))
        });
        let rest = match &self.rest {
            Some(rest) => rest.size_hint(),
            // What is missing is not known.
            None if self.broken => SizeHint::default(),
            None => SizeHint::with_exact(0),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(ahead));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(ahead));
        }
        hint
    }
}
