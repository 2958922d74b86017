//! Builds a gateway from its configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tower::Layer;
use tower_http_retry::RetryLayer;
use tower_http_retry::body::ReplayMemory;

use crate::config::{self, Config};
use crate::connection::tls;
use crate::llm::BodyInspection;
use crate::message::trusted_proxies::TrustedProxies;
use crate::proxy::fallback::FallbackTargets;
use crate::proxy::policy::GatewayPolicy;
use crate::proxy::state::{Gateway, Route, Targets};
use crate::proxy::upstream_route::{RetryService, RouteTarget};
use crate::telemetry::metrics::Metrics;
use crate::time::pooled_timeout::TimerPool;
use crate::upstream::cluster::Cluster;
use crate::upstream::request_body::BodyTimeout;
use crate::upstream::settings::AttemptSettings;

impl Gateway {
    /// Builds a gateway, which opens no connections yet. Its only errors come from outside of the configuration, such as
    /// a certificate that cannot be read.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        Self::rebuild(config, None)
    }

    /// Builds a gateway that takes over everything of the previous one that did not change: connections, budgets, paces,
    /// metrics and buffers.
    pub(crate) fn rebuild(config: &Config, previous: Option<&Self>) -> anyhow::Result<Self> {
        let memory = match previous.filter(|previous| previous.buffers == config.buffers) {
            Some(previous) => previous.memory.clone(),
            None => ReplayMemory::new(config.buffers.total),
        };
        let metrics =
            previous.map_or_else(|| Arc::new(Metrics::new()), |previous| Arc::clone(&previous.metrics));
        let mut upstreams = BTreeMap::new();
        for (name, upstream) in &config.upstreams {
            let previous = previous.and_then(|previous| previous.upstreams.get(name));
            upstreams.insert(
                name.clone(),
                Arc::new(Cluster::new(upstream, previous.map(Arc::as_ref), metrics.ejections(name))?),
            );
        }
        let timers = previous.map_or_else(TimerPool::default, |previous| previous.timers.clone());
        let mut routes = Vec::with_capacity(config.routes.len());
        for route in &config.routes {
            let mut targets = Vec::new();
            for name in route.upstreams() {
                let Some(cluster) = upstreams.get(name) else {
                    anyhow::bail!("no upstream is called `{name}`");
                };
                targets.push(RouteTarget {
                    name: name.to_owned(),
                    settings: Arc::new(attempt_settings(route, name, cluster, &timers)),
                    retry: retry_service(route, cluster, &memory),
                    counts: metrics.upstream(name),
                    concurrency: Arc::clone(&cluster.concurrency),
                    max_requests: cluster.config.max_requests,
                });
            }
            let retry = route.retry.as_ref();
            routes.push(Arc::new(Route {
                targets: self::targets(route, targets, &memory, &timers),
                adds_explain_headers: retry.is_some_and(|retry| retry.explain_header),
                adds_idempotency_key: retry.is_some_and(|retry| retry.mint_idempotency_key),
                config: route.clone(),
            }));
        }
        let acceptor = config.tls.as_ref().map(tls::server_config).transpose()?.map(TlsAcceptor::from);
        Ok(Self {
            routes,
            upstreams,
            memory,
            buffers: config.buffers.clone(),
            metrics,
            timers,
            body_timeout: Arc::new(BodyTimeout {
                timers: TimerPool::default(),
                timeout: config.limits.body_timeout,
            }),
            limits: config.limits.clone(),
            drain_timeout: config.drain_timeout,
            acceptor,
            logs_access: config.access_log.enabled,
            trusted_proxies: TrustedProxies::new(&config.trusted_proxies),
        })
    }
}

/// Returns the settings of the attempts that a route's requests make at one upstream.
fn attempt_settings(
    route: &config::RouteConfig,
    name: &str,
    cluster: &Cluster,
    timers: &TimerPool,
) -> AttemptSettings {
    let retry = route.retry.as_ref();
    let is_last = route.upstreams().last() == Some(name);
    AttemptSettings {
        balancer: Arc::clone(&cluster.balancer),
        per_try_timeout: retry.and_then(|retry| retry.per_try_timeout),
        avoids_tried: retry.is_none_or(|retry| retry.host_selection == config::HostSelection::AvoidPrevious),
        timeout: route.timeout,
        max_pace_wait: route.fallback.as_ref().filter(|_| !is_last).map(|fallback| fallback.after),
        starts_with_request: cluster.pace.is_none() && name == route.upstream,
        timers: timers.clone(),
        inspection: retry.and_then(BodyInspection::from_config),
    }
}

/// Returns the targets of a route: one upstream, or several with a fallback.
fn targets(
    route: &config::RouteConfig,
    mut targets: Vec<RouteTarget>,
    memory: &ReplayMemory,
    timers: &TimerPool,
) -> Targets {
    let Some(fallback) = &route.fallback else {
        return Targets::Single(targets.remove(0));
    };
    let no_retry = no_retry(route);
    let retry = route.retry.as_ref().unwrap_or(&no_retry);
    Targets::WithFallback(Arc::new(FallbackTargets {
        targets,
        after: fallback.after,
        timeout: route.timeout,
        policy: route.retry.as_ref().map(GatewayPolicy::new),
        replay_limit: retry.request_body_buffer_limit,
        memory: memory.clone(),
        drain: retry.error_body_drain,
        timers: timers.clone(),
    }))
}

/// Returns the settings of a route without retries. The limits of buffers and the like still apply.
fn no_retry(route: &config::RouteConfig) -> config::RetryConfig {
    config::RetryConfig { num_retries: 0, ..route.profile.retry(false) }
}

/// Returns the retry layer of a route's requests at one upstream.
fn retry_service(route: &config::RouteConfig, cluster: &Cluster, memory: &ReplayMemory) -> RetryService {
    let no_retry = no_retry(route);
    let retry = route.retry.as_ref().unwrap_or(&no_retry);
    let mut layer = RetryLayer::new(GatewayPolicy::new(retry))
        .max_attempts(retry.num_retries.saturating_add(1))
        .max_elapsed(route.timeout)
        .budget(cluster.budget.clone())
        .replay_limit(retry.request_body_buffer_limit)
        .replay_memory(memory.clone())
        .drain_limit(retry.error_body_drain.bytes, retry.error_body_drain.time);
    if let Some(name) = &retry.attempt_header {
        layer = layer.attempt_header(name.clone());
    }
    match &cluster.pace {
        Some(pace) => RetryService::Paced(layer.pace(pace.clone()).layer(())),
        None => RetryService::Unpaced(layer.layer(())),
    }
}
