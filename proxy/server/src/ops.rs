//! The operator's listener: `/healthz`, `/readyz`, `/metrics`. Never on a public address.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bauta_attestation::Plane;
use bauta_proxy::Gateway;
use tokio_util::sync::CancellationToken;

use crate::{listen::Tally, telemetry::otlp::Counts};

/// What the operator's listener can see.
#[derive(Clone)]
pub(crate) struct Ops {
    /// Absent in a process that only knows people.
    pub(crate) gateway: Option<Arc<Gateway>>,
    /// Absent in a process that only knows requests.
    pub(crate) plane: Option<Arc<Plane>>,
    /// What became of traces, where there are any.
    pub(crate) traces: Option<Arc<Counts>>,
    /// Refusals of the edge.
    pub(crate) tally: Arc<Tally>,
    /// Set once the server drains.
    pub(crate) draining: CancellationToken,
}

pub(crate) fn router(ops: Ops) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(ops)
}

/// Ready means: a request with a good token would be forwarded.
async fn ready(State(ops): State<Ops>) -> Response {
    let gateway = ops.gateway.as_ref().is_none_or(|g| g.is_ready());
    if gateway && !ops.draining.is_cancelled() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
}

async fn metrics(State(ops): State<Ops>) -> Response {
    let mut text = ops
        .gateway
        .as_ref()
        .map(|g| g.metrics())
        .unwrap_or_default();
    if let Some(plane) = &ops.plane {
        text.push_str(&plane.metrics());
    }
    text.push_str(
        "# HELP bauta_edge_total What the edge refused, turned away or cut, since the start.\n",
    );
    text.push_str("# TYPE bauta_edge_total counter\n");
    let row = |(kind, count)| format!("bauta_edge_total{{kind=\"{kind}\"}} {count}\n");
    text.extend(ops.tally.counts().map(row));
    if let Some(traces) = &ops.traces {
        text.push_str(&traces.text());
    }
    text.push_str(concat!(
        "# HELP bauta_build_info 1, by the version that runs.\n",
        "# TYPE bauta_build_info gauge\n",
        "bauta_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\"} 1\n",
    ));
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
