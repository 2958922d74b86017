//! Makes a gateway of its configuration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use prometheus_client::metrics::counter::Counter;
use tower::Layer;
use tower_http_retry::{Budget, Pace, PaceLayer, ReplayMemory, RetryLayer, SharedPace};

use crate::admin::{EndpointStatus, UpstreamStatus};
use crate::alarm::Alarms;
use crate::config::{self, Config, PaceKey, Protocol};
use crate::endpoint::{Endpoint, Reach};
use crate::metrics::Metrics;
use crate::outlier::{Health, Outliers, State};
use crate::policy::GatewayPolicy;
use crate::proxy::{Gateway, Retries, Route};
use crate::tls;
use crate::trust::Trust;
use crate::upstream::{Upstream, Way};

/// What the routes to one upstream share.
#[derive(Debug)]
pub(crate) struct Shared {
    upstream: Arc<Upstream>,
    budget: Option<Budget>,
    /// Of the whole upstream.
    pace: Option<SharedPace>,
    /// Of its endpoints, where each has its own.
    paces: Vec<SharedPace>,
}

impl Gateway {
    /// By its configuration. Nothing is connected yet; what can fail is what lies outside of the file, which is a
    /// certificate that cannot be read.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let memory = ReplayMemory::new(config.buffers.total);
        let (metrics, alarms) = (Metrics::new(), Alarms::default());
        let mut upstreams = BTreeMap::new();
        for (name, upstream) in &config.upstreams {
            upstreams.insert(name.clone(), Shared::new(upstream, metrics.ejections(name))?);
        }
        let mut routes = Vec::with_capacity(config.routes.len());
        for route in &config.routes {
            let Some(shared) = upstreams.get(&route.upstream) else {
                anyhow::bail!("there is no upstream `{}`", route.upstream);
            };
            let retry = route.retry.as_ref();
            routes.push(Route {
                way: Arc::new(way(route, shared, &alarms)),
                retries: retries(route, shared, &memory),
                counts: metrics.of(&route.upstream),
                explains: retry.is_some_and(|retry| retry.explain_header),
                config: route.clone(),
            });
        }
        Ok(Self {
            routes,
            upstreams,
            memory,
            metrics,
            is_draining: AtomicBool::new(false),
            logs_access: config.access_log.enabled,
            trust: Trust::new(&config.trusted_proxies),
        })
    }
}

impl Shared {
    fn new(config: &config::Upstream, ejections: Counter) -> anyhow::Result<Self> {
        let reach = Reach {
            tls: tls::client(&config.tls)?,
            is_http2: config.protocol == Protocol::Http2,
            connect_timeout: config.connect_timeout,
        };
        let pace = config.pace.as_ref();
        let per_endpoint = pace.filter(|pace| pace.key == PaceKey::Endpoint);
        let mut paces = Vec::new();
        let outliers = config.outlier_detection.as_ref().filter(|_| config.endpoints.len() > 1);
        let outliers =
            outliers.map(|outliers| Arc::new(Outliers::new(outliers, config.endpoints.len(), ejections)));
        let endpoints = config.endpoints.iter().map(|uri| {
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
        let budget = config
            .retry_budget
            .map(|budget| Budget::percent(budget.percent).floor(budget.min_retries_per_second));
        let pace = pace.filter(|pace| pace.key != PaceKey::Endpoint).map(|pace| pace_of(pace).into());
        Ok(Self { upstream: Arc::new(upstream), budget, pace, paces })
    }

    /// How it stands.
    pub(crate) fn status(&self, name: &str) -> UpstreamStatus {
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
            ejected: self.upstream.outliers.as_ref().map_or(0, |outliers| outliers.active()),
            waiting: self.pace.iter().chain(&self.paces).map(SharedPace::waiting).sum(),
            endpoints: endpoints.collect(),
        }
    }
}

fn pace_of(config: &config::Pace) -> Pace {
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

/// How the attempts of a route's requests are made.
fn way(route: &config::Route, shared: &Shared, alarms: &Alarms) -> Way {
    let retry = route.retry.as_ref();
    Way {
        upstream: Arc::clone(&shared.upstream),
        per_try_timeout: retry.and_then(|retry| retry.per_try_timeout),
        avoids_tried: retry.is_none_or(|retry| retry.host_selection == config::HostSelection::AvoidPrevious),
        timeout: route.timeout,
        alarms: alarms.clone(),
    }
}

/// Whether and when there is another.
fn retries(route: &config::Route, shared: &Shared, memory: &ReplayMemory) -> Retries {
    let never = config::Retry { num_retries: 0, ..route.profile.retry(false) };
    let retry = route.retry.as_ref().unwrap_or(&never);
    let mut layer = RetryLayer::new(GatewayPolicy::new(retry))
        .attempts(retry.num_retries.saturating_add(1))
        .deadline(route.timeout)
        .budget(shared.budget.clone())
        .replay_limit(retry.request_body_buffer_limit)
        .replay_memory(memory.clone())
        .drain_limit(retry.error_body_drain.bytes, retry.error_body_drain.time);
    if let Some(name) = &retry.attempt_header {
        layer = layer.attempt_header(name.clone());
    }
    match &shared.pace {
        Some(pace) => Retries::Paced(layer.pace(pace.clone()).layer(())),
        None => Retries::Unpaced(layer.layer(())),
    }
}
