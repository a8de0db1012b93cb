//! Time and randomness. Both are injected, so that a test moves the clock instead of waiting.

use crate::units::UnixMillis;

/// What time it is.
pub trait Clock: Send + Sync {
    /// Now, by the wall clock.
    fn now(&self) -> UnixMillis;
}

/// Where unpredictable bytes come from.
pub trait Randomness: Send + Sync {
    /// Fills `bytes`. The real source ends the process when the system has none to give: there is
    /// no value to go on with.
    fn fill(&self, bytes: &mut [u8]);
}

/// `N` fresh bytes.
#[must_use]
pub fn bytes<const N: usize>(randomness: &dyn Randomness) -> [u8; N] {
    let mut out = [0; N];
    randomness.fill(&mut out);
    out
}
