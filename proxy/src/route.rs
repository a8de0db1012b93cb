//! Who answers: targets in order, under the policy.
//!
//! A gate that is not satisfied closes gated models, not the door: the fallback of the model
//! answers, and the answer says so. Never the same gated model by another door; that is checked
//! when the configuration is loaded.

pub mod breaker;
pub mod drill;
pub mod health;
mod spread;
mod table;

use bauta_token::{
    scope::{ModelName, Name, Terms},
    units::UnixMillis,
};
use http::StatusCode;
use thiserror::Error;

pub use self::table::{Door, Finding, Gravity, Model, Models};
use self::{breaker::Standing, health::Health};
use crate::{
    dialect::{Dialect, Told},
    read::Asked,
};

/// What a request may do, as far as routing asks. A [`Pass`](crate::redeem::Pass) is one.
pub trait Bearer {
    /// The terms of its scope.
    fn scope(&self) -> &Terms;
    /// Whether it opens what `policy` gates: the wording in force, or none in force yet.
    fn satisfies(&self, policy: &Name) -> bool;
    /// Whether it has a pseudonym for `provider`: without one nothing is sent there.
    fn is_known_to(&self, provider: &Name) -> bool;
    /// A number that is the same for every request of its grant, to choose among targets that
    /// share the work.
    fn draw(&self) -> u64;
}

/// The targets that may answer `asked`, best first.
///
/// # Errors
///
/// [`RouteError`] when the model is none of the scope's, is gated and has no fallback, or nobody
/// is there to answer.
pub fn route(
    models: &Models,
    health: &Health,
    bearer: &impl Bearer,
    asked: &Asked,
    now: UnixMillis,
) -> Result<Plan, RouteError> {
    let dialect = asked.call().dialect();
    let scope = &bearer.scope().models;
    let model = models
        .find(asked.model(), scope)
        .ok_or_else(|| RouteError::NoModel(models.spoken(dialect, scope)))?;
    if !model.doors().iter().any(|door| door.dialect() == dialect) {
        return Err(RouteError::Dialect);
    }
    let opens = model.gated_by().is_none_or(|gate| bearer.satisfies(gate));
    let allowed: Vec<&Door> = allowed(model, dialect, opens).collect();
    if allowed.is_empty() {
        return Err(gated(model));
    }
    let known: Vec<&Door> = allowed
        .into_iter()
        .filter(|door| bearer.is_known_to(door.provider()))
        .collect();
    if known.is_empty() {
        return Err(RouteError::NoPseudonym);
    }
    let priced = priced(&known, asked)?;
    let standing = |door: &Door| health.standing(door.upstream(), now);
    // Also one that has no price for this: what it refuses, its neighbours must not answer.
    let is_barred = |door: &&&Door| matches!(standing(door), Standing::Barred);
    let barred: Vec<&&Door> = known.iter().filter(is_barred).collect();
    let mut targets = priced.clone();
    targets.retain(|door| {
        matches!(standing(door), Standing::Admits)
            && !barred.iter().any(|bars| door.leads_round(bars))
    });
    if targets.is_empty() {
        let waits = priced.iter();
        let wait = waits.map(|door| health.wait_ms(door.upstream(), now)).min();
        let wait_ms = wait.unwrap_or(0);
        return Err(if barred.is_empty() {
            RouteError::Unavailable { wait_ms }
        } else {
            RouteError::Barred
        });
    }
    if model.is_spread() {
        spread::spread(&mut targets, bearer.draw());
    }
    Ok(Plan {
        model: model.name().clone(),
        gate: model.gated_by().filter(|_| opens).cloned(),
        max_output: model.max_output(),
        context: model.context(),
        targets,
    })
}

/// Those of `doors` that have a price for what is asked, at that price. A count of tokens is free.
fn priced(doors: &[&Door], asked: &Asked) -> Result<Vec<Door>, RouteError> {
    let doors = doors.iter();
    let priced: Vec<Door> = match asked.tier() {
        Some(tier) if !asked.call().route().counts() => {
            doors.filter_map(|door| door.at(tier)).collect()
        }
        _ => doors.map(|door| (*door).clone()).collect(),
    };
    if priced.is_empty() {
        return Err(RouteError::Tier);
    }
    Ok(priced)
}

/// Who may answer in `dialect`: targets only to those whom the gate opens, fallbacks to all.
fn allowed(model: &Model, dialect: Dialect, opens: bool) -> impl Iterator<Item = &Door> {
    let doors = model.doors().iter();
    doors.filter(move |door| door.dialect() == dialect && (opens || door.is_fallback()))
}

fn gated(model: &Model) -> RouteError {
    model
        .gated_by()
        .map_or(RouteError::NoModel(Vec::new()), |gate| {
            RouteError::Gated(gate.clone())
        })
}

