//! Reads the few numbers of an answer that are worth money, as its bytes go by.
//!
//! A walk keeps where it is and one short word, never the text: its size is constant, whatever
//! the provider sends and wherever the chunks are cut. It follows the nesting, because a model may
//! write `"usage"` into the input of a tool, and that is not the bill. It does not validate: the
//! bytes are the provider's and go to the caller as they are.

use memchr::memchr2;

use super::tally::Usage;

/// What one JSON document said.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Said {
    /// Tokens that were told.
    pub(super) usage: Counts,
    /// What the outermost `type` says the document is.
    pub(super) kind: Kind,
    /// Whether there was an `error` that is not null.
    pub(super) error: bool,
    /// Bytes of text that the model wrote.
    pub(super) text_bytes: u64,
    /// The outermost `sequence_number`.
    pub(super) sequence: Option<u64>,
    /// Whether a document began and its last brace was seen.
    pub(super) whole: bool,
    /// Candidates it brought a piece of, and those of them it called finished, a bit each.
    pub(super) candidates: u32,
    pub(super) finished: u32,
}

/// Which event of a stream a document is, as far as it matters.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Kind {
    #[default]
    Other,
    /// The answer is complete.
    Done,
    /// The provider gave up.
    Failed,
}

/// Numbers as one document tells them; `None` for what it does not mention.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counts {
    pub(super) input: Option<u64>,
    /// Read beside `input`: what the tools of a Gemini request brought in.
    pub(super) input_of_tools: Option<u64>,
    /// Whether `input` holds what was read from a cache, as `OpenAI` and Gemini count; Anthropic
    /// does not.
    pub(super) inclusive: bool,
    pub(super) output: Option<u64>,
    /// Written beside `output`: what a Gemini model thought. Elsewhere it is part of `output`.
    pub(super) thought: Option<u64>,
    pub(super) cached: Option<u64>,
    pub(super) written: Option<u64>,
    pub(super) written_hour: Option<u64>,
}

impl Counts {
    /// Adds what `later` knows. Counts of a stream only grow: a smaller one never replaces a
    /// larger one.
    pub(super) fn merge(&mut self, later: Self) {
        self.input = self.input.max(later.input);
        self.input_of_tools = self.input_of_tools.max(later.input_of_tools);
        self.inclusive |= later.inclusive;
        self.output = self.output.max(later.output);
        self.thought = self.thought.max(later.thought);
        self.cached = self.cached.max(later.cached);
        self.written = self.written.max(later.written);
        self.written_hour = self.written_hour.max(later.written_hour);
    }

    /// Whether the tokens read were told.
    pub(super) const fn tells_input(&self) -> bool {
        self.input.is_some()
    }

    /// Whether tokens written were told.
    pub(super) const fn tells_output(&self) -> bool {
        self.output.is_some() || self.thought.is_some()
    }

    pub(super) fn usage(&self) -> Usage {
        let cached = self.cached.unwrap_or(0);
        let written = self.written.unwrap_or(0);
        let hour = self.written_hour.unwrap_or(0);
        let within = if self.inclusive { cached } else { 0 };
        let input = self.input.unwrap_or(0).saturating_sub(within);
        let output = self.output.unwrap_or(0);
        Usage {
            input: input.saturating_add(self.input_of_tools.unwrap_or(0)),
            output: output.saturating_add(self.thought.unwrap_or(0)),
            cache_read: cached,
            // The total holds both lifetimes.
            cache_write: written.saturating_sub(hour),
            cache_write_hour: hour,
        }
    }
}

/// A walk through one JSON document.
#[derive(Clone, Debug, Default)]
pub(super) struct Walk {
    said: Said,
    state: State,
    /// What is open, as far as it matters; deeper is only counted.
    nodes: [Node; NODES],
    depth: usize,
    /// Whether the next string is a key.
    wants_key: bool,
    /// The key whose value is next.
    key: Key,
    word: Word,
    /// Which candidate is open, and whether it is finished.
    candidate: u32,
    is_finished: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    Between,
    String(Purpose),
    Escape(Purpose),
    /// A number or a literal.
    Scalar,
}

/// Why a string is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Purpose {
    /// Its letters are kept: a key that may matter, or the outermost `type`.
    Word,
    /// Its length is counted.
    Text,
    /// It is passed over.
    Nothing,
}

