//! What is set aside before a request is sent: its turn, and an upper bound of its cost.
//!
//! Rate and concurrency are counted in memory, per replica: they guard a provider from a loop, and
//! no promise hangs on them. The budget is money and hangs on the journal: the amount found here
//! is set aside by `record`, in the transaction that makes the intent durable, and refused there
//! when it does not fit.

use std::sync::Arc;

use bauta_token::{
    scope::Budget,
    units::{MicroUsd, UnixMillis},
};
use http::StatusCode;
use thiserror::Error;

use self::limit::{Full, Limits, Turn};
use crate::{
    dialect::{Cap, Told},
    ports::Window,
    price::CostError,
    read::Asked,
    redeem::Pass,
    route::Plan,
};

pub mod estimate;
pub mod headers;
pub mod limit;

/// What a request has set aside. It is consumed by `record`; dropped, it gives its turn back.
pub struct Hold {
    amount: MicroUsd,
    budget: Option<(Budget, Window)>,
    turn: Turn,
}

impl Hold {
    /// An upper bound of what the request can cost.
    #[must_use]
    pub const fn amount(&self) -> MicroUsd {
        self.amount
    }

    /// The window of the budget it is held in.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        self.budget.map(|(_, window)| window)
    }

    /// The budget and when it is whole again.
    #[must_use]
    pub fn cap(&self) -> Option<(Budget, Cap)> {
        self.budget.map(|(budget, window)| {
            let resets_at = window.start.0.saturating_add(budget.per.millis());
            (budget, Cap::new(UnixMillis(resets_at), budget.per))
        })
    }

    /// Its turn among the requests of its grant.
    pub const fn turn(&self) -> &Turn {
        &self.turn
    }
}

/// Takes a turn for `pass`, before anything else is done for it.
///
/// # Errors
///
/// [`ReserveError::Full`] when the grant asks too often or too much at once.
pub fn enter(limits: &Arc<Limits>, pass: &Pass) -> Result<Turn, ReserveError> {
    Ok(limits.enter(pass.grant(), pass.terms().rate, pass.at())?)
}

/// Finds what `asked`, whose turn it is, can cost at most.
///
/// # Errors
///
/// [`ReserveError::Cost`] when no ledger holds it.
pub fn reserve(turn: Turn, pass: &Pass, asked: &Asked, plan: &Plan) -> Result<Hold, ReserveError> {
    let amount = estimate::bound(asked, plan)?;
    let budget = pass.terms().budget.map(|budget| {
        let start = window_start(budget, pass.at());
        let limit = budget.amount;
        (budget, Window { start, limit })
    });
    Ok(Hold {
        amount,
        budget,
        turn,
    })
}

/// The first instant of the window of `budget` that `now` is in.
#[must_use]
pub fn window_start(budget: Budget, now: UnixMillis) -> UnixMillis {
    let into = now.0.checked_rem_euclid(budget.per.millis()).unwrap_or(0);
    UnixMillis(now.0.saturating_sub(into))
}

/// Why nothing was set aside.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReserveError {
    /// Too often, or too many at once.
    #[error("the limits of the scope are reached")]
    Full(#[from] Full),
    /// What it can cost does not fit a ledger.
    #[error("request can cost more than a ledger holds")]
    Cost(#[from] CostError),
}

impl ReserveError {
    /// Status, stable code and sentence for the caller.
    #[must_use]
    pub const fn public(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Full(Full::Rate { .. }) => (
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                "This token asks more often than its scope allows.",
            ),
            Self::Full(Full::Concurrent) => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_at_once",
                "This token has as many requests running as its scope allows.",
            ),
            Self::Cost(_) => (
                StatusCode::BAD_REQUEST,
                "too_costly",
                "This request could cost more than any budget holds. Name a smaller limit.",
            ),
        }
    }

    /// The whole of it.
    #[must_use]
    pub fn told(&self) -> Told {
        let told = Told::new(self.public());
        match self {
            Self::Full(full) => told.retry_after(full.retry_after_s()),
            Self::Cost(_) => told,
        }
    }
}

/// What a caller is told whose budget does not hold the request.
#[must_use]
pub fn over_budget(cap: Cap, now: UnixMillis) -> Told {
    let wait = cap.resets_at.0.saturating_sub(now.0).max(0).unsigned_abs();
    let seconds = u32::try_from(wait.div_ceil(1000)).unwrap_or(u32::MAX);
    let mut told = Told::new((
        StatusCode::TOO_MANY_REQUESTS,
        crate::dialect::BUDGET_EXHAUSTED,
        "The budget of this token does not hold this request.",
    ));
    told.message = format!(
        "The budget of this token does not hold this request. It is whole again at {}. \
         A smaller limit on the answer may still fit.",
        cap.resets_at
    )
    .into();
    told.retry_after(seconds).at(cap)
}
