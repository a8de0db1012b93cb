//! Assembles what a role needs, binds, serves and drains. The one place that names both planes.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use bauta_attestation::{Plane, config::Environment};
use bauta_proxy::{Gateway, trace::Tracer};
use bauta_token::ambient::{Clock, Randomness};
use clap::ValueEnum;
use reqwest::{Url, header::HeaderValue};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::doors::Doors;
use crate::{
    ambient::{SystemClock, SystemRandomness},
    config::Config,
    telemetry::otlp::{self, Counts, Courier},
};

mod background;
mod doors;
mod examine;
mod planes;
mod stores;

pub(crate) use examine::{examine_doors, examine_gateway, examine_identity, examine_workloads};
pub(crate) use planes::{
    credentials, federation_issuer, feed_origin, gateway_root, gateway_signer, identity_signer,
    key_material,
};
pub use stores::{Stores, open_stores};

/// Which plane runs in this process.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[non_exhaustive]
pub enum Role {
    /// Both.
    All,
    /// Who someone is.
    Identity,
    /// What was asked.
    Gateway,
}

impl Role {
    pub(crate) const fn has_identity(self) -> bool {
        matches!(self, Self::All | Self::Identity)
    }

    pub(crate) const fn has_gateway(self) -> bool {
        matches!(self, Self::All | Self::Gateway)
    }
}

/// A server about to start.
pub struct Start<'a> {
    /// The settings.
    pub config: &'a Config,
    /// What relative paths in them are relative to.
    pub base: &'a Path,
    /// Which planes.
    pub role: Role,
    /// Whether checks that prove nothing are accepted. Never settable in a file.
    pub environment: Environment,
    /// What time it is for the identity plane.
    pub clock: Arc<dyn Clock>,
    /// What time it is for the gateway: the planes share no clock either.
    pub gateway_clock: Arc<dyn Clock>,
    /// Where unpredictable bytes come from.
    pub randomness: Arc<dyn Randomness>,
    /// Already bound, when the address had to be known before the settings.
    pub listener: Option<TcpListener>,
    /// How often the background work is done.
    pub pace: Pace,
}

/// How often the background work is done.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Pace {
    /// The gateway pulls the feed. A view older than five seconds denies.
    pub follow: Duration,
    /// Entries move into the logs, if not sooner; at most a minute apart.
    pub seal: Duration,
    /// How many were turned away is written down.
    pub count: Duration,
    /// Redactions are asked for and confirmed, and what is over is cleared away.
    pub tend: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            follow: Duration::from_millis(500),
            seal: Duration::from_secs(30),
            count: Duration::from_secs(1),
            tend: Duration::from_secs(20),
        }
    }
}

impl<'a> Start<'a> {
    /// A production start of both planes.
    #[must_use]
    pub fn new(config: &'a Config, base: &'a Path) -> Self {
        Self {
            config,
            base,
            role: Role::All,
            environment: Environment::Production,
            clock: Arc::new(SystemClock),
            gateway_clock: Arc::new(SystemClock),
            randomness: Arc::new(SystemRandomness::default()),
            listener: None,
            pace: Pace::default(),
        }
    }

    /// The identity plane on the files of a server that may be running, for administration. It
    /// serves nothing.
    ///
    /// # Errors
    ///
    /// When keys or database cannot be used.
    pub async fn join_identity(self) -> anyhow::Result<Arc<Plane>> {
        bauta_token::jws::install();
        drop(rustls::crypto::ring::default_provider().install_default());
        planes::joined_identity(&self).await
    }

    /// Opens the databases, builds the planes of the role, binds and serves.
    ///
    /// # Errors
    ///
    /// A sentence that says what is missing or wrong, and what to do about it.
    pub async fn run(self) -> anyhow::Result<Running> {
        // Both are installed once per process; a second call, as in a test binary, changes nothing.
        bauta_token::jws::install();
        drop(rustls::crypto::ring::default_provider().install_default());
        let (tasks, couriers) = (TaskTracker::new(), TaskTracker::new());
        let plane = if self.role.has_identity() {
            Some(planes::identity(&self).await?)
        } else {
            None
        };
        let (stop, draining) = (CancellationToken::new(), CancellationToken::new());
        // Traces go on until the last request has ended.
        let quiet = CancellationToken::new();
        let (mut tracer, mut counts) = (None, None);
        if self.role.has_gateway()
            && let Some(collected) = traces(self.config, self.base)?
        {
            couriers.spawn(collected.courier.run(quiet.clone()));
            (tracer, counts) = (Some(collected.tracer), Some(collected.counts));
        }
        let gateway = if self.role.has_gateway() {
            Some(planes::gateway(&self, plane.as_ref(), &tasks, tracer).await?)
        } else {
            None
        };
        if let Some(gateway) = &gateway {
            // Nothing passes before the first page. A process of its own may start before the
            // identity plane does.
            match gateway.follow().await {
                Ok(_) => {}
                Err(error) if self.role == Role::Gateway => warn(&error, "follow"),
                Err(error) => return Err(error).context("the gateway cannot follow the feed"),
            }
        }
        background::start(&tasks, &stop, self.pace, plane.as_ref(), gateway.as_ref());
        // A simulated provider runs in this process.
        if let Some(sso) = self.config.sso.as_ref().filter(|_| plane.is_some())
            && self.environment == Environment::Production
        {
            background::meet(&tasks, &stop, sso.issuer.clone());
        }
        let seen = doors::Seen {
            plane: plane.clone(),
            gateway: gateway.clone(),
            traces: counts,
        };
        let doors = doors::open(self, seen, &tasks, &draining).await?;
        Ok(Running {
            plane,
            gateway,
            doors,
            tasks,
            couriers,
            stop,
            draining,
            quiet,
        })
    }
}

