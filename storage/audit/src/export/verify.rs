//! Verifying an export: needs the file and a key, nothing else.

use std::io::{BufRead, Read as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::digest::{Context, SHA256};
use serde_json::Value;

use super::{
    filter::{Place, instant},
    line::{Counts, Header, MAX_LINE, Members, TRAILER, print_line, unseal},
    report::{KeySource, Previous, Report, VerifyError, Why},
};
use crate::{
    note::{Checkpoint, Verifier},
    proof::{verify_consistency, verify_inclusion},
    tree::{Hash, leaf_hash},
};

/// Checks everything that the file in `reader` claims.
///
/// Reads line by line and holds one at a time. Without a key in `options` it uses the one that
/// the file names, and the report says so: then only a comparison of that key with a trusted one
/// tells who sealed the file.
///
/// # Errors
///
/// [`VerifyError`] names the first line that does not hold, and the leaf that should be there.
pub fn verify(reader: impl BufRead, options: &Options) -> Result<Report, VerifyError> {
    let mut lines = Lines::new(reader);
    let line = lines.next().map_err(|why| lines.refuse(why))?;
    let header = Header::open(&line, options.key.as_ref()).map_err(|why| lines.refuse(why))?;
    let kept = options
        .previous
        .as_deref()
        .map(|text| open_kept(text, &header.key))
        .transpose()
        .map_err(VerifyError::at_kept)?;

    let mut seen = Counts {
        matched: 0,
        withheld: 0,
        erased: 0,
        ..header.counts
    };
    for index in header.counts.first..header.counts.end {
        lines
            .next()
            .and_then(|line| record(&line, index, &header, &mut seen))
            .map_err(|why| VerifyError::at_leaf(lines.number, index, why))?;
    }

    let sum = lines.sum();
    let trailer = lines
        .next()
        .and_then(|line| Trailer::open(&line, &header, &sum))
        .map_err(|why| lines.refuse(why))?;
    if seen != header.counts {
        return Err(lines.refuse(Why::Kinds));
    }
    lines.end().map_err(|why| lines.refuse(why))?;
    let previous = history(&header, &trailer, kept.as_ref()).map_err(VerifyError::at_kept)?;
    Ok(report(header, trailer, previous, options))
}

/// What the reader of an export brings along.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The key of the log, from a source other than the file.
    pub key: Option<Verifier>,
    /// What was kept last time, as [`kept`] reads it: a signed checkpoint, or the first line of
    /// an earlier export. It must be signed by the same key.
    pub previous: Option<String>,
}

/// What [`Options::previous`] wants of a file that was kept: all of a note with a checkpoint, or
/// the first line of an export.
///
/// # Errors
///
/// [`VerifyError`] when it cannot be read, or is too long to be either.
pub fn kept(reader: impl BufRead) -> Result<String, VerifyError> {
    let mut lines = Lines::new(reader);
    let mut text = String::new();
    loop {
        match lines.next() {
            Ok(line) if text.is_empty() && line.starts_with('{') => return Ok(line),
            Ok(line) => {
                text.push_str(&line);
                text.push('\n');
            }
            Err(Why::Missing) if !text.is_empty() => return Ok(text),
            Err(why) => return Err(VerifyError::at_kept(why)),
        }
        if text.len() > MAX_LINE {
            return Err(VerifyError::at_kept(Why::Long));
        }
    }
}

/// The checkpoint in what [`kept`] read, when `key` signed it.
///
/// # Errors
///
/// [`Why`] it cannot be trusted.
pub fn open_kept(text: &str, key: &Verifier) -> Result<Checkpoint, Why> {
    if !text.starts_with('{') {
        return key.checkpoint(text).map_err(Why::Checkpoint);
    }
    let header = Header::open(text.trim_end_matches('\n'), Some(key))?;
    Ok(Checkpoint {
        origin: key.name().to_owned(),
        size: header.size,
        root: header.root,
    })
}

/// Checks the record that should be that of leaf `index`, and counts it.
fn record(line: &str, index: u64, header: &Header, seen: &mut Counts) -> Result<(), Why> {
    let mut members = Members::parse(line)?;
    if members.has("trailer") {
        return Err(Why::Early);
    }
    let found = members.number("index")?;
    if found != index {
        return Err(Why::Order { found });
    }
    let proof = members.hashes("proof")?;
    let (hash, count) = if members.has("event") {
        (shown(&mut members, header)?, &mut seen.matched)
    } else if members.has("withheld") {
        members.truth("withheld")?;
        (members.hash("hash")?, &mut seen.withheld)
    } else {
        members.truth("erased")?;
        (members.hash("hash")?, &mut seen.erased)
    };
    members.finish()?;
    *count = count.saturating_add(1);
    verify_inclusion(&hash, index, header.size, &proof, &header.root).map_err(|_| Why::Unproven)
}

