//! Which models stay closed to a verified member, by which rule, and which will be.
//!
//! What is said here is for the member alone; the gateway goes by the gates in the token.

use bauta_token::{scope::ModelName, units::UnixMillis};

use super::words;
use crate::{
    Plane,
    attest::Truth,
    config::ScopeRule,
    member::{Asked, GateStanding, Standing},
};

/// Models that one rule closes to a member.
pub(super) struct Shut<'s> {
    pub(super) models: Vec<&'s ModelName>,
    gate: &'s GateStanding,
}

/// The models of `scopes` that are closed now, rule by rule. None for who is not verified: to that
/// one all are.
pub(super) fn shut<'s>(
    plane: &'s Plane,
    scopes: &[&'s ScopeRule],
    standing: &'s Standing,
) -> Vec<Shut<'s>> {
    let now = plane.clock.now();
    by_rule(plane, scopes, standing)
        .filter(|shut| !shut.gate.result.holds() && in_force(shut.gate, standing, now))
        .collect()
}

/// What is open now and will be closed, one line a rule.
pub(super) fn later(plane: &Plane, scopes: &[&ScopeRule], standing: &Standing) -> Vec<String> {
    let now = plane.clock.now();
    let line = |coming: Shut<'_>| {
        let gate = coming.gate;
        let open = standing.gate(gate.gate.policy(), now);
        if open.is_some_and(|open| !open.result.holds()) {
            return None;
        }
        let from = if gate.effective_from > now && !gate.result.holds() {
            gate.effective_from
        } else {
            gate.closes_at?
        };
        let verb = if coming.models.len() == 1 {
            "closes"
        } else {
            "close"
        };
        Some(format!(
            "From {} {} {verb} to you, by {}.",
            words::day(from.day()),
            words::list(&coming.models),
            rule(gate)
        ))
    };
    by_rule(plane, scopes, standing).filter_map(line).collect()
}

/// The scopes that a member's groups open.
pub(super) fn scopes<'p>(plane: &'p Plane, standing: &Standing) -> Vec<&'p ScopeRule> {
    let rules = plane.scopes.values().map(AsRef::as_ref);
    rules
        .filter(|rule| standing.scopes.contains(&rule.name))
        .collect()
}

impl Shut<'_> {
    /// Which models, by which rule, and what the check says instead.
    pub(super) fn line(&self) -> String {
        let (lacks, models) = (&self.gate.lacks, &self.models);
        let asks: Vec<_> = lacks.iter().copied().map(asked).collect();
        let known = lacks.iter().any(|(_, found)| *found == Truth::False);
        format!(
            "{} {} closed to you: {} asks {}.{}",
            words::list(models),
            if models.len() == 1 { "stays" } else { "stay" },
            rule(self.gate),
            words::list(&asks),
            if known {
                ""
            } else {
                " If you can show it, verify again in a way that does."
            }
        )
    }
}

/// Every rule there is and the models it gates, for who is verified.
fn by_rule<'s>(
    plane: &'s Plane,
    scopes: &[&'s ScopeRule],
    standing: &'s Standing,
) -> impl Iterator<Item = Shut<'s>> {
    let mut models: Vec<_> = scopes.iter().flat_map(|rule| &rule.models).collect();
    models.sort();
    models.dedup();
    let gates = standing.gates.iter();
    gates
        .filter(|_| standing.verified.is_some())
        .map(move |gate| Shut {
            models: models
                .iter()
                .copied()
                .filter(|model| plane.settings.gates.get(*model) == Some(gate.gate.policy()))
                .collect(),
            gate,
        })
        .filter(|shut| !shut.models.is_empty())
}

/// Whether `gate` is the version that counts now.
fn in_force(gate: &GateStanding, standing: &Standing, now: UnixMillis) -> bool {
    standing.gate(gate.gate.policy(), now) == Some(gate)
}

fn rule(gate: &GateStanding) -> String {
    let gate = &gate.gate;
    format!("the rule “{}” (version {})", gate.policy(), gate.version())
}

fn asked((asked, found): (Asked, Truth)) -> String {
    let what = match asked {
        Asked::Predicate(predicate) => words::asked(predicate),
        Asked::Nationality => "that you meet its rule on nationality",
    };
    match found {
        Truth::False => format!("{what} (your check says no)"),
        _ => format!("{what} (your check does not say)"),
    }
}
