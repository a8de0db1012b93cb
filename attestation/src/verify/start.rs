//! How a member begins: what is offered, and the way to the vendor.

use bauta_token::ambient::bytes;
use url::Url;
use zeroize::Zeroizing;

use super::{Created, VendorError, VerifyError};
use crate::{
    Plane,
    ports::{
        MemberId, VerificationId,
        people::{Begun, NewVerification},
    },
    qualify::policy::hex,
};

/// A vendor that a member may choose, for the page that offers it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Offer {
    /// Its kind: the form field `vendor`.
    pub vendor: &'static str,
    /// The version of the notice that must be shown: the form field `notice_version`.
    pub notice_version: String,
    /// Seconds after the decision at which evidence is redacted.
    pub redact_after_seconds: i64,
    /// Whether it really looks.
    pub environment: crate::config::VendorEnvironment,
}

impl Plane {
    /// The vendors a member may choose.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        let offer = |vendor: &std::sync::Arc<dyn super::Vendor>| {
            let terms = vendor.terms();
            Offer {
                vendor: terms.kind,
                notice_version: terms.notice_version.clone(),
                redact_after_seconds: terms.redact_after.as_seconds(),
                environment: terms.environment,
            }
        };
        self.vendors.iter().map(offer).collect()
    }

    /// Begins a verification of `member` and gives the link to the vendor: good once, for whoever
    /// has it.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] when the member has not agreed to the notice, had too many attempts, or the
    /// vendor does not answer.
    pub async fn start_verification(
        &self,
        member: MemberId,
        vendor: &str,
        agreed: &str,
    ) -> Result<Zeroizing<String>, VerifyError> {
        let vendor = self.vendor(vendor).ok_or(VerifyError::NoVendor)?;
        let terms = vendor.terms();
        if agreed != terms.notice_version {
            return Err(VerifyError::NoConsent);
        }
        // Random for each attempt: the vendor cannot join two, and learns nothing of ours.
        let reference = format!("r_{}", hex(&bytes::<16>(&*self.randomness)));
        let Created { session, link } = vendor.create(&reference, &self.way_back()?).await?;
        let now = self.clock.now();
        let id = VerificationId::random(&*self.randomness);
        let attempt = NewVerification {
            verification: id,
            member,
            vendor: terms.kind.to_owned(),
            lookup: self.vendor_lookup(terms.kind, &session),
            reference: self.reference_lookup(terms.kind, &reference),
            vendor_session: self.seal_session(id, &session)?,
            notice_version: terms.notice_version.clone(),
            now,
            redact_at: now.plus_seconds(ABANDONED),
            event: self.scribe(now).verification_started(
                member,
                id,
                terms.kind,
                &terms.notice_version,
            ),
        };
        let since = now.plus_seconds(-86_400);
        match self
            .store
            .begin_verification(&attempt, terms.attempts_per_day, since)
            .await?
        {
            Begun::Begun => Ok(link),
            Begun::TooMany => Err(VerifyError::TooMany),
        }
    }

    fn way_back(&self) -> Result<Url, VerifyError> {
        let place = format!("{}/verify/return", self.origin());
        Url::parse(&place).map_err(|_| VendorError::Form.into())
    }
}

/// Thirty days: what a member left unfinished is redacted as well.
const ABANDONED: i64 = 30 * 86_400;
