//! Dated, versioned rules over predicates.

use std::collections::BTreeMap;

use bauta_audit::canonical;
use bauta_token::{
    scope::{Gate, Name},
    units::UnixMillis,
};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use thiserror::Error;

use crate::{
    attest::{Basis, Eligibility, Outcome, Predicate, Record, Truth},
    config::{Instant, NationalityRule, PolicyConfig},
    member::Asked,
    ports::people::PolicyRow,
};

/// All policies, each at the versions that count now or will.
pub struct Policies(Vec<Policy>);

/// One policy at one version.
#[derive(Clone)]
pub struct Policy {
    name: Name,
    config: PolicyConfig,
    body: String,
    hash: [u8; 32],
    rule_hash: Option<String>,
    from: UnixMillis,
}

impl Policies {
    /// The policies of `configured`, with the older versions in `kept` that stay in force until a
    /// configured one takes effect. Gives besides the versions that are new and must be announced.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] when a version changed its wording, or goes back behind a later one.
    pub(crate) fn new(
        configured: &BTreeMap<Name, PolicyConfig>,
        kept: &[PolicyRow],
        now: UnixMillis,
    ) -> Result<(Self, Vec<PolicyRow>), PolicyError> {
        let (mut all, mut fresh) = (Vec::new(), Vec::new());
        for (name, config) in configured {
            let of_name: Vec<_> = kept
                .iter()
                .filter(|row| row.policy == name.as_str())
                .collect();
            let known = of_name
                .iter()
                .find(|row| row.version == config.version.as_str());
            let from = match (known, config.effective_from) {
                (Some(row), _) => row.effective_from,
                (None, Some(from)) => from.0,
                (None, None) => now,
            };
            let newest = Policy::new(name.clone(), config.clone(), from);
            match known {
                Some(row) if row.hash != newest.hash => {
                    return Err(PolicyError::Changed(newest.gate()));
                }
                Some(_) => {}
                None => fresh.push(newest.row(now)),
            }
            let others = of_name
                .iter()
                .filter(|row| row.version != config.version.as_str());
            for row in others {
                if row.effective_from >= from {
                    return Err(PolicyError::Older(newest.gate()));
                }
                all.push(
                    Policy::read(name, row)
                        .ok_or_else(|| PolicyError::Unreadable(newest.gate()))?,
                );
            }
            all.push(newest);
        }
        all.retain({
            let all = all.clone();
            move |policy| !all.iter().any(|other| other.supersedes(policy, now))
        });
        all.sort_by(|a, b| (&a.name, a.from).cmp(&(&b.name, b.from)));
        Ok((Self(all), fresh))
    }

    /// Every version in force now or later, by name and date.
    pub fn all(&self) -> impl Iterator<Item = &Policy> {
        self.0.iter()
    }

    /// The one version of each that is in force at `now`.
    pub fn in_force(&self, now: UnixMillis) -> impl Iterator<Item = &Policy> {
        self.all().filter(move |policy| {
            policy.from <= now && !self.all().any(|other| other.supersedes(policy, now))
        })
    }

    /// Those in force at `now`, and those that will be.
    pub fn in_force_or_later(&self, now: UnixMillis) -> impl Iterator<Item = &Policy> {
        self.all()
            .filter(move |policy| !self.all().any(|other| other.supersedes(policy, now)))
    }
}

impl Policy {
    fn new(name: Name, config: PolicyConfig, from: UnixMillis) -> Self {
        let rule = config.nationality.as_ref().map(rule_value);
        let date = |at: Option<Instant>| at.map(|at| at.0.to_string());
        let dated = config
            .nationality
            .as_ref()
            .zip(rule.clone())
            .map(|(config, mut rule)| {
                if let (Some(date), Some(fields)) =
                    (date(config.effective_from), rule.as_object_mut())
                {
                    fields.insert("effective_from".to_owned(), date.into());
                }
                rule
            });
        let text = json!({
            "version": config.version,
            "requires": config.requires.iter().map(|p| p.as_str()).collect::<Vec<_>>(),
            "effective_from": date(config.effective_from),
            "nationality": dated,
        });
        // Strings and lists of strings always have a canonical text.
        let body = canonical::to_string(&text).unwrap_or_default();
        Self {
            hash: hash(&json!({ "policy": name, "rule": text })),
            rule_hash: rule.as_ref().map(|rule| hex(&hash(rule))),
            body,
            name,
            config,
            from,
        }
    }

    /// A rule that nobody announced, as if it were in force from `now` on: to see what it would do.
    pub(crate) fn draft(name: Name, config: PolicyConfig, now: UnixMillis) -> Self {
        Self::new(name, config, now)
    }

    fn read(name: &Name, row: &PolicyRow) -> Option<Self> {
        let config = serde_json::from_str(&row.body).ok()?;
        let read = Self::new(name.clone(), config, row.effective_from);
        (read.hash == row.hash).then_some(read)
    }

    fn row(&self, now: UnixMillis) -> PolicyRow {
        PolicyRow {
            policy: self.name.to_string(),
            version: self.config.version.to_string(),
            hash: self.hash,
            body: self.body.clone(),
            effective_from: self.from,
            adopted_at: now,
        }
    }

    /// Whether this is a later version of `other` that is in force at `now`.
    fn supersedes(&self, other: &Self, now: UnixMillis) -> bool {
        self.name == other.name && self.from > other.from && self.from <= now
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
        let required = self.config.requirements(known);
        let (result, nationality, basis) = match &self.config.nationality {
            None => (required, Outcome::NotAsked, Basis::NotRequired),
            Some(rule) => {
                let (passes, basis) = may_pass(rule);
                (required.and(passes), passes.into(), basis)
            }
        };
        Eligibility {
            policy: self.name.clone(),
            policy_version: self.config.version.clone(),
            policy_hash: self.hash_text(),
            result: result.into(),
            nationality,
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

    /// Whether it asks for `predicate`.
    pub(crate) fn asks(&self, predicate: Predicate) -> bool {
        self.config.requires.contains(&predicate)
    }

    /// What `record` lacks for this policy at `now`, and what it says instead.
    pub(crate) fn lacks(&self, record: &Record, now: UnixMillis) -> Vec<(Asked, Truth)> {
        let required = self.config.requires.iter().map(|predicate| {
            let found = record.predicates.get(predicate).copied();
            (Asked::Predicate(*predicate), found.unwrap_or_default())
        });
        let rule = self.config.nationality.as_ref();
        let nationality = rule
            .filter(|rule| in_force(rule, now))
            .map(|_| (Asked::Nationality, self.kept(record)));
        required
            .chain(nationality)
            .filter(|(_, found)| !found.holds())
            .collect()
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
            Some(Outcome::Undetermined | Outcome::NotAsked) | None => Truth::Undetermined,
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

/// Why the policies of a configuration are refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Members were judged by another wording of this version.
    #[error("policy {0} was announced with another wording; write a new version instead")]
    Changed(Gate),
    /// A later version was announced already.
    #[error("policy {0} is older than a version that was announced; write a new version instead")]
    Older(Gate),
    /// What was kept of an earlier version does not read.
    #[error("an earlier version of policy {0} cannot be read from storage")]
    Unreadable(Gate),
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

#[cfg(test)]
mod tests;
