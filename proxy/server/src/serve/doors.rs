//! Where the server listens, and which routes are behind which door.

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::Context;
use axum::{Router, extract::Request, response::Response};
use bauta_attestation::{Plane, wants_page};
use bauta_proxy::Gateway;
use reqwest::Url;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use super::{DRAIN, Start};
use crate::{
    config::{Config, TlsFiles},
    listen::{self, Hosts, Limits, Tls},
    ops::{self, Ops},
    secret::SecretRef,
    telemetry::otlp::Counts,
};

/// Listeners that are open.
pub(super) struct Doors {
    /// What each is for, and where it is.
    pub(super) addresses: Vec<(&'static str, SocketAddr)>,
    served: TaskTracker,
}

impl Doors {
    /// Until every connection is gone.
    pub(super) async fn closed(&self) {
        self.served.close();
        self.served.wait().await;
    }
}

/// What is behind the doors.
pub(super) struct Seen {
    pub(super) plane: Option<Arc<Plane>>,
    pub(super) gateway: Option<Arc<Gateway>>,
    /// What became of traces, where there are any.
    pub(super) traces: Option<Arc<Counts>>,
}

/// Binds and serves. One address for both planes is one origin; two are two.
pub(super) async fn open(
    start: Start<'_>,
    seen: Seen,
    tasks: &TaskTracker,
    draining: &CancellationToken,
) -> anyhow::Result<Doors> {
    let (plane, gateway) = (seen.plane.as_ref(), seen.gateway.as_ref());
    let server = &start.config.server;
    let mut limits = Limits::new(hosts(start.config)?);
    limits.drain = DRAIN;
    let tls = server
        .tls
        .as_ref()
        .map(|files| tls(files, start.base))
        .transpose()?;
    let mut doors = Doors {
        addresses: Vec::new(),
        served: TaskTracker::new(),
    };
    let identity = plane.map(|plane| bauta_attestation::router(Arc::clone(plane)));
    let asked = gateway.map(|gateway| bauta_proxy::router(Arc::clone(gateway)));
    let gateway_listen = server.gateway_listen.unwrap_or(server.listen);
    let routers: Vec<(&'static str, SocketAddr, Router)> = match (identity, asked) {
        (Some(identity), Some(asked)) if gateway_listen == server.listen => {
            let lost = plane.map(|plane| bauta_attestation::lost(Arc::clone(plane)));
            let one = identity.fallback(move |request| elsewhere(request, asked, lost));
            vec![("bauta", server.listen, one)]
        }
        (identity, asked) => [
            identity.map(|router| ("identity plane", server.listen, router)),
            asked.map(|router| ("gateway", gateway_listen, router)),
        ]
        .into_iter()
        .flatten()
        .collect(),
    };
    let mut bound = start.listener;
    for (name, address, router) in routers {
        let key = match (name, server.gateway_listen) {
            ("gateway", Some(_)) => "server.gateway_listen",
            _ => "server.listen",
        };
        let listener = match bound.take() {
            Some(listener) => listener,
            None => bind(address, key).await?,
        };
        doors.addresses.push((name, listener.local_addr()?));
        let (limits, draining, tasks) = (limits.clone(), draining.clone(), tasks.clone());
        if let Some(tls) = &tls {
            doors.served.spawn(listen::serve_tls(
                listener,
                tls.clone(),
                router,
                limits,
                draining,
                tasks,
            ));
        } else {
            let serving = listen::serve(listener, router, limits, draining, tasks);
            doors.served.spawn(serving);
        }
    }
    if let Some(address) = server.ops_listen {
        let listener = bind(address, "server.ops_listen").await?;
        let address = listener.local_addr()?;
        doors.addresses.push(("ops", address));
        let router = ops::router(Ops {
            gateway: gateway.map(Arc::clone),
            plane: plane.map(Arc::clone),
            tally: Arc::clone(&limits.tally),
            traces: seen.traces.clone(),
            draining: draining.clone(),
        });
        let limits = Limits::new(Hosts::new([address.to_string().as_str()])?);
        doors.served.spawn(listen::serve(
            listener,
            router,
            limits,
            draining.clone(),
            tasks.clone(),
        ));
    }
    Ok(doors)
}

/// What is no page of the portal is a request to the gateway; but a person who typed an address
/// that the gateway has nothing at is told so on a page.
async fn elsewhere(request: Request, asked: Router, lost: Option<Router>) -> Response {
    let place = request.uri().path().split('/').nth(1).unwrap_or_default();
    let router = match lost {
        Some(lost) if wants_page(&request) && !GATEWAY.contains(&place) => lost,
        _ => asked,
    };
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// What the gateway's paths begin with.
const GATEWAY: [&str; 8] = [
    "api",
    "v1",
    "v1beta",
    "usage",
    "log",
    "managed",
    "sessions",
    "federation",
];

pub(super) fn tls(files: &TlsFiles, base: &Path) -> anyhow::Result<Tls> {
    let cert = base.join(&files.cert);
    let chain =
        std::fs::read(&cert).with_context(|| format!("{} cannot be read", cert.display()))?;
    let key = SecretRef::File {
        file: files.key.clone(),
    };
    Ok(Tls::from_pem(&chain, key.text(base)?.as_bytes())?)
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|cause| {
        anyhow::anyhow!("{address} cannot be listened on: {cause}; {key} names another address")
    })
}

/// The names a request may be for: those of the two URLs. An address that is listened on and is
/// neither is not a name people were given.
pub(super) fn hosts(config: &Config) -> anyhow::Result<Hosts> {
    let mut names = Vec::new();
    for url in [&config.server.public_url, &config.server.gateway_url] {
        let url = Url::parse(url)?;
        let host = url.host_str().context("an origin has a host")?;
        let with_port = |host: &str| match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        names.push(with_port(host));
        if host == "127.0.0.1" {
            // The same machine by the name that people type.
            names.push(with_port("localhost"));
        }
    }
    Ok(Hosts::new(names.iter().map(String::as_str))?)
}
