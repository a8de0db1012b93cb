//! The plane's keys: what each is for, and how the ones that sign tokens take turns.
//!
//! Two keys live outside the database. The **pepper** makes tags worthless to whoever steals it;
//! the **KEK** is the root of everything else here: sealed cells, keyed hashes, the log's signer,
//! the attestation signer. Token-signing keys are random, sealed in the database, and replaced
//! every thirty days, so that no key outlives what it was trusted for.

use std::sync::Arc;

use bauta_audit::note::Signer;
use bauta_token::{
    ambient::{Randomness, bytes},
    keys::{IssuerKey, SigningKey},
    secret::{Kek, MacKey, Place, Root, WeakKey},
    units::UnixMillis,
};
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

use crate::ports::{Lookup, people::SigningKeyRow};

/// The two secrets that an operator keeps.
pub struct KeyMaterial {
    /// Every pepper that tags may be under, oldest first; the last one is used for new tags.
    pub peppers: Vec<Zeroizing<[u8; 32]>>,
    /// The key-encryption key.
    pub kek: Zeroizing<[u8; 32]>,
}

/// Everything derived from [`KeyMaterial`].
pub struct Keys {
    root: Root,
    kek: Kek,
    names: Kek,
    peppers: Vec<MacKey>,
    secrets: MacKey,
    lookups: MacKey,
    login: MacKey,
    attestation: SigningKey,
    log_seed: Zeroizing<[u8; 32]>,
    fingerprints: Vec<(String, Lookup)>,
}

impl Keys {
    /// Derives all keys. The material is wiped.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when a key is weak, missing or used twice.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what was derived from is wiped here, not kept by a caller"
    )]
    pub fn new(material: KeyMaterial) -> Result<Self, KeyError> {
        let root = Root::new(&*material.kek).map_err(KeyError::Kek)?;
        let mut peppers = Vec::with_capacity(material.peppers.len());
        let mut fingerprints = vec![(
            "kek".to_owned(),
            Lookup(root.mac("check/v1").tag("kek", &[])),
        )];
        for (place, bytes) in material.peppers.iter().enumerate() {
            if **bytes == *material.kek || material.peppers.iter().take(place).any(|p| p == bytes) {
                return Err(KeyError::Twice);
            }
            let pepper = Root::new(&**bytes).map_err(KeyError::Pepper)?;
            let check = Lookup(pepper.mac("check/v1").tag("pepper", &[]));
            fingerprints.push((format!("pepper-{}", place.saturating_add(1)), check));
            peppers.push(pepper.mac("tag/v1"));
        }
        if peppers.is_empty() {
            return Err(KeyError::NoPepper);
        }
        Ok(Self {
            kek: Kek::new(1, &root.derive("cells/v1")).ok_or(KeyError::Refused)?,
            names: Kek::new(1, &root.derive("directory-names/v1")).ok_or(KeyError::Refused)?,
            secrets: root.mac("secrets/v1"),
            lookups: root.mac("lookups/v1"),
            login: root.mac("login/v1"),
            attestation: SigningKey::from_seed(&root.derive("attestation-signer/v1"))
                .ok_or(KeyError::Refused)?,
            log_seed: root.derive("identity-log-signer/v1"),
            peppers,
            fingerprints,
            root,
        })
    }

    /// Seals cells.
    pub(crate) const fn kek(&self) -> &Kek {
        &self.kek
    }

    /// Seals the names that a directory insists on, and nothing else.
    pub(crate) const fn names(&self) -> &Kek {
        &self.names
    }

    /// Hashes opaque secrets: refresh tokens, device codes, cookies.
    pub(crate) const fn secrets(&self) -> &MacKey {
        &self.secrets
    }

    /// Derives what ties a sign-in to its browser.
    pub(crate) const fn login(&self) -> &MacKey {
        &self.login
    }

    /// A key of one more purpose; labels are part of the format.
    pub(crate) fn mac(&self, label: &str) -> MacKey {
        self.root.mac(label)
    }

    /// The value that rows about `parts` are found by.
    pub(crate) fn lookup(&self, domain: &str, parts: &[&[u8]]) -> Lookup {
        Lookup(self.lookups.tag(domain, parts))
    }

    /// Peppers with their numbers, oldest first. Numbers begin at 1.
    pub(crate) fn peppers(&self) -> impl DoubleEndedIterator<Item = (i64, &MacKey)> {
        (1_i64..).zip(&self.peppers).collect::<Vec<_>>().into_iter()
    }

    /// Signs attestations.
    pub(crate) const fn attestation(&self) -> &SigningKey {
        &self.attestation
    }

    /// The half of it that verifies.
    #[must_use]
    pub const fn attestation_public(&self) -> &[u8; 32] {
        self.attestation.public()
    }

    /// Signs checkpoints of the identity log, and pages of the feed. The log is named after the host
    /// that people know.
    #[must_use]
    pub fn log_signer(&self, public_url: &Url) -> Option<Signer> {
        let host = public_url.host_str().unwrap_or("bauta");
        Signer::new(&format!("{host}/identity"), &self.log_seed)
    }

    /// What the database remembers of each key, so that a wrong file is found at start and not
    /// when nobody can sign in any more.
    pub(crate) fn fingerprints(&self) -> &[(String, Lookup)] {
        &self.fingerprints
    }
}

