//! What the journal costs on the PostgreSQL server that `BAUTA_TEST_POSTGRES_URL` names.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "a benchmark: it takes the time, reckons and prints"
)]

use std::{env, fs, sync::Arc};

use bauta_postgres::{Durability, GatewayStore};
use sqlx::{Connection, Executor, PgConnection, query_scalar};

#[path = "../../../tests/bench/journal.rs"]
mod journal;

#[tokio::main]
async fn main() -> Result<(), journal::Failed> {
    let server = env::var("BAUTA_TEST_POSTGRES_URL")?;
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await?;
    let parent = parent(&mut admin).await?;
    journal::head();
    for (name, durability) in [
        ("postgresql fsync", Durability::Fsync),
        ("postgresql os", Durability::Os),
    ] {
        admin
            .execute("DROP DATABASE IF EXISTS bauta_journal_cost WITH (FORCE)")
            .await?;
        admin.execute("CREATE DATABASE bauta_journal_cost").await?;
        let url = format!("{server}/bauta_journal_cost");
        let store = GatewayStore::open(&url, durability).await?;
        journal::measure(name, Arc::new(store), Some(parent)).await?;
    }
    admin
        .execute("DROP DATABASE bauta_journal_cost WITH (FORCE)")
        .await?;
    Ok(())
}

/// The process that started the one that serves this connection, if both run here.
async fn parent(admin: &mut PgConnection) -> Result<u32, journal::Failed> {
    let own: i32 = query_scalar("SELECT pg_backend_pid()")
        .fetch_one(admin)
        .await?;
    let stat = fs::read_to_string(format!("/proc/{own}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no fields")?;
    Ok(fields
        .split_whitespace()
        .nth(1)
        .ok_or("no parent")?
        .parse()?)
}
