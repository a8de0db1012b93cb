//! `bauta serve`: the production server.

use std::{path::Path, sync::Arc};

use tokio::signal::unix::{SignalKind, signal};

use super::{ConfigFile, Exit, Failure, print};
use crate::{
    ambient::{SystemClock, SystemRandomness},
    config::Config,
    harden,
    serve::{Role, Running, Start},
    telemetry,
};

/// The production server
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    file: ConfigFile,
    /// Which plane runs in this process
    #[arg(long, value_enum, default_value_t = Role::All)]
    role: Role,
}

pub(crate) async fn run(command: Serve) -> Result<Exit, Failure> {
    let file = command.file.config;
    let config = Config::read(&file).map_err(Failure::usage)?;
    let log = telemetry::start(None)?;
    let served = serve(command.role, &config, &file).await;
    log.flush();
    served
}

async fn serve(role: Role, config: &Config, file: &Path) -> Result<Exit, Failure> {
    harden::harden()?;
    let start = Start {
        clock: Arc::new(SystemClock),
        randomness: Arc::new(SystemRandomness::default()),
        role,
        ..Start::new(config, base(file))
    };
    let running = start.run().await?;
    print::note(format!("bauta: {}", running.summary()));
    until_told(&running, file).await?;
    Ok(Exit::Done)
}

/// The folder that paths in a configuration are relative to.
pub(crate) fn base(file: &Path) -> &Path {
    file.parent().unwrap_or_else(|| Path::new("."))
}

/// Serves until a signal: the first one drains, the second one ends at once.
pub(crate) async fn until_told(running: &Running, file: &Path) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(file),
        }
    }
    print::note("bauta: draining; a second signal ends at once");
    tokio::select! {
        () = running.stop() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Says whether the file on disk could replace what runs. The last good configuration is kept in
/// any case: what is applied to a running system must be applied whole, and that is a restart.
fn reload(file: &Path) {
    match Config::read(file) {
        Ok(_) => print::note("bauta: the configuration is good; restart to put it in force"),
        Err(error) => print::note(format!("bauta: kept the last good configuration: {error}")),
    }
}
