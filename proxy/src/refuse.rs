//! Every refusal leaves a trace, in the words of the caller's dialect.
//!
//! A refusal under a good token is a row of the journal, written like an intent. One without is
//! counted, by minute and reason: anybody can send requests without a token, and a row for each
//! would let a flood fill the disk and stop the gateway, which cannot work without its journal. For
//! the same reason only the first refusal of its kind in a minute is a row under a good token.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use axum::body::Body;
use bauta_token::{ambient::Clock, pseudonym::Pseudonym, scope::Name, units::UnixMillis};
use http::{Response, StatusCode, header};

use crate::{
    Gateway,
    admit::{AdmitError, Call},
    dialect::{Cap, Dialect, Told},
    forward::ForwardError,
    http::Line,
    meter::REQUEST,
    ports::{Journal, Refused, RequestId, StoreError, TurnedAway},
    read::{Asked, ReadError},
    record::{RecordError, queue::chain},
    redeem::{Pass, RedeemError, Token},
    reserve::{self, ReserveError},
    route::{Models, RouteError},
    scrub::ScrubError,
    trace::Tracer,
};

/// Why a request is not answered by a model.
pub(crate) enum Refusal {
    /// The head.
    Admit(AdmitError),
    /// The credential.
    Redeem(RedeemError),
    /// A stage after the credential was found good.
    Known(Box<Trace>, Known),
    /// The journal; what can be on record is.
    Record(Box<Trace>, RecordError, Option<Cap>),
    /// The upstreams; the row of the request says so already.
    Forward(Box<Trace>, ForwardError),
    /// The token opens no model of this name.
    NoModel,
    /// There are no managed settings.
    NoSettings,
    /// Storage did not answer a question.
    Store(StoreError),
}

/// What a stage after `redeem` refuses for.
pub(crate) enum Known {
    /// The body.
    Read(ReadError),
    /// The model.
    Route(RouteError),
    /// The limits.
    Reserve(ReserveError),
    /// The pseudonyms.
    Scrub(ScrubError),
}

/// What a refusal after `redeem` is put on record with.
pub(crate) struct Trace {
    pub(crate) line: Line,
    id: RequestId,
    token: Arc<Token>,
    call: (&'static str, &'static str),
    model: String,
    at: UnixMillis,
}

impl Trace {
    /// The trace of a request under `pass`.
    #[must_use]
    pub(crate) fn new(id: RequestId, pass: &Pass, call: &Call) -> Self {
        Self {
            line: Line::new(id, call.route(), pass.at()),
            id,
            token: pass.token(),
            call: (call.dialect().name(), call.route().name()),
            model: String::new(),
            at: pass.at(),
        }
    }

    /// Notes the model, if it is one of ours: a name that is not could be anything a person typed.
    pub(crate) fn model(&mut self, models: &Models, pass: &Pass, asked: &Asked) {
        if let Some(model) = models.find(asked.model(), &pass.terms().models) {
            model.name().as_str().clone_into(&mut self.model);
            self.line.model(&self.model);
        }
    }

    /// The refusal for `cause`.
    #[must_use]
    pub(crate) fn of(&self, cause: impl Into<Known>) -> Refusal {
        Refusal::Known(Box::new(self.copied()), cause.into())
    }

    /// The refusal for a cause that is on record already.
    #[must_use]
    pub(crate) fn on_record(&self, cause: ForwardError) -> Refusal {
        Refusal::Forward(Box::new(self.copied()), cause)
    }

    fn copied(&self) -> Self {
        Self {
            line: self.line.clone(),
            id: self.id,
            token: Arc::clone(&self.token),
            call: self.call,
            model: self.model.clone(),
            at: self.at,
        }
    }

    /// The refusal for a request that the journal did not take.
    pub(crate) fn not_recorded(&self, cause: RecordError, cap: Option<Cap>) -> Refusal {
        Refusal::Record(Box::new(self.copied()), cause, cap)
    }

    fn write(
        self,
        reason: &'static str,
        status: StatusCode,
        now: UnixMillis,
        tracer: Option<&Tracer>,
    ) -> RequestId {
        self.line.refused(reason, status, now, tracer);
        self.id
    }

    fn grant(&self) -> &Pseudonym {
        &self.token.claims().sub
    }

    fn scope(&self) -> &Name {
        &self.token.claims().scope
    }
}

impl Gateway {
    /// Puts a refusal on record and makes the answer.
    pub(crate) async fn refuse(&self, dialect: Dialect, refusal: Refusal) -> Response<Body> {
        let now = self.clock.now();
        let reason = refusal.reason();
        self.metrics.refused(reason);
        let mut told = refusal.told(now);
        if told.code == crate::dialect::VERIFICATION_REQUIRED {
            told = told.with_link(&self.verify_url);
        }
        let mut response = dialect.refuse(&told).map(Body::from);
        let status = response.status();
        if let Refusal::Admit(AdmitError::Method(route)) = &refusal
            && let Ok(method) = route.method().as_str().try_into()
        {
            response.headers_mut().insert(header::ALLOW, method);
        }
        let tracer = self.tracer.as_deref();
        let id = match refusal {
            Refusal::Known(trace, _) => {
                self.put_on_record(&trace, reason, status).await;
                Some(trace.write(reason, status, now, tracer))
            }
            Refusal::Forward(trace, _) => Some(trace.write(reason, status, now, tracer)),
            Refusal::Record(trace, cause, _) => {
                if !matches!(cause, RecordError::OverBudget(_)) {
                    self.away.count(reason);
                }
                Some(trace.write(reason, status, now, tracer))
            }
            Refusal::Store(cause) => {
                tracing::error!(cause = chain(&cause), "a question was not answered");
                self.away.count(reason);
                None
            }
            _ => {
                self.away.count(reason);
                None
            }
        };
        if let Some(value) = id.and_then(|id| id.letters().as_slice().try_into().ok()) {
            response.headers_mut().insert(REQUEST, value);
        }
        response
    }

