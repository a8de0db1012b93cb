//! What the vendor's API answers, read into evidence.
//!
//! The types have fields for what a predicate needs and for nothing else. What is personal is wiped
//! when dropped.

use bauta_token::units::UnixDay;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use super::Session;
use crate::{
    attest::{
        Truth,
        evidence::{Check, Evidence, Private, Status},
    },
    config::{Country, day},
};

/// An inquiry, without anything about a person.
pub(super) struct Inquiry {
    status: Status,
    reference: Zeroizing<String>,
    sandbox: bool,
    redacted: bool,
    pub(super) children: Vec<Parent>,
}

/// Where a child of an inquiry is.
pub(super) struct Parent {
    pub(super) collection: &'static str,
    pub(super) id: Session,
    kind: Kind,
}

/// What a child is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Document,
    Face,
    Watchlist,
    Other,
}

impl Inquiry {
    pub(super) fn read(body: &[u8], session: &Session) -> Result<Self, FormError> {
        let document: Document<RawInquiry> = serde_json::from_slice(body).map_err(|_| FormError)?;
        let data = document.data;
        if data.id != session.as_str() || data.kind != "inquiry" {
            return Err(FormError);
        }
        let attributes = data.attributes;
        let related = data.relationships.unwrap_or_default();
        let verifications = related.verifications.into_iter().flat_map(|many| many.data);
        let reports = related.reports.into_iter().flat_map(|many| many.data);
        let children = verifications
            .map(|one| ("verifications", one))
            .chain(reports.map(|one| ("reports", one)))
            .map(|(collection, one)| one.parent(collection))
            .collect::<Option<Vec<_>>>()
            .filter(|children| children.len() <= MOST_CHILDREN);
        Ok(Self {
            status: status(&attributes.status),
            reference: Zeroizing::new(attributes.reference_id.unwrap_or_default()),
            sandbox: attributes
                .environment
                .is_some_and(|side| side != "production"),
            redacted: attributes.redacted_at.is_some(),
            children: children.ok_or(FormError)?,
        })
    }

    pub(super) fn is_approved(&self) -> bool {
        self.status == Status::Approved
    }

    pub(super) const fn is_redacted(&self) -> bool {
        self.redacted
    }

    /// Evidence of the status alone. Children add to it.
    pub(super) fn evidence(&self, session: &Session) -> Result<Evidence, FormError> {
        if self.reference.is_empty() {
            return Err(FormError);
        }
        Ok(Evidence {
            session: Zeroizing::new(session.as_str().to_owned()),
            reference: self.reference.clone(),
            status: self.status,
            sandbox: self.sandbox,
            document: Truth::Undetermined,
            face: Truth::Undetermined,
            liveness: Truth::Undetermined,
            sanctions_clear: Truth::Undetermined,
            screened: false,
            birthdate: None,
            expires: None,
            nationality: None,
            checks: Vec::new(),
        })
    }
}

/// A verification or a report. What is personal in it is wiped when dropped.
pub(super) struct Child {
    kind: Kind,
    attributes: RawChild,
}

impl Child {
    pub(super) fn read(body: &[u8], parent: &Parent) -> Result<Self, FormError> {
        let document: Document<Object<RawChild>> =
            serde_json::from_slice(body).map_err(|_| FormError)?;
        // An object of another id would be another person's evidence.
        if document.data.id != parent.id.as_str() {
            return Err(FormError);
        }
        Ok(Self {
            kind: parent.kind,
            attributes: document.data.attributes,
        })
    }

    /// Adds what this child shows. Of several attempts the last one that passed counts; one that
    /// failed before it is what a person who slipped leaves behind.
    pub(super) fn add_to(mut self, evidence: &mut Evidence) {
        let passed = self.attributes.status == "passed";
        for check in &self.attributes.checks {
            evidence.checks.push(Check {
                name: check.name.clone(),
                result: check.status.clone(),
            });
        }
        match self.kind {
            Kind::Document if passed => {
                evidence.document = Truth::True;
                self.add_document(evidence);
            }
            Kind::Document => evidence.document = worse(evidence.document, &self.attributes.status),
            Kind::Face if passed => {
                let live = self.liveness();
                let again = evidence.face == Truth::True;
                evidence.face = Truth::True;
                evidence.liveness = if again {
                    evidence.liveness.and(live)
                } else {
                    live
                };
            }
            Kind::Face => evidence.face = worse(evidence.face, &self.attributes.status),
            Kind::Watchlist => {
                let ready = self.attributes.status == "ready";
                let hit = self.attributes.has_match.filter(|_| ready);
                let clear = hit.map_or(Truth::Undetermined, |hit| (!hit).into());
                // One report that is clear does not undo a hit of another, nor one still to come.
                evidence.sanctions_clear = if evidence.screened {
                    evidence.sanctions_clear.and(clear)
                } else {
                    clear
                };
                evidence.screened = true;
            }
            Kind::Other => {}
        }
    }

