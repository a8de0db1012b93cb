//! Where log lines go. What may be in them is decided where they are written: from structs whose
//! fields are the allow-list.

use std::{fs::OpenOptions, io, os::unix::fs::OpenOptionsExt, path::Path, sync::Mutex};

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// JSON lines to standard error, or to `file` (made with mode 0600) when one is named.
///
/// `BAUTA_LOG` sets the level, as in `info` or `bauta_proxy=debug`; the default is `info`.
///
/// # Errors
///
/// When the file cannot be opened.
pub fn start(file: Option<&Path>) -> io::Result<()> {
    start_at("info", file)
}

/// The same with another default level.
///
/// # Errors
///
/// When the file cannot be opened.
pub fn start_at(level: &str, file: Option<&Path>) -> io::Result<()> {
    let filter = EnvFilter::try_from_env("BAUTA_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let registry = tracing_subscriber::registry().with(filter);
    let line = fmt::layer().json().flatten_event(true).with_target(true);
    // A second call, as in a test binary, keeps the first subscriber.
    let started = if let Some(path) = file {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        registry.with(line.with_writer(Mutex::new(log))).try_init()
    } else {
        registry.with(line.with_writer(io::stderr)).try_init()
    };
    drop(started);
    Ok(())
}
