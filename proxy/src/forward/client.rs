//! Connections to upstreams: a pool for each, constant URIs, no redirects.

use std::{
    collections::HashMap,
    error::Error as StdError,
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
    vec,
};

use bauta_token::{
    ambient::{Clock, Randomness},
    scope::Name,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, uri::Scheme};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, dns::GaiResolver},
    },
    rt::{TokioExecutor, TokioTimer},
};
use thiserror::Error;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::{
    attempts::Attempts,
    credential::Credential,
    federated::{Counts, Federated, Held},
    guard::Guarded,
    judge::PATIENCE,
    purse::{Purse, PurseState, Tried},
    relay::Relay,
};
use crate::{
    admit::{Call, Route},
    config::{BaseUrlError, Endpoint, FederationConfig, FederationError, UpstreamConfig},
    dialect::Dialect,
    federation::Issuer,
    gate,
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
    purse: Purse,
    attempts: Attempts,
    timeouts: Timeouts,
}

/// What upstreams are shown.
#[expect(clippy::exhaustive_structs, reason = "built in one place, whole")]
pub struct Showing {
    /// The keys of each upstream that has any, in the order in which they are tried.
    pub keys: HashMap<Name, Vec<Credential>>,
    /// Who signs for those that federate.
    pub issuer: Option<Arc<Issuer>>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where unpredictable bytes come from.
    pub randomness: Arc<dyn Randomness>,
    /// Where tokens are got anew while the old ones are used.
    pub tasks: TaskTracker,
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
    /// There is no credential that it takes: it did nothing.
    Credential,
}

impl Lost {
    /// Whether the upstream provably did nothing.
    pub(super) const fn did_nothing(self) -> bool {
        matches!(self, Self::Unsent | Self::Credential)
    }
}

impl Upstreams {
    /// Builds a pool for each upstream.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] when a URL or a credential is refused, or the platform's certificates
    /// cannot be used.
    pub fn open(
        configs: &[UpstreamConfig],
        mut showing: Showing,
        timeouts: Timeouts,
    ) -> Result<Self, UpstreamError> {
        let all = configs
            .iter()
            .map(|config| open(config, &mut showing, timeouts))
            .collect::<Result<_, _>>()?;
        Ok(Self { all, timeouts })
    }

    /// Other keys for the upstream at this place of the configuration. Whether it has keys.
    pub(super) fn rekey(&self, place: usize, keys: Vec<Credential>) -> bool {
        let upstream = self.all.get(place);
        upstream.is_some_and(|upstream| upstream.purse.rekey(keys))
    }

    /// What became of each time each was asked.
    pub(super) fn attempts(&self) -> Vec<Attempts> {
        self.all.iter().map(|it| it.attempts.copied()).collect()
    }

    /// How the credentials of each stand.
    pub(super) fn purses(&self) -> Vec<PurseState> {
        self.all.iter().map(|it| it.purse.state()).collect()
    }

    /// How long the upstream at this place may be silent in the middle of an answer, in seconds.
    pub(super) fn idle_s(&self, upstream: usize) -> u32 {
        let upstream = self.all.get(upstream);
        upstream.map_or(self.timeouts.idle_s, |it| it.timeouts.idle_s)
    }

    pub(super) async fn send(
        &self,
        door: &Door,
        call: &Call,
        letter: Letter,
    ) -> Result<Response<Relay>, Lost> {
        let upstream = self.all.get(door.upstream()).ok_or(Lost::Unsent)?;
        let sent = self.send_to(upstream, door, call, letter).await;
        upstream.attempts.count(&sent);
        sent
    }

    async fn send_to(
        &self,
        upstream: &Upstream,
        door: &Door,
        call: &Call,
        letter: Letter,
    ) -> Result<Response<Relay>, Lost> {
        let uri = upstream.uri(call, door).ok_or(Lost::Unsent)?;
        let mut tried = Tried::default();
        let mut next = Some(letter);
        while let Some(letter) = next.take() {
            // A second one only where there is a second credential.
            let spare = upstream.purse.has_spare().then(|| letter.copied());
            let mut request = Request::new(Pieces::new(letter.body));
            *request.method_mut() = http::Method::POST;
            *request.uri_mut() = uri.clone();
            *request.headers_mut() = letter.headers;
            let shown = upstream.purse.show(request.headers_mut(), &mut tried).await;
            let slip = shown.ok_or(Lost::Credential)?;
            let response = upstream.answer(request).await?.map(Relay::whole);
            let (response, takes_it) = takes_key(response, call.dialect()).await;
            if takes_it {
                return Ok(response);
            }
            upstream.purse.refused(&slip);
            next = spare;
        }
        Err(Lost::Credential)
    }
}

/// Whether the provider takes what it was shown. Most say no with 401; Google says it with 400, and
/// means its key by a code.
async fn takes_key(response: Response<Relay>, dialect: Dialect) -> (Response<Relay>, bool) {
    match response.status() {
        StatusCode::UNAUTHORIZED => (response, false),
        StatusCode::BAD_REQUEST if dialect == Dialect::Gemini => {
            let response = Relay::hear(response, gate::MOST_BYTES, PATIENCE).await;
            let refused = response.body().heard().is_some_and(gate::refuses_key);
            (response, !refused)
        }
        _ => (response, true),
    }
}

