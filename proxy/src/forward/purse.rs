//! What is shown to one upstream: nothing, a key of several, or a token that is got for it.
//!
//! A key that the provider refuses (401) is set aside and the next one is tried with the same
//! request: a refused request did nothing. So a key is rotated with overlap: the new one is added,
//! the old one revoked at the provider, and then taken out of the configuration.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use bauta_token::{ambient::Clock, scope::Name, units::UnixMillis};
use http::HeaderMap;

use super::{
    credential::{Credential, Shown},
    federated::{Federated, Token, TokenState},
};
use crate::dialect::Dialect;

/// The credentials of one upstream.
pub(super) struct Purse {
    upstream: Name,
    dialect: Dialect,
    clock: Arc<dyn Clock>,
    holds: Holds,
}

enum Holds {
    /// Keys, as many as there are; none for a server that asks for none.
    Keys(RwLock<Keys>),
    Token(Arc<Federated>),
}

/// What was shown with one request.
pub(super) enum Slip {
    Nothing,
    Key(usize),
    Token(Arc<Token>),
}

/// Which keys one request has been shown with already.
#[derive(Default)]
pub(super) struct Tried {
    keys: u32,
    tokens: u32,
}

impl Purse {
    /// Keys that configuration gives.
    pub(super) fn of_keys(
        upstream: Name,
        dialect: Dialect,
        keys: Vec<Credential>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            holds: Holds::Keys(RwLock::new(Keys::new(keys, dialect))),
            upstream,
            dialect,
            clock,
        }
    }

    /// A token that is got when it is needed.
    pub(super) fn of_token(
        upstream: Name,
        dialect: Dialect,
        token: Arc<Federated>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            holds: Holds::Token(token),
            upstream,
            dialect,
            clock,
        }
    }

    /// Whether a request may be shown with something else when the first thing is refused.
    pub(super) fn has_spare(&self) -> bool {
        match &self.holds {
            Holds::Keys(keys) => keys.read().unwrap_or_else(PoisonError::into_inner).len() > 1,
            Holds::Token(_) => true,
        }
    }

    /// Puts the best credential that was not tried into `headers`; `None` when there is none.
    pub(super) async fn show(&self, headers: &mut HeaderMap, tried: &mut Tried) -> Option<Slip> {
        match &self.holds {
            Holds::Keys(keys) => {
                let keys = keys.read().unwrap_or_else(PoisonError::into_inner);
                if keys.len() == 0 {
                    return Some(Slip::Nothing);
                }
                let place = keys.pick(self.clock.now(), tried.keys)?;
                tried.keys |= bit(place);
                keys.all.get(place)?.shown.insert(headers);
                Some(Slip::Key(place))
            }
            Holds::Token(source) => {
                if tried.tokens == MOST_TOKENS {
                    return None;
                }
                tried.tokens = tried.tokens.saturating_add(1);
                let token = source.token().await?;
                token.insert(headers, self.dialect);
                Some(Slip::Token(token))
            }
        }
    }

    /// The provider does not take what was shown.
    pub(super) fn refused(&self, slip: &Slip) {
        let now = self.clock.now();
        match (&self.holds, slip) {
            (Holds::Keys(keys), Slip::Key(place)) => {
                let keys = keys.read().unwrap_or_else(PoisonError::into_inner);
                if keys.set_aside(*place, now) {
                    self.tell(&keys, *place, now);
                }
            }
            (Holds::Token(source), Slip::Token(token)) => source.refused(token),
            _ => tracing::error!(
                upstream = %self.upstream,
                "the provider wants a credential and none is configured: add one, or a federation"
            ),
        }
    }

    fn tell(&self, keys: &Keys, place: usize, now: UnixMillis) {
        let key = place.saturating_add(1);
        let left = keys.usable(now);
        if left == 0 {
            tracing::error!(
                upstream = %self.upstream,
                key,
                of = keys.len(),
                "the provider refuses this key and there is no other: requests to this upstream \
                 fail until a key it takes is configured"
            );
        } else {
            tracing::error!(
                upstream = %self.upstream,
                key,
                of = keys.len(),
                left,
                "the provider refuses this key; the next one is used. Replace it, or take it out of \
                 the configuration"
            );
        }
    }

    /// Other keys from now on; what a request was shown with already stays as it is. Whether keys
    /// are what this upstream is shown.
    pub(super) fn rekey(&self, keys: Vec<Credential>) -> bool {
        let Holds::Keys(held) = &self.holds else {
            return false;
        };
        let fresh = Keys::new(keys, self.dialect);
        *held.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        true
    }

    /// For the metrics.
    pub(super) fn state(&self) -> PurseState {
        let now = self.clock.now();
        match &self.holds {
            Holds::Keys(keys) => {
                let keys = keys.read().unwrap_or_else(PoisonError::into_inner);
                let refused = (0..keys.len()).map(|place| keys.is_aside(place, now));
                PurseState::Keys(refused.collect())
            }
            Holds::Token(source) => PurseState::Token(source.state()),
        }
    }
}

/// How the credentials of one upstream stand.
pub(crate) enum PurseState {
    /// Whether each key, in the order of the configuration, was refused lately.
    Keys(Vec<bool>),
    /// The token that is got for it.
    Token(TokenState),
}

