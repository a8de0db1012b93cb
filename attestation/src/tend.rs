//! What time brings: keys turn, attestations expire, evidence is redacted, things are forgotten.

use bauta_audit::store::StoreError;
use thiserror::Error;

use crate::{
    Plane, StartError,
    attest::{evidence::month_start, tag},
    http::chain,
    ports::people::Horizon,
    verify::VerifyError,
};

/// What one round did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Tended {
    /// Attestations that expired.
    pub expired: u64,
    /// Redactions that a vendor's answers confirmed.
    pub redacted: u32,
    /// Tags that a new pepper was put around.
    pub wrapped: u64,
    /// Rows that had had their time.
    pub forgotten: u64,
}

/// Why a round was not finished. The next one goes on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TendError {
    /// The signing keys could not be turned.
    #[error("the signing keys could not be turned")]
    Keys(#[from] StartError),
    /// A redaction could not be taken further.
    #[error("redactions could not be tended")]
    Redactions(#[from] VerifyError),
    /// Storage gave no answer.
    #[error("storage gave no answer to a round of tending")]
    Store(#[from] StoreError),
}

impl Plane {
    /// One round of what time brings. Safe to call at any time, from any replica.
    ///
    /// # Errors
    ///
    /// The first [`TendError`]; the steps after it were still tried.
    pub async fn tend(&self) -> Result<Tended, TendError> {
        let mut first = None;
        let mut keep = |error: TendError| {
            tracing::error!(error = chain(&error), "a step of tending failed");
            first.get_or_insert(error);
        };
        let mut tended = Tended::default();
        if let Err(error) = self.turn_keys().await {
            keep(error.into());
        }
        match self.expire_attestations().await {
            Ok(count) => tended.expired = count,
            Err(error) => keep(error.into()),
        }
        match self.tend_redactions().await {
            Ok(count) => tended.redacted = count,
            Err(error) => keep(error.into()),
        }
        match self.store.unredacted().await {
            Ok(held) => self.metrics.unredacted(held),
            Err(error) => keep(error.into()),
        }
        match self.wrap_tags().await {
            Ok(count) => tended.wrapped = count,
            Err(error) => keep(error.into()),
        }
        match self.forget().await {
            Ok(count) => tended.forgotten = count,
            Err(error) => keep(error.into()),
        }
        first.map_or(Ok(tended), Err)
    }

    async fn expire_attestations(&self) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let mut count = 0_u64;
        for (member, attestation) in self.store.expired(now.day(), AT_ONCE).await? {
            // First, and idempotent: a labelled token outlives the hour.
            self.end_grants(member, "attestation_expired").await?;
            let event = self
                .scribe(now)
                .attestation_ended(member, Some(attestation), "expired");
            if self.store.expire(attestation, &event).await? {
                count = count.saturating_add(1);
            }
        }
        Ok(count)
    }

    async fn wrap_tags(&self) -> Result<u64, StoreError> {
        let Some((newest, _)) = self.keys.peppers().next_back() else {
            return Ok(0);
        };
        let mut count = 0_u64;
        for old in self.store.stale_tags(newest, AT_ONCE).await? {
            if self
                .store
                .wrap_tag(&old, &tag::wrapped(&old, &self.keys))
                .await?
            {
                count = count.saturating_add(1);
            }
        }
        Ok(count)
    }

    async fn forget(&self) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let days = |days: i64| now.plus_seconds(days.saturating_mul(-86_400));
        let idle = self.settings.sso.session_idle.as_seconds().saturating_neg();
        self.store.scrub_erased().await?;
        self.store.tidy(now).await?;
        let office = self.store.forget_office(now, days(400)).await?;
        let names = !self.settings.scim.accept_email;
        let directory = self.store.forget_directory(names, now).await?;
        let rest = self
            .store
            .forget(&Horizon {
                now,
                // A day more than the longest retry span of any vendor.
                events: days(8),
                attestations: month_start(days(90).day()),
                verifications: days(400),
                idle: now.plus_seconds(idle),
                // Without officers nobody's word waits for a second one.
                vouchings: self.officer.as_ref().map_or(now, |config| {
                    now.plus_seconds(config.second_within.as_seconds().saturating_neg())
                }),
                misses: now.plus_seconds(-3_600),
            })
            .await?;
        Ok(rest.saturating_add(office).saturating_add(directory))
    }
}

const AT_ONCE: u32 = 200;

#[cfg(test)]
mod tests;
