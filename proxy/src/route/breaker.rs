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
    /// How long an upstream is left alone that refuses until somebody acts there. Doubles like the
    /// rest.
    pub shut_ms: i64,
    /// The longest of that.
    pub most_shut_ms: i64,
}

impl Default for Patience {
    /// Five failures; one second of rest, at most ten; a probe every half minute if none comes
    /// back. Half a minute for what a person has to change, at most five.
    fn default() -> Self {
        Self {
            failures: 5,
            rest_ms: 1_000,
            most_rest_ms: 10_000,
            probe_ms: 30_000,
            shut_ms: 30_000,
            most_shut_ms: 300_000,
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
    shut: Shut,
}

/// Whether an upstream refuses until somebody acts there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shut {
    No,
    Lost,
    /// By a check of who asks: nothing leads round it.
    Barred,
}

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Standing {
    /// A request may pass.
    Admits,
    /// None may for a while.
    Rests,
    /// None may for a while, and the same model may not be asked elsewhere meanwhile.
    Barred,
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
            shut: Shut::No,
        }
    }

    /// What it lets through now. Changes nothing.
    #[must_use]
    pub fn standing(&self, now: UnixMillis) -> Standing {
        if self.admits(now) {
            Standing::Admits
        } else if self.is_barred() {
            Standing::Barred
        } else {
            Standing::Rests
        }
    }

    /// Whether the upstream's last word was a check of who asks.
    #[must_use]
    pub const fn is_barred(&self) -> bool {
        matches!(self.shut, Shut::Barred)
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
        self.shut = Shut::No;
    }

    /// An upstream refuses until somebody acts there; `bars` when it checks who asks.
    pub fn shut(&mut self, bars: bool, now: UnixMillis) {
        let again = self.shut != Shut::No;
        self.shut = if bars { Shut::Barred } else { Shut::Lost };
        self.state = match self.state {
            State::Half { rest_ms, .. } if again => self.open(rest_ms.saturating_mul(2), now),
            // One that was sent before it shut tells nothing new.
            open @ State::Open { .. } if again => open,
            _ => self.open(self.patience.shut_ms, now),
        };
    }

    /// Answers broke off, one after the other: open at once, unless it is already.
    pub fn tripped(&mut self, now: UnixMillis) {
        if let State::Closed { .. } = self.state {
            self.state = self.open(self.patience.rest_ms, now);
        }
    }

    /// So many failures in a row open it.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.patience.failures
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
            State::Open { .. } if !matches!(self.shut, Shut::No) => "shut",
            State::Open { .. } => "open",
            State::Half { .. } => "half_open",
        }
    }

    fn open(&self, rest_ms: i64, now: UnixMillis) -> State {
        let most_ms = match self.shut {
            Shut::No => self.patience.most_rest_ms,
            Shut::Lost | Shut::Barred => self.patience.most_shut_ms,
        };
        let rest_ms = rest_ms.min(most_ms);
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
    fn what_a_person_has_to_change_is_asked_for_ever_more_rarely() {
        let mut breaker = Breaker::new(Patience::default());
        let mut now = 0;
        let mut rests = Vec::new();
        for _ in 0..6 {
            assert!(breaker.enter(at(now)));
            breaker.shut(true, at(now));
            // One more that was under way.
            breaker.shut(true, at(now));
            assert_eq!(breaker.standing(at(now)), Standing::Barred);
            let rest = breaker.wait_ms(at(now));
            rests.push(rest);
            now += rest;
        }

        assert_eq!(rests, [30_000, 60_000, 120_000, 240_000, 300_000, 300_000]);
        assert_eq!(breaker.state(), "shut");
    }

    #[test]
    fn an_upstream_that_answers_again_is_barred_no_more() {
        let mut breaker = Breaker::new(Patience::default());
        breaker.shut(true, at(0));
        assert!(breaker.enter(at(30_000)));
        // Others still find it barred while one is on its way.
        assert_eq!(breaker.standing(at(30_000)), Standing::Barred);

        breaker.succeeded();

        assert_eq!(breaker.standing(at(30_000)), Standing::Admits);
        assert!(!breaker.is_barred());
        breaker.shut(false, at(30_000));
        assert_eq!(breaker.standing(at(30_000)), Standing::Rests);
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
