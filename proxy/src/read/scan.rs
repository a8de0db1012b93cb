//! The pass over a body.

use super::{
    MAX_DEPTH, MAX_KEYS,
    cursor::{Cursor, Text},
    fields::{Fault, Field, Fields, Kind, Member, kind},
    gemini::{Known, Node, Role, Spot},
};
use crate::dialect::Dialect;

/// Checks the whole of `body` and gives the places of its members.
pub(super) fn scan(body: &[u8], dialect: Dialect) -> Result<Fields, Fault> {
    if std::str::from_utf8(body).is_err() {
        return Err(Fault::Syntax);
    }
    let mut scan = Scan {
        cursor: Cursor::new(body),
        frames: Vec::with_capacity(16),
        keys: Vec::with_capacity(64),
        decoded: Vec::new(),
        fields: Fields::default(),
        current: None,
        root: match dialect {
            Dialect::Gemini => Node::Root,
            _ => Node::Free,
        },
        next: Node::Free,
        spot: None,
    };
    scan.cursor.skip_blanks();
    if scan.cursor.peek() != Some(b'{') {
        return Err(scan.not_an_object());
    }
    scan.document()?;
    Ok(scan.fields)
}

struct Scan<'a> {
    cursor: Cursor<'a>,
    /// What is open, outermost first. On the heap: depth costs no stack.
    frames: Vec<Frame>,
    /// The keys of all open objects. Those of the innermost come last.
    keys: Vec<Key<'a>>,
    /// The text of keys that were written with escapes.
    decoded: Vec<u8>,
    fields: Fields,
    /// The member of the outermost object that is being read, if it is one of ours.
    current: Option<(Field, Member)>,
    /// What the outermost object is: in Gemini's dialect a place of its own.
    root: Node,
    /// What opens as the value of the key that was just passed.
    next: Node,
    /// The member that is being read and how many frames are open around it, if it decides
    /// something in Gemini's dialect.
    spot: Option<(Spot, Member, usize)>,
}

/// A key, by what it means.
#[derive(Clone, Copy)]
enum Key<'a> {
    Plain(&'a [u8]),
    /// A place in `decoded`.
    Decoded {
        from: usize,
        to: usize,
    },
}

impl<'a> Key<'a> {
    fn text(self, decoded: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Plain(text) => text,
            Self::Decoded { from, to } => decoded.get(from..to).unwrap_or_default(),
        }
    }
}

#[derive(Clone, Copy)]
enum Frame {
    /// What the objects in it are.
    Array(Node),
    Object {
        /// Where its keys begin in `keys`.
        keys: usize,
        node: Node,
        /// Which keys of its node it has, a bit each.
        seen: u32,
    },
}

impl<'a> Scan<'a> {
    fn document(&mut self) -> Result<(), Fault> {
        loop {
            if self.begin()? {
                continue;
            }
            if self.finish()? {
                break;
            }
        }
        self.cursor.skip_blanks();
        if self.cursor.is_at_end() {
            Ok(())
        } else {
            Err(Fault::Syntax)
        }
    }

    /// Passes a scalar, an empty container or the opening of a full one. Says whether it opened
    /// one and its first value is next.
    fn begin(&mut self) -> Result<bool, Fault> {
        match self.cursor.peek() {
            Some(b'"') => {
                let text = self.cursor.string()?;
                if self.root == Node::Free
                    && self.is_type()
                    && !text.plain().is_some_and(is_plain_type)
                {
                    self.fields.points_outside = true;
                }
            }
            Some(b'{') => return self.open_object(),
            Some(b'[') => return self.open_array(),
            Some(b't') => self.cursor.word(b"true")?,
            Some(b'f') => self.cursor.word(b"false")?,
            Some(b'n') => self.cursor.word(b"null")?,
            Some(b'-' | b'0'..=b'9') => self.cursor.number()?,
            _ => return Err(Fault::Syntax),
        }
        Ok(false)
    }

