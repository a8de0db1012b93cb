//! How long things took, in buckets.

use std::sync::atomic::{AtomicU64, Ordering};

use super::text::{Decimal, Text};

/// Counts of durations. One atomic addition or two for each, no lock.
#[derive(Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS.len()],
    /// Longer than the last bucket.
    longer: AtomicU64,
    sum_ms: AtomicU64,
}

impl Histogram {
    pub(super) fn observe(&self, ms: i64) {
        let ms = u64::try_from(ms).unwrap_or(0);
        let place = BUCKETS.iter().position(|(bound, _)| ms <= *bound);
        let bucket = place.and_then(|place| self.buckets.get(place));
        bucket
            .unwrap_or(&self.longer)
            .fetch_add(1, Ordering::Relaxed);
        self.sum_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Its series, each bucket with those below it.
    pub(super) fn write(&self, out: &mut Text, names: &Names, labels: [(&str, &str); 2]) {
        let mut count = 0_u64;
        let [one, two] = labels;
        for (bucket, (_, bound)) in self.buckets.iter().zip(BUCKETS) {
            count = count.saturating_add(bucket.load(Ordering::Relaxed));
            out.sample(names.bucket, &[one, two, ("le", bound)], count);
        }
        count = count.saturating_add(self.longer.load(Ordering::Relaxed));
        out.sample(names.bucket, &[one, two, ("le", "+Inf")], count);
        let sum = Decimal {
            value: self.sum_ms.load(Ordering::Relaxed),
            per_one: 1_000,
        };
        out.sample(names.sum, &labels, sum);
        out.sample(names.count, &labels, count);
    }

    pub(super) fn is_empty(&self) -> bool {
        let all = self.buckets.iter().chain([&self.longer]);
        all.into_iter().all(|it| it.load(Ordering::Relaxed) == 0)
    }
}

/// What the series of a histogram are called.
pub(super) struct Names {
    pub(super) bucket: &'static str,
    pub(super) sum: &'static str,
    pub(super) count: &'static str,
}

/// In milliseconds, and as a label in seconds: from a count of tokens to the longest answer.
const BUCKETS: [(u64, &str); 16] = [
    (10, "0.01"),
    (25, "0.025"),
    (50, "0.05"),
    (100, "0.1"),
    (250, "0.25"),
    (500, "0.5"),
    (1_000, "1"),
    (2_500, "2.5"),
    (5_000, "5"),
    (10_000, "10"),
    (20_000, "20"),
    (40_000, "40"),
    (80_000, "80"),
    (160_000, "160"),
    (320_000, "320"),
    (640_000, "640"),
];
