//! What a token of an identity provider must say.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

use super::{Alg, JwsError, LAST_SECOND, LEEWAY_SECONDS, parts::present, strict::Names};

/// What is asked of a token that somebody else signed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ForeignRule {
    /// What it is for.
    pub purpose: Purpose,
    /// The issuer, byte for byte: a slash more is another issuer.
    pub issuer: String,
    /// Our name with that issuer.
    pub client_id: String,
    /// With which algorithms it may be signed.
    pub algs: Vec<Alg>,
    /// How long ago it may have been made, in seconds.
    pub max_age_seconds: Option<i64>,
    /// The longest life we believe, in seconds.
    pub max_life_seconds: i64,
}

impl ForeignRule {
    /// The rule for this purpose, with its limits.
    #[must_use]
    pub fn new(
        purpose: Purpose,
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        algs: impl Into<Vec<Alg>>,
    ) -> Self {
        Self {
            purpose,
            issuer: issuer.into(),
            client_id: client_id.into(),
            algs: algs.into(),
            max_age_seconds: purpose.max_age_seconds(),
            max_life_seconds: MAX_LIFE_SECONDS,
        }
    }

    /// Issuer, audience and dates of a payload whose signature holds.
    pub(super) fn check(&self, payload: &[u8], now: i64) -> Result<(), JwsError> {
        let registered: Registered =
            serde_json::from_slice(payload).map_err(|_| JwsError::Claim("registered"))?;
        let claim = |holds: bool, name| holds.then_some(()).ok_or(JwsError::Claim(name));
        claim(registered.iss == self.issuer, "iss")?;
        claim(registered.aud.names(&self.client_id), "aud")?;
        claim(registered.for_us(&self.client_id), "azp")?;
        let (Date(iat), Date(exp)) = (registered.iat, registered.exp);
        let soon = now.saturating_add(LEEWAY_SECONDS);
        let lately = now.saturating_sub(LEEWAY_SECONDS);
        claim(iat <= soon, "iat")?;
        claim(registered.nbf.is_none_or(|Date(nbf)| nbf <= soon), "nbf")?;
        claim(exp > lately, "exp")?;
        let life = exp.saturating_sub(iat);
        claim(life > 0 && life <= self.max_life_seconds, "exp")?;
        let age = lately.saturating_sub(iat);
        claim(self.max_age_seconds.is_none_or(|max| age <= max), "iat")
    }
}

/// What a token is for. One for another purpose is refused, even if every signature holds.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Purpose {
    /// A sign-in (OpenID Connect Core).
    IdToken,
    /// The end of one (OpenID Connect Back-Channel Logout).
    Logout,
    /// A job that proves where it runs, to be exchanged (RFC 8693).
    Workload,
}

impl Purpose {
    /// Whether a header may say this.
    pub(super) fn takes(self, typ: Option<&str>) -> bool {
        match (self, typ) {
            (Self::Logout, typ) => typ.is_some_and(|typ| typ.eq_ignore_ascii_case("logout+jwt")),
            (Self::IdToken | Self::Workload, None) => true,
            (Self::IdToken | Self::Workload, Some(typ)) => typ.eq_ignore_ascii_case("jwt"),
        }
    }

    /// What each purpose has and the others must not have, so that no token serves two.
    pub(super) fn check_names(self, names: &Names) -> Result<(), JwsError> {
        let (required, refused): (&[&'static str], &[&'static str]) = match self {
            Self::IdToken => (&["sub"], &["events"]),
            Self::Logout => (&["events", "jti"], &["nonce"]),
            Self::Workload => (&["sub"], &["events", "nonce"]),
        };
        if let Some(name) = required.iter().find(|name| !names.contains(**name)) {
            return Err(JwsError::Claim(name));
        }
        if let Some(name) = refused.iter().find(|name| names.contains(**name)) {
            return Err(JwsError::Claim(name));
        }
        let someone = names.contains("sub") || names.contains("sid");
        someone.then_some(()).ok_or(JwsError::Claim("sub"))
    }

    /// Entra dates a token five minutes back. A job may use the token it was given at its start.
    const fn max_age_seconds(self) -> Option<i64> {
        match self {
            Self::IdToken | Self::Logout => Some(600),
            Self::Workload => None,
        }
    }
}

/// The claims that are checked here, whatever else the caller reads.
#[derive(Deserialize)]
struct Registered {
    iss: String,
    aud: Audience,
    #[serde(default, deserialize_with = "present")]
    azp: Option<String>,
    exp: Date,
    iat: Date,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<Date>,
}

impl Registered {
    /// OpenID Connect Core, section 3.1.3.7: with more than one audience the authorized party
    /// says for whom it was made, and where it is said it must be us.
    fn for_us(&self, client: &str) -> bool {
        match (&self.aud, &self.azp) {
            (_, Some(azp)) => azp == client,
            (Audience::One(_), None) => true,
            (Audience::Many(all), None) => all.len() == 1,
        }
    }
}

/// For whom a token is: one, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    pub(super) fn names(&self, client: &str) -> bool {
        match self {
            Self::One(aud) => aud == client,
            Self::Many(all) => all.iter().any(|aud| aud == client),
        }
    }
}

/// Seconds since 1970 as others write them, perhaps with a fraction, which is dropped.
#[derive(Clone, Copy)]
struct Date(i64);

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(DateVisitor)
    }
}

struct DateVisitor;

impl Visitor<'_> for DateVisitor {
    type Value = Date;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seconds since 1970")
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Date, E> {
        if (0..=LAST_SECOND).contains(&seconds) {
            Ok(Date(seconds))
        } else {
            Err(E::custom("a date out of range"))
        }
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Date, E> {
        self.visit_i64(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Date, E> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates, and what is out of range is refused next"
        )]
        let whole = seconds as i64;
        self.visit_i64(whole)
    }
}

/// A week: some jobs run for days, no sign-in proves more.
const MAX_LIFE_SECONDS: i64 = 7 * 86_400;
