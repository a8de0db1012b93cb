//! Where a counterparty sends us elsewhere, we do not go.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bauta_sandbox::{Answer, Fault, persona::Decision};
use bauta_tests::{Backend, World};
use reqwest::StatusCode;
use tokio::net::TcpListener;

use super::is_signed_in;

/// With each status that leads somewhere, and the ones that repeat a body among them.
const STATUSES: [StatusCode; 3] = [
    StatusCode::FOUND,
    StatusCode::TEMPORARY_REDIRECT,
    StatusCode::PERMANENT_REDIRECT,
];

#[tokio::test(flavor = "multi_thread")]
async fn srf_03_a_redirect_of_the_identity_provider_or_the_vendor_is_not_followed() {
    let inside = Inside::listen().await;
    let mut tried = 0;
    for status in STATUSES {
        let world = World::new(Backend::Sqlite).await;
        let sandbox = &world.stage.scene.sandbox;
        let mut ada = world.member("Ada");
        for path in ["/.well-known/openid-configuration", "/token", "/jwks"] {
            sandbox.idp.next_at(path, inside.redirect(status));

            drop(ada.sign_in().await);

            assert_eq!(sandbox.idp.faults_left(), 0, "{path} was not asked for");
            assert!(!is_signed_in(&mut ada).await, "{status} at {path}");
            // A document or key that could not be read is asked for again after a while.
            world.hands.advance_seconds(61);
            tried += 1;
        }
        ada.sign_in().await.unwrap();
        sandbox.persona.next_at("/api/v1", inside.redirect(status));

        let begun = ada.begin_verification().await;

        assert!(begun.is_err(), "{begun:?}");
        assert_eq!(sandbox.persona.faults_left(), 0, "nobody asked the vendor");
        ada.verify(Decision::Approve).await.unwrap();
        tried += 1;
        world.end().await;
    }
    println!("{tried} redirects, {} followed", inside.visits());
    assert_eq!(inside.visits(), 0);
}

/// A server that nobody outside is meant to reach.
struct Inside {
    url: String,
    visits: Arc<AtomicUsize>,
}

impl Inside {
    #[expect(clippy::disallowed_methods, reason = "gone with the test")]
    async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/metadata", listener.local_addr().unwrap());
        let visits = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&visits);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { url, visits }
    }

    fn redirect(&self, status: StatusCode) -> Fault {
        Fault::answer(Answer::empty(status).with("location", &self.url))
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}
