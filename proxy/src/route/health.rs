//! Which upstreams answer, seen from here.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use bauta_token::{ambient::Clock, units::UnixMillis};

use super::breaker::{Breaker, Patience, Standing};

/// One breaker per upstream, by its place in the configuration.
pub struct Health {
    breakers: Vec<Mutex<Breaker>>,
    /// Answers of each upstream that broke off after they had begun, in a row.
    broken: Vec<AtomicU32>,
    clock: Arc<dyn Clock>,
}

impl Health {
    /// Closed breakers for so many upstreams.
    #[must_use]
    pub fn new(upstreams: usize, patience: Patience, clock: Arc<dyn Clock>) -> Self {
        let breakers = (0..upstreams).map(|_| Mutex::new(Breaker::new(patience)));
        Self {
            breakers: breakers.collect(),
            broken: (0..upstreams).map(|_| AtomicU32::new(0)).collect(),
            clock,
        }
    }

    /// Whether a request to `upstream` would be let through. Changes nothing.
    #[must_use]
    pub fn admits(&self, upstream: usize, now: UnixMillis) -> bool {
        self.breaker(upstream).is_some_and(|it| it.admits(now))
    }

    /// What is let through to `upstream`. Changes nothing.
    #[must_use]
    pub fn standing(&self, upstream: usize, now: UnixMillis) -> Standing {
        self.breaker(upstream)
            .map_or(Standing::Rests, |it| it.standing(now))
    }

    /// Whether the last word of `upstream` was a check of who asks.
    #[must_use]
    pub fn is_barred(&self, upstream: usize) -> bool {
        self.breaker(upstream).is_some_and(|it| it.is_barred())
    }

    /// An answer of `upstream` came to its end.
    pub fn completed(&self, upstream: usize) {
        // Nearly always it is zero: then nothing is written that other threads read.
        if let Some(broken) = self.broken.get(upstream)
            && broken.load(Ordering::Relaxed) != 0
        {
            broken.store(0, Ordering::Relaxed);
        }
    }

    /// An answer of `upstream` broke off after it had begun. As many in a row as failures open its
    /// breaker: an upstream that begins every answer and ends none is gone.
    pub fn broke_off(&self, upstream: usize) {
        let Some(broken) = self.broken.get(upstream) else {
            return;
        };
        let n = broken.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let now = self.clock.now();
        if let Some(mut breaker) = self.breaker(upstream)
            && n >= breaker.failures()
        {
            broken.store(0, Ordering::Relaxed);
            breaker.tripped(now);
        }
    }

    /// Milliseconds until a request to `upstream` may pass.
    #[must_use]
    pub fn wait_ms(&self, upstream: usize, now: UnixMillis) -> i64 {
        self.breaker(upstream).map_or(0, |it| it.wait_ms(now))
    }

    /// Leave to ask `upstream` now, or `None` while its breaker is open.
    #[must_use]
    pub fn enter(&self, upstream: usize) -> Option<Leave<'_>> {
        let now = self.clock.now();
        // The lock is given back before a leave exists: a leave takes it again when it is dropped.
        let entered = self.breaker(upstream)?.enter(now);
        entered.then(|| Leave {
            health: self,
            upstream,
            told: false,
        })
    }

    /// `closed`, `open`, `shut` or `half_open`, in the order of the configuration.
    #[must_use]
    pub fn states(&self) -> Vec<&'static str> {
        (0..self.breakers.len())
            .filter_map(|upstream| self.breaker(upstream).map(|it| it.state()))
            .collect()
    }

    /// A panic elsewhere leaves a breaker as it was between two outcomes: still good.
    fn breaker(&self, upstream: usize) -> Option<MutexGuard<'_, Breaker>> {
        let breaker = self.breakers.get(upstream)?;
        Some(breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Leave to ask an upstream once. Its outcome is told by value; dropped without one, a probe is
/// given back.
#[must_use = "an outcome that is not told teaches nothing"]
pub struct Leave<'a> {
    health: &'a Health,
    upstream: usize,
    told: bool,
}

impl Leave<'_> {
    /// It answered; any status that is not the upstream's own failure counts.
    pub fn succeeded(mut self) {
        self.told = true;
        if let Some(mut breaker) = self.health.breaker(self.upstream) {
            breaker.succeeded();
        }
    }

    /// It refuses until somebody acts there; `bars` when it checks who asks.
    pub fn shut(mut self, bars: bool) {
        self.told = true;
        let now = self.health.clock.now();
        if let Some(mut breaker) = self.health.breaker(self.upstream) {
            breaker.shut(bars, now);
        }
    }

    /// It did not answer, or with a failure of its own (5xx).
    pub fn failed(mut self) {
        self.told = true;
        let now = self.health.clock.now();
        if let Some(mut breaker) = self.health.breaker(self.upstream) {
            breaker.failed(now);
        }
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.told {
            return;
        }
        let now = self.health.clock.now();
        if let Some(mut breaker) = self.health.breaker(self.upstream) {
            breaker.released(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[test]
    fn one_upstream_that_fails_closes_no_other() {
        let (health, _) = health();

        fail(&health, 0);

        assert_eq!(health.states(), ["open", "closed"]);
        assert!(health.enter(0).is_none());
        assert!(health.enter(1).is_some());
    }

    #[test]
    fn a_probe_that_is_dropped_is_given_back() {
        let (health, clock) = health();
        fail(&health, 0);
        clock.0.store(1_000, Ordering::Relaxed);

        drop(health.enter(0).unwrap());

        assert!(health.enter(0).is_some());
    }

    #[test]
    fn a_probe_that_succeeds_closes_the_breaker() {
        let (health, clock) = health();
        fail(&health, 0);
        clock.0.store(1_000, Ordering::Relaxed);

        health.enter(0).unwrap().succeeded();

        assert_eq!(health.states(), ["closed", "closed"]);
    }

    #[test]
    fn an_upstream_that_begins_every_answer_and_ends_none_is_gone() {
        let (health, clock) = health();
        let breaks_off = || {
            health.enter(0).unwrap().succeeded();
            health.broke_off(0);
        };
        for _ in 0..4 {
            breaks_off();
        }
        health.completed(0);
        for _ in 0..4 {
            breaks_off();
        }
        assert_eq!(health.states(), ["closed", "closed"]);

        breaks_off();

        assert_eq!(health.states(), ["open", "closed"]);
        clock.0.store(1_000, Ordering::Relaxed);
        assert!(health.enter(0).is_some());
    }

    #[test]
    fn an_upstream_that_does_not_exist_is_never_asked() {
        let (health, _) = health();

        assert!(health.enter(2).is_none());
        assert!(!health.admits(2, UnixMillis(0)));
    }

    fn fail(health: &Health, upstream: usize) {
        for _ in 0..5 {
            health.enter(upstream).unwrap().failed();
        }
    }

    fn health() -> (Health, Arc<Stopped>) {
        let clock = Arc::new(Stopped(AtomicI64::new(0)));
        (Health::new(2, Patience::default(), clock.clone()), clock)
    }

    struct Stopped(AtomicI64);

    impl Clock for Stopped {
        fn now(&self) -> UnixMillis {
            UnixMillis(self.0.load(Ordering::Relaxed))
        }
    }
}
