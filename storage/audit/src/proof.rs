//! RFC 9162 proofs: that a leaf is in a tree, and that a tree only grew.
//!
//! A prover holds the hashes of complete subtrees and nothing else. A [`Plan`] says which of them
//! a proof is made of; a verifier needs only the proof.

use thiserror::Error;

use crate::{
    store::{LogStore, StoreError},
    tree::{Hash, NodeId, complete_subtrees, empty_root, fold, node_hash},
};

/// Checks that `leaf` is at `index` of the tree of `size` leaves under `root`
/// (RFC 9162, section 2.1.3.2).
///
/// # Errors
///
/// [`ProofError`] when the proof leads anywhere else.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError);
    }
    let mut at = Edge::new(index, size);
    let mut hash = *leaf;
    for sibling in proof {
        hash = if at.climb()? {
            node_hash(sibling, &hash)
        } else {
            node_hash(&hash, sibling)
        };
    }
    at.finish(hash == *root)
}

/// Checks that the tree of `old_size` leaves under `old_root` is a prefix of the tree of
/// `new_size` leaves under `new_root` (RFC 9162, section 2.1.4.2).
///
/// The empty tree is a prefix of every tree, by the empty proof.
///
/// # Errors
///
/// [`ProofError`] when it is not, or the proof does not say so.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size == 0 || old_size == new_size {
        let expected = if old_size == 0 {
            empty_root()
        } else {
            *new_root
        };
        let same = *old_root == expected && (new_size > 0 || *new_root == expected);
        return (same && proof.is_empty()).then_some(()).ok_or(ProofError);
    }
    if old_size > new_size {
        return Err(ProofError);
    }
    let mut at = Edge::new(old_size.saturating_sub(1), new_size);
    at.skip_right_turns();
    let (base, path) = if old_size.is_power_of_two() {
        (*old_root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(ProofError)?;
        (*first, rest)
    };
    let (mut old, mut new) = (base, base);
    for sibling in path {
        if at.climb()? {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
        } else {
            new = node_hash(&new, sibling);
        }
    }
    at.finish(old == *old_root && new == *new_root)
}

/// What a proof is made of: for each of its hashes, the complete subtrees that it covers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    parts: Vec<Vec<NodeId>>,
}

impl Plan {
    /// The proof that leaf `index` is in the tree of `size` leaves. `None` when it is not.
    #[must_use]
    pub fn inclusion(index: u64, size: u64) -> Option<Self> {
        if index >= size {
            return None;
        }
        let (mut from, mut to) = (0, size);
        let mut parts = Vec::new();
        while to.saturating_sub(from) > 1 {
            let middle = split(from, to);
            if index < middle {
                parts.push(complete_subtrees(middle, to));
                to = middle;
            } else {
                parts.push(complete_subtrees(from, middle));
                from = middle;
            }
        }
        parts.reverse();
        Some(Self { parts })
    }

    /// The proof that the tree of `old` leaves is a prefix of the tree of `new` leaves. `None`
    /// when it is the larger one.
    #[must_use]
    pub fn consistency(old: u64, new: u64) -> Option<Self> {
        let mut parts = Vec::new();
        if old > new {
            return None;
        }
        if old == 0 {
            return Some(Self { parts });
        }
        let (mut from, mut to) = (0, new);
        while old != to {
            let middle = split(from, to);
            if old <= middle {
                parts.push(complete_subtrees(middle, to));
                to = middle;
            } else {
                parts.push(complete_subtrees(from, middle));
                from = middle;
            }
        }
        if from > 0 {
            parts.push(complete_subtrees(from, to));
        }
        parts.reverse();
        Some(Self { parts })
    }

    /// The complete subtrees whose hashes are needed.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.parts.iter().flatten().copied()
    }

    /// The proof, from the hashes that `known` gives. `None` when one of them is not known.
    pub fn prove(&self, known: impl Fn(NodeId) -> Option<Hash>) -> Option<Vec<Hash>> {
        self.parts
            .iter()
            .map(|part| {
                let hashes: Option<Vec<_>> = part.iter().map(|id| known(*id)).collect();
                fold(&hashes?)
            })
            .collect()
    }

    /// The proof, from the hashes that `store` holds.
    ///
    /// # Errors
    ///
    /// When `store` does not answer, or not in full.
    pub async fn fetch(&self, store: &dyn LogStore) -> Result<Vec<Hash>, StoreError> {
        let ids: Vec<_> = self.nodes().collect();
        let mut hashes = store.nodes(&ids).await?.into_iter();
        let proof: Option<Vec<_>> = self
            .parts
            .iter()
            .map(|part| fold(&hashes.by_ref().take(part.len()).collect::<Vec<_>>()))
            .collect();
        proof
            .filter(|_| hashes.next().is_none())
            .ok_or_else(|| StoreError::new("proof", "another number of nodes than was asked"))
    }
}

/// Why a proof is refused: it does not lead from what it starts with to the root.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the proof does not lead to the root")]
pub struct ProofError;

/// A place on the way up and the last place of its level, as RFC 9162 counts them.
struct Edge {
    place: u64,
    last: u64,
}

impl Edge {
    fn new(place: u64, size: u64) -> Self {
        Self {
            place,
            last: size.saturating_sub(1),
        }
    }

    /// Goes up by one proof hash. True when that hash is the left sibling.
    fn climb(&mut self) -> Result<bool, ProofError> {
        if self.last == 0 {
            return Err(ProofError);
        }
        let left = self.place & 1 == 1 || self.place == self.last;
        if left {
            // An only child is its own parent until it has a sibling.
            while self.place & 1 == 0 && self.place != 0 {
                self.up();
            }
        }
        self.up();
        Ok(left)
    }

    fn skip_right_turns(&mut self) {
        while self.place & 1 == 1 {
            self.up();
        }
    }

    fn up(&mut self) {
        self.place >>= 1;
        self.last >>= 1;
    }

    fn finish(&self, same: bool) -> Result<(), ProofError> {
        (self.last == 0 && same).then_some(()).ok_or(ProofError)
    }
}

/// Where RFC 6962 splits the leaves `from..to` of two or more: the left part is the largest
/// complete subtree that leaves something on the right.
fn split(from: u64, to: u64) -> u64 {
    let width = to.saturating_sub(from);
    from.saturating_add(1 << width.saturating_sub(1).checked_ilog2().unwrap_or(0))
}

#[cfg(test)]
mod tests;
