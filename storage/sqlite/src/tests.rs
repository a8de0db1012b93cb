use bauta_proxy::ports::{FeedBook, Heard};
use bauta_token::units::UnixMillis;
use sqlx::query;

use super::*;

#[tokio::test]
async fn sto_01_a_disk_that_was_full_is_used_again_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.db");
    let store = GatewayStore::open(&file, Durability::Fsync).await.unwrap();
    let long = |size: usize| {
        std::sync::Arc::new(Heard {
            seq: 1,
            manifest: Some("x".repeat(size)),
            ..Heard::default()
        })
    };
    // As a full disk does, this ends the transaction without being asked to.
    query("PRAGMA max_page_count = 1")
        .execute(store.db.writer())
        .await
        .unwrap();

    let full = store.hear(long(1_000_000), UnixMillis::default()).await;
    let roomy = store.hear(long(10), UnixMillis::default()).await;

    let full = full.unwrap_err();
    let cause = std::error::Error::source(&full).unwrap().to_string();
    assert!(cause.contains("full"), "{cause}");
    roomy.unwrap();
}
