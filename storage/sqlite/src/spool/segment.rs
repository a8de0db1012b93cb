//! The file that a commit appends to.
//!
//! A line is eight hexadecimal digits of CRC-32 (ISO-HDLC), a blank, the fact as JSON, and a line
//! feed. A process or a machine that stops leaves at most a torn end, which nobody was told of; any
//! other bad line is damage, and is not read past.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crc::{CRC_32_ISO_HDLC, Crc, Table};

use super::{fact::Fact, ledger::Judged};

/// One file of the spool, open for appending.
pub(crate) struct Segment {
    file: File,
}

impl Segment {
    /// The file of number `number` beside `database`, made when absent.
    pub(super) fn open(database: &Path, number: u32, durable: bool) -> io::Result<Self> {
        let path = path(database, number);
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)?;
        if durable {
            sync_folder(&path)?;
        }
        Ok(Self { file })
    }

    /// Appends whole lines in one write.
    pub(super) fn append(&self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        (&self.file).write_all(lines)
    }

    /// Until a power cut takes nothing of what was appended.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Adds the line of each fact to `lines`, or none.
pub(super) fn write_lines(lines: &mut Vec<u8>, judged: &[Judged]) -> io::Result<()> {
    let before = lines.len();
    for judged in judged {
        if let Err(cause) = write_line(lines, &judged.fact) {
            lines.truncate(before);
            return Err(cause);
        }
    }
    Ok(())
}

/// Adds the line of `fact` to `lines`.
fn write_line(lines: &mut Vec<u8>, fact: &Fact) -> io::Result<()> {
    let start = lines.len();
    lines.extend_from_slice(b"00000000 ");
    serde_json::to_writer(&mut *lines, fact)?;
    let body = start.saturating_add(HEAD);
    let sum = CRC.checksum(lines.get(body..).unwrap_or_default());
    if let Some(head) = lines.get_mut(start..body) {
        write!(&mut head[..], "{sum:08x} ")?;
    }
    lines.push(b'\n');
    Ok(())
}

/// The facts of a file's text, and whether its end is torn: a last line without its line feed, or
/// the zeros that a file system may leave there. Any other bad line is damage.
pub(super) fn read(text: &[u8]) -> io::Result<(Vec<Fact>, bool)> {
    let mut facts = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        match fact(line) {
            Some(fact) => facts.push(fact),
            None if line.last() == Some(&b'\n') => {
                return Err(io::Error::other("a line in it is damaged"));
            }
            None => return Ok((facts, true)),
        }
    }
    Ok((facts, false))
}

/// What to do about file `number`, which cannot be read whole.
pub(super) fn damaged(database: &Path, number: u32, cause: &io::Error) -> io::Error {
    let path = path(database, number);
    io::Error::other(format!(
        "{} is damaged ({cause}): it holds the last requests before a stop. Restore it, or \
         move it aside and start without them; nothing was changed",
        path.display()
    ))
}

fn fact(line: &[u8]) -> Option<Fact> {
    let (head, json) = line.strip_suffix(b"\n")?.split_at_checked(HEAD)?;
    let sum = u32::from_str_radix(std::str::from_utf8(head).ok()?.strip_suffix(' ')?, 16).ok()?;
    (sum == CRC.checksum(json)).then_some(())?;
    serde_json::from_slice(json).ok()
}

/// The numbers of the files that are there, in order.
pub(super) fn numbers(database: &Path) -> io::Result<Vec<u32>> {
    let prefix = name(database);
    let folder = database.parent().unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(&prefix));
        let number = number.and_then(|text| Some((text, text.parse::<u32>().ok()?)));
        // One spelling: no sign, no leading zero.
        found.extend(
            number
                .filter(|(text, number)| number.to_string() == *text)
                .map(|it| it.1),
        );
    }
    found.sort_unstable();
    Ok(found)
}

/// The text of file `number`.
pub(super) fn text(database: &Path, number: u32) -> io::Result<Vec<u8>> {
    fs::read(path(database, number))
}

/// Deletes file `number`; one that is gone is gone.
pub(super) fn delete(database: &Path, number: u32) -> io::Result<()> {
    match fs::remove_file(path(database, number)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn path(database: &Path, number: u32) -> PathBuf {
    database.with_file_name(format!("{}{number}", name(database)))
}

fn name(database: &Path) -> String {
    let name = database.file_name().unwrap_or_default();
    format!("{}-spool-", name.to_string_lossy())
}

/// A file that is new must be in its folder after a power cut, too.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)?.sync_all()
}

/// Sixteen bytes a step: each commit pays for it.
static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

/// Eight digits and a blank.
const HEAD: usize = 9;