/// A place in the document that matters.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Node {
    #[default]
    Other,
    /// An array around all: Gemini may wrap an error in one.
    List,
    /// The outermost object.
    Root,
    /// `message` or `response`, which wrap the usage of a stream.
    Wrapper,
    Usage,
    /// `prompt_tokens_details`, `input_tokens_details`.
    Details,
    /// `cache_creation`.
    Creation,
    /// `choices`, and an object in it.
    Choices,
    Choice,
    /// `candidates`, and an object in it.
    Candidates,
    Candidate,
    /// `promptFeedback`.
    Feedback,
    /// What the model has just written.
    Delta,
}

/// A key that matters.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Key {
    #[default]
    Other,
    Type,
    /// What names a part and is no text: `role`, `id`, `stop_reason`.
    Label,
    Error,
    Sequence,
    Wrapper,
    Usage,
    Delta,
    Choices,
    Candidates,
    Feedback,
    /// What ends a candidate, or a prompt that is not answered.
    Reason,
    Details,
    Creation,
    Number(Number),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Number {
    Input,
    Prompt,
    Output,
    CacheRead,
    CacheWrite,
    Cached,
    Hour,
    OfTools,
    Thought,
    Candidate,
}

impl Walk {
    /// Goes over `chunk`.
    pub(super) fn feed(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while !rest.is_empty() {
            rest = match self.state {
                State::Between => self.between(rest),
                State::String(purpose) => self.string(purpose, rest),
                State::Escape(purpose) => self.escape(purpose, rest),
                State::Scalar => self.scalar(rest),
            };
        }
    }

    /// Ends the document and gives what it said. The walk is as new.
    pub(super) fn finish(&mut self) -> Said {
        if self.state == State::Scalar {
            self.end_scalar();
        }
        std::mem::take(self).said
    }

