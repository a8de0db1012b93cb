//! C2SP tiles: the hashes of a tree in immutable pieces of 256, for readers that cache
//! (<https://c2sp.org/tlog-tiles>).
//!
//! Hash tiles only. The entries behind the leaves are mostly salted and sealed; they are opened
//! in exports.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::{
    note::decimal,
    store::{LogStore, StoreError},
    tree::NodeId,
};

/// Up to 256 hashes of one level. Prints and parses as its path: `tile/<level>/<n>[.p/<width>]`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Tile {
    level: u8,
    index: u64,
    width: u16,
}

impl Tile {
    /// The tile of a log of `size` leaves at `level` and `index`, as wide as it can be. `None`
    /// when the log has no hash in it.
    #[must_use]
    pub fn of_log(level: u8, index: u64, size: u64) -> Option<Self> {
        let first = index.checked_mul(u64::from(FULL))?;
        let width = hashes(level, size)?
            .checked_sub(first)?
            .min(u64::from(FULL));
        let width = u16::try_from(width).ok().filter(|width| *width > 0)?;
        Some(Self {
            level,
            index,
            width,
        })
    }

    /// True when the tile is in a log of `size` leaves, whole or as the part that was known once.
    #[must_use]
    pub fn is_in(&self, size: u64) -> bool {
        Self::of_log(self.level, self.index, size).is_some_and(|whole| self.width <= whole.width)
    }

    /// True when it has all of its 256 hashes, and so will never be replaced by a wider one.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.width == FULL
    }

    /// The complete subtrees whose hashes it holds, in order.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        let level = self.level.saturating_mul(HEIGHT);
        let first = self.index.saturating_mul(u64::from(FULL));
        (0..u64::from(self.width)).map(move |at| NodeId {
            level,
            index: first.saturating_add(at),
        })
    }

    /// The bytes of the tile: its hashes one after the other. `None` when the log has it not.
    ///
    /// # Errors
    ///
    /// When `store` does not answer.
    pub async fn contents(&self, store: &dyn LogStore) -> Result<Option<Vec<u8>>, StoreError> {
        if !self.is_in(store.head().await?.size) {
            return Ok(None);
        }
        let ids: Vec<_> = self.nodes().collect();
        let hashes = store.nodes(&ids).await?;
        Ok(Some(hashes.iter().flat_map(|hash| hash.0).collect()))
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.index.to_string();
        let digits = format!(
            "{digits:0>width$}",
            width = digits.len().next_multiple_of(3)
        );
        write!(f, "tile/{}/", self.level)?;
        for (at, digit) in digits.char_indices() {
            if at % 3 == 0 && at > 0 {
                f.write_str("/")?;
            }
            if at % 3 == 0 && digits.len().saturating_sub(at) > 3 {
                f.write_str("x")?;
            }
            write!(f, "{digit}")?;
        }
        if self.is_full() {
            return Ok(());
        }
        write!(f, ".p/{}", self.width)
    }
}

impl FromStr for Tile {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        let rest = path.strip_prefix("tile/").ok_or(TileError)?;
        let (level, rest) = rest.split_once('/').ok_or(TileError)?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, decimal(width).ok_or(TileError)?),
            None => (rest, u64::from(FULL)),
        };
        let digits: String = index.chars().filter(char::is_ascii_digit).collect();
        let tile = Self {
            level: decimal(level)
                .and_then(|level| u8::try_from(level).ok())
                .filter(|level| *level < LEVELS)
                .ok_or(TileError)?,
            index: digits.parse().map_err(|_| TileError)?,
            width: u16::try_from(width)
                .ok()
                .filter(|width| (1..=FULL).contains(width))
                .ok_or(TileError)?,
        };
        // One path per tile: whatever else was in the text, it would have been printed.
        if tile.to_string() != path {
            return Err(TileError);
        }
        Ok(tile)
    }
}

/// Why a path is not that of a [`Tile`].
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not the path of a tile")]
pub struct TileError;

/// How many hashes a log of `size` leaves has at a level of tiles.
fn hashes(level: u8, size: u64) -> Option<u64> {
    (level < LEVELS).then(|| size >> level.saturating_mul(HEIGHT))
}

/// How many levels of the tree one tile spans.
const HEIGHT: u8 = 8;
/// How many hashes a full tile has.
const FULL: u16 = 256;
/// 64 bits of index, eight to a tile.
const LEVELS: u8 = 8;

#[cfg(test)]
mod tests;
