//! What a configuration must be before anything is served.

use std::collections::BTreeSet;

use thiserror::Error;
use url::Url;

use super::{
    Environment, JoinBy, ScopeRule, Settings, VendorEnvironment, VerifierConfig, WorkloadRule,
    is_safe,
};
use crate::verify::persona;

/// Why settings are refused. Names the key and the mend.
#[derive(Debug, Error)]
#[error("{key}: {why}")]
pub struct SettingsError {
    key: String,
    why: String,
}

impl SettingsError {
    fn new(key: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            why: why.into(),
        }
    }
}

impl Settings {
    /// Refuses what would be unsafe or could not work.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), SettingsError> {
        origin("server.public_url", &self.public_url)?;
        origin("server.gateway_url", &self.gateway_url)?;
        self.check_sso()?;
        self.check_verifiers()?;
        self.check_policies()?;
        self.check_admin()?;
        let mut names = BTreeSet::new();
        for rule in &self.scopes {
            if !names.insert(&rule.name) {
                return Err(scope_error(rule, "there are two of this name"));
            }
            check_scope(rule)?;
        }
        self.check_workloads()
    }

    fn check_workloads(&self) -> Result<(), SettingsError> {
        for (place, rule) in (1_usize..).zip(&self.workloads) {
            if let Some(why) = rule.refused(self) {
                return Err(SettingsError::new(format!("workload {place}"), why));
            }
            let other = self.workloads.iter().find(|it| it.issuer == rule.issuer);
            let elsewhere =
                |it: &WorkloadRule| (&it.hosts, &it.keys_file) != (&rule.hosts, &rule.keys_file);
            if other.is_some_and(elsewhere) {
                let why = "hosts and keys_file are the same in all of one issuer: its keys are \
                           in one place";
                return Err(SettingsError::new(format!("workload {place}"), why));
            }
        }
        Ok(())
    }

    fn check_sso(&self) -> Result<(), SettingsError> {
        let sso = &self.sso;
        let issuer = Url::parse(&sso.issuer).ok().filter(is_safe);
        let plain = issuer.is_some_and(|url| url.query().is_none() && url.fragment().is_none());
        let wrong = |key: &str, why: &str| Err(SettingsError::new(format!("sso.{key}"), why));
        if !plain {
            return wrong(
                "issuer",
                "must be an https URL, or http on loopback, without a query",
            );
        }
        if sso.client_id.is_empty() || sso.client_secret.reveal().trim().is_empty() {
            return wrong("client_id", "client_id and client_secret are needed");
        }
        if !sso.scopes.iter().any(|scope| scope == "openid") {
            return wrong("scopes", "openid is needed");
        }
        let personal = ["email", "profile", "address", "phone"];
        if sso
            .scopes
            .iter()
            .any(|scope| personal.contains(&scope.as_str()))
        {
            return wrong(
                "scopes",
                "names and addresses are not asked for; openid and groups are enough",
            );
        }
        if JoinBy::parse(&sso.scim_subject).is_none() {
            return wrong(
                "scim_subject",
                "is \"externalId\" or \"userName\": the attribute that carries what sso.subject_claim says",
            );
        }
        if !sso.hosts.iter().all(|host| is_host_name(host)) {
            return wrong("hosts", "each is a plain host name");
        }
        let (idle, absolute) = (
            sso.session_idle.as_seconds(),
            sso.session_absolute.as_seconds(),
        );
        if idle < 60 || absolute < idle || absolute > 7 * 86_400 {
            return wrong(
                "session_idle",
                "at least 1m, at most session_absolute, which is at most 7d",
            );
        }
        if sso.rights_max_age.as_seconds() < 3_600 {
            return wrong("rights_max_age", "at least 1h");
        }
        Ok(())
    }

    fn check_admin(&self) -> Result<(), SettingsError> {
        let within = self.admin.second_within.as_seconds();
        if !(600..=30 * 86_400).contains(&within) {
            let why = "at least 10m, so that somebody can read it, at most 30d";
            return Err(SettingsError::new("admin.second_within", why));
        }
        Ok(())
    }

    fn check_verifiers(&self) -> Result<(), SettingsError> {
        let mut kinds = BTreeSet::new();
        for verifier in &self.verifiers {
            let kind = match verifier {
                VerifierConfig::Persona(config) => {
                    persona::check(config)
                        .map_err(|why| SettingsError::new("verifier (persona)", why))?;
                    let real = config.environment == VendorEnvironment::Production;
                    if self.environment == Environment::Production && !real {
                        let why = "a sandbox or simulated verifier proves nothing; it is for development only";
                        return Err(SettingsError::new("verifier (persona)", why));
                    }
                    persona::KIND
                }
                VerifierConfig::Officer(config) if config.predicates.is_empty() => {
                    let why = "predicates says what officers may vouch for; it is empty";
                    return Err(SettingsError::new("verifier (officer)", why));
                }
                VerifierConfig::Officer(_) => "officer",
            };
            if !kinds.insert(kind) {
                return Err(SettingsError::new(
                    format!("verifier ({kind})"),
                    "there are two of this kind",
                ));
            }
        }
        Ok(())
    }

    fn check_policies(&self) -> Result<(), SettingsError> {
        for (name, policy) in &self.policies {
            let wrong = |why: &str| Err(SettingsError::new(format!("policy.{name}"), why));
            if policy.requires.is_empty() && policy.nationality.is_none() {
                return wrong("it requires nothing; a gate that everybody passes is none");
            }
            let rule = policy.nationality.as_ref();
            if rule.is_some_and(|rule| rule.deny.is_empty() && rule.allow.is_empty()) {
                return wrong("nationality names no country in deny or allow");
            }
        }
        Ok(())
    }
}

fn check_scope(rule: &ScopeRule) -> Result<(), SettingsError> {
    let life = rule.token_ttl.as_seconds();
    if !(60..=3_600).contains(&life) {
        return Err(scope_error(
            rule,
            "token_ttl is 1m to 1h; long-lived tokens have a label",
        ));
    }
    if rule
        .max_label_ttl
        .is_some_and(|life| !(3_600..=366 * 86_400).contains(&life.as_seconds()))
    {
        return Err(scope_error(rule, "max_label_ttl is 1h to 366d"));
    }
    if rule.models.is_empty() {
        return Err(scope_error(
            rule,
            "models is empty: its tokens would open nothing",
        ));
    }
    Ok(())
}

fn scope_error(rule: &ScopeRule, why: &str) -> SettingsError {
    SettingsError::new(format!("scope {}", rule.name), why)
}

fn origin(key: &str, url: &Url) -> Result<(), SettingsError> {
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if is_safe(url) && bare && url.username().is_empty() {
        return Ok(());
    }
    Err(SettingsError::new(
        key,
        "must be an https origin without a path, or http on loopback",
    ))
}

/// A name in its one spelling: no port, no path, no address.
pub(super) fn is_host_name(host: &str) -> bool {
    let url = Url::parse(&format!("https://{host}")).ok();
    url.is_some_and(|url| url.domain() == Some(host) && url.port().is_none())
}

#[cfg(test)]
mod tests;
