//! Traces to a collector: OTLP over HTTP in JSON, in batches, from a queue that is never waited for.
//!
//! Written out rather than taken from the OpenTelemetry crates: see ADR 34.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bauta_proxy::trace::{Span, SpanSink};
use reqwest::{
    Client, StatusCode, Url,
    header::{AUTHORIZATION, HeaderValue},
};
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

mod encode;

/// Spans on their way to the collector.
pub(crate) struct Outbox {
    to: mpsc::Sender<Span>,
    counts: Arc<Counts>,
}

/// What became of spans, since the start.
#[derive(Default)]
pub(crate) struct Counts {
    sent: AtomicU64,
    dropped: AtomicU64,
}

impl SpanSink for Outbox {
    /// A full queue drops the span: a request waits for no collector.
    fn take(&self, span: Span) {
        if self.to.try_send(span).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Counts {
    /// In the text form of Prometheus.
    pub(crate) fn text(&self) -> String {
        let (sent, dropped) = (
            self.sent.load(Ordering::Relaxed),
            self.dropped.load(Ordering::Relaxed),
        );
        format!(
            "# HELP bauta_traces_total Traces that the collector took, and that were dropped.\n\
             # TYPE bauta_traces_total counter\n\
             bauta_traces_total{{result=\"sent\"}} {sent}\n\
             bauta_traces_total{{result=\"dropped\"}} {dropped}\n"
        )
    }
}

/// The end of the queue that a task empties.
pub(crate) struct Courier {
    spans: mpsc::Receiver<Span>,
    counts: Arc<Counts>,
    http: Client,
    url: Url,
    /// The value of `Authorization`, marked so that nothing prints it.
    shown: Option<HeaderValue>,
}

/// A queue to the collector at `url`, which is shown `shown`; its other end, and what is counted of
/// it.
pub(crate) fn outbox(
    http: Client,
    url: Url,
    shown: Option<HeaderValue>,
) -> (Outbox, Courier, Arc<Counts>) {
    let (to, spans) = mpsc::channel(QUEUE);
    let counts = Arc::<Counts>::default();
    let courier = Courier {
        spans,
        counts: Arc::clone(&counts),
        http,
        url,
        shown,
    };
    let outbox = Outbox {
        to,
        counts: Arc::clone(&counts),
    };
    (outbox, courier, counts)
}

impl Courier {
    /// Sends what comes, in batches, until `stop`; then what is left, once.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => self.send(&mut batch).await,
                span = self.spans.recv() => match span {
                    None => break,
                    Some(span) => {
                        batch.push(span);
                        if batch.len() >= BATCH {
                            self.send(&mut batch).await;
                        }
                    }
                },
            }
        }
        while let Ok(span) = self.spans.try_recv() {
            batch.push(span);
        }
        self.send(&mut batch).await;
    }

    /// What the collector does not take is dropped: it is a sample, and it must not pile up.
    async fn send(&self, batch: &mut Vec<Span>) {
        if batch.is_empty() {
            return;
        }
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let body = encode::request(batch);
        batch.clear();
        let counter = match self.post(&body).await {
            Ok(()) => &self.counts.sent,
            Err(cause) => {
                tracing::warn!(
                    collector = %self.url,
                    traces = count,
                    cause,
                    "the collector did not take traces: they are dropped; does [telemetry] name it?"
                );
                &self.counts.dropped
            }
        };
        counter.fetch_add(count, Ordering::Relaxed);
    }

    async fn post(&self, body: &Value) -> Result<(), String> {
        let mut request = self.http.post(self.url.clone()).json(body);
        if let Some(shown) = &self.shown {
            request = request.header(AUTHORIZATION, shown.clone());
        }
        let answer = request.send().await;
        let answer = answer.map_err(|cause| cause.without_url().to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(format!(
                "it answered {status}; does it take what telemetry.authorization holds?"
            )),
            status => Err(format!("it answered {status}")),
        }
    }
}

/// More spans than a collector that is away for a moment misses at any rate worth tracing.
const QUEUE: usize = 4_096;
const BATCH: usize = 256;
const EVERY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
