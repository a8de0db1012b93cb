//! The port for the directory on SQLite, in a file: in memory, each connection of a pool would get a
//! memory of its own.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use bauta_attestation::ports::directory_conformance;
use bauta_sqlite::IdentityStore;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_every_promise_about_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let next = AtomicU32::new(0);

    directory_conformance::all(async || {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let file = dir.path().join(format!("identity-{n}.db"));
        Arc::new(IdentityStore::open(&file).await.unwrap())
    })
    .await;
}
