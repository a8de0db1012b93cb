//! C2SP signed notes with Ed25519, and the checkpoints they carry.
//!
//! A note is a text, a blank line, and lines `— <key name> <base64 of key id and signature>`
//! (<https://c2sp.org/signed-note>, <https://c2sp.org/tlog-checkpoint>). Keys are named, so that a
//! reader takes what it knows and ignores the rest.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use thiserror::Error;

use crate::tree::{Hash, plain_hash};

/// The key of a log, able to sign. Has no `Debug`, `Serialize` or `Clone`.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: Verifier,
}

impl Signer {
    /// The key whose private half is `seed`, named `origin`. `None` when `origin` cannot name a
    /// key: it must be 1 to 255 printable ASCII characters without spaces or `+`, and not start with `{`.
    #[must_use]
    pub fn new(origin: &str, seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let key = pair.public_key().as_ref().try_into().ok()?;
        let public = Verifier::new(origin, key).ok()?;
        Some(Self { pair, public })
    }

    /// `text` as a signed note. A missing final newline is added.
    ///
    /// `text` must hold no control character but newlines, and at most [`MAX_TEXT`] bytes, or no
    /// reader will open the note. Canonical JSON never holds one.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let text = format!("{text}{end}");
        let mut blob = self.public.id.to_vec();
        blob.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        format!(
            "{text}\n{DASH}{} {}\n",
            self.public.name,
            STANDARD.encode(blob)
        )
    }

    /// The signed statement that the log has `size` leaves under `root`.
    #[must_use]
    pub fn checkpoint(&self, size: u64, root: &Hash) -> String {
        let checkpoint = Checkpoint {
            origin: self.public.name.clone(),
            size,
            root: *root,
        };
        self.sign(&checkpoint.to_string())
    }

    /// The public half in one line: `name+id+key`.
    #[must_use]
    pub fn vkey(&self) -> String {
        self.public.to_string()
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.public
    }
}

/// The public key of a log. Prints and parses as its vkey: `name+id+key`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verifier {
    name: String,
    id: [u8; 4],
    key: [u8; 32],
}

impl Verifier {
    fn new(name: &str, key: [u8; 32]) -> Result<Self, NoteError> {
        let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'+';
        let length = 1..=255;
        if !length.contains(&name.len()) || name.starts_with('{') || !name.bytes().all(allowed) {
            return Err(NoteError::Key);
        }
        let mut preimage = Vec::from(name.as_bytes());
        preimage.extend_from_slice(&[b'\n', ALGORITHM]);
        preimage.extend_from_slice(&key);
        let [a, b, c, d, ..] = plain_hash(&preimage).0;
        Ok(Self {
            name: name.to_owned(),
            id: [a, b, c, d],
            key,
        })
    }

    /// The key that `vkey` spells.
    ///
    /// # Errors
    ///
    /// [`NoteError::Key`] when it is not an Ed25519 vkey, or its id does not belong to it.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(_), Some(encoded)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(NoteError::Key);
        };
        let blob = STANDARD.decode(encoded).map_err(|_| NoteError::Key)?;
        let Some((&ALGORITHM, key)) = blob.split_first() else {
            return Err(NoteError::Key);
        };
        let verifier = Self::new(name, key.try_into().map_err(|_| NoteError::Key)?)?;
        if verifier.to_string() != vkey {
            return Err(NoteError::Key);
        }
        Ok(verifier)
    }

    /// The name of the key: the origin of its log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the key: eight hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{:08x}", u32::from_be_bytes(self.id))
    }

    /// The text of `note`, its final newline included, if this key signed it.
    ///
    /// Signatures by other keys are ignored; one bad signature by this key refuses the note.
    ///
    /// # Errors
    ///
    /// When the note is malformed or too large, has a bad signature or none by this key.
    pub fn open<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        let (text, signatures) = split(note)?;
        let mut signed = false;
        let mut count = 0_usize;
        for line in signatures.split_terminator('\n') {
            count = count.saturating_add(1);
            if count > MAX_SIGNATURES {
                return Err(NoteError::Size);
            }
            let signature = Signature::parse(line)?;
            if signature.name == self.name && signature.id == self.id {
                UnparsedPublicKey::new(&ED25519, &self.key)
                    .verify(text.as_bytes(), &signature.bytes)
                    .map_err(|_| NoteError::Signature)?;
                signed = true;
            }
        }
        signed.then_some(text).ok_or(NoteError::Unsigned)
    }

    /// The checkpoint in `note`, if this key signed it and it is about the log of this key.
    ///
    /// # Errors
    ///
    /// As [`Self::open`] and [`Checkpoint::parse`]; [`NoteError::Origin`] for another log.
    pub fn checkpoint(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let checkpoint = Checkpoint::parse(self.open(note)?)?;
        if checkpoint.origin != self.name {
            return Err(NoteError::Origin);
        }
        Ok(checkpoint)
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blob = vec![ALGORITHM];
        blob.extend_from_slice(&self.key);
        write!(f, "{}+{}+{}", self.name, self.id(), STANDARD.encode(blob))
    }
}

