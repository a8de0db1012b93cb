//! Names and faults drawn from a seed, so that a failing run can be run again.

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of values that look random and are the same for the same seed.
#[derive(Debug)]
pub(crate) struct Seed {
    root: u64,
    label: &'static str,
    drawn: AtomicU64,
}

impl Seed {
    /// A source of its own for `label`: two simulators never share a sequence.
    pub(crate) fn new(seed: u64, label: &'static str) -> Self {
        Self {
            root: seed,
            label,
            drawn: AtomicU64::new(0),
        }
    }

    /// 32 bytes never drawn before from this source.
    pub(crate) fn bytes(&self) -> [u8; 32] {
        let count = self.drawn.fetch_add(1, Ordering::SeqCst);
        let mut input = Vec::from(self.label.as_bytes());
        input.extend_from_slice(&self.root.to_be_bytes());
        input.extend_from_slice(&count.to_be_bytes());
        <[u8; 32]>::try_from(digest(&SHA256, &input).as_ref()).unwrap_or_default()
    }

    /// `prefix` followed by 24 letters and digits.
    pub(crate) fn name(&self, prefix: &str) -> String {
        let tail = self.bytes().into_iter().take(24).map(letter);
        prefix.chars().chain(tail).collect()
    }

    /// A number below `bound`; 0 when the bound is 0.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        let head = self.bytes().first_chunk::<8>().copied().unwrap_or_default();
        u64::from_be_bytes(head).checked_rem(bound).unwrap_or(0)
    }
}

fn letter(byte: u8) -> char {
    let at = usize::from(byte % 62);
    LETTERS.get(at).copied().map_or('x', char::from)
}

/// A seed that no earlier run had: a database that outlives the sandbox must not meet the same ids
/// twice.
pub(crate) fn fresh() -> u64 {
    let mut bytes = [0; 8];
    if system().fill(&mut bytes).is_err() {
        return 0;
    }
    u64::from_be_bytes(bytes)
}

/// What RSA blinding and ECDSA nonces are drawn from; nothing a test could wish to repeat.
#[expect(
    clippy::disallowed_methods,
    reason = "ring takes only its own source, and the sandbox judges nothing by it"
)]
pub(crate) fn system() -> SystemRandom {
    SystemRandom::new()
}

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_names_and_never_one_twice() {
        let (one, two) = (Seed::new(7, "a"), Seed::new(7, "a"));
        let first = one.name("inq_");

        assert_eq!(first, two.name("inq_"));
        assert_ne!(first, one.name("inq_"));
        assert_ne!(first, Seed::new(7, "b").name("inq_"));
        assert_eq!(first.len(), 28);
    }
}
