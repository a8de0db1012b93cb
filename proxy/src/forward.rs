//! The request leaves; the answer comes back.
//!
//! The only stage that talks to a provider, and it takes nothing but a [`Recorded`]. Another
//! target is tried only before the first byte of an answer goes to the caller, and only when the
//! one before provably did nothing: it was never reached, it declined, or asking twice is harmless
//! (ADR 0028 has the table). Two are never asked at once.
//! Redirects are never followed: a credential goes where configuration says and nowhere else.

use std::{sync::Arc, time::Duration};

use bauta_token::ambient::Clock;
use http::{Response, StatusCode};
use thiserror::Error;
use tokio::time::timeout;

pub(crate) use self::{attempts::Attempts, purse::PurseState};
use self::{
    client::Lost,
    judge::{Verdict, is_harmless, judge},
    round::{Answered, Round},
};
pub use self::{
    client::{Showing, Timeouts, UpstreamError, Upstreams},
    credential::Credential,
    relay::Relay,
};
use crate::{
    admit::Route,
    dialect::Dialect,
    gate::Explanation,
    ports::{Outcome, Served},
    record::{Ended, Open, Recorded, Sent},
    redeem::{Cut, Redeemer, Watch},
    reserve::Hold,
    route::{Door, health::Health},
    scrub::Scrubbed,
};

mod attempts;
mod client;
mod credential;
mod exchange;
mod federated;
mod guard;
mod judge;
mod purse;
mod relay;
mod round;

/// What an upstream answered, before its first byte was read.
pub struct Answer {
    pub(crate) response: Response<Relay>,
    pub(crate) dialect: Dialect,
    pub(crate) route: Route,
    pub(crate) fallback: bool,
    pub(crate) served_by: String,
    /// The provider's refusal that it is, or that let another target answer.
    pub(crate) explained: Option<&'static Explanation>,
    /// The upstream's place in the configuration.
    pub(crate) upstream: usize,
    /// After so many seconds of silence it is given up.
    pub(crate) idle_s: u32,
    pub(crate) hold: Hold,
    pub(crate) open: Open,
    pub(crate) sent: Sent,
    pub(crate) watch: Watch,
}

/// The stage that sends.
pub struct Forwarder {
    upstreams: Upstreams,
    health: Arc<Health>,
    redeemer: Arc<Redeemer>,
    clock: Arc<dyn Clock>,
}

impl Forwarder {
    /// Sends to `upstreams`, as far as `health` lets it.
    #[must_use]
    pub const fn new(
        upstreams: Upstreams,
        health: Arc<Health>,
        redeemer: Arc<Redeemer>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            upstreams,
            health,
            redeemer,
            clock,
        }
    }

    /// Sends a request to its targets in order until one answers.
    ///
    /// When none does, what the first of them said that declined is relayed.
    ///
    /// # Errors
    ///
    /// [`ForwardError`] when none did and none said anything; the row is closed then.
    pub async fn forward(&self, recorded: Recorded) -> Result<Answer, ForwardError> {
        let (request, hold, mut open) = recorded.into_parts();
        let targets = request.plan().targets();
        let mut round = Round::default();
        let mut watch = self.redeemer.watch(request.pass().token());
        for (place, door) in targets.iter().enumerate() {
            // Taken away while the intent was being written: nothing leaves.
            watch = self.redeemer.watch(request.pass().token());
            if let Some(cut) = watch.check(self.clock.now()) {
                round.end(cut.into());
                break;
            }
            if round.bars(door) {
                continue;
            }
            let Some(leave) = self.health.enter(door.upstream()) else {
                if self.health.is_barred(door.upstream()) {
                    round.bar(door);
                }
                continue;
            };
            let Some(letter) = request.letter(place) else {
                continue;
            };
            let sent = sent(&request, door, letter.size_bytes(), &hold);
            open.expect(left(&sent));
            round.asked = Some(sent.clone());
            let sending = self.upstreams.send(door, request.call(), letter);
            let attempt = match self.watched(&mut watch, sending).await {
                Ok(attempt) => attempt,
                Err(cut) => {
                    round.end(ForwardError::Cut(cut));
                    break;
                }
            };
            let verdict = match attempt {
                Ok(response) => {
                    let hearing = judge(response, door, request.call(), leave);
                    match self.watched(&mut watch, hearing).await {
                        Ok(verdict) => verdict,
                        Err(cut) => {
                            round.end(ForwardError::Cut(cut));
                            break;
                        }
                    }
                }
                Err(lost) => {
                    leave.failed();
                    let again = lost.did_nothing() || is_harmless(request.call().route());
                    Verdict::Silent(lost.into(), again)
                }
            };
            match verdict {
                Verdict::Relay(response) => {
                    let answered = Answered {
                        place,
                        response,
                        explained: round.explained,
                        sent,
                    };
                    return Ok(self.answer(answered, &request, hold, open, watch));
                }
                Verdict::Declined {
                    response,
                    told,
                    soon,
                } => {
                    round.declined(place, response, told, sent, targets);
                    if !round.has_more(targets, place, soon) {
                        break;
                    }
                    round.only_targets |= soon;
                }
                Verdict::Silent(failure, again) => {
                    round.end(failure);
                    if !again {
                        break;
                    }
                }
            }
        }
        if let Some(answered) = round.heard() {
            return Ok(self.answer(answered, &request, hold, open, watch));
        }
        open.close(Ended {
            outcome: round.failure.outcome(),
            status: Some(round.failure.public().0),
            sent: round.asked,
            total: None,
        });
        Err(round.failure)
    }

    fn answer(
        &self,
        answered: Answered,
        request: &Scrubbed,
        hold: Hold,
        open: Open,
        watch: Watch,
    ) -> Answer {
        let door = request.plan().targets().get(answered.place);
        let upstream = door.map_or(usize::MAX, Door::upstream);
        Answer {
            response: answered.response,
            dialect: request.call().dialect(),
            route: request.call().route(),
            fallback: door.is_some_and(Door::is_fallback),
            served_by: door.map(ToString::to_string).unwrap_or_default(),
            explained: answered.explained,
            upstream,
            idle_s: self.upstreams.idle_s(upstream),
            hold,
            open,
            sent: answered.sent,
            watch,
        }
    }

    /// Other keys for the upstream at this place of the configuration, from the next request on.
    /// Whether it is one with keys.
    pub(crate) fn rekey(&self, place: usize, keys: Vec<Credential>) -> bool {
        self.upstreams.rekey(place, keys)
    }

    /// What became of each time an upstream was asked, in the order of the configuration.
    pub(crate) fn attempts(&self) -> Vec<Attempts> {
        self.upstreams.attempts()
    }

    /// How the credentials of each upstream stand, in the order of the configuration.
    pub(crate) fn purses(&self) -> Vec<PurseState> {
        self.upstreams.purses()
    }

    /// Waits for `sending` as long as what it is sent under stands: an upstream may be silent for
    /// minutes before it answers.
    async fn watched<T>(
        &self,
        watch: &mut Watch,
        sending: impl Future<Output = T>,
    ) -> Result<T, Cut> {
        let mut sending = std::pin::pin!(sending);
        loop {
            match timeout(GLANCE, sending.as_mut()).await {
                Ok(done) => return Ok(done),
                Err(_) => {
                    if let Some(cut) = watch.check(self.clock.now()) {
                        return Err(cut);
                    }
                }
            }
        }
    }
}

