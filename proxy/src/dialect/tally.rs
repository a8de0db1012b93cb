//! Counts an answer as it goes by.

use http::{HeaderMap, header};

use super::{
    events::{Events, Piece},
    walk::{Counts, Kind, Said, Walk},
};
use crate::admit::Route;

/// Tokens, counted by the provider.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "one field a price")]
pub struct Usage {
    /// Read, and found in no cache.
    pub input: u64,
    /// Written.
    pub output: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Put into a cache that lasts minutes.
    pub cache_write: u64,
    /// Put into a cache that lasts an hour.
    pub cache_write_hour: u64,
}

impl Usage {
    /// All tokens read.
    #[must_use]
    pub const fn all_input(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
            .saturating_add(self.cache_write_hour)
    }
}

/// What an answer came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Total {
    /// What the provider counted, as far as it told.
    pub usage: Usage,
    /// Whether the provider told the tokens it read.
    pub told_input: bool,
    /// Whether the provider told the tokens it wrote, in a count that is final.
    pub told_output: bool,
    /// Bytes of text that a stream brought, or of a document that was cut before it told its
    /// count. What a model thinks and does not show is not in it.
    pub text_bytes: u64,
    /// How it ended.
    pub ending: Ending,
}

#[cfg(test)]
impl Total {
    /// A total in which everything was told.
    pub(crate) fn new(usage: Usage, text_bytes: u64, ending: Ending) -> Self {
        Self {
            usage,
            told_input: true,
            told_output: true,
            text_bytes,
            ending,
        }
    }
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Ending {
    /// The provider said that it is complete.
    Complete,
    /// The provider said that it gave up.
    Failed,
    /// It stopped before its end.
    Truncated,
}

/// Counts an answer as its bytes go by, in constant memory, wherever its chunks are cut.
///
/// # When the provider does not count
///
/// An `OpenAI` chat stream tells its usage only when the caller asked for it with
/// `stream_options.include_usage`. The request is not edited to ask: the answer would then hold a
/// chunk without choices that the caller's client may not know. Such a stream, like one that was
/// cut, is charged by [`crate::reserve::estimate::charge`]: from the size of the request and of the
/// text that came, never more than was set aside.
#[derive(Clone, Debug)]
pub struct Tally {
    form: Form,
    walk: Walk,
    events: Events,
    counts: Counts,
    /// Whether a count of output came with or after the last text.
    final_output: bool,
    text_bytes: u64,
    done: bool,
    failed: bool,
    /// Candidates of a stream that have begun, and those that are finished, a bit each.
    candidates: u32,
    finished: u32,
    sequence: u64,
    /// The first bytes of the data of the current event, to know `[DONE]`.
    start: [u8; DONE.len()],
    start_len: usize,
    longest_line: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    /// One JSON document.
    Document,
    /// Server-sent events.
    Events,
    /// Neither: nothing can be counted but the end of the connection.
    Opaque,
}

impl Tally {
    /// A tally of the answer to `route` that came with these headers.
    #[must_use]
    pub fn new(route: Route, answer: &HeaderMap) -> Self {
        let kind = answer
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.split(';').next())
            .map(|kind| kind.trim().to_ascii_lowercase());
        let encoded = answer.contains_key(header::CONTENT_ENCODING);
        let form = match kind.as_deref() {
            _ if encoded => Form::Opaque,
            Some("application/json") => Form::Document,
            Some("text/event-stream") if !route.embeds() => Form::Events,
            _ => Form::Opaque,
        };
        Self {
            form,
            walk: Walk::default(),
            events: Events::default().with_bare_json(route == Route::StreamGenerateContent),
            counts: Counts::default(),
            final_output: false,
            text_bytes: 0,
            done: false,
            failed: false,
            candidates: 0,
            finished: 0,
            sequence: 0,
            start: [0; DONE.len()],
            start_len: 0,
            longest_line: 0,
        }
    }

    /// Goes over the next bytes of the answer.
    pub fn feed(&mut self, chunk: &[u8]) {
        match self.form {
            Form::Document => {
                let more = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                self.text_bytes = self.text_bytes.saturating_add(more);
                self.walk.feed(chunk);
            }
            Form::Events => {
                let mut events = std::mem::take(&mut self.events);
                events.feed(chunk, |piece| self.piece(piece));
                self.longest_line = self.longest_line.max(events.line_bytes());
                self.events = events;
            }
            Form::Opaque => {}
        }
    }

    /// What the answer came to, at its end.
    #[must_use]
    pub fn total(mut self) -> Total {
        if self.form == Form::Document {
            let said = self.walk.finish();
            // A document is complete when its last brace came, and its count is the last word.
            if said.whole {
                self.text_bytes = 0;
            }
            self.take(said);
            self.done = said.whole;
        } else if self.events.takes_bare_json() {
            // A bare error has no blank line after it.
            let said = self.walk.finish();
            self.failed |= said.whole && said.error;
        }
        let ending = match self {
            Self { failed: true, .. } => Ending::Failed,
            _ if self.has_ended() => Ending::Complete,
            _ if self.form == Form::Opaque => Ending::Complete,
            _ => Ending::Truncated,
        };
        Total {
            usage: self.counts.usage(),
            told_input: self.counts.tells_input(),
            told_output: self.final_output && ending == Ending::Complete,
            text_bytes: self.text_bytes,
            ending,
        }
    }

    /// Whether the stream is between two events: the only place where bytes of ours may go.
    #[must_use]
    pub fn between_events(&self) -> bool {
        self.form == Form::Events && self.events.is_between()
    }

    /// Whether the answer is a stream of events, so that a heartbeat or a last event has a form.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.form == Form::Events
    }

    /// Whether the end of the stream was told. Nothing of ours comes after it.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        // A stream with several candidates tells the end of each.
        let finished = self.finished != 0 && self.finished == self.candidates;
        self.done || self.failed || finished
    }

    /// Whether a line is longer than any client takes. Such a stream is cut.
    #[must_use]
    pub const fn is_oversized(&self) -> bool {
        self.longest_line > LINE_BYTES
    }

    /// The number an event of ours would have in a stream that numbers its events.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.sequence
    }

    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Data(data) => {
                self.keep_start(data);
                self.walk.feed(data);
            }
            // Lines of one event are joined by a line end, which is a blank to JSON.
            Piece::DataEnd => self.walk.feed(b"\n"),
            Piece::End => {
                if self.start.get(..self.start_len) == Some(DONE) {
                    self.done = true;
                }
                self.start_len = 0;
                let said = self.walk.finish();
                self.take(said);
            }
        }
    }

    fn keep_start(&mut self, data: &[u8]) {
        for byte in data.iter().take(DONE.len()) {
            if let Some(place) = self.start.get_mut(self.start_len) {
                *place = *byte;
                self.start_len = self.start_len.saturating_add(1);
            }
        }
    }

    fn take(&mut self, said: Said) {
        if said.text_bytes > 0 {
            self.final_output = false;
        }
        if said.usage.tells_output() {
            self.final_output = true;
        }
        self.text_bytes = self.text_bytes.saturating_add(said.text_bytes);
        self.counts.merge(said.usage);
        self.done |= said.kind == Kind::Done;
        self.failed |= said.error || said.kind == Kind::Failed;
        if self.form == Form::Events {
            self.candidates |= said.candidates;
            self.finished |= said.finished;
        }
        if let Some(number) = said.sequence {
            self.sequence = number.saturating_add(1);
        }
    }
}

/// How a chat stream says that it is over.
const DONE: &[u8] = b"[DONE]";

/// A line may hold a whole answer with images in it; beyond this it is a fault.
const LINE_BYTES: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests;
