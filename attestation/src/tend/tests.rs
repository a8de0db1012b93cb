use std::sync::Arc;

use bauta_token::ambient::{Clock, Randomness};
use zeroize::Zeroizing;

use crate::{
    Parts, Plane, StartError,
    config::{DeviceFlow, Environment},
    issue::world::{NOW, World, settings},
    keys::{KeyError, KeyMaterial},
    ports::people::People,
};

struct Still;

impl Clock for Still {
    fn now(&self) -> bauta_token::units::UnixMillis {
        bauta_token::units::UnixMillis(NOW)
    }
}

struct Seeded;

impl Randomness for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0x5a);
    }
}

fn key(n: u8) -> Zeroizing<[u8; 32]> {
    let block = ring::digest::digest(&ring::digest::SHA256, &[n]);
    Zeroizing::new(block.as_ref().try_into().unwrap())
}

/// The same database under other key files.
async fn reopen(world: &World, peppers: &[u8], kek: u8) -> Result<Arc<Plane>, StartError> {
    reopen_as(world, peppers, kek, settings(DeviceFlow::Off)).await
}

async fn reopen_as(
    world: &World,
    peppers: &[u8],
    kek: u8,
    settings: crate::config::Settings,
) -> Result<Arc<Plane>, StartError> {
    Plane::open(Parts {
        settings,
        keys: KeyMaterial {
            peppers: peppers.iter().map(|n| key(*n)).collect(),
            kek: key(kek),
        },
        store: world.store.clone(),
        clock: Arc::new(Still),
        randomness: Arc::new(Seeded),
        http: reqwest::Client::builder().no_proxy().build().unwrap(),
    })
    .await
}

#[tokio::test]
async fn cry_05_the_wrong_key_file_is_found_at_start() {
    let world = World::new(DeviceFlow::Off).await;

    let wrong_kek = reopen(&world, &[1], 3).await.err();
    let wrong_pepper = reopen(&world, &[3], 2).await.err();
    let lost_order = reopen(&world, &[4, 1], 2).await.err();

    for refused in [wrong_kek, wrong_pepper, lost_order] {
        assert!(
            matches!(refused, Some(StartError::Keys(KeyError::Foreign(_)))),
            "{refused:?}"
        );
    }
    assert!(reopen(&world, &[1], 2).await.is_ok());
}

#[tokio::test]
async fn production_is_not_served_from_what_a_simulation_wrote_nor_the_reverse() {
    let world = World::new(DeviceFlow::Off).await;
    let simulated = reopen(&world, &[1], 2).await.unwrap();
    let mut real = settings(DeviceFlow::Off);
    real.environment = match real.environment {
        Environment::Production => Environment::Development,
        Environment::Development => Environment::Production,
    };
    let real = reopen_as(&world, &[1], 2, real).await.unwrap();

    simulated.claim().await.unwrap();
    let refused = real.claim().await;

    assert!(matches!(refused, Err(StartError::Environment(_))));
    simulated.claim().await.unwrap();
}

#[tokio::test]
async fn a_new_pepper_is_put_around_every_tag() {
    let world = World::new(DeviceFlow::Off).await;
    let ada = world.stranger().await;
    let before = world.store.member(ada.id).await.unwrap().unwrap().tag;
    let plane = reopen(&world, &[1, 9], 2).await.unwrap();

    let tended = plane.tend().await.unwrap();

    let after = world.store.member(ada.id).await.unwrap().unwrap().tag;
    assert_eq!(
        (tended.wrapped, after.pepper_from, after.pepper_to),
        (1, 1, 2)
    );
    assert_ne!(before.tag, after.tag);
    assert_eq!(plane.tend().await.unwrap().wrapped, 0);
}

#[tokio::test]
async fn storage_that_is_down_fails_a_round_and_the_next_one_goes_on() {
    let world = World::new(DeviceFlow::Off).await;
    world.store.go_down(true);
    assert!(world.plane.tend().await.is_err());

    world.store.go_down(false);
    assert!(world.plane.tend().await.is_ok());
}
