//! Ids of requests.

use std::fmt;

use bauta_token::{
    ambient::{self, Randomness},
    units::UnixMillis,
};

/// A ULID: 48 bits of milliseconds, then 80 random ones. The caller gets it in `bauta-request`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// A fresh one.
    #[must_use]
    pub fn fresh(now: UnixMillis, randomness: &dyn Randomness) -> Self {
        let mut bytes: [u8; 16] = ambient::bytes(randomness);
        let [_, _, time @ ..] = now.0.to_be_bytes();
        if let Some(head) = bytes.first_chunk_mut() {
            *head = time;
        }
        Self(bytes)
    }

    /// The id that a column holds.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// As a column holds it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The 26 letters of it, without an allocation.
    #[must_use]
    pub fn letters(&self) -> [u8; 26] {
        let number = u128::from_be_bytes(self.0);
        let mut out = [b'0'; 26];
        for (place, letter) in out.iter_mut().rev().enumerate() {
            let shift = u32::try_from(place.saturating_mul(5)).unwrap_or(0);
            let five_bits = usize::try_from((number >> shift) & 31).unwrap_or(0);
            *letter = CROCKFORD.get(five_bits).copied().unwrap_or(b'0');
        }
        out
    }
}

/// 26 letters of Crockford's base32.
impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = self.letters();
        f.write_str(std::str::from_utf8(&letters).unwrap_or_default())
    }
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Randomness for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn an_id_begins_with_its_time_and_sorts_by_it() {
        // The example of the ULID specification: 1469918176385 is 01ARYZ6S41.
        let early = RequestId::fresh(UnixMillis(1_469_918_176_385), &Fixed(255));
        let late = RequestId::fresh(UnixMillis(1_469_918_176_386), &Fixed(0));

        assert_eq!(early.to_string(), "01ARYZ6S41ZZZZZZZZZZZZZZZZ");
        assert!(early.to_string() < late.to_string());
        assert!(early < late);
    }
}
