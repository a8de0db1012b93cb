//! `bauta migrate`: the databases, brought to the newest schema.

use super::{ConfigFile, Exit, Failure, print, serve::base};
use crate::{config::Config, serve::open_stores};

/// Bring the databases to the newest schema
#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    file: ConfigFile,
}

pub(crate) async fn run(command: Migrate) -> Result<Exit, Failure> {
    let file = command.file.config;
    let config = Config::read(&file).map_err(Failure::usage)?;
    let stores = open_stores(&config.storage, base(&file)).await?;
    if stores.identity.is_some() {
        print::line("identity: at the newest schema");
    }
    if stores.gateway.is_some() {
        print::line("gateway: at the newest schema");
    }
    Ok(Exit::Done)
}
