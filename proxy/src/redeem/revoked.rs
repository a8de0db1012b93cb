//! What can be taken away while a request runs, and what a flood of bad tokens may cost.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bauta_token::units::UnixMillis;

use super::access::Token;
use crate::follow::Views;

/// Looks again whether a token still stands, for as long as its request runs.
///
/// What may not begin may not go on: a view that is stale ends a stream as a revocation does,
/// since a revocation can no longer be heard.
pub struct Watch {
    token: Arc<Token>,
    views: Arc<Views>,
    seen: Option<u64>,
}

/// Why a running request is cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Cut {
    /// The token, its grant or a pseudonym was taken away.
    Revoked,
    /// Nobody knows whether it was.
    Stale,
    /// The gateway is shut down.
    Drained,
}

impl Watch {
    pub(super) const fn new(token: Arc<Token>, views: Arc<Views>) -> Self {
        Self {
            token,
            views,
            seen: None,
        }
    }

    /// `None` while the request may go on. Three loads when nothing changed.
    pub fn check(&mut self, now: UnixMillis) -> Option<Cut> {
        if self.views.is_ending() {
            return Some(Cut::Drained);
        }
        if !self.views.is_fresh(now) {
            return Some(Cut::Stale);
        }
        let epoch = self.views.epoch();
        if self.seen == Some(epoch) {
            return None;
        }
        let view = self.views.current();
        let claims = self.token.claims();
        if view.taken(claims).is_some() || view.terms(&claims.scope).is_none() {
            return Some(Cut::Revoked);
        }
        self.seen = Some(epoch);
        None
    }
}

/// Counts tokens that failed to verify, by the second. A verification costs about 50 us of
/// elliptic curve, so beyond a ceiling nobody's unknown token is looked at for the rest of the
/// second. Tokens that are known pass all the time.
#[derive(Default)]
pub(super) struct Strain(AtomicU64);

impl Strain {
    pub(super) fn is_high(&self, now: UnixMillis) -> bool {
        let (second, failures) = split(self.0.load(Ordering::Relaxed));
        second == stamp(now) && failures >= FAILURES_A_SECOND
    }

    pub(super) fn failed(&self, now: UnixMillis) {
        let stamp = stamp(now);
        let count = |packed| {
            let (second, failures) = split(packed);
            let failures = if second == stamp { failures } else { 0 };
            Some(u64::from(stamp) << 32 | u64::from(failures.saturating_add(1)))
        };
        // The closure never gives up, so this cannot fail.
        let _always = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
    }
}

fn split(packed: u64) -> (u32, u32) {
    let low = u32::try_from(packed & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    (u32::try_from(packed >> 32).unwrap_or(u32::MAX), low)
}

fn stamp(now: UnixMillis) -> u32 {
    let low = now.seconds() & i64::from(u32::MAX);
    u32::try_from(low).unwrap_or(0)
}

const FAILURES_A_SECOND: u32 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_refused_for_the_rest_of_its_second() {
        let strain = Strain::default();
        let now = UnixMillis(1_763_632_800_000);

        for _ in 0..FAILURES_A_SECOND {
            assert!(!strain.is_high(now));
            strain.failed(now);
        }

        assert!(strain.is_high(now));
        assert!(!strain.is_high(now.plus_seconds(1)));
    }
}
