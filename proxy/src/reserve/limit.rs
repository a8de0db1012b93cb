//! How often a grant may ask, and how much at once. In memory, per replica.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bauta_token::{pseudonym::Pseudonym, scope::Rate, units::UnixMillis};
use thiserror::Error;

/// The counters of every grant that asked lately.
pub struct Limits {
    shards: Vec<Mutex<HashMap<Pseudonym, Counter>>>,
    hasher: RandomState,
}

#[derive(Default)]
struct Counter {
    window: i64,
    begun: u32,
    running: u32,
    /// The minute of the refusals below.
    minute: i64,
    /// What was refused in it and is on record.
    refused: Vec<&'static str>,
    /// The instant from which on nothing of this is worth remembering.
    until: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

/// A place among the requests of a grant, given back when dropped.
#[must_use = "a turn that is dropped is given back"]
pub struct Turn {
    held: Option<Held>,
}

struct Held {
    limits: Arc<Limits>,
    grant: Pseudonym,
    rate: Rate,
    left: u32,
    resets_at: UnixMillis,
}

impl Turn {
    /// The rate, what is left of it, and when it is whole again; `None` without a limit.
    #[must_use]
    pub fn standing(&self) -> Option<(Rate, u32, UnixMillis)> {
        let held = self.held.as_ref()?;
        Some((held.rate, held.left, held.resets_at))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            held.limits.leave(&held.grant);
        }
    }
}

impl Limits {
    /// Takes a turn for `grant` under `rate`.
    ///
    /// # Errors
    ///
    /// [`Full`] when the grant has no turn left in this window, or too many requests running.
    pub fn enter(
        self: &Arc<Self>,
        grant: &Pseudonym,
        rate: Option<Rate>,
        now: UnixMillis,
    ) -> Result<Turn, Full> {
        let Some(rate) = rate else {
            return Ok(Turn { held: None });
        };
        let window = now.0.checked_div_euclid(rate.per.millis()).unwrap_or(0);
        let end = window.saturating_add(1).saturating_mul(rate.per.millis());
        let mut shard = self.shard(grant);
        make_room(&mut shard, now);
        if !shard.contains_key(grant) {
            shard.insert(grant.clone(), Counter::default());
        }
        let Some(counter) = shard.get_mut(grant) else {
            return Err(Full::Concurrent);
        };
        // A clock that was set back does not open a new window.
        if window > counter.window {
            counter.window = window;
            counter.begun = 0;
        }
        counter.until = counter.until.max(end);
        if let Some(full) = counter.full(rate, end, now) {
            return Err(full);
        }
        counter.begun = counter.begun.saturating_add(1);
        counter.running = counter.running.saturating_add(1);
        let left = rate.requests.saturating_sub(counter.begun);
        drop(shard);
        Ok(Turn {
            held: Some(Held {
                limits: Arc::clone(self),
                grant: grant.clone(),
                rate,
                left,
                resets_at: UnixMillis(end),
            }),
        })
    }

    /// Whether a refusal of `grant` is the first for its reason in this minute: the one that goes
    /// on record. The others are counted, since a loop must not fill the disk.
    #[must_use]
    pub fn is_first_refusal(
        &self,
        grant: &Pseudonym,
        reason: &'static str,
        now: UnixMillis,
    ) -> bool {
        let minute = now.0.div_euclid(MINUTE);
        let mut shard = self.shard(grant);
        make_room(&mut shard, now);
        let counter = shard.entry(grant.clone()).or_default();
        if minute > counter.minute {
            counter.minute = minute;
            counter.refused.clear();
        }
        let end = minute.saturating_add(1).saturating_mul(MINUTE);
        counter.until = counter.until.max(end);
        if counter.refused.contains(&reason) {
            return false;
        }
        // One of each: there are a dozen or so.
        counter.refused.push(reason);
        true
    }

    fn leave(&self, grant: &Pseudonym) {
        if let Some(counter) = self.shard(grant).get_mut(grant) {
            counter.running = counter.running.saturating_sub(1);
        }
    }

    fn shard(&self, grant: &Pseudonym) -> MutexGuard<'_, HashMap<Pseudonym, Counter>> {
        let hash = self.hasher.hash_one(grant);
        let place = usize::try_from(hash).unwrap_or(0) & SHARDS.saturating_sub(1);
        #[expect(clippy::indexing_slicing, reason = "masked to the number of shards")]
        let shard = &self.shards[place];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counter {
    fn full(&self, rate: Rate, end: i64, now: UnixMillis) -> Option<Full> {
        let by_rate = self.begun >= rate.requests;
        if !by_rate && self.running < rate.concurrent {
            return None;
        }
        Some(if by_rate {
            let wait = end.saturating_sub(now.0).max(0).unsigned_abs();
            let seconds = u32::try_from(wait.div_ceil(1000)).unwrap_or(u32::MAX);
            Full::Rate {
                retry_after_s: seconds.max(1),
            }
        } else {
            Full::Concurrent
        })
    }
}

/// Forgets grants that neither run nor asked in their window, once there are many.
fn make_room(shard: &mut HashMap<Pseudonym, Counter>, now: UnixMillis) {
    if shard.len() >= CROWD {
        shard.retain(|_, counter| counter.running > 0 || counter.until > now.0);
    }
}

/// Why there is no turn.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Full {
    /// As many requests as a window has were begun in it.
    #[error("too many requests in this window")]
    Rate {
        /// Until the next window.
        retry_after_s: u32,
    },
    /// As many as may run at once do.
    #[error("too many requests at once")]
    Concurrent,
}

