//! Settings of the identity plane: one documented struct per section of `bauta.toml`.
//!
//! Sections that name secrets are generic over how one is written. The server reads them with its
//! reference type, resolves every reference and hands the plane [`SecretText`]: a plane never reads
//! the environment or a file.

use std::collections::BTreeMap;

use bauta_token::scope::{Budget, ModelName, Name, Privacy, Rate, Terms};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

mod admin;
mod check;
mod policy;
mod scim;
mod time;
mod verifier;
mod workload;

use self::check::is_host_name;
pub use self::{
    admin::Admin,
    check::SettingsError,
    policy::{Country, NationalityRule, PolicyConfig, Undetermined},
    scim::Scim,
    time::{Instant, Span, instant},
    verifier::{Endpoint, OfficerConfig, PersonaConfig, VendorEnvironment, VerifierConfig},
    workload::{Condition, WorkloadRule},
};
pub(crate) use self::{scim::JoinBy, time::day, verifier::is_safe};

/// All settings of the plane, resolved.
pub struct Settings {
    /// Where members, vendors and the identity provider reach this plane. Origin only, no path.
    pub public_url: Url,
    /// Where tokens are used; the only audience they name.
    pub gateway_url: Url,
    /// What may be accepted as proof.
    pub environment: Environment,
    /// The corporate identity provider.
    pub sso: Sso<SecretText>,
    /// What the console asks of administrators.
    pub admin: Admin,
    /// The token endpoints.
    pub oauth: Oauth,
    /// The directory interface.
    pub scim: Scim,
    /// What a resource server presents to introspect a token; absent: introspection is off.
    pub introspection: Option<SecretText>,
    /// Who may verify a person, in the order offered.
    pub verifiers: Vec<VerifierConfig<SecretText>>,
    /// Eligibility rules by name.
    pub policies: BTreeMap<Name, PolicyConfig>,
    /// What tokens may be used for.
    pub scopes: Vec<ScopeRule>,
    /// Builds that prove who they are by the platform they run on.
    pub workloads: Vec<WorkloadRule>,
    /// The policy behind each model that has one, so that a page can say which models stay closed.
    /// The gateway keeps its own and goes by that.
    pub gates: BTreeMap<ModelName, Name>,
    /// The upstreams that a pseudonym is made for: their names, nothing else.
    pub providers: Vec<Name>,
}

impl Settings {
    /// The rule of the scope called `name`.
    #[must_use]
    pub fn scope(&self, name: &Name) -> Option<&ScopeRule> {
        self.scopes.iter().find(|rule| rule.name == *name)
    }
}

/// A secret that somebody wrote down: an API key, a client secret. Says nothing when printed.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes a resolved secret.
    #[must_use]
    pub const fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The secret itself, for the one place that sends or checks it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Whether checks that prove nothing are accepted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Environment {
    /// Only a real check counts.
    #[default]
    Production,
    /// Sandbox and simulated checks count, and everything made from them says so.
    Development,
}

/// `[sso]`: the corporate identity provider, OpenID Connect.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Sso<S> {
    /// Its issuer, byte for byte as its discovery document and ID tokens write it.
    pub issuer: String,
    /// What it calls Bauta.
    pub client_id: String,
    /// Proves that it is Bauta that asks; sent with HTTP Basic.
    pub client_secret: S,
    /// What is asked for. Never `email` or `profile`: what does not arrive cannot leak.
    #[serde(default = "defaults::scopes")]
    pub scopes: Vec<String>,
    /// The claim that lists groups.
    #[serde(default = "defaults::groups_claim")]
    pub groups_claim: String,
    /// The claim that names a person for good. Entra: `oid`, since its `sub` differs per application.
    #[serde(default = "defaults::subject_claim")]
    pub subject_claim: String,
    /// The SCIM attribute that carries the same value.
    #[serde(default = "defaults::scim_subject")]
    pub scim_subject: String,
    /// Further hosts on which the provider may have endpoints: some keep keys or userinfo apart.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// When set, the only tenant (`tid`) whose tokens are taken.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Roles and the groups that give them.
    #[serde(default)]
    pub roles: Roles,
    /// A session nobody uses ends after this.
    #[serde(default = "defaults::idle")]
    pub session_idle: Span,
    /// Every session ends after this.
    #[serde(default = "defaults::absolute")]
    pub session_absolute: Span,
    /// Who has not signed in for this long gets no more tokens: what the groups opened is judged at
    /// sign-in, and this bounds how old that judgement may be.
    #[serde(default = "defaults::rights")]
    pub rights_max_age: Span,
}

