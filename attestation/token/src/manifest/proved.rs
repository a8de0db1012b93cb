//! A leaf and a C2SP proof (c2sp.org/tlog-proof) in one text.

use std::fmt::Write as _;

use base64::{Engine, engine::general_purpose::STANDARD};
use bauta_audit::tree::Hash;

/// What [`pack`] put together.
pub(super) struct Parts<'t> {
    pub(super) leaf: &'t str,
    pub(super) index: u64,
    pub(super) proof: Vec<Hash>,
    /// A signed note.
    pub(super) checkpoint: &'t str,
}

pub(super) fn pack(leaf: &str, index: u64, proof: &[Hash], checkpoint: &str) -> String {
    let mut out = format!("{leaf}\n{HEADER}\nindex {index}\n");
    for hash in proof {
        STANDARD.encode_string(hash.0, &mut out);
        out.push('\n');
    }
    // Writing to a string never fails.
    let _never = write!(out, "\n{checkpoint}");
    out
}

impl<'t> Parts<'t> {
    /// `None` for anything that [`pack`] does not write.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        if text.len() > LENGTH {
            return None;
        }
        let (leaf, rest) = text.split_once('\n')?;
        let rest = rest.strip_prefix(HEADER)?.strip_prefix("\nindex ")?;
        let (index, mut rest) = rest.split_once('\n')?;
        let mut proof = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n')?;
            rest = after;
            if line.is_empty() {
                break;
            }
            // A tree of 2^64 leaves is 64 high.
            if proof.len() == 64 {
                return None;
            }
            proof.push(hash(line)?);
        }
        Some(Self {
            leaf,
            index: decimal(index)?,
            proof,
            checkpoint: rest,
        })
    }
}

fn hash(line: &str) -> Option<Hash> {
    Some(Hash(STANDARD.decode(line).ok()?.try_into().ok()?))
}

/// A number as we write it: no sign, no leading zero.
fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The longest leaf there can be, and room for its proof.
const LENGTH: usize = 768 * 1024;
