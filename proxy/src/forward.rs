//! The request leaves; the answer comes back.
//!
//! The only stage that talks to a provider, and it takes nothing but a [`Recorded`]. Another
//! target is tried only before the first byte of an answer, and only when the first one provably
//! did nothing: it was never reached, it declined (503, 529), or asking twice is harmless.
//! Redirects are never followed: a credential goes where configuration says and nowhere else.

use std::{sync::Arc, time::Duration};

use bauta_token::ambient::Clock;
use http::{HeaderMap, Response, StatusCode, header};
use hyper::body::Incoming;
use thiserror::Error;
use tokio::time::timeout;

use self::client::Lost;
pub(crate) use self::{attempts::Attempts, purse::PurseState};
pub use self::{
    client::{Showing, Timeouts, UpstreamError, Upstreams},
    credential::Credential,
};
use crate::{
    admit::Route,
    dialect::Dialect,
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
mod purse;

/// What an upstream answered, before its first byte was read.
pub struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) dialect: Dialect,
    pub(crate) route: Route,
    pub(crate) fallback: bool,
    pub(crate) served_by: String,
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
    /// # Errors
    ///
    /// [`ForwardError`] when none did; the row is closed then.
    pub async fn forward(&self, recorded: Recorded) -> Result<Answer, ForwardError> {
        let (request, hold, mut open) = recorded.into_parts();
        let targets = request.plan().targets();
        let mut failure = ForwardError::Unavailable;
        let mut asked = None;
        for (place, door) in targets.iter().enumerate() {
            // Taken away while the intent was being written: nothing leaves.
            let mut watch = self.redeemer.watch(request.pass().token());
            if let Some(cut) = watch.check(self.clock.now()) {
                failure = cut.into();
                break;
            }
            let Some(leave) = self.health.enter(door.upstream()) else {
                continue;
            };
            let Some(letter) = request.letter(place) else {
                continue;
            };
            let sent = sent(&request, door, letter.size_bytes(), &hold);
            open.expect(left(&sent));
            let call = request.call();
            let sending = self.upstreams.send(door, call, letter);
            let attempt = match self.watched(&mut watch, sending).await {
                Ok(attempt) => attempt,
                Err(cut) => {
                    failure = ForwardError::Cut(cut);
                    asked = Some(sent);
                    break;
                }
            };
            let more = place.saturating_add(1) < targets.len();
            asked = Some(sent.clone());
            match attempt {
                Ok(response) if is_encoded(response.headers()) => {
                    leave.failed();
                    failure = ForwardError::Strange;
                    break;
                }
                Ok(response) if response.status().is_server_error() => {
                    leave.failed();
                    if more && may_repeat(call.route(), response.status()) {
                        failure = ForwardError::Unavailable;
                        continue;
                    }
                    return Ok(answer(response, &request, door, hold, open, sent, watch));
                }
                Ok(response) => {
                    leave.succeeded();
                    if let Some(bad) = unfit(&response) {
                        failure = bad;
                        break;
                    }
                    return Ok(answer(response, &request, door, hold, open, sent, watch));
                }
                Err(lost) => {
                    leave.failed();
                    failure = lost.into();
                    if !lost.did_nothing() && !is_harmless(call.route()) {
                        break;
                    }
                }
            }
        }
        open.close(Ended {
            outcome: failure.outcome(),
            status: Some(failure.public().0),
            sent: asked,
            total: None,
        });
        Err(failure)
    }
}

impl Forwarder {
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

fn answer(
    response: Response<Incoming>,
    request: &Scrubbed,
    door: &Door,
    hold: Hold,
    open: Open,
    sent: Sent,
    watch: Watch,
) -> Answer {
    Answer {
        response,
        dialect: request.call().dialect(),
        route: request.call().route(),
        fallback: door.is_fallback(),
        served_by: door.to_string(),
        hold,
        open,
        sent,
        watch,
    }
}

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

/// Whether the next target may be asked after this status: the upstream said that it did nothing,
/// or doing it twice is harmless.
fn may_repeat(route: Route, status: StatusCode) -> bool {
    let declined = matches!(status.as_u16(), 503 | 529);
    declined || is_harmless(route)
}

/// Counting and embedding change nothing and cost next to nothing.
fn is_harmless(route: Route) -> bool {
    route.counts() || route.embeds()
}

/// An answer that must not be relayed, whatever it says.
fn unfit(response: &Response<Incoming>) -> Option<ForwardError> {
    let status = response.status();
    let strange = !status.is_success() && !status.is_client_error();
    strange.then_some(ForwardError::Strange)
}

/// Packed although nothing packed was asked for: it could neither be counted nor cut.
fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ForwardError {
    /// No upstream could be reached, or all declined.
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
