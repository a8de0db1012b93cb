//! Who verifies a person, as configuration says it.

use bauta_token::scope::Name;
use serde::Deserialize;
use url::{Host, Url};

use super::{SecretText, Span, defaults};
use crate::attest::Predicate;

/// `[[verifier]]`: who checks, once, that a person is one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum VerifierConfig<S> {
    /// Persona: photo ID and selfie.
    Persona(PersonaConfig<S>),
    /// Two officers in person.
    Officer(OfficerConfig),
}

impl<S> VerifierConfig<S> {
    /// As `kind` writes it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Persona(_) => "persona",
            Self::Officer(_) => "officer",
        }
    }

    /// The secrets of the section, each by its key.
    #[must_use]
    pub fn secrets(&self) -> Vec<(&'static str, &S)> {
        match self {
            Self::Persona(persona) => [
                ("api_key", Some(&persona.api_key)),
                ("webhook_secret", Some(&persona.webhook_secret)),
                ("webhook_secret_old", persona.webhook_secret_old.as_ref()),
            ]
            .into_iter()
            .filter_map(|(key, secret)| Some((key, secret?)))
            .collect(),
            Self::Officer(_) => Vec::new(),
        }
    }

    /// The same section with its secrets resolved by `f`.
    ///
    /// # Errors
    ///
    /// What `f` says.
    pub fn resolve<T, E>(
        self,
        mut f: impl FnMut(S) -> Result<T, E>,
    ) -> Result<VerifierConfig<T>, E> {
        Ok(match self {
            Self::Persona(persona) => VerifierConfig::Persona(PersonaConfig {
                api_key: f(persona.api_key)?,
                webhook_secret: f(persona.webhook_secret)?,
                webhook_secret_old: persona.webhook_secret_old.map(f).transpose()?,
                template: persona.template,
                api_base: persona.api_base,
                version: persona.version,
                environment: persona.environment,
                redact_after: persona.redact_after,
                valid_for: persona.valid_for,
                tolerance: persona.tolerance,
                attempts_per_day: persona.attempts_per_day,
            }),
            Self::Officer(officer) => VerifierConfig::Officer(officer),
        })
    }
}

impl VerifierConfig<SecretText> {
    /// Where its links lead: a page that sends members there must be allowed to.
    pub(crate) fn link_origins(&self) -> Vec<String> {
        match self {
            Self::Persona(persona) => {
                crate::verify::persona::link_origins(&persona.api_base, persona.environment)
            }
            Self::Officer(_) => Vec::new(),
        }
    }
}

/// A `[[verifier]]` of kind `persona`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PersonaConfig<S> {
    /// The inquiry template, `itmpl_...`.
    pub template: String,
    /// A key with `inquiry.read`, `inquiry.write`, `verification.read` and nothing else.
    pub api_key: S,
    /// Signs the vendor's webhooks, `wbhsec_...`.
    pub webhook_secret: S,
    /// The one before it, while the vendor rotates.
    #[serde(default = "Option::default")]
    pub webhook_secret_old: Option<S>,
    /// Where the API is.
    #[serde(default = "defaults::persona_base")]
    pub api_base: Endpoint,
    /// The `Persona-Version` that is sent: without one the key's dashboard setting decides.
    #[serde(default = "defaults::persona_version")]
    pub version: String,
    /// Which environment the key belongs to. Persona's answers do not always say.
    #[serde(default)]
    pub environment: VendorEnvironment,
    /// Evidence is redacted at the vendor this long after the decision; at most 30 days.
    #[serde(default = "defaults::redact_after")]
    pub redact_after: Span,
    /// How long an attestation lasts, at most; never past the document's own expiry.
    #[serde(default = "defaults::valid_for")]
    pub valid_for: Span,
    /// How far a webhook's timestamp may be from now, both ways.
    #[serde(default = "defaults::tolerance")]
    pub tolerance: Span,
    /// How many inquiries one member may begin in 24 hours.
    #[serde(default = "defaults::attempts")]
    pub attempts_per_day: u32,
}

/// Where something is called: https, or http on loopback; no user, query or fragment.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct Endpoint(Url);

impl Endpoint {
    /// `None` when it may not be called.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        (plain && is_safe(&url)).then_some(Self(url))
    }

    /// The URL.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// The URL of a path below it, segment by segment: nothing in a segment can leave its place.
    #[must_use]
    pub fn join(&self, segments: &[&str]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

impl TryFrom<String> for Endpoint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a URL must be https, or http on 127.0.0.1, ::1 or localhost")
    }
}

/// Whether `url` is https, or http that does not leave the machine.
pub(crate) fn is_safe(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && loopback)
}

/// Whether a vendor really looked.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum VendorEnvironment {
    /// It did.
    #[default]
    Production,
    /// Its sandbox: no check is performed.
    Sandbox,
    /// Not the vendor at all, but a simulator of it.
    Simulated,
}

/// A `[[verifier]]` of kind `officer`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct OfficerConfig {
    /// What two officers may vouch for.
    #[serde(default = "defaults::officer_predicates")]
    pub predicates: Vec<Predicate>,
    /// Policies whose rule on nationality the officers' word answers, after an assessment of the
    /// employer's: permanent residents and refugees hold no passport that says so.
    #[serde(default)]
    pub assesses: Vec<Name>,
    /// How long an attestation lasts.
    #[serde(default = "defaults::valid_for")]
    pub valid_for: Span,
    /// The second approval must follow the first within this time.
    #[serde(default = "defaults::second_within")]
    pub second_within: Span,
}
