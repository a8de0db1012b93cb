//! The ports in memory keep the promises that the databases keep: else tests of the plane would
//! prove something about the fake.

use std::sync::Arc;

use bauta_attestation::ports::{memory::Memory, people_conformance};

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_every_promise_about_members() {
    people_conformance::all(async || Arc::new(Memory::default())).await;
}
