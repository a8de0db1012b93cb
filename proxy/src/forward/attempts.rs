//! What became of each time an upstream was asked.

use std::sync::atomic::{AtomicU64, Ordering};

use http::Response;

use super::client::Lost;

/// Counts since the start, in the order of [`RESULTS`].
#[derive(Default)]
pub(crate) struct Attempts([AtomicU64; RESULTS.len()]);

impl Attempts {
    pub(super) fn count<B>(&self, sent: &Result<Response<B>, Lost>) {
        let place = match sent {
            Ok(response) if response.status().is_server_error() => 1,
            Ok(_) => 0,
            Err(Lost::Unsent) => 2,
            Err(Lost::Broken) => 3,
            Err(Lost::Timeout) => 4,
            Err(Lost::Credential) => 5,
        };
        if let Some(counter) = self.0.get(place) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn copied(&self) -> Self {
        let copy = |counter: &AtomicU64| AtomicU64::new(counter.load(Ordering::Relaxed));
        Self(self.0.each_ref().map(copy))
    }

    /// Each result with its count.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|it| it.load(Ordering::Relaxed));
        RESULTS.into_iter().zip(counts)
    }
}

const RESULTS: [&str; 6] = [
    "answered",
    "server_error",
    "unreached",
    "broken",
    "timeout",
    "credential",
];
