//! Writing an export.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::digest::{Context, SHA256};
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::{
    Filter, Request, TOOL, Window,
    filter::{Place, instant},
    line::{Counts, Header, TRAILER, base64, print_line, seal},
    scan::Scan,
};
use crate::{
    canonical::{self, CanonicalError},
    note::{Checkpoint, NoteError, Signer},
    proof::{Plan, verify_consistency, verify_inclusion},
    store::{Head, LogStore, StoreError, StoredLeaf},
    tree::{Hash, NodeId, leaf_hash, node_hash},
};

/// Writes what `request` asks of the log in `store` to `out`, sealed by the key of the log.
///
/// Reads the log twice, in pieces: once to find the window and count, once to write. Every record
/// is checked against the signed root before it is written, so that a file that does not verify
/// is not produced from a log that rotted.
///
/// # Errors
///
/// [`ExportError`]; what was written to `out` until then is no export and does not verify.
pub async fn write(
    store: &dyn LogStore,
    signer: &Signer,
    request: &Request,
    out: &mut (dyn Write + Send),
) -> Result<Summary, ExportError> {
    let head = signed_head(store, signer).await?;
    let consistency = growth(store, &head, request.previous.as_ref()).await?;
    let counts = count(store, &head, &request.window, &request.filter).await?;
    let header = Header {
        plane: request.plane,
        window: request.window.clone(),
        filter: request.filter.clone(),
        profile: request.profile,
        durability: request.durability,
        tool: TOOL.to_owned(),
        key: signer.verifier().clone(),
        size: head.size,
        root: head.root,
        counts,
    };
    let mut sheet = Sheet {
        out,
        digest: Context::new(&SHA256),
    };
    sheet.line(&header.seal(signer).map_err(ExportError::Header)?)?;
    let written = records(store, &header, &mut sheet).await?;
    if written != counts {
        return Err(ExportError::Changed);
    }
    let trailer = trailer(&head, counts.range(), &sheet.sum(), consistency);
    sheet.line(&seal(trailer, TRAILER, signer).map_err(ExportError::Header)?)?;
    sheet.out.flush().map_err(ExportError::Write)?;
    Ok(Summary {
        matched: counts.matched,
        withheld: counts.withheld,
        erased: counts.erased,
        size: head.size,
        checkpoint: head.note,
    })
}

/// Counts what `request` asks of the log in `store`, and writes nothing.
///
/// # Errors
///
/// [`ExportError`].
pub async fn measure(
    store: &dyn LogStore,
    signer: &Signer,
    request: &Request,
) -> Result<Found, ExportError> {
    let head = signed_head(store, signer).await?;
    let counts = count(store, &head, &request.window, &request.filter).await?;
    Ok(Found {
        matched: counts.matched,
        size: head.size,
    })
}

/// What a log holds of what is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "two counts")]
pub struct Found {
    /// Events that match.
    pub matched: u64,
    /// Of how many leaves.
    pub size: u64,
}

/// What was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Summary {
    /// Records with their event.
    pub matched: u64,
    /// Records of other events in the same range.
    pub withheld: u64,
    /// Records of which only the hash is left.
    pub erased: u64,
    /// How many leaves the log has.
    pub size: u64,
    /// The signed checkpoint: keep it, to have the next export compared with it.
    pub checkpoint: String,
}

