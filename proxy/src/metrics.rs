//! Counters of this plane, in the text form of Prometheus.
//!
//! No label names a token, a grant, a pseudonym or a session: labels are constants of ours and
//! names of the configuration, so there are as many series as the configuration is long.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

pub(crate) use self::gauges::{Gauges, Upstream};
use self::{
    door::Door,
    text::{Kind, Text},
};
use crate::{
    admit::Route,
    config::ModelConfig,
    dialect::Usage,
    ports::{Outcome, Served},
    scrub::Found,
};

mod door;
mod gauges;
mod histogram;
mod text;

/// What was counted since the start.
#[derive(Default)]
pub struct Metrics {
    ended: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    found: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    /// One for each model at each upstream, and a last one for what is none of them.
    doors: Vec<Door>,
}

/// An answer that has ended.
pub(crate) struct Ending<'a> {
    pub(crate) route: Route,
    pub(crate) outcome: Outcome,
    /// Who answered.
    pub(crate) served: &'a Served,
    /// From the request's arrival to the head of the answer, in milliseconds.
    pub(crate) first_byte_ms: i64,
    /// From the request's arrival to its end, in milliseconds.
    pub(crate) took_ms: i64,
    /// What the provider counted.
    pub(crate) usage: Usage,
    /// What it cost, in millionths of a dollar.
    pub(crate) cost_micro_usd: i64,
}

impl Metrics {
    /// Counters for what `models` can be answered by.
    #[must_use]
    pub fn of(models: &[ModelConfig]) -> Self {
        let mut doors: Vec<Door> = Vec::new();
        let targets = models
            .iter()
            .flat_map(|it| it.targets.iter().chain(&it.fallback));
        for target in targets {
            let (upstream, model) = (target.upstream.as_str(), target.model.as_str());
            if !doors.iter().any(|door| door.is(upstream, model)) {
                doors.push(Door::new(upstream, model));
            }
        }
        doors.push(Door::new("other", "other"));
        Self {
            doors,
            ..Self::default()
        }
    }

    /// An answer has ended.
    pub(crate) fn ended(&self, ending: &Ending<'_>) {
        let key = (ending.route.name(), ending.outcome.as_str());
        bump(&self.ended, key);
        let (upstream, model) = (ending.served.upstream.as_str(), &*ending.served.model);
        let door = self.doors.iter().find(|door| door.is(upstream, model));
        if let Some(door) = door.or_else(|| self.doors.last()) {
            door.ended(ending);
        }
    }

    /// A request was refused.
    pub fn refused(&self, reason: &'static str) {
        bump(&self.refused, reason);
    }

    /// A client had put an identity into a prompt.
    pub fn found(&self, found: &Found) {
        for one in found.iter() {
            bump(&self.found, one);
        }
    }

    /// All of it.
    #[must_use]
    pub(crate) fn text(&self, gauges: &Gauges) -> String {
        let mut out = Text::default();
        let name = "bauta_gateway_requests_total";
        out.family(
            name,
            Kind::Counter,
            "Requests that were sent, by route and outcome.",
        );
        for ((route, outcome), n) in copied(&self.ended) {
            out.sample(name, &[("route", route), ("outcome", outcome)], n);
        }
        let name = "bauta_gateway_refusals_total";
        out.family(
            name,
            Kind::Counter,
            "Requests that were refused, by reason.",
        );
        for (reason, n) in copied(&self.refused) {
            out.sample(name, &[("reason", reason)], n);
        }
        let name = "bauta_gateway_prompt_identities_total";
        out.family(
            name,
            Kind::Counter,
            "Requests whose client put an identity into the prompt, by what it was and what was \
             done.",
        );
        for ((kind, did), n) in copied(&self.found) {
            out.sample(name, &[("kind", kind), ("action", did)], n);
        }
        door::write(&self.doors, &mut out);
        gauges.write(&mut out);
        out.into_string()
    }
}

fn bump<K: Ord>(map: &Mutex<BTreeMap<K, u64>>, key: K) {
    let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
    let n = map.entry(key).or_insert(0);
    *n = n.saturating_add(1);
}

fn copied<K: Ord + Copy>(map: &Mutex<BTreeMap<K, u64>>) -> BTreeMap<K, u64> {
    map.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

#[cfg(test)]
mod tests;
