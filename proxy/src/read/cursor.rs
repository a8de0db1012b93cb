//! Strings, numbers and blanks: the letters of JSON, read once.

use std::borrow::Cow;

use memchr::memchr2;

use super::fields::Fault;

/// What is left of a body.
///
/// Moves only forward and only by matching, so there is no index to get wrong.
pub(super) struct Cursor<'a> {
    len: usize,
    rest: &'a [u8],
    /// Whether the body has a control character at all. Compact bodies have none, and then no
    /// string need be looked at for them.
    controls: bool,
    /// Whether the string that was passed last has an escape.
    escaped: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            len: bytes.len(),
            rest: bytes,
            controls: has_control(bytes),
            escaped: false,
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
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        self.takes(byte).then_some(()).ok_or(Fault::Syntax)
    }

    /// Passes `word`.
    pub(super) fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        self.rest = self.rest.strip_prefix(word).ok_or(Fault::Syntax)?;
        Ok(())
    }

    /// Passes a string, opening quote included, and gives what stands between the quotes.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Text<'a>, Fault> {
        let raw = self.raw_string()?;
        let escaped = self.escaped;
        Ok(Text { raw, escaped })
    }

    /// A slice or a fault is two registers; with the flag beside it, it would go through memory,
    /// which costs as much as the string.
    fn raw_string(&mut self) -> Result<&'a [u8], Fault> {
        self.expect(b'"')?;
        let from = self.rest;
        let mut rest = from;
        let mut escaped = false;
        loop {
            let stop = stop(rest).ok_or(Fault::Syntax)?;
            let (plain, tail) = rest.split_at_checked(stop).ok_or(Fault::Syntax)?;
            if self.controls && has_control(plain) {
                return Err(Fault::Syntax);
            }
            rest = match tail {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    // All that was passed, less the closing quote.
                    let len = from.len().saturating_sub(tail.len());
                    self.escaped = escaped;
                    return from.get(..len).ok_or(Fault::Syntax);
                }
                [
                    b'\\',
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                    rest @ ..,
                ] => rest,
                [b'\\', b'u', rest @ ..] => unicode(rest)?,
                _ => return Err(Fault::Syntax),
            };
            escaped = true;
        }
    }

    /// Passes a number.
    pub(super) fn number(&mut self) -> Result<(), Fault> {
        let of_number = |b: &u8| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let len = self
            .rest
            .iter()
            .position(|b| !of_number(b))
            .unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at_checked(len).ok_or(Fault::Syntax)?;
        self.rest = rest;
        check_number(text)
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Where the next quote or backslash is.
///
/// Code and prose inside a string have an escape every few dozen bytes. A wide search costs more
/// to begin than to go on, so the first bytes are looked at eight at a time.
fn stop(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    for _ in 0..NEAR_WORDS {
        let Some((word, tail)) = rest.split_first_chunk::<8>() else {
            break;
        };
        let word = u64::from_le_bytes(*word);
        let hits = zero_bytes(word ^ QUOTES) | zero_bytes(word ^ BACKSLASHES);
        if hits != 0 {
            let before = bytes.len().saturating_sub(rest.len());
            let within = usize::try_from(hits.trailing_zeros() / 8).unwrap_or(0);
            return Some(before.saturating_add(within));
        }
        rest = tail;
    }
    let before = bytes.len().saturating_sub(rest.len());
    memchr2(b'"', b'\\', rest).map(|at| before.saturating_add(at))
}

/// The high bit of each byte that is zero; bits above the lowest one that is set may be wrong.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

const ONES: u64 = u64::from_le_bytes([0x01; 8]);
const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
const BACKSLASHES: u64 = u64::from_le_bytes([b'\\'; 8]);

/// Words that are looked at before a wide search begins.
const NEAR_WORDS: usize = 8;

/// What stands between two quotes, checked.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    /// What it means, if that is how it is written.
    pub(super) const fn plain(self) -> Option<&'a [u8]> {
        if self.escaped { None } else { Some(self.raw) }
    }

    /// What it means.
    pub(super) fn decoded(self) -> Cow<'a, [u8]> {
        self.plain()
            .map_or_else(|| Cow::Owned(decode(self.raw)), Cow::Borrowed)
    }
}

/// Passes the digits of a `\u` escape, and its other half when it is one of a pair. Half a pair
/// alone is no character: parsers replace it, drop it or refuse it, each its own way.
fn unicode(rest: &[u8]) -> Result<&[u8], Fault> {
    let (first, rest) = unit(rest)?;
    match (first, rest) {
        (0xd800..=0xdbff, [b'\\', b'u', rest @ ..]) => match unit(rest)? {
            (0xdc00..=0xdfff, rest) => Ok(rest),
            _ => Err(Fault::Syntax),
        },
        (0xd800..=0xdfff, _) => Err(Fault::Syntax),
        _ => Ok(rest),
    }
}

fn unit(rest: &[u8]) -> Result<(u16, &[u8]), Fault> {
    let (letters, rest) = rest.split_first_chunk().ok_or(Fault::Syntax)?;
    hex4(*letters).map(|unit| (unit, rest)).ok_or(Fault::Syntax)
}

/// The text of a JSON string, quotes included. `None` when it is no string.
pub(super) fn string_value(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut cursor = Cursor::new(raw);
    let text = cursor.string().ok()?;
    cursor.is_at_end().then(|| text.decoded())
}

/// RFC 8259, section 6, and a size that every parser holds.
fn check_number(text: &[u8]) -> Result<(), Fault> {
    if text.len() > NUMBER_BYTES {
        return Err(Fault::Number);
    }
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, rest) = digits(unsigned);
    if whole.is_empty() || (whole.len() > 1 && whole.starts_with(b"0")) {
        return Err(Fault::Syntax);
    }
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => {
            let (fraction, rest) = digits(rest);
            if fraction.is_empty() {
                return Err(Fault::Syntax);
            }
            (fraction, rest)
        }
        _ => (&[] as &[u8], rest),
    };
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', rest @ ..] => exponent(rest)?,
        _ => return Err(Fault::Syntax),
    };
    // The largest double is about 1.8e308: what may round past it is refused, zero is not.
    let is_zero = whole.iter().chain(fraction).all(|b| *b == b'0');
    let places = i32::try_from(whole.len()).unwrap_or(i32::MAX);
    if !is_zero && places.saturating_add(exponent) > LARGEST_EXPONENT {
        return Err(Fault::Number);
    }
    Ok(())
}

fn exponent(text: &[u8]) -> Result<i32, Fault> {
    let (sign, text) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    let (digits, rest) = digits(text);
    if digits.is_empty() || !rest.is_empty() {
        return Err(Fault::Syntax);
    }
    std::str::from_utf8(digits)
        .ok()
        .filter(|text| text.len() <= 4)
        .and_then(|text| text.parse::<i32>().ok())
        .map(|value| value.saturating_mul(sign))
        .ok_or(Fault::Number)
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
    let least = |block: &[u8]| block.iter().copied().min();
    bytes.chunks(256).any(|block| least(block) < Some(0x20))
}

/// Longer numbers exist in no request; parsers take quadratic time over them.
const NUMBER_BYTES: usize = 128;

/// A number has at most so many places before its point once its exponent is applied.
const LARGEST_EXPONENT: i32 = 308;
