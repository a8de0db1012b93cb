//! The real clock and the real source of randomness: the only place that asks the system for either.

use std::time::{SystemTime, UNIX_EPOCH};

use bauta_token::{
    ambient::{Clock, Randomness},
    units::UnixMillis,
};
use ring::rand::{SecureRandom, SystemRandom};

/// The wall clock.
#[derive(Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the injected clock")]
    fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
        UnixMillis(millis)
    }
}

/// The system's source of randomness.
pub struct SystemRandomness(SystemRandom);

impl Default for SystemRandomness {
    #[expect(clippy::disallowed_methods, reason = "this is the injected source")]
    fn default() -> Self {
        Self(SystemRandom::new())
    }
}

impl Randomness for SystemRandomness {
    /// Ends the process when the system has none to give: every key and token made after that
    /// would be guessable, and there is nothing to fall back to.
    fn fill(&self, bytes: &mut [u8]) {
        if self.0.fill(bytes).is_err() {
            std::process::abort();
        }
    }
}
