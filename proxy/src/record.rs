//! No audit record, no forward.
//!
//! `record` makes the intent durable and sets its amount aside, both in one commit; what it gives
//! is the only thing that `forward` takes. From then on the row is open, and it is closed exactly
//! once, however the request ends (see [`queue`]).

use std::sync::Arc;

use bauta_token::{
    scope::Name,
    units::{MicroUsd, UnixMillis},
};
use http::StatusCode;
use thiserror::Error;

pub use self::queue::{Open, Queue, Writer};
use crate::{
    admit::Route,
    dialect::{Total, Usage},
    ports::{Charge, Closing, Intent, Outcome, ReplicaId, RequestId, Served, Standing, Tokens},
    price::{Price, cost},
    redeem::{Opens, Pass},
    reserve::{Hold, estimate},
    scrub::Scrubbed,
};

pub mod queue;

/// A request whose intent is durable. Only [`record`] makes one, and `forward` takes nothing else.
pub struct Recorded {
    request: Scrubbed,
    hold: Hold,
    open: Open,
}

impl Recorded {
    /// The parts, for the one stage that sends them.
    pub(crate) fn into_parts(self) -> (Scrubbed, Hold, Open) {
        (self.request, self.hold, self.open)
    }

    /// Which request it is.
    #[must_use]
    pub const fn id(&self) -> RequestId {
        self.open.id()
    }
}

/// Makes the intent durable.
///
/// # Errors
///
/// [`RecordError`] when it is not, or nobody knows: then nothing is sent.
pub async fn record(
    queue: &Arc<Queue>,
    id: RequestId,
    replica: ReplicaId,
    request: Scrubbed,
    hold: Hold,
) -> Result<Recorded, RecordError> {
    let open = queue.begin(intent(id, replica, &request, &hold)).await?;
    Ok(Recorded {
        request,
        hold,
        open,
    })
}

fn intent(id: RequestId, replica: ReplicaId, request: &Scrubbed, hold: &Hold) -> Intent {
    let (pass, plan, call) = (request.pass(), request.plan(), request.call());
    let gate = plan.gate().and_then(|policy| match pass.opens(policy) {
        Opens::By(gate) => Some(gate),
        _ => None,
    });
    Intent {
        id,
        replica,
        grant: pass.grant().clone(),
        scope: scope(pass).clone(),
        dialect: call.dialect().name(),
        route: call.route().name(),
        model: plan.model().as_str().to_owned(),
        gate,
        targets: targets(plan.targets()),
        started_at: pass.at(),
        held: hold.amount(),
        budget: hold.window(),
    }
}

fn scope(pass: &Pass) -> &Name {
    &pass.terms().name
}

fn targets(doors: &[crate::route::Door]) -> String {
    let each: Vec<String> = doors.iter().map(ToString::to_string).collect();
    each.join(" ")
}

/// How a request ended, as the stage saw it that ended it. The journal's writer prices it.
#[derive(Clone)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) status: Option<StatusCode>,
    pub(crate) sent: Option<Sent>,
    pub(crate) total: Option<Total>,
}

/// What was sent, and to whom.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) served: Arc<Served>,
    pub(crate) route: Route,
    pub(crate) price: Price,
    pub(crate) size_bytes: usize,
    pub(crate) held: MicroUsd,
}

impl Ended {
    /// Nothing was sent.
    pub(crate) const fn not_sent() -> Self {
        Self {
            outcome: Outcome::NotSent,
            status: None,
            sent: None,
            total: None,
        }
    }

    /// The row's last entry.
    pub(crate) fn closing(self, id: RequestId, ended_at: UnixMillis) -> Closing {
        Closing {
            id,
            outcome: self.outcome,
            status: self.status.map(|status| status.as_u16()),
            served: self.sent.as_ref().map(|sent| Served::clone(&sent.served)),
            tokens: self.total.map(|total| tokens(total.usage)),
            charge: Charge::Amount(self.cost()),
            ended_at,
        }
    }

    /// What it costs: what the provider counted; what is known of it when it was cut; nothing when
    /// nothing was sent or the upstream is to blame. A caller who is gone before the first word
    /// has had the request read, and pays for that.
    pub(crate) fn cost(&self) -> MicroUsd {
        let Some(sent) = &self.sent else {
            return MicroUsd::ZERO;
        };
        match self.outcome {
            Outcome::UpstreamError | Outcome::Unreachable | Outcome::NotSent => MicroUsd::ZERO,
            Outcome::ClientGone | Outcome::Revoked | Outcome::Stale | Outcome::Drained
                if !self.brought() =>
            {
                sent.reading()
            }
            _ => self.total.map_or(MicroUsd::ZERO, |total| {
                estimate::charge(sent.route, &total, sent.price, sent.size_bytes, sent.held)
            }),
        }
    }

    /// Whether anything of the answer is known.
    fn brought(&self) -> bool {
        self.total
            .is_some_and(|total| total.told_input || total.text_bytes > 0)
    }
}

impl Sent {
    /// What reading the request costs, at four bytes a token.
    fn reading(&self) -> MicroUsd {
        if self.route.counts() {
            return MicroUsd::ZERO;
        }
        let usage = Usage {
            input: u64::try_from(self.size_bytes.div_ceil(4)).unwrap_or(u64::MAX),
            ..Usage::default()
        };
        cost(usage, self.price).map_or(self.held, |cost| cost.min(self.held))
    }
}

fn tokens(usage: Usage) -> Tokens {
    Tokens {
        input: usage.input,
        output: usage.output,
        cache_read: usage.cache_read,
        cache_write: usage.cache_write.saturating_add(usage.cache_write_hour),
    }
}

/// Why a request is not on record, and so not sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Its amount does not fit the budget. The refusal is on record.
    #[error("budget does not hold the request")]
    OverBudget(Standing),
    /// The commit failed, or its answer was lost.
    #[error("nobody knows whether the intent is durable")]
    Unknown,
    /// The commit takes too long.
    #[error("the journal does not answer in time")]
    Slow,
    /// The journal is known to be gone.
    #[error("the journal does not answer")]
    Down,
    /// More requests wait than can be served.
    #[error("too many requests wait for the journal")]
    Full,
}

impl RecordError {
    /// Status, stable code and sentence for the caller.
    #[must_use]
    pub const fn public(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::OverBudget(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                crate::dialect::BUDGET_EXHAUSTED,
                "The budget of this token does not hold this request.",
            ),
            Self::Full => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "The gateway is busy. Try again in a moment.",
            ),
            Self::Unknown | Self::Slow | Self::Down => (
                StatusCode::SERVICE_UNAVAILABLE,
                "not_recorded",
                "The gateway cannot record this request, so it was not sent.",
            ),
        }
    }

    /// A stable word for the log and for counters.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::OverBudget(_) => crate::ports::OVER_BUDGET,
            Self::Unknown => "journal_unknown",
            Self::Slow => "journal_slow",
            Self::Down => "journal_down",
            Self::Full => "journal_full",
        }
    }
}
