//! An upstream at run time: its endpoints, and the state that all routes to it share.

use std::sync::Arc;

use http::Uri;
use prometheus_client::metrics::counter::Counter;
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{Budget, Pace, PaceLayer};

use crate::config::{self, PaceKey, Protocol};
use crate::connection::limit::ConcurrencyLimit;
use crate::connection::tls::{self, CustomRoots};
use crate::telemetry::status::{CounterStatus, EndpointStatus, UpstreamStatus};
use crate::upstream::balancer::Balancer;
use crate::upstream::endpoint::{ConnectOptions, Endpoint};
use crate::upstream::outlier::{EndpointHealth, OutlierDetector, OutlierSnapshot};

/// Holds the state that the routes to one upstream share.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) balancer: Arc<Balancer>,
    pub(crate) budget: Option<Budget>,
    /// Pace of the whole upstream.
    pub(crate) pace: Option<SharedPace>,
    /// Paces of the endpoints, in their order, if each endpoint has one. Empty otherwise.
    endpoint_paces: Vec<SharedPace>,
    pub(crate) concurrency: Arc<ConcurrencyLimit>,
    /// Configuration from which the cluster was built.
    pub(crate) config: config::UpstreamConfig,
    trusted: CustomRoots,
}

impl Cluster {
    /// Creates a cluster, which takes over the state of `previous` where the configuration did not change.
    ///
    /// A reload thus does not refill a budget, forget the wait that a server asked for, or close connections.
    pub(crate) fn new(
        config: &config::UpstreamConfig,
        previous: Option<&Self>,
        ejections: Counter,
    ) -> anyhow::Result<Self> {
        let trusted = tls::load_roots(&config.tls)?;
        let options = ConnectOptions {
            tls: tls::client_config(&trusted)?,
            is_http2: config.protocol == Protocol::Http2,
            connect_timeout: config.connect_timeout,
        };
        let pace = config.pace.as_ref();
        let per_endpoint = pace.filter(|pace| pace.key == PaceKey::Endpoint);
        // The cluster whose endpoints can stay.
        let same = previous.filter(|previous| {
            previous.trusted == trusted && endpoint_config(&previous.config) == endpoint_config(config)
        });
        let mut endpoint_paces = Vec::new();
        let outliers = match same.and_then(|same| same.balancer.outliers.clone()) {
            Some(outliers) => Some(outliers),
            None => config
                .outlier_detection
                .as_ref()
                .map(|config| Arc::new(OutlierDetector::new(config, ejections))),
        };
        if let Some(outliers) = &outliers {
            outliers.resize(config.endpoints.len());
        }
        let endpoints = config.endpoints.iter().map(|uri| {
            if let Some((endpoint, pace)) = same.and_then(|same| same.endpoint(uri)) {
                endpoint_paces.extend(pace);
                return Ok(endpoint);
            }
            let pace = per_endpoint.map(|config| SharedPace::from(new_pace(config)));
            endpoint_paces.extend(pace.clone());
            Ok(Arc::new(Endpoint::new(uri, &options, pace.map(PaceLayer::new), outliers.as_ref())?))
        });
        let balancer = Balancer {
            endpoints: endpoints.collect::<anyhow::Result<_>>()?,
            host: config.host.clone(),
            is_http2: options.is_http2,
            outliers,
        };
        let budget = match previous.filter(|previous| previous.config.retry_budget == config.retry_budget) {
            Some(previous) => previous.budget.clone(),
            None => config
                .retry_budget
                .map(|budget| Budget::percent(budget.percent).min_per_second(budget.min_retries_per_second)),
        };
        let pace = match previous.filter(|previous| previous.config.pace == config.pace) {
            Some(previous) => previous.pace.clone(),
            None => pace.filter(|pace| pace.key != PaceKey::Endpoint).map(|pace| new_pace(pace).into()),
        };
        Ok(Self {
            balancer: Arc::new(balancer),
            budget,
            pace,
            endpoint_paces,
            concurrency: previous.map_or_else(Arc::default, |previous| Arc::clone(&previous.concurrency)),
            config: config.clone(),
            trusted,
        })
    }

    /// Returns the endpoint with this address, and its pace if it has one of its own.
    fn endpoint(&self, uri: &Uri) -> Option<(Arc<Endpoint>, Option<SharedPace>)> {
        let index = self.config.endpoints.iter().position(|other| other == uri)?;
        Some((Arc::clone(&self.balancer.endpoints[index]), self.endpoint_paces.get(index).cloned()))
    }

    /// Returns the upstream's part of `/status`.
    pub(crate) fn status(&self, name: &str, counts: CounterStatus) -> UpstreamStatus {
        let endpoints = self.balancer.endpoints.iter().map(|endpoint| {
            let OutlierSnapshot { state, ejections } =
                endpoint.health().map_or_else(OutlierSnapshot::default, EndpointHealth::snapshot);
            EndpointStatus {
                endpoint: endpoint.name().to_owned(),
                load: endpoint.load(),
                state: state.as_str(),
                ejections,
            }
        });
        UpstreamStatus {
            name: name.to_owned(),
            budget_tokens: self.budget.as_ref().map(Budget::tokens),
            in_flight: self.concurrency.in_use(),
            ejected: self.balancer.outliers.as_ref().map_or(0, |outliers| outliers.ejected()),
            paced: self.pace.iter().chain(&self.endpoint_paces).map(SharedPace::waiting).sum(),
            endpoints: endpoints.collect(),
            counts,
        }
    }
}

/// Returns the part of a configuration that its endpoints depend on. Settings of the whole upstream have
/// fixed values.
fn endpoint_config(config: &config::UpstreamConfig) -> config::UpstreamConfig {
    config::UpstreamConfig {
        endpoints: Vec::new(),
        host: config::HostRule::Endpoint,
        max_requests: 0,
        retry_budget: None,
        pace: config.pace.clone().filter(|pace| pace.key == PaceKey::Endpoint),
        ..config.clone()
    }
}

fn new_pace(config: &config::PaceConfig) -> Pace {
    let pace = match &config.key {
        // All requests share one key. An endpoint's pace sees only the requests to that endpoint.
        PaceKey::Upstream | PaceKey::Endpoint => Pace::per(|_| ()),
        PaceKey::Header(name) => {
            let name = name.clone();
            Pace::per(move |head| head.header(name.as_str()).map(str::to_owned))
        }
    };
    let pace = pace.longest(config.longest).waiters(config.waiters).keys(config.keys);
    if config.slow_start { pace.slow_start() } else { pace }
}