struct Keys {
    all: Vec<Key>,
    /// Counts requests where keys are used in proportion.
    turn: AtomicUsize,
}

struct Key {
    shown: Shown,
    weight: Option<u32>,
    /// When it was refused; 0 when it was not.
    refused_at: AtomicI64,
}

impl Keys {
    fn new(keys: Vec<Credential>, dialect: Dialect) -> Self {
        let all = keys.into_iter().filter_map(|key| {
            Some(Key {
                shown: key.header(dialect)?,
                weight: key.weight(),
                refused_at: AtomicI64::new(0),
            })
        });
        Self {
            all: all.collect(),
            turn: AtomicUsize::new(0),
        }
    }

    fn len(&self) -> usize {
        self.all.len()
    }

    /// The key for a request that was shown with those in `tried`. When all were refused lately,
    /// the one whose refusal is the oldest: a provider may have been wrong.
    fn pick(&self, now: UnixMillis, tried: u32) -> Option<usize> {
        let untried = || (0..self.len()).filter(move |place| tried & bit(*place) == 0);
        let good = || untried().filter(|place| !self.is_aside(*place, now));
        if good().next().is_none() {
            return untried().min_by_key(|place| self.refused_at(*place));
        }
        let weights = good().map(|place| self.weight(place));
        let Some(total) = weights.sum::<Option<usize>>() else {
            return good().next();
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut left = turn.checked_rem(total).unwrap_or(0);
        for place in good() {
            let weight = self.weight(place).unwrap_or(1);
            if left < weight {
                return Some(place);
            }
            left = left.saturating_sub(weight);
        }
        good().next()
    }

    fn weight(&self, place: usize) -> Option<usize> {
        let weight = self.all.get(place)?.weight?;
        usize::try_from(weight).ok()
    }

    /// Whether it stood until now.
    fn set_aside(&self, place: usize, now: UnixMillis) -> bool {
        let stood = !self.is_aside(place, now);
        if let Some(key) = self.all.get(place) {
            key.refused_at.store(now.0, Ordering::Relaxed);
        }
        stood
    }

    fn is_aside(&self, place: usize, now: UnixMillis) -> bool {
        let at = self.refused_at(place);
        at != 0 && now.0.saturating_sub(at) < ASIDE_MS
    }

    fn refused_at(&self, place: usize) -> i64 {
        let key = self.all.get(place);
        key.map_or(0, |key| key.refused_at.load(Ordering::Relaxed))
    }

    fn usable(&self, now: UnixMillis) -> usize {
        (0..self.len())
            .filter(|place| !self.is_aside(*place, now))
            .count()
    }
}

/// Configuration has fewer keys than an `u32` has bits.
fn bit(place: usize) -> u32 {
    u32::try_from(place)
        .ok()
        .and_then(|place| 1_u32.checked_shl(place))
        .unwrap_or(0)
}

/// For how long a refused key is tried after all others, in milliseconds.
const ASIDE_MS: i64 = 5 * 60 * 1_000;

/// A token that is refused is got anew once: it may have been withdrawn before its time.
const MOST_TOKENS: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_order_are_used_in_order() {
        let keys = keys(&[None, None]);

        assert_eq!(picks(&keys, 3), [0, 0, 0]);
        keys.set_aside(0, NOW);
        assert_eq!(picks(&keys, 3), [1, 1, 1]);
        assert_eq!(keys.pick(NOW, bit(1)), Some(0));
    }

    #[test]
    fn keys_with_weights_are_used_in_proportion() {
        let keys = keys(&[Some(3), Some(1)]);

        let picks = picks(&keys, 400);

        assert_eq!(picks.iter().filter(|place| **place == 0).count(), 300);
        keys.set_aside(0, NOW);
        assert_eq!(self::picks(&keys, 2), [1, 1]);
    }

    #[test]
    fn a_refused_key_is_tried_again_after_a_while_and_last_before_that() {
        let keys = keys(&[None, None]);
        keys.set_aside(0, NOW);
        keys.set_aside(1, UnixMillis(NOW.0 + 1));

        // All are refused: the oldest refusal first, and none twice with one request.
        assert_eq!(keys.pick(NOW, 0), Some(0));
        assert_eq!(keys.pick(NOW, bit(0)), Some(1));
        assert_eq!(keys.pick(NOW, bit(0) | bit(1)), None);
        let later = UnixMillis(NOW.0 + ASIDE_MS);
        assert!(!keys.is_aside(0, later) && keys.is_aside(1, later));
    }

    #[test]
    fn a_refusal_is_told_once() {
        let keys = keys(&[None]);

        assert!(keys.set_aside(0, NOW));
        assert!(!keys.set_aside(0, NOW));
    }

    const NOW: UnixMillis = UnixMillis(1_763_632_800_000);

    fn picks(keys: &Keys, n: usize) -> Vec<usize> {
        (0..n).map(|_| keys.pick(NOW, 0).unwrap()).collect()
    }

    fn keys(weights: &[Option<u32>]) -> Keys {
        let key = |weight: &Option<u32>| {
            let key = Credential::new("sk").unwrap();
            match weight {
                Some(weight) => key.weighing(*weight),
                None => key,
            }
        };
        Keys::new(weights.iter().map(key).collect(), Dialect::OpenAi)
    }
}
