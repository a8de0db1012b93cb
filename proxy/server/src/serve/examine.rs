//! What a start would refuse, found without starting anything.

use std::{path::Path, sync::Arc};

use bauta_attestation::{
    Plane,
    workload::{Examined, examine},
};
use bauta_proxy::forward::{Showing, Timeouts, Upstreams};
use bauta_storage::Identity;
use tokio_util::task::TaskTracker;

use super::{
    Start, doors, outbound,
    planes::{
        credentials, federation_issuer, gateway_root, gateway_signer, key_material, settings,
    },
};
use crate::config::Config;

/// What the identity plane would refuse, of its settings and of what `store` remembers.
pub(crate) async fn examine_identity(
    start: &Start<'_>,
    store: Option<Identity>,
) -> anyhow::Result<()> {
    let (config, base) = (start.config, start.base);
    let (settings, keys) = (settings(start)?, key_material(config, base)?);
    let now = start.clock.now();
    Ok(Plane::examine(&settings, keys, store.as_deref(), now).await?)
}

/// Whether builds can come: the keys of their platforms, and who answers for them.
pub(crate) async fn examine_workloads(
    start: &Start<'_>,
    store: Option<Identity>,
) -> anyhow::Result<Vec<Examined>> {
    let (settings, http) = (settings(start)?, outbound()?);
    let now = start.clock.now();
    Ok(examine(&settings, &http, store.as_deref(), now).await?)
}

/// What the gateway would refuse, besides its models.
pub(crate) fn examine_gateway(start: &Start<'_>) -> anyhow::Result<()> {
    let (config, base) = (start.config, start.base);
    gateway_signer(&gateway_root(config, base)?, config)?;
    let showing = Showing {
        keys: credentials(config, base)?,
        issuer: federation_issuer(config, base)?.map(Arc::new),
        clock: Arc::clone(&start.gateway_clock),
        randomness: Arc::clone(&start.randomness),
        tasks: TaskTracker::new(),
    };
    Upstreams::open(&config.upstream, showing, Timeouts::default())?;
    Ok(())
}

/// What the listeners would refuse, except that an address may be taken.
pub(crate) fn examine_doors(config: &Config, base: &Path) -> anyhow::Result<()> {
    doors::hosts(config)?;
    if let Some(files) = &config.server.tls {
        doors::tls(files, base)?;
    }
    Ok(())
}
