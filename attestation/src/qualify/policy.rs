//! Dated, versioned rules over predicates.

use std::collections::BTreeMap;

use bauta_audit::canonical;
use bauta_token::{
    scope::{Gate, Name},
    units::UnixMillis,
};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::{
    attest::{Basis, Eligibility, Outcome, Predicate, Record, Truth},
    config::{NationalityRule, PolicyConfig},
};

/// All policies of the configuration.
pub struct Policies(BTreeMap<Name, Policy>);

/// One policy at the version that is configured.
pub struct Policy {
    name: Name,
    config: PolicyConfig,
    hash: [u8; 32],
    rule_hash: Option<String>,
    from: UnixMillis,
}

impl Policies {
    /// The policies of `configured`. What has no date of its own is in force from `adopted` on,
    /// which is when this version was first announced.
    pub(crate) fn new(
        configured: &BTreeMap<Name, PolicyConfig>,
        adopted: impl Fn(&Name, &Name) -> UnixMillis,
    ) -> Self {
        let policies = configured.iter().map(|(name, config)| {
            let from = config
                .effective_from
                .map_or_else(|| adopted(name, &config.version), |from| from.0);
            (
                name.clone(),
                Policy::new(name.clone(), config.clone(), from),
            )
        });
        Self(policies.collect())
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Policy> {
        self.0.values()
    }

    /// Those in force at `now`.
    pub fn in_force(&self, now: UnixMillis) -> impl Iterator<Item = &Policy> {
        self.all().filter(move |policy| policy.from <= now)
    }
}

impl Policy {
    fn new(name: Name, config: PolicyConfig, from: UnixMillis) -> Self {
        let rule = config.nationality.as_ref().map(rule_value);
        let text = json!({
            "policy": name, "version": config.version,
            "requires": config.requires.iter().map(|p| p.as_str()).collect::<Vec<_>>(),
            "nationality": rule,
        });
        Self {
            hash: hash(&text),
            rule_hash: rule.as_ref().map(|rule| hex(&hash(rule))),
            name,
            config,
            from,
        }
    }

    /// Policy and version.
    #[must_use]
    pub fn gate(&self) -> Gate {
        Gate::new(self.name.clone(), self.config.version.clone())
    }

    /// From when it counts.
    #[must_use]
    pub const fn effective_from(&self) -> UnixMillis {
        self.from
    }

    /// SHA-256 of its wording.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// SHA-256 of its wording, as records write it.
    #[must_use]
    pub fn hash_text(&self) -> String {
        format!("sha256:{}", hex(&self.hash))
    }

    /// The result for a person with this nationality, judged while it is in memory. `may_pass`
    /// says what the rule says of it, and on what that rests.
    pub(crate) fn decide(
        &self,
        known: &BTreeMap<Predicate, Truth>,
        may_pass: impl Fn(&NationalityRule) -> (Truth, Basis),
    ) -> Eligibility {
        let (nationality, basis) = self
            .config
            .nationality
            .as_ref()
            .map_or((Truth::True, Basis::NotRequired), may_pass);
        let result = self.config.requirements(known).and(nationality);
        Eligibility {
            policy: self.name.clone(),
            policy_version: self.config.version.clone(),
            policy_hash: self.hash_text(),
            result: result.into(),
            nationality: nationality.into(),
            nationality_rule: self.rule_hash.clone(),
            basis,
        }
    }

    /// Whether `record` satisfies this policy at `now`.
    ///
    /// What is required is judged anew, so a new version that asks for what is known needs no new
    /// verification. The rule on nationality goes by the result kept for the same rule; for another
    /// rule nobody knows, and that satisfies nothing.
    #[must_use]
    pub fn judge(&self, record: &Record, now: UnixMillis) -> Truth {
        let required = self.config.requirements(&record.predicates);
        match &self.config.nationality {
            Some(rule) if in_force(rule, now) => required.and(self.kept(record)),
            _ => required,
        }
    }

    /// When the rule on nationality takes effect and `record` will not satisfy it.
    #[must_use]
    pub fn turns_against(&self, record: &Record, now: UnixMillis) -> Option<UnixMillis> {
        let from = self.config.nationality.as_ref()?.effective_from?.0;
        (from > now && !self.kept(record).holds()).then_some(from)
    }

    fn kept(&self, record: &Record) -> Truth {
        let same = |kept: &&Eligibility| {
            kept.policy == self.name && kept.nationality_rule == self.rule_hash
        };
        match record
            .eligibility
            .iter()
            .find(same)
            .map(|kept| kept.nationality)
        {
            Some(Outcome::Eligible) => Truth::True,
            Some(Outcome::Ineligible) => Truth::False,
            Some(Outcome::Undetermined) | None => Truth::Undetermined,
        }
    }
}

fn in_force(rule: &NationalityRule, now: UnixMillis) -> bool {
    rule.effective_from.is_none_or(|from| from.0 <= now)
}

/// The rule in one spelling: order and repetition in the configuration change nothing. Its date is
/// left out, since a result holds whenever the rule takes effect.
fn rule_value(rule: &NationalityRule) -> Value {
    let list = |countries: &[crate::config::Country]| {
        let mut codes: Vec<_> = countries
            .iter()
            .map(|code| code.as_str().to_owned())
            .collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    };
    json!({ "allow": list(&rule.allow), "deny": list(&rule.deny), "undetermined": "ineligible" })
}

fn hash(value: &Value) -> [u8; 32] {
    // Strings and lists of strings always have a canonical text.
    let text = canonical::to_string(value).unwrap_or_default();
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    out
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string cannot fail.
        let _written = write!(out, "{byte:02x}");
        out
    })
}
