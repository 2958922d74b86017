//! Upstreams: the groups of endpoints behind the gateway.

use std::path::PathBuf;
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderName, Uri};

use super::connections::ConnectionConfig;
use super::limits::{MAX_PENDING_REQUESTS, MAX_REQUESTS};
use super::outlier::OutlierDetection;

/// A group of endpoints that can stand in for each other.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamConfig {
    /// The URLs of the endpoints, at least one and all different. Each has `http` or `https`, an authority,
    /// and no path but `/`.
    pub endpoints: Vec<Uri>,
    /// The version of HTTP.
    pub protocol: Protocol,
    /// The TLS settings for endpoints with `https`.
    pub tls: UpstreamTls,
    /// The value of `Host` or `:authority`.
    pub host: HostRule,
    /// The longest pause between two pieces of a response; `None` for no bound.
    pub response_idle_timeout: Option<Duration>,
    /// The settings of the connections to the endpoints.
    pub connections: ConnectionConfig,
    /// The longest time that requests wait for the first endpoint to come back when none takes connections; zero
    /// for no wait.
    pub wait_while_down: Duration,
    /// The largest number of requests at a time that are in flight; at least 1.
    pub max_requests: usize,
    /// The largest number of requests at a time that wait for a resend, a pace, a connection or an endpoint; at
    /// least 1.
    pub max_pending_requests: usize,
    /// The budget of the resends; `None` for no budget.
    pub retry_budget: Option<RetryBudget>,
    /// The rules by which an endpoint is ejected; `None` for no ejections.
    pub outlier_detection: Option<OutlierDetection>,
    /// The pace of the requests; `None` for no pace. All routes to this upstream share it, since they share
    /// the server's limit.
    pub pace: Option<PaceConfig>,
    /// The pace and the budget are shared with the fleet, if the configuration has one.
    pub fleet: bool,
}

/// The version of HTTP that the gateway uses with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, with prior knowledge where the endpoint has `http`.
    Http2,
}

/// The root certificates that an upstream's certificate must chain to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The path of a PEM file with the trusted roots; `None` for the public ones.
    pub ca: Option<PathBuf>,
}

/// The rule for the `Host` of the requests that an upstream gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRule {
    /// The authority of the endpoint.
    Endpoint,
    /// The host that the client sent.
    Preserve,
    /// Always this host.
    Name(Authority),
}

/// The budget of an upstream's resends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// The part of a resend that each success adds to the budget, in percent from 0 to 100.
    pub percent: u32,
    /// The number of resends that each second adds to the budget.
    pub min_retries_per_second: u32,
}

/// The pace that holds requests back while a server asks for quiet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaceConfig {
    /// The requests that share a limit.
    pub key: PaceKey,
    /// The header that names the model where the path does not. It outranks a JSON body. It counts with the key
    /// [`CredentialAndModel`](PaceKey::CredentialAndModel).
    pub model_header: HeaderName,
    /// The requests that count as one tenant. Tenants that wait for the same key share it fairly; `None` if all
    /// requests are of one tenant.
    pub fair_by: Option<FairBy>,
    /// The longest time that a key is held back.
    pub longest: Duration,
    /// A new key begins with a few requests at a time.
    pub slow_start: bool,
    /// The largest number of requests that wait at a time, of all keys together. A quarter of it may wait for
    /// one key, and a quarter of that for one tenant.
    pub waiters: usize,
    /// The largest number of keys at a time; at least 1. Requests with further keys go without a pace.
    pub keys: usize,
}

/// The requests to an upstream that share a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaceKey {
    /// All requests to the upstream.
    Upstream,
    /// The requests to the same endpoint.
    Endpoint,
    /// The requests for the same host and port, as the upstream gets them in `Host` or `:authority`.
    Authority,
    /// The requests with the same credential, in one of the headers or parameters that vendors use.
    Credential,
    /// The requests with the same credential for the same model.
    CredentialAndModel,
    /// The requests with the same value of this header.
    Header(HeaderName),
}

/// The requests that count as one tenant of a pace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FairBy {
    /// The requests of the same client: its address, which trusted proxies may tell.
    Client,
    /// The requests with the same value of this header.
    Header(HeaderName),
}

impl UpstreamConfig {
    /// Creates an upstream with the defaults: HTTP/1.1, a budget, and no pace.
    pub fn with_endpoints(endpoints: Vec<Uri>) -> Self {
        Self {
            endpoints,
            protocol: Protocol::Http1,
            tls: UpstreamTls::default(),
            host: HostRule::Endpoint,
            response_idle_timeout: Some(RESPONSE_IDLE_TIMEOUT),
            connections: ConnectionConfig::default(),
            wait_while_down: Duration::ZERO,
            max_requests: MAX_REQUESTS,
            max_pending_requests: MAX_PENDING_REQUESTS,
            retry_budget: Some(RetryBudget::default()),
            outlier_detection: Some(OutlierDetection::default()),
            pace: None,
            fleet: true,
        }
    }
}

impl Default for RetryBudget {
    /// Returns a fifth of a resend for each success, and 3 resends a second, without which an upstream with
    /// few requests would have no resends.
    fn default() -> Self {
        Self { percent: 20, min_retries_per_second: 3 }
    }
}

impl Default for PaceConfig {
    /// Returns one limit for the upstream, which holds requests back for up to a minute.
    fn default() -> Self {
        Self {
            key: PaceKey::Upstream,
            model_header: MODEL_HEADER,
            fair_by: None,
            longest: Duration::from_secs(60),
            slow_start: false,
            waiters: 10_000,
            keys: 10_000,
        }
    }
}

/// The default of `response_idle_timeout`, which is Envoy's `stream_idle_timeout`. Event streams send
/// something more often, because other proxies would cut them.
pub(super) const RESPONSE_IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// The default of `model_header`, by which clients can name a model.
pub(super) const MODEL_HEADER: HeaderName = HeaderName::from_static("x-model");
