//! What the identity plane publishes and the gateway obeys: keys, scopes and gates.
//!
//! A manifest is a public leaf of the identity log. The gateway takes it from nobody's word: what
//! travels is the leaf with the proof that the log has it, under a checkpoint that the log signed.
//! So no key can be shown to one gateway and hidden from the auditors.
//!
//! ```text
//! {"at":"2026-11-20T10:00:00.000Z","audience":"bauta",...}     the leaf, one line
//! c2sp.org/tlog-proof@v1                                       from here on as C2SP has it
//! index 41
//! gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=                 from the leaf up
//!                                                              an empty line
//! bauta.example/identity                                       the signed checkpoint
//! 42
//! sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=
//!
//! — bauta.example/identity hI2DJw...
//! ```

use std::collections::BTreeSet;

use bauta_audit::{
    canonical::{self, CanonicalError},
    note::{self, NoteError},
    proof::{ProofError, verify_inclusion},
    tree::{Hash, leaf_hash},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::{
    keys::IssuerKey,
    scope::{Gate, Name, Terms},
    units::UnixMillis,
};

mod proved;

/// The version of the form.
pub const VERSION: u32 = 1;

/// Everything that a gateway must know to judge a token.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`VERSION`]; another one is refused, since it may mean something else.
    pub v: u32,
    /// What tokens must have as `iss`.
    pub issuer: String,
    /// What tokens must have as `aud`.
    pub audience: String,
    /// The keys that sign tokens, each with its time.
    pub keys: Vec<IssuerKey>,
    /// What may be used, and how much of it.
    pub scopes: Vec<Terms>,
    /// What members have to satisfy, and from when on.
    pub gates: Vec<GateTerm>,
    /// When this was made. A manifest never follows a younger one.
    pub issued_at: UnixMillis,
}

/// A version of a policy and when it takes effect.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GateTerm {
    /// Policy and version.
    pub gate: Gate,
    /// From this instant the policy asks for this version, until a later one takes effect.
    pub effective_from: UnixMillis,
}

impl Manifest {
    /// The one text of this manifest: canonical JSON, the event of a public leaf.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] when no gateway would accept it: better not to publish it at all.
    pub fn leaf(&self) -> Result<String, ManifestError> {
        self.check()?;
        let mut event = serde_json::to_value(self).map_err(|_| ManifestError::Shape)?;
        let members = event.as_object_mut().ok_or(ManifestError::Shape)?;
        members.insert("type".to_owned(), TYPE.into());
        members.insert("at".to_owned(), self.issued_at.to_string().into());
        Ok(canonical::to_string(&event)?)
    }

    /// The manifest that this leaf says, without asking who says so.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] when it is not what [`Manifest::leaf`] writes, to the byte.
    pub fn read(leaf: &str) -> Result<Self, ManifestError> {
        let Value::Object(mut event) = canonical::parse(leaf)? else {
            return Err(ManifestError::Shape);
        };
        if event.remove("type").as_ref().and_then(Value::as_str) != Some(TYPE) {
            return Err(ManifestError::Type);
        }
        let version = event.get("v").and_then(Value::as_u64);
        if version != Some(VERSION.into()) {
            return Err(ManifestError::Version);
        }
        let at = event.remove("at").ok_or(ManifestError::Shape)?;
        let manifest: Self =
            serde_json::from_value(Value::Object(event)).map_err(|_| ManifestError::Shape)?;
        // One manifest, one text: `5` and `5.00` dollars would be two leaves that say the same.
        if at.as_str() != Some(&manifest.issued_at.to_string()) || manifest.leaf()? != leaf {
            return Err(ManifestError::Shape);
        }
        Ok(manifest)
    }

    /// Reads what [`prove`] packed, if `log` has it: the signature over the checkpoint, then the way
    /// from the leaf to its root, then the leaf.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] when any of it does not hold.
    pub fn accept(proved: &str, log: &note::Verifier) -> Result<Self, ManifestError> {
        let parts = proved::Parts::parse(proved).ok_or(ManifestError::Form)?;
        let checkpoint = log.checkpoint(parts.checkpoint)?;
        verify_inclusion(
            &leaf_hash(None, parts.leaf.as_bytes()),
            parts.index,
            checkpoint.size,
            &parts.proof,
            &checkpoint.root,
        )?;
        Self::read(parts.leaf)
    }