/// Why the keys cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The KEK is no key.
    #[error("the kek cannot be used")]
    Kek(#[source] WeakKey),
    /// A pepper is no key.
    #[error("a pepper cannot be used")]
    Pepper(#[source] WeakKey),
    /// There is none.
    #[error("there is no pepper")]
    NoPepper,
    /// Two purposes share a key.
    #[error("the same key is given twice; pepper and kek must differ")]
    Twice,
    /// It opens nothing that is stored.
    #[error("{0} is not the key this database was written with")]
    Foreign(String),
    /// The cryptography refuses it.
    #[error("a key was refused")]
    Refused,
}

/// The keys that sign tokens, each with its window.
#[derive(Default)]
pub struct KeyRing(Vec<TokenKey>);

struct TokenKey {
    key: Arc<SigningKey>,
    not_before: UnixMillis,
    signs_until: UnixMillis,
    not_after: UnixMillis,
}

impl KeyRing {
    /// Opens the rows. One that does not open is left out: others may still sign.
    ///
    /// # Errors
    ///
    /// [`KeyError::Foreign`] when there are rows and none opens.
    pub(crate) fn open(rows: &[SigningKeyRow], kek: &Kek) -> Result<Self, KeyError> {
        let keys: Vec<_> = rows.iter().filter_map(|row| unseal(row, kek)).collect();
        if keys.is_empty() && !rows.is_empty() {
            return Err(KeyError::Foreign("kek".to_owned()));
        }
        Ok(Self(keys))
    }

    /// The key that signs at `now`: of those whose window is open, the newest.
    pub(crate) fn current(&self, now: UnixMillis) -> Option<Arc<SigningKey>> {
        self.0
            .iter()
            .filter(|key| key.not_before <= now && now < key.signs_until)
            .max_by_key(|key| key.not_before)
            .map(|key| Arc::clone(&key.key))
    }

    /// Every key that verifies something at `now` or will.
    pub(crate) fn published(&self, now: UnixMillis) -> Vec<IssuerKey> {
        self.0
            .iter()
            .filter(|key| now < key.not_after)
            .map(|key| IssuerKey::new(key.key.public(), key.not_before, key.not_after))
            .collect()
    }

    /// When a further key must begin: `None` while the newest one signs for long enough.
    pub(crate) fn next_begins(&self, now: UnixMillis) -> Option<UnixMillis> {
        let last = self.0.iter().map(|key| key.signs_until).max();
        match last {
            None => Some(now),
            Some(until) if until <= now => Some(now),
            // Published before it signs, so that every verifier has it in time.
            Some(until) if until <= enough_until(now) => {
                Some(now.plus_seconds(PUBLISH_AHEAD / 2).min(until))
            }
            Some(_) => None,
        }
    }
}

/// A key that signs past this needs no successor yet.
pub(crate) const fn enough_until(now: UnixMillis) -> UnixMillis {
    now.plus_seconds(PUBLISH_AHEAD)
}

/// A fresh key that signs from `from` on, sealed. `longest` is the longest life of a token.
pub(crate) fn fresh(
    from: UnixMillis,
    longest_seconds: i64,
    kek: &Kek,
    randomness: &dyn Randomness,
) -> Result<SigningKeyRow, KeyError> {
    let seed = Zeroizing::new(bytes::<32>(randomness));
    let key = SigningKey::from_seed(&seed).ok_or(KeyError::Refused)?;
    let kid = *key.id().as_bytes();
    let signs_until = from.plus_seconds(SIGNS_FOR);
    Ok(SigningKeyRow {
        sealed: kek
            .seal(&place(&kid), &*seed, randomness)
            .map_err(|_| KeyError::Refused)?,
        kid,
        not_before: from,
        signs_until,
        not_after: signs_until.plus_seconds(longest_seconds.saturating_add(SLACK)),
    })
}

fn unseal(row: &SigningKeyRow, kek: &Kek) -> Option<TokenKey> {
    let opened = kek.open(&place(&row.kid), &row.sealed).ok()?;
    let seed = Zeroizing::new(<[u8; 32]>::try_from(opened.as_slice()).ok()?);
    let key = SigningKey::from_seed(&seed)?;
    (*key.id().as_bytes() == row.kid).then(|| TokenKey {
        key: Arc::new(key),
        not_before: row.not_before,
        signs_until: row.signs_until,
        not_after: row.not_after,
    })
}

const fn place(kid: &[u8; 32]) -> Place<'_> {
    Place {
        table: "signing_key",
        row: kid,
        column: "sealed",
    }
}

/// Thirty days.
const SIGNS_FOR: i64 = 30 * 86_400;
/// Two days.
const PUBLISH_AHEAD: i64 = 2 * 86_400;
/// What a verifier's clock may be off.
const SLACK: i64 = 60;

#[cfg(test)]
mod tests;
