//! Ids of requests.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bauta_token::{
    ambient::{self, Randomness},
    units::UnixMillis,
};

/// A ULID: 48 bits of milliseconds, then 80 random ones. The caller gets it in `bauta-request`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId([u8; 16]);

impl RequestId {
    fn new(now: UnixMillis, random: [u8; RANDOM]) -> Self {
        let mut bytes = [0; 16];
        let [_, _, time @ ..] = now.0.to_be_bytes();
        for (to, from) in bytes.iter_mut().zip(time.into_iter().chain(random)) {
            *to = from;
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

/// Gives ids. Random bytes are fetched for many at once: a system call for each request costs more
/// than all else about its id, and an id is no secret, so that it may lie here before it is given.
pub struct RequestIds {
    randomness: Arc<dyn Randomness>,
    ahead: Mutex<Vec<[u8; RANDOM]>>,
}

impl RequestIds {
    /// Ids from `randomness`.
    #[must_use]
    pub const fn new(randomness: Arc<dyn Randomness>) -> Self {
        let ahead = Mutex::new(Vec::new());
        Self { randomness, ahead }
    }

    /// A fresh one for a request that came at `now`.
    #[must_use]
    pub fn fresh(&self, now: UnixMillis) -> RequestId {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if ahead.is_empty() {
            let bytes: [u8; RANDOM * AHEAD] = ambient::bytes(&*self.randomness);
            ahead.extend_from_slice(bytes.as_chunks().0);
        }
        // Never empty: it was filled.
        RequestId::new(now, ahead.pop().unwrap_or_default())
    }
}

/// 80 bits of an id are random.
const RANDOM: usize = 10;

/// So many ids are fetched at once: within the 256 bytes that the system gives without a pause.
const AHEAD: usize = 25;

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
        let early = RequestIds::new(Arc::new(Fixed(255))).fresh(UnixMillis(1_469_918_176_385));
        let late = RequestIds::new(Arc::new(Fixed(0))).fresh(UnixMillis(1_469_918_176_386));

        assert_eq!(early.to_string(), "01ARYZ6S41ZZZZZZZZZZZZZZZZ");
        assert!(early.to_string() < late.to_string());
        assert!(early < late);
    }

    /// Each byte is another one, as far as a byte goes.
    #[derive(Default)]
    struct Counting(Mutex<u32>);

    impl Randomness for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            let mut n = self.0.lock().unwrap();
            for four in bytes.chunks_mut(4) {
                *n = n.strict_add(1);
                four.copy_from_slice(&n.to_le_bytes()[..four.len()]);
            }
        }
    }

    #[test]
    fn what_was_fetched_ahead_is_given_once() {
        let ids = RequestIds::new(Arc::new(Counting::default()));

        let mut given: Vec<_> = (0..1_000).map(|_| ids.fresh(UnixMillis(1))).collect();

        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), 1_000);
    }
}
