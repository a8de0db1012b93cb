//! A provider that was told to trust an issuer: it gives a token for an assertion, or says why not.

mod assertion;

use crate::answer::Answer;
use crate::clock::Clock;
use crate::request::Request;
use crate::seed::Seed;
use assertion::{Claims, verified};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What an administrator writes into a provider's form.
#[derive(Clone, Debug)]
pub struct Trust {
    /// `iss`, byte for byte.
    pub issuer: String,
    /// The keys, as they were pasted.
    pub jwks: Value,
    /// `aud`.
    pub audience: String,
    /// `sub`.
    pub subject: String,
    /// The longest time between `iat` and `exp`, in seconds.
    pub longest_s: i64,
    /// How long a token lives, in seconds.
    pub token_life_s: i64,
    /// The ids that a request must name, by field; a field that is not here is refused.
    pub ids: BTreeMap<String, String>,
}

impl Trust {
    /// With the limits that the providers begin with.
    #[must_use]
    pub fn new(issuer: &str, jwks: Value, audience: &str, ids: &[(&str, &str)]) -> Self {
        let id = |(field, id): &(&str, &str)| ((*field).to_owned(), (*id).to_owned());
        Self {
            issuer: issuer.to_owned(),
            jwks,
            audience: audience.to_owned(),
            subject: "bauta-gateway".to_owned(),
            longest_s: 3_600,
            token_life_s: 3_600,
            ids: ids.iter().map(id).collect(),
        }
    }
}

/// How an exchange is asked for.
pub(crate) struct Wire {
    pub(crate) grant_type: &'static str,
    /// The field with the assertion.
    pub(crate) assertion: &'static str,
    /// Fields that are always the same.
    pub(crate) constants: &'static [(&'static str, &'static str)],
    /// Capabilities that the header `anthropic-beta` must list.
    pub(crate) betas: &'static [&'static str],
    /// How a token begins.
    pub(crate) prefix: &'static str,
}

/// The part of a provider that gives tokens.
#[derive(Debug)]
pub(crate) struct Trustee {
    clock: Clock,
    seed: Seed,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    trust: Option<Trust>,
    seen: BTreeSet<String>,
    /// Until when each token is good, in seconds since 1970.
    given: BTreeMap<String, i64>,
}

impl Trustee {
    pub(crate) fn new(clock: Clock, seed: Seed) -> Self {
        Self {
            clock,
            seed,
            state: Mutex::default(),
        }
    }

    pub(crate) fn trust(&self, trust: Option<Trust>) {
        self.state().trust = trust;
    }

    /// Ends every token that was given.
    pub(crate) fn withdraw(&self) {
        self.state().given.clear();
    }

    /// Whether `token` is good; `None` where nobody is trusted and keys are what counts.
    pub(crate) fn takes(&self, token: Option<&str>) -> Option<bool> {
        let state = self.state();
        state.trust.as_ref()?;
        let until = token.and_then(|token| state.given.get(token));
        Some(until.is_some_and(|until| self.clock.now_s() < *until))
    }

    /// The answer of the token endpoint.
    pub(crate) fn exchange(&self, request: &Request, wire: &Wire) -> Answer {
        match self.weigh(request, wire) {
            Ok((token, life_s)) => Answer::json(
                StatusCode::OK,
                &json!({"access_token": token, "token_type": "Bearer", "expires_in": life_s}),
            ),
            Err((error, why)) => Answer::json(
                StatusCode::BAD_REQUEST,
                &json!({"error": error, "error_description": why}),
            ),
        }
    }

    fn weigh(&self, request: &Request, wire: &Wire) -> Result<(String, i64), Complaint> {
        let mut state = self.state();
        let trust = state.trust.clone();
        let trust = trust.ok_or_else(|| grant("nobody is trusted here"))?;
        head(request, wire)?;
        let body = request.json().ok_or_else(|| malformed("no JSON"))?;
        let body = body.as_object().ok_or_else(|| malformed("no object"))?;
        let assertion = fields(body, wire, &trust)?;
        let now = self.clock.now_s();
        let claims = verified(assertion, &trust.jwks).map_err(|why| grant(&why))?;
        let left = dates(&claims, &trust, now)?;
        if claims.iss != trust.issuer {
            return Err(grant("iss is not the issuer, byte for byte"));
        }
        if claims.aud != trust.audience {
            return Err(grant("aud is not the audience"));
        }
        if claims.sub != trust.subject {
            return Err(grant("sub matches no rule"));
        }
        if claims.jti.is_empty() || !state.seen.insert(claims.jti) {
            return Err(grant("jti is absent or was used before"));
        }
        let life_s = trust.token_life_s.min(left.saturating_mul(2)).max(60);
        let token = self.seed.name(wire.prefix);
        state
            .given
            .insert(token.clone(), now.saturating_add(life_s));
        Ok((token, life_s))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is left of the assertion's life, in seconds.
fn dates(claims: &Claims, trust: &Trust, now: i64) -> Result<i64, Complaint> {
    let spread = claims.exp.saturating_sub(claims.iat);
    if spread <= 0 || spread > trust.longest_s {
        return Err(grant("iat and exp are too far apart"));
    }
    if claims.iat > now.saturating_add(SKEW_S) {
        return Err(grant("iat is in the future"));
    }
    match claims.exp.saturating_sub(now) {
        left if left > 0 => Ok(left),
        _ => Err(grant("the assertion has expired")),
    }
}

fn head(request: &Request, wire: &Wire) -> Result<(), Complaint> {
    if request.method != Method::POST {
        return Err(malformed("POST"));
    }
    let kind = request.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(malformed("content-type is not application/json"));
    }
    let betas: Vec<&str> = request
        .header("anthropic-beta")
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .collect();
    match wire.betas.iter().find(|beta| !betas.contains(beta)) {
        Some(beta) => Err(malformed(&format!("anthropic-beta does not list {beta}"))),
        None => Ok(()),
    }
}

/// The assertion, when every field is there and no other.
fn fields<'b>(
    body: &'b Map<String, Value>,
    wire: &Wire,
    trust: &Trust,
) -> Result<&'b str, Complaint> {
    let text = |field: &str| body.get(field).and_then(Value::as_str);
    let constants = [("grant_type", wire.grant_type)];
    for (field, expected) in constants.iter().chain(wire.constants) {
        if text(field) != Some(expected) {
            return Err(malformed(&format!("{field} is not {expected}")));
        }
    }
    for (field, id) in &trust.ids {
        if text(field) != Some(id.as_str()) {
            return Err(grant(&format!("{field} names nothing here")));
        }
    }
    let known = |field: &str| {
        field == wire.assertion
            || constants
                .iter()
                .chain(wire.constants)
                .any(|(name, _)| *name == field)
            || trust.ids.contains_key(field)
    };
    if let Some(field) = body.keys().find(|field| !known(field)) {
        return Err(malformed(&format!("{field} is no field of this request")));
    }
    let assertion = text(wire.assertion).ok_or_else(|| malformed("no assertion"))?;
    if assertion.len() > LONGEST {
        return Err(malformed("the assertion is longer than any"));
    }
    Ok(assertion)
}

/// RFC 6749, section 5.2.
type Complaint = (&'static str, String);

fn malformed(why: &str) -> Complaint {
    ("invalid_request", why.to_owned())
}

fn grant(why: &str) -> Complaint {
    ("invalid_grant", why.to_owned())
}

const SKEW_S: i64 = 5;
const LONGEST: usize = 16 * 1024;