impl<S> Sso<S> {
    /// The same section with its secret resolved by `f`.
    ///
    /// # Errors
    ///
    /// What `f` says.
    pub fn resolve<T, E>(self, mut f: impl FnMut(S) -> Result<T, E>) -> Result<Sso<T>, E> {
        Ok(Sso {
            client_secret: f(self.client_secret)?,
            issuer: self.issuer,
            client_id: self.client_id,
            scopes: self.scopes,
            groups_claim: self.groups_claim,
            subject_claim: self.subject_claim,
            scim_subject: self.scim_subject,
            tenant: self.tenant,
            hosts: self.hosts,
            roles: self.roles,
            session_idle: self.session_idle,
            session_absolute: self.session_absolute,
            rights_max_age: self.rights_max_age,
        })
    }
}

/// `[sso.roles]`: a person may hold several.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// Runs the system.
    #[serde(default)]
    pub admin: Vec<String>,
    /// Vouches for people and opens cases.
    #[serde(default)]
    pub officer: Vec<String>,
    /// Reads and exports the log, and can issue nothing.
    #[serde(default)]
    pub auditor: Vec<String>,
}

/// `[oauth]`: how clients get tokens.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Oauth {
    /// Whether the device flow exists: it is what phishing kits use.
    pub device: DeviceFlow,
    /// How long a retried refresh still gets the same successor.
    pub refresh_grace: Span,
    /// A refresh family nobody used for this long has ended.
    pub refresh_idle: Span,
}

impl Default for Oauth {
    fn default() -> Self {
        Self {
            device: DeviceFlow::Off,
            refresh_grace: Span::seconds(10),
            refresh_idle: Span::seconds(30 * 86_400),
        }
    }
}

/// Whether `/oauth/device_authorization` answers.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DeviceFlow {
    /// Not at all.
    #[default]
    Off,
    /// Only for the Claude gateway protocol.
    Gateway,
    /// For every client.
    On,
}

/// `[[scope]]`: what a token may be used for and who may ask for it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ScopeRule {
    /// Its name.
    pub name: Name,
    /// How much can ever be linked.
    #[serde(default)]
    pub privacy: Privacy,
    /// What may be asked.
    pub models: Vec<ModelName>,
    /// Who may ask for it; empty means every member.
    #[serde(default)]
    pub groups: Vec<String>,
    /// How long an access token lives, at most one hour.
    #[serde(default = "defaults::token_ttl")]
    pub token_ttl: Span,
    /// How long a labelled token for tools lives at most. Absent: there are none.
    #[serde(default)]
    pub max_label_ttl: Option<Span>,
    /// What a grant may spend.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// How often a grant may ask.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// Whether logins by device code may have it.
    #[serde(default = "defaults::yes")]
    pub device: bool,
}

impl ScopeRule {
    /// What the manifest publishes of it.
    #[must_use]
    pub fn terms(&self) -> Terms {
        Terms {
            name: self.name.clone(),
            privacy: self.privacy,
            models: self.models.clone(),
            budget: self.budget,
            rate: self.rate,
        }
    }
}

mod defaults {
    use super::{Endpoint, Span};
    use crate::attest::Predicate;

    pub(super) fn scopes() -> Vec<String> {
        vec!["openid".to_owned(), "groups".to_owned()]
    }
    pub(super) fn groups_claim() -> String {
        "groups".to_owned()
    }
    pub(super) fn subject_claim() -> String {
        "sub".to_owned()
    }
    pub(super) fn scim_subject() -> String {
        "externalId".to_owned()
    }
    pub(super) const fn idle() -> Span {
        Span::seconds(3_600)
    }
    pub(super) const fn absolute() -> Span {
        Span::seconds(12 * 3_600)
    }
    pub(super) const fn rights() -> Span {
        Span::seconds(90 * 86_400)
    }
    #[expect(clippy::expect_used, reason = "a constant that a test reads")]
    pub(super) fn persona_base() -> Endpoint {
        Endpoint::parse("https://api.withpersona.com/api/v1").expect("a URL")
    }
    pub(super) fn persona_version() -> String {
        "2025-12-08".to_owned()
    }
    pub(super) const fn redact_after() -> Span {
        Span::seconds(86_400)
    }
    pub(super) const fn valid_for() -> Span {
        Span::seconds(365 * 86_400)
    }
    pub(super) const fn tolerance() -> Span {
        Span::seconds(300)
    }
    pub(super) const fn attempts() -> u32 {
        5
    }
    pub(super) fn officer_predicates() -> Vec<Predicate> {
        vec![Predicate::PersonVerified, Predicate::AgeOver18]
    }
    pub(super) const fn second_within() -> Span {
        Span::seconds(7 * 86_400)
    }
    pub(super) const fn token_ttl() -> Span {
        Span::seconds(3_600)
    }
    pub(super) const fn workload_ttl() -> Span {
        Span::seconds(15 * 60)
    }
    pub(super) const fn yes() -> bool {
        true
    }
}
