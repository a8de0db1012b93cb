//! A simulated Persona: inquiries, verifications, webhooks, redaction, and the page on which a
//! person decides how it ends.
//!
//! What the real one does is followed where it is known. One thing is added: every object says in
//! the attribute `environment` whether a sandbox key or a production key made it.

mod api;
mod blocklist;
mod evidence;
mod hooks;
mod inflect;
mod inquiry;
mod pages;
mod refusal;
mod verification;

pub use evidence::{Check, Decision, Evidence};
pub use hooks::{Delivery, Event, Hook, Signing};
pub use refusal::Refusal;

use crate::answer::Answer;
use crate::canary::Canary;
use crate::clock::Clock;
use crate::outbound::Outbound;
use crate::request::Request;
use crate::seed::Seed;
use crate::server::{Counterpart, Simulator};
use inquiry::Inquiry;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use verification::Verification;

/// A running simulated Persona.
pub type Persona = Simulator<Office>;

/// The sandbox key that every simulated Persona knows unless told otherwise.
pub const SANDBOX_KEY: &str = "persona_sandbox_5b0f2c9e-0000-4000-8000-000000000001";
/// The production key that every simulated Persona knows unless told otherwise.
pub const PRODUCTION_KEY: &str = "persona_production_5b0f2c9e-0000-4000-8000-000000000002";

/// How a simulated Persona is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The API keys that exist.
    pub keys: Vec<ApiKey>,
    /// The webhooks that exist. More with [`Persona::hook`].
    pub hooks: Vec<Hook>,
    /// The inquiry templates that exist; any when empty.
    pub templates: Vec<String>,
    /// How many requests a key may make in a minute.
    pub requests_per_minute: u32,
    /// When the verifications of a deleted inquiry lose their data.
    pub redaction: Redaction,
    /// Who sends the webhooks.
    pub deliveries: Deliveries,
    /// How long a webhook's receiver may take.
    pub patience: Duration,
    /// What inquiry ids begin with.
    pub inquiry_prefix: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keys: vec![ApiKey::new(SANDBOX_KEY), ApiKey::new(PRODUCTION_KEY)],
            hooks: Vec::new(),
            templates: Vec::new(),
            requests_per_minute: 300,
            redaction: Redaction::AfterGets(1),
            deliveries: Deliveries::Background,
            patience: Duration::from_secs(5),
            inquiry_prefix: "inq_".to_owned(),
        }
    }
}

/// An API key and what was set for it on the dashboard.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// The key.
    pub secret: String,
    /// Attributes that answers to this key leave out.
    pub blocklist: Vec<String>,
    /// What the key may do, as `inquiry.read`; everything when empty.
    pub permissions: Vec<String>,
}

impl ApiKey {
    /// A key that may do everything and sees everything.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            blocklist: Vec::new(),
            permissions: Vec::new(),
        }
    }

    fn environment(&self) -> Environment {
        if self.secret.starts_with("persona_production_") {
            Environment::Production
        } else {
            Environment::Sandbox
        }
    }
}

/// Where an object lives. Keys see only their own side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Environment {
    /// Nothing is checked.
    Sandbox,
    /// The real thing (which here is simulated as well).
    Production,
}

impl Environment {
    fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Production => "production",
        }
    }
}

/// When the verifications of a deleted inquiry lose their data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Redaction {
    /// Each is read this many times more with all its data, then never again.
    AfterGets(u32),
    /// At [`Persona::settle`].
    OnSettle,
}

/// Who sends the webhooks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Deliveries {
    /// A task of the sandbox, as soon as they are due.
    Background,
    /// The test, with [`Persona::deliver_due`] or [`Persona::deliver`].
    OnDemand,
}

/// The state of a simulated Persona.
#[derive(Debug)]
pub struct Office {
    url: String,
    clock: Clock,
    seed: Seed,
    outbound: Outbound,
    templates: Vec<String>,
    requests_per_minute: u32,
    redaction: Redaction,
    deliveries: Deliveries,
    patience: Duration,
    bell: Notify,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    keys: Vec<ApiKey>,
    inquiry_prefix: String,
    inquiries: BTreeMap<String, Inquiry>,
    verifications: BTreeMap<String, Verification>,
    links: BTreeMap<String, pages::Link>,
    /// Session tokens, by which a pending inquiry is resumed, and open pages.
    tokens: BTreeMap<String, String>,
    pages: BTreeMap<String, String>,
    replays: BTreeMap<String, api::Replay>,
    windows: BTreeMap<String, api::Window>,
    hooks: Vec<Hook>,
    events: Vec<Event>,
    queue: Vec<hooks::Attempt>,
    deliveries: Vec<Delivery>,
    last_event_ms: i64,
    evidence: Option<Evidence>,
    planted: Vec<Canary>,
}