    /// After a value: passes what closes, up to the next value. Says whether the document is over.
    fn finish(&mut self) -> Result<bool, Fault> {
        loop {
            let end = self.cursor.at();
            self.cursor.skip_blanks();
            let Some(frame) = self.frames.last().copied() else {
                return Ok(true);
            };
            if self.frames.len() == 1
                && let Some((field, member)) = self.current.take()
            {
                let stop = self.cursor.at();
                self.fields.put(
                    field,
                    Member {
                        end,
                        stop,
                        ..member
                    },
                );
            }
            if let Some((spot, member, depth)) = self.spot
                && depth == self.frames.len()
            {
                let stop = self.cursor.at();
                let member = Member {
                    end,
                    stop,
                    ..member
                };
                self.fields.spots.put(spot, member)?;
                self.spot = None;
            }
            if self.cursor.takes(b',') {
                let lead = self.cursor.at();
                self.cursor.skip_blanks();
                if let Frame::Object { keys, .. } = frame {
                    self.key(keys, lead)?;
                }
                return Ok(false);
            }
            match frame {
                Frame::Array(_) => self.cursor.expect(b']')?,
                Frame::Object { keys, .. } => {
                    self.cursor.expect(b'}')?;
                    self.close_object(keys)?;
                }
            }
            self.frames.pop();
        }
    }

    fn open_object(&mut self) -> Result<bool, Fault> {
        let keys = self.keys.len();
        let (node, seen) = (self.opening(), 0);
        self.push(Frame::Object { keys, node, seen })?;
        self.cursor.expect(b'{')?;
        let lead = self.cursor.at();
        if self.frames.len() == 1 {
            self.fields.open = lead;
        }
        self.cursor.skip_blanks();
        if self.cursor.takes(b'}') {
            self.frames.pop();
            return Ok(false);
        }
        self.key(keys, lead)?;
        Ok(true)
    }

    fn open_array(&mut self) -> Result<bool, Fault> {
        self.push(Frame::Array(self.opening().in_array()))?;
        self.cursor.expect(b'[')?;
        self.cursor.skip_blanks();
        if self.cursor.takes(b']') {
            self.frames.pop();
            return Ok(false);
        }
        Ok(true)
    }

    /// What a container is that opens now.
    fn opening(&self) -> Node {
        match self.frames.last() {
            None => self.root,
            Some(Frame::Array(node)) => *node,
            Some(Frame::Object { .. }) => self.next,
        }
    }

    fn push(&mut self, frame: Frame) -> Result<(), Fault> {
        if self.frames.len() >= MAX_DEPTH {
            return Err(Fault::Depth);
        }
        self.frames.push(frame);
        Ok(())
    }

    /// Passes a key and its colon. `from` is where the keys of its object begin.
    fn key(&mut self, from: usize, lead: usize) -> Result<(), Fault> {
        let text = self.cursor.string()?;
        self.cursor.skip_blanks();
        self.cursor.expect(b':')?;
        self.cursor.skip_blanks();
        if self.keys.len() >= MAX_KEYS {
            return Err(Fault::Keys);
        }
        let key = match text.plain() {
            Some(text) => Key::Plain(text),
            None => self.decode(text),
        };
        if self.root != Node::Free {
            self.placed(&text.decoded(), lead)?;
        } else if self.frames.len() == 1 {
            self.outermost(&text.decoded(), lead)?;
        }
        self.compare(key, from)?;
        self.keys.push(key);
        Ok(())
    }

