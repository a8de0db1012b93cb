//! Tokens of ours and of an identity provider, spelled by hand where a library would not.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test may add up dates and places"
)]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;

mod access;
mod claimed;
mod foreign;
mod form;
mod idp;
mod mutated;

/// `header.payload` under a signature by `key`, whatever they say.
fn signed(header: &str, payload: &str, key: &SigningKey) -> String {
    let message = format!("{}.{}", encoded(header), encoded(payload));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn ours() -> SigningKey {
    SigningKey::from_seed(&[1; 32]).unwrap()
}

fn stranger() -> SigningKey {
    SigningKey::from_seed(&[2; 32]).unwrap()
}

/// 2026-11-20T10:00:00Z, when the tokens of these tests were made.
const MADE: i64 = 1_795_168_800;

fn now() -> UnixMillis {
    at(30)
}

/// So many seconds after the tokens were made.
fn at(seconds: i64) -> UnixMillis {
    UnixMillis::from_seconds(MADE + seconds)
}
