//! The identity plane's ports on SQLite, in files: in memory, each connection of a pool would get a
//! memory of its own.

#![expect(clippy::unwrap_used, reason = "what sets a test up may fail it")]

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use bauta_attestation::ports::{
    directory_conformance, grants_conformance, office_conformance, people_conformance,
};
use bauta_sqlite::IdentityStore;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_every_promise_about_members() {
    let scratch = Scratch::new();
    people_conformance::all(async || scratch.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_every_promise_about_grants() {
    let scratch = Scratch::new();
    grants_conformance::all(async || scratch.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_every_promise_about_the_directory() {
    let scratch = Scratch::new();
    directory_conformance::all(async || scratch.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_every_promise_about_the_console() {
    let scratch = Scratch::new();
    office_conformance::all(async || scratch.open().await).await;
}

/// A folder of empty databases.
struct Scratch {
    folder: TempDir,
    made: AtomicU32,
}

impl Scratch {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            made: AtomicU32::new(0),
        }
    }

    async fn open(&self) -> Arc<IdentityStore> {
        let n = self.made.fetch_add(1, Ordering::Relaxed);
        let file = self.folder.path().join(format!("identity-{n}.db"));
        Arc::new(IdentityStore::open(&file).await.unwrap())
    }
}
