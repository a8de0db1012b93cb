//! Builds that prove who they are with a token of the platform they run on.
//!
//! Whoever has an account at a platform gets tokens of its issuer for any audience. So neither says
//! whose build it is: the conditions of a [`WorkloadRule`] do, and a rule without one on the subject
//! is refused when the configuration is read. A token is looked at in this order: whose keys it
//! claims, its signature and dates (`jws.rs` of `bauta-token`), then the conditions. It opens
//! something once, which is decided where the grant is written.
//!
//! What else such a token says, who pushed the commit and with which address, ends here.

use std::{collections::BTreeMap, sync::Arc};

use bauta_token::{
    jws::{Hint, JwsError},
    scope::Name,
    units::UnixMillis,
};
use serde_json::Value;
use thiserror::Error;

use crate::{
    Plane,
    config::{Condition, WorkloadRule},
    keys::Keys,
    login::{
        discovery::DiscoveryError,
        id_token::{ClaimError, Claims},
    },
    ports::{Lookup, grants::Presented},
};

mod examine;
mod platform;
#[cfg(test)]
mod tests;

pub use examine::{Examined, examine};
use platform::Platform;

/// The rules of the configuration, and the platforms they name.
pub(crate) struct Workloads {
    rules: Vec<Arc<Workload>>,
    platforms: BTreeMap<String, Platform>,
}

/// A rule, and the name it has in the database.
pub(crate) struct Workload {
    pub(crate) rule: WorkloadRule,
    id: Lookup,
}

/// A build that is what a rule asks for. Only [`Plane::prove`] makes it.
pub(crate) struct Proven {
    pub(crate) workload: Arc<Workload>,
    pub(crate) presented: Presented,
}