impl Upstream {
    async fn answer(&self, request: Request<Pieces>) -> Result<Response<Incoming>, Lost> {
        let asking = self.client.request(request);
        match timeout(self.timeouts.first_byte, asking).await {
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
    showing: &mut Showing,
    timeouts: Timeouts,
) -> Result<Upstream, UpstreamError> {
    let endpoint = config.endpoint()?;
    let timeouts = config.timeouts.over(timeouts);
    let routes = Route::TABLE.iter().map(|(_, route)| *route);
    let uris = routes
        .flat_map(|route| [(route, false), (route, true)])
        .filter_map(|(route, beta)| Some((route, beta, endpoint.uri(route, beta)?)))
        .collect();
    Ok(Upstream {
        client: pool(timeouts, endpoint.is_tls())?,
        endpoint,
        uris,
        purse: purse(config, showing, timeouts)?,
        attempts: Attempts::default(),
        timeouts,
    })
}

fn pool(timeouts: Timeouts, is_tls: bool) -> Result<Client<Patient, Pieces>, UpstreamError> {
    let mut client = Client::builder(TokioExecutor::new());
    // A request that is sent into a connection that closes is lost: nobody knows what became of it.
    // Without TLS it is a server on this machine, and most of those (vLLM, llama-server, whatever
    // stands on uvicorn or Node) close after 5 s what is idle.
    let idle = Duration::from_secs(if is_tls { 60 } else { 4 });
    client
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(idle)
        .pool_max_idle_per_host(256)
        // Bounds the head of an answer, and what one stream holds on to.
        .http1_max_buf_size(64 * 1024);
    Ok(client.build(connector(timeouts, is_tls)?))
}

fn purse(
    config: &UpstreamConfig,
    showing: &mut Showing,
    timeouts: Timeouts,
) -> Result<Purse, UpstreamError> {
    let keys = showing.keys.remove(&config.name).unwrap_or_default();
    let clock = Arc::clone(&showing.clock);
    let (name, dialect) = (config.name.clone(), config.dialect);
    let Some(federation) = &config.federation else {
        return Ok(Purse::of_keys(name, dialect, keys, clock));
    };
    if !keys.is_empty() || config.credential.is_some() {
        return Err(FederationError::Both(name).into());
    }
    let source = federated(config, federation, showing, timeouts)?;
    Ok(Purse::of_token(name, dialect, Arc::new(source), clock))
}

fn federated(
    config: &UpstreamConfig,
    federation: &FederationConfig,
    showing: &Showing,
    timeouts: Timeouts,
) -> Result<Federated, UpstreamError> {
    let issuer = showing.issuer.as_ref();
    let issuer = issuer.ok_or_else(|| FederationError::NoIssuer(config.name.clone()))?;
    let uri = federation.token_uri(config)?;
    let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
    Ok(Federated {
        upstream: config.name.clone(),
        config: federation.clone(),
        uri,
        issuer: Arc::clone(issuer),
        client: pool(timeouts, is_tls)?,
        clock: Arc::clone(&showing.clock),
        randomness: Arc::clone(&showing.randomness),
        tasks: showing.tasks.clone(),
        held: Mutex::new(Held::default()),
        flight: Arc::default(),
        counts: Counts::default(),
    })
}

/// TLS by ring with the platform's certificates, or plain HTTP where configuration allows it
/// (loopback). HTTP/1 only: a stream that is dropped closes its own connection and nothing else.
fn connector(timeouts: Timeouts, is_tls: bool) -> Result<Patient, UpstreamError> {
    let mut tcp = HttpConnector::new_with_resolver(Guarded::new(GaiResolver::new(), is_tls));
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
pub(super) struct Patient {
    inner: HttpsConnector<Tcp>,
    patience: Duration,
}

type Tcp = HttpConnector<Guarded<GaiResolver>>;
type Connection = <HttpsConnector<Tcp> as Service<Uri>>::Response;
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
pub(super) struct Pieces {
    pieces: vec::IntoIter<Bytes>,
    left: u64,
}

impl Pieces {
    pub(super) fn new(pieces: Vec<Bytes>) -> Self {
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
    /// Its federation is refused.
    #[error("the federation of an upstream is refused")]
    Federation(#[from] FederationError),
    /// The platform's certificates cannot be used.
    #[error("the certificates of this system cannot be used")]
    Certificates(#[source] io::Error),
}

#[cfg(test)]
mod tests {
    use hyper_rustls::MaybeHttpsStream;
    use tokio::net::TcpListener;

    use super::*;

    /// Or the end of a body waits until its beginning was acknowledged, which servers put off for
    /// 40 ms.
    #[tokio::test]
    async fn what_is_sent_upstream_waits_for_no_acknowledgement() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap());
        drop(rustls::crypto::ring::default_provider().install_default());

        let mut connector = connector(Timeouts::default(), false).unwrap();
        let connected = connector.call(uri.parse().unwrap()).await.unwrap();

        let MaybeHttpsStream::Http(tcp) = connected else {
            panic!("it is a plain one");
        };
        assert!(tcp.inner().nodelay().unwrap());
    }
}
