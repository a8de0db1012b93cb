//! The one spelling of a JSON value: keys in code point order, no spaces, integers only.
//!
//! Byte for byte what Python's `json.dumps(value, sort_keys=True, separators=(",", ":"),
//! ensure_ascii=False)` prints, so that a verifier needs no library for it.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use thiserror::Error;

mod object;

pub use object::Object;

/// The canonical text of `value`.
///
/// # Errors
///
/// [`CanonicalError`] for numbers that are not integers of 64 bits, for nesting deeper than
/// [`MAX_DEPTH`] and for more than [`MAX_BYTES`].
pub fn to_string(value: &Value) -> Result<String, CanonicalError> {
    print(value, MAX_DEPTH, MAX_BYTES)
}

/// The value that `text` spells, if `text` is canonical. A repeated key never is.
///
/// # Errors
///
/// [`CanonicalError`] for anything that [`to_string`] would not have printed.
pub fn parse(text: &str) -> Result<Value, CanonicalError> {
    parse_within(text, MAX_DEPTH, MAX_BYTES)
}

/// Why a value has no canonical text, or a text is not canonical.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum CanonicalError {
    /// Not JSON at all.
    #[error("not JSON")]
    Syntax,
    /// JSON, spelled differently: another order, spaces, escapes, or a key twice.
    #[error("JSON, but not in its canonical spelling")]
    Spelling,
    /// A number with a fraction or an exponent, or beyond 64 bits.
    #[error("a number that is not a 64-bit integer")]
    Number,
    /// Nested too deeply.
    #[error("nested too deeply")]
    Depth,
    /// Too long.
    #[error("too long")]
    Size,
}

pub(crate) fn print(value: &Value, depth: u8, bytes: usize) -> Result<String, CanonicalError> {
    let mut printer = Printer {
        out: String::new(),
        bytes,
    };
    printer.value(value, depth)?;
    Ok(printer.out)
}

pub(crate) fn parse_within(text: &str, depth: u8, bytes: usize) -> Result<Value, CanonicalError> {
    if text.len() > bytes {
        return Err(CanonicalError::Size);
    }
    let value = serde_json::from_str(text).map_err(|_| CanonicalError::Syntax)?;
    if print(&value, depth, bytes)? != text {
        return Err(CanonicalError::Spelling);
    }
    Ok(value)
}

struct Printer {
    out: String,
    bytes: usize,
}

impl Printer {
    fn value(&mut self, value: &Value, depth: u8) -> Result<(), CanonicalError> {
        match value {
            Value::Null => self.push("null"),
            Value::Bool(true) => self.push("true"),
            Value::Bool(false) => self.push("false"),
            Value::Number(number) => {
                if let Some(number) = number.as_i64() {
                    self.push(&number.to_string())
                } else {
                    let number = number.as_u64().ok_or(CanonicalError::Number)?;
                    self.push(&number.to_string())
                }
            }
            Value::String(text) => self.string(text),
            Value::Array(items) => self.array(items, inner(depth)?),
            Value::Object(members) => self.object(members, inner(depth)?),
        }
    }

    fn array(&mut self, items: &[Value], depth: u8) -> Result<(), CanonicalError> {
        let mut separator = "[";
        for item in items {
            self.push(separator)?;
            self.value(item, depth)?;
            separator = ",";
        }
        self.push(if items.is_empty() { "[]" } else { "]" })
    }

    /// Sorts here, because the order inside a `Map` is a build-time feature of `serde_json`.
    fn object(&mut self, members: &Map<String, Value>, depth: u8) -> Result<(), CanonicalError> {
        let mut sorted: Vec<_> = members.iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        let mut separator = "{";
        for (key, value) in sorted {
            self.push(separator)?;
            self.string(key)?;
            self.push(":")?;
            self.value(value, depth)?;
            separator = ",";
        }
        self.push(if members.is_empty() { "{}" } else { "}" })
    }

    fn string(&mut self, text: &str) -> Result<(), CanonicalError> {
        self.push("\"")?;
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
            let (plain, special) = rest.split_at(at);
            self.push(plain)?;
            let mut chars = special.chars();
            if let Some(c) = chars.next() {
                self.escape(c)?;
            }
            rest = chars.as_str();
        }
        self.push(rest)?;
        self.push("\"")
    }

    fn escape(&mut self, c: char) -> Result<(), CanonicalError> {
        match c {
            '"' => self.push("\\\""),
            '\\' => self.push("\\\\"),
            '\n' => self.push("\\n"),
            '\r' => self.push("\\r"),
            '\t' => self.push("\\t"),
            '\u{8}' => self.push("\\b"),
            '\u{c}' => self.push("\\f"),
            _ => write!(self.out, "\\u{:04x}", u32::from(c)).map_err(|_| CanonicalError::Size),
        }
    }

    fn push(&mut self, text: &str) -> Result<(), CanonicalError> {
        self.out.push_str(text);
        if self.out.len() > self.bytes {
            return Err(CanonicalError::Size);
        }
        Ok(())
    }
}

fn inner(depth: u8) -> Result<u8, CanonicalError> {
    depth.checked_sub(1).ok_or(CanonicalError::Depth)
}

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: u8 = 16;

/// How long a canonical text may be: half of what a line of an export may hold.
pub const MAX_BYTES: usize = 512 * 1024;

#[cfg(test)]
mod tests;