impl Full {
    /// After how many seconds it is worth trying again.
    #[must_use]
    pub const fn retry_after_s(&self) -> u32 {
        match self {
            Self::Rate { retry_after_s, .. } => *retry_after_s,
            Self::Concurrent => 1,
        }
    }
}

/// A power of two: a hash is masked to a shard.
const SHARDS: usize = 16;

/// Refusals are told apart by the minute.
const MINUTE: i64 = 60_000;

/// Grants a shard remembers before it looks for some to forget.
const CROWD: usize = 1024;

#[cfg(test)]
mod tests {
    use bauta_token::scope::Period;

    use super::*;

    #[test]
    fn a_window_has_so_many_turns_and_the_next_one_as_many_again() {
        let limits = Arc::new(Limits::default());
        for _ in 0..3 {
            drop(enter(&limits, 1, 0).unwrap());
        }

        let refused = enter(&limits, 1, 59_001).err();
        let next = enter(&limits, 1, 60_000);

        assert_eq!(refused, Some(Full::Rate { retry_after_s: 1 }));
        assert_eq!(next.unwrap().standing().unwrap().1, 2);
    }

    #[test]
    fn only_the_first_refusal_of_its_kind_in_a_minute_goes_on_record() {
        let limits = Limits::default();
        let grant = Pseudonym::from_bytes(&[1; 32]);
        let first = |reason, at| limits.is_first_refusal(&grant, reason, UnixMillis(at));

        assert!(first("rate", 0) && first("body", 1));
        assert!(!first("rate", 59_999) && !first("body", 59_999));
        assert!(first("rate", 60_000));
        // A clock that is set back tells nothing new.
        assert!(!first("rate", 0));
    }

    #[test]
    fn a_grant_that_waits_for_its_day_is_not_forgotten_in_a_crowd() {
        let limits = Arc::new(Limits::default());
        let daily = Rate {
            requests: 1,
            per: Period::Day,
            concurrent: 1,
        };
        let grant = Pseudonym::from_bytes(&[1; 32]);
        let ask = |at| limits.enter(&grant, Some(daily), UnixMillis(at));
        drop(ask(0).unwrap());
        for n in 0..(2 * SHARDS * CROWD) {
            let bytes: [u8; 32] = std::array::from_fn(|i| n.to_be_bytes()[i % 8]);
            let other = Pseudonym::from_bytes(&bytes);
            drop(
                limits
                    .enter(&other, Some(RATE), UnixMillis(120_000))
                    .unwrap(),
            );
        }

        assert!(ask(180_000).is_err());
    }

    #[test]
    fn so_many_run_at_once_and_a_dropped_turn_is_given_back() {
        let limits = Arc::new(Limits::default());
        let one = enter(&limits, 1, 0).unwrap();
        let _two = enter(&limits, 1, 0).unwrap();
        assert_eq!(enter(&limits, 1, 0).err(), Some(Full::Concurrent));

        drop(one);

        assert!(enter(&limits, 1, 0).is_ok());
    }

    #[test]
    fn one_grant_takes_no_turn_of_another() {
        let limits = Arc::new(Limits::default());
        let _held: Vec<_> = (0..2).map(|_| enter(&limits, 1, 0).unwrap()).collect();

        assert!(enter(&limits, 2, 0).is_ok());
    }

    #[test]
    fn a_clock_set_back_opens_no_new_window() {
        let limits = Arc::new(Limits::default());
        for _ in 0..3 {
            drop(enter(&limits, 1, 120_000).unwrap());
        }

        assert!(enter(&limits, 1, 0).is_err());
    }

    #[test]
    fn idle_grants_are_forgotten() {
        let limits = Arc::new(Limits::default());
        for n in 0..(2 * SHARDS * CROWD) {
            let bytes: [u8; 32] = std::array::from_fn(|i| n.to_be_bytes()[i % 8]);
            let grant = Pseudonym::from_bytes(&bytes);
            let now = UnixMillis(i64::try_from(n).unwrap() * 60_000);
            drop(limits.enter(&grant, Some(RATE), now).unwrap());
        }

        let kept: usize = limits.shards.iter().map(|s| s.lock().unwrap().len()).sum();
        assert!(kept <= SHARDS * CROWD, "{kept}");
    }

    fn enter(limits: &Arc<Limits>, grant: u8, at: i64) -> Result<Turn, Full> {
        limits.enter(
            &Pseudonym::from_bytes(&[grant; 32]),
            Some(RATE),
            UnixMillis(at),
        )
    }

    const RATE: Rate = Rate {
        requests: 3,
        per: Period::Minute,
        concurrent: 2,
    };
}
