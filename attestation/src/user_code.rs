//! Codes that people read out and type.

use bauta_token::ambient::{Randomness, bytes};

/// Eight letters that a person types: no vowel, so that no word comes out, and none that looks
/// like another.
pub(crate) struct UserCode([u8; 8]);

impl UserCode {
    /// A fresh one.
    pub(crate) fn random(randomness: &dyn Randomness) -> Self {
        let mut letters = [0; 8];
        let mut filled = 0;
        while filled < letters.len() {
            // 240 is the largest multiple of 20 in a byte: what is above would favour some letters.
            for byte in bytes::<16>(randomness)
                .into_iter()
                .filter(|byte| *byte < 240)
            {
                let letter = ALPHABET.get(usize::from(byte % 20)).copied();
                if let (Some(slot), Some(letter)) = (letters.get_mut(filled), letter) {
                    *slot = letter;
                    filled = filled.saturating_add(1);
                }
            }
        }
        Self(letters)
    }

    /// Its letters.
    pub(crate) const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// Letter by letter, for who hears it read.
    pub(crate) fn spelled(&self) -> String {
        let letters: Vec<_> = self.0.iter().map(|letter| char::from(*letter)).collect();
        let half = |from: &[char]| {
            let parts: Vec<_> = from.iter().map(ToString::to_string).collect();
            parts.join(" ")
        };
        let (one, two) = letters.split_at(letters.len() / 2);
        format!("{}, {}", half(one), half(two))
    }

    /// What a person typed: in any case, with or without a dash or spaces.
    pub(crate) fn read(typed: &str) -> Option<Self> {
        if typed.len() > 32 {
            return None;
        }
        let letters: Vec<u8> = typed
            .bytes()
            .filter(|byte| !b"- ".contains(byte))
            .map(|byte| byte.to_ascii_uppercase())
            .collect();
        let letters: [u8; 8] = letters.try_into().ok()?;
        letters
            .iter()
            .all(|letter| ALPHABET.contains(letter))
            .then_some(Self(letters))
    }
}

/// `XXXX-XXXX`.
impl std::fmt::Display for UserCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, letter) in self.0.iter().enumerate() {
            let dash = if place == 4 { "-" } else { "" };
            write!(f, "{dash}{}", char::from(*letter))?;
        }
        Ok(())
    }
}

/// RFC 8628, section 6.1.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_code_is_read_as_people_write_it() {
        let read = |text: &str| UserCode::read(text).map(|code| code.to_string());

        assert_eq!(read("bcdf-ghjk").as_deref(), Some("BCDF-GHJK"));
        assert_eq!(read(" BCDF GHJK ").as_deref(), Some("BCDF-GHJK"));
        for bad in [
            "",
            "BCDF",
            "BCDF-GHJKL",
            "ABCD-EFGH",
            "BCDF_GHJK",
            "1234-5678",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
