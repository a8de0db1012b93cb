//! An object that is spelled as it is made, without a tree in between.

use super::{CanonicalError, MAX_BYTES, Printer};

/// The canonical text of an object, member by member, in the order of the keys' code points.
pub struct Object {
    printer: Printer,
    last: Option<&'static str>,
    fault: Option<CanonicalError>,
}

impl Default for Object {
    fn default() -> Self {
        let out = String::with_capacity(ROOM);
        let bytes = MAX_BYTES;
        Self {
            printer: Printer { out, bytes },
            last: None,
            fault: None,
        }
    }
}

impl Object {
    /// Adds a string.
    pub fn text(&mut self, key: &'static str, value: &str) -> &mut Self {
        self.member(key, |printer| printer.string(value))
    }

    /// Adds a string, if there is one.
    pub fn maybe_text(&mut self, key: &'static str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    /// Adds an integer.
    pub fn number(&mut self, key: &'static str, value: impl Into<i128>) -> &mut Self {
        let value = value.into();
        self.member(key, |printer| {
            if i64::try_from(value).is_err() && u64::try_from(value).is_err() {
                return Err(CanonicalError::Number);
            }
            printer.push(&value.to_string())
        })
    }

    /// Adds strings as an array.
    pub fn texts<'t>(
        &mut self,
        key: &'static str,
        values: impl Iterator<Item = &'t str>,
    ) -> &mut Self {
        self.member(key, |printer| {
            printer.push("[")?;
            for (n, value) in values.enumerate() {
                if n > 0 {
                    printer.push(",")?;
                }
                printer.string(value)?;
            }
            printer.push("]")
        })
    }

    /// The text.
    ///
    /// # Errors
    ///
    /// [`CanonicalError::Spelling`] when a key did not come after the one before it, else as
    /// [`super::to_string`].
    pub fn finish(mut self) -> Result<String, CanonicalError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let end = if self.last.is_some() { "}" } else { "{}" };
        self.printer.push(end)?;
        Ok(self.printer.out)
    }

    fn member(
        &mut self,
        key: &'static str,
        value: impl FnOnce(&mut Printer) -> Result<(), CanonicalError>,
    ) -> &mut Self {
        if self.fault.is_none() {
            self.fault = self.write(key, value).err();
        }
        self
    }

    fn write(
        &mut self,
        key: &'static str,
        value: impl FnOnce(&mut Printer) -> Result<(), CanonicalError>,
    ) -> Result<(), CanonicalError> {
        if self.last.is_some_and(|last| last >= key) {
            return Err(CanonicalError::Spelling);
        }
        let before = if self.last.is_some() { "," } else { "{" };
        self.last = Some(key);
        self.printer.push(before)?;
        self.printer.string(key)?;
        self.printer.push(":")?;
        value(&mut self.printer)
    }
}

/// An event about a request is no longer.
const ROOM: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::parse;

    #[test]
    fn what_is_spelled_member_by_member_is_canonical() {
        let mut object = Object::default();
        object
            .text("a", "quote \" and \u{1}")
            .maybe_text("b", None)
            .number("c", i64::MIN)
            .number("d", u64::MAX)
            .texts("e", ["x", "y"].into_iter())
            .texts("f", std::iter::empty());

        let text = object.finish().unwrap();

        assert!(parse(&text).is_ok(), "{text}");
        assert_eq!(
            text,
            "{\"a\":\"quote \\\" and \\u0001\",\"c\":-9223372036854775808,\
             \"d\":18446744073709551615,\"e\":[\"x\",\"y\"],\"f\":[]}"
        );
        assert_eq!(Object::default().finish().unwrap(), "{}");
    }

    #[test]
    fn a_key_out_of_order_or_twice_is_no_object() {
        for (first, second) in [("b", "a"), ("a", "a"), ("Z", "A")] {
            let mut object = Object::default();
            object.text(first, "").text(second, "");

            assert_eq!(object.finish(), Err(CanonicalError::Spelling));
        }
    }

    #[test]
    fn a_number_past_64_bits_is_refused() {
        let mut object = Object::default();
        object.number("n", i128::from(u64::MAX).strict_add(1));

        assert_eq!(object.finish(), Err(CanonicalError::Number));
    }
}
