//! The one-time check: a vendor, or two officers, look at a person once.
//!
//! A webhook is a hint and the redirect back is not even that: before anything is granted the
//! vendor is asked. Events are taken once, in the vendor's own order. What the vendor knows of the
//! person passes through memory as evidence and ends in [`crate::attest`].

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    Router,
    http::HeaderMap,
    routing::{get, post},
};
use bauta_audit::store::StoreError;
use bauta_token::{secret::Place, units::UnixMillis};
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

use crate::{
    Plane,
    attest::{
        AttestError, Record,
        evidence::{Evidence, Status},
    },
    config::{Environment, Span, VendorEnvironment},
    fetch::FetchError,
    http::guard,
    ports::{
        Lookup, MemberId, VerificationId,
        people::{Decided, Decision, NewAttestation, VerificationRow, VerificationState},
    },
};

pub mod officer;
pub(crate) mod persona;
mod routes;
mod start;
pub(crate) mod webhook;

pub use start::Offer;
use webhook::WebhookError;

/// The routes of the one-time check.
pub(crate) fn routes(plane: &Arc<Plane>) -> Router<Arc<Plane>> {
    let by_cookie = Router::new().route("/verify/start", post(routes::start));
    // The way back from the vendor is a navigation from its site; it reads nothing and does nothing.
    let open = Router::new()
        .route("/verify/return", get(routes::back))
        .route("/hooks/persona", post(routes::persona));
    guard(by_cookie, plane).merge(open)
}

/// Somebody who checks, once, that a person is one.
#[async_trait]
pub(crate) trait Vendor: Send + Sync {
    /// What the configuration says of it.
    fn terms(&self) -> &Terms;

    /// Opens a session for one attempt and gives the link to it.
    async fn create(&self, reference: &str, back: &Url) -> Result<Created, VendorError>;

    /// Checks signature, time and form of a webhook. No personal data leaves this function.
    fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: UnixMillis,
    ) -> Result<Hint, WebhookError>;

    /// What the vendor knows now.
    async fn fetch(&self, session: &Session) -> Result<Evidence, VendorError>;

    /// Asks the vendor to forget. May be asked again.
    async fn redact(&self, session: &Session) -> Result<Redaction, VendorError>;

    /// Whether the vendor has forgotten: asked of it, not believed from an event.
    async fn redaction_status(&self, session: &Session) -> Result<Redaction, VendorError>;

    /// Whether the vendor answers and takes our key, asked in a way that tells it of nobody. `None`
    /// where there is no such way.
    async fn reachable(&self) -> Option<Result<(), VendorError>> {
        None
    }
}

/// What the configuration says of a vendor.
pub(crate) struct Terms {
    pub(crate) kind: &'static str,
    pub(crate) method: &'static str,
    pub(crate) environment: VendorEnvironment,
    pub(crate) notice_version: String,
    pub(crate) redact_after: Span,
    pub(crate) valid_for: Span,
    pub(crate) attempts_per_day: u32,
}

/// The vendor's name for an attempt. Whoever has it and the vendor's key reads a passport: no
/// `Debug`, no `Clone`, sealed at rest, wiped when dropped.
pub(crate) struct Session(Zeroizing<String>);

impl Session {
    /// `None` for what no vendor would write: it becomes part of a path.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fits = (1..=128).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        fits.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A session at a vendor. The link is good for whoever has it: sent once, never logged.
pub(crate) struct Created {
    pub(crate) session: Session,
    pub(crate) link: Zeroizing<String>,
}

/// What a webhook says: that something happened to a session.
pub(crate) struct Hint {
    pub(crate) event: String,
    pub(crate) at: UnixMillis,
    pub(crate) news: News,
}

/// Whether a hint is worth asking the vendor.
pub(crate) enum News {
    /// The session may have moved on.
    Moved(Session),
    /// Something that leads to nothing here.
    Nothing,
    /// An event that no documentation mentions.
    Unknown,
}

/// Whether a vendor has forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Redaction {
    Pending,
    Done,
}

/// Why a vendor gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VendorError {
    /// It was not reached, or refused.
    #[error("the verification vendor did not answer")]
    Fetch(#[from] FetchError),
    /// Its answer is not of its form.
    #[error("the verification vendor's answer is not of its form")]
    Form,
    /// Its link goes somewhere else.
    #[error("the verification vendor's link does not lead to the vendor")]
    Link,
}

