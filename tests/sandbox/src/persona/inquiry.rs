//! An inquiry and its life.

use super::evidence::{Decision, Evidence};
use super::verification::{Kind, Verification};
use super::{Book, Environment, Office};
use crate::canary::Canary;
use crate::clock::rfc3339;
use serde_json::{Map, Value, json};

/// One attempt of one person.
#[derive(Clone, Debug)]
pub(super) struct Inquiry {
    pub(super) id: String,
    pub(super) order: usize,
    pub(super) environment: Environment,
    pub(super) template: (&'static str, String),
    pub(super) reference: Option<String>,
    pub(super) account: Option<String>,
    pub(super) redirect_uri: Option<String>,
    pub(super) status: String,
    pub(super) fields: Map<String, Value>,
    pub(super) verifications: Vec<String>,
    pub(super) sessions: u32,
    pub(super) link_s: i64,
    pub(super) start_s: Option<i64>,
    pub(super) resume_s: i64,
    pub(super) created_ms: i64,
    pub(super) expires_ms: i64,
    pub(super) started_ms: Option<i64>,
    pub(super) completed_ms: Option<i64>,
    pub(super) failed_ms: Option<i64>,
    pub(super) expired_ms: Option<i64>,
    pub(super) marked_ms: Option<i64>,
    pub(super) decisioned_ms: Option<i64>,
    pub(super) redacted_ms: Option<i64>,
}

impl Inquiry {
    /// Whether the person can still do something.
    pub(super) fn open(&self) -> bool {
        ["created", "pending"].contains(&self.status.as_str())
    }

    /// The object as the API shows it.
    pub(super) fn document(&self) -> Value {
        let at = |ms: Option<i64>| ms.map(rfc3339);
        let related = |kind: &str, id: &Option<String>| json!({"data": id.as_ref().map(|id| json!({"type": kind, "id": id}))});
        let (template, id) = &self.template;
        let named = |kind: &str| json!({"data": (*template == kind).then(|| json!({"type": kind, "id": id}))});
        let verifications: Vec<Value> = self
            .verifications
            .iter()
            .map(|id| json!({"type": Kind::of(id).name(), "id": id}))
            .collect();
        json!({
            "type": "inquiry",
            "id": self.id,
            "attributes": {
                "status": self.status,
                "environment": self.environment.name(),
                "reference-id": self.reference,
                "note": null,
                "behaviors": self.behaviors(),
                "tags": [],
                "creator": "API",
                "reviewer-comment": null,
                "created-at": rfc3339(self.created_ms),
                "updated-at": rfc3339(self.created_ms),
                "started-at": at(self.started_ms),
                "completed-at": at(self.completed_ms),
                "failed-at": at(self.failed_ms),
                "expired-at": at(self.expired_ms),
                "expires-at": rfc3339(self.expires_ms),
                "marked-for-review-at": at(self.marked_ms),
                "decisioned-at": at(self.decisioned_ms),
                "redacted-at": at(self.redacted_ms),
                "fields": self.fields,
            },
            "relationships": {
                "account": related("account", &self.account),
                "template": named("template"),
                "inquiry-template": named("inquiry-template"),
                "inquiry-template-version": named("inquiry-template-version"),
                "reports": {"data": []},
                "documents": {"data": []},
                "selfies": {"data": []},
                "sessions": {"data": []},
                "verifications": {"data": verifications},
            },
        })
    }

    /// Behavioural signals: nobody who only wants to know the outcome has a use for them.
    fn behaviors(&self) -> Value {
        if self.completed_ms.is_none() || self.redacted_ms.is_some() {
            return json!({});
        }
        json!({
            "api-version-less-than-minimum-count": 0,
            "autofill-starts": 1,
            "behavior-threat-level": "low",
            "bot-score": 3,
            "completion-time": 61.177,
            "hesitation-count": 2,
            "hesitation-percentage": 11.87,
            "shortcut-copies": 0,
            "shortcut-pastes": 1,
        })
    }
}

impl Office {
    /// Lets inquiries whose time is up expire.
    pub(super) fn expire_due(&self) {
        let now_ms = self.clock.now_ms();
        let mut book = self.lock();
        let due: Vec<String> = book
            .inquiries
            .values()
            .filter(|inquiry| inquiry.open() && inquiry.expires_ms <= now_ms)
            .map(|inquiry| inquiry.id.clone())
            .collect();
        for id in due {
            self.turn(&mut book, &id, "expired", "inquiry.expired");
        }
    }