    fn decode(&mut self, text: Text<'_>) -> Key<'a> {
        let from = self.decoded.len();
        self.decoded.extend_from_slice(&text.decoded());
        Key::Decoded {
            from,
            to: self.decoded.len(),
        }
    }

    /// Most objects have a few keys, which are compared as they come. The rest waits until the
    /// object closes.
    fn compare(&self, key: Key<'_>, from: usize) -> Result<(), Fault> {
        let others = self.keys.get(from..).unwrap_or_default();
        let text = key.text(&self.decoded);
        let is_same = |other: &Key<'_>| other.text(&self.decoded) == text;
        if others.len() < FEW_KEYS && others.iter().any(is_same) {
            return Err(Fault::Duplicate);
        }
        Ok(())
    }

    /// A key of a Gemini body, by the place of its object.
    fn placed(&mut self, key: &[u8], lead: usize) -> Result<(), Fault> {
        self.next = Node::Free;
        let depth = self.frames.len();
        let Some(Frame::Object { node, seen, .. }) = self.frames.last_mut() else {
            return Ok(());
        };
        let Known::Key(number, role) = node.key(key)? else {
            self.fields.points_outside |= node.is_closed();
            return Ok(());
        };
        let bit = 1_u32.wrapping_shl(number);
        if *seen & bit != 0 {
            return Err(Fault::Duplicate);
        }
        *seen |= bit;
        match role {
            Role::Plain => {}
            Role::Opens(node) => self.next = node,
            Role::Is(spot) => {
                let start = self.cursor.at();
                let member = Member {
                    index: 0,
                    lead,
                    start,
                    end: start,
                    stop: start,
                };
                self.spot = Some((spot, member, depth));
            }
        }
        Ok(())
    }

    fn outermost(&mut self, key: &[u8], lead: usize) -> Result<(), Fault> {
        let index = self.fields.members;
        self.fields.members = index.saturating_add(1);
        match kind(key) {
            Kind::Known(field) if self.fields.get(field).is_some() => Err(Fault::Duplicate),
            Kind::Known(field) => {
                let start = self.cursor.at();
                let member = Member {
                    index,
                    lead,
                    start,
                    end: start,
                    stop: start,
                };
                self.current = Some((field, member));
                Ok(())
            }
            Kind::Twin(field) => Err(Fault::Twin(field)),
            Kind::Other => {
                if STORED_ELSEWHERE.contains(&key) {
                    self.fields.points_outside = true;
                }
                Ok(())
            }
        }
    }

    /// Forgets the keys of the object that closes, if no two are equal.
    ///
    /// Sorting takes n log n whatever the keys are: there is no hash to flood.
    fn close_object(&mut self, from: usize) -> Result<(), Fault> {
        let keys = self.keys.get_mut(from..).unwrap_or_default();
        if keys.len() > FEW_KEYS {
            let text = |key: &Key<'a>| key.text(&self.decoded);
            keys.sort_unstable_by(|a, b| text(a).cmp(text(b)));
            let next = keys.iter().skip(1);
            if keys.iter().zip(next).any(|(a, b)| text(a) == text(b)) {
                return Err(Fault::Duplicate);
            }
        }
        self.keys.truncate(from);
        Ok(())
    }

    /// Whether the value that was just passed belongs to a key `type`.
    fn is_type(&self) -> bool {
        matches!(self.frames.last(), Some(Frame::Object { .. }))
            && self
                .keys
                .last()
                .is_some_and(|key| key.text(&self.decoded) == b"type")
    }

    /// A document that does not begin with a brace is either another JSON value or none.
    fn not_an_object(&mut self) -> Fault {
        match self.document() {
            Ok(()) => Fault::NotAnObject,
            Err(error) => error,
        }
    }
}

/// Whether an object of this `type` is plain text in the body, or a switch that costs nothing.
///
/// The list is closed: a type that is not on it may be an image, a file, or a tool that the
/// provider runs and bills. A new harmless type only makes a request set more money aside.
fn is_plain_type(value: &[u8]) -> bool {
    is_of_schema(value) || is_of_anthropic(value) || is_of_openai(value)
}

fn is_of_schema(value: &[u8]) -> bool {
    matches!(
        value,
        b"object" | b"array" | b"string" | b"number" | b"integer" | b"boolean" | b"null"
    )
}

fn is_of_anthropic(value: &[u8]) -> bool {
    matches!(
        value,
        b"text"
            | b"message"
            | b"tool_use"
            | b"tool_result"
            | b"tool_reference"
            | b"search_result"
            | b"thinking"
            | b"redacted_thinking"
            | b"ephemeral"
            | b"enabled"
            | b"disabled"
            | b"adaptive"
            | b"auto"
            | b"any"
            | b"tool"
            | b"none"
            | b"custom"
            | b"json_schema"
            | b"input_tokens"
            | b"tool_uses"
            | b"thinking_turns"
    ) || [
        b"clear_".as_slice(),
        b"bash_",
        b"text_editor_",
        b"tool_search_",
    ]
    .iter()
    .any(|prefix| value.starts_with(prefix))
}

fn is_of_openai(value: &[u8]) -> bool {
    matches!(
        value,
        b"function"
            | b"function_call"
            | b"function_call_output"
            | b"custom_tool_call"
            | b"custom_tool_call_output"
            | b"input_text"
            | b"output_text"
            | b"refusal"
            | b"reasoning"
            | b"summary_text"
            | b"reasoning_text"
            | b"json_object"
            | b"grammar"
            | b"content"
            | b"local_shell"
            | b"local_shell_call"
            | b"local_shell_call_output"
            | b"allowed_tools"
    )
}

/// An object with more keys than this is checked when it closes.
const FEW_KEYS: usize = 8;

/// Members of the outermost object that bring in what the provider keeps.
const STORED_ELSEWHERE: &[&[u8]] = &[
    b"previous_response_id",
    b"conversation",
    b"prompt",
    b"container",
    b"mcp_servers",
    b"web_search_options",
];
