//! Eligibility rules, as configuration says them.

use std::collections::BTreeMap;

use bauta_token::scope::Name;
use serde::Deserialize;

use super::Instant;
use crate::attest::{Predicate, Truth};

/// `[policy.NAME]`: who is eligible, at one dated version.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PolicyConfig {
    /// Names this wording.
    pub version: Name,
    /// What must be true, and known to be.
    pub requires: Vec<Predicate>,
    /// From when the gateway wants this version and no older one. Absent: from adoption on.
    #[serde(default)]
    pub effective_from: Option<Instant>,
    /// A rule on nationality, never on issuing country or place of birth.
    #[serde(default)]
    pub nationality: Option<NationalityRule>,
}

/// Who may pass, by nationality. Evaluated once, while the evidence is in memory.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct NationalityRule {
    /// ISO 3166-1 alpha-2 codes that may not pass.
    #[serde(default)]
    pub deny: Vec<Country>,
    /// When not empty, the only codes that may pass.
    #[serde(default)]
    pub allow: Vec<Country>,
    /// Before this instant the rule satisfies everybody. Absent: always in force.
    #[serde(default)]
    pub effective_from: Option<Instant>,
    /// What a nationality nobody knows means. There is one answer.
    #[serde(default)]
    pub undetermined: Undetermined,
}

/// What an undetermined result means: never eligible.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Undetermined {
    /// The gate stays closed.
    #[default]
    Ineligible,
}

/// Two upper-case letters of ISO 3166-1, as a rule names them. Never a person's.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub struct Country([u8; 2]);

impl Country {
    /// `None` when it is not two letters; case is folded.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        letters
            .iter()
            .all(u8::is_ascii_alphabetic)
            .then(|| Self(letters.map(|letter| letter.to_ascii_uppercase())))
    }

    /// As written in a rule.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl TryFrom<String> for Country {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a country is two letters of ISO 3166-1, such as \"IT\"")
    }
}

impl PolicyConfig {
    /// Whether `known` satisfies all that is required. What is not known satisfies nothing.
    #[must_use]
    pub fn requirements(&self, known: &BTreeMap<Predicate, Truth>) -> Truth {
        self.requires
            .iter()
            .map(|predicate| known.get(predicate).copied().unwrap_or_default())
            .fold(Truth::True, Truth::and)
    }
}
