//! `[upstream.timeouts]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

use crate::forward::Timeouts;

/// How long an upstream is waited for, as far as it differs from the usual.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TimeoutsConfig {
    /// For a connection, encryption included. `"5s"` when left out.
    pub connect: Option<Wait>,
    /// From the request to the head of the answer. `"10m"` when left out: a long answer that is not
    /// streamed takes minutes to begin.
    pub first_byte: Option<Wait>,
    /// Between two pieces of an answer. `"5m"` when left out.
    pub idle: Option<Wait>,
}

impl TimeoutsConfig {
    /// These, and `usual` where nothing is said.
    #[must_use]
    pub fn over(self, usual: Timeouts) -> Timeouts {
        let idle_s = self.idle.map(|it| it.0.as_secs().max(1));
        Timeouts {
            connect: self.connect.map_or(usual.connect, |it| it.0),
            first_byte: self.first_byte.map_or(usual.first_byte, |it| it.0),
            idle_s: idle_s.map_or(usual.idle_s, |it| u32::try_from(it).unwrap_or(u32::MAX)),
            heartbeat_s: usual.heartbeat_s,
        }
    }
}

/// A time to wait: `"500ms"`, `"5s"`, `"10m"`. At least a millisecond, at most an hour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wait(Duration);

impl Wait {
    /// Reads it; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let at = text.find(|c: char| !c.is_ascii_digit())?;
        let (digits, unit) = text.split_at_checked(at)?;
        let scale = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            _ => return None,
        };
        let millis = digits.parse::<u64>().ok()?.checked_mul(scale)?;
        let fits = (1..=HOUR_MS).contains(&millis);
        fits.then(|| Self(Duration::from_millis(millis)))
    }
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "\"{text}\" is no time to wait; write \"500ms\", \"5s\" or \"10m\", at most an hour"
            ))
        })
    }
}

const HOUR_MS: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_said_stays_as_usual() {
        let config: TimeoutsConfig =
            serde_json::from_value(json!({"connect": "500ms", "idle": "2m"})).unwrap();

        let timeouts = config.over(Timeouts::default());

        assert_eq!(timeouts.connect, Duration::from_millis(500));
        assert_eq!(timeouts.idle_s, 120);
        assert_eq!(timeouts.first_byte, Timeouts::default().first_byte);
    }

    #[test]
    fn a_time_that_nobody_means_is_refused() {
        for bad in [
            "",
            "5",
            "s",
            "0s",
            "-1s",
            "1.5s",
            "5 s",
            "2h",
            "61m",
            "99999999999999999999s",
        ] {
            assert_eq!(Wait::parse(bad), None, "{bad}");
        }
    }
}