/// Why a verification did not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// There is no such vendor.
    #[error("there is no such verifier")]
    NoVendor,
    /// The member has not agreed to the notice.
    #[error("the member has not agreed to the privacy notice")]
    NoConsent,
    /// The member had too many attempts.
    #[error("the member began too many verifications in a day")]
    TooMany,
    /// The vendor gave no answer.
    #[error("the verification vendor cannot be used")]
    Vendor(#[from] VendorError),
    /// No attestation could be made.
    #[error("no attestation could be made")]
    Attest(#[from] AttestError),
    /// A cell did not open or close.
    #[error("a vendor session could not be sealed or opened")]
    Cell(#[from] bauta_token::secret::CellError),
    /// It changed under our hands, again and again.
    #[error("a verification kept changing")]
    Raced,
    /// Storage gave no answer.
    #[error("storage gave no answer to a verification")]
    Store(#[from] StoreError),
}

/// What became of a hint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Taken {
    /// It had its effect, now or before, or has none.
    Done,
    /// It is about nobody of ours.
    Unknown,
}

impl Plane {
    /// The vendor of this kind.
    pub(crate) fn vendor(&self, kind: &str) -> Option<&Arc<dyn Vendor>> {
        self.vendors
            .iter()
            .find(|vendor| vendor.terms().kind == kind)
    }

    /// Takes a hint whose signature was checked: asks the vendor, decides, writes.
    pub(crate) async fn take_hint(
        &self,
        vendor: &dyn Vendor,
        hint: &Hint,
    ) -> Result<Taken, VerifyError> {
        let kind = vendor.terms().kind;
        let session = match &hint.news {
            News::Moved(session) => session,
            News::Nothing => return Ok(Taken::Done),
            News::Unknown => {
                let event = self
                    .scribe(self.clock.now())
                    .webhook_ignored(kind, "unknown_event");
                self.store.note(&[event]).await?;
                return Ok(Taken::Done);
            }
        };
        let seen = self
            .keys
            .lookup("vendor-event/v1", &[kind.as_bytes(), hint.event.as_bytes()]);
        for _ in 0..RACES {
            let found = self
                .store
                .verification(self.vendor_lookup(kind, session))
                .await?;
            let Some(row) = found else {
                return Ok(Taken::Unknown);
            };
            if self.store.event_seen(seen).await? {
                // The vendor repeats what it got no answer to: the grants may not have ended then.
                if row.state == VerificationState::Declined {
                    self.end_unattested(row.member).await?;
                }
                return Ok(Taken::Done);
            }
            let evidence = vendor.fetch(session).await?;
            if self.reference_lookup(kind, &evidence.reference) != row.reference {
                let event = self
                    .scribe(self.clock.now())
                    .webhook_ignored(kind, "foreign_session");
                self.store.note(&[event]).await?;
                return Ok(Taken::Unknown);
            }
            match self
                .decide(vendor.terms(), &row, &evidence, hint.at, seen)
                .await?
            {
                Decided::Raced => {}
                Decided::Gone => return Ok(Taken::Unknown),
                Decided::Written | Decided::Duplicate | Decided::Late => return Ok(Taken::Done),
            }
        }
        Err(VerifyError::Raced)
    }

    /// Decides on `evidence` as of the vendor's time `at`, and writes it down.
    async fn decide(
        &self,
        terms: &Terms,
        row: &VerificationRow,
        evidence: &Evidence,
        at: UnixMillis,
        seen: Lookup,
    ) -> Result<Decided, VerifyError> {
        let now = self.clock.now();
        let scribe = self.scribe(now);
        let (state, outcome, attested) = self.judge(terms, row, evidence, now)?;
        let mut events =
            vec![scribe.verification_decided(row.member, row.verification, terms.kind, outcome)];
        let taken_back = row.state == VerificationState::Approved
            && state == VerificationState::Declined
            && at >= row.last_event;
        if taken_back {
            events.push(scribe.attestation_ended(row.member, row.attestation, "revoked"));
        }
        let grant = attested.map(|attested| {
            events.extend(attested.events);
            attested.grant
        });
        let ended = matches!(
            state,
            VerificationState::Approved | VerificationState::Declined | VerificationState::Expired
        );
        let decision = Decision {
            verification: row.verification,
            from: row.state,
            seen,
            at,
            now,
            state,
            redact_at: ended.then(|| now.plus_seconds(terms.redact_after.as_seconds())),
            grant,
            events,
        };
        let loses = match &decision.grant {
            Some(grant) => self.loses_a_gate(row.member, grant, now).await?,
            None => false,
        };
        if loses {
            // First as well, and idempotent: a crash after the decision leaves nothing that was open.
            self.end_grants(row.member, GATE_LOST).await?;
        }
        let decided = self.store.decide(&decision).await?;
        if decided == Decided::Written {
            self.metrics.verified(outcome);
            // Second: from here on nothing is issued on the attestation, so that none slips in.
            if taken_back {
                self.end_grants(row.member, REVOKED).await?;
            } else if loses {
                self.end_grants(row.member, GATE_LOST).await?;
            }
        }
        Ok(decided)
    }

    /// Whether `grant` leaves shut what the attestation that counts now opens. Tokens say which gates
    /// they open, so those that were issued on the old one have to end.
    async fn loses_a_gate(
        &self,
        member: MemberId,
        grant: &NewAttestation,
        now: UnixMillis,
    ) -> Result<bool, VerifyError> {
        let Some(row) = self.store.standing(member).await? else {
            return Ok(false);
        };
        let Ok((_, old)) = self.attested(&row, now) else {
            return Ok(false);
        };
        let new = Record::open(&grant.row, self.keys.attestation_public())?;
        let opened = self.gates(&new, now);
        Ok(self
            .gates(&old, now)
            .iter()
            .any(|gate| !opened.contains(gate)))
    }

    /// Ends the grants of a member that nothing is attested of, any more.
    async fn end_unattested(&self, member: MemberId) -> Result<(), StoreError> {
        let standing = self.store.standing(member).await?;
        if standing.is_some_and(|row| row.attestation.is_none()) {
            self.end_grants(member, REVOKED).await?;
        }
        Ok(())
    }

    /// The state that evidence leads to, a word for the log, and what is attested, if anything.
    fn judge(
        &self,
        terms: &Terms,
        row: &VerificationRow,
        evidence: &Evidence,
        now: UnixMillis,
    ) -> Result<
        (
            VerificationState,
            &'static str,
            Option<crate::attest::Attested>,
        ),
        VerifyError,
    > {
        use VerificationState as To;
        Ok(match evidence.status {
            Status::Approved if self.is_worthless(terms, evidence) => {
                (To::Declined, "sandbox", None)
            }
            Status::Approved if row.state == To::Approved => (To::Approved, "approved", None),
            Status::Approved => match self.attest(terms, row, evidence, now)? {
                Ok(attested) => (To::Approved, "approved", Some(attested)),
                Err(why) => (To::Declined, why, None),
            },
            Status::Declined => (To::Declined, "declined", None),
            Status::Expired => (To::Expired, "expired", None),
            Status::UnderReview => (To::UnderReview, "under_review", None),
            Status::Submitted => (To::Submitted, "submitted", None),
            // Not verified, and not decided: it stays where it is.
            Status::Open | Status::Unknown => (row.state, "undecided", None),
        })
    }

    /// Whether nothing was checked and that does not do here.
    fn is_worthless(&self, terms: &Terms, evidence: &Evidence) -> bool {
        let real = terms.environment == VendorEnvironment::Production && !evidence.sandbox;
        self.settings.environment == Environment::Production && !real
    }

    pub(crate) fn vendor_lookup(&self, kind: &str, session: &Session) -> Lookup {
        let parts = [kind.as_bytes(), session.as_str().as_bytes()];
        self.keys.lookup("vendor-session/v1", &parts)
    }

    pub(crate) fn reference_lookup(&self, kind: &str, reference: &str) -> Lookup {
        let parts = [kind.as_bytes(), reference.as_bytes()];
        self.keys.lookup("vendor-reference/v1", &parts)
    }

    pub(crate) fn seal_session(
        &self,
        id: VerificationId,
        session: &Session,
    ) -> Result<Vec<u8>, VerifyError> {
        let place = cell(&id);
        let plain = session.as_str().as_bytes();
        Ok(self.keys.kek().seal(&place, plain, &*self.randomness)?)
    }

    pub(crate) fn open_session(
        &self,
        id: VerificationId,
        sealed: &[u8],
    ) -> Result<Session, VerifyError> {
        let plain = self.keys.kek().open(&cell(&id), sealed)?;
        let text = std::str::from_utf8(&plain).ok().and_then(Session::parse);
        text.ok_or(VerifyError::Vendor(VendorError::Form))
    }
}

/// The attempt owns the cell, also after its row is gone with an erased member.
const fn cell(id: &VerificationId) -> Place<'_> {
    Place {
        table: "verification",
        row: id.as_bytes(),
        column: "vendor_session",
    }
}

/// Why grants ended, as the log says it.
const REVOKED: &str = "verification_revoked";
const GATE_LOST: &str = "gate_lost";
/// A webhook and its repetition may collide; more than that do not.
const RACES: u8 = 4;

#[cfg(test)]
pub(crate) mod tests;