impl FromStr for Verifier {
    type Err = NoteError;

    fn from_str(vkey: &str) -> Result<Self, NoteError> {
        Self::parse(vkey)
    }
}

/// What a log says of itself at one moment. Prints as the text that is signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// Which log: the name of its key.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The checkpoint in the text of a note. Extension lines are allowed and ignored.
    ///
    /// # Errors
    ///
    /// [`NoteError::Checkpoint`] when it is anything else.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let body = text.strip_suffix('\n').ok_or(NoteError::Checkpoint)?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(NoteError::Checkpoint);
        };
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(NoteError::Checkpoint);
        }
        Ok(Self {
            origin: origin.to_owned(),
            size: decimal(size).ok_or(NoteError::Checkpoint)?,
            root: base64_hash(root).ok_or(NoteError::Checkpoint)?,
        })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = STANDARD.encode(self.root.0);
        write!(f, "{}\n{}\n{root}\n", self.origin, self.size)
    }
}

/// Why a note, a key or a checkpoint is refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum NoteError {
    /// Not a vkey of Ed25519.
    #[error("not a verification key")]
    Key,
    /// Not a signed note.
    #[error("not a signed note")]
    Note,
    /// Longer, or with more signatures, than any honest note.
    #[error("the note is too large")]
    Size,
    /// The key signed something else.
    #[error("the signature does not belong to the text")]
    Signature,
    /// No signature by the key.
    #[error("the key did not sign the note")]
    Unsigned,
    /// Not a checkpoint.
    #[error("not a checkpoint")]
    Checkpoint,
    /// A checkpoint of another log.
    #[error("the checkpoint is of another log")]
    Origin,
}

/// A number as checkpoints, tiles and proofs spell it: no sign, no leading zero.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

pub(crate) fn base64_hash(text: &str) -> Option<Hash> {
    Some(Hash(STANDARD.decode(text).ok()?.try_into().ok()?))
}

/// Text and signature lines. The last blank line parts them: a text may hold blank lines itself.
fn split(note: &str) -> Result<(&str, &str), NoteError> {
    if note.len() > MAX_NOTE {
        return Err(NoteError::Size);
    }
    if note.chars().any(|c| c < ' ' && c != '\n') || !note.ends_with('\n') {
        return Err(NoteError::Note);
    }
    let blank = note.rfind("\n\n").ok_or(NoteError::Note)?;
    let (text, rest) = note
        .split_at_checked(blank.saturating_add(1))
        .ok_or(NoteError::Note)?;
    let signatures = rest.strip_prefix('\n').ok_or(NoteError::Note)?;
    if signatures.is_empty() {
        return Err(NoteError::Note);
    }
    Ok((text, signatures))
}

struct Signature<'n> {
    name: &'n str,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl<'n> Signature<'n> {
    fn parse(line: &'n str) -> Result<Self, NoteError> {
        let (name, encoded) = line
            .strip_prefix(DASH)
            .and_then(|rest| rest.split_once(' '))
            .ok_or(NoteError::Note)?;
        let blob = STANDARD.decode(encoded).map_err(|_| NoteError::Note)?;
        let Some((id, bytes)) = blob.split_first_chunk::<4>() else {
            return Err(NoteError::Note);
        };
        if name.is_empty() || bytes.is_empty() {
            return Err(NoteError::Note);
        }
        Ok(Self {
            name,
            id: *id,
            bytes: bytes.to_vec(),
        })
    }
}

/// How long a text may be and still open once signed: 1,000,000 bytes.
pub const MAX_TEXT: usize = 1_000_000;

const MAX_NOTE: usize = MAX_TEXT + 64 * 1024;
const MAX_SIGNATURES: usize = 64;
/// Ed25519 in C2SP's list of signature types.
const ALGORITHM: u8 = 0x01;
const DASH: &str = "\u{2014} ";

#[cfg(test)]
mod tests;
