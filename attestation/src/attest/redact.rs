//! Redaction at the vendor: asked for after the decision, confirmed by looking.

use bauta_token::units::UnixMillis;

use crate::{
    Plane,
    http::chain,
    ports::people::{RedactionRow, RedactionState, RedactionStep},
    verify::{Redaction, Vendor, VerifyError},
};

impl Plane {
    /// Takes every redaction that is due one step further. A vendor that does not answer is asked
    /// again later; it stops nothing else.
    pub(crate) async fn tend_redactions(&self) -> Result<u32, VerifyError> {
        let due = self.store.redactions_due(self.clock.now(), AT_ONCE).await?;
        let mut confirmed = 0_u32;
        for row in due {
            match self.redact_further(&row).await {
                Ok(Redaction::Done) => confirmed = confirmed.saturating_add(1),
                Ok(Redaction::Pending) => {}
                Err(VerifyError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(error = chain(&error), "a redaction did not get further");
                    self.look_again(&row).await?;
                }
            }
        }
        Ok(confirmed)
    }

    async fn redact_further(&self, row: &RedactionRow) -> Result<Redaction, VerifyError> {
        let vendor = self.vendor(&row.vendor).ok_or(VerifyError::NoVendor)?;
        let session = self.open_session(row.verification, &row.vendor_session)?;
        let found = match row.redaction {
            RedactionState::Due(_) => vendor.redact(&session).await?,
            _ => vendor.redaction_status(&session).await?,
        };
        self.note_redaction(vendor.as_ref(), row, found).await?;
        Ok(found)
    }

    async fn note_redaction(
        &self,
        vendor: &dyn Vendor,
        row: &RedactionRow,
        found: Redaction,
    ) -> Result<(), VerifyError> {
        let now = self.clock.now();
        let scribe = self.scribe(now);
        let (redaction, event) = match (row.redaction, found) {
            (_, Redaction::Done) => (
                RedactionState::Confirmed(now),
                row.member
                    .map(|member| scribe.redaction_confirmed(member, row.verification)),
            ),
            (RedactionState::Due(_), Redaction::Pending) => (
                RedactionState::Requested(now),
                row.member
                    .map(|member| scribe.redaction_requested(member, row.verification)),
            ),
            (asked, Redaction::Pending) => {
                let kind = vendor.terms().kind;
                warn_when_late(asked, now, kind);
                (asked, None)
            }
        };
        let step = RedactionStep {
            verification: row.verification,
            redaction,
            again_at: now.plus_seconds(PAUSE),
            event,
        };
        Ok(self.store.redaction_step(&step).await?)
    }

    async fn look_again(&self, row: &RedactionRow) -> Result<(), VerifyError> {
        let step = RedactionStep {
            verification: row.verification,
            redaction: row.redaction,
            again_at: self.clock.now().plus_seconds(PAUSE),
            event: None,
        };
        Ok(self.store.redaction_step(&step).await?)
    }
}

fn warn_when_late(asked: RedactionState, now: UnixMillis, vendor: &str) {
    let RedactionState::Requested(at) = asked else {
        return;
    };
    if now >= at.plus_seconds(LATE) {
        let days = now.0.saturating_sub(at.0) / 86_400_000;
        tracing::error!(
            vendor,
            days,
            "a vendor has not redacted evidence it was asked to"
        );
    }
}

/// One hour between two looks.
const PAUSE: i64 = 3_600;
/// Five days: somebody must ask the vendor.
pub(crate) const LATE: i64 = 5 * 86_400;
/// Each is a call or more: a tend must end.
const AT_ONCE: u32 = 20;
