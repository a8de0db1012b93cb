//! `bauta audit verify`: offline, with nothing but the file.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use anyhow::Context;
use bauta_audit::{
    export::{Options, kept, verify},
    note::Verifier,
};

use crate::cli::{Exit, Failure, print};

/// Verify a bundle offline: needs only the file and, better, the key
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The export
    file: PathBuf,
    /// The log's key, from a source other than the file
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
    /// What you kept last time: an earlier export or a checkpoint
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &Verify) -> Result<Exit, Failure> {
    let key = match &command.key {
        None => None,
        Some(text) => Some(Verifier::parse(text).map_err(|cause| {
            Failure::usage(format!(
                "--key is refused: {cause}. Was it copied whole, and is it in quotes? It is a name, \
                 eight digits of a checksum and a key, with a + between them"
            ))
        })?),
    };
    let previous =
        match &command.previous {
            None => None,
            Some(path) => Some(kept(open(path)?).map_err(|cause| {
                Failure::new(Exit::Failed, format!("{}: {cause}", path.display()))
            })?),
        };
    let name = command.file.display();
    match verify(open(&command.file)?, &Options { key, previous }) {
        Ok(report) if command.json => {
            let verdict = serde_json::json!({
                "verified": true, "plane": report.plane.to_string(), "size": report.size,
                "shown": report.matched, "withheld": report.withheld, "erased": report.erased,
                "key": report.key, "checkpoint": report.checkpoint,
            });
            print::line(verdict.to_string());
            Ok(Exit::Done)
        }
        Ok(report) => {
            print::line(format!("{name}: verified\n{report}"));
            Ok(Exit::Done)
        }
        Err(error) if command.json => {
            let verdict = serde_json::json!({
                "verified": false, "line": error.line(), "leaf": error.index(),
                "why": error.why().to_string(),
            });
            print::line(verdict.to_string());
            Ok(Exit::Failed)
        }
        Err(error) => Err(Failure::new(
            Exit::Failed,
            format!("{name} is NOT what the log holds. {error}"),
        )),
    }
}

fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(BufReader::new(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_lost_a_letter_asks_whether_it_is_whole() {
        let key =
            "ai.example.com/log/identity+00000000+AYzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzM";
        let command = Verify {
            file: PathBuf::from("never-opened"),
            key: Some(key.to_owned()),
            previous: None,
            json: false,
        };

        let refused = run(&command).unwrap_err().sentence;

        assert!(refused.contains("copied whole"), "{refused}");
    }
}
