//! One address of an upstream: how to reach it, how busy it is, and whether it is worth trying.

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
use crate::upstream::connect::{Dial, InTime};
use crate::upstream::expect_continue::AskedBody;
use crate::upstream::outlier::{Health, Outliers};
use crate::upstream::request_body::Upload;

/// A request that is aimed at an endpoint.
pub(crate) type EndpointRequest = Request<AskedBody<ReplayBody<Upload>>>;

/// What sends requests to one endpoint.
pub(crate) type EndpointClient = Client<InTime<HttpsConnector<Dial>>, AskedBody<ReplayBody<Upload>>>;

/// One address of an upstream.
pub(crate) struct Endpoint {
    name: String,
    scheme: Scheme,
    authority: Authority,
    /// What the client knows its connections by where it need not be the authority: it is hashed for each request.
    alias: Authority,
    /// The authority, as `Host` has it.
    host: HeaderValue,
    client: EndpointClient,
    /// Where each endpoint has a limit of its own.
    pace: Option<PaceLayer>,
    /// Requests whose response has not ended.
    load: AtomicUsize,
    health: Option<Health>,
}

/// How an upstream's endpoints are reached.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) is_http2: bool,
    pub(crate) connect_timeout: Duration,
}

impl Endpoint {
    pub(crate) fn new(
        uri: &Uri,
        reach: &Reach,
        pace: Option<PaceLayer>,
        outliers: Option<&Arc<Outliers>>,
    ) -> anyhow::Result<Self> {
        let (Some(scheme), Some(authority)) = (uri.scheme().cloned(), uri.authority().cloned()) else {
            anyhow::bail!("the endpoint `{uri}` has no scheme or no host");
        };
        let name = ServerName::try_from(authority.host().trim_matches(['[', ']']).to_owned())?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config((*reach.tls).clone())
            .https_or_http()
            .with_server_name_resolver(FixedServerNameResolver::new(name));
        let dial = Dial::new(uri.clone(), reach.connect_timeout);
        let connector = match reach.is_http2 {
            true => connector.enable_http2().wrap_connector(dial),
            false => connector.enable_http1().wrap_connector(dial),
        };
        let client = Client::builder(TokioExecutor::new())
            .http2_only(reach.is_http2)
            // A pooled connection that was closed is for the retry layer to see and to count.
            .retry_canceled_requests(false)
            .set_host(false)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .timer(TokioTimer::new())
            .build(InTime::new(connector, reach.connect_timeout));
        Ok(Self {
            name: format!("{scheme}://{authority}"),
            host: HeaderValue::from_str(authority.as_str())?,
            scheme,
            authority,
            alias: Authority::from_static("e"),
            client,
            pace,
            load: AtomicUsize::new(0),
            health: outliers.map(|outliers| Health::new(Arc::clone(outliers), Instant::now())),
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

    pub(crate) fn alias(&self) -> &Authority {
        &self.alias
    }

    /// Sends a request, which must be aimed here. One place where that is done, because where there are two, each copies
    /// the client's future of three kilobytes.
    pub(crate) fn send(&self, request: EndpointRequest) -> legacy::ResponseFuture {
        self.client.request(request)
    }

    pub(crate) fn pace(&self) -> Option<&PaceLayer> {
        self.pace.as_ref()
    }

    /// How many requests are under way.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Counts a request until the guard is dropped.
    pub(crate) fn occupy(self: &Arc<Self>) -> Occupied {
        self.load.fetch_add(1, Ordering::Relaxed);
        Occupied(Arc::clone(self))
    }

    /// How it has done lately; `None` where nobody counts.
    pub(crate) fn health(&self) -> Option<&Health> {
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

/// Counts a request for as long as it lives.
#[derive(Debug)]
pub(crate) struct Occupied(Arc<Endpoint>);

impl Occupied {
    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.load.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long a connection that nobody uses stays open. Shorter than what servers grant, most of which close after a
/// minute, so that fewer requests meet a connection that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
