//! The whole system on one machine, with simulated counterparties. Loopback only.
//!
//! `bauta dev` runs it for a person, `bauta dev --walk` does the main job with it, and the
//! integration tests stand on it. What differs from production is said here and nowhere else: the
//! counterparties are simulated, and the plane is told to accept that.

pub mod browser;
pub mod hands;
pub mod member;
pub mod paste;
pub mod place;
pub mod search;
pub mod stage;
pub mod walk;
