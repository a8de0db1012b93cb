//! Scopes and rules: what is in force, what was and what will be.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use bauta_token::{
    scope::{Name, Period, Privacy},
    units::UnixMillis,
};

use super::{Area, enter, view, words};
use crate::{
    Plane,
    config::{Country, NationalityRule, PolicyConfig, ScopeRule},
    login::SignedInMember,
    portal::{self, page as render, unavailable, view::Fact},
    ports::{Role, people::PolicyRow},
    qualify::policy::hex,
};

pub(super) async fn page(State(plane): State<Arc<Plane>>, who: SignedInMember) -> Response {
    let desk = match enter(&plane, &who, Area::Policies) {
        Ok(desk) => desk,
        Err(closed) => return *closed,
    };
    let rows = match plane.store.policies().await {
        Ok(rows) => rows,
        Err(error) => return unavailable(&error),
    };
    let now = plane.clock.now();
    render(&view::Policies {
        frame: desk.frame,
        desk,
        scopes: plane.scopes.values().map(|rule| scope(rule)).collect(),
        rules: policies(&plane, &rows, now),
        may_try: may_try(&who),
    })
}

/// Who would lose access is shown by number, so that it is for those who may see members.
pub(super) fn may_try(who: &SignedInMember) -> bool {
    who.roles
        .iter()
        .any(|role| matches!(role, Role::Admin | Role::Officer))
}

fn scope(rule: &ScopeRule) -> view::Scope {
    let mut facts = vec![
        Fact::new("Models", portal::words::list(&rule.models)),
        Fact::new(
            "Open to",
            if rule.groups.is_empty() {
                "every member".to_owned()
            } else {
                format!("the groups {}", portal::words::list(&rule.groups))
            },
        ),
        Fact::new(
            "A token lives",
            portal::words::span(rule.token_ttl.as_seconds()),
        ),
        Fact::new(
            "A labelled token lives",
            rule.max_label_ttl.map_or_else(
                || "there are none".to_owned(),
                |ttl| format!("up to {}", portal::words::span(ttl.as_seconds())),
            ),
        ),
    ];
    if let Some(budget) = rule.budget {
        let line = format!("${} {} for each grant", budget.amount, per(budget.per));
        facts.push(Fact::new("Budget", line));
    }
    if let Some(rate) = rule.rate {
        let line = format!(
            "{} requests {}, {} at once",
            rate.requests,
            per(rate.per),
            rate.concurrent
        );
        facts.push(Fact::new("Rate", line));
    }
    view::Scope {
        name: rule.name.to_string(),
        privacy: match rule.privacy {
            Privacy::Sealed => "pseudonymous",
            _ => "anonymous",
        },
        facts,
    }
}

const fn per(period: Period) -> &'static str {
    match period {
        Period::Minute => "a minute",
        Period::Hour => "an hour",
        Period::Day => "a day",
        _ => "in thirty days",
    }
}

fn policies(plane: &Plane, rows: &[PolicyRow], now: UnixMillis) -> Vec<view::Policy> {
    let mut names: Vec<_> = rows.iter().map(|row| row.policy.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let policy = |name: &str| view::Policy {
        gates: gated(plane, name),
        configured: Name::parse(name)
            .is_some_and(|name| plane.settings.policies.contains_key(&name)),
        versions: versions(rows, name, now),
        name: name.to_owned(),
    };
    names.into_iter().map(policy).collect()
}

/// The models that the rule gates, in words.
pub(super) fn gated(plane: &Plane, name: &str) -> String {
    let gates = plane.settings.gates.iter();
    let models: Vec<_> = gates
        .filter(|(_, policy)| policy.as_str() == name)
        .map(|(model, _)| model)
        .collect();
    if models.is_empty() {
        "It gates no model.".to_owned()
    } else {
        format!("It gates {}.", portal::words::list(&models))
    }
}

fn versions(rows: &[PolicyRow], name: &str, now: UnixMillis) -> Vec<view::Version> {
    let mut of_name: Vec<_> = rows.iter().filter(|row| row.policy == name).collect();
    of_name.sort_by_key(|row| std::cmp::Reverse(row.effective_from));
    let current = of_name
        .iter()
        .find(|row| row.effective_from <= now)
        .map(|row| row.version.as_str());
    let shown = of_name.iter().map(|row| {
        let in_force = current == Some(row.version.as_str());
        view::Version {
            name: row.version.clone(),
            state: if in_force {
                "in force"
            } else if row.effective_from > now {
                "to come"
            } else {
                "past"
            },
            in_force,
            asks: asks(&row.body),
            dates: format!(
                "Announced on {}, counts from {}.",
                words::instant(row.adopted_at),
                words::instant(row.effective_from)
            ),
            hash: hex(&row.hash),
        }
    });
    shown.collect()
}

/// What a version asks for, in words.
fn asks(body: &str) -> String {
    let Ok(config) = serde_json::from_str::<PolicyConfig>(body) else {
        return "Its wording is of an earlier version of Bauta and cannot be shown.".to_owned();
    };
    let mut asked: Vec<String> = config
        .requires
        .iter()
        .map(|predicate| predicate.as_str().replace('_', " "))
        .collect();
    asked.extend(config.nationality.as_ref().map(nationality));
    format!("It asks for {}.", portal::words::list(&asked))
}

fn nationality(rule: &NationalityRule) -> String {
    let codes = |list: &[Country]| {
        let codes: Vec<_> = list.iter().map(Country::as_str).collect();
        codes.join(" ")
    };
    let mut text = if rule.allow.is_empty() {
        format!("a nationality not of {}", codes(&rule.deny))
    } else if rule.deny.is_empty() {
        format!("a nationality of {}", codes(&rule.allow))
    } else {
        format!(
            "a nationality of {} and not of {}",
            codes(&rule.allow),
            codes(&rule.deny)
        )
    };
    if let Some(from) = rule.effective_from {
        text.push_str(" from ");
        text.push_str(&words::instant(from.0));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_says_what_it_asks_in_words() {
        let body = r#"{"version":"v2","requires":["person_verified","age_over_18"],
            "effective_from":null,"nationality":{"allow":[],"deny":["AQ","XK"],
            "undetermined":"ineligible","effective_from":"2026-11-21T00:00:00.000Z"}}"#;

        assert_eq!(
            asks(body),
            "It asks for person verified, age over 18 and a nationality not of AQ XK from \
             21 November 2026, 00:00 UTC."
        );
        assert!(asks("{}").contains("cannot be shown"));
    }

    #[test]
    fn of_several_versions_one_is_in_force() {
        let row = |version: &str, from: i64| PolicyRow {
            policy: "gate".to_owned(),
            version: version.to_owned(),
            hash: [7; 32],
            body: "{}".to_owned(),
            effective_from: UnixMillis(from),
            adopted_at: UnixMillis(0),
        };
        let rows = [row("v1", 10), row("v3", 30), row("v2", 20)];

        let shown = versions(&rows, "gate", UnixMillis(25));

        let states: Vec<_> = shown
            .iter()
            .map(|it| (it.name.as_str(), it.state))
            .collect();
        assert_eq!(
            states,
            [("v3", "to come"), ("v2", "in force"), ("v1", "past")]
        );
        assert!(versions(&rows, "other", UnixMillis(25)).is_empty());
    }
}
