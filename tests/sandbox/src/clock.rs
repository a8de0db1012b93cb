//! The time that simulators believe in. A test holds it still and moves it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock that can be moved. Clones share one hand.
#[derive(Clone)]
pub struct Clock {
    base: Base,
    shift_ms: Arc<AtomicI64>,
}

#[derive(Clone)]
enum Base {
    System,
    Fixed(i64),
    Told(Arc<dyn Fn() -> i64 + Send + Sync>),
}

impl Clock {
    /// The machine's own time.
    #[must_use]
    pub fn system() -> Self {
        Self::on(Base::System)
    }

    /// A time that stands still, in milliseconds since 1970, until it is moved.
    #[must_use]
    pub fn fixed(unix_ms: i64) -> Self {
        Self::on(Base::Fixed(unix_ms))
    }

    /// A time read from somebody else's clock, in milliseconds since 1970.
    #[must_use]
    pub fn told(now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self::on(Base::Told(Arc::new(now_ms)))
    }

    /// Moves every clone forward.
    pub fn advance(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.shift_ms.fetch_add(by_ms, Ordering::SeqCst);
    }

    /// Now, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        let base = match &self.base {
            Base::System => system_ms(),
            Base::Fixed(at) => *at,
            Base::Told(now) => now(),
        };
        base.saturating_add(self.shift_ms.load(Ordering::SeqCst))
    }

    /// Now, in whole seconds since 1970.
    #[must_use]
    pub fn now_s(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    fn on(base: Base) -> Self {
        Self {
            base,
            shift_ms: Arc::default(),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now_ms()).finish()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where a simulator looks at the machine's clock"
)]
fn system_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or_default()
}

/// A moment as RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc3339(unix_ms: i64) -> String {
    let (year, month, day) = date(unix_ms);
    let of_day = unix_ms.rem_euclid(DAY_MS);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        of_day / 3_600_000,
        of_day / 60_000 % 60,
        of_day / 1000 % 60,
        of_day % 1000,
    )
}

/// Year, month and day of a moment in UTC.
///
/// Days are counted from 1 March of year 0, so that the leap day is the last of its year.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "i64 milliseconds divided by a day leave forty bits of room"
)]
pub(crate) fn date(unix_ms: i64) -> (i64, i64, i64) {
    let days = unix_ms.div_euclid(DAY_MS) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

const DAY_MS: i64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_the_calendar_has_them() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_763_632_800_123, "2025-11-20T10:00:00.123Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
    }

    #[test]
    fn every_clone_moves_with_the_first() {
        let clock = Clock::fixed(1_000);
        let other = clock.clone();

        clock.advance(Duration::from_secs(2));

        assert_eq!(other.now_ms(), 3_000);
    }

    #[test]
    fn a_told_clock_follows_its_teller() {
        let hand = Arc::new(AtomicI64::new(5));
        let read = Arc::clone(&hand);
        let clock = Clock::told(move || read.load(Ordering::SeqCst));

        hand.store(9, Ordering::SeqCst);

        assert_eq!(clock.now_ms(), 9);
    }
}
