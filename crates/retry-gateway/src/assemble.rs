//! Makes a gateway of its configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Uri;
use prometheus_client::metrics::counter::Counter;
use tokio_rustls::TlsAcceptor;
use tower::Layer;
use tower_http_retry::{Budget, Pace, PaceLayer, ReplayMemory, RetryLayer, SharedPace};

use crate::alarm::Alarms;
use crate::capacity::Capacity;
use crate::care::Care;
use crate::config::{self, Config, PaceKey, Protocol};
use crate::endpoint::{Endpoint, Reach};
use crate::fallback::Fallback;
use crate::leg::{Leg, Legs, Retries};
use crate::metrics::Metrics;
use crate::outlier::{Health, Outliers, State};
use crate::policy::GatewayPolicy;
use crate::proxy::{Gateway, Route};
use crate::settings::Way;
use crate::telemetry::status::{CountsStatus, EndpointStatus, UpstreamStatus};
use crate::tls::{self, Trusted};
use crate::trust::Trust;
use crate::upload::Uploads;
use crate::upstream::Upstream;

/// What the routes to one upstream share.
#[derive(Debug)]
pub(crate) struct Shared {
    upstream: Arc<Upstream>,
    budget: Option<Budget>,
    /// Of the whole upstream.
    pace: Option<SharedPace>,
    /// Of its endpoints, where each has its own.
    paces: Vec<SharedPace>,
    capacity: Arc<Capacity>,
    /// What it was made by.
    config: config::Upstream,
    trusted: Trusted,
}

impl Gateway {
    /// By its configuration. Nothing is connected yet; what can fail is what lies outside of the file, which is a
    /// certificate that cannot be read.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        Self::after(config, None)
    }

    /// As [`new`](Self::new), with all that can stay of another one.
    pub(crate) fn after(config: &Config, before: Option<&Self>) -> anyhow::Result<Self> {
        let memory = match before.filter(|before| before.buffers == config.buffers) {
            Some(before) => before.memory.clone(),
            None => ReplayMemory::new(config.buffers.total),
        };
        let metrics = before.map_or_else(|| Arc::new(Metrics::new()), |before| Arc::clone(&before.metrics));
        let mut upstreams = BTreeMap::new();
        for (name, upstream) in &config.upstreams {
            let before = before.and_then(|before| before.upstreams.get(name));
            upstreams.insert(
                name.clone(),
                Arc::new(Shared::new(upstream, before.map(Arc::as_ref), metrics.ejections(name))?),
            );
        }
        let alarms = before.map_or_else(Alarms::default, |before| before.alarms.clone());
        let mut routes = Vec::with_capacity(config.routes.len());
        for route in &config.routes {
            let mut legs = Vec::new();
            for name in route.upstreams() {
                let Some(shared) = upstreams.get(name) else {
                    anyhow::bail!("there is no upstream `{name}`");
                };
                legs.push(Leg {
                    name: name.to_owned(),
                    way: Arc::new(way(route, name, shared, &alarms)),
                    retries: retries(route, shared, &memory),
                    counts: metrics.of(name),
                    capacity: Arc::clone(&shared.capacity),
                    max_requests: shared.config.max_requests,
                });
            }
            let retry = route.retry.as_ref();
            routes.push(Route {
                legs: self::legs(route, legs, &memory, &alarms),
                explains: retry.is_some_and(|retry| retry.explain_header),
                mints_key: retry.is_some_and(|retry| retry.mint_idempotency_key),
                config: route.clone(),
            });
        }
        let acceptor = config.tls.as_ref().map(tls::server).transpose()?.map(TlsAcceptor::from);
        Ok(Self {
            routes,
            upstreams,
            memory,
            buffers: config.buffers.clone(),
            metrics,
            alarms,
            uploads: Arc::new(Uploads { alarms: Alarms::default(), timeout: config.limits.body_timeout }),
            limits: config.limits.clone(),
            drain_timeout: config.drain_timeout,
            acceptor,
            logs_access: config.access_log.enabled,
            trust: Trust::new(&config.trusted_proxies),
        })
    }
}

impl Shared {
    /// Keeps of the one before what is made by the same words: a budget is not filled again, nobody forgets what a
    /// server asked for, and connections stay open.
    fn new(config: &config::Upstream, before: Option<&Self>, ejections: Counter) -> anyhow::Result<Self> {
        let trusted = tls::trusted(&config.tls)?;
        let reach = Reach {
            tls: tls::client(&trusted)?,
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
                .map(|budget| Budget::percent(budget.percent).floor(budget.min_retries_per_second)),
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
    pub(crate) fn status(&self, name: &str, counts: CountsStatus) -> UpstreamStatus {
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
            under_way: self.capacity.taken(),
            ejected: self.upstream.outliers.as_ref().map_or(0, |outliers| outliers.active()),
            waiting: self.pace.iter().chain(&self.paces).map(SharedPace::waiting).sum(),
            endpoints: endpoints.collect(),
            counts,
        }
    }
}

/// What of a configuration its endpoints are made by: all, but for what is only the whole upstream's.
fn of_endpoints(config: &config::Upstream) -> config::Upstream {
    config::Upstream {
        endpoints: Vec::new(),
        host: config::HostRule::Endpoint,
        max_requests: 0,
        retry_budget: None,
        pace: config.pace.clone().filter(|pace| pace.key == PaceKey::Endpoint),
        ..config.clone()
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
fn way(route: &config::Route, name: &str, shared: &Shared, alarms: &Alarms) -> Way {
    let retry = route.retry.as_ref();
    let is_last = route.upstreams().last() == Some(name);
    Way {
        upstream: Arc::clone(&shared.upstream),
        per_try_timeout: retry.and_then(|retry| retry.per_try_timeout),
        avoids_tried: retry.is_none_or(|retry| retry.host_selection == config::HostSelection::AvoidPrevious),
        timeout: route.timeout,
        longest_wait: route.fallback.as_ref().filter(|_| !is_last).map(|fallback| fallback.after),
        is_prompt: shared.pace.is_none() && name == route.upstream,
        alarms: alarms.clone(),
        care: retry.and_then(Care::of),
    }
}

/// Where a route's requests go.
fn legs(route: &config::Route, mut legs: Vec<Leg>, memory: &ReplayMemory, alarms: &Alarms) -> Legs {
    let Some(fallback) = &route.fallback else {
        return Legs::One(legs.remove(0));
    };
    let never = never(route);
    let retry = route.retry.as_ref().unwrap_or(&never);
    Legs::Several(Arc::new(Fallback {
        legs,
        after: fallback.after,
        timeout: route.timeout,
        policy: route.retry.as_ref().map(GatewayPolicy::new),
        limit: retry.request_body_buffer_limit,
        memory: memory.clone(),
        drain: retry.error_body_drain,
        alarms: alarms.clone(),
    }))
}

/// What counts where there are no resends.
fn never(route: &config::Route) -> config::Retry {
    config::Retry { num_retries: 0, ..route.profile.retry(false) }
}

/// Whether and when there is another.
fn retries(route: &config::Route, shared: &Shared, memory: &ReplayMemory) -> Retries {
    let never = never(route);
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
