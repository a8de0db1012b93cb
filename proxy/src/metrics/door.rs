//! What one model at one upstream did.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    Ending,
    histogram::{Histogram, Names},
    text::{Decimal, Kind, Text},
};

/// Counters of one place that answers.
pub(super) struct Door {
    upstream: String,
    model: String,
    first_byte: Histogram,
    duration: Histogram,
    /// In the order of [`KINDS`].
    tokens: [AtomicU64; KINDS.len()],
    cost_micro_usd: AtomicU64,
}

impl Door {
    pub(super) fn new(upstream: &str, model: &str) -> Self {
        Self {
            upstream: upstream.to_owned(),
            model: model.to_owned(),
            first_byte: Histogram::default(),
            duration: Histogram::default(),
            tokens: Default::default(),
            cost_micro_usd: AtomicU64::new(0),
        }
    }

    pub(super) fn is(&self, upstream: &str, model: &str) -> bool {
        self.upstream == upstream && self.model == model
    }

    pub(super) fn ended(&self, ending: &Ending<'_>) {
        self.first_byte.observe(ending.first_byte_ms);
        self.duration.observe(ending.took_ms);
        let usage = ending.usage;
        let written = usage.cache_write.saturating_add(usage.cache_write_hour);
        let counts = [usage.input, usage.output, usage.cache_read, written];
        for (counter, count) in self.tokens.iter().zip(counts) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
        let cost = u64::try_from(ending.cost_micro_usd).unwrap_or(0);
        self.cost_micro_usd.fetch_add(cost, Ordering::Relaxed);
    }

    fn labels(&self) -> [(&str, &str); 2] {
        [("upstream", &self.upstream), ("model", &self.model)]
    }
}

/// The families of all doors, as far as they were asked anything.
pub(super) fn write(doors: &[Door], out: &mut Text) {
    let asked = || doors.iter().filter(|door| !door.duration.is_empty());
    let help = "From the arrival of a request to the head of its answer.";
    out.family("bauta_gateway_first_byte_seconds", Kind::Histogram, help);
    for door in asked() {
        door.first_byte.write(out, &FIRST_BYTE, door.labels());
    }
    let help = "From the arrival of a request to the end of its answer.";
    out.family("bauta_gateway_duration_seconds", Kind::Histogram, help);
    for door in asked() {
        door.duration.write(out, &DURATION, door.labels());
    }
    let name = "bauta_gateway_tokens_total";
    out.family(
        name,
        Kind::Counter,
        "Tokens, as the providers counted them.",
    );
    for door in asked() {
        let [upstream, model] = door.labels();
        for (kind, count) in KINDS.into_iter().zip(&door.tokens) {
            let count = count.load(Ordering::Relaxed);
            out.sample(name, &[upstream, model, ("kind", kind)], count);
        }
    }
    let name = "bauta_gateway_cost_usd_total";
    out.family(name, Kind::Counter, "What answers cost by the price table.");
    for door in asked() {
        let cost = Decimal {
            value: door.cost_micro_usd.load(Ordering::Relaxed),
            per_one: 1_000_000,
        };
        out.sample(name, &door.labels(), cost);
    }
}

const KINDS: [&str; 4] = ["input", "output", "cache_read", "cache_write"];

const FIRST_BYTE: Names = Names {
    bucket: "bauta_gateway_first_byte_seconds_bucket",
    sum: "bauta_gateway_first_byte_seconds_sum",
    count: "bauta_gateway_first_byte_seconds_count",
};
const DURATION: Names = Names {
    bucket: "bauta_gateway_duration_seconds_bucket",
    sum: "bauta_gateway_duration_seconds_sum",
    count: "bauta_gateway_duration_seconds_count",
};
