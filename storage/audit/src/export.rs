//! Export bundles: a window of a log in one file that proves, offline, that it is genuine and that
//! nothing between its ends is missing.
//!
//! A file is lines of canonical JSON ([`crate::canonical`]), each ended by a newline:
//!
//! 1. the *header*: what was asked, which log, key and tree, and how many records follow;
//! 2. one *record* for **every** leaf from `first` to `last`, with the inclusion proof of its hash:
//!    the event (and its salt, unless it is public), or `withheld` when it does not match what was
//!    asked, or `erased` when nothing but its hash is left;
//! 3. the *trailer*: the signed checkpoint of the tree, the proof that the tree of an earlier
//!    checkpoint is a prefix of it, and the SHA-256 of all lines before.
//!
//! Header and trailer end in a *seal*: a signed note over the SHA-256 of their line without it.
//! So each line is checked as it is read: the header by its seal, a record by its proof, the
//! trailer by its seal, and all of them once more by the sum in the trailer.
//!
//! What a file does **not** prove: that a withheld record is one that was not asked for, and that
//! the leaves before the first and after the last are of another time. Whoever holds the key
//! decides that, but each leaf is pinned by the signed tree and can be demanded by its number.

mod disclosure;
mod filter;
mod line;
mod report;
mod scan;
mod verify;
mod write;

use std::{fmt, str::FromStr};

use thiserror::Error;

pub use self::{
    disclosure::Disclosure,
    filter::{Filter, Window},
    report::{KeySource, Previous, Report, VerifyError, Why},
    verify::{Options, kept, open_kept, verify},
    write::{ExportError, Found, Summary, measure, write},
};
use crate::note::Checkpoint;

/// What is asked of a log.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose log it is.
    pub plane: Plane,
    /// When the events happened.
    pub window: Window,
    /// Which of them to show.
    pub filter: Filter,
    /// What the export is for.
    pub profile: Profile,
    /// What a commit of this log means.
    pub durability: Durability,
    /// The tree of an earlier export or checkpoint, to prove that the log only grew since.
    pub previous: Option<Checkpoint>,
}

/// The two logs, which are never joined.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Plane {
    /// Members, verifications, grants.
    Identity,
    /// Requests, under pseudonyms.
    Gateway,
}

/// What an export is for. It names the occasion; it does not change what a record says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Profile {
    /// For an auditor.
    #[default]
    Auditor,
    /// For a security information and event management system.
    Siem,
    /// For a member who asks what is kept.
    Dsar,
    /// For a regulator of export control.
    ExportControl,
    /// For statistics.
    Stats,
}

/// What a commit means before its effect is seen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Durability {
    /// On the disk.
    #[default]
    Fsync,
    /// Handed to the operating system: a power cut may lose the last records.
    Os,
}

impl Durability {
    /// What it means, in a sentence for the reader of an export.
    #[must_use]
    pub fn statement(self) -> &'static str {
        match self {
            Self::Fsync => "every record was on disk before its effect",
            Self::Os => "a power cut may have lost records whose effect was already seen",
        }
    }
}

/// Why a word in a request is refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not a known {0}")]
pub struct WordError(&'static str);

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(spelled(*self, &PLANES))
    }
}

impl FromStr for Plane {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Self, WordError> {
        read(word, &PLANES).ok_or(WordError("plane"))
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(spelled(*self, &PROFILES))
    }
}

impl FromStr for Profile {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Self, WordError> {
        read(word, &PROFILES).ok_or(WordError("profile"))
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(spelled(*self, &DURABILITIES))
    }
}

impl FromStr for Durability {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Self, WordError> {
        read(word, &DURABILITIES).ok_or(WordError("durability"))
    }
}

fn spelled<T: Copy + PartialEq>(value: T, words: &[(T, &'static str)]) -> &'static str {
    let found = words.iter().find(|(known, _)| *known == value);
    found.map_or("", |(_, word)| word)
}

fn read<T: Copy>(word: &str, words: &[(T, &'static str)]) -> Option<T> {
    let found = words.iter().find(|(_, known)| *known == word);
    found.map(|(value, _)| *value)
}

const PLANES: [(Plane, &str); 2] = [(Plane::Identity, "identity"), (Plane::Gateway, "gateway")];
const PROFILES: [(Profile, &str); 5] = [
    (Profile::Auditor, "auditor"),
    (Profile::Siem, "siem"),
    (Profile::Dsar, "dsar"),
    (Profile::ExportControl, "export-control"),
    (Profile::Stats, "stats"),
];
const DURABILITIES: [(Durability, &str); 2] =
    [(Durability::Fsync, "fsync"), (Durability::Os, "os")];

/// The program that writes exports, as their headers name it.
const TOOL: &str = concat!("bauta ", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests;
