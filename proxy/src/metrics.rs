//! Counters of this plane, in the text form of Prometheus.
//!
//! No label names a token, a grant, a pseudonym or a session: labels are constants of ours and
//! names of the configuration.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

use crate::{admit::Route, ports::Outcome};

/// What was counted since the start.
#[derive(Default)]
pub struct Metrics {
    ended: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

impl Metrics {
    /// A request that was sent has ended.
    pub fn ended(&self, route: Route, outcome: Outcome) {
        let key = (route.name(), outcome.as_str());
        bump(&self.ended, key);
    }

    /// A request was refused.
    pub fn refused(&self, reason: &'static str) {
        bump(&self.refused, reason);
    }

    /// All of it.
    #[must_use]
    pub fn text(&self, gauges: &Gauges) -> String {
        let mut out = String::with_capacity(2048);
        let requests = "Requests that were sent, by route and outcome.";
        family(
            &mut out,
            "bauta_gateway_requests_total",
            "counter",
            requests,
        );
        for ((route, outcome), n) in copied(&self.ended) {
            line(
                &mut out,
                format_args!(
                    "bauta_gateway_requests_total{{route=\"{route}\",outcome=\"{outcome}\"}} {n}"
                ),
            );
        }
        let refusals = "Requests that were refused, by reason.";
        family(
            &mut out,
            "bauta_gateway_refusals_total",
            "counter",
            refusals,
        );
        for (reason, n) in copied(&self.refused) {
            line(
                &mut out,
                format_args!("bauta_gateway_refusals_total{{reason=\"{reason}\"}} {n}"),
            );
        }
        gauges.write(&mut out);
        out
    }
}

/// What is measured at the moment of asking.
pub struct Gauges {
    /// Commits of the journal since the start.
    pub commits: u64,
    /// Entries in them.
    pub entries: u64,
    /// Commits that failed.
    pub failures: u64,
    /// Entries that wait.
    pub waiting: u64,
    /// The age of the view of the identity plane, in milliseconds; `None` before the first page.
    pub feed_age_ms: Option<i64>,
    /// Each upstream's name and the state of its breaker.
    pub upstreams: Vec<(String, &'static str)>,
}

impl Gauges {
    fn write(&self, out: &mut String) {
        let plain: [(&str, &str, &str, u64); 4] = [
            (
                "bauta_gateway_journal_commits_total",
                "counter",
                "Commits of the journal.",
                self.commits,
            ),
            (
                "bauta_gateway_journal_entries_total",
                "counter",
                "Entries written to the journal.",
                self.entries,
            ),
            (
                "bauta_gateway_journal_failures_total",
                "counter",
                "Commits of the journal that failed.",
                self.failures,
            ),
            (
                "bauta_gateway_journal_waiting",
                "gauge",
                "Entries that wait for a commit.",
                self.waiting,
            ),
        ];
        for (name, kind, help, value) in plain {
            family(out, name, kind, help);
            line(out, format_args!("{name} {value}"));
        }
        if let Some(age_ms) = self.feed_age_ms {
            let name = "bauta_gateway_feed_age_milliseconds";
            family(
                out,
                name,
                "gauge",
                "Age of what is known of the identity plane.",
            );
            line(out, format_args!("{name} {age_ms}"));
        }
        let name = "bauta_gateway_upstream_state";
        family(
            out,
            name,
            "gauge",
            "1 for the state of each upstream's breaker.",
        );
        for (upstream, state) in &self.upstreams {
            line(
                out,
                format_args!("{name}{{upstream=\"{upstream}\",state=\"{state}\"}} 1"),
            );
        }
    }
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    line(out, format_args!("# HELP {name} {help}"));
    line(out, format_args!("# TYPE {name} {kind}"));
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _never = writeln!(out, "{text}");
}

fn bump<K: Ord>(map: &Mutex<BTreeMap<K, u64>>, key: K) {
    let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
    let n = map.entry(key).or_insert(0);
    *n = n.saturating_add(1);
}

fn copied<K: Ord + Copy>(map: &Mutex<BTreeMap<K, u64>>) -> BTreeMap<K, u64> {
    map.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
