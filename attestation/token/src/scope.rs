//! What a token may be used for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::MicroUsd;

/// A name in configuration: 1 to 64 of `a-z 0-9 . _ -`, beginning with a letter or a digit.
///
/// Scopes, policies, providers, upstreams and models are named so; a model also takes upper case,
/// `:` and `/`, since providers use them.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// `None` when it is no name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = (1..=64).contains(&text.len())
            && text.bytes().next().is_some_and(plain)
            && text.bytes().all(|b| plain(b) || b"._-".contains(&b));
        fits.then(|| Self(text.to_owned()))
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| {
            "a name is 1 to 64 of a-z, 0-9, '.', '_' and '-', and begins with a letter or digit"
                .to_owned()
        })
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// A model as clients and providers write it: 1 to 128 visible ASCII characters.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName(String);

impl ModelName {
    /// `None` when it is no model name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=128).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-:/@".contains(&b));
        fits.then(|| Self(text.to_owned()))
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ModelName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| {
            "a model is 1 to 128 of letters, digits and '.', '_', '-', ':', '/', '@'".to_owned()
        })
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.0
    }
}

/// How much can ever be linked to a member.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Privacy {
    /// Pseudonymous: the link exists only as ciphertext.
    #[default]
    Sealed,
    /// Blind-signed: there is no link.
    Anonymous,
}

/// The terms of a scope, as the manifest publishes and the gateway enforces them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Its name.
    pub name: Name,
    /// How much can be linked.
    pub privacy: Privacy,
    /// What may be asked; names from the gateway's `[[model]]` tables.
    pub models: Vec<ModelName>,
    /// What a grant may spend.
    pub budget: Option<Budget>,
    /// How often a grant may ask.
    pub rate: Option<Rate>,
}

/// A ceiling on spending, per grant.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// In US dollars, written as a decimal string in configuration.
    #[serde(with = "dollars")]
    pub amount: MicroUsd,
    /// After which it is whole again.
    pub per: Period,
}

/// A ceiling on requests, per grant.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many may begin in one period.
    pub requests: u32,
    /// The period.
    pub per: Period,
    /// How many may run at once.
    pub concurrent: u32,
}

/// A fixed window in UTC.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Period {
    /// Sixty seconds.
    Minute,
    /// Sixty minutes.
    Hour,
    /// From midnight to midnight, UTC.
    Day,
    /// Thirty days from 1970-01-01 on: all of one length, so that no month is cheaper.
    Month,
}

impl Period {
    /// Its length in milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
            Self::Month => 2_592_000_000,
        }
    }
}

/// `policy@version`: a gate at one version of its rule.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Gate {
    policy: Name,
    version: Name,
}

impl Gate {
    /// The gate of `policy` at `version`.
    #[must_use]
    pub const fn new(policy: Name, version: Name) -> Self {
        Self { policy, version }
    }

    /// `None` when it is not `policy@version`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (policy, version) = text.split_once('@')?;
        Some(Self::new(Name::parse(policy)?, Name::parse(version)?))
    }

    /// Which rule.
    #[must_use]
    pub const fn policy(&self) -> &Name {
        &self.policy
    }

    /// Which wording of it.
    #[must_use]
    pub const fn version(&self) -> &Name {
        &self.version
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.policy, self.version)
    }
}

impl TryFrom<String> for Gate {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a gate is written policy@version")
    }
}

impl From<Gate> for String {
    fn from(gate: Gate) -> Self {
        gate.to_string()
    }
}

/// Money as people write it: a decimal string of dollars.
mod dollars {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::units::MicroUsd;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature is serde's"
    )]
    pub(super) fn serialize<S: Serializer>(amount: &MicroUsd, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(amount)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<MicroUsd, D::Error> {
        let text = String::deserialize(from)?;
        MicroUsd::from_dollars(&text)
            .ok_or_else(|| D::Error::custom("an amount is dollars as a string, such as \"50.00\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_plain_and_lower_case() {
        for good in ["a", "0", "claude-opus-4.5", "a_b", &"a".repeat(64)] {
            assert!(Name::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "A",
            "-a",
            ".",
            "_a",
            "a b",
            "a@b",
            "a/b",
            "é",
            "a\n",
            &"a".repeat(65),
        ] {
            assert!(Name::parse(bad).is_none(), "{bad}");
            assert!(serde_json::from_value::<Name>(bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_model_is_named_as_providers_name_it() {
        for good in [
            "gpt-5.1",
            "models/gemini-3-pro",
            "ft:gpt-4o:org::id",
            "Qwen/Qwen3@main",
        ] {
            assert!(ModelName::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "a b",
            "a?b",
            "a%2f",
            "a#b",
            "a\\b",
            "é",
            "a\0",
            &"a".repeat(129),
        ] {
            assert!(ModelName::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_gate_is_a_policy_at_a_version() {
        let gate = Gate::parse("adult@2026-11").unwrap();

        assert_eq!(gate.policy().as_str(), "adult");
        assert_eq!(gate.version().as_str(), "2026-11");
        assert_eq!(gate.to_string(), "adult@2026-11");
        for bad in [
            "",
            "adult",
            "@1",
            "adult@",
            "adult@1@2",
            "Adult@1",
            "adult @1",
        ] {
            assert!(Gate::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn terms_read_back_and_money_stays_a_string() {
        let text = concat!(
            r#"{"name":"chat","privacy":"sealed","models":["m"],"#,
            r#""budget":{"amount":"0.000001","per":"month"},"#,
            r#""rate":{"requests":1,"per":"minute","concurrent":2}}"#,
        );

        let terms: Terms = serde_json::from_str(text).unwrap();

        assert_eq!(serde_json::to_string(&terms).unwrap(), text);
        for (from, to) in [
            (r#""0.000001""#, "1"),
            (r#""0.000001""#, r#""-1""#),
            (r#""month""#, r#""year""#),
            (r#""sealed""#, r#""open""#),
            (r#""requests":1"#, r#""requests":-1"#),
            (r#""name""#, r#""owner":"x","name""#),
        ] {
            let changed = text.replacen(from, to, 1);
            assert!(serde_json::from_str::<Terms>(&changed).is_err(), "{to}");
        }
    }

    #[test]
    fn a_period_is_what_it_says() {
        let days = |period: Period| period.millis() / 86_400_000;

        assert_eq!((days(Period::Day), days(Period::Month)), (1, 30));
        assert_eq!(Period::Hour.millis(), 3_600_000);
        assert_eq!(Period::Minute.millis(), 60_000);
    }
}
