//! Makes a gateway of its configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tower::Layer;
use tower_http_retry::RetryLayer;
use tower_http_retry::body::ReplayMemory;

use crate::config::{self, Config};
use crate::connection::tls;
use crate::llm::Care;
use crate::message::trusted_proxies::Trust;
use crate::proxy::fallback::FallbackTargets;
use crate::proxy::policy::GatewayPolicy;
use crate::proxy::state::{Gateway, Route, Targets};
use crate::proxy::upstream_route::{RetryService, RouteTarget};
use crate::telemetry::metrics::Metrics;
use crate::time::pooled_timeout::Alarms;
use crate::upstream::cluster::Cluster;
use crate::upstream::request_body::BodyTimeout;
use crate::upstream::settings::AttemptSettings;

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
                Arc::new(Cluster::new(upstream, before.map(Arc::as_ref), metrics.ejections(name))?),
            );
        }
        let alarms = before.map_or_else(Alarms::default, |before| before.timers.clone());
        let mut routes = Vec::with_capacity(config.routes.len());
        for route in &config.routes {
            let mut legs = Vec::new();
            for name in route.upstreams() {
                let Some(shared) = upstreams.get(name) else {
                    anyhow::bail!("there is no upstream `{name}`");
                };
                legs.push(RouteTarget {
                    name: name.to_owned(),
                    settings: Arc::new(way(route, name, shared, &alarms)),
                    retry: retries(route, shared, &memory),
                    counts: metrics.of(name),
                    concurrency: Arc::clone(&shared.concurrency),
                    max_requests: shared.config.max_requests,
                });
            }
            let retry = route.retry.as_ref();
            routes.push(Arc::new(Route {
                targets: self::legs(route, legs, &memory, &alarms),
                adds_explain_headers: retry.is_some_and(|retry| retry.explain_header),
                adds_idempotency_key: retry.is_some_and(|retry| retry.mint_idempotency_key),
                config: route.clone(),
            }));
        }
        let acceptor = config.tls.as_ref().map(tls::server).transpose()?.map(TlsAcceptor::from);
        Ok(Self {
            routes,
            upstreams,
            memory,
            buffers: config.buffers.clone(),
            metrics,
            timers: alarms,
            body_timeout: Arc::new(BodyTimeout {
                timers: Alarms::default(),
                timeout: config.limits.body_timeout,
            }),
            limits: config.limits.clone(),
            drain_timeout: config.drain_timeout,
            acceptor,
            logs_access: config.access_log.enabled,
            trusted_proxies: Trust::new(&config.trusted_proxies),
        })
    }
}

/// How the attempts of a route's requests are made.
fn way(route: &config::Route, name: &str, shared: &Cluster, alarms: &Alarms) -> AttemptSettings {
    let retry = route.retry.as_ref();
    let is_last = route.upstreams().last() == Some(name);
    AttemptSettings {
        balancer: Arc::clone(&shared.balancer),
        per_try_timeout: retry.and_then(|retry| retry.per_try_timeout),
        avoids_tried: retry.is_none_or(|retry| retry.host_selection == config::HostSelection::AvoidPrevious),
        timeout: route.timeout,
        max_pace_wait: route.fallback.as_ref().filter(|_| !is_last).map(|fallback| fallback.after),
        starts_with_request: shared.pace.is_none() && name == route.upstream,
        timers: alarms.clone(),
        inspection: retry.and_then(Care::of),
    }
}

/// Where a route's requests go.
fn legs(
    route: &config::Route,
    mut legs: Vec<RouteTarget>,
    memory: &ReplayMemory,
    alarms: &Alarms,
) -> Targets {
    let Some(fallback) = &route.fallback else {
        return Targets::Single(legs.remove(0));
    };
    let never = never(route);
    let retry = route.retry.as_ref().unwrap_or(&never);
    Targets::WithFallback(Arc::new(FallbackTargets {
        targets: legs,
        after: fallback.after,
        timeout: route.timeout,
        policy: route.retry.as_ref().map(GatewayPolicy::new),
        replay_limit: retry.request_body_buffer_limit,
        memory: memory.clone(),
        drain: retry.error_body_drain,
        timers: alarms.clone(),
    }))
}

/// What counts where there are no resends.
fn never(route: &config::Route) -> config::Retry {
    config::Retry { num_retries: 0, ..route.profile.retry(false) }
}

/// Whether and when there is another.
fn retries(route: &config::Route, shared: &Cluster, memory: &ReplayMemory) -> RetryService {
    let never = never(route);
    let retry = route.retry.as_ref().unwrap_or(&never);
    let mut layer = RetryLayer::new(GatewayPolicy::new(retry))
        .max_attempts(retry.num_retries.saturating_add(1))
        .max_elapsed(route.timeout)
        .budget(shared.budget.clone())
        .replay_limit(retry.request_body_buffer_limit)
        .replay_memory(memory.clone())
        .drain_limit(retry.error_body_drain.bytes, retry.error_body_drain.time);
    if let Some(name) = &retry.attempt_header {
        layer = layer.attempt_header(name.clone());
    }
    match &shared.pace {
        Some(pace) => RetryService::Paced(layer.pace(pace.clone()).layer(())),
        None => RetryService::Unpaced(layer.layer(())),
    }
}