/// Who answers, in the order in which they are tried. There is always one.
#[derive(Clone, Debug)]
pub struct Plan {
    model: ModelName,
    gate: Option<Name>,
    max_output: u32,
    context: u32,
    targets: Vec<Door>,
}

impl Plan {
    /// The model as configuration names it.
    #[must_use]
    pub const fn model(&self) -> &ModelName {
        &self.model
    }

    /// What opened it; `None` when nothing was asked, or when only a fallback answers.
    #[must_use]
    pub const fn gate(&self) -> Option<&Name> {
        self.gate.as_ref()
    }

    /// Who is asked, first to last.
    #[must_use]
    pub fn targets(&self) -> &[Door] {
        &self.targets
    }

    /// The most tokens one answer can hold.
    #[must_use]
    pub const fn max_output(&self) -> u32 {
        self.max_output
    }

    /// The most tokens the model reads.
    #[must_use]
    pub const fn context(&self) -> u32 {
        self.context
    }

    #[cfg(test)]
    pub(crate) fn to(targets: Vec<Door>) -> Self {
        Self {
            model: ModelName::parse("model").unwrap(),
            gate: None,
            max_output: 1_000,
            context: 100_000,
            targets,
        }
    }
}

/// What a member is told whom a gate keeps out; a link follows.
pub(crate) const GATED: &str =
    "This model is open to members who are verified for it. Verify once, then sign in again:";

/// Why nobody answers.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum RouteError {
    /// No such model, or none of this scope: the caller cannot tell which. With those that there
    /// are.
    #[error("no such model in this scope")]
    NoModel(Vec<ModelName>),
    /// The model answers in the other wire format only.
    #[error("model answers in another dialect")]
    Dialect,
    /// The member does not satisfy its gate.
    #[error("gate is not satisfied")]
    Gated(Name),
    /// The token names no pseudonym for the provider.
    #[error("token has no pseudonym for the provider")]
    NoPseudonym,
    /// A tier of service that has no price.
    #[error("tier of service has no price")]
    Tier,
    /// A provider refuses the organisation, and nothing that may answer instead is there.
    #[error("provider refuses until somebody acts there")]
    Barred,
    /// Every upstream is failing.
    #[error("no upstream is available")]
    Unavailable {
        /// Until one is tried again.
        wait_ms: i64,
    },
}

impl RouteError {
    /// Status, stable code and sentence for the caller.
    #[must_use]
    pub const fn public(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NoModel(_) => (
                StatusCode::BAD_REQUEST,
                "model_refused",
                "This token does not open this model. `GET /v1/models` lists what it opens.",
            ),
            Self::Dialect => (
                StatusCode::BAD_REQUEST,
                "dialect_refused",
                "This model does not answer on this route.",
            ),
            Self::Gated(_) => (
                StatusCode::FORBIDDEN,
                crate::dialect::VERIFICATION_REQUIRED,
                GATED,
            ),
            Self::NoPseudonym => (
                StatusCode::UNAUTHORIZED,
                "token_too_old",
                "This token was made before this provider was added. Sign in again for a new one.",
            ),
            Self::Tier => (
                StatusCode::BAD_REQUEST,
                "tier_refused",
                "This tier of service has no price here. Ask without `service_tier`, `speed` or \
                 `inference_geo`, or ask who runs the gateway to price it in `tiers`.",
            ),
            Self::Barred => (
                StatusCode::SERVICE_UNAVAILABLE,
                crate::dialect::UPSTREAM_REFUSES,
                "The provider of this model refuses your organisation until somebody acts there. \
                 Tell your administrator.",
            ),
            Self::Unavailable { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "upstream_unavailable",
                "No provider of this model is available right now.",
            ),
        }
    }

    /// The same, with what could be asked instead. Names of the configuration only: nothing that
    /// was sent is said again.
    #[must_use]
    pub fn told(&self) -> Told {
        let told = Told::new(self.public());
        let Self::NoModel(open) = self else {
            return told;
        };
        let names: Vec<&str> = open.iter().take(NAMED).map(ModelName::as_str).collect();
        if names.is_empty() {
            return told;
        }
        let more = match open.len().saturating_sub(names.len()) {
            0 => String::new(),
            n => format!(", and {n} more that `GET /v1/models` lists"),
        };
        told.saying(format!(
            "This token does not open this model. It opens {}{more}.",
            names.join(", ")
        ))
    }

    /// When it is worth trying again, rounded up to a second.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u32> {
        match self {
            Self::Unavailable { wait_ms } => {
                let seconds = wait_ms.max(&0).unsigned_abs().div_ceil(1000).max(1);
                Some(u32::try_from(seconds).unwrap_or(u32::MAX))
            }
            _ => None,
        }
    }
}

/// How many models a refusal names.
const NAMED: usize = 12;

#[cfg(test)]
mod tests;
