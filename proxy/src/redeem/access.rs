//! Access tokens that were verified, known by the hash of all of their bytes.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bauta_token::{claims::Claims, units::UnixMillis};
use ring::digest;

/// A token whose signature was verified.
pub struct Token {
    claims: Claims,
    generation: u64,
}

impl Token {
    pub(super) const fn new(claims: Claims, generation: u64) -> Self {
        Self { claims, generation }
    }

    /// What it says.
    #[must_use]
    pub(crate) const fn claims(&self) -> &Claims {
        &self.claims
    }
}

/// The key of a token: SHA-256 of the whole of it. A prefix would let another token with the same
/// beginning pass for it.
pub(super) fn digest(presented: &str) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(digest::digest(&digest::SHA256, presented.as_bytes()).as_ref());
    key
}

/// Verified tokens, in two halves: when the young half is full the old one is forgotten, and what
/// is still used has moved over by then. So memory is bounded and nothing is ever searched.
#[derive(Default)]
pub(super) struct Known(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    young: HashMap<[u8; 32], Arc<Token>>,
    old: HashMap<[u8; 32], Arc<Token>>,
}

impl Known {
    /// The token of this key, if it was verified under the manifest of this generation.
    pub(super) fn find(&self, key: &[u8; 32], generation: u64) -> Option<Arc<Token>> {
        let mut halves = self.halves();
        let found = if let Some(token) = halves.young.get(key) {
            Arc::clone(token)
        } else {
            let token = halves.old.remove(key)?;
            halves.insert(*key, Arc::clone(&token));
            token
        };
        (found.generation == generation).then_some(found)
    }

    pub(super) fn keep(&self, key: [u8; 32], token: Arc<Token>, now: UnixMillis) {
        let mut halves = self.halves();
        if halves.young.len() >= HALF {
            let seconds = now.seconds();
            halves.young.retain(|_, known| known.claims.exp > seconds);
        }
        halves.insert(key, token);
    }

    fn halves(&self) -> MutexGuard<'_, Halves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    fn insert(&mut self, key: [u8; 32], token: Arc<Token>) {
        if self.young.len() >= HALF {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, token);
    }
}

/// Tokens of one half. A member has one or two at a time, so this is thousands of members.
const HALF: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redeem::tests::claims;

    #[test]
    fn a_flood_of_tokens_takes_bounded_memory_and_spares_the_one_in_use() {
        let known = Known::default();
        let used = digest("used");
        let token = |exp| {
            let claims = Claims { exp, ..claims() };
            Arc::new(Token::new(claims, 1))
        };
        known.keep(used, token(i64::MAX), UnixMillis(0));

        for n in 0..5 * HALF {
            known.keep(digest(&n.to_string()), token(i64::MAX), UnixMillis(0));
            if n % 1000 == 0 {
                assert!(known.find(&used, 1).is_some());
            }
        }

        let halves = known.halves();
        assert!(halves.young.len() <= HALF && halves.old.len() <= HALF);
    }

    #[test]
    fn a_token_of_another_manifest_is_verified_again() {
        let known = Known::default();
        let key = digest("token");
        known.keep(key, Arc::new(Token::new(claims(), 1)), UnixMillis(0));

        assert!(known.find(&key, 1).is_some());
        assert!(known.find(&key, 2).is_none());
    }
}
