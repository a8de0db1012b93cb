//! Logs that cannot be edited unnoticed: Merkle trees, proofs, signed notes and export bundles.
//!
//! Pure: no database, no clock, no network. What is verified here needs only the file.

pub mod canonical;
pub mod note;
pub mod store;
pub mod tree;
