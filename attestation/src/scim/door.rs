//! Who may come in: the directory, by its bearer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header::AUTHORIZATION},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bauta_token::secret::{Plain, Scim};

use super::answer::{ScimError, TOO_MANY, UNAUTHORIZED};
use crate::{Plane, network::Network, ports::Lookup};

/// Lets the directory in and nobody else.
pub(super) async fn authorise(
    State(plane): State<Arc<Plane>>,
    Network(network): Network,
    request: Request,
    next: Next,
) -> Response {
    match plane.let_in(request.headers(), network).await {
        Ok(()) => next.run(request).await,
        Err(refused) => {
            tracing::info!(
                reason = "bearer",
                "the directory interface refused a caller"
            );
            refused.into_response()
        }
    }
}

impl Plane {
    async fn let_in(&self, headers: &HeaderMap, from: Option<Lookup>) -> Result<(), ScimError> {
        let now = self.clock.now();
        let minute = now.seconds().div_euclid(60);
        let Some(bearer) = bearer(headers) else {
            return Err(self.door.turn_away(from, minute));
        };
        let hash = bearer.hash(self.keys.secrets());
        if self.door.is_shut(from, minute, hash.as_bytes()) {
            return Err(TOO_MANY);
        }
        if self.store.bearer(hash, now).await? {
            self.door.welcome(hash.as_bytes());
            return Ok(());
        }
        Err(self.door.turn_away(from, minute))
    }
}

/// The one bearer of a request, if it is of the form of ours.
fn bearer(headers: &HeaderMap) -> Option<Plain<Scim>> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let (scheme, token) = line.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| Plain::parse(token.trim()))?
}

/// Counts who was turned away. A network that guesses is not looked up any more, for the rest of the
/// minute; a bearer that was good just now is, from wherever it comes.
#[derive(Default)]
pub(crate) struct Door(Mutex<Turned>);

#[derive(Default)]
struct Turned {
    minute: i64,
    from: HashMap<Option<Lookup>, u32>,
    /// Hashes of bearers that were good; never the bearers.
    good: Vec<[u8; 32]>,
}

impl Door {
    fn is_shut(&self, from: Option<Lookup>, minute: i64, hash: &[u8; 32]) -> bool {
        let mut turned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turned.turn(minute);
        let many = turned.from.get(&from).is_some_and(|n| *n >= AT_MOST);
        many && !turned.good.contains(hash)
    }

    fn turn_away(&self, from: Option<Lookup>, minute: i64) -> ScimError {
        let mut turned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turned.turn(minute);
        let known = turned.from.contains_key(&from) || turned.from.len() < NETWORKS;
        let n = turned.from.entry(from.filter(|_| known)).or_default();
        *n = n.saturating_add(1);
        if *n > AT_MOST { TOO_MANY } else { UNAUTHORIZED }
    }

    fn welcome(&self, hash: &[u8; 32]) {
        let mut turned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !turned.good.contains(hash) {
            turned.good.truncate(KNOWN - 1);
            turned.good.insert(0, *hash);
        }
    }
}

impl Turned {
    fn turn(&mut self, minute: i64) {
        if self.minute != minute {
            self.minute = minute;
            self.from.clear();
        }
    }
}

/// Wrong bearers a minute from one network.
const AT_MOST: u32 = 30;
/// Networks that are counted apart.
const NETWORKS: usize = 10_000;
/// Bearers that are remembered as good: more than may be in force at once.
const KNOWN: usize = 4;