    async fn put_on_record(&self, trace: &Trace, reason: &'static str, status: StatusCode) {
        if !self
            .limits
            .is_first_refusal(trace.grant(), reason, trace.at)
        {
            self.away.count(reason);
            return;
        }
        let written = self.queue.refuse(Refused {
            id: trace.id,
            replica: self.replica,
            grant: trace.grant().clone(),
            scope: trace.scope().clone(),
            dialect: trace.call.0,
            route: trace.call.1,
            model: trace.model.clone(),
            reason,
            status: status.as_u16(),
            at: trace.at,
        });
        if written.await.is_err() {
            // The journal is gone: the refusal stands, and is counted at least.
            self.away.count(reason);
        }
    }
}

impl Refusal {
    fn told(&self, now: UnixMillis) -> Told {
        match self {
            Self::Admit(cause) => Told::new(cause.public()),
            Self::Redeem(cause) => later(Told::new(cause.public()), cause.retry_after_s()),
            Self::Known(_, Known::Read(cause)) => {
                later(Told::new(cause.public()), cause.retry_after_s())
            }
            Self::Known(_, Known::Route(cause)) => later(cause.told(), cause.retry_after_s()),
            Self::Known(_, Known::Reserve(cause)) => cause.told(),
            Self::Known(_, Known::Scrub(cause)) => Told::new(cause.public()),
            Self::Record(_, RecordError::OverBudget(_), Some(cap)) => {
                reserve::over_budget(*cap, now)
            }
            Self::Record(_, cause, _) => Told::new(cause.public()).retry_after(2),
            Self::Forward(_, cause) => later(Told::new(cause.public()), cause.retry_after_s()),
            Self::NoModel => Told::new((
                StatusCode::NOT_FOUND,
                "no_model",
                "This token opens no model of this name.",
            )),
            Self::NoSettings => Told::new((
                StatusCode::NOT_FOUND,
                "no_settings",
                "There are no managed settings.",
            )),
            Self::Store(_) => Told::new((
                StatusCode::SERVICE_UNAVAILABLE,
                "try_again",
                "The gateway's database does not answer. Try again in a moment.",
            ))
            .retry_after(2),
        }
    }

    /// A stable word for records, counters and the log.
    fn reason(&self) -> &'static str {
        match self {
            Self::Admit(cause) => cause.public().1,
            Self::Redeem(cause) => cause.reason(),
            Self::Known(_, Known::Read(cause)) => cause.public().1,
            Self::Known(_, Known::Route(cause)) => cause.public().1,
            Self::Known(_, Known::Reserve(cause)) => cause.public().1,
            Self::Known(_, Known::Scrub(cause)) => cause.public().1,
            Self::Record(_, cause, _) => cause.reason(),
            Self::Forward(_, cause) => cause.public().1,
            Self::NoModel => "no_model",
            Self::NoSettings => "no_settings",
            Self::Store(_) => "store",
        }
    }
}

/// Requests that were turned away and not written down yet.
pub(crate) struct Away {
    counts: Mutex<HashMap<(UnixMillis, &'static str), u64>>,
    clock: Arc<dyn Clock>,
}

impl Away {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            counts: Mutex::default(),
            clock,
        }
    }

    pub(crate) fn count(&self, reason: &'static str) {
        let now = self.clock.now().0;
        let minute = UnixMillis(now.saturating_sub(now.rem_euclid(60_000)));
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let n = counts.entry((minute, reason)).or_insert(0);
        *n = n.saturating_add(1);
    }

    /// Writes the counts down. What cannot be written is kept for the next time; what a crash
    /// takes is at most the counts since the last one.
    pub(crate) async fn flush<J: Journal + ?Sized>(&self, journal: &J) -> Result<(), StoreError> {
        let counts = {
            let mut held = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            mem::take(&mut *held)
        };
        if counts.is_empty() {
            return Ok(());
        }
        let away = counts.iter().map(|(&(minute, reason), &count)| TurnedAway {
            minute,
            reason,
            count,
        });
        let written = journal.turn_away(away.collect()).await;
        if written.is_err() {
            let mut held = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, count) in counts {
                let n = held.entry(key).or_insert(0);
                *n = n.saturating_add(count);
            }
        }
        written
    }
}

fn later(told: Told, seconds: Option<u32>) -> Told {
    match seconds {
        Some(seconds) => told.retry_after(seconds),
        None => told,
    }
}

impl From<AdmitError> for Refusal {
    fn from(cause: AdmitError) -> Self {
        Self::Admit(cause)
    }
}

impl From<RedeemError> for Refusal {
    fn from(cause: RedeemError) -> Self {
        Self::Redeem(cause)
    }
}

impl From<StoreError> for Refusal {
    fn from(cause: StoreError) -> Self {
        Self::Store(cause)
    }
}

impl From<ReadError> for Known {
    fn from(cause: ReadError) -> Self {
        Self::Read(cause)
    }
}

impl From<RouteError> for Known {
    fn from(cause: RouteError) -> Self {
        Self::Route(cause)
    }
}

impl From<ReserveError> for Known {
    fn from(cause: ReserveError) -> Self {
        Self::Reserve(cause)
    }
}

impl From<ScrubError> for Known {
    fn from(cause: ScrubError) -> Self {
        Self::Scrub(cause)
    }
}
