//! Strings, numbers and blanks: the letters of JSON, read once.

use std::borrow::Cow;

use memchr::memchr2;

use super::ReadError;

/// What is left of a body.
///
/// Moves only forward and only by matching, so there is no index to get wrong.
pub(super) struct Cursor<'a> {
    len: usize,
    rest: &'a [u8],
    /// Whether the body has a control character at all. Compact bodies have none, and then no
    /// string need be looked at for them.
    controls: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            len: bytes.len(),
            rest: bytes,
            controls: has_control(bytes),
        }
    }

    /// How many bytes are behind.
    pub(super) const fn at(&self) -> usize {
        self.len.saturating_sub(self.rest.len())
    }

    pub(super) fn skip_blanks(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Passes `byte` if it is next.
    pub(super) fn takes(&mut self, byte: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Passes `byte`.
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), ReadError> {
        self.takes(byte).then_some(()).ok_or(ReadError::Syntax)
    }

    /// Passes `word`.
    pub(super) fn word(&mut self, word: &[u8]) -> Result<(), ReadError> {
        self.rest = self.rest.strip_prefix(word).ok_or(ReadError::Syntax)?;
        Ok(())
    }

    /// Passes a string, opening quote included, and gives what stands between the quotes.
    pub(super) fn string(&mut self) -> Result<Text<'a>, ReadError> {
        self.expect(b'"')?;
        let from = self.rest;
        let mut escaped = false;
        loop {
            let stop = memchr2(b'"', b'\\', self.rest).ok_or(ReadError::Syntax)?;
            let (plain, tail) = self
                .rest
                .split_at_checked(stop)
                .ok_or(ReadError::Syntax)?;
            if self.controls && has_control(plain) {
                return Err(ReadError::Syntax);
            }
            let [byte, rest @ ..] = tail else {
                return Err(ReadError::Syntax);
            };
            self.rest = rest;
            if *byte == b'"' {
                // All that was passed, less the closing quote.
                let len = from.len().saturating_sub(tail.len());
                let raw = from.get(..len).ok_or(ReadError::Syntax)?;
                return Ok(Text { raw, escaped });
            }
            escaped = true;
            self.escape()?;
        }
    }

    /// Passes what follows a backslash.
    fn escape(&mut self) -> Result<(), ReadError> {
        match self.rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => {
                self.rest = rest;
                Ok(())
            }
            [b'u', ..] => self.unicode(),
            _ => Err(ReadError::Syntax),
        }
    }

    /// Passes `uXXXX`, and its other half when it is one of a pair. Half a pair alone is no
    /// character: parsers replace it, drop it or refuse it, each its own way.
    fn unicode(&mut self) -> Result<(), ReadError> {
        match self.unit()? {
            0xd800..=0xdbff => {
                self.expect(b'\\')?;
                match self.unit()? {
                    0xdc00..=0xdfff => Ok(()),
                    _ => Err(ReadError::Syntax),
                }
            }
            0xdc00..=0xdfff => Err(ReadError::Syntax),
            _ => Ok(()),
        }
    }

    fn unit(&mut self) -> Result<u16, ReadError> {
        let [b'u', a, b, c, d, rest @ ..] = self.rest else {
            return Err(ReadError::Syntax);
        };
        self.rest = rest;
        hex4([*a, *b, *c, *d]).ok_or(ReadError::Syntax)
    }

    /// Passes a number.
    pub(super) fn number(&mut self) -> Result<(), ReadError> {
        let of_number = |b: &u8| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let len = self
            .rest
            .iter()
            .position(|b| !of_number(b))
            .unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at_checked(len).ok_or(ReadError::Syntax)?;
        self.rest = rest;
        check_number(text)
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }
}

/// What stands between two quotes, checked.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    /// What it means.
    pub(super) fn decoded(self) -> Cow<'a, [u8]> {
        if self.escaped {
            Cow::Owned(decode(self.raw))
        } else {
            Cow::Borrowed(self.raw)
        }
    }
}

/// The text of a JSON string, quotes included. `None` when it is no string.
pub(super) fn string_value(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut cursor = Cursor::new(raw);
    let text = cursor.string().ok()?;
    cursor.is_at_end().then(|| text.decoded())
}

/// RFC 8259, section 6, and a size that every parser holds.
fn check_number(text: &[u8]) -> Result<(), ReadError> {
    if text.len() > NUMBER_BYTES {
        return Err(ReadError::Number);
    }
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, rest) = digits(unsigned);
    if whole.is_empty() || (whole.len() > 1 && whole.starts_with(b"0")) {
        return Err(ReadError::Syntax);
    }
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => {
            let (fraction, rest) = digits(rest);
            if fraction.is_empty() {
                return Err(ReadError::Syntax);
            }
            (fraction, rest)
        }
        _ => (&[] as &[u8], rest),
    };
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', rest @ ..] => exponent(rest)?,
        _ => return Err(ReadError::Syntax),
    };
    // The largest double is about 1.8e308: what may round past it is refused, zero is not.
    let is_zero = whole.iter().chain(fraction).all(|b| *b == b'0');
    let places = i32::try_from(whole.len()).unwrap_or(i32::MAX);
    if !is_zero && places.saturating_add(exponent) > LARGEST_EXPONENT {
        return Err(ReadError::Number);
    }
    Ok(())
}

fn exponent(text: &[u8]) -> Result<i32, ReadError> {
    let (sign, text) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    let (digits, rest) = digits(text);
    if digits.is_empty() || !rest.is_empty() {
        return Err(ReadError::Syntax);
    }
    std::str::from_utf8(digits)
        .ok()
        .filter(|text| text.len() <= 4)
        .and_then(|text| text.parse::<i32>().ok())
        .map(|value| value.saturating_mul(sign))
        .ok_or(ReadError::Number)
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let len = text
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at_checked(len).unwrap_or((text, &[]))
}

/// Decodes what [`Cursor::string`] has checked.
fn decode(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let [kind, tail @ ..] = rest else { break };
        rest = tail;
        match kind {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => rest = decode_unicode(rest, &mut out),
            other => out.push(*other),
        }
    }
    out
}

fn decode_unicode<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let [a, b, c, d, tail @ ..] = rest else {
        return &[];
    };
    let first = hex4([*a, *b, *c, *d]).unwrap_or(0);
    let (units, tail) = match (first, tail) {
        (0xd800..=0xdbff, [b'\\', b'u', a, b, c, d, tail @ ..]) => {
            let second = hex4([*a, *b, *c, *d]).unwrap_or(0);
            (vec![first, second], tail)
        }
        _ => (vec![first], tail),
    };
    for decoded in char::decode_utf16(units) {
        let character = decoded.unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    tail
}

fn hex4(letters: [u8; 4]) -> Option<u16> {
    letters.into_iter().try_fold(0_u16, |sum, letter| {
        let digit = char::from(letter).to_digit(16)?;
        Some((sum << 4) | u16::try_from(digit).ok()?)
    })
}

/// No early exit inside a block: the compiler turns it into a few wide comparisons.
fn has_control(bytes: &[u8]) -> bool {
    let any = |block: &[u8]| block.iter().fold(false, |found, b| found | (*b < 0x20));
    bytes.chunks(256).any(any)
}

/// Longer numbers exist in no request; parsers take quadratic time over them.
const NUMBER_BYTES: usize = 128;

/// A number has at most so many places before its point once its exponent is applied.
const LARGEST_EXPONENT: i32 = 308;
