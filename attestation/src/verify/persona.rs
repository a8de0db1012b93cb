//! Persona: photo ID and selfie.
//!
//! Every request names version and casing, since otherwise a setting on a dashboard decides what
//! fields are called. No lasting account is made, no field is sent, the reference is random for
//! each attempt. There is no official server library to compare with: what is sent and read here
//! follows the vendor's published API.

use async_trait::async_trait;
use axum::http::HeaderMap;
use bauta_token::{
    ambient::{Randomness, bytes},
    units::UnixMillis,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::json;
use std::sync::Arc;
use url::Url;
use zeroize::Zeroizing;

use super::{
    Created, Hint, News, Redaction, Session, Terms, Vendor, VendorError,
    webhook::{self, WebhookError},
};
use crate::{
    attest::evidence::Evidence,
    config::{Endpoint, PersonaConfig, SecretText, VendorEnvironment},
    fetch::{self, FetchError},
    portal::verify::NOTICE_VERSION,
};

mod answer;
mod event;

use answer::{Child, Inquiry, Parent};

/// The adapter.
pub(crate) struct Persona {
    http: reqwest::Client,
    randomness: Arc<dyn Randomness>,
    config: PersonaConfig<SecretText>,
    terms: Terms,
}

impl Persona {
    pub(crate) fn new(
        http: reqwest::Client,
        randomness: Arc<dyn Randomness>,
        config: PersonaConfig<SecretText>,
    ) -> Self {
        let terms = Terms {
            kind: KIND,
            method: "gov_id+selfie_liveness",
            environment: config.environment,
            notice_version: NOTICE_VERSION.to_owned(),
            redact_after: config.redact_after,
            valid_for: config.valid_for,
            attempts_per_day: config.attempts_per_day,
        };
        Self {
            http,
            randomness,
            config,
            terms,
        }
    }

    fn request(
        &self,
        method: Method,
        path: &[&str],
    ) -> Result<reqwest::RequestBuilder, VendorError> {
        let key = Zeroizing::new(format!("Bearer {}", self.config.api_key.reveal()));
        let mut key = HeaderValue::from_str(&key).map_err(|_| VendorError::Form)?;
        key.set_sensitive(true);
        Ok(self
            .http
            .request(method, self.config.api_base.join(path))
            .header(http::header::AUTHORIZATION, key)
            .header(VERSION, &self.config.version)
            .header(INFLECTION, "kebab")
            .header(http::header::ACCEPT, "application/json"))
    }

    /// A POST, tried once more after a fault of the vendor's: under a new key, because the first
    /// answer is replayed for the old one, faults included.
    async fn post(
        &self,
        path: &[&str],
        body: &serde_json::Value,
    ) -> Result<Zeroizing<Vec<u8>>, VendorError> {
        let mut last = FetchError::Status(0);
        for _ in 0..TRIES {
            let once = crate::qualify::policy::hex(&bytes::<16>(&*self.randomness));
            let request = self
                .request(Method::POST, path)?
                .header(IDEMPOTENCY, once)
                .json(body);
            match fetch::send(request).await {
                Ok(answer) if answer.status().is_success() => {
                    return Ok(fetch::body(answer, LONGEST).await?);
                }
                Ok(answer) => {
                    last = FetchError::Status(answer.status().as_u16());
                    if !answer.status().is_server_error() {
                        break;
                    }
                }
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }

    /// An object of the vendor's; `None` when it is gone.
    async fn object(&self, path: &[&str]) -> Result<Option<Zeroizing<Vec<u8>>>, VendorError> {
        let answer = fetch::send(self.request(Method::GET, path)?).await?;
        match answer.status() {
            StatusCode::OK => Ok(Some(fetch::body(answer, LONGEST).await?)),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            status => Err(FetchError::Status(status.as_u16()).into()),
        }
    }

    async fn inquiry(&self, session: &Session) -> Result<Option<Inquiry>, VendorError> {
        let body = self.object(&["inquiries", session.as_str()]).await?;
        Ok(body.map(|body| Inquiry::read(&body, session)).transpose()?)
    }

    /// A verification or report of an inquiry.
    async fn child(&self, parent: &Parent) -> Result<Option<Child>, VendorError> {
        let body = self
            .object(&[parent.collection, parent.id.as_str()])
            .await?;
        Ok(body.map(|body| Child::read(&body, parent)).transpose()?)
    }

    /// A link of the vendor's, and nowhere else: it is where a member's passport goes.
    fn checked(&self, link: Zeroizing<String>) -> Result<Zeroizing<String>, VendorError> {
        let url = Url::parse(&link).map_err(|_| VendorError::Link)?;
        let origin = url.origin().ascii_serialization();
        let known = link_origins(&self.config.api_base, self.config.environment);
        if known.contains(&origin) && url.username().is_empty() {
            return Ok(link);
        }
        Err(VendorError::Link)
    }
}

#[async_trait]
impl Vendor for Persona {
    fn terms(&self) -> &Terms {
        &self.terms
    }

    async fn create(&self, reference: &str, back: &Url) -> Result<Created, VendorError> {
        let body = json!({
            "data": { "attributes": {
                "inquiry-template-id": self.config.template,
                "reference-id": reference,
                "redirect-uri": back.as_str(),
            } },
            // An account would gather every inquiry of one person, for good.
            "meta": { "auto-create-account": false },
        });
        let answer = self.post(&["inquiries"], &body).await?;
        let session = answer::created(&answer)?;
        let path = ["inquiries", session.as_str(), "generate-one-time-link"];
        let answer = self.post(&path, &json!({})).await?;
        let link = self.checked(answer::one_time_link(&answer)?)?;
        Ok(Created { session, link })
    }

    fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: UnixMillis,
    ) -> Result<Hint, WebhookError> {
        let new = Some(&self.config.webhook_secret);
        let secrets: Vec<_> = new
            .into_iter()
            .chain(self.config.webhook_secret_old.as_ref())
            .collect();
        let tolerance = self.config.tolerance.as_seconds();
        webhook::signed(headers, SIGNATURE, body, &secrets, now, tolerance)?;
        event::read(body)
    }

    async fn fetch(&self, session: &Session) -> Result<Evidence, VendorError> {
        let inquiry = self.inquiry(session).await?.ok_or(VendorError::Form)?;
        let mut evidence = inquiry.evidence(session)?;
        if !inquiry.is_approved() {
            // What is not needed is not asked for.
            return Ok(evidence);
        }
        for parent in &inquiry.children {
            if let Some(child) = self.child(parent).await? {
                child.add_to(&mut evidence);
            }
        }
        Ok(evidence)
    }

    async fn redact(&self, session: &Session) -> Result<Redaction, VendorError> {
        let request = self.request(Method::DELETE, &["inquiries", session.as_str()])?;
        let answer = fetch::send(request).await?;
        match answer.status() {
            status if status.is_success() => Ok(Redaction::Pending),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Redaction::Done),
            status => Err(FetchError::Status(status.as_u16()).into()),
        }
    }

    /// The inquiry is redacted at once, what belongs to it later: each child is looked at.
    async fn redaction_status(&self, session: &Session) -> Result<Redaction, VendorError> {
        let Some(inquiry) = self.inquiry(session).await? else {
            return Ok(Redaction::Done);
        };
        if !inquiry.is_redacted() {
            return Ok(Redaction::Pending);
        }
        for parent in &inquiry.children {
            if let Some(child) = self.child(parent).await?
                && !child.is_redacted()
            {
                return Ok(Redaction::Pending);
            }
        }
        Ok(Redaction::Done)
    }

    /// A session that never was: a key that is taken finds nothing, one that is not is refused.
    async fn reachable(&self) -> Option<Result<(), VendorError>> {
        let found = self.object(&["inquiries", NOBODYS]).await;
        Some(found.map(drop))
    }
}

/// Where links of the vendor may lead: its own pages, or those of what stands in for it.
pub(crate) fn link_origins(base: &Endpoint, environment: VendorEnvironment) -> Vec<String> {
    let own = base.url().origin().ascii_serialization();
    match environment {
        VendorEnvironment::Simulated => vec![own],
        _ => PAGES.iter().map(|page| (*page).to_owned()).collect(),
    }
}

/// Refuses a configuration that would accept what proves nothing.
pub(crate) fn check(config: &PersonaConfig<SecretText>) -> Result<(), &'static str> {
    // The vendor's answers need not say which environment they are of: its keys do.
    let real_key = config.api_key.reveal().starts_with(PRODUCTION_KEY);
    if !real_key && config.environment == VendorEnvironment::Production {
        return Err(
            "the api_key is no production key: those begin with persona_production_; \
             with a sandbox key, set environment = \"sandbox\"",
        );
    }
    let secrets = [
        Some(&config.webhook_secret),
        config.webhook_secret_old.as_ref(),
    ];
    if secrets
        .into_iter()
        .flatten()
        .any(|secret| secret.reveal().trim().len() < SHORTEST_SECRET)
    {
        return Err("a webhook_secret is empty or too short: anybody could sign with it");
    }
    if config.api_key.reveal().trim().is_empty() {
        return Err("the api_key is empty");
    }
    if config.redact_after.as_seconds() > MOST_REDACT_AFTER {
        return Err("redact_after is at most 30d");
    }
    if config.tolerance.as_seconds() > MOST_TOLERANCE {
        return Err("tolerance is at most 15m: replays must lapse");
    }
    Ok(())
}

/// Ours for a fault of the vendor's answer.
impl From<answer::FormError> for VendorError {
    fn from(_: answer::FormError) -> Self {
        Self::Form
    }
}

/// As configuration names it.
pub(crate) const KIND: &str = "persona";

const VERSION: HeaderName = HeaderName::from_static("persona-version");
const INFLECTION: HeaderName = HeaderName::from_static("key-inflection");
const IDEMPOTENCY: HeaderName = HeaderName::from_static("idempotency-key");
const SIGNATURE: &str = "persona-signature";
/// Spelled as an inquiry is, and none.
const NOBODYS: &str = "inq_bautaSetupCheck00000000";

/// What the vendor's keys to its real environment begin with.
const PRODUCTION_KEY: &str = "persona_production_";

/// Where the vendor's own pages are.
const PAGES: [&str; 2] = ["https://withpersona.com", "https://inquiry.withpersona.com"];

/// Bytes of an answer.
const LONGEST: usize = 1024 * 1024;
const TRIES: u8 = 2;
const SHORTEST_SECRET: usize = 10;
/// Thirty days: the appeal window.
const MOST_REDACT_AFTER: i64 = 30 * 86_400;
const MOST_TOLERANCE: i64 = 900;
