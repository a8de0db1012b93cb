//! Stops asking an upstream that fails, and asks again after a while.

use bauta_token::units::UnixMillis;

/// How patient a breaker is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Patience {
    /// So many failures in a row open it.
    pub failures: u32,
    /// How long it stays open the first time. Doubles with each probe that fails.
    pub rest_ms: i64,
    /// The longest it stays open.
    pub most_rest_ms: i64,
    /// How long one probe may take before another is let through.
    pub probe_ms: i64,
}

impl Default for Patience {
    /// Five failures; one second of rest, at most ten; a probe every half minute if none comes
    /// back.
    fn default() -> Self {
        Self {
            failures: 5,
            rest_ms: 1_000,
            most_rest_ms: 10_000,
            probe_ms: 30_000,
        }
    }
}

/// Closed, open or half open.
///
/// Open for a rest that doubles; half open lets one request through, and its outcome decides.
#[derive(Clone, Debug)]
pub struct Breaker {
    patience: Patience,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: UnixMillis,
        rest_ms: i64,
    },
    /// A probe is on its way since then.
    Half {
        since: UnixMillis,
        rest_ms: i64,
    },
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub const fn new(patience: Patience) -> Self {
        Self {
            patience,
            state: State::Closed { failures: 0 },
        }
    }

    /// Whether a request would be let through now. Changes nothing.
    #[must_use]
    pub fn admits(&self, now: UnixMillis) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until, rest_ms } => now >= until || is_past(until, now, rest_ms),
            State::Half { since, .. } => self.is_lost(since, now),
        }
    }

    /// Lets a request through if it may pass now; when the breaker was open, as its probe.
    pub fn enter(&mut self, now: UnixMillis) -> bool {
        if !self.admits(now) {
            return false;
        }
        if let State::Open { rest_ms, .. } | State::Half { rest_ms, .. } = self.state {
            self.state = State::Half {
                since: now,
                rest_ms,
            };
        }
        true
    }

    /// An upstream answered. Whatever was before, it is back.
    pub const fn succeeded(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    /// An upstream failed.
    pub fn failed(&mut self, now: UnixMillis) {
        self.state = match self.state {
            State::Closed { failures } => {
                let failures = failures.saturating_add(1);
                if failures < self.patience.failures {
                    State::Closed { failures }
                } else {
                    self.open(self.patience.rest_ms, now)
                }
            }
            State::Half { rest_ms, .. } => self.open(rest_ms.saturating_mul(2), now),
            // One that was sent before it opened tells nothing new.
            open @ State::Open { .. } => open,
        };
    }

    /// A request that was let through ended without a verdict: the caller left. A probe is due
    /// again at once.
    pub fn released(&mut self, now: UnixMillis) {
        if let State::Half { rest_ms, .. } = self.state {
            self.state = State::Open {
                until: now,
                rest_ms,
            };
        }
    }

    /// Milliseconds until a request may pass; zero when it may now.
    #[must_use]
    pub fn wait_ms(&self, now: UnixMillis) -> i64 {
        match self.state {
            _ if self.admits(now) => 0,
            State::Closed { .. } => 0,
            State::Open { until, .. } => until.0.saturating_sub(now.0).max(0),
            State::Half { rest_ms, .. } => rest_ms,
        }
    }

    /// What a health page calls it.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        match self.state {
            State::Closed { .. } => "closed",
            State::Open { .. } => "open",
            State::Half { .. } => "half_open",
        }
    }

    fn open(&self, rest_ms: i64, now: UnixMillis) -> State {
        let rest_ms = rest_ms.min(self.patience.most_rest_ms);
        State::Open {
            until: UnixMillis(now.0.saturating_add(rest_ms)),
            rest_ms,
        }
    }

    /// A probe that never came back is not waited for.
    fn is_lost(&self, since: UnixMillis, now: UnixMillis) -> bool {
        let age = now.0.saturating_sub(since.0);
        age >= self.patience.probe_ms || age < 0
    }
}

/// A clock that was set back must not keep a breaker open for longer than its rest.
fn is_past(until: UnixMillis, now: UnixMillis, rest_ms: i64) -> bool {
    until.0.saturating_sub(now.0) > rest_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_not_before() {
        let mut breaker = Breaker::new(Patience::default());
        for _ in 0..4 {
            breaker.failed(at(0));
        }
        breaker.succeeded();
        for _ in 0..4 {
            breaker.failed(at(0));
        }
        assert!(breaker.admits(at(0)));

        breaker.failed(at(0));

        assert!(!breaker.admits(at(0)));
        assert_eq!(breaker.wait_ms(at(0)), 1_000);
    }

    #[test]
    fn half_open_lets_one_request_through() {
        let mut breaker = opened();

        assert!(!breaker.enter(at(999)));
        assert!(breaker.enter(at(1_000)));
        assert!(!breaker.enter(at(1_000)));
    }

    #[test]
    fn a_probe_that_answers_closes_it() {
        let mut breaker = opened();
        breaker.enter(at(1_000));

        breaker.succeeded();

        assert!(breaker.enter(at(1_000)) && breaker.enter(at(1_000)));
    }

    #[test]
    fn a_probe_that_fails_doubles_the_rest_up_to_ten_seconds() {
        let mut breaker = opened();
        let mut now = 1_000;
        let mut rests = Vec::new();
        for _ in 0..6 {
            assert!(breaker.enter(at(now)));
            breaker.failed(at(now));
            let rest = breaker.wait_ms(at(now));
            rests.push(rest);
            now += rest;
        }

        assert_eq!(rests, [2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn a_probe_that_is_given_back_lets_the_next_one_through() {
        let mut breaker = opened();
        breaker.enter(at(1_000));

        breaker.released(at(1_001));

        assert!(breaker.enter(at(1_001)));
    }

    #[test]
    fn a_probe_that_never_comes_back_is_not_waited_for() {
        let mut breaker = opened();
        breaker.enter(at(1_000));

        assert!(!breaker.admits(at(30_999)));
        assert!(breaker.admits(at(31_000)));
    }

    #[test]
    fn clk_01_a_clock_set_back_does_not_keep_it_open() {
        let mut breaker = Breaker::new(Patience::default());
        for _ in 0..5 {
            breaker.failed(at(3_600_000));
        }

        assert!(breaker.admits(at(0)));
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::new(Patience::default());
        for _ in 0..5 {
            breaker.failed(at(0));
        }
        breaker
    }

    fn at(ms: i64) -> UnixMillis {
        UnixMillis(ms)
    }
}
