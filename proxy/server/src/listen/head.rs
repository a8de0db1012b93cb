//! One request head, read strictly.
//!
//! The verdict is a function of the bytes alone, not of how they arrive: lines are judged in order,
//! each when its end is there, and every limit is a position. A head that breaks two rules is
//! refused for the one that is broken first; what only the whole head shows comes last.

use memchr::{memchr, memchr2};

use super::frame::Frame;
use super::host::{Authority, Hosts};
use super::refusal::Reason;
use super::target;

/// Bytes of a head, its empty line included.
pub(super) const MAX_HEAD: usize = 16 * 1024;
/// Bytes of a target.
pub(super) const MAX_TARGET: usize = 8 * 1024;
/// Header fields of a head.
pub(super) const MAX_FIELDS: u32 = 64;
/// A request line that has not ended here has a target that is too long: the longest method, two
/// spaces, the version and the line's end leave 14 bytes to spare.
const MAX_REQUEST_LINE: usize = MAX_TARGET + 32;

/// A place in a head, and what was learned on the way.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
pub(super) struct Head {
    /// Where the line begins that has not ended yet.
    line: usize,
    fields: u32,
    method: Option<Method>,
    old_version: bool,
    addressed: Option<Addressed>,
    length: Option<u64>,
    chunked: bool,
    expects: bool,
    authorized: bool,
    odd: bool,
}

/// A method that is served.
#[derive(Clone, Copy, Debug)]
struct Method {
    len: usize,
    takes_body: bool,
}

/// Whom the `Host` field names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Addressed {
    Us,
    Another,
}

/// How far a head was read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading {
    /// It goes on.
    Part,
    /// It is whole and good.
    Whole(Whole),
    /// It is refused, whatever follows.
    Refused(Reason),
}

/// What a good head said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole {
    /// Bytes of the head.
    pub(super) len: usize,
    /// The body that follows.
    pub(super) body: Frame,
    /// Whether the client waits for a `100 Continue`.
    pub(super) expects: bool,
    /// Whether a field is there that no handler may see: see [`is_odd`].
    pub(super) odd: bool,
}

impl Head {
    /// Reads on. `bytes` begins with the head's first byte, at each call.
    pub(super) fn read(&mut self, bytes: &[u8], hosts: &Hosts) -> Reading {
        match self.lines(bytes, hosts) {
            Ok(None) => Reading::Part,
            Ok(Some(whole)) => Reading::Whole(whole),
            Err(reason) => Reading::Refused(reason),
        }
    }

    fn lines(&mut self, bytes: &[u8], hosts: &Hosts) -> Result<Option<Whole>, Reason> {
        let method = match self.method {
            Some(method) => method,
            None => match method(bytes)? {
                Some(method) => *self.method.insert(method),
                None => return Ok(None),
            },
        };
        loop {
            let (limit, over) = match self.line {
                0 => (MAX_REQUEST_LINE, Reason::LongTarget),
                _ => (MAX_HEAD, Reason::LargeHead),
            };
            let Some(end) = line_end(bytes, self.line, limit)? else {
                return if bytes.len() < limit {
                    Ok(None)
                } else {
                    Err(over)
                };
            };
            let line = bytes.get(self.line..end).unwrap_or_default();
            let next = end.saturating_add(2);
            if self.line == 0 {
                self.request_line(line.get(method.len..).unwrap_or_default())?;
            } else if line.is_empty() {
                return self.conclude(method, next).map(Some);
            } else {
                self.field(line, hosts)?;
            }
            self.line = next;
        }
    }

    /// Everything after the method: ` TARGET HTTP/1.1`, with single spaces.
    fn request_line(&mut self, rest: &[u8]) -> Result<(), Reason> {
        let rest = rest.strip_prefix(b" ").ok_or(Reason::Malformed)?;
        let space = memchr(b' ', rest).ok_or(Reason::Malformed)?;
        if space > MAX_TARGET {
            return Err(Reason::LongTarget);
        }
        let (target, version) = rest.split_at_checked(space).ok_or(Reason::Malformed)?;
        target::check(target)?;
        match version {
            b" HTTP/1.1" => Ok(()),
            [
                b' ',
                b'H',
                b'T',
                b'T',
                b'P',
                b'/',
                b'0'..=b'9',
                b'.',
                b'0'..=b'9',
            ] => {
                self.old_version = true;
                Ok(())
            }
            _ => Err(Reason::Malformed),
        }
    }

    fn field(&mut self, line: &[u8], hosts: &Hosts) -> Result<(), Reason> {
        self.fields = self.fields.saturating_add(1);
        if self.fields > MAX_FIELDS {
            return Err(Reason::LargeHead);
        }
        let colon = memchr(b':', line).ok_or(Reason::Malformed)?;
        let (name, value) = line.split_at_checked(colon).ok_or(Reason::Malformed)?;
        let raw = value.strip_prefix(b":").ok_or(Reason::Malformed)?;
        // An empty name, white space before the colon and a folded line fail here.
        if name.is_empty() || !name.iter().fold(true, |good, byte| good & is_token(*byte)) {
            return Err(Reason::Malformed);
        }
        if !is_visible(raw) {
            return Err(Reason::Malformed);
        }
        self.odd |= is_odd(name);
        self.meaning(name, raw, hosts)
    }