/// Why no export was written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The log could not be read.
    #[error("the log could not be read")]
    Store(#[from] StoreError),
    /// The file could not be written.
    #[error("the export could not be written")]
    Write(#[source] io::Error),
    /// The newest checkpoint is not by this key, or not of this tree.
    #[error("the newest checkpoint of the log was not signed by its key")]
    Head(#[source] NoteError),
    /// A leaf is missing, or is not what was signed.
    #[error("leaf {index} is not what the log was signed over")]
    Corrupt {
        /// Which one.
        index: u64,
    },
    /// The log is no continuation of the earlier checkpoint.
    #[error("the log is not a continuation of the earlier checkpoint")]
    Forked,
    /// Events were erased while the export was written. Another try will do.
    #[error("events were erased while the export was written")]
    Changed,
    /// The request does not fit into a line.
    #[error("the request does not fit into a line")]
    Header(#[source] CanonicalError),
}

/// Where lines go, and the running sum over them.
struct Sheet<'o> {
    out: &'o mut (dyn Write + Send),
    digest: Context,
}

impl Sheet<'_> {
    fn line(&mut self, line: &str) -> Result<(), ExportError> {
        for part in [line.as_bytes(), b"\n"] {
            self.digest.update(part);
            self.out.write_all(part).map_err(ExportError::Write)?;
        }
        Ok(())
    }

    fn sum(&self) -> String {
        let sum = self.digest.clone().finish();
        STANDARD.encode(sum)
    }
}

/// The head of the log. An empty log that never had a checkpoint gets one.
async fn signed_head(store: &dyn LogStore, signer: &Signer) -> Result<Head, ExportError> {
    let mut head = store.head().await?;
    if head.size == 0 && head.note.is_empty() {
        head.note = signer.checkpoint(0, &head.root);
    }
    let checkpoint = signer.verifier().checkpoint(&head.note);
    let checkpoint = checkpoint.map_err(ExportError::Head)?;
    if (checkpoint.size, checkpoint.root) != (head.size, head.root) {
        return Err(ExportError::Head(NoteError::Checkpoint));
    }
    Ok(head)
}

/// The proof that the log grew from `previous`, together with what it is about.
async fn growth(
    store: &dyn LogStore,
    head: &Head,
    previous: Option<&Checkpoint>,
) -> Result<Map<String, Value>, ExportError> {
    let Some(previous) = previous else {
        return Ok(Map::new());
    };
    let plan = Plan::consistency(previous.size, head.size).ok_or(ExportError::Forked)?;
    let proof = plan.fetch(store).await?;
    let (old, new) = (&previous.root, &head.root);
    verify_consistency(previous.size, old, head.size, new, &proof)
        .map_err(|_| ExportError::Forked)?;
    let previous = json!({"root": STANDARD.encode(old.0), "size": previous.size});
    Ok(Map::from_iter([
        ("consistency".to_owned(), base64(&proof)),
        ("previous".to_owned(), previous),
    ]))
}

async fn count(
    store: &dyn LogStore,
    head: &Head,
    window: &Window,
    filter: &Filter,
) -> Result<Counts, ExportError> {
    let mut scan = Scan::new(window, filter);
    let mut at = 0;
    while at < head.size {
        let leaves = piece(store, at, head.size).await?;
        for leaf in &leaves {
            let event = event(leaf)?;
            if !scan.see(leaf.index, event.as_ref()) {
                return Err(corrupt(leaf));
            }
        }
        at = after(at, head.size);
    }
    Ok(scan.finish(head.size))
}

/// Writes the records of the range, and counts them again.
async fn records(
    store: &dyn LogStore,
    header: &Header,
    sheet: &mut Sheet<'_>,
) -> Result<Counts, ExportError> {
    let mut written = Counts {
        matched: 0,
        withheld: 0,
        erased: 0,
        window: 0,
        ..header.counts
    };
    let mut at = header.counts.first;
    while at < header.counts.end {
        let leaves = piece(store, at, header.counts.end).await?;
        let proofs = proofs(store, &leaves, header.size).await?;
        for (leaf, proof) in leaves.iter().zip(proofs) {
            verify_inclusion(&leaf.hash, leaf.index, header.size, &proof, &header.root)
                .map_err(|_| corrupt(leaf))?;
            let record = record(leaf, &proof, header, &mut written)?;
            sheet.line(&print_line(&record).map_err(|_| corrupt(leaf))?)?;
        }
        at = after(at, header.counts.end);
    }
    Ok(written)
}

fn record(
    leaf: &StoredLeaf,
    proof: &[Hash],
    header: &Header,
    written: &mut Counts,
) -> Result<Value, ExportError> {
    let proof = base64(proof);
    let hash = STANDARD.encode(leaf.hash.0);
    let Some(event) = event(leaf)? else {
        if header.plane == super::Plane::Gateway {
            return Err(corrupt(leaf));
        }
        written.erased = written.erased.saturating_add(1);
        return Ok(json!({"erased": true, "hash": hash, "index": leaf.index, "proof": proof}));
    };
    let at = instant(&event).ok_or_else(|| corrupt(leaf))?;
    let inside = header.window.place(at) == Place::Inside;
    written.window = written.window.saturating_add(u64::from(inside));
    if !inside || !header.filter.matches(&event) {
        written.withheld = written.withheld.saturating_add(1);
        return Ok(json!({"hash": hash, "index": leaf.index, "proof": proof, "withheld": true}));
    }
    written.matched = written.matched.saturating_add(1);
    let mut record = json!({"event": event, "index": leaf.index, "proof": proof});
    if let (Some(salt), Some(members)) = (leaf.salt, record.as_object_mut()) {
        members.insert("salt".to_owned(), Value::String(STANDARD.encode(salt)));
    }
    Ok(record)
}

/// What the leaf says, once it is certain that this is what was hashed.
fn event(leaf: &StoredLeaf) -> Result<Option<Map<String, Value>>, ExportError> {
    let Some(text) = &leaf.event else {
        return Ok(None);
    };
    if leaf_hash(leaf.salt.as_ref(), text.as_bytes()) != leaf.hash {
        return Err(corrupt(leaf));
    }
    match canonical::parse(text) {
        Ok(Value::Object(event)) if event.get("type").is_some_and(Value::is_string) => {
            Ok(Some(event))
        }
        _ => Err(corrupt(leaf)),
    }
}

fn trailer(head: &Head, records: u64, sum: &str, consistency: Map<String, Value>) -> Value {
    let mut trailer = consistency;
    trailer.insert("checkpoint".to_owned(), json!(head.note));
    trailer.insert("records".to_owned(), json!(records));
    trailer.insert("sha256".to_owned(), json!(sum));
    trailer.insert("trailer".to_owned(), json!(true));
    Value::Object(trailer)
}

/// The leaves from `at` to the next multiple of [`PIECE`], or to `end`.
async fn piece(store: &dyn LogStore, at: u64, end: u64) -> Result<Vec<StoredLeaf>, ExportError> {
    let range = at..after(at, end);
    let leaves = store.leaves(range.clone()).await?;
    let mut indices = leaves.iter().map(|leaf| leaf.index);
    if let Some(index) = range
        .into_iter()
        .find(|index| indices.next() != Some(*index))
    {
        return Err(ExportError::Corrupt { index });
    }
    Ok(leaves)
}

fn after(at: u64, end: u64) -> u64 {
    at.saturating_add(1)
        .checked_next_multiple_of(PIECE)
        .unwrap_or(end)
        .min(end)
}

/// An inclusion proof for each of `leaves`. Asks the store only for what they do not tell.
async fn proofs(
    store: &dyn LogStore,
    leaves: &[StoredLeaf],
    size: u64,
) -> Result<Vec<Vec<Hash>>, ExportError> {
    let plans: Vec<_> = leaves
        .iter()
        .map(|leaf| Plan::inclusion(leaf.index, size).ok_or_else(|| corrupt(leaf)))
        .collect::<Result<_, _>>()?;
    let mut known = subtrees(leaves);
    let mut missing: Vec<_> = plans.iter().flat_map(Plan::nodes).collect();
    missing.retain(|id| !known.contains_key(id));
    missing.sort_unstable();
    missing.dedup();
    let fetched = store.nodes(&missing).await?;
    known.extend(missing.into_iter().zip(fetched));
    plans
        .iter()
        .zip(leaves)
        .map(|(plan, leaf)| {
            plan.prove(|id| known.get(&id).copied())
                .ok_or_else(|| corrupt(leaf))
        })
        .collect()
}

/// The complete subtrees over `leaves` alone.
fn subtrees(leaves: &[StoredLeaf]) -> BTreeMap<NodeId, Hash> {
    let mut known = BTreeMap::new();
    let mut level: BTreeMap<u64, Hash> =
        leaves.iter().map(|leaf| (leaf.index, leaf.hash)).collect();
    let mut height = 0_u8;
    while !level.is_empty() {
        let above = level
            .iter()
            .filter(|(index, _)| **index & 1 == 0)
            .filter_map(|(index, left)| {
                Some((index >> 1, node_hash(left, level.get(&(index | 1))?)))
            })
            .collect();
        let id = |index| NodeId {
            level: height,
            index,
        };
        known.extend(level.iter().map(|(index, hash)| (id(*index), *hash)));
        level = above;
        height = height.saturating_add(1);
    }
    known
}

fn corrupt(leaf: &StoredLeaf) -> ExportError {
    ExportError::Corrupt { index: leaf.index }
}

/// How many leaves are read at once: a tile of them, so that most proof hashes are at hand.
const PIECE: u64 = 256;