/// The hash of a record that shows its event, if it is one that was asked for.
fn shown(members: &mut Members, header: &Header) -> Result<Hash, Why> {
    let event = members.take("event")?;
    let salt = if members.has("salt") {
        Some(members.hash("salt")?.0)
    } else {
        None
    };
    let text = print_line(&event).map_err(Why::Canonical)?;
    let event = event.as_object().ok_or(Why::Event)?;
    if !event.get("type").is_some_and(Value::is_string) {
        return Err(Why::Event);
    }
    let at = instant(event).ok_or(Why::Event)?;
    if header.window.place(at) != Place::Inside {
        return Err(Why::Window);
    }
    if !header.filter.matches(event) {
        return Err(Why::Filter);
    }
    Ok(leaf_hash(salt.as_ref(), text.as_bytes()))
}

/// The last line.
struct Trailer {
    checkpoint: String,
    previous: Option<(u64, Hash)>,
}

impl Trailer {
    fn open(line: &str, header: &Header, sum: &str) -> Result<Self, Why> {
        let mut members = Members::parse(line)?;
        members.truth("trailer")?;
        unseal(line, TRAILER, &header.key)?;
        members.take("seal")?;
        if members.number("records")? != header.counts.range() {
            return Err(Why::Counts);
        }
        if members.text("sha256")? != sum {
            return Err(Why::Sum);
        }
        let checkpoint = members.text("checkpoint")?;
        let signed = header
            .key
            .checkpoint(&checkpoint)
            .map_err(Why::Checkpoint)?;
        if (signed.size, signed.root) != (header.size, header.root) {
            return Err(Why::OtherTree);
        }
        let previous = previous(&mut members, header)?;
        members.finish()?;
        Ok(Self {
            checkpoint,
            previous,
        })
    }
}

/// The earlier tree that the trailer names, once it is proven to be a prefix.
fn previous(members: &mut Members, header: &Header) -> Result<Option<(u64, Hash)>, Why> {
    if !members.has("previous") {
        return Ok(None);
    }
    let proof = members.hashes("consistency")?;
    let mut tree = Members::object(members.take("previous")?).ok_or(Why::Member("previous"))?;
    let (size, root) = (tree.number("size")?, tree.hash("root")?);
    tree.finish()?;
    verify_consistency(size, &root, header.size, &header.root, &proof).map_err(|_| Why::Forked)?;
    Ok(Some((size, root)))
}

/// How the tree relates to the checkpoint that was kept.
fn history(header: &Header, trailer: &Trailer, kept: Option<&Checkpoint>) -> Result<Previous, Why> {
    let Some(kept) = kept else {
        let claimed = trailer.previous.map(|(size, _)| Previous::Claimed(size));
        return Ok(claimed.unwrap_or(Previous::Unknown));
    };
    if kept.size > header.size {
        return Err(Why::Older);
    }
    // A tree continues itself and the empty tree without a proof.
    let mut known = trailer.previous.filter(|(size, _)| *size == kept.size);
    if verify_consistency(kept.size, &kept.root, header.size, &header.root, &[]).is_ok() {
        known = Some((kept.size, kept.root));
    } else if kept.size == header.size {
        known = Some((header.size, header.root));
    }
    match known {
        None => Err(Why::Unrelated),
        Some((_, root)) if root != kept.root => Err(Why::Forked),
        Some(_) => Ok(Previous::Kept(kept.size)),
    }
}

fn report(header: Header, trailer: Trailer, previous: Previous, options: &Options) -> Report {
    let counts = header.counts;
    let last = counts.end.checked_sub(1);
    Report {
        plane: header.plane,
        window: header.window,
        filter: header.filter,
        profile: header.profile,
        durability: header.durability,
        tool: header.tool,
        range: last
            .filter(|last| *last >= counts.first)
            .map(|last| (counts.first, last)),
        matched: counts.matched,
        in_window: counts.window,
        withheld: counts.withheld,
        erased: counts.erased,
        size: header.size,
        root: header.root,
        key: header.key.to_string(),
        key_id: header.key.id(),
        key_source: match options.key {
            Some(_) => KeySource::Reader,
            None => KeySource::File,
        },
        previous,
        checkpoint: trailer.checkpoint,
    }
}

/// The lines of a file, one at a time, and the running sum over them.
struct Lines<R> {
    reader: R,
    number: u64,
    digest: Context,
}

impl<R: BufRead> Lines<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            number: 0,
            digest: Context::new(&SHA256),
        }
    }

    /// The next line without its newline.
    fn next(&mut self) -> Result<String, Why> {
        self.number = self.number.saturating_add(1);
        let mut line = Vec::new();
        let limit = u64::try_from(MAX_LINE)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        self.reader
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut line)
            .map_err(Why::Read)?;
        self.digest.update(&line);
        if line.is_empty() {
            return Err(Why::Missing);
        }
        if line.pop() != Some(b'\n') {
            let long = line.len() >= MAX_LINE;
            return Err(if long { Why::Long } else { Why::Cut });
        }
        String::from_utf8(line).map_err(|_| Why::Utf8)
    }

    fn end(&mut self) -> Result<(), Why> {
        let rest = self.reader.fill_buf().map_err(Why::Read)?;
        rest.is_empty().then_some(()).ok_or(Why::More)
    }

    /// SHA-256 of all lines so far, newlines included.
    fn sum(&self) -> String {
        STANDARD.encode(self.digest.clone().finish())
    }

    fn refuse(&self, why: Why) -> VerifyError {
        VerifyError::at_line(self.number, why)
    }
}
