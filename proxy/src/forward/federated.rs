//! A token that a provider gives for an assertion of ours: got once for all who wait, got anew
//! before it ends, and never written down.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bauta_token::{
    ambient::{Clock, Randomness},
    scope::Name,
    units::UnixMillis,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client;
use tokio::{sync::Mutex as Flight, time::timeout};
use tokio_util::task::TaskTracker;

use super::{
    client::{Patient, Pieces},
    exchange::{self, Given, Refusal},
};
use crate::{config::FederationConfig, dialect::Dialect, federation::Issuer, record::queue::chain};

/// Where the tokens of one upstream come from.
pub(super) struct Federated {
    pub(super) upstream: Name,
    pub(super) config: FederationConfig,
    pub(super) uri: Uri,
    pub(super) issuer: Arc<Issuer>,
    pub(super) client: Client<Patient, Pieces>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) randomness: Arc<dyn Randomness>,
    pub(super) tasks: TaskTracker,
    pub(super) held: Mutex<Held>,
    /// Held by whoever asks the provider.
    pub(super) flight: Arc<Flight<()>>,
    pub(super) counts: Counts,
}

/// What is known.
#[derive(Default)]
pub(super) struct Held {
    token: Option<Arc<Token>>,
    /// Failures since the last token, and until when the provider is left alone.
    streak: u32,
    quiet_until: Option<UnixMillis>,
}

/// Exchanges since the start.
#[derive(Default)]
pub(super) struct Counts {
    given: AtomicU64,
    refused: AtomicU64,
}

/// A token and its times.
pub(super) struct Token {
    value: HeaderValue,
    given_at: UnixMillis,
    /// From here on a new one is got while this one is used.
    ages_at: UnixMillis,
    /// From here on it is not used: it could end on its way.
    ends_at: UnixMillis,
}

impl Token {
    /// Puts it where the provider looks for it.
    pub(super) fn insert(&self, headers: &mut HeaderMap, dialect: Dialect) {
        headers.insert(header::AUTHORIZATION, self.value.clone());
        if dialect == Dialect::Anthropic {
            // Added to the client's own list, of which nothing is taken.
            let with = match headers.get(BETA).and_then(|value| value.to_str().ok()) {
                Some(list) => HeaderValue::try_from(format!("{list},{OAUTH_BETA}")),
                None => Ok(HeaderValue::from_static(OAUTH_BETA)),
            };
            if let Ok(with) = with {
                replace_first(headers, with);
            }
        }
    }

    fn of(given: &Given, now: UnixMillis) -> Option<Self> {
        let text = zeroize::Zeroizing::new(format!("Bearer {}", given.token.as_str()));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        let life = given.life_s;
        let ahead = |most: i64, part: i64| {
            let margin = most.min(life.checked_div(part).unwrap_or(0));
            now.plus_seconds(life.saturating_sub(margin))
        };
        Some(Self {
            value,
            given_at: now,
            ages_at: ahead(SOFT_S, 2),
            ends_at: ahead(HARD_S, 4),
        })
    }
}

/// Puts `with` in the place of the first list, and leaves further ones.
fn replace_first(headers: &mut HeaderMap, with: HeaderValue) {
    let more: Vec<_> = headers.get_all(BETA).iter().skip(1).cloned().collect();
    headers.insert(BETA, with);
    for value in more {
        headers.append(BETA, value);
    }
}

/// What may be done with what is held.
enum Look {
    Good(Arc<Token>),
    Aging(Arc<Token>),
    Gone,
    /// The provider has just refused, and is left alone.
    Quiet,
}

impl Federated {
    /// A token that is good now; `None` when the provider gives none. Who comes while somebody
    /// asks waits for that answer and does not ask.
    pub(super) async fn token(self: &Arc<Self>) -> Option<Arc<Token>> {
        match self.look() {
            Look::Good(token) => return Some(token),
            Look::Aging(token) => {
                self.renew_behind();
                return Some(token);
            }
            Look::Quiet => return None,
            Look::Gone => {}
        }
        let _flight = self.flight.lock().await;
        match self.look() {
            Look::Good(token) | Look::Aging(token) => Some(token),
            Look::Quiet => None,
            Look::Gone => self.exchange().await,
        }
    }

    /// The provider does not take `token` any more.
    pub(super) fn refused(&self, token: &Arc<Token>) {
        let now = self.clock.now();
        let mut held = self.held();
        let same = held.token.as_ref().is_some_and(|it| Arc::ptr_eq(it, token));
        if !same {
            return;
        }
        held.token = None;
        if now.0.saturating_sub(token.given_at.0) < FRESH_MS {
            // It was refused as soon as it was given: another one would be too.
            held.fail(now);
        }
        drop(held);
        tracing::error!(
            upstream = %self.upstream,
            "the provider gave a token and refuses it: does its service account still have access \
             to the workspace or project?"
        );
    }

