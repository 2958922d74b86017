//! One address of an upstream: its connections, its load, its pace and its health.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use tokio::time::Instant;
use tower_http_retry::PaceLayer;
use tower_http_retry::pace::SharedPace;

use crate::connection::request_limit::RequestPermit;
use crate::telemetry::peer::PeerInfo;
use crate::upstream::outlier::{EndpointHealth, OutlierDetector};
use crate::upstream::pool::settings::ConnectionSettings;
use crate::upstream::pool::{EndpointRequest, Pool, SendFuture};

/// One address of an upstream.
pub(crate) struct Endpoint {
    /// The address or name, as in the configuration.
    uri: Uri,
    /// The address that a look-up found for the name.
    address: Option<IpAddr>,
    name: Arc<str>,
    scheme: Scheme,
    authority: Authority,
    /// The authority as the value of `Host`.
    host: HeaderValue,
    pool: Pool,
    /// Set if each endpoint of the upstream has a pace of its own: the pace and its layer.
    pace: Option<(SharedPace, PaceLayer)>,
    /// Number of requests whose response has not ended.
    load: AtomicUsize,
    health: Option<EndpointHealth>,
}

impl Endpoint {
    /// Creates an endpoint that connects to `address`, or without one to the addresses of the name.
    pub(crate) fn new(
        uri: &Uri,
        address: Option<IpAddr>,
        settings: &ConnectionSettings,
        pace: Option<SharedPace>,
        outliers: Option<&Arc<OutlierDetector>>,
    ) -> anyhow::Result<Self> {
        let (Some(scheme), Some(authority)) = (uri.scheme().cloned(), uri.authority().cloned()) else {
            anyhow::bail!("the endpoint `{uri}` has no scheme or no host");
        };
        Ok(Self {
            uri: uri.clone(),
            address,
            name: Self::name_of(uri, address).into(),
            host: HeaderValue::from_str(authority.as_str())?,
            scheme,
            authority,
            pool: Pool::new(uri, address, settings)?,
            pace: pace.map(|pace| (pace.clone(), PaceLayer::new(pace))),
            load: AtomicUsize::new(0),
            health: outliers.map(|outliers| EndpointHealth::new(Arc::clone(outliers), Instant::now())),
        })
    }

    /// Returns the name of an endpoint in logs, and among the paces of a fleet.
    pub(crate) fn name_of(uri: &Uri, address: Option<IpAddr>) -> String {
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().map_or("", Authority::as_str);
        match address {
            Some(address) => format!("{scheme}://{authority} ({address})"),
            None => format!("{scheme}://{authority}"),
        }
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    pub(crate) fn name(&self) -> &Arc<str> {
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

    /// Sends a request, whose URI must be that of this endpoint. `now` may be a moment ago.
    pub(crate) fn send(&self, request: EndpointRequest, permit: RequestPermit, now: Instant) -> SendFuture {
        self.pool.send(request, permit, now)
    }

    /// Opens a connection and closes it again. Returns whether the endpoint took it.
    pub(crate) async fn takes_connections(&self) -> bool {
        self.pool.probe().await
    }

    pub(crate) fn pace(&self) -> Option<&SharedPace> {
        self.pace.as_ref().map(|(pace, _)| pace)
    }

    pub(crate) fn pace_layer(&self) -> Option<&PaceLayer> {
        self.pace.as_ref().map(|(_, layer)| layer)
    }

    /// Returns the number of requests whose response has not ended.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Adds a request to the load until the guard is dropped.
    pub(crate) fn start_request(self: &Arc<Self>) -> LoadGuard {
        self.load.fetch_add(1, Ordering::Relaxed);
        LoadGuard { endpoint: Arc::clone(self), is_probe: false, was_ejected: false }
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
pub(crate) struct LoadGuard {
    endpoint: Arc<Endpoint>,
    /// Set for the probe of an ejected endpoint, until it has an outcome.
    is_probe: bool,
    /// Set if the endpoint was ejected when the balancer chose it.
    was_ejected: bool,
}

impl LoadGuard {
    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Marks the request as the probe of an ejected endpoint.
    pub(crate) fn set_probe(&mut self) {
        self.is_probe = true;
    }

    /// Notes that the endpoint is ejected, and that the balancer chose it all the same.
    pub(crate) fn set_ejected(&mut self) {
        self.was_ejected = true;
    }

    /// Returns whether the endpoint was ejected when the balancer chose it.
    pub(crate) fn was_ejected(&self) -> bool {
        self.was_ejected
    }

    /// Notes that the outcome of the request is recorded.
    pub(crate) fn end_probe(&mut self) {
        self.is_probe = false;
    }
}

impl Drop for LoadGuard {
    fn drop(&mut self) {
        self.endpoint.load.fetch_sub(1, Ordering::Relaxed);
        if self.is_probe
            && let Some(health) = &self.endpoint.health
        {
            health.release_probe(Instant::now());
        }
    }
}
