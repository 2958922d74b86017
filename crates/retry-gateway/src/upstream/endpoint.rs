//! One address of an upstream: its HTTP client, its load, its pace and its health.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Uri};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::time::Instant;
use tower_http_retry::{PaceLayer, ReplayBody};

use crate::telemetry::peer::PeerInfo;
use crate::upstream::connect::{self, Connector, TimeoutConnector};
use crate::upstream::expect_continue::DeferredBody;
use crate::upstream::outlier::{EndpointHealth, OutlierDetector};
use crate::upstream::request_body::RequestBody;

/// A request whose URI and `Host` are those of an endpoint.
pub(crate) type EndpointRequest = Request<DeferredBody<ReplayBody<RequestBody>>>;

/// The HTTP client of one endpoint, with its pool of connections.
pub(crate) type EndpointClient =
    Client<TimeoutConnector<HttpsConnector<Connector>>, DeferredBody<ReplayBody<RequestBody>>>;

/// One address of an upstream.
pub(crate) struct Endpoint {
    name: String,
    scheme: Scheme,
    authority: Authority,
    /// Short authority under which the client pools HTTP/1.1 connections. The client hashes it for each
    /// request.
    pool_key: Authority,
    /// The authority as the value of `Host`.
    host: HeaderValue,
    client: EndpointClient,
    /// Set if each endpoint of the upstream has a pace of its own.
    pace: Option<PaceLayer>,
    /// Number of requests whose response has not ended.
    load: AtomicUsize,
    health: Option<EndpointHealth>,
}

/// The settings of the connections to an upstream's endpoints.
#[derive(Clone)]
pub(crate) struct ConnectOptions {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) is_http2: bool,
    pub(crate) connect_timeout: Duration,
}

impl Endpoint {
    pub(crate) fn new(
        uri: &Uri,
        options: &ConnectOptions,
        pace: Option<PaceLayer>,
        outliers: Option<&Arc<OutlierDetector>>,
    ) -> anyhow::Result<Self> {
        let (Some(scheme), Some(authority)) = (uri.scheme().cloned(), uri.authority().cloned()) else {
            anyhow::bail!("the endpoint `{uri}` has no scheme or no host");
        };
        let name = ServerName::try_from(authority.host().trim_matches(['[', ']']).to_owned())?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config((*options.tls).clone())
            .https_or_http()
            .with_server_name_resolver(FixedServerNameResolver::new(name));
        let tcp = Connector::new(uri.clone(), options.connect_timeout);
        let connector = match options.is_http2 {
            true => connector.enable_http2().wrap_connector(tcp),
            false => connector.enable_http1().wrap_connector(tcp),
        };
        let client = Client::builder(TokioExecutor::new())
            .http2_only(options.is_http2)
            // The retry layer counts and retries a request that met a closed connection of the pool.
            .retry_canceled_requests(false)
            .set_host(false)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .timer(TokioTimer::new())
            .build(connect::with_timeout(connector, options.connect_timeout));
        Ok(Self {
            name: format!("{scheme}://{authority}"),
            host: HeaderValue::from_str(authority.as_str())?,
            scheme,
            authority,
            pool_key: Authority::from_static("e"),
            client,
            pace,
            load: AtomicUsize::new(0),
            health: outliers.map(|outliers| EndpointHealth::new(Arc::clone(outliers), Instant::now())),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn peer_info(&self) -> PeerInfo<'_> {
        PeerInfo { name: &self.name, scheme: &self.scheme, authority: &self.authority }
    }

    pub(crate) fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(crate) fn host(&self) -> &HeaderValue {
        &self.host
    }

    pub(crate) fn pool_key(&self) -> &Authority {
        &self.pool_key
    }

    /// Sends a request, whose URI must be that of this endpoint. All sends go through this function: with a
    /// second call of the client, each of the two copies its future of three kilobytes.
    pub(crate) fn send(&self, request: EndpointRequest) -> legacy::ResponseFuture {
        self.client.request(request)
    }

    pub(crate) fn pace(&self) -> Option<&PaceLayer> {
        self.pace.as_ref()
    }

    /// Returns the number of requests whose response has not ended.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Adds a request to the load until the guard is dropped.
    pub(crate) fn start_request(self: &Arc<Self>) -> LoadGuard {
        self.load.fetch_add(1, Ordering::Relaxed);
        LoadGuard(Arc::clone(self))
    }

    /// Returns the endpoint's recent outcomes, or `None` without outlier detection.
    pub(crate) fn health(&self) -> Option<&EndpointHealth> {
        self.health.as_ref()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}

/// Counts as one request of its endpoint's load until it is dropped.
#[derive(Debug)]
pub(crate) struct LoadGuard(Arc<Endpoint>);

impl LoadGuard {
    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0
    }
}

impl Drop for LoadGuard {
    fn drop(&mut self) {
        self.0.load.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Time after which the client closes an idle connection. Most servers close theirs after a minute, and a
/// shorter time lets fewer requests meet a connection that the server is closing.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(50);
