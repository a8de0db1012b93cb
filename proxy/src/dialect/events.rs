//! Cuts a stream of server-sent events into what its lines mean, wherever its chunks are cut.

use memchr::memchr2;

/// A piece of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Piece<'a> {
    /// Some bytes of the data of the current event; more may follow.
    Data(&'a [u8]),
    /// The line of data is over.
    DataEnd,
    /// The event is over.
    End,
}

/// Where a stream stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Events {
    state: State,
    /// Whether the last byte was a carriage return, so that a line feed now ends no second line.
    after_return: bool,
    /// Bytes of the line that is open.
    line_bytes: usize,
    /// Whether something of an event has come since the last one ended.
    open: bool,
    /// Whether lines of bare JSON are data too: Gemini tells an error in the middle of a stream in
    /// such lines, without `data:` before them.
    bare: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    /// At the start of a line.
    #[default]
    Start,
    /// So many letters of `data:` have come.
    Name(usize),
    /// After `data:`, where one blank belongs to the format.
    Blank,
    Data,
    /// A line that carries nothing that matters.
    Skip,
}

impl Events {
    /// The same, and a line that begins like JSON is data.
    pub(super) const fn with_bare_json(mut self, bare: bool) -> Self {
        self.bare = bare;
        self
    }

    /// Goes over `chunk` and hands on each piece.
    pub(super) fn feed<'a>(&mut self, chunk: &'a [u8], mut take: impl FnMut(Piece<'a>)) {
        let mut rest = chunk;
        while let [first, tail @ ..] = rest {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                rest = tail;
                continue;
            }
            if matches!(first, b'\n' | b'\r') {
                self.end_line(&mut take);
                self.after_return = *first == b'\r';
                rest = tail;
                continue;
            }
            rest = self.in_line(rest, &mut take);
        }
    }

    /// Whether lines of bare JSON are data.
    pub(super) const fn takes_bare_json(&self) -> bool {
        self.bare
    }

    /// Whether nothing of an event is open: the only place where bytes of ours may go.
    pub(super) fn is_between(&self) -> bool {
        !self.open && self.state == State::Start
    }

    /// Bytes of the line that is open.
    pub(super) const fn line_bytes(&self) -> usize {
        self.line_bytes
    }

    fn end_line<'a>(&mut self, take: &mut impl FnMut(Piece<'a>)) {
        match self.state {
            State::Start => {
                self.open = false;
                take(Piece::End);
            }
            State::Blank | State::Data => take(Piece::DataEnd),
            State::Name(_) | State::Skip => {}
        }
        self.state = State::Start;
        self.line_bytes = 0;
    }

    /// Passes at least one byte that ends no line.
    fn in_line<'a>(&mut self, rest: &'a [u8], take: &mut impl FnMut(Piece<'a>)) -> &'a [u8] {
        self.open = true;
        let [first, tail @ ..] = rest else {
            return rest;
        };
        match self.state {
            State::Start if self.bare && is_json(*first) => {
                self.state = State::Data;
                self.in_line(rest, take)
            }
            State::Start | State::Name(_) => {
                let seen = match self.state {
                    State::Name(seen) => seen,
                    _ => 0,
                };
                let next = seen.saturating_add(1);
                self.state = match NAME.get(seen) {
                    Some(letter) if letter == first && next == NAME.len() => State::Blank,
                    Some(letter) if letter == first => State::Name(next),
                    _ => State::Skip,
                };
                self.line_bytes = self.line_bytes.saturating_add(1);
                tail
            }
            State::Blank if *first == b' ' => {
                self.state = State::Data;
                tail
            }
            State::Blank | State::Data | State::Skip => {
                let stop = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                let (line, tail) = rest.split_at_checked(stop).unwrap_or((rest, &[]));
                if self.state != State::Skip {
                    self.state = State::Data;
                    take(Piece::Data(line));
                }
                self.line_bytes = self.line_bytes.saturating_add(line.len());
                tail
            }
        }
    }
}

const NAME: &[u8] = b"data:";

/// Whether a line of JSON that was broken into lines may begin like this. No field of an event does.
const fn is_json(first: u8) -> bool {
    matches!(first, b'{' | b'}' | b'[' | b']' | b'"' | b' ' | b'\t')
}
