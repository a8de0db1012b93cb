//! Requests that simulators make themselves: webhooks, logout tokens, a browser's two clicks.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// A client for plain HTTP that follows no redirect.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Outbound {
    pub(crate) fn new() -> Self {
        let client = Client::builder(TokioExecutor::new())
            // A connection kept across a restart of the other side fails its next request.
            .pool_max_idle_per_host(0)
            .build_http();
        Self { client }
    }

    /// Sends one request and reads the whole answer, within `patience`.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
        patience: Duration,
    ) -> io::Result<Reply> {
        let uri: Uri = url.parse().map_err(io::Error::other)?;
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(body.into()))
            .map_err(io::Error::other)?;
        timeout(patience, self.exchange(request)).await?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> io::Result<Reply> {
        let response = self
            .client
            .request(request)
            .await
            .map_err(io::Error::other)?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }
}
