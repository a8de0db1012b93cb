//! Bauta: a privacy-preserving verification proxy.
//!
//! This package holds the one binary and assembles both planes; nothing else names both.

pub mod ambient;
mod chain;
pub mod check;
pub mod cli;
pub mod config;
#[cfg(feature = "dev")]
pub mod dev;
pub mod export;
pub mod harden;
pub mod listen;
mod ops;
pub mod secret;
pub mod serve;
pub mod telemetry;
