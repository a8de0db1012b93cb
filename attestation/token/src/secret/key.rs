//! Keys that hash, and the root they come from.

use std::hint::black_box;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::ambient::{Randomness, bytes};

/// Whether two byte strings are equal, in a time that depends on their length only.
///
/// Every byte is looked at, and the running difference goes through [`black_box`] each time, so
/// that the compiler cannot leave the loop early. The *length* is not hidden: it is public for
/// everything compared here. A presented secret is never compared at all: it is hashed and
/// looked up (see [`super::Plain::hash`]).
#[must_use]
pub fn ct_eq(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let difference = left
        .iter()
        .zip(right)
        .fold(0_u8, |sum, (a, b)| black_box(sum | (a ^ b)));
    black_box(difference) == 0
}

/// A key of 32 bytes for HMAC-SHA-256.
pub struct MacKey(hmac::Key);

impl MacKey {
    /// The key of these bytes.
    ///
    /// # Errors
    ///
    /// [`WeakKey`] when they are not 32 or were not drawn at random.
    pub fn new(bytes: &[u8]) -> Result<Self, WeakKey> {
        refuse_weak(bytes)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// HMAC-SHA-256 of the domain and the parts, each with its length before it: no two lists of
    /// parts are ever the same bytes.
    #[must_use]
    pub fn tag(&self, domain: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut tag = [0; 32];
        tag.copy_from_slice(self.absorb(domain, parts).sign().as_ref());
        tag
    }

    /// Whether `tag` is what [`MacKey::tag`] gives, compared in constant time.
    #[must_use]
    pub fn verify(&self, domain: &str, parts: &[&[u8]], tag: &[u8]) -> bool {
        ct_eq(&self.tag(domain, parts), tag)
    }

    fn absorb(&self, domain: &str, parts: &[&[u8]]) -> hmac::Context {
        let mut context = hmac::Context::with_key(&self.0);
        for part in std::iter::once(&domain.as_bytes()).chain(parts) {
            context.update(&length(part));
            context.update(part);
        }
        context
    }
}

/// The one key an operator keeps per plane. Every other comes from it by a label.
pub struct Root(Zeroizing<[u8; 32]>);

impl Root {
    /// A fresh root.
    #[must_use]
    pub fn generate(randomness: &dyn Randomness) -> Self {
        Self(Zeroizing::new(bytes(randomness)))
    }

    /// The root of these bytes.
    ///
    /// # Errors
    ///
    /// [`WeakKey`] when they are not 32 or were not drawn at random.
    pub fn new(bytes: &[u8]) -> Result<Self, WeakKey> {
        refuse_weak(bytes)?;
        let bytes = bytes.try_into().map_err(|_| WeakKey::Length)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The root that a file or a variable holds: 64 hexadecimal digits or 43 letters of base64url.
    /// White space around it is left out, since editors end a file with a newline.
    ///
    /// # Errors
    ///
    /// [`WeakKey`] when it is written otherwise, not 32 bytes, or not random.
    pub fn parse(text: &str) -> Result<Self, WeakKey> {
        let text = text.trim_ascii();
        let bytes = Zeroizing::new(match text.len() {
            64 => unhex(text).ok_or(WeakKey::Form)?,
            43 => URL_SAFE_NO_PAD.decode(text).map_err(|_| WeakKey::Form)?,
            _ => return Err(WeakKey::Form),
        });
        Self::new(&bytes)
    }

    /// As [`Root::parse`] reads it, to be written into a file of its own.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(*self.0))
    }

    /// The key for one purpose: HKDF-SHA-256 (RFC 5869) with the label as `info`. Labels are part
    /// of the format: changing one changes the key.
    #[must_use]
    pub fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        hkdf(ROOT_SALT, &*self.0, label.as_bytes())
    }

    /// The key for hashing at one purpose.
    #[must_use]
    pub fn mac(&self, label: &str) -> MacKey {
        MacKey(hmac::Key::new(
            hmac::HMAC_SHA256,
            self.derive(label).as_ref(),
        ))
    }
}

/// Why a key is refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum WeakKey {
    /// Not 32 bytes.
    #[error("a key is 32 bytes")]
    Length,
    /// Zeros, a repetition or a count.
    #[error("a key is drawn at random, this one is a pattern")]
    Pattern,
    /// Printable text: a password or a PEM file where bytes belong.
    #[error("a key is 32 random bytes, this one is text")]
    Text,
    /// Neither of the ways a key is written.
    #[error("a key is written as 64 hexadecimal digits or 43 letters of base64url")]
    Form,
}

/// Refuses what no source of randomness gives. A random key is hit once in 10^13.
fn refuse_weak(bytes: &[u8]) -> Result<(), WeakKey> {
    if bytes.len() != 32 {
        return Err(WeakKey::Length);
    }
    if bytes
        .iter()
        .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
    {
        return Err(WeakKey::Text);
    }
    let repeats = (1..=16).any(|period| bytes.iter().zip(bytes.iter().skip(period)).all(same));
    let steps = |(a, b): (&u8, &u8)| b.wrapping_sub(*a);
    let mut differences = bytes.iter().zip(bytes.iter().skip(1)).map(steps);
    let first = differences.next();
    let counts = differences.all(|step| Some(step) == first);
    if repeats || counts {
        return Err(WeakKey::Pattern);
    }
    Ok(())
}

fn same((a, b): (&u8, &u8)) -> bool {
    a == b
}

/// The first block of HKDF-SHA-256, which is all that 32 bytes need. Written out because ring's
/// returns an error for lengths that a fixed one never has.
pub(super) fn hkdf(salt: &[u8], secret: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let prk = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), secret);
    let key = hmac::Key::new(hmac::HMAC_SHA256, prk.as_ref());
    let mut block = hmac::Context::with_key(&key);
    block.update(info);
    block.update(&[1]);
    let mut out = Zeroizing::new([0; 32]);
    out.copy_from_slice(block.sign().as_ref());
    out
}

/// A length as eight bytes, big-endian.
pub(super) fn length(part: &[u8]) -> [u8; 8] {
    u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from((digit(high)? << 4) | digit(low)?).ok(),
            _ => None,
        })
        .collect()
}

const ROOT_SALT: &[u8] = b"bauta/root/v1";

#[cfg(test)]
mod tests;
