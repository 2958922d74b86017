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
use crate::message::trusted_proxies::Trust;
use crate::proxy::fallback::Fallback;
use crate::proxy::policy::GatewayPolicy;
use crate::proxy::state::{Gateway, Legs, Route};
use crate::proxy::upstream_route::{Leg, Retries};
use crate::telemetry::metrics::Metrics;
use crate::time::pooled_timeout::TimerPool;
use crate::upstream::cluster::Shared;
use crate::upstream::request_body::Uploads;
use crate::upstream::settings::Way;

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
                Arc::new(Shared::new(upstream, previous.map(Arc::as_ref), metrics.ejections(name))?),
            );
        }
        let alarms = previous.map_or_else(Alarms::default, |previous| previous.alarms.clone());
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
                    counts: metrics.upstream(name),
                    capacity: Arc::clone(&shared.capacity),
                    max_requests: shared.config.max_requests,
                });
            }
            let retry = route.retry.as_ref();
            routes.push(Arc::new(Route {
                legs: self::legs(route, legs, &memory, &alarms),
                explains: retry.is_some_and(|retry| retry.explain_header),
                mints_key: retry.is_some_and(|retry| retry.mint_idempotency_key),
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
            alarms,
            uploads: Arc::new(Uploads { alarms: TimerPool::default(), timeout: config.limits.body_timeout }),
            limits: config.limits.clone(),
            drain_timeout: config.drain_timeout,
            acceptor,
            logs_access: config.access_log.enabled,
            trust: TrustedProxies::new(&config.trusted_proxies),
        })
    }
}

/// Returns the settings of the attempts that a route's requests make at one upstream.
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
        care: retry.and_then(BodyInspection::from_config),
    }
}

/// Returns the targets of a route: one upstream, or several with a fallback.
fn legs(route: &config::Route, mut legs: Vec<Leg>, memory: &ReplayMemory, alarms: &Alarms) -> Legs {
    let Some(fallback) = &route.fallback else {
        return Legs::One(legs.remove(0));
    };
    let no_retry = no_retry(route);
    let retry = route.retry.as_ref().unwrap_or(&no_retry);
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

/// Returns the settings of a route without retries. The limits of buffers and the like still apply.
fn no_retry(route: &config::Route) -> config::Retry {
    config::Retry { num_retries: 0, ..route.profile.retry(false) }
}

/// Returns the retry layer of a route's requests at one upstream.
fn retries(route: &config::Route, shared: &Shared, memory: &ReplayMemory) -> Retries {
    let no_retry = no_retry(route);
    let retry = route.retry.as_ref().unwrap_or(&no_retry);
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
        Some(pace) => Retries::Paced(layer.pace(pace.clone()).layer(())),
        None => Retries::Unpaced(layer.layer(())),
    }
}
