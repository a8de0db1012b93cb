//! One encrypted value in one cell of a table.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use thiserror::Error;
use zeroize::Zeroizing;

use super::key::length;
use crate::ambient::{Randomness, bytes};

/// A key that encrypts cells, with its version: AES-256-GCM under a fresh random nonce.
///
/// Good for 2^32 cells; past that two nonces could meet. A new version begins the count anew.
pub struct Kek {
    version: u8,
    key: LessSafeKey,
}

impl Kek {
    /// The key with this version. `None` only when ring refuses it, which for 32 bytes it never does.
    #[must_use]
    pub fn new(version: u8, key: &[u8; 32]) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
        Some(Self { version, key })
    }

    /// Its version, as the first byte of a cell says it.
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.version
    }

    /// The version that sealed `cell`; `None` when it is too short to be one.
    #[must_use]
    pub fn version_of(cell: &[u8]) -> Option<u8> {
        (cell.len() >= OVERHEAD).then(|| cell.first().copied())?
    }

    /// Hides `plain` so that it opens at `place` only: version, nonce, ciphertext and tag. The
    /// length of `plain` shows; pad what must not tell it.
    ///
    /// # Errors
    ///
    /// [`CellError::Refused`] past 64 GiB, which AES-GCM cannot take.
    pub fn seal(
        &self,
        place: &Place<'_>,
        plain: &[u8],
        randomness: &dyn Randomness,
    ) -> Result<Vec<u8>, CellError> {
        let nonce: [u8; NONCE_LEN] = bytes(randomness);
        // One buffer, encrypted in place: no copy of the plain text stays behind.
        let mut hidden =
            Zeroizing::new(Vec::with_capacity(plain.len().saturating_add(MAX_TAG_LEN)));
        hidden.extend_from_slice(plain);
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.bound(self.version)),
                &mut *hidden,
            )
            .map_err(|_| CellError::Refused)?;
        let mut cell = Vec::with_capacity(hidden.len().saturating_add(HEAD));
        cell.push(self.version);
        cell.extend_from_slice(&nonce);
        cell.extend_from_slice(&hidden);
        Ok(cell)
    }

    /// What [`Kek::seal`] hid at this place.
    ///
    /// # Errors
    ///
    /// [`CellError::Version`] when another key sealed it; [`CellError::Refused`] when it was
    /// changed, cut, or moved here from another cell.
    pub fn open(&self, place: &Place<'_>, cell: &[u8]) -> Result<Zeroizing<Vec<u8>>, CellError> {
        let (version, rest) = cell.split_first().ok_or(CellError::Refused)?;
        if *version != self.version {
            return Err(CellError::Version(*version));
        }
        let (nonce, hidden) = rest
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(CellError::Refused)?;
        let mut buffer = Zeroizing::new(hidden.to_vec());
        let plain = self
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place.bound(self.version)),
                &mut buffer,
            )
            .map_err(|_| CellError::Refused)?
            .len();
        buffer.truncate(plain);
        Ok(buffer)
    }
}

/// Where a cell stands. Sealed with the value, so that nobody with write access to the database
/// can show one member the value of another.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The table.
    pub table: &'static str,
    /// The primary key of the row.
    pub row: &'a [u8],
    /// The column.
    pub column: &'static str,
}

impl Place<'_> {
    fn bound(&self, version: u8) -> Vec<u8> {
        let parts = [self.table.as_bytes(), self.row, self.column.as_bytes()];
        let mut out = b"bauta/cell/v1".to_vec();
        out.push(version);
        for part in parts {
            out.extend_from_slice(&length(part));
            out.extend_from_slice(part);
        }
        out
    }
}

/// Why a cell does not open or close.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum CellError {
    /// Sealed under another version of the key.
    #[error("a cell was sealed under version {0} of the key")]
    Version(u8),
    /// Changed, cut, moved from another cell, or too long.
    #[error("a cell does not open at its place")]
    Refused,
}

/// Version and nonce.
const HEAD: usize = 1 + NONCE_LEN;
/// What a cell is longer than its value.
const OVERHEAD: usize = HEAD + MAX_TAG_LEN;

#[cfg(test)]
mod tests;
