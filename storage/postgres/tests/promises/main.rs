//! Every port on PostgreSQL: the server that `BAUTA_TEST_POSTGRES_URL` names. Without one these
//! tests fail; `./tests/run` starts one.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what sets a test up may fail it"
)]

use std::sync::Arc;

use bauta_attestation::ports::{
    directory_conformance, grants_conformance, office_conformance, people_conformance,
};
use bauta_postgres::{Durability, GatewayStore, IdentityStore};
use bauta_proxy::ports::conformance;

use self::scratch::Scratch;

mod scratch;

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_every_promise_about_members() {
    let scratch = Scratch::new("people");
    people_conformance::all(async || identity(&scratch).await).await;
    scratch.drop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_every_promise_about_grants() {
    let scratch = Scratch::new("grants");
    grants_conformance::all(async || identity(&scratch).await).await;
    scratch.drop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_every_promise_about_the_directory() {
    let scratch = Scratch::new("directory");
    directory_conformance::all(async || identity(&scratch).await).await;
    scratch.drop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_every_promise_about_the_console() {
    let scratch = Scratch::new("office");
    office_conformance::all(async || identity(&scratch).await).await;
    scratch.drop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_every_promise_of_the_gateway() {
    let scratch = Scratch::new("gateway");
    conformance::all(async || {
        let url = scratch.database().await;
        Arc::new(GatewayStore::open(&url, Durability::Fsync).await.unwrap())
    })
    .await;
    scratch.drop_all().await;
}

async fn identity(scratch: &Scratch) -> Arc<IdentityStore> {
    let url = scratch.database().await;
    Arc::new(IdentityStore::open(&url).await.unwrap())
}
