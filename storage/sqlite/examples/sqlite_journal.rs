//! What the journal costs on SQLite, in a file under the folder that is named, or the usual one for
//! temporary files. A file in memory would tell nothing.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "a benchmark: it takes the time, reckons and prints"
)]

use std::{env, sync::Arc};

use bauta_sqlite::{Durability, GatewayStore, SpooledStore};

#[path = "../../../tests/bench/journal.rs"]
mod journal;

#[tokio::main]
async fn main() -> Result<(), journal::Failed> {
    let folder = env::args_os()
        .nth(1)
        .map_or_else(tempfile::tempdir, tempfile::tempdir_in)?;
    journal::head();
    for (name, durability) in [
        ("sqlite fsync", Durability::Fsync),
        ("sqlite os", Durability::Os),
    ] {
        let file = folder.path().join(format!("{durability:?}.db"));
        let store = GatewayStore::open(&file, durability).await?;
        journal::measure(name, Arc::new(store), None).await?;
        let file = folder.path().join(format!("{durability:?}-spooled.db"));
        let store = SpooledStore::open(&file, durability).await?;
        journal::measure(&format!("{name} spool"), Arc::new(store), None).await?;
    }
    Ok(())
}