    fn between<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let [first, tail @ ..] = rest else {
            return rest;
        };
        match first {
            b'{' => self.open(true),
            b'[' => self.open(false),
            b'}' | b']' => self.close(),
            b'"' => {
                self.word = Word::default();
                self.state = State::String(self.purpose());
            }
            b',' => {
                self.key = Key::Other;
                self.wants_key = self.is_object();
            }
            b':' => self.wants_key = false,
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                self.word = Word::default();
                self.state = State::Scalar;
                return rest;
            }
            _ => {}
        }
        tail
    }

    fn purpose(&self) -> Purpose {
        match (self.wants_key, self.node(), self.key) {
            // A tool's arguments and a thought are text as well; only labels are not.
            (true, Node::Other, _) | (false, Node::Delta, Key::Type | Key::Label) => {
                Purpose::Nothing
            }
            (true, ..) | (false, Node::Root, Key::Type) | (false, _, Key::Reason) => Purpose::Word,
            (false, Node::Delta, _) | (false, Node::Root, Key::Delta) => Purpose::Text,
            _ => Purpose::Nothing,
        }
    }

    fn string<'a>(&mut self, purpose: Purpose, rest: &'a [u8]) -> &'a [u8] {
        let Some(stop) = memchr2(b'"', b'\\', rest) else {
            self.letters(purpose, rest);
            return &[];
        };
        let (letters, tail) = rest.split_at_checked(stop).unwrap_or((rest, &[]));
        self.letters(purpose, letters);
        match tail {
            [b'"', tail @ ..] => {
                self.end_string(purpose);
                tail
            }
            [_, tail @ ..] => {
                self.state = State::Escape(purpose);
                tail
            }
            [] => tail,
        }
    }

    fn escape<'a>(&mut self, purpose: Purpose, rest: &'a [u8]) -> &'a [u8] {
        // Four letters of a `\u` escape follow as if they were text: one too many or too few
        // decides nothing, and no key that matters is written with an escape.
        self.word.spoil();
        self.letters(purpose, b"?");
        self.state = State::String(purpose);
        rest.get(1..).unwrap_or_default()
    }

    fn letters(&mut self, purpose: Purpose, letters: &[u8]) {
        match purpose {
            Purpose::Word => self.word.push(letters),
            Purpose::Text => {
                let more = u64::try_from(letters.len()).unwrap_or(u64::MAX);
                self.said.text_bytes = self.said.text_bytes.saturating_add(more);
            }
            Purpose::Nothing => {}
        }
    }

    fn end_string(&mut self, purpose: Purpose) {
        self.state = State::Between;
        if self.wants_key {
            self.key = match purpose {
                Purpose::Word => key(self.node(), self.word.text()),
                _ => Key::Other,
            };
            return;
        }
        match (self.node(), self.key) {
            (Node::Root, Key::Type) => self.said.kind = event(self.word.text()),
            (Node::Root, Key::Error) => self.said.error = true,
            (Node::Candidate, Key::Reason) => self.is_finished = self.word.is_reason(),
            (Node::Feedback, Key::Reason) if self.word.is_reason() => {
                self.said.kind = Kind::Done;
            }
            _ => {}
        }
    }

    fn scalar<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let ends = |b: &u8| matches!(b, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
        let stop = rest.iter().position(ends);
        let (letters, tail) = rest
            .split_at_checked(stop.unwrap_or(rest.len()))
            .unwrap_or((rest, &[]));
        self.word.push(letters);
        if stop.is_some() {
            self.end_scalar();
        }
        tail
    }

    fn end_scalar(&mut self) {
        self.state = State::Between;
        let number = self.word.number();
        let counts = &mut self.said.usage;
        match self.key {
            Key::Sequence => self.said.sequence = number,
            Key::Error if self.word.text() == b"true" => self.said.error = true,
            Key::Number(Number::Input) => counts.input = number,
            Key::Number(Number::Prompt) => {
                counts.input = number;
                counts.inclusive = true;
            }
            Key::Number(Number::Output) => counts.output = number,
            Key::Number(Number::CacheRead | Number::Cached) => counts.cached = number,
            Key::Number(Number::CacheWrite) => counts.written = number,
            Key::Number(Number::Hour) => counts.written_hour = number,
            Key::Number(Number::OfTools) => counts.input_of_tools = number,
            Key::Number(Number::Thought) => counts.thought = number,
            Key::Number(Number::Candidate) => {
                self.candidate = number.and_then(|n| n.try_into().ok()).unwrap_or(u32::MAX);
            }
            _ => {}
        }
        self.key = Key::Other;
    }

    fn open(&mut self, is_object: bool) {
        let node = self.child(is_object);
        if (self.node(), self.key) == (Node::Root, Key::Error) && self.depth > 0 {
            self.said.error = true;
        }
        if node == Node::Candidate {
            // Protobuf leaves out a number that is zero.
            self.candidate = 0;
            self.is_finished = false;
        }
        if node == Node::Details {
            // OpenAI's Responses count cached tokens into `input_tokens` and say so beside it.
            self.said.usage.inclusive = true;
        }
        if let Some(place) = self.nodes.get_mut(self.depth) {
            *place = node;
        }
        self.depth = self.depth.saturating_add(1);
        self.key = Key::Other;
        self.wants_key = is_object;
    }

    fn child(&self, is_object: bool) -> Node {
        if self.depth == 0 {
            return if is_object { Node::Root } else { Node::List };
        }
        match (self.node(), self.key, is_object) {
            (Node::List, _, true) => Node::Root,
            (Node::Root, Key::Wrapper, true) => Node::Wrapper,
            (Node::Root | Node::Wrapper, Key::Usage, true) => Node::Usage,
            (Node::Root, Key::Choices, false) => Node::Choices,
            (Node::Choices, _, true) => Node::Choice,
            (Node::Root, Key::Candidates, false) => Node::Candidates,
            (Node::Candidates, _, true) => Node::Candidate,
            (Node::Root, Key::Feedback, true) => Node::Feedback,
            // All that nests in a delta is part of it: tool calls are arrays of objects.
            (Node::Root | Node::Choice | Node::Candidate, Key::Delta, true) | (Node::Delta, ..) => {
                Node::Delta
            }
            (Node::Usage, Key::Details, true) => Node::Details,
            (Node::Usage, Key::Creation, true) => Node::Creation,
            _ => Node::Other,
        }
    }

    fn close(&mut self) {
        if self.node() == Node::Candidate {
            // Beyond the last bit all share one.
            let bit = 1_u32.wrapping_shl(self.candidate.min(31));
            self.said.candidates |= bit;
            if self.is_finished {
                self.said.finished |= bit;
            }
        }
        self.depth = self.depth.saturating_sub(1);
        self.key = Key::Other;
        self.wants_key = false;
        if self.depth == 0 {
            self.said.whole = true;
        }
    }

    fn node(&self) -> Node {
        self.depth
            .checked_sub(1)
            .and_then(|top| self.nodes.get(top).copied())
            .unwrap_or_default()
    }

    /// Whether what is open takes keys. Below the places that matter nobody asks.
    fn is_object(&self) -> bool {
        !matches!(
            self.node(),
            Node::Other | Node::List | Node::Choices | Node::Candidates
        )
    }
}

