//! Connections to upstreams: a pool for each, constant URIs, no redirects.

use std::{
    error::Error as StdError,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
    vec,
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use thiserror::Error;
use tokio::time::timeout;
use tower::Service;

use super::credential::{Credential, Shown};
use crate::{
    admit::{Call, Route},
    config::{BaseUrlError, Endpoint, UpstreamConfig},
    route::Door,
    scrub::Letter,
};

/// Every upstream of the configuration, in its order.
pub struct Upstreams {
    all: Vec<Upstream>,
    timeouts: Timeouts,
}

struct Upstream {
    client: Client<Patient, Pieces>,
    endpoint: Endpoint,
    uris: Vec<(Route, bool, Uri)>,
    shown: Option<Shown>,
}

/// How long an upstream is waited for.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "set by configuration, whole")]
pub struct Timeouts {
    /// For a connection, encryption included.
    pub connect: Duration,
    /// From the request to the head of the answer. A long answer that is not streamed takes
    /// minutes to begin.
    pub first_byte: Duration,
    /// Between two pieces of an answer, in seconds.
    pub idle_s: u32,
    /// Silence after which a stream gets a heartbeat, in seconds.
    pub heartbeat_s: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_mins(10),
            idle_s: 300,
            heartbeat_s: 15,
        }
    }
}

/// What became of a request that got no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lost {
    /// It provably never reached the upstream.
    Unsent,
    /// The connection broke, and nobody knows what the upstream did.
    Broken,
    /// No answer in time, and nobody knows what the upstream did.
    Timeout,
}

impl Upstreams {
    /// Builds a pool for each upstream. `credentials` are in the same order.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] when a URL or a credential is refused, or the platform's certificates
    /// cannot be used.
    pub fn open(
        configs: &[UpstreamConfig],
        credentials: Vec<Option<Credential>>,
        timeouts: Timeouts,
    ) -> Result<Self, UpstreamError> {
        let mut credentials = credentials.into_iter();
        let all = configs
            .iter()
            .map(|config| open(config, credentials.next().flatten().as_ref(), timeouts))
            .collect::<Result<_, _>>()?;
        Ok(Self { all, timeouts })
    }

    /// How long upstreams are waited for.
    #[must_use]
    pub const fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub(super) async fn send(
        &self,
        door: &Door,
        call: &Call,
        letter: Letter,
    ) -> Result<Response<Incoming>, Lost> {
        let upstream = self.all.get(door.upstream()).ok_or(Lost::Unsent)?;
        let mut request = Request::new(Pieces::new(letter.body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = upstream.uri(call, door).ok_or(Lost::Unsent)?;
        *request.headers_mut() = letter.headers;
        if let Some(shown) = &upstream.shown {
            shown.insert(request.headers_mut());
        }
        match timeout(self.timeouts.first_byte, upstream.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(cause)) if cause.is_connect() => {
                tracing::debug!(cause = crate::record::queue::chain(&cause), "not connected");
                Err(Lost::Unsent)
            }
            Ok(Err(cause)) => {
                tracing::debug!(cause = crate::record::queue::chain(&cause), "no answer");
                Err(Lost::Broken)
            }
            Err(_) => Err(Lost::Timeout),
        }
    }
}

impl Upstream {
    /// A constant, or a constant around the name that configuration gives the model at this door.
    fn uri(&self, call: &Call, door: &Door) -> Option<Uri> {
        if call.route().verb().is_some() {
            let (route, version) = (call.route(), call.version());
            return self.endpoint.model_uri(route, version, door.model());
        }
        let wanted = (call.route(), call.beta());
        let mut uris = self.uris.iter();
        let (.., uri) = uris.find(|(route, beta, _)| (*route, *beta) == wanted)?;
        Some(uri.clone())
    }
}

fn open(
    config: &UpstreamConfig,
    credential: Option<&Credential>,
    timeouts: Timeouts,
) -> Result<Upstream, UpstreamError> {
    let endpoint = config.endpoint()?;
    let routes = Route::TABLE.iter().map(|(_, route)| *route);
    let uris = routes
        .flat_map(|route| [(route, false), (route, true)])
        .filter_map(|(route, beta)| Some((route, beta, endpoint.uri(route, beta)?)))
        .collect();
    let mut client = Client::builder(TokioExecutor::new());
    client
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_mins(1))
        .pool_max_idle_per_host(256)
        // Bounds the head of an answer, and what one stream holds on to.
        .http1_max_buf_size(64 * 1024);
    Ok(Upstream {
        client: client.build(connector(timeouts)?),
        endpoint,
        uris,
        shown: credential.and_then(|credential| credential.header(config.dialect)),
    })
}

/// TLS by ring with the platform's certificates, or plain HTTP where configuration allows it
/// (loopback). HTTP/1 only: a stream that is dropped closes its own connection and nothing else.
fn connector(timeouts: Timeouts) -> Result<Patient, UpstreamError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(timeouts.connect));
    tcp.set_keepalive(Some(Duration::from_mins(1)));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let inner = HttpsConnectorBuilder::new()
        .with_provider_and_platform_verifier(provider)
        .map_err(UpstreamError::Certificates)?
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(Patient {
        inner,
        patience: timeouts.connect,
    })
}

/// A connector that waits so long and no longer, also for the handshake.
#[derive(Clone)]
struct Patient {
    inner: HttpsConnector<HttpConnector>,
    patience: Duration,
}

type Connection = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;
type Fault = Box<dyn StdError + Send + Sync>;

impl Service<Uri> for Patient {
    type Response = Connection;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, Fault>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.inner.call(uri);
        let patience = self.patience;
        Box::pin(async move {
            timeout(patience, connecting)
                .await
                .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
        })
    }
}

/// A body that is sent piece by piece, its length known.
struct Pieces {
    pieces: vec::IntoIter<Bytes>,
    left: u64,
}

impl Pieces {
    fn new(pieces: Vec<Bytes>) -> Self {
        let sizes = pieces
            .iter()
            .map(|piece| u64::try_from(piece.len()).unwrap_or(0));
        Self {
            left: sizes.fold(0, u64::saturating_add),
            pieces: pieces.into_iter(),
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let next = self.pieces.next();
        if let Some(piece) = &next {
            let size = u64::try_from(piece.len()).unwrap_or(0);
            self.left = self.left.saturating_sub(size);
        }
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.as_slice().is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Why an upstream cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// Its URL is refused.
    #[error("the base_url of an upstream is refused")]
    BaseUrl(#[from] BaseUrlError),
    /// The platform's certificates cannot be used.
    #[error("the certificates of this system cannot be used")]
    Certificates(#[source] io::Error),
}
