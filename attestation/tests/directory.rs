//! The port for the directory in memory keeps its promises.

use std::sync::Arc;

use bauta_attestation::ports::{directory_conformance, memory::Memory};

#[tokio::test]
async fn memory_keeps_every_promise_about_the_directory() {
    directory_conformance::all(async || Arc::new(Memory::default())).await;
}
