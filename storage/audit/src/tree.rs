//! RFC 6962 Merkle trees over SHA-256.

use std::{fmt, str::FromStr};

use ring::digest::{Context, SHA256, digest};
use thiserror::Error;

/// The hash of a leaf: `SHA-256(0x00 || salt || event)`.
///
/// An event about a member, a grant or a request is salted, so that its hash tells nothing once
/// the salt is gone. A public event is not, so that anyone can compute the hash. One leaf cannot
/// be opened both ways: a salt followed by a JSON object is never itself a JSON object.
#[must_use]
pub fn leaf_hash(salt: Option<&[u8; 32]>, event: &[u8]) -> Hash {
    match salt {
        Some(salt) => sha256(&[&[0x00], salt, event]),
        None => sha256(&[&[0x00], event]),
    }
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[0x01], &left.0, &right.0])
}

/// The root over no leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// 32 bytes of SHA-256. Prints and parses as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 64 {
            return Err(HashError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = pair.iter().try_fold(0_u8, |high, digit| {
                let low = match digit {
                    b'0'..=b'9' => digit.wrapping_sub(b'0'),
                    b'a'..=b'f' => digit.wrapping_sub(b'a').wrapping_add(10),
                    _ => return Err(HashError),
                };
                Ok(high << 4 | low)
            })?;
        }
        Ok(Self(bytes))
    }
}

/// Why a text is not a [`struct@Hash`].
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("a hash is 64 lower-case hexadecimal digits")]
pub struct HashError;

/// A complete subtree: `2^level` leaves from `index * 2^level` on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeId {
    /// 0 for leaves.
    pub level: u8,
    /// Its place in its level, from 0.
    pub index: u64,
}

/// The right edge of a tree: the roots of its maximal complete subtrees, largest first.
///
/// All that is needed to append, and to know the root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The edge of the tree without leaves.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            size: 0,
            peaks: Vec::new(),
        }
    }

    /// The edge of a tree of `size` leaves whose [`Self::peak_ids`] have the hashes `peaks`.
    /// `None` when their number cannot be right.
    #[must_use]
    pub fn new(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        let expected = usize::try_from(size.count_ones()).ok()?;
        (peaks.len() == expected).then_some(Self { size, peaks })
    }

    /// The maximal complete subtrees of a tree of `size` leaves, largest first.
    #[must_use]
    pub fn peak_ids(size: u64) -> Vec<NodeId> {
        complete_subtrees(0, size)
    }

    /// How many leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold(&self.peaks).unwrap_or_else(empty_root)
    }

    /// Adds a leaf. Gives every complete subtree that this completes, the leaf first.
    ///
    /// A tree of `u64::MAX` leaves is full and takes no more: it gives nothing.
    pub fn append(&mut self, leaf: Hash) -> Vec<(NodeId, Hash)> {
        let index = self.size;
        let Some(size) = index.checked_add(1) else {
            return Vec::new();
        };
        let mut grown = vec![(NodeId { level: 0, index }, leaf)];
        let mut hash = leaf;
        for level in 1..=u8::try_from(index.trailing_ones()).unwrap_or(64) {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            let index = index >> level;
            grown.push((NodeId { level, index }, hash));
        }
        self.peaks.push(hash);
        self.size = size;
        grown
    }
}

/// The complete subtrees that make up the leaves `from..to`, left to right. `from` must be a
/// place where a subtree of that width starts, as every split of RFC 6962 is.
pub(crate) fn complete_subtrees(from: u64, to: u64) -> Vec<NodeId> {
    let width = to.saturating_sub(from);
    let mut start = from;
    let mut ids = Vec::new();
    for level in (0..64_u8).rev().filter(|level| width >> level & 1 == 1) {
        ids.push(NodeId {
            level,
            index: start >> level,
        });
        start = start.saturating_add(1 << level);
    }
    ids
}

/// The root over subtrees of falling size, left to right. `None` over none.
pub(crate) fn fold(subtrees: &[Hash]) -> Option<Hash> {
    subtrees
        .iter()
        .rev()
        .copied()
        .reduce(|right, left| node_hash(&left, &right))
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = Hash([0; 32]);
    hash.0.copy_from_slice(context.finish().as_ref());
    hash
}

/// SHA-256 of `bytes`.
pub(crate) fn plain_hash(bytes: &[u8]) -> Hash {
    let mut hash = Hash([0; 32]);
    hash.0.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests;