    /// The person opened the page.
    pub(super) fn start(&self, book: &mut Book, id: &str) -> Option<String> {
        let now_ms = self.clock.now_ms();
        let inquiry = book
            .inquiries
            .get_mut(id)
            .filter(|inquiry| inquiry.status == "created")?;
        if let Some(start_s) = inquiry.start_s {
            inquiry.expires_ms = now_ms.saturating_add(start_s.saturating_mul(1000));
        }
        Some(self.turn(book, id, "pending", "inquiry.started"))
    }

    /// Sets a status, with its time, and tells of it.
    pub(super) fn turn(&self, book: &mut Book, id: &str, status: &str, event: &str) -> String {
        let now_ms = self.clock.now_ms();
        if let Some(inquiry) = book.inquiries.get_mut(id) {
            status.clone_into(&mut inquiry.status);
            let stamp = match status {
                "pending" => Some(&mut inquiry.started_ms),
                "completed" => Some(&mut inquiry.completed_ms),
                "failed" => Some(&mut inquiry.failed_ms),
                "expired" => Some(&mut inquiry.expired_ms),
                "needs_review" => Some(&mut inquiry.marked_ms),
                "approved" | "declined" => Some(&mut inquiry.decisioned_ms),
                _ => None,
            };
            if let Some(stamp) = stamp {
                *stamp = Some(now_ms);
            }
        }
        self.tell_inquiry(book, id, event)
    }

    /// Takes an inquiry to an end. Gives the ids of the events, oldest first.
    pub(super) fn decide(
        &self,
        id: &str,
        decision: Decision,
        evidence: Option<Evidence>,
    ) -> Option<Vec<String>> {
        let mut book = self.lock();
        let book = &mut *book;
        book.inquiries.get(id)?;
        let before = book.events.len();
        if decision == Decision::Expire {
            self.turn(book, id, "expired", "inquiry.expired");
            return Some(told(book, before));
        }
        self.start(book, id);
        if decision == Decision::Fail {
            self.turn(book, id, "failed", "inquiry.failed");
            return Some(told(book, before));
        }
        let evidence = evidence.or_else(|| book.evidence.clone());
        let mut evidence = evidence.unwrap_or_else(|| Evidence::adult(self.clock.now_ms()));
        let done = book
            .inquiries
            .get(id)
            .is_some_and(|inquiry| inquiry.completed_ms.is_some());
        if !done {
            if decision == Decision::Decline
                && let Some(check) = evidence.document.first_mut()
            {
                *check = super::Check::failed(&check.name, "id_fraudulent");
            }
            self.complete(book, id, &evidence);
        }
        match decision {
            Decision::Approve => self.turn(book, id, "approved", "inquiry.approved"),
            Decision::Decline => self.turn(book, id, "declined", "inquiry.declined"),
            Decision::NeedsReview => {
                self.turn(book, id, "needs_review", "inquiry.marked-for-review")
            }
            Decision::Status(status) => self.turn(book, id, &status, "inquiry.transitioned"),
            Decision::Complete | Decision::Fail | Decision::Expire => String::new(),
        };
        Some(told(book, before))
    }

    /// The person showed document and face.
    fn complete(&self, book: &mut Book, id: &str, evidence: &Evidence) {
        let number = evidence.document_number.clone().unwrap_or_else(|| {
            self.seed
                .name("CNRX")
                .to_uppercase()
                .chars()
                .take(14)
                .collect()
        });
        for kind in [Kind::GovernmentId, Kind::Selfie] {
            self.examine(book, id, kind, evidence, &number);
        }
        if let Some(inquiry) = book.inquiries.get_mut(id) {
            inquiry.fields.extend(evidence.fields(&number));
        }
        let birthdate = evidence.birthdate.clone();
        book.planted
            .extend(birthdate.map(|date| Canary::new("birthdate", date)));
        self.turn(book, id, "completed", "inquiry.completed");
    }

