//! A verification: a document or a face, and the checks made on it.

use super::Environment;
use super::evidence::Check;
use crate::clock::rfc3339;
use serde_json::{Map, Value, json};

/// What was verified.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    GovernmentId,
    Selfie,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GovernmentId => "verification/government-id",
            Self::Selfie => "verification/selfie",
        }
    }

    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::GovernmentId => "ver_g",
            Self::Selfie => "ver_s",
        }
    }

    /// The kind of a verification of ours, by its id.
    pub(super) fn of(id: &str) -> Self {
        if id.starts_with(Self::Selfie.prefix()) {
            Self::Selfie
        } else {
            Self::GovernmentId
        }
    }
}

/// One verification of one inquiry.
#[derive(Clone, Debug)]
pub(super) struct Verification {
    pub(super) id: String,
    pub(super) inquiry: String,
    pub(super) kind: Kind,
    pub(super) environment: Environment,
    pub(super) status: String,
    pub(super) checks: Vec<Check>,
    /// What it knows about a person.
    pub(super) attributes: Map<String, Value>,
    pub(super) created_ms: i64,
    pub(super) redacted_ms: Option<i64>,
    /// Its inquiry was deleted; how often it was read since.
    pub(super) doomed: bool,
    pub(super) reads: u32,
}

impl Verification {
    pub(super) fn new(id: String, inquiry: &str, kind: Kind, environment: Environment) -> Self {
        Self {
            id,
            inquiry: inquiry.to_owned(),
            kind,
            environment,
            status: "initiated".to_owned(),
            checks: Vec::new(),
            attributes: Map::new(),
            created_ms: 0,
            redacted_ms: None,
            doomed: false,
            reads: 0,
        }
    }

    /// Passed when no check failed.
    pub(super) fn outcome(&self) -> &'static str {
        if self.checks.iter().any(|check| check.status == "failed") {
            "failed"
        } else {
            "passed"
        }
    }

    /// Nulls everything about the person. Status and checks stay.
    pub(super) fn redact(&mut self, now_ms: i64) {
        self.redacted_ms.get_or_insert(now_ms);
        for value in self.attributes.values_mut() {
            *value = if value.is_array() {
                json!([])
            } else {
                Value::Null
            };
        }
    }

    /// The object as the API shows it.
    pub(super) fn document(&self) -> Value {
        let check = |check: &Check| json!({"name": check.name, "status": check.status, "reasons": check.reasons, "requirement": "required", "metadata": {}});
        let ended = ["passed", "failed"].contains(&self.status.as_str());
        let mut attributes = self.attributes.clone();
        attributes.extend([
            ("status".to_owned(), json!(self.status)),
            ("environment".to_owned(), json!(self.environment.name())),
            ("checks".to_owned(), self.checks.iter().map(check).collect()),
            ("created-at".to_owned(), json!(rfc3339(self.created_ms))),
            (
                "created-at-ts".to_owned(),
                json!(self.created_ms.div_euclid(1000)),
            ),
            ("submitted-at".to_owned(), json!(rfc3339(self.created_ms))),
            (
                "submitted-at-ts".to_owned(),
                json!(self.created_ms.div_euclid(1000)),
            ),
            (
                "completed-at".to_owned(),
                json!(ended.then(|| rfc3339(self.created_ms))),
            ),
            (
                "completed-at-ts".to_owned(),
                json!(ended.then(|| self.created_ms.div_euclid(1000))),
            ),
            (
                "redacted-at".to_owned(),
                json!(self.redacted_ms.map(rfc3339)),
            ),
        ]);
        json!({
            "type": self.kind.name(),
            "id": self.id,
            "attributes": attributes,
            "relationships": {"inquiry": {"data": {"type": "inquiry", "id": self.inquiry}}},
        })
    }
}