    /// The fields that decide where the body ends, to whom the request goes and as whom.
    fn meaning(&mut self, name: &[u8], raw: &[u8], hosts: &Hosts) -> Result<(), Reason> {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        let value = trimmed(raw);
        match name.len() {
            4 if is(b"host") => {
                let asked = Authority::parse(value).ok_or(Reason::Host)?;
                let whom = if hosts.contain(&asked) {
                    Addressed::Us
                } else {
                    hosts.turn_away(&asked);
                    Addressed::Another
                };
                if self.addressed.replace(whom).is_some() {
                    return Err(Reason::Host);
                }
            }
            6 if is(b"expect") => {
                // Byte for byte, but for one space: a proxy that reads another spelling as the same
                // expectation would wait where we do not.
                let plain = raw.strip_prefix(b" ").unwrap_or(raw) == b"100-continue";
                if self.expects || !plain {
                    return Err(Reason::Expectation);
                }
                self.expects = true;
            }
            13 if is(b"authorization") => {
                if self.authorized {
                    return Err(Reason::Credentials);
                }
                self.authorized = true;
            }
            14 if is(b"content-length") => {
                let length = length(value).ok_or(Reason::Framing)?;
                if self.length.replace(length).is_some() {
                    return Err(Reason::Framing);
                }
            }
            17 if is(b"transfer-encoding") => {
                if self.chunked || value != b"chunked" {
                    return Err(Reason::Framing);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// What only the whole head shows.
    fn conclude(&self, method: Method, len: usize) -> Result<Whole, Reason> {
        let addressed = self.addressed.ok_or(Reason::Host)?;
        let body = match (self.length, self.chunked) {
            (Some(_), true) => return Err(Reason::Framing),
            (Some(length), false) => Frame::Length(length),
            (None, true) if self.old_version => return Err(Reason::Framing),
            (None, true) => Frame::CHUNKED,
            (None, false) => Frame::Length(0),
        };
        if !body.is_empty() && !method.takes_body {
            return Err(Reason::Body);
        }
        if self.old_version {
            return Err(Reason::Version);
        }
        if addressed == Addressed::Another {
            return Err(Reason::Misdirected);
        }
        let expects = self.expects && !body.is_empty();
        Ok(Whole {
            len,
            body,
            expects,
            odd: self.odd,
        })
    }
}

/// The method, once its end is there. Decided within eight bytes, so that neither a long word nor
/// another protocol is waited for.
fn method(bytes: &[u8]) -> Result<Option<Method>, Reason> {
    let word = bytes.get(..8).unwrap_or(bytes);
    let Some(len) = word.iter().position(|byte| !is_token(*byte)) else {
        return if word.len() < 8 {
            Ok(None)
        } else {
            Err(Reason::Method)
        };
    };
    if len == 0 || word.get(len) != Some(&b' ') {
        return Err(Reason::Malformed);
    }
    let takes_body = takes_body(word.get(..len).unwrap_or_default()).ok_or(Reason::Method)?;
    Ok(Some(Method { len, takes_body }))
}

/// Whether a request with this method has a body; nothing for a method that is not served.
pub(super) const fn takes_body(method: &[u8]) -> Option<bool> {
    match method {
        b"POST" | b"PUT" | b"PATCH" => Some(true),
        b"GET" | b"HEAD" | b"DELETE" | b"OPTIONS" => Some(false),
        _ => None,
    }
}

/// Where the line from `from` on ends, if both bytes of its end are there and before `limit`.
fn line_end(bytes: &[u8], from: usize, limit: usize) -> Result<Option<usize>, Reason> {
    // One byte less: the line feed has to be within the limit as well.
    let window = bytes.len().min(limit.saturating_sub(1));
    let Some(found) = bytes
        .get(from..window)
        .and_then(|line| memchr2(b'\r', b'\n', line))
    else {
        return Ok(None);
    };
    let end = from.saturating_add(found);
    match (bytes.get(end), bytes.get(end.saturating_add(1))) {
        (Some(b'\r'), Some(b'\n')) => Ok(Some(end)),
        (Some(b'\r'), None) => Ok(None),
        _ => Err(Reason::Malformed),
    }
}

/// Digits, and nothing else.
fn length(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let value = digits.then(|| std::str::from_utf8(value).ok()).flatten()?;
    // Half of what fits: nobody's arithmetic on it overflows.
    value
        .parse()
        .ok()
        .filter(|length| *length <= i64::MAX.unsigned_abs())
}

fn trimmed(raw: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let Some(first) = raw.iter().position(|byte| !is_space(byte)) else {
        return b"";
    };
    let last = raw
        .iter()
        .rposition(|byte| !is_space(byte))
        .unwrap_or(first);
    raw.get(first..=last).unwrap_or_default()
}

/// Whether a field is one that no handler may see: a name with an underscore, which some servers
/// take for a hyphen, and the offers to change the protocol, which are not taken up.
pub(super) fn is_odd(name: &[u8]) -> bool {
    memchr(b'_', name).is_some()
        || (name.len() == 7 && name.eq_ignore_ascii_case(b"upgrade"))
        || (name.len() == 14 && name.eq_ignore_ascii_case(b"http2-settings"))
}

/// Which bytes may stand in a name: looked up, since every byte of every name is.
static TOKEN: [bool; 256] = tokens();

const fn tokens() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        let mark = matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        );
        #[expect(clippy::indexing_slicing, reason = "a byte is less than 256")]
        {
            table[byte as usize] = mark || byte.is_ascii_alphanumeric();
        }
        byte = byte.saturating_add(1);
    }
    table
}

fn is_token(byte: u8) -> bool {
    TOKEN.get(usize::from(byte)) == Some(&true)
}

/// Whether every byte is a space, a tab or visible. Without an early exit, so that the compiler does
/// it many bytes at a time.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "a lazy operator is an early exit"
)]
fn is_visible(value: &[u8]) -> bool {
    let odd = |bad: bool, byte: &u8| bad | ((*byte < b' ') & (*byte != b'\t')) | (*byte > b'~');
    !value.iter().fold(false, odd)
}
