//! Who a provider sees: a stable name that names nobody.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `bp1_` and 52 letters of base32: 256 bits that only the identity plane can tie to a member.
///
/// Fits the 64 characters that every provider's end-user field takes, and is never like an
/// e-mail address or a phone number, which providers refuse.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pseudonym(String);

impl Pseudonym {
    /// The pseudonym that shows these 256 bits.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", base32(bytes)))
    }

    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `None` for anything but the one form this type prints.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let letters = text.strip_prefix(PREFIX)?;
        let last = letters.as_bytes().last()?;
        // 52 letters carry 260 bits: the last letter has four that must be zero.
        let canonical = matches!(last, b'a' | b'q');
        (letters.len() == 52 && letters.bytes().all(is_letter) && canonical)
            .then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Pseudonym {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a pseudonym")
    }
}

impl From<Pseudonym> for String {
    fn from(pseudonym: Pseudonym) -> Self {
        pseudonym.0
    }
}

/// RFC 4648, section 6, in lower case and without padding.
fn base32(bytes: &[u8; 32]) -> String {
    let mut out = String::with_capacity(52);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits = bits.saturating_add(8);
        while bits >= 5 {
            bits = bits.saturating_sub(5);
            out.push(letter(buffer >> bits));
        }
        buffer &= !(u32::MAX << bits);
    }
    if bits > 0 {
        out.push(letter(buffer << 5_u32.saturating_sub(bits)));
    }
    out
}

fn letter(five_bits: u32) -> char {
    match five_bits & 31 {
        n @ 0..=25 => char::from(b'a'.saturating_add(u8::try_from(n).unwrap_or(0))),
        n => char::from(b'2'.saturating_add(u8::try_from(n.saturating_sub(26)).unwrap_or(0))),
    }
}

fn is_letter(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'2'..=b'7')
}

const PREFIX: &str = "bp1_";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pseudonym_is_56_characters_and_reads_back() {
        let made = Pseudonym::from_bytes(&[0xa5; 32]);

        assert_eq!(made.as_str().len(), 56);
        assert_eq!(Pseudonym::parse(made.as_str()), Some(made));
    }

    /// RFC 4648 by another implementation.
    #[test]
    fn the_letters_are_base32() {
        let bytes = std::array::from_fn(|n| u8::try_from(n).unwrap());

        let made = Pseudonym::from_bytes(&bytes);

        assert_eq!(
            made.as_str(),
            "bp1_aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq"
        );
    }

    proptest! {
        #[test]
        fn other_bits_are_another_pseudonym(one: [u8; 32], other: [u8; 32]) {
            let (one_shown, other_shown) = (Pseudonym::from_bytes(&one), Pseudonym::from_bytes(&other));

            prop_assert_eq!(one == other, one_shown == other_shown);
            prop_assert_eq!(Pseudonym::parse(one_shown.as_str()), Some(one_shown));
        }

        #[test]
        fn no_text_is_read_that_is_not_printed(text in "bp1_[a-z2-7]{51}[a-z2-7]") {
            // Of 32 last letters two have the four spare bits clear.
            let canonical = text.ends_with(['a', 'q']);
            prop_assert_eq!(Pseudonym::parse(&text).is_some(), canonical);
        }
    }

    #[test]
    fn only_the_one_form_is_read() {
        let good = Pseudonym::from_bytes(&[7; 32]).0;
        let upper = good.to_uppercase();
        let tail = format!("{}b", &good[..55]);

        for bad in ["", "bp1_", "a@b.example", &good[1..], &upper, &tail] {
            assert_eq!(Pseudonym::parse(bad), None, "{bad}");
        }
    }
}