    /// Gets a new token while the old one is used. One task at a time.
    fn renew_behind(self: &Arc<Self>) {
        if self.held().is_quiet(self.clock.now()) {
            return;
        }
        if let Ok(flight) = Arc::clone(&self.flight).try_lock_owned() {
            let source = Arc::clone(self);
            self.tasks.spawn(async move {
                if matches!(source.look(), Look::Aging(_) | Look::Gone) {
                    source.exchange().await;
                }
                drop(flight);
            });
        }
    }

    fn look(&self) -> Look {
        let now = self.clock.now();
        let held = self.held();
        match &held.token {
            Some(token) if now < token.ages_at => Look::Good(Arc::clone(token)),
            Some(token) if now < token.ends_at => Look::Aging(Arc::clone(token)),
            _ if held.is_quiet(now) => Look::Quiet,
            _ => Look::Gone,
        }
    }

    /// Asks the provider. Only with the flight in hand.
    async fn exchange(&self) -> Option<Arc<Token>> {
        let outcome = match timeout(PATIENCE, self.ask()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Refusal::Silent),
        };
        let now = self.clock.now();
        let token = outcome.and_then(|given| {
            Token::of(&given, now)
                .map(Arc::new)
                .ok_or(Refusal::Strange("a token that cannot stand in a header"))
        });
        match token {
            Ok(token) => {
                self.counts.given.fetch_add(1, Ordering::Relaxed);
                let mut held = self.held();
                held.token = Some(Arc::clone(&token));
                held.streak = 0;
                held.quiet_until = None;
                Some(token)
            }
            Err(refusal) => {
                self.counts.refused.fetch_add(1, Ordering::Relaxed);
                self.held().fail(now);
                self.tell(&refusal);
                None
            }
        }
    }

    async fn ask(&self) -> Result<Given, Refusal> {
        let assertion = self.issuer.assert(
            self.config.audience(),
            self.config.subject(),
            self.clock.now(),
            &*self.randomness,
        );
        let assertion = assertion.map_err(|_| Refusal::Unsigned)?;
        let body = exchange::body(&self.config, &assertion);
        let mut request = Request::new(Pieces::new(vec![Bytes::from(body)]));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = exchange::headers(&self.config);
        // Redirects are not followed: an assertion goes where configuration says.
        let response = self.client.request(request).await.map_err(|cause| {
            tracing::debug!(cause = chain(&cause), "no answer from a token endpoint");
            Refusal::Unreachable
        })?;
        let status = response.status();
        let body = Limited::new(response.into_body(), exchange::ANSWER_BYTES);
        let body = body.collect().await;
        let body =
            body.map_err(|_| Refusal::Strange("an answer that is too long or broken off"))?;
        exchange::read(status, &body.to_bytes())
    }

    fn tell(&self, refusal: &Refusal) {
        tracing::error!(
            upstream = %self.upstream,
            issuer = self.issuer.url(),
            audience = self.config.audience(),
            subject = self.config.subject(),
            refusal = %refusal,
            "the provider gives no token: this upstream is taken for lost until it does. {}",
            refusal.mend()
        );
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the metrics.
    pub(super) fn state(&self) -> TokenState {
        let now = self.clock.now();
        let held = self.held();
        let left = held.token.as_ref().map(|token| {
            let left = token.ends_at.0.saturating_sub(now.0).max(0);
            left.checked_div(1_000).unwrap_or(0)
        });
        TokenState {
            given: self.counts.given.load(Ordering::Relaxed),
            refused: self.counts.refused.load(Ordering::Relaxed),
            left_s: left.unwrap_or(0),
        }
    }
}

/// How the token of one upstream stands.
pub(crate) struct TokenState {
    /// Tokens given since the start.
    pub(crate) given: u64,
    /// Exchanges that gave none.
    pub(crate) refused: u64,
    /// For how long the one that is held is used, in seconds; 0 when there is none.
    pub(crate) left_s: i64,
}

impl Held {
    fn is_quiet(&self, now: UnixMillis) -> bool {
        self.quiet_until.is_some_and(|until| now < until)
    }

    /// Leaves the provider alone for a second, then two, then four, up to half a minute.
    fn fail(&mut self, now: UnixMillis) {
        let seconds = 1_i64
            .checked_shl(self.streak)
            .map_or(LONGEST_QUIET_S, |it| it.clamp(1, LONGEST_QUIET_S));
        self.streak = self.streak.saturating_add(1).min(16);
        self.quiet_until = Some(now.plus_seconds(seconds));
    }
}

/// Nothing of a token is ever printed.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// Beside every token that stands in `authorization`.
const OAUTH_BETA: &str = "oauth-2025-04-20";

/// As Anthropic's own client: a new token is got two minutes before the end, and the old one not
/// used in its last half minute. Of a short life half, and a quarter.
const SOFT_S: i64 = 120;
const HARD_S: i64 = 30;
/// As OpenAI's own client waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// A token that is refused younger than this was never any good.
const FRESH_MS: i64 = 10_000;
const LONGEST_QUIET_S: i64 = 30;
