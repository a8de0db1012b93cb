//! Counters of this plane, in the text form of Prometheus.
//!
//! No label names a member, a grant or a session: labels are constants of ours.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

use bauta_token::units::UnixMillis;

use crate::ports::people::Unredacted;

/// What was counted since the start.
#[derive(Default)]
pub(crate) struct Metrics {
    sign_ins: Mutex<BTreeMap<&'static str, u64>>,
    verifications: Mutex<BTreeMap<&'static str, u64>>,
    webhooks: Mutex<BTreeMap<&'static str, u64>>,
    exchanges: Mutex<BTreeMap<&'static str, u64>>,
    unredacted: Mutex<Unredacted>,
}

impl Metrics {
    /// A sign-in ended: `ok`, or the code of its refusal.
    pub(crate) fn sign_in(&self, outcome: &'static str) {
        bump(&self.sign_ins, outcome);
    }

    /// A vendor's or two officers' decision was written.
    pub(crate) fn verified(&self, outcome: &'static str) {
        bump(&self.verifications, outcome);
    }

    /// A webhook was answered.
    pub(crate) fn webhook(&self, outcome: &'static str) {
        bump(&self.webhooks, outcome);
    }

    /// A build showed a token of its platform: `ok`, or the code of its refusal.
    pub(crate) fn exchange(&self, outcome: &'static str) {
        bump(&self.exchanges, outcome);
    }

    /// What vendors still hold, as of the last round of tending.
    pub(crate) fn unredacted(&self, now: Unredacted) {
        *self
            .unredacted
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// All of it.
    pub(crate) fn text(&self, now: UnixMillis) -> String {
        let mut out = String::with_capacity(2_048);
        let counters = [
            (
                "bauta_identity_sign_ins_total",
                "Sign-ins, by outcome.",
                &self.sign_ins,
            ),
            (
                "bauta_identity_verifications_total",
                "Decisions about members, by outcome.",
                &self.verifications,
            ),
            (
                "bauta_identity_webhooks_total",
                "Webhooks of vendors, by outcome.",
                &self.webhooks,
            ),
            (
                "bauta_identity_exchanges_total",
                "Tokens that builds showed, by outcome.",
                &self.exchanges,
            ),
        ];
        for (name, help, counts) in counters {
            family(&mut out, name, "counter", help);
            let counts = counts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            for (outcome, n) in counts {
                line(
                    &mut out,
                    format_args!("{name}{{outcome=\"{outcome}\"}} {n}"),
                );
            }
        }
        let held = *self
            .unredacted
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let name = "bauta_identity_unredacted_sessions";
        family(
            &mut out,
            name,
            "gauge",
            "Vendor sessions that are not confirmed redacted.",
        );
        line(&mut out, format_args!("{name} {}", held.sessions));
        let name = "bauta_identity_unredacted_oldest_days";
        family(
            &mut out,
            name,
            "gauge",
            "Age of the oldest of them: what a breach of the vendor shows.",
        );
        let age = held
            .oldest
            .map_or(0, |at| now.0.saturating_sub(at.0).max(0) / 86_400_000);
        line(&mut out, format_args!("{name} {age}"));
        out
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

fn bump(counts: &Mutex<BTreeMap<&'static str, u64>>, outcome: &'static str) {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    let n = counts.entry(outcome).or_insert(0);
    *n = n.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_names_its_outcome_and_nobody() {
        let metrics = Metrics::default();
        metrics.sign_in("ok");
        metrics.sign_in("ok");
        metrics.webhook("401");
        metrics.unredacted(Unredacted {
            sessions: 3,
            oldest: Some(UnixMillis(0)),
        });

        let text = metrics.text(UnixMillis(2 * 86_400_000));

        for line in [
            "bauta_identity_sign_ins_total{outcome=\"ok\"} 2",
            "bauta_identity_webhooks_total{outcome=\"401\"} 1",
            "bauta_identity_unredacted_sessions 3",
            "bauta_identity_unredacted_oldest_days 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{text}");
        }
    }
}