impl Office {
    pub(crate) fn new(options: Options, url: String, clock: Clock, seed: Seed) -> Self {
        Self {
            url,
            clock,
            seed,
            outbound: Outbound::new(),
            templates: options.templates,
            requests_per_minute: options.requests_per_minute,
            redaction: options.redaction,
            deliveries: options.deliveries,
            patience: options.patience,
            bell: Notify::new(),
            book: Mutex::new(Book {
                keys: options.keys,
                inquiry_prefix: options.inquiry_prefix,
                inquiries: BTreeMap::new(),
                verifications: BTreeMap::new(),
                links: BTreeMap::new(),
                tokens: BTreeMap::new(),
                pages: BTreeMap::new(),
                replays: BTreeMap::new(),
                windows: BTreeMap::new(),
                hooks: options.hooks,
                events: Vec::new(),
                queue: Vec::new(),
                deliveries: Vec::new(),
                last_event_ms: 0,
                evidence: None,
                planted: Vec::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counterpart for Office {
    fn answer(&self, request: &Request, scripted: Option<Answer>) -> Answer {
        self.expire_due();
        match request.segments().as_slice() {
            ["api", "v1", rest @ ..] => api::answer(self, request, rest, scripted),
            _ => scripted.unwrap_or_else(|| pages::answer(self, request)),
        }
    }
}

impl Persona {
    /// The base of the API, for a configuration's `api_base`.
    #[must_use]
    pub fn api_base(&self) -> String {
        format!("{}/api/v1", self.url())
    }

    /// Takes an inquiry to this end, as if the person and the vendor had done their part. Gives the
    /// ids of the events, oldest first; `None` when there is no such inquiry.
    #[must_use]
    pub fn decide(&self, inquiry: &str, decision: Decision) -> Option<Vec<String>> {
        self.state.decide(inquiry, decision, None)
    }

    /// The same with evidence of one's own.
    #[must_use]
    pub fn decide_on(
        &self,
        inquiry: &str,
        decision: Decision,
        evidence: Evidence,
    ) -> Option<Vec<String>> {
        self.state.decide(inquiry, decision, Some(evidence))
    }

    /// What every later person shows to the camera; `None` is an adult with a passport again.
    pub fn present(&self, evidence: Option<Evidence>) {
        self.state.lock().evidence = evidence;
    }

    /// The ids of all inquiries, oldest first.
    #[must_use]
    pub fn inquiries(&self) -> Vec<String> {
        let book = self.state.lock();
        let mut all: Vec<&Inquiry> = book.inquiries.values().collect();
        all.sort_by_key(|inquiry| inquiry.order);
        all.into_iter().map(|inquiry| inquiry.id.clone()).collect()
    }

    /// The status of an inquiry.
    #[must_use]
    pub fn status(&self, inquiry: &str) -> Option<String> {
        let book = self.state.lock();
        book.inquiries
            .get(inquiry)
            .map(|inquiry| inquiry.status.clone())
    }

    /// Whether an inquiry and every verification of it have lost their personal data.
    #[must_use]
    pub fn redacted(&self, inquiry: &str) -> bool {
        let book = self.state.lock();
        let Some(parent) = book.inquiries.get(inquiry) else {
            return false;
        };
        let children = parent.verifications.iter();
        parent.redacted_ms.is_some()
            && children
                .filter_map(|id| book.verifications.get(id))
                .all(|child| child.redacted_ms.is_some())
    }

    /// Finishes every redaction that is under way.
    pub fn settle(&self) {
        self.state.settle();
    }

    /// Sets what answers to a key leave out.
    pub fn blocklist(&self, key: &str, patterns: &[&str]) {
        let mut book = self.state.lock();
        for known in book.keys.iter_mut().filter(|known| known.secret == key) {
            known.blocklist = patterns.iter().map(ToString::to_string).collect();
        }
    }

    /// Lets inquiry ids begin with something else: the vendor does so without a new version.
    pub fn prefix(&self, inquiry: &str) {
        inquiry.clone_into(&mut self.state.lock().inquiry_prefix);
    }

    /// Every personal value that answers, redirects and events have carried or will carry.
    #[must_use]
    pub fn canaries(&self) -> Vec<Canary> {
        let mut all = evidence::constant_canaries();
        for planted in &self.state.lock().planted {
            if !all.contains(planted) {
                all.push(planted.clone());
            }
        }
        all
    }
}

#[cfg(test)]
mod tests;
