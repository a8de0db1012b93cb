//! What is measured at the moment of asking.

use super::text::{Decimal, Kind, Text};
use crate::forward::{Attempts, PurseState};

/// What the plane looks like now.
pub(crate) struct Gauges {
    /// Commits of the journal since the start.
    pub(crate) commits: u64,
    /// Entries in them.
    pub(crate) entries: u64,
    /// Commits that failed.
    pub(crate) failures: u64,
    /// Entries that wait for a commit.
    pub(crate) waiting: u64,
    /// Requests that are on record and have not ended.
    pub(crate) open: u64,
    /// How long ago what was committed was sealed into the log, in milliseconds.
    pub(crate) sealed_ms: i64,
    /// The age of the view of the identity plane, in milliseconds; `None` before the first page.
    pub(crate) feed_age_ms: Option<i64>,
    /// What is known of each upstream, in the order of the configuration.
    pub(crate) upstreams: Vec<Upstream>,
}

/// What is known of one upstream.
pub(crate) struct Upstream {
    pub(crate) name: String,
    /// The state of its breaker.
    pub(crate) state: &'static str,
    pub(crate) attempts: Attempts,
    pub(crate) purse: PurseState,
}

impl Gauges {
    pub(super) fn write(&self, out: &mut Text) {
        self.journal(out);
        self.ages(out);
        let name = "bauta_gateway_upstream_state";
        let help = "1 for the state of each upstream's breaker.";
        out.family(name, Kind::Gauge, help);
        for it in &self.upstreams {
            out.sample(name, &[("upstream", &it.name), ("state", it.state)], 1);
        }
        let name = "bauta_gateway_attempts_total";
        let help = "What became of each time an upstream was asked.";
        out.family(name, Kind::Counter, help);
        for it in &self.upstreams {
            for (result, count) in it.attempts.counts() {
                out.sample(name, &[("upstream", &it.name), ("result", result)], count);
            }
        }
        self.keys(out);
        self.tokens(out);
    }

    fn journal(&self, out: &mut Text) {
        let counters = [
            (
                "bauta_gateway_journal_commits_total",
                "Commits of the journal.",
                self.commits,
            ),
            (
                "bauta_gateway_journal_entries_total",
                "Entries written to the journal.",
                self.entries,
            ),
            (
                "bauta_gateway_journal_failures_total",
                "Commits of the journal that failed.",
                self.failures,
            ),
        ];
        for (name, help, value) in counters {
            out.family(name, Kind::Counter, help);
            out.sample(name, &[], value);
        }
        let gauges = [
            (
                "bauta_gateway_journal_waiting",
                "Entries that wait for a commit.",
                self.waiting,
            ),
            (
                "bauta_gateway_open_requests",
                "Requests that are on record and have not ended.",
                self.open,
            ),
        ];
        for (name, help, value) in gauges {
            out.family(name, Kind::Gauge, help);
            out.sample(name, &[], value);
        }
    }

    fn ages(&self, out: &mut Text) {
        let name = "bauta_gateway_sealed_age_seconds";
        let help = "How long ago entries last moved into the log under a signed checkpoint.";
        out.family(name, Kind::Gauge, help);
        let age = Decimal {
            value: u64::try_from(self.sealed_ms).unwrap_or(0),
            per_one: 1_000,
        };
        out.sample(name, &[], age);
        if let Some(age_ms) = self.feed_age_ms {
            let name = "bauta_gateway_feed_age_milliseconds";
            let help = "Age of what is known of the identity plane.";
            out.family(name, Kind::Gauge, help);
            out.sample(name, &[], age_ms);
        }
    }

    fn keys(&self, out: &mut Text) {
        let name = "bauta_gateway_key_refused";
        let help = "1 for a key that its provider refused within the last five minutes.";
        out.family(name, Kind::Gauge, help);
        for it in &self.upstreams {
            let PurseState::Keys(refused) = &it.purse else {
                continue;
            };
            for (place, refused) in refused.iter().enumerate() {
                // By its place: no byte of a key is anywhere.
                let key = place.saturating_add(1).to_string();
                let labels = [("upstream", it.name.as_str()), ("key", &key)];
                out.sample(name, &labels, u8::from(*refused));
            }
        }
    }

    fn tokens(&self, out: &mut Text) {
        let of_token = || {
            self.upstreams.iter().filter_map(|it| match &it.purse {
                PurseState::Token(token) => Some((it.name.as_str(), token)),
                PurseState::Keys(_) => None,
            })
        };
        let name = "bauta_gateway_exchanges_total";
        let help = "Assertions that were exchanged for a provider's token, or refused.";
        out.family(name, Kind::Counter, help);
        for (upstream, token) in of_token() {
            for (outcome, count) in [("given", token.given), ("refused", token.refused)] {
                out.sample(name, &[("upstream", upstream), ("outcome", outcome)], count);
            }
        }
        let name = "bauta_gateway_token_left_seconds";
        let help = "For how long the provider's token that is held is used; 0 without one.";
        out.family(name, Kind::Gauge, help);
        for (upstream, token) in of_token() {
            out.sample(name, &[("upstream", upstream)], token.left_s);
        }
    }
}
