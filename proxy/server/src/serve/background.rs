//! Work that is done again and again, until the server stops.

use std::{error::Error, sync::Arc, time::Duration};

use bauta_attestation::Plane;
use bauta_proxy::Gateway;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Pace, warn};
use crate::{chain::chain, check::discovered};

/// Starts the loops of the planes that are there.
pub(super) fn start(
    tasks: &TaskTracker,
    stop: &CancellationToken,
    pace: Pace,
    plane: Option<&Arc<Plane>>,
    gateway: Option<&Arc<Gateway>>,
) {
    if let Some(plane) = plane {
        let (sealer, tender) = (Arc::clone(plane), Arc::clone(plane));
        tasks.spawn(every(
            pace.seal,
            stop.clone(),
            "seal the identity log",
            move || {
                let plane = Arc::clone(&sealer);
                async move { plane.seal().await.map(drop) }
            },
        ));
        tasks.spawn(every(
            pace.tend,
            stop.clone(),
            "tend the identity plane",
            move || {
                let plane = Arc::clone(&tender);
                async move { plane.tend().await.map(drop) }
            },
        ));
    }
    if let Some(gateway) = gateway {
        let (sealer, follower) = (Arc::clone(gateway), Arc::clone(gateway));
        let counter = Arc::clone(gateway);
        tasks.spawn(every(
            pace.count,
            stop.clone(),
            "count who was turned away",
            move || {
                let gateway = Arc::clone(&counter);
                async move { gateway.count().await }
            },
        ));
        let ripe = Arc::clone(gateway);
        tasks.spawn(often(
            pace.seal,
            stop.clone(),
            "seal the gateway log",
            move || {
                let gateway = Arc::clone(&ripe);
                async move { gateway.ripen().await }
            },
            move || {
                let gateway = Arc::clone(&sealer);
                async move { gateway.seal().await.map(drop) }
            },
        ));
        tasks.spawn(every(
            pace.follow,
            stop.clone(),
            "follow the feed",
            move || {
                let gateway = Arc::clone(&follower);
                async move { gateway.follow().await.map(drop) }
            },
        ));
    }
}

/// Asks the identity provider once who it is, so that whoever starts the server learns what members
/// would learn first. Not more than a warning: a provider that is away comes back.
pub(super) fn meet(tasks: &TaskTracker, stop: &CancellationToken, issuer: String) {
    let stop = stop.clone();
    tasks.spawn(async move {
        let said = tokio::select! {
            () = stop.cancelled() => return,
            said = discovered(&issuer) => said,
        };
        match said {
            Ok(said) if said == issuer => {}
            Ok(said) => tracing::warn!(
                issuer,
                said,
                "nobody can sign in: the identity provider calls itself something else; write \
                 exactly that as sso.issuer"
            ),
            Err(error) => tracing::warn!(
                issuer,
                error = chain(error.as_ref()),
                "nobody can sign in until the identity provider answers; is sso.issuer right?"
            ),
        }
    });
}

/// Does `work` now and after each `period`. A failure is told and tried again; a slow round delays
/// the next one instead of piling up.
async fn every<W, F, E>(period: Duration, stop: CancellationToken, what: &'static str, work: W)
where
    W: Fn() -> F,
    F: Future<Output = Result<(), E>>,
    E: Error + 'static,
{
    often(period, stop, what, std::future::pending, work).await;
}

/// [`every`], and whenever `due` says that there is enough to do.
async fn often<D, G, W, F, E>(
    period: Duration,
    stop: CancellationToken,
    what: &'static str,
    due: D,
    work: W,
) where
    D: Fn() -> G,
    G: Future<Output = ()>,
    W: Fn() -> F,
    F: Future<Output = Result<(), E>>,
    E: Error + 'static,
{
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
            () = due() => {}
        }
        if let Err(error) = work().await {
            warn(&error, what);
        }
    }
}
