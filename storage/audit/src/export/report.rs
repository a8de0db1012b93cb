//! What verification found.

use std::{error::Error, fmt, io};

use super::{Durability, Filter, Plane, Profile, Window};
use crate::{canonical::CanonicalError, note::NoteError, tree::Hash};

/// What an export proves. Prints as a few lines for people.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Whose log it is.
    pub plane: Plane,
    /// When the events happened.
    pub window: Window,
    /// Which of them are shown.
    pub filter: Filter,
    /// What the export is for.
    pub profile: Profile,
    /// What a commit of this log meant.
    pub durability: Durability,
    /// The program that wrote it.
    pub tool: String,
    /// The first and the last leaf of the range; `None` when it is empty.
    pub range: Option<(u64, u64)>,
    /// Events that are shown.
    pub matched: u64,
    /// Events in the window, shown or not.
    pub in_window: u64,
    /// Records of events that are not shown.
    pub withheld: u64,
    /// Records of events that were erased.
    pub erased: u64,
    /// How many leaves the log had.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The key that sealed it, as a vkey.
    pub key: String,
    /// Eight digits to compare the key by.
    pub key_id: String,
    /// Who named the key.
    pub key_source: KeySource,
    /// How the log relates to an earlier checkpoint.
    pub previous: Previous,
    /// The signed checkpoint: keep it, to compare the next export with it.
    pub checkpoint: String,
}

/// Who named the key that an export was verified under.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeySource {
    /// Whoever verifies.
    Reader,
    /// The file. Whoever made it may have made the key.
    File,
}

/// What was proven about an earlier tree.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Previous {
    /// Nothing.
    Unknown,
    /// The log continues the tree that the file names, of this size. No one compared that tree
    /// with anything.
    Claimed(u64),
    /// The log continues the checkpoint that was kept, of this size.
    Kept(u64),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "genuine: sealed by {} (key {})", self.key, self.key_id)?;
        if self.key_source == KeySource::File {
            writeln!(
                f,
                "         the file itself names this key; compare it with one you trust"
            )?;
        }
        match self.range {
            Some((first, last)) => writeln!(
                f,
                "complete: leaves {first} to {last} of {}, none missing",
                self.size
            )?,
            None => writeln!(f, "complete: no leaf in the window, of {}", self.size)?,
        }
        writeln!(
            f,
            "records: {} shown, {} withheld, {} erased; {} in the window",
            self.matched, self.withheld, self.erased, self.in_window
        )?;
        let (from, to) = (self.window.from(), self.window.to());
        writeln!(f, "log: {}, from {from} up to {to}", self.plane)?;
        writeln!(f, "filter: {}; profile: {}", self.filter, self.profile)?;
        writeln!(f, "durability: {}", self.durability.statement())?;
        writeln!(f, "written by: {:?}", self.tool)?;
        match self.previous {
            Previous::Unknown => write!(f, "history: not compared with an earlier checkpoint"),
            Previous::Claimed(size) => write!(
                f,
                "history: continues a tree of {size} leaves that the file names; \
                 not compared with one you kept"
            ),
            Previous::Kept(size) => write!(
                f,
                "history: continues the checkpoint you kept, of {size} leaves"
            ),
        }
    }
}

/// Why an export is refused, and where. Prints as one line for people.
#[derive(Debug)]
pub struct VerifyError {
    place: Where,
    why: Why,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.why)
    }
}

impl Error for VerifyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.why.source()
    }
}

impl VerifyError {
    pub(super) fn at_line(line: u64, why: Why) -> Self {
        Self {
            place: Where::Line(line),
            why,
        }
    }

    pub(super) fn at_leaf(line: u64, index: u64, why: Why) -> Self {
        Self {
            place: Where::Leaf(line, index),
            why,
        }
    }

    pub(super) fn at_kept(why: Why) -> Self {
        Self {
            place: Where::Kept,
            why,
        }
    }

    /// The line of the file, from 1. `None` when it is the kept checkpoint that is refused.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        match self.place {
            Where::Line(line) | Where::Leaf(line, _) => Some(line),
            Where::Kept => None,
        }
    }

    /// The leaf that should be on that line, if it should be a record.
    #[must_use]
    pub fn index(&self) -> Option<u64> {
        match self.place {
            Where::Leaf(_, index) => Some(index),
            _ => None,
        }
    }

    /// The reason.
    #[must_use]
    pub fn why(&self) -> &Why {
        &self.why
    }
}

#[derive(Clone, Copy, Debug)]
enum Where {
    Line(u64),
    Leaf(u64, u64),
    Kept,
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(1) => write!(f, "line 1 (header)"),
            Self::Line(line) => write!(f, "line {line} (trailer)"),
            Self::Leaf(line, index) => write!(f, "line {line} (leaf {index})"),
            Self::Kept => write!(f, "the checkpoint that was kept"),
        }
    }
}

/// Why a line is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// The file could not be read.
    #[error("it could not be read")]
    Read(#[source] io::Error),
    /// The file ends where this line should be.
    #[error("the file ends before it")]
    Missing,
    /// The file ends within the line.
    #[error("the file ends within it")]
    Cut,
    /// Longer than any honest line.
    #[error("it is longer than a line may be")]
    Long,
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    Utf8,
    /// Not canonical JSON.
    #[error("it is {0}")]
    Canonical(CanonicalError),
    /// A member is missing or cannot be what it says.
    #[error("its member {0:?} is missing or malformed")]
    Member(&'static str),
    /// A member that does not belong there.
    #[error("it has a member that does not belong there")]
    Stranger,
    /// The key is no key.
    #[error("its key: {0}")]
    Key(NoteError),
    /// Another key than the one given.
    #[error("it names another key than the one given")]
    OtherKey,
    /// The seal does not open.
    #[error("its seal: {0}")]
    Seal(NoteError),
    /// The seal belongs to another line.
    #[error("its seal belongs to another line")]
    Unsealed,
    /// Counts that do not add up.
    #[error("its counts do not add up")]
    Counts,
    /// Another leaf than the next one.
    #[error("leaf {found} is here instead: one is missing, doubled or out of order")]
    Order {
        /// The leaf that is there.
        found: u64,
    },
    /// The trailer where a record should be.
    #[error("the trailer is here instead: records are missing")]
    Early,
    /// The event and its proof do not lead to the root.
    #[error("it is not the record that was logged: its proof does not lead to the signed root")]
    Unproven,
    /// An event that does not say when it happened.
    #[error("its event does not say what it is or when it happened")]
    Event,
    /// An event outside the window.
    #[error("its event is outside the window")]
    Window,
    /// An event that the filter does not show.
    #[error("its event is not one that the filter shows")]
    Filter,
    /// Another number of shown, withheld or erased records than the header says.
    #[error("there are not as many records of each kind as the header says")]
    Kinds,
    /// The lines before are not those that were sealed.
    #[error("the lines before it are not those that were sealed")]
    Sum,
    /// The checkpoint does not open.
    #[error("its checkpoint: {0}")]
    Checkpoint(NoteError),
    /// The checkpoint is of another tree than the header's.
    #[error("its checkpoint is of another tree than the header")]
    OtherTree,
    /// The tree is no continuation of the earlier one.
    #[error("the log is not a continuation of the earlier checkpoint: history was rewritten")]
    Forked,
    /// The export is older than the checkpoint that was kept.
    #[error("it is of a larger log than the export: the export is older, or the log was cut")]
    Older,
    /// The export was made against another checkpoint.
    #[error("the export holds no proof that starts from it: ask for one made against it")]
    Unrelated,
    /// Something after the trailer.
    #[error("there is something after it")]
    More,
}