/// Why a token proves nothing here.
#[derive(Debug, Error)]
pub(crate) enum WorkloadError {
    /// It does not hold.
    #[error("a platform's token is refused")]
    Token(#[from] JwsError),
    /// A claim of it cannot be used.
    #[error("a platform's claims are refused")]
    Claims(#[from] ClaimError),
    /// No rule is of its issuer and its audience.
    #[error("no [[workload]] has the issuer and the audience of the token")]
    Stranger,
    /// It holds, and no rule fits what it says.
    #[error("no [[workload]] fits what the token says")]
    Unfit,
    /// It fits a rule, but none for the scope that was asked for.
    #[error("a [[workload]] of another scope fits what the token says")]
    Scope,
    /// Rules for more than one scope fit.
    #[error("[[workload]]s of several scopes fit, and none was asked for")]
    Several,
    /// The platform's keys cannot be had.
    #[error("the keys of the platform cannot be had")]
    Keys(#[from] DiscoveryError),
}

impl Workloads {
    pub(crate) fn new(rules: Vec<WorkloadRule>, keys: &Keys, http: &reqwest::Client) -> Self {
        let platforms = rules
            .iter()
            .map(|rule| (rule.issuer.clone(), Platform::new(rule, http.clone())))
            .collect();
        let rules = rules.into_iter().map(|rule| {
            let id = id_of(&rule, keys);
            Arc::new(Workload { rule, id })
        });
        Self {
            rules: rules.collect(),
            platforms,
        }
    }

    /// Whether any build may come.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether this is a rule of the configuration as it is now.
    pub(crate) fn knows(&self, rule: Lookup) -> bool {
        self.rules.iter().any(|workload| workload.id == rule)
    }
}

/// All that decides who gets what by a rule: a rule that says something else is another one, and
/// what rests on the old one ends.
fn id_of(rule: &WorkloadRule, keys: &Keys) -> Lookup {
    let claims = serde_json::to_vec(&rule.claims).unwrap_or_default();
    keys.lookup(
        "bauta/workload-rule/v1",
        &[
            rule.issuer.as_bytes(),
            rule.audience.as_bytes(),
            &claims,
            rule.scope.as_str().as_bytes(),
            rule.sponsor.as_bytes(),
        ],
    )
}

impl Plane {
    /// The rule that a platform's token satisfies: the first of those for `scope`, or, when none is
    /// asked for, of those that all are for one scope.
    pub(crate) async fn prove(
        &self,
        token: &str,
        scope: Option<&Name>,
    ) -> Result<Proven, WorkloadError> {
        let now = self.clock.now();
        let hint = Hint::read(token)?;
        let rules = self.workloads.rules.iter();
        let here: Vec<_> = rules
            .filter(|it| it.rule.issuer == hint.issuer() && hint.is_for(&it.rule.audience))
            .collect();
        let first = *here.first().ok_or(WorkloadError::Stranger)?;
        let audience = first.rule.audience.as_str();
        let platform = self.workloads.platforms.get(hint.issuer());
        let platform = platform.ok_or(WorkloadError::Stranger)?;
        let claims = platform.verified(token, audience, now).await?;
        let fitting: Vec<_> = here
            .iter()
            .copied()
            .filter(|it| it.rule.audience == audience && it.misses(&claims).is_none())
            .collect();
        if fitting.is_empty() {
            tell_misses(&here, &claims);
        }
        let workload = chosen(&fitting, scope)?;
        let presented = Presented {
            token: self.presented(token, hint.issuer(), &claims)?,
            rule: workload.id,
            until: remembered(&claims, now),
        };
        Ok(Proven {
            workload,
            presented,
        })
    }

    /// What a token is known by once it was presented: its id, or where a platform gives none (older
    /// Kubernetes), what was signed. A signature can be spelled in two ways, what it covers cannot.
    fn presented(&self, token: &str, issuer: &str, claims: &Claims) -> Result<Lookup, ClaimError> {
        let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
        let (kind, name) = match claims.optional("jti")?.filter(|jti| !jti.is_empty()) {
            Some(jti) => ("jti", jti),
            None => ("signed", signed),
        };
        let parts = [issuer.as_bytes(), kind.as_bytes(), name.as_bytes()];
        Ok(self.keys.lookup("bauta/workload-token/v1", &parts))
    }
}

impl Workload {
    /// The first claim that is not what it must be.
    fn misses(&self, claims: &Claims) -> Option<&str> {
        let unlike = |(name, condition): &(&String, &Condition)| {
            !condition.holds(claims.value(name.as_str()))
        };
        let miss = self.rule.claims.iter().find(unlike);
        miss.map(|(name, _)| name.as_str())
    }
}

/// Names the claims of ours that were not met. What they said instead may name a person.
fn tell_misses(rules: &[&Arc<Workload>], claims: &Claims) {
    for workload in rules {
        tracing::info!(
            issuer = workload.rule.issuer,
            scope = %workload.rule.scope,
            claim = workload.misses(claims),
            "a build's token does not fit a workload"
        );
    }
}

fn chosen(
    fitting: &[&Arc<Workload>],
    scope: Option<&Name>,
) -> Result<Arc<Workload>, WorkloadError> {
    if fitting.is_empty() {
        return Err(WorkloadError::Unfit);
    }
    let first = fitting
        .iter()
        .find(|it| scope.is_none_or(|scope| it.rule.scope == *scope))
        .ok_or(WorkloadError::Scope)?;
    let several = scope.is_none() && fitting.iter().any(|it| it.rule.scope != first.rule.scope);
    if several {
        return Err(WorkloadError::Several);
    }
    Ok(Arc::clone(first))
}

/// Past its own end, and past the end of whatever it gives.
fn remembered(claims: &Claims, now: UnixMillis) -> UnixMillis {
    let ends = claims.value("exp").and_then(Value::as_i64);
    let latest = now.plus_seconds(platform::LONGEST_LIFE);
    let ends = ends.map_or(latest, UnixMillis::from_seconds).min(latest);
    ends.max(now.plus_seconds(HOUR)).plus_seconds(MINUTE)
}

/// No token of ours that a build gets lives longer.
const HOUR: i64 = 3_600;
/// More than clocks may differ.
const MINUTE: i64 = 60;
