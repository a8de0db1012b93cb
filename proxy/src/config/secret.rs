//! Where a secret is written down: somewhere else.

use std::{fmt, path::PathBuf};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};

/// Where a secret comes from: `{ env = "NAME" }` or `{ file = "path" }`, never inline.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file that only its owner can read.
    File(PathBuf),
    /// A file that `bauta keys seal` wrote: it opens with the gateway's root key only.
    Sealed(PathBuf),
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Source)
    }
}

struct Source;

impl<'de> Visitor<'de> for Source {
    type Value = SecretSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS)
    }

    fn visit_str<E: Error>(self, _secret: &str) -> Result<Self::Value, E> {
        Err(inline())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        match entry(map)? {
            (source, None) => Ok(source),
            (_, Some(_)) => Err(A::Error::custom(format_args!(
                "a weight is for one of several keys: write [ {FORMS}, ... ]"
            ))),
        }
    }
}

/// A secret, and the weight that stands beside it.
pub(super) fn entry<'de, A: MapAccess<'de>>(
    mut map: A,
) -> Result<(SecretSource, Option<u32>), A::Error> {
    let wrong = || A::Error::custom(format_args!("a secret is written {FORMS}"));
    let (mut source, mut weight) = (None, None);
    while let Some(key) = map.next_key::<String>()? {
        match key.as_str() {
            "weight" if weight.is_none() => weight = Some(map.next_value()?),
            "env" if source.is_none() => source = Some(SecretSource::Env(map.next_value()?)),
            "file" if source.is_none() => source = Some(SecretSource::File(map.next_value()?)),
            "sealed" if source.is_none() => source = Some(SecretSource::Sealed(map.next_value()?)),
            _ => return Err(wrong()),
        }
    }
    Ok((source.ok_or_else(wrong)?, weight))
}

/// Refused without a word of it: what was typed there may be the secret itself.
pub(super) fn inline<E: Error>() -> E {
    E::custom(format_args!("a secret is never inline: write {FORMS}"))
}

pub(super) const FORMS: &str = "{ env = \"NAME\" } or { file = \"path\" }";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_and_never_inline() {
        let read = serde_json::from_str::<SecretSource>;

        assert_eq!(
            read(r#"{"env":"KEY"}"#).unwrap(),
            SecretSource::Env("KEY".to_owned())
        );
        assert_eq!(
            read(r#"{"file":"a/b"}"#).unwrap(),
            SecretSource::File("a/b".into())
        );
        assert_eq!(
            read(r#"{"sealed":"a/b"}"#).unwrap(),
            SecretSource::Sealed("a/b".into())
        );
        for bad in [
            "{}",
            r#"{"env":"A","weight":2}"#,
            r#"{"env":"A","file":"b"}"#,
            r#"{"key":"x"}"#,
            "7",
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains("{ env ="), "{bad}: {error}");
        }
    }

    #[test]
    fn an_inline_secret_is_not_repeated() {
        let error = serde_json::from_str::<SecretSource>(r#""sk-hunter2""#).unwrap_err();

        let error = error.to_string();
        assert!(error.contains("never inline"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
