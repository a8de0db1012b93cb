//! A clock that goes with the machine's and can be moved ahead.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use bauta_token::{ambient::Clock, units::UnixMillis};

use crate::ambient::SystemClock;

/// The clock of a stage, and of everything around it.
#[derive(Debug, Default)]
pub struct Hands(AtomicI64);

impl Hands {
    /// Moves it ahead.
    pub fn advance_seconds(&self, seconds: i64) {
        let millis = seconds.saturating_mul(1000);
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// The same time, for the simulators.
    #[must_use]
    pub fn told(self: &Arc<Self>) -> bauta_sandbox::Clock {
        let hands = Arc::clone(self);
        bauta_sandbox::Clock::told(move || hands.now().0)
    }
}

impl Clock for Hands {
    fn now(&self) -> UnixMillis {
        let moved = self.0.load(Ordering::SeqCst);
        UnixMillis(SystemClock.now().0.saturating_add(moved))
    }
}
