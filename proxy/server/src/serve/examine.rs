//! What a start would refuse, found without starting anything.

use std::path::Path;

use bauta_attestation::Plane;
use bauta_proxy::forward::{Timeouts, Upstreams};
use bauta_storage::Identity;

use super::{
    Start, doors,
    planes::{credentials, gateway_root, gateway_signer, key_material, settings},
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

/// What the gateway would refuse, besides its models.
pub(crate) fn examine_gateway(config: &Config, base: &Path) -> anyhow::Result<()> {
    gateway_signer(&gateway_root(config, base)?, config)?;
    let mut known = credentials(config, base)?;
    let upstreams = config.upstream.iter();
    let shown = upstreams.map(|it| known.remove(&it.name)).collect();
    Upstreams::open(&config.upstream, shown, Timeouts::default())?;
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
