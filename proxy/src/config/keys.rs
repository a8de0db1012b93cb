//! `credential`: one key, or several of one upstream.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use super::{
    SecretSource,
    secret::{FORMS, entry, inline},
};

/// The keys of one upstream.
///
/// One is written as every secret is. Of several, the first that the provider takes is used; with
/// a `weight` at one of them, all are used in proportion:
/// `[ { env = "A", weight = 3 }, { env = "B" } ]`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KeySources {
    /// In the order of the configuration; never empty.
    pub all: Vec<KeySource>,
}

/// One of them.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KeySource {
    /// Where it is.
    pub secret: SecretSource,
    /// Its share of the requests; `None` where they are used in order.
    pub weight: Option<u32>,
}

impl<'de> Deserialize<'de> for KeySources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Sources)
    }
}

struct Sources;

impl<'de> Visitor<'de> for Sources {
    type Value = KeySources;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORMS}, or a list of them")
    }

    fn visit_str<E: Error>(self, _secret: &str) -> Result<KeySources, E> {
        Err(inline())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<KeySources, A::Error> {
        KeySources::of(vec![entry(map)?])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<KeySources, A::Error> {
        let mut all = Vec::new();
        while let Some(Entry(source, weight)) = seq.next_element()? {
            if all.len() == MOST {
                return Err(A::Error::custom(format_args!(
                    "an upstream has at most {MOST} keys"
                )));
            }
            all.push((source, weight));
        }
        KeySources::of(all)
    }
}

impl KeySources {
    fn of<E: Error>(all: Vec<(SecretSource, Option<u32>)>) -> Result<Self, E> {
        if all.is_empty() {
            return Err(E::custom("a list of keys has at least one"));
        }
        if all.iter().any(|(_, weight)| *weight == Some(0)) {
            return Err(E::custom("a key of weight 0 is never used: leave it out"));
        }
        let weighed = all.iter().any(|(_, weight)| weight.is_some());
        let sources = all.into_iter().map(|(secret, weight)| KeySource {
            secret,
            weight: weighed.then(|| weight.unwrap_or(1)),
        });
        Ok(Self {
            all: sources.collect(),
        })
    }
}

/// One of a list.
struct Entry(SecretSource, Option<u32>);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneEntry)
    }
}

struct OneEntry;

impl<'de> Visitor<'de> for OneEntry {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS)
    }

    fn visit_str<E: Error>(self, _secret: &str) -> Result<Entry, E> {
        Err(inline())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
        entry(map).map(|(source, weight)| Entry(source, weight))
    }
}

/// Rotation needs two, regions and tenants a few more.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_or_a_list_of_them_and_never_a_key_itself() {
        let read = |text: &str| serde_json::from_str::<KeySources>(text);
        let names = |text: &str| {
            let all = read(text).unwrap().all;
            all.into_iter()
                .map(|it| (it.secret, it.weight))
                .collect::<Vec<_>>()
        };
        let env = |name: &str| SecretSource::Env(name.to_owned());

        assert_eq!(names(r#"{"env":"A"}"#), [(env("A"), None)]);
        assert_eq!(
            names(r#"[{"env":"A"},{"env":"B"}]"#),
            [(env("A"), None), (env("B"), None)]
        );
        // One that weighs makes all weigh.
        assert_eq!(
            names(r#"[{"env":"A","weight":3},{"env":"B"}]"#),
            [(env("A"), Some(3)), (env("B"), Some(1))]
        );
        for bad in [
            "[]",
            r#"[{"env":"A","weight":0}]"#,
            r#"[{"env":"A","file":"b"}]"#,
            r#"["sk-hunter2"]"#,
            r#""sk-hunter2""#,
            r#"[{"env":"A","weight":-1}]"#,
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let many = format!("[{}]", vec![r#"{"env":"A"}"#; MOST + 1].join(","));
        assert!(read(&many).is_err());
    }
}
