//! Quantities, each with its unit in the type.

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// This instant, `seconds` later; stays at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The instant `seconds` after 1970.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// The day this instant falls on, in UTC.
    #[must_use]
    pub const fn day(self) -> UnixDay {
        UnixDay(self.0.div_euclid(86_400_000))
    }
}

/// Days since 1970-01-01, UTC.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct UnixDay(pub i64);

impl UnixDay {
    /// The first instant of the day.
    #[must_use]
    pub const fn start(self) -> UnixMillis {
        UnixMillis(self.0.saturating_mul(86_400_000))
    }

    /// Year, month (1 to 12) and day (1 to 31) in the Gregorian calendar.
    ///
    /// The days-to-civil algorithm with years that begin in March, so that the leap day comes last.
    #[must_use]
    pub const fn civil(self) -> (i64, u8, u8) {
        let shifted = self.0.saturating_add(719_468);
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era
            .saturating_sub(day_of_era / 1460)
            .saturating_add(day_of_era / 36_524)
            .saturating_sub(day_of_era / 146_096))
            / 365;
        let day_of_year = day_of_era.saturating_sub(
            year_of_era
                .saturating_mul(365)
                .saturating_add(year_of_era / 4)
                .saturating_sub(year_of_era / 100),
        );
        let march_month = day_of_year.saturating_mul(5).saturating_add(2) / 153;
        let day = day_of_year
            .saturating_sub(march_month.saturating_mul(153).saturating_add(2) / 5)
            .saturating_add(1);
        let month = if march_month < 10 {
            march_month.saturating_add(3)
        } else {
            march_month.saturating_sub(9)
        };
        let year = year_of_era.saturating_add(era.saturating_mul(400));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a month is 1 to 12 and a day 1 to 31 by construction"
        )]
        let (month, day) = (month as u8, day as u8);
        (
            if month <= 2 {
                year.saturating_add(1)
            } else {
                year
            },
            month,
            day,
        )
    }

    /// The inverse of [`UnixDay::civil`]. `None` when that is no date.
    #[must_use]
    pub fn from_civil(year: i64, month: u8, day: u8) -> Option<Self> {
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(0..=9999).contains(&year) {
            return None;
        }
        let shifted_year = if month <= 2 {
            year.saturating_sub(1)
        } else {
            year
        };
        let era = shifted_year.div_euclid(400);
        let year_of_era = shifted_year.rem_euclid(400);
        let month_from_march = (i64::from(month).saturating_add(9)).rem_euclid(12);
        let day_of_year = (month_from_march.saturating_mul(153).saturating_add(2) / 5)
            .saturating_add(i64::from(day))
            .saturating_sub(1);
        let day_of_era = year_of_era
            .saturating_mul(365)
            .saturating_add(year_of_era / 4)
            .saturating_sub(year_of_era / 100)
            .saturating_add(day_of_year);
        let found = Self(
            era.saturating_mul(146_097)
                .saturating_add(day_of_era)
                .saturating_sub(719_468),
        );
        // 31 June would come back as 1 July.
        (found.civil() == (year, month, day)).then_some(found)
    }
}

/// `YYYY-MM-DD`.
impl std::fmt::Display for UnixDay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// RFC 3339 in UTC with milliseconds, as in `2026-11-20T10:00:00.000Z`.
impl std::fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let in_day = self.0.rem_euclid(86_400_000);
        let (seconds, millis) = (in_day / 1000, in_day % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z",
            self.day()
        )
    }
}

/// Millionths of a US dollar, never negative. Integers, because a ledger that rounds drifts.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(try_from = "i64")]
pub struct MicroUsd(i64);

impl MicroUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `None` when negative.
    #[must_use]
    pub const fn new(amount: i64) -> Option<Self> {
        if amount < 0 { None } else { Some(Self(amount)) }
    }

    /// The amount as a column holds it.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Reads `5`, `5.00` or `0.000001`: dollars with at most six decimals.
    #[must_use]
    pub fn from_dollars(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || whole.len() > 12 || decimals.len() > 6 {
            return None;
        }
        if !digits(whole) || !digits(decimals) || text.ends_with('.') {
            return None;
        }
        let whole: i64 = whole.parse().ok()?;
        let micro: i64 = format!("{decimals:0<6}").parse().ok()?;
        whole
            .checked_mul(1_000_000)?
            .checked_add(micro)
            .and_then(Self::new)
    }

    /// The sum, or `None` past what a ledger holds.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::new)
    }

    /// The difference; nothing when `other` is more.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }
}

impl TryFrom<i64> for MicroUsd {
    type Error = &'static str;

    fn try_from(amount: i64) -> Result<Self, Self::Error> {
        Self::new(amount).ok_or("an amount of money is never negative")
    }
}

/// Dollars with six decimals.
impl std::fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_reads_as_its_date() {
        assert_eq!(
            UnixMillis(1_763_632_800_123).to_string(),
            "2025-11-20T10:00:00.123Z"
        );
        assert_eq!(UnixDay(0).to_string(), "1970-01-01");
    }

    #[test]
    fn every_day_of_four_centuries_survives_the_calendar() {
        for n in -146_097..146_097 {
            let day = UnixDay(n);
            let (year, month, d) = day.civil();
            if year >= 0 {
                assert_eq!(UnixDay::from_civil(year, month, d), Some(day));
            }
        }
    }

    #[test]
    fn the_thirty_first_of_june_is_no_date() {
        assert_eq!(UnixDay::from_civil(2026, 6, 31), None);
        assert_eq!(UnixDay::from_civil(2025, 2, 29), None);
    }

    #[test]
    fn dollars_are_read_exactly_or_not_at_all() {
        assert_eq!(MicroUsd::from_dollars("5.00"), MicroUsd::new(5_000_000));
        assert_eq!(MicroUsd::from_dollars("0.000001"), MicroUsd::new(1));
        for bad in ["", ".5", "5.", "-1", "1e3", "0.0000001", "1,5", " 1"] {
            assert_eq!(MicroUsd::from_dollars(bad), None, "{bad}");
        }
    }
}