/// How often a request that waits for its answer is looked after.
const GLANCE: Duration = Duration::from_millis(500);

fn sent(request: &Scrubbed, door: &Door, size_bytes: usize, hold: &Hold) -> Sent {
    Sent {
        served: Arc::new(Served {
            upstream: door.name().clone(),
            model: door.model().as_str().to_owned(),
        }),
        route: request.call().route(),
        price: door.price(),
        size_bytes,
        held: hold.amount(),
    }
}

/// What it means when nobody waits for the answer any more.
fn left(sent: &Sent) -> Ended {
    Ended {
        outcome: Outcome::ClientGone,
        status: None,
        sent: Some(sent.clone()),
        total: None,
    }
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, Default, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ForwardError {
    /// No upstream could be reached, or all declined.
    #[default]
    #[error("no upstream is available")]
    Unavailable,
    /// The connection broke after the request was sent.
    #[error("upstream went away after the request was sent")]
    Broken,
    /// No answer in time.
    #[error("upstream did not answer in time")]
    Timeout,
    /// An answer that cannot be relayed: a redirect, or packed.
    #[error("upstream answered in a form that is not relayed")]
    Strange,
    /// It takes no credential of ours, or gives us none.
    #[error("no credential of the gateway's is taken by the upstream")]
    Credential,
    /// The token was taken away meanwhile; nothing was sent.
    #[error("token was taken away before the request was sent")]
    Taken,
    /// The token was taken away, or nobody can tell, while the upstream was thinking.
    #[error("request was cut before it was answered")]
    Cut(Cut),
    /// Nobody can tell whether it was, or the gateway is shut down; nothing was sent.
    #[error("gateway lets nobody pass")]
    Closed,
}

impl From<Cut> for ForwardError {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Revoked => Self::Taken,
            Cut::Stale | Cut::Drained => Self::Closed,
        }
    }
}

impl From<Lost> for ForwardError {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Unsent => Self::Unavailable,
            Lost::Broken => Self::Broken,
            Lost::Timeout => Self::Timeout,
            // It is about our credential. Relayed, it would sign the caller out.
            Lost::Credential => Self::Credential,
        }
    }
}

impl ForwardError {
    /// Status, stable code and sentence for the caller.
    #[must_use]
    pub const fn public(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "upstream_unavailable",
                "No provider of this model is available right now.",
            ),
            Self::Broken => (
                StatusCode::BAD_GATEWAY,
                "upstream_broken",
                "The provider went away before it answered.",
            ),
            Self::Timeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                "The provider did not answer in time.",
            ),
            Self::Strange => (
                StatusCode::BAD_GATEWAY,
                "upstream_strange",
                "The provider answered in a form that is not relayed.",
            ),
            Self::Credential => (
                StatusCode::BAD_GATEWAY,
                "upstream_credential",
                "The provider takes no credential of the gateway's. Tell your administrator.",
            ),
            Self::Taken | Self::Cut(Cut::Revoked) => (
                StatusCode::UNAUTHORIZED,
                "token_revoked",
                "This token was revoked.",
            ),
            Self::Closed | Self::Cut(Cut::Stale | Cut::Drained) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "closed",
                "The gateway lets nobody pass right now.",
            ),
        }
    }

    /// After how many seconds it is worth trying again.
    #[must_use]
    pub const fn retry_after_s(&self) -> Option<u32> {
        match self {
            Self::Unavailable => Some(5),
            Self::Closed | Self::Cut(Cut::Stale | Cut::Drained) => Some(2),
            _ => None,
        }
    }

    const fn outcome(self) -> Outcome {
        match self {
            Self::Taken | Self::Closed => Outcome::NotSent,
            Self::Cut(Cut::Revoked) => Outcome::Revoked,
            Self::Cut(Cut::Stale) => Outcome::Stale,
            Self::Cut(Cut::Drained) => Outcome::Drained,
            Self::Strange | Self::Credential => Outcome::UpstreamError,
            Self::Unavailable | Self::Broken | Self::Timeout => Outcome::Unreachable,
        }
    }
}
