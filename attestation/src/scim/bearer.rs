//! The directory's bearer: made on the server, shown once, kept as a keyed hash.

use bauta_audit::store::StoreError;
use bauta_token::{
    secret::{Plain, Scim},
    units::UnixMillis,
};

use crate::{
    Plane,
    ports::directory::{BearerRow, Census, NewBearer},
};

/// A bearer that was made.
pub struct Bearer {
    /// What it is called by from now on.
    pub number: i64,
    /// The bearer itself, to be shown once.
    pub secret: Plain<Scim>,
    /// When it is good no more.
    pub expires_at: UnixMillis,
}

impl Plane {
    /// Makes a bearer that is good for `days`. `None` when [`MOST_BEARERS`] are in force: one to work
    /// with, one to follow it.
    ///
    /// # Errors
    ///
    /// When it is not known whether it was kept; nobody has it then.
    pub async fn make_bearer(&self, days: u32) -> Result<Option<Bearer>, StoreError> {
        let now = self.clock.now();
        let secret = Plain::<Scim>::generate(&*self.randomness);
        let expires_at = now.plus_seconds(i64::from(days).saturating_mul(86_400));
        let bearer = NewBearer {
            hash: secret.hash(self.keys.secrets()),
            now,
            expires_at,
            event: self.scribe(now).bearer_made(expires_at),
        };
        let kept = self.store.keep_bearer(&bearer, MOST_BEARERS).await?;
        Ok(kept.map(|number| Bearer {
            number,
            secret,
            expires_at,
        }))
    }

    /// Every bearer there is.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    pub async fn bearers(&self) -> Result<Vec<BearerRow>, StoreError> {
        self.store.bearers().await
    }

    /// Ends a bearer at once. `false` when there is none of this number.
    ///
    /// # Errors
    ///
    /// When it may still be good.
    pub async fn end_bearer(&self, number: i64) -> Result<bool, StoreError> {
        let event = self.scribe(self.clock.now()).bearer_ended(number);
        self.store.drop_bearer(number, &event).await
    }

    /// How far the directory's list and the sign-ins meet.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    pub async fn directory_census(&self) -> Result<Census, StoreError> {
        self.store.census().await
    }
}

/// How many bearers may be in force at once.
pub const MOST_BEARERS: u32 = 2;
