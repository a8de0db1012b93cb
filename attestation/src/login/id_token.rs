//! What an ID token says, and what of it is used.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bauta_token::jws::Alg;
use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;
use zeroize::Zeroize;

/// The claims of a person, in memory until the subject and the groups are read. Wiped when
/// dropped; cannot be printed, copied, stored or sent.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Claims(Map<String, Value>);

impl Drop for Claims {
    fn drop(&mut self) {
        for (_, value) in std::mem::take(&mut self.0) {
            wipe(value);
        }
    }
}

pub(crate) fn wipe(value: Value) {
    match value {
        Value::String(mut text) => text.zeroize(),
        Value::Array(list) => list.into_iter().for_each(wipe),
        Value::Object(map) => map.into_iter().for_each(|(_, value)| wipe(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Claims {
    /// A claim that must be a string.
    pub(crate) fn text(&self, name: &'static str) -> Result<&str, ClaimError> {
        self.optional(name)?.ok_or(ClaimError::Missing(name))
    }

    /// A claim that is a string or absent.
    pub(crate) fn optional(&self, name: &'static str) -> Result<Option<&str>, ClaimError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ClaimError::Form(name)),
        }
    }

    /// A claim, whatever it is.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A claim that is an object.
    pub(crate) fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.0.get(name)?.as_object()
    }

    /// The claim that names a person, as configured.
    pub(crate) fn subject(&self, claim: &str) -> Result<&str, ClaimError> {
        match self.0.get(claim) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(ClaimError::Form("subject")),
            None => Err(ClaimError::Missing("subject")),
        }
    }

    /// The groups in `claim`; `None` when the claim is absent.
    ///
    /// # Errors
    ///
    /// [`ClaimError::Overage`] when there were too many for the token; [`ClaimError::Groups`] when it
    /// is anything but a list of strings.
    pub(crate) fn groups(&self, claim: &str) -> Result<Option<BTreeSet<&str>>, ClaimError> {
        let elsewhere = self
            .0
            .get("_claim_names")
            .and_then(|names| names.get(claim));
        if elsewhere.is_some() || self.0.contains_key("hasgroups") {
            return Err(ClaimError::Overage);
        }
        let Some(value) = self.0.get(claim) else {
            return Ok(None);
        };
        let list = value.as_array().ok_or(ClaimError::Groups)?;
        if list.len() > MOST_GROUPS {
            return Err(ClaimError::Groups);
        }
        let groups: Option<_> = list.iter().map(Value::as_str).collect();
        groups.map(Some).ok_or(ClaimError::Groups)
    }

    /// Checks `at_hash`, if there is one: the access token came with this ID token.
    pub(crate) fn vouches_for(&self, access_token: &str, alg: Alg) -> Result<(), ClaimError> {
        let Some(said) = self.optional("at_hash")? else {
            return Ok(());
        };
        let hash = digest(hash_of(alg), access_token.as_bytes());
        let half = hash.as_ref().split_at(hash.as_ref().len() / 2).0;
        if URL_SAFE_NO_PAD.encode(half) == said {
            return Ok(());
        }
        Err(ClaimError::Form("at_hash"))
    }
}

/// The algorithm in the header of a token whose signature was checked.
pub(crate) fn alg_of(token: &str) -> Option<Alg> {
    #[derive(Deserialize)]
    struct Header {
        alg: String,
    }
    let header = token.split('.').next()?;
    let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    Alg::parse(&header.alg)
}

/// The hash that goes with a signature (OpenID Connect Core, section 3.1.3.6); Ed25519's is SHA-512.
fn hash_of(alg: Alg) -> &'static Algorithm {
    match alg {
        Alg::RS384 | Alg::PS384 | Alg::ES384 => &SHA384,
        Alg::RS512 | Alg::PS512 | Alg::EdDSA => &SHA512,
        _ => &SHA256,
    }
}

/// Why the claims cannot be used. Names claims, never what they say.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ClaimError {
    /// It is not there.
    #[error("the claim {0} is missing")]
    Missing(&'static str),
    /// It is not what it should be.
    #[error("the claim {0} is refused")]
    Form(&'static str),
    /// The provider left the groups out because there are too many.
    #[error(
        "the identity provider left out the groups because there are too many; let it send only \
         groups assigned to the application"
    )]
    Overage,
    /// The groups are not a list of strings.
    #[error("the groups are not a list of at most 1000 strings")]
    Groups,
}

const MOST_GROUPS: usize = 1_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn groups_are_a_list_of_strings_or_absent() {
        let some = claims(json!({ "groups": ["a", "b", "a"] }));
        assert_eq!(some.groups("groups"), Ok(Some(BTreeSet::from(["a", "b"]))));
        assert_eq!(claims(json!({})).groups("groups"), Ok(None));

        for bad in [
            json!("admins"),
            json!(["a", 1]),
            json!({ "a": true }),
            json!(null),
            json!(true),
            json!(vec!["g"; 1_001]),
        ] {
            let said = claims(json!({ "groups": bad }));
            assert_eq!(said.groups("groups"), Err(ClaimError::Groups));
        }
    }

    #[test]
    fn too_many_groups_are_an_error_that_names_the_mend() {
        let entra = claims(json!({
            "_claim_names": { "groups": "src1" },
            "_claim_sources": { "src1": { "endpoint": "https://graph.example/x" } },
        }));

        assert_eq!(entra.groups("groups"), Err(ClaimError::Overage));
        assert!(
            ClaimError::Overage
                .to_string()
                .contains("assigned to the application")
        );
    }

    #[test]
    fn oid_15_an_address_is_never_who_someone_is() {
        let person = claims(json!({
            "sub": "u1", "email": "victim@corp.example", "email_verified": "false",
            "preferred_username": "victim", "oid": 7,
        }));

        assert_eq!(person.subject("sub"), Ok("u1"));
        assert_eq!(person.subject("oid"), Err(ClaimError::Form("subject")));
        assert_eq!(person.subject("tid"), Err(ClaimError::Missing("subject")));
    }

    #[test]
    fn an_access_token_of_another_sign_in_is_refused() {
        // OpenID Connect Core, appendix A.3: RS256, its access token and its at_hash.
        let person = claims(json!({ "at_hash": "77QmUPtjPfzWtF2AnpK9RQ" }));

        assert_eq!(
            person.vouches_for("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", Alg::RS256),
            Ok(())
        );
        assert!(
            person
                .vouches_for("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Z", Alg::RS256)
                .is_err()
        );
    }
}