    /// Makes one verification, with the events in the documented order.
    pub(super) fn examine(
        &self,
        book: &mut Book,
        id: &str,
        kind: Kind,
        evidence: &Evidence,
        number: &str,
    ) {
        let (attributes, canaries) = match kind {
            Kind::GovernmentId => evidence.government_id(number, &format!("{}/files", self.url)),
            Kind::Selfie => Evidence::face(number, &format!("{}/files", self.url)),
        };
        book.planted.extend(canaries);
        let checks = match kind {
            Kind::GovernmentId => &evidence.document,
            Kind::Selfie => &evidence.selfie,
        };
        let Some(environment) = book.inquiries.get(id).map(|inquiry| inquiry.environment) else {
            return;
        };
        let mut verification =
            Verification::new(self.seed.name(kind.prefix()), id, kind, environment);
        verification.attributes = attributes;
        verification.checks.clone_from(checks);
        verification.created_ms = self.clock.now_ms();
        let (child, outcome) = (verification.id.clone(), verification.outcome());
        if let Some(inquiry) = book.inquiries.get_mut(id) {
            inquiry.verifications.push(child.clone());
        }
        book.verifications.insert(child.clone(), verification);
        if kind == Kind::GovernmentId {
            let document = json!({"type": "document/government-id", "id": self.seed.name("doc_"), "attributes": {"status": "submitted"}});
            for event in [
                "document.created",
                "document.submitted",
                "document.processed",
            ] {
                self.tell(book, event, document.clone(), environment);
            }
        }
        for status in ["created", "submitted", outcome] {
            if let Some(verification) = book.verifications.get_mut(&child) {
                let shown = if status == "created" {
                    "initiated"
                } else {
                    status
                };
                shown.clone_into(&mut verification.status);
            }
            let shown = book
                .verifications
                .get(&child)
                .map(Verification::document)
                .unwrap_or_default();
            self.tell(book, &format!("verification.{status}"), shown, environment);
        }
    }

    /// Removes what an inquiry knows about a person; its verifications follow later.
    pub(super) fn redact_inquiry(&self, book: &mut Book, id: &str) {
        let now_ms = self.clock.now_ms();
        let Some(inquiry) = book.inquiries.get_mut(id) else {
            return;
        };
        inquiry.redacted_ms.get_or_insert(now_ms);
        for field in inquiry.fields.values_mut() {
            if let Some(field) = field.as_object_mut() {
                field.insert("value".to_owned(), Value::Null);
            }
        }
        for child in inquiry.verifications.clone() {
            if let Some(child) = book.verifications.get_mut(&child) {
                child.doomed = true;
            }
        }
        self.tell_when_redacted(book, id);
    }

    /// `inquiry.redacted` comes only after all related objects are redacted.
    pub(super) fn tell_when_redacted(&self, book: &mut Book, id: &str) {
        let Some(inquiry) = book
            .inquiries
            .get(id)
            .filter(|inquiry| inquiry.redacted_ms.is_some())
        else {
            return;
        };
        let mut children = inquiry
            .verifications
            .iter()
            .filter_map(|id| book.verifications.get(id));
        let all = children.all(|child| child.redacted_ms.is_some());
        let told = book
            .events
            .iter()
            .any(|event| event.name == "inquiry.redacted" && event.is_about(id));
        if all && !told {
            self.tell_inquiry(book, id, "inquiry.redacted");
        }
    }

    pub(super) fn settle(&self) {
        let mut book = self.lock();
        let book = &mut *book;
        let doomed: Vec<String> = book
            .verifications
            .values()
            .filter(|child| child.doomed)
            .map(|child| child.id.clone())
            .collect();
        for id in doomed {
            self.redact_verification(book, &id);
        }
    }

    /// Removes what a verification knows about a person.
    pub(super) fn redact_verification(&self, book: &mut Book, id: &str) {
        let Some(child) = book.verifications.get_mut(id) else {
            return;
        };
        child.redact(self.clock.now_ms());
        let parent = child.inquiry.clone();
        self.tell_when_redacted(book, &parent);
    }
}

fn told(book: &Book, before: usize) -> Vec<String> {
    book.events
        .iter()
        .skip(before)
        .map(|event| event.id.clone())
        .collect()
}
