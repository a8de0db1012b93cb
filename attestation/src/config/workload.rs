//! `[[workload]]`: builds that prove who they are with a token of the platform they run on.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use bauta_token::{
    jws::Jwks,
    scope::{Name, Privacy},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use url::Url;

use super::{Settings, Span, defaults, is_safe};
use crate::ports::MemberId;

/// One kind of build, and the member who answers for it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct WorkloadRule {
    /// The platform, byte for byte as its tokens and its discovery document write it.
    pub issuer: String,
    /// For whom its tokens are: a name that no other service has.
    pub audience: String,
    /// What a token must say. At least one of these says whose build it is.
    #[serde(default)]
    pub claims: BTreeMap<String, Condition>,
    /// What the token that is given may be used for.
    pub scope: Name,
    /// A verified member, who answers for the build and whose gates it has.
    pub sponsor: MemberId,
    /// How long the token that is given lives.
    #[serde(default = "defaults::workload_ttl")]
    pub ttl: Span,
    /// Further hosts on which the platform may publish its keys.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The platform's key set as a file, where Bauta cannot reach the platform. Read at start.
    #[serde(default)]
    pub keys_file: Option<PathBuf>,
    /// What that file holds; whoever reads the configuration fills it in.
    #[serde(skip)]
    pub keys: Option<Vec<u8>>,
}

/// What one claim must be. Compared as it is written: nothing stands for anything else.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(clippy::exhaustive_enums, reason = "a claim is one of these")]
pub enum Condition {
    /// This text.
    Is(String),
    /// One of these texts.
    OneOf(Vec<String>),
    /// An object, some of whose claims are these.
    Within(BTreeMap<String, Self>),
}

impl Condition {
    /// Whether a claim is what it must be. A number, a flag or an absent claim never is.
    #[must_use]
    pub fn holds(&self, claim: Option<&Value>) -> bool {
        match (self, claim) {
            (Self::Is(wanted), Some(Value::String(said))) => wanted == said,
            (Self::OneOf(wanted), Some(Value::String(said))) => wanted.contains(said),
            (Self::Within(wanted), Some(Value::Object(said))) => wanted
                .iter()
                .all(|(name, condition)| condition.holds(said.get(name))),
            _ => false,
        }
    }

    /// Why it cannot be meant as it is written.
    fn wrong(&self) -> Option<&'static str> {
        let text = |text: &String| {
            if text.is_empty() {
                return Some("is empty; write what the claim must be, or leave it out");
            }
            text.contains('*')
                .then_some("has a '*', which stands for nothing but itself; write a list")
        };
        match self {
            Self::Is(one) => text(one),
            Self::OneOf(all) if all.is_empty() => Some("is an empty list, which nothing satisfies"),
            Self::OneOf(all) => all.iter().find_map(text),
            Self::Within(all) if all.is_empty() => Some("is an empty table, which says nothing"),
            Self::Within(all) => all.values().find_map(Self::wrong),
        }
    }
}

impl WorkloadRule {
    /// Why the rule is refused: the key, and what to write instead.
    pub(super) fn refused(&self, settings: &Settings) -> Option<String> {
        let issuer = Url::parse(&self.issuer).ok().filter(is_safe);
        let Some(issuer) = issuer.filter(|url| url.query().is_none() && url.fragment().is_none())
        else {
            return Some(
                "issuer must be an https URL, or http on loopback, without a query".to_owned(),
            );
        };
        let kept = self.keys.as_deref().map(Jwks::parse);
        match kept {
            Some(Err(error)) => return Some(format!("keys_file holds no key set: {error}")),
            Some(Ok(keys)) if keys.is_empty() => {
                return Some("keys_file holds no key that can be used".to_owned());
            }
            _ => {}
        }
        if !self.hosts.iter().all(|host| super::is_host_name(host)) {
            return Some("hosts: each is a plain host name".to_owned());
        }
        if let Some(why) = self.audience_refused(settings) {
            return Some(format!("audience {why}"));
        }
        if let Some((name, why)) = self
            .claims
            .iter()
            .find_map(|(name, condition)| Some((name, condition.wrong()?)))
        {
            return Some(format!("claims.{name} {why}"));
        }
        if let Some(why) = self.whose(&issuer) {
            return Some(why);
        }
        let Some(scope) = settings.scope(&self.scope) else {
            return Some(format!("there is no [[scope]] named \"{}\"", self.scope));
        };
        if scope.privacy != Privacy::Sealed {
            return Some("scope is anonymous; a build needs a sealed one".to_owned());
        }
        (!TTL.contains(&self.ttl.as_seconds())).then(|| {
            "ttl is 5m to 15m; a build that runs longer shows another token of its platform"
                .to_owned()
        })
    }