    /// Whether this one may take the place of `held`. A proof holds for ever, also for a manifest
    /// with a key that was given up since: who replays an old one is refused here.
    #[must_use]
    pub fn supersedes(&self, held: &Self) -> bool {
        self.issued_at > held.issued_at || self == held
    }

    /// The terms of this scope.
    #[must_use]
    pub fn terms(&self, scope: &Name) -> Option<&Terms> {
        self.scopes.iter().find(|terms| terms.name == *scope)
    }

    /// The version that a policy asks for at `now`: of those in effect, the one that took effect
    /// last. `None` when it asks for nothing yet, or is no policy of ours.
    #[must_use]
    pub fn gate(&self, policy: &Name, now: UnixMillis) -> Option<&Gate> {
        let in_effect = |term: &&GateTerm| term.effective_from <= now;
        self.gates
            .iter()
            .filter(|term| term.gate.policy() == policy)
            .filter(in_effect)
            .max_by_key(|term| term.effective_from)
            .map(|term| &term.gate)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let must = |holds: bool, fault| holds.then_some(()).ok_or(fault);
        must(self.v == VERSION, ManifestError::Version)?;
        must(is_identifier(&self.issuer), ManifestError::Party)?;
        must(is_identifier(&self.audience), ManifestError::Party)?;
        let counts = [
            (self.keys.len(), KEYS),
            (self.scopes.len(), SCOPES),
            (self.gates.len(), GATES),
        ];
        let few = |(count, most): (usize, usize)| count <= most;
        must(counts.into_iter().all(few), ManifestError::Many)?;
        must(self.keys.iter().all(is_key), ManifestError::Key)?;
        let few_models = |terms: &Terms| terms.models.len() <= MODELS;
        must(self.scopes.iter().all(few_models), ManifestError::Many)?;
        must(self.is_unique(), ManifestError::Twice)
    }

    fn is_unique(&self) -> bool {
        // Two versions of one policy from the same instant on: nobody could say which holds.
        let turn = |term: &GateTerm| (term.gate.policy().clone(), term.effective_from);
        unique(self.keys.iter().map(|key| key.kid))
            && unique(self.scopes.iter().map(|terms| &terms.name))
            && unique(self.gates.iter().map(|term| &term.gate))
            && unique(self.gates.iter().map(turn))
            && self.scopes.iter().all(|terms| unique(terms.models.iter()))
    }
}

/// Packs a leaf, its place and the proof with the signed checkpoint it leads to, for
/// [`Manifest::accept`]. Says nothing about whether any of it is true.
#[must_use]
pub fn prove(leaf: &str, index: u64, proof: &[Hash], checkpoint: &str) -> String {
    proved::pack(leaf, index, proof, checkpoint)
}

/// Why a manifest is refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not a leaf with its proof.
    #[error("not a manifest with its proof")]
    Form,
    /// The log did not sign the checkpoint.
    #[error("a manifest's checkpoint is refused")]
    Checkpoint(#[from] NoteError),
    /// The log does not have it there.
    #[error("a manifest is not in the log at its place")]
    Inclusion(#[from] ProofError),
    /// Not in the one spelling.
    #[error("a manifest is not canonical JSON")]
    Canonical(#[from] CanonicalError),
    /// A leaf, but not a manifest.
    #[error("a leaf of another type")]
    Type,
    /// Of another version.
    #[error("a manifest of another version than {VERSION}")]
    Version,
    /// A member is missing, unknown, or not of its form.
    #[error("a manifest is not of its form")]
    Shape,
    /// The issuer or the audience is empty, too long or not visible ASCII.
    #[error("an issuer or audience in a manifest is not 1 to 512 visible ASCII characters")]
    Party,
    /// A key is not the one its id names, or its time ends before it begins.
    #[error("a key in a manifest is not the one it says")]
    Key,
    /// More keys, scopes, models or gates than are taken.
    #[error("a manifest lists more than is taken")]
    Many,
    /// A name stands twice.
    #[error("a manifest lists something twice")]
    Twice,
}

fn is_identifier(text: &str) -> bool {
    (1..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_key(key: &IssuerKey) -> bool {
    key.public().is_some() && key.not_before < key.not_after
}

fn unique<T: Ord>(mut all: impl Iterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    all.all(|one| seen.insert(one))
}

const TYPE: &str = "manifest";

/// A key a month, for tools whose tokens live for years.
const KEYS: usize = 256;
const SCOPES: usize = 256;
const MODELS: usize = 256;
const GATES: usize = 256;

#[cfg(test)]
mod tests;
