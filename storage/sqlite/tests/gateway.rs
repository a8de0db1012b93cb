//! The gateway's ports on SQLite, in a file: in memory, each connection of a pool would get a
//! memory of its own.

#![expect(clippy::unwrap_used, reason = "what sets a test up may fail it")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bauta_proxy::ports::{Journal, ReplicaId, Replicas, conformance};
use bauta_sqlite::{Durability, GatewayStore};
use bauta_token::units::UnixMillis;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_every_promise_of_the_ports() {
    let dir = tempfile::tempdir().unwrap();
    let next = AtomicU32::new(0);

    conformance::all(async || {
        let n = next.fetch_add(1, Ordering::Relaxed);
        Arc::new(open(&dir.path().join(format!("gateway-{n}.db"))).await)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_is_there_when_the_file_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.db");
    let store = Arc::new(open(&file).await);
    conformance::two_sealers_make_no_leaf_twice(Arc::clone(&store)).await;
    store
        .renew(ReplicaId([6; 16]), UnixMillis(4_102_444_800_000))
        .await
        .unwrap();
    drop(store);

    let again = open(&file).await;

    // The forty intents of the suite are open, and no process can answer for them any more.
    let reaped = again.reap(Replicas::Sole, UnixMillis(0)).await.unwrap();
    assert_eq!(reaped, 40);
}

async fn open(file: &Path) -> GatewayStore {
    GatewayStore::open(file, Durability::Fsync).await.unwrap()
}
