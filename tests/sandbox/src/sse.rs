//! Server-sent events as providers write them.

use bytes::Bytes;
use serde_json::Value;

/// One piece of an answer's body.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The bytes.
    pub bytes: Bytes,
    /// Whether this is the event by which a client knows that the stream is complete.
    pub terminal: bool,
}

impl Frame {
    /// A named event: `event: NAME` and `data: JSON`.
    #[must_use]
    pub fn event(name: &str, data: &Value) -> Self {
        Self::raw(format!("event: {name}\ndata: {data}\n\n"))
    }

    /// An unnamed event: `data: JSON`.
    #[must_use]
    pub fn data(data: &Value) -> Self {
        Self::raw(format!("data: {data}\n\n"))
    }

    /// Bytes as they are.
    #[must_use]
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            terminal: false,
        }
    }

    /// The same bytes, as the end of the stream.
    #[must_use]
    pub fn last(mut self) -> Self {
        self.terminal = true;
        self
    }
}
