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

    // Refused without a word of it: what was typed here may be the secret itself.
    fn visit_str<E: Error>(self, _secret: &str) -> Result<Self::Value, E> {
        Err(E::custom(format_args!(
            "a secret is never inline: write {FORMS}"
        )))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let wrong = || A::Error::custom(format_args!("a secret is written {FORMS}"));
        let source = match map.next_key::<String>()?.as_deref() {
            Some("env") => SecretSource::Env(map.next_value()?),
            Some("file") => SecretSource::File(map.next_value()?),
            _ => return Err(wrong()),
        };
        match map.next_key::<String>()? {
            None => Ok(source),
            Some(_) => Err(wrong()),
        }
    }
}

const FORMS: &str = "{ env = \"NAME\" } or { file = \"path\" }";

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
        for bad in ["{}", r#"{"env":"A","file":"b"}"#, r#"{"key":"x"}"#, "7"] {
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
