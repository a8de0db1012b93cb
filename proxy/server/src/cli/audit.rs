//! `bauta audit`: export a log, verify an export.

mod export;
mod verify;

use super::{Exit, Failure};

/// Export a log, or verify an export
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Audit {
    /// Write a plane's log as a bundle that proves its own completeness
    Export(export::Export),
    /// Verify a bundle offline: needs only the file and, better, the key
    Verify(verify::Verify),
}

pub(crate) async fn run(audit: Audit) -> Result<Exit, Failure> {
    match audit {
        Audit::Export(command) => export::run(command).await,
        Audit::Verify(command) => verify::run(&command),
    }
}
