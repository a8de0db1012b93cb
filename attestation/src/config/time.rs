//! Spans and instants as people write them.

use std::fmt;

use bauta_token::units::{UnixDay, UnixMillis};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};

/// A length of time: `"90s"`, `"15m"`, `"24h"`, `"90d"`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub struct Span(i64);

impl Span {
    /// A span of so many seconds.
    #[must_use]
    pub const fn seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Its length in seconds; never negative.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0
    }

    /// `None` unless it is a whole number and one of `s`, `m`, `h`, `d`, up to ten years.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        if number.is_empty() || number.len() > 9 || !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let seconds: i64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        let total = number.parse::<i64>().ok()?.checked_mul(seconds)?;
        (total <= TEN_YEARS).then_some(Self(total))
    }
}

impl TryFrom<String> for Span {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a time span is a number and s, m, h or d, such as \"24h\"")
    }
}

/// A point in time: RFC 3339, as a TOML date-time or as text.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Instant(pub UnixMillis);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(InstantVisitor)
    }
}

struct InstantVisitor;

impl<'de> Visitor<'de> for InstantVisitor {
    type Value = Instant;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a date and time with an offset, such as 2026-06-12T21:21:00Z")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Instant, E> {
        instant(text)
            .map(Instant)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    /// TOML hands a date-time over as a map of one entry.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Instant, A::Error> {
        let entry: Option<(String, String)> = map.next_entry()?;
        let Some((_, text)) = entry else {
            return Err(de::Error::invalid_length(0, &self));
        };
        self.visit_str(&text)
    }
}

/// The instant that `text` writes in RFC 3339; an offset is required, a leap second is not taken.
#[must_use]
pub fn instant(text: &str) -> Option<UnixMillis> {
    if !text.is_ascii() {
        return None;
    }
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let (fraction, zone) = split_fraction(rest)?;
    let day = day(date)?;
    let seconds = clock_seconds(clock, 23)?.checked_sub(offset_seconds(zone)?)?;
    day.start()
        .0
        .checked_add(seconds.checked_mul(1_000)?)?
        .checked_add(fraction)
        .map(UnixMillis)
}

/// The day that `text` writes as `YYYY-MM-DD`.
#[must_use]
pub(crate) fn day(text: &str) -> Option<UnixDay> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    UnixDay::from_civil(
        i64::from(digits(year)?),
        u8::try_from(digits(month)?).ok()?,
        u8::try_from(digits(day)?).ok()?,
    )
}

/// Milliseconds, and what follows the fraction.
fn split_fraction(text: &str) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    let (fraction, zone) = rest.split_at_checked(end)?;
    if fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let millis = format!("{fraction:0<3}");
    Some((i64::from(digits(millis.get(..3)?)?), zone))
}

fn clock_seconds(text: &str, max_hour: u32) -> Option<i64> {
    let mut parts = text.split(':');
    let (hour, minute) = (parts.next()?, parts.next()?);
    let second = parts.next().unwrap_or("00");
    if parts.next().is_some() || [hour, minute, second].iter().any(|part| part.len() != 2) {
        return None;
    }
    let (hour, minute, second) = (digits(hour)?, digits(minute)?, digits(second)?);
    if hour > max_hour || minute > 59 || second > 59 {
        return None;
    }
    i64::from(hour)
        .checked_mul(3_600)?
        .checked_add(i64::from(minute).checked_mul(60)?)?
        .checked_add(i64::from(second))
}

fn offset_seconds(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    if zone.len() != 6 {
        return None;
    }
    let (sign, clock) = zone.split_at_checked(1)?;
    let seconds = clock_seconds(clock, 23)?;
    match sign {
        "+" => Some(seconds),
        "-" => seconds.checked_neg(),
        _ => None,
    }
}

fn digits(text: &str) -> Option<u32> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

const TEN_YEARS: i64 = 10 * 366 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_with_its_offset() {
        for text in [
            "2026-06-12T21:21:00Z",
            "2026-06-12t21:21:00.000z",
            "2026-06-12T23:21:00+02:00",
            "2026-06-12 16:21:00.0-05:00",
        ] {
            assert_eq!(
                instant(text).map(|at| at.to_string()).as_deref(),
                Some("2026-06-12T21:21:00.000Z"),
                "{text}"
            );
        }
        assert_eq!(
            instant("2026-11-20T10:00:00.1239Z").map(|at| at.0 % 1_000),
            Some(123)
        );
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "2026-06-12",
            "2026-06-12T21:21:00",
            "2026-06-12T21:21Z",
            "2026-06-31T21:21:00Z",
            "2026-06-12T24:00:00Z",
            "2026-06-12T21:21:60Z",
            "2026-06-12T21:21:00.Z",
            "2026-06-12T21:21:00+2:00",
            "2026-06-12T21:21:00Zz",
            "+026-06-12T21:21:00Z",
            "2026-06-12T21:21:00é",
        ] {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        assert_eq!(Span::parse("24h"), Some(Span::seconds(86_400)));
        assert_eq!(Span::parse("0s"), Some(Span::seconds(0)));
        for text in ["", "h", "24", "1.5h", "-1h", "1w", "99999999d", " 1h", "1é"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
