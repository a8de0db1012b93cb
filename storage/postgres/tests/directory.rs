//! The port for the directory on PostgreSQL, when `BAUTA_TEST_POSTGRES_URL` names a server.

#![expect(clippy::unwrap_used, reason = "what sets a test up may fail it")]

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bauta_attestation::ports::directory_conformance;
use bauta_postgres::IdentityStore;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_every_promise_about_the_directory() {
    let Ok(server) = std::env::var("BAUTA_TEST_POSTGRES_URL") else {
        return;
    };
    let next = AtomicU32::new(0);

    directory_conformance::all(async || {
        Arc::new(fresh(&server, next.fetch_add(1, Ordering::Relaxed)).await)
    })
    .await;

    for n in 0..next.into_inner() {
        run(&server, &format!("DROP DATABASE {} WITH (FORCE)", name(n))).await;
    }
}

/// An empty database of its own, so that suites that run at once do not meet.
async fn fresh(server: &str, n: u32) -> IdentityStore {
    let name = name(n);
    run(
        server,
        &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
    )
    .await;
    run(server, &format!("CREATE DATABASE {name}")).await;
    IdentityStore::open(&format!("{server}/{name}"))
        .await
        .unwrap()
}

async fn run(server: &str, statement: &str) {
    let mut admin = PgConnection::connect(&format!("{server}/postgres"))
        .await
        .unwrap();
    admin
        .execute(AssertSqlSafe(statement.to_owned()))
        .await
        .unwrap();
    admin.close().await.unwrap();
}

fn name(n: u32) -> String {
    format!("bauta_directory_{}_{n}", process::id())
}
