//! What a token says of itself before any of it is believed.

use serde::Deserialize;

use super::{FOREIGN_LENGTH, FOREIGN_LIMITS, JwsError, foreign::Audience, parts::Parts, strict};

/// Who a token claims to be from and for. It says by whose keys the token is to be verified, and is
/// good for nothing else: whoever wrote the token chose it.
pub struct Hint {
    issuer: String,
    audience: Audience,
}

impl Hint {
    /// Reads the payload of `token`, within the limits that [`super::verify_foreign`] has.
    ///
    /// # Errors
    ///
    /// [`JwsError`] when no verification could succeed either.
    pub fn read(token: &str) -> Result<Self, JwsError> {
        #[derive(Deserialize)]
        struct Addressed {
            iss: String,
            aud: Audience,
        }
        let parts = Parts::split(token, FOREIGN_LENGTH)?;
        strict::names(&parts.payload, FOREIGN_LIMITS).map_err(JwsError::Payload)?;
        let said: Addressed =
            serde_json::from_slice(&parts.payload).map_err(|_| JwsError::Claim("registered"))?;
        Ok(Self {
            issuer: said.iss,
            audience: said.aud,
        })
    }

    /// The issuer it claims.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether it claims to be for `audience`, perhaps among others.
    #[must_use]
    pub fn is_for(&self, audience: &str) -> bool {
        self.audience.names(audience)
    }
}