    fn add_document(&mut self, evidence: &mut Evidence) {
        let date = |text: &Option<String>| text.as_deref().and_then(day);
        let private = |day: UnixDay| Private(day);
        evidence.birthdate = date(&self.attributes.birthdate).map(private);
        evidence.expires = date(&self.attributes.expiration_date).map(private);
        // Issuing country, place of birth and a residence permit say nothing of citizenship.
        let citizen = self
            .attributes
            .id_class
            .as_deref()
            .is_some_and(|class| PASSPORTS.contains(&class));
        let code = self.attributes.nationality.as_deref().filter(|_| citizen);
        let code = code.and_then(Country::parse);
        evidence.nationality = code.map(|code| Zeroizing::new(code.as_str().to_owned()));
    }

    /// Whether every check of aliveness passed and the central one was made.
    fn liveness(&self) -> Truth {
        let named = |name: &str| {
            self.attributes
                .checks
                .iter()
                .find(|check| check.name == name)
        };
        match named("selfie_liveness_detection").map(|check| check.status.as_str()) {
            Some("passed") => Truth::True,
            Some("failed") => Truth::False,
            _ => Truth::Undetermined,
        }
    }

    /// Whether nothing personal is left in it, by its own fields and not by its word.
    pub(super) fn is_redacted(&self) -> bool {
        self.attributes.redacted_at.is_some()
            && self
                .attributes
                .rest
                .iter()
                .filter(|(name, _)| PERSONAL.iter().any(|start| name.starts_with(start)))
                .all(|(_, value)| is_blank(value))
            && self.attributes.birthdate.is_none()
            && self.attributes.nationality.is_none()
    }
}

/// What a document or face that did not pass leaves: a pass before it stands.
fn worse(before: Truth, status: &str) -> Truth {
    match (before, status) {
        (Truth::True, _) => Truth::True,
        (_, "failed" | "canceled" | "requires_retry") => Truth::False,
        (other, _) => other,
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.iter().all(is_blank),
        Value::Object(map) => map.values().all(is_blank),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The id of an inquiry that was made.
pub(super) fn created(body: &[u8]) -> Result<Session, FormError> {
    let document: Document<Object<Nothing>> =
        serde_json::from_slice(body).map_err(|_| FormError)?;
    Session::parse(&document.data.id).ok_or(FormError)
}

/// The link that opens it once.
pub(super) fn one_time_link(body: &[u8]) -> Result<Zeroizing<String>, FormError> {
    let document: WithMeta = serde_json::from_slice(body).map_err(|_| FormError)?;
    Ok(Zeroizing::new(document.meta.one_time_link))
}

fn status(text: &str) -> Status {
    match text {
        "created" | "pending" => Status::Open,
        "completed" => Status::Submitted,
        "needs_review" => Status::UnderReview,
        "approved" => Status::Approved,
        "declined" | "failed" => Status::Declined,
        "expired" => Status::Expired,
        _ => Status::Unknown,
    }
}

/// The answer is not of its form.
#[derive(Clone, Copy, Debug, Error)]
#[error("the answer is not of its form")]
pub(super) struct FormError;

#[derive(Deserialize)]
struct Document<T> {
    data: T,
}

#[derive(Deserialize)]
struct Object<T> {
    id: String,
    attributes: T,
}

#[derive(Deserialize)]
struct Nothing {}

#[derive(Deserialize)]
struct WithMeta {
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "one-time-link")]
    one_time_link: String,
}

#[derive(Deserialize)]
struct RawInquiry {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    attributes: InquiryAttributes,
    relationships: Option<Relationships>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct InquiryAttributes {
    status: String,
    reference_id: Option<String>,
    redacted_at: Option<String>,
    environment: Option<String>,
}

#[derive(Default, Deserialize)]
struct Relationships {
    verifications: Option<Many>,
    reports: Option<Many>,
}

#[derive(Deserialize)]
struct Many {
    #[serde(default)]
    data: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

impl One {
    fn parent(self, collection: &'static str) -> Option<Parent> {
        let kind = match self.kind.as_str() {
            "verification/government-id" => Kind::Document,
            "verification/selfie" => Kind::Face,
            "report/watchlist" => Kind::Watchlist,
            _ => Kind::Other,
        };
        Some(Parent {
            collection,
            id: Session::parse(&self.id)?,
            kind,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawChild {
    #[serde(default)]
    status: String,
    #[serde(default)]
    checks: Vec<RawCheck>,
    redacted_at: Option<String>,
    id_class: Option<String>,
    birthdate: Option<String>,
    expiration_date: Option<String>,
    nationality: Option<String>,
    has_match: Option<bool>,
    /// Looked at only to see whether it is empty.
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

impl Drop for RawChild {
    fn drop(&mut self) {
        self.birthdate.zeroize();
        self.expiration_date.zeroize();
        self.nationality.zeroize();
        for (_, value) in std::mem::take(&mut self.rest) {
            crate::login::wipe(value);
        }
    }
}

#[derive(Deserialize)]
struct RawCheck {
    name: String,
    status: String,
}

/// Passport and passport card.
const PASSPORTS: [&str; 2] = ["pp", "ppc"];

/// Beginnings of the names of fields that hold something of a person.
const PERSONAL: [&str; 18] = [
    "name-",
    "native-name",
    "address-",
    "birthplace",
    "sex",
    "height",
    "identification-number",
    "document-number",
    "issuing-",
    "issue-date",
    "front-photo",
    "back-photo",
    "photo-",
    "selfie-",
    "video-",
    "left-photo",
    "right-photo",
    "center-photo",
];

const MOST_CHILDREN: usize = 32;

#[cfg(test)]
mod tests;
