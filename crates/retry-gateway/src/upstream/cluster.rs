//! An upstream at run time: its endpoints, and the state that all routes to it share.

use std::sync::Arc;

use http::Uri;
use prometheus_client::metrics::counter::Counter;
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{Budget, Pace, PaceLayer};

use crate::config::{self, PaceKey, Protocol};
use crate::connection::limit::ConcurrencyLimit;
use crate::connection::tls::{self, CustomRoots};
use crate::telemetry::status::{CountsStatus, EndpointStatus, UpstreamStatus};
use crate::upstream::balancer::Upstream;
use crate::upstream::endpoint::{Endpoint, Reach};
use crate::upstream::outlier::{Health, Outliers, State};

/// What the routes to one upstream share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) budget: Option<Budget>,
    /// Of the whole upstream.
    pub(crate) pace: Option<SharedPace>,
    /// Of its endpoints, where each has its own.
    paces: Vec<SharedPace>,
    pub(crate) capacity: Arc<ConcurrencyLimit>,
    /// What it was made by.
    pub(crate) config: config::UpstreamConfig,
    trusted: CustomRoots,
}

impl Shared {
    /// Keeps of the one before what is made by the same words: a budget is not filled again, nobody forgets what a
    /// server asked for, and connections stay open.
    pub(crate) fn new(
        config: &config::UpstreamConfig,
        before: Option<&Self>,
        ejections: Counter,
    ) -> anyhow::Result<Self> {
        let trusted = tls::load_roots(&config.tls)?;
        let reach = Reach {
            tls: tls::client_config(&trusted)?,
            is_http2: config.protocol == Protocol::Http2,
            connect_timeout: config.connect_timeout,
        };
        let pace = config.pace.as_ref();
        let per_endpoint = pace.filter(|pace| pace.key == PaceKey::Endpoint);
        let known = before.filter(|before| {
            before.trusted == trusted && of_endpoints(&before.config) == of_endpoints(config)
        });
        let mut paces = Vec::new();
        let outliers = match known.and_then(|known| known.upstream.outliers.clone()) {
            Some(outliers) => Some(outliers),
            None => {
                config.outlier_detection.as_ref().map(|config| Arc::new(Outliers::new(config, ejections)))
            }
        };
        if let Some(outliers) = &outliers {
            outliers.fit(config.endpoints.len());
        }
        let endpoints = config.endpoints.iter().map(|uri| {
            if let Some((endpoint, pace)) = known.and_then(|known| known.endpoint(uri)) {
                paces.extend(pace);
                return Ok(endpoint);
            }
            let pace = per_endpoint.map(|config| SharedPace::from(pace_of(config)));
            paces.extend(pace.clone());
            Ok(Arc::new(Endpoint::new(uri, &reach, pace.map(PaceLayer::new), outliers.as_ref())?))
        });
        let upstream = Upstream {
            endpoints: endpoints.collect::<anyhow::Result<_>>()?,
            host: config.host.clone(),
            is_http2: reach.is_http2,
            outliers,
        };
        let budget = match before.filter(|before| before.config.retry_budget == config.retry_budget) {
            Some(before) => before.budget.clone(),
            None => config
                .retry_budget
                .map(|budget| Budget::percent(budget.percent).min_per_second(budget.min_retries_per_second)),
        };
        let pace = match before.filter(|before| before.config.pace == config.pace) {
            Some(before) => before.pace.clone(),
            None => pace.filter(|pace| pace.key != PaceKey::Endpoint).map(|pace| pace_of(pace).into()),
        };
        Ok(Self {
            upstream: Arc::new(upstream),
            budget,
            pace,
            paces,
            capacity: before.map_or_else(Arc::default, |before| Arc::clone(&before.capacity)),
            config: config.clone(),
            trusted,
        })
    }

    /// One of its endpoints, and the pace that is its own.
    fn endpoint(&self, uri: &Uri) -> Option<(Arc<Endpoint>, Option<SharedPace>)> {
        let index = self.config.endpoints.iter().position(|known| known == uri)?;
        Some((Arc::clone(&self.upstream.endpoints[index]), self.paces.get(index).cloned()))
    }

    /// How it stands.
    pub(crate) fn status(&self, name: &str, counts: CounterStatus) -> UpstreamStatus {
        let endpoints = self.upstream.endpoints.iter().map(|endpoint| {
            let (state, ejections) = endpoint.health().map_or((State::Healthy, 0), Health::stand);
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
            under_way: self.capacity.in_use(),
            ejected: self.upstream.outliers.as_ref().map_or(0, |outliers| outliers.active()),
            paced: self.pace.iter().chain(&self.paces).map(SharedPace::waiting).sum(),
            endpoints: endpoints.collect(),
            counts,
        }
    }
}

/// What of a configuration its endpoints are made by: all, but for what is only the whole upstream's.
fn of_endpoints(config: &config::UpstreamConfig) -> config::UpstreamConfig {
    config::UpstreamConfig {
        endpoints: Vec::new(),
        host: config::HostRule::Endpoint,
        max_requests: 0,
        retry_budget: None,
        pace: config.pace.clone().filter(|pace| pace.key == PaceKey::Endpoint),
        ..config.clone()
    }
}

fn pace_of(config: &config::PaceConfig) -> Pace {
    let pace = match &config.key {
        // All of them have one.
        PaceKey::Upstream | PaceKey::Endpoint => Pace::per(|_| ()),
        PaceKey::Header(name) => {
            let name = name.clone();
            Pace::per(move |head| head.header(name.as_str()).map(str::to_owned))
        }
    };
    let pace = pace.longest(config.longest).waiters(config.waiters).keys(config.keys);
    if config.slow_start { pace.slow_start() } else { pace }
}