    /// A token that was made for somebody else must not open anything here.
    fn audience_refused(&self, settings: &Settings) -> Option<&'static str> {
        let audience = self.audience.as_str();
        if !(1..=LONGEST).contains(&audience.len())
            || !audience.bytes().all(|b| b.is_ascii_graphic())
        {
            return Some("is 1 to 200 letters without spaces, such as server.public_url");
        }
        if audience == self.issuer || OTHERS.iter().any(|other| audience.starts_with(other)) {
            return Some(
                "is what tokens for another service say; choose one of your own, such as \
                 server.public_url",
            );
        }
        let ours = audience == settings.sso.client_id && self.issuer == settings.sso.issuer;
        ours.then_some(
            "is sso.client_id at the same issuer: the tokens that people sign in with would be \
             builds'; choose another",
        )
    }

    /// Why the conditions let in builds of anybody. Who has an account at a platform gets tokens of
    /// its issuer for any audience: `iss` and `aud` say nothing about whose they are.
    fn whose(&self, issuer: &Url) -> Option<String> {
        let pinned = |names: &[&str]| names.iter().any(|name| self.claims.contains_key(*name));
        let platform = PLATFORMS
            .iter()
            .find(|(host, _)| issuer.host_str() == Some(*host));
        if let Some((host, ids)) = platform {
            return (!pinned(ids)).then(|| {
                format!(
                    "claims lets in the builds of everybody at {host}: add one of {}. A name can \
                     be given up and taken by somebody else, these numbers cannot",
                    ids.join(", ")
                )
            });
        }
        (!pinned(SUBJECTS)).then(|| {
            format!(
                "claims does not say whose build it is, so that everybody with an account at the \
                 issuer is let in: add \"sub\", or another of {}",
                SUBJECTS.join(", ")
            )
        })
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ConditionVisitor)
    }
}

struct ConditionVisitor;

impl<'de> Visitor<'de> for ConditionVisitor {
    type Value = Condition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text in quotes, a list of texts, or a table of claims")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Condition, E> {
        Ok(Condition::Is(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Condition, A::Error> {
        let mut all = Vec::new();
        while let Some(text) = list.next_element()? {
            all.push(text);
        }
        Ok(Condition::OneOf(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Condition, A::Error> {
        let mut all = BTreeMap::new();
        while let Some((name, condition)) = map.next_entry()? {
            all.insert(name, condition);
        }
        Ok(Condition::Within(all))
    }
}

/// Platforms whose accounts anybody may open, and what tells them apart for good.
const PLATFORMS: [(&str, &[&str]); 2] = [
    (
        "token.actions.githubusercontent.com",
        &["repository_id", "repository_owner_id", "enterprise_id"],
    ),
    ("gitlab.com", &["project_id", "namespace_id"]),
];

/// What says whose build it is, on platforms that we know and on others.
const SUBJECTS: &[&str] = &[
    "sub",
    "repository_id",
    "repository_owner_id",
    "project_id",
    "namespace_id",
    "organization_id",
    "pipeline_id",
    "kubernetes.io",
];

/// Audiences of others: what these platforms put in when nobody asks for one.
const OTHERS: [&str; 2] = ["https://github.com/", "https://kubernetes.default.svc"];

const TTL: std::ops::RangeInclusive<i64> = 300..=900;
const LONGEST: usize = 200;

#[cfg(test)]
mod tests;
