//! RFC 6962 Merkle trees over SHA-256.

/// 32 bytes of SHA-256.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Hash(pub [u8; 32]);

/// A complete subtree: `2^level` leaves from `index * 2^level` on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeId {
    /// 0 for leaves.
    pub level: u8,
    /// Its place in its level, from 0.
    pub index: u64,
}
