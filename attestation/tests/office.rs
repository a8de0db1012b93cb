//! The port behind the console in memory keeps the promises that the databases keep.

use std::sync::Arc;

use bauta_attestation::ports::{memory::Memory, office_conformance};

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_every_promise_about_the_console() {
    office_conformance::all(async || Arc::new(Memory::default())).await;
}
