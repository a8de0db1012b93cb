//! What crosses the wall between the planes, and nothing else.
//!
//! The identity plane makes these values, the gateway plane reads them. No type here can hold a
//! person or a request: a test reads the public fields and fails when one is named like either.
//!
//! * [`scope`]: what a token may be used for
//! * [`claims`], [`jws`]: what a sealed token says, and the one place a JWT is parsed
//! * [`pseudonym`]: who a provider sees
//! * [`keys`], [`manifest`]: under which keys, listed where
//! * [`notice`]: the feed from one plane to the other
//! * [`secret`]: opaque secrets, plain and hashed as two types
//! * [`ambient`], [`units`]: time, randomness and quantities, injected and typed

pub mod ambient;
pub mod claims;
pub mod jws;
pub mod keys;
pub mod manifest;
pub mod notice;
pub mod pseudonym;
pub mod scope;
pub mod secret;
pub mod units;

#[cfg(test)]
mod wall;
