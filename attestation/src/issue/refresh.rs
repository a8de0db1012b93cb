//! Refresh tokens: each is used once and leads to one successor.

use bauta_token::secret::{Plain, RefreshToken};

use crate::Plane;

impl Plane {
    /// What takes the place of `old`. Derived, so that a retry whose first answer was lost gets the
    /// same one, although only hashes are kept.
    pub(crate) fn successor(&self, old: &Plain<RefreshToken>) -> Plain<RefreshToken> {
        let key = self.keys.mac("refresh-successor/v1");
        Plain::from_bits(&key.tag("bauta/refresh-successor/v1", &[old.reveal().as_bytes()]))
    }

    /// How long after its use a refresh token may come back as a retry; never more than ten
    /// seconds, whatever is configured.
    pub(crate) fn refresh_grace_millis(&self) -> i64 {
        let seconds = self.settings.oauth.refresh_grace.as_seconds();
        seconds.clamp(0, MOST_GRACE).saturating_mul(1_000)
    }
}

const MOST_GRACE: i64 = 10;