/// A server that serves.
pub struct Running {
    /// The identity plane, when this process has it.
    pub plane: Option<Arc<Plane>>,
    /// The gateway plane, when this process has it.
    pub gateway: Option<Arc<Gateway>>,
    doors: Doors,
    tasks: TaskTracker,
    couriers: TaskTracker,
    stop: CancellationToken,
    draining: CancellationToken,
    /// Set once no request can be traced any more.
    quiet: CancellationToken,
}

impl Running {
    /// Which planes listen where.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        for (name, address) in &self.doors.addresses {
            parts.push(format!("{name} on http://{address}"));
        }
        parts.join(", ")
    }

    /// Where the operator's listener is, if there is one.
    #[must_use]
    pub fn ops(&self) -> Option<SocketAddr> {
        let named = |(name, _): &&(&str, SocketAddr)| *name == "ops";
        self.doors
            .addresses
            .iter()
            .find(named)
            .map(|(_, address)| *address)
    }

    /// Drains: takes no new work, lets running answers end, then writes what is queued.
    pub async fn stop(&self) {
        self.draining.cancel();
        // Just before the connections are cut, so that a stream that still runs ends with its
        // terminal event and its outcome says why.
        let end = DRAIN.saturating_sub(LAST_WORDS);
        if tokio::time::timeout(end, self.doors.closed())
            .await
            .is_err()
        {
            if let Some(gateway) = &self.gateway {
                gateway.cut();
            }
            self.doors.closed().await;
        }
        self.stop.cancel();
        if let Some(gateway) = &self.gateway {
            gateway.close();
        }
        self.tasks.close();
        self.tasks.wait().await;
        self.quiet.cancel();
        self.couriers.close();
        self.couriers.wait().await;
        // What was recorded while draining is in the log before the process ends.
        if let Some(gateway) = &self.gateway
            && let Err(error) = gateway.seal().await
        {
            warn(&error, "seal the gateway log");
        }
        if let Some(plane) = &self.plane
            && let Err(error) = plane.seal().await
        {
            warn(&error, "seal the identity log");
        }
    }
}

/// What traces the requests of the gateway, where the configuration wants that.
fn traces(config: &Config, base: &Path) -> anyhow::Result<Option<Collected>> {
    let Some(telemetry) = &config.telemetry else {
        return Ok(None);
    };
    let url = Url::parse(&telemetry.otlp)?.join("v1/traces")?;
    let shown = collector_shown(config, base)?;
    let (outbox, courier, counts) = otlp::outbox(outbound()?, url, shown);
    let tracer = Tracer::new(Arc::new(outbox), telemetry.one_in);
    Ok(Some(Collected {
        tracer,
        courier,
        counts,
    }))
}

/// What the collector is shown, where it wants to be shown anything.
pub(crate) fn collector_shown(config: &Config, base: &Path) -> anyhow::Result<Option<HeaderValue>> {
    let secret = config.telemetry.as_ref();
    let Some(secret) = secret.and_then(|it| it.authorization.as_ref()) else {
        return Ok(None);
    };
    let text = secret.text(base)?;
    let mut value = HeaderValue::from_str(&text).ok().context(
        "telemetry.authorization cannot stand in a header; it is one line, such as \"Bearer ...\"",
    )?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// What a collector of traces needs.
struct Collected {
    tracer: Tracer,
    courier: Courier,
    counts: Arc<Counts>,
}

/// The client that calls identity providers and vendors: no redirects, everything bounded in time.
///
/// # Errors
///
/// When the system's certificates cannot be used.
pub fn outbound() -> anyhow::Result<reqwest::Client> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        // Less than the 5 s after which many servers close what is idle: a request that is sent
        // into a connection that closes fails, and is not one that may be repeated.
        .pool_idle_timeout(Duration::from_secs(4))
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(15))
        .build()
        .context("the system's certificates cannot be used; is the package ca-certificates there?")
}

/// How long running requests get after a signal.
pub(crate) const DRAIN: Duration = Duration::from_mins(2);

/// How long a cut stream has to say so.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A failure of work that is tried again.
fn warn(error: &(dyn std::error::Error + 'static), what: &'static str) {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain.push_str(": ");
        chain.push_str(&cause.to_string());
        source = cause.source();
    }
    tracing::warn!(
        what,
        error = chain,
        "background work failed and is tried again"
    );
}