/// A key where it matters; the same letters elsewhere are something else.
fn key(node: Node, text: &[u8]) -> Key {
    match (node, text) {
        (Node::Root | Node::Delta, b"type") => Key::Type,
        (
            Node::Delta,
            b"role" | b"id" | b"stop_reason" | b"stop_sequence" | b"mimeType" | b"thoughtSignature",
        ) => Key::Label,
        (Node::Root, b"error") => Key::Error,
        (Node::Root, b"sequence_number") => Key::Sequence,
        (Node::Root, b"message" | b"response") => Key::Wrapper,
        (Node::Root | Node::Wrapper, b"usage") | (Node::Root, b"usageMetadata") => Key::Usage,
        (Node::Root, b"choices") => Key::Choices,
        (Node::Root, b"candidates") => Key::Candidates,
        (Node::Root, b"promptFeedback") => Key::Feedback,
        (Node::Root | Node::Choice, b"delta") | (Node::Candidate, b"content") => Key::Delta,
        (Node::Candidate, b"finishReason") | (Node::Feedback, b"blockReason") => Key::Reason,
        (Node::Candidate, b"index") => Key::Number(Number::Candidate),
        (Node::Usage, _) => in_usage(text),
        (Node::Details, b"cached_tokens") => Key::Number(Number::Cached),
        (Node::Creation, b"ephemeral_1h_input_tokens") => Key::Number(Number::Hour),
        _ => Key::Other,
    }
}

fn in_usage(text: &[u8]) -> Key {
    match text {
        b"input_tokens" => Key::Number(Number::Input),
        b"prompt_tokens" | b"promptTokenCount" => Key::Number(Number::Prompt),
        b"output_tokens" | b"completion_tokens" | b"candidatesTokenCount" => {
            Key::Number(Number::Output)
        }
        b"cachedContentTokenCount" => Key::Number(Number::Cached),
        b"toolUsePromptTokenCount" => Key::Number(Number::OfTools),
        b"thoughtsTokenCount" => Key::Number(Number::Thought),
        b"cache_read_input_tokens" => Key::Number(Number::CacheRead),
        b"cache_creation_input_tokens" => Key::Number(Number::CacheWrite),
        b"prompt_tokens_details" | b"input_tokens_details" => Key::Details,
        b"cache_creation" => Key::Creation,
        _ => Key::Other,
    }
}

fn event(text: &[u8]) -> Kind {
    match text {
        b"message_stop" | b"response.completed" | b"response.incomplete" => Kind::Done,
        b"error" | b"response.failed" => Kind::Failed,
        _ => Kind::Other,
    }
}

/// A word of at most [`WORD_BYTES`]; a longer one matches nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Word {
    letters: [u8; WORD_BYTES],
    len: usize,
}

impl Word {
    fn push(&mut self, more: &[u8]) {
        let end = self.len.saturating_add(more.len());
        match self.letters.get_mut(self.len..end) {
            Some(place) => {
                place.copy_from_slice(more);
                self.len = end;
            }
            None => self.spoil(),
        }
    }

    /// From here on it matches nothing.
    fn spoil(&mut self) {
        self.len = usize::MAX;
    }

    fn text(&self) -> &[u8] {
        self.letters.get(..self.len).unwrap_or_default()
    }

    /// Whether it says why something ended. Enumerations of protobuf begin with a value that says
    /// nothing.
    fn is_reason(&self) -> bool {
        self.len > 0 && !self.text().ends_with(b"_UNSPECIFIED")
    }

    /// A whole number without sign.
    fn number(&self) -> Option<u64> {
        let text = self.text();
        let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(text)
            .ok()
            .filter(|_| digits)
            .and_then(|text| text.parse().ok())
    }
}

/// `response`, `usage`, details: nothing that matters lies deeper. Deltas nest further, and what
/// lies below this counts as nothing.
const NODES: usize = 8;

/// The longest word that matters is `cache_creation_input_tokens`.
const WORD_BYTES: usize = 32;
