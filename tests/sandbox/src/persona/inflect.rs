//! The three ways in which the API spells the names of fields.

use serde_json::{Map, Value};

/// How names are spelt in one answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Inflection {
    Kebab,
    Snake,
    Camel,
}

impl Inflection {
    pub(super) fn parse(header: &str) -> Option<Self> {
        match header {
            "kebab" => Some(Self::Kebab),
            "snake" => Some(Self::Snake),
            "camel" => Some(Self::Camel),
            _ => None,
        }
    }

    /// The document with every name, which is kebab here, spelt this way.
    pub(super) fn spell(self, document: Value) -> Value {
        match self {
            Self::Kebab => document,
            Self::Snake => renamed(document, &|name| name.replace('-', "_")),
            Self::Camel => renamed(document, &camel),
        }
    }
}

/// A document in whatever spelling, with its names in kebab.
pub(super) fn kebab(document: Value) -> Value {
    renamed(document, &|name| {
        let mut out = String::new();
        for c in name.chars() {
            match c {
                '_' => out.push('-'),
                c if c.is_ascii_uppercase() => {
                    out.push('-');
                    out.push(c.to_ascii_lowercase());
                }
                c => out.push(c),
            }
        }
        out
    })
}

fn camel(name: &str) -> String {
    let mut parts = name.split('-');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.extend(letters);
    }
    out
}

fn renamed(document: Value, rename: &dyn Fn(&str) -> String) -> Value {
    match document {
        Value::Object(object) => Value::Object(
            object
                .into_iter()
                .map(|(name, value)| (rename(&name), renamed(value, rename)))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(array) => array
            .into_iter()
            .map(|value| renamed(value, rename))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_spelling_leads_back_to_kebab_and_leaves_values_alone() {
        let document =
            json!({"redirect-uri": "a_b-C", "fields": {"name-first": {"value": ["x-y"]}}});

        for way in [Inflection::Kebab, Inflection::Snake, Inflection::Camel] {
            assert_eq!(kebab(way.spell(document.clone())), document, "{way:?}");
        }
        assert_eq!(Inflection::Camel.spell(document)["redirectUri"], "a_b-C");
    }
}
