//! Builds a gateway from its configuration.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use tower::Layer;
use tower_http_retry::RetryLayer;
use tower_http_retry::body::ReplayMemory;
use tower_http_retry::policy::AttemptHeader;

use crate::config::{self, Config, FairBy, Limits, Profile};
use crate::connection::descriptors::DESCRIPTORS;
use crate::connection::tls;
use crate::llm::BodyInspection;
use crate::message::trusted_proxies::TrustedProxies;
use crate::proxy::fallback::FallbackTargets;
use crate::proxy::policy::GatewayPolicy;
use crate::proxy::route_table::RouteTable;
use crate::proxy::state::{Gateway, Route, Targets};
use crate::proxy::upstream_route::{RetryService, RouteTarget};
use crate::telemetry::metrics::Metrics;
use crate::time::pooled_timeout::TimerPool;
use crate::upstream::body_wait::BodyLimits;
use crate::upstream::cluster::Cluster;
use crate::upstream::fleet::{FleetMember, UpstreamFleet};
use crate::upstream::model_reader::ModelReader;
use crate::upstream::removed::RemovedUpstream;
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
        let fleet = fleet(config, previous, &metrics)?;
        let mut upstreams = BTreeMap::new();
        for (name, upstream) in &config.upstreams {
            let same = previous.and_then(|previous| previous.upstreams.get(name)).map(Arc::as_ref);
            let removed = previous.and_then(|previous| previous.removed.get(name)).map(Arc::as_ref);
            let member = fleet.as_ref().filter(|_| upstream.fleet).map(Arc::clone);
            let fleet = member.map(|member| UpstreamFleet { member, upstream: name.clone() });
            let cluster = Cluster::new(upstream, fleet, same, removed, metrics.ejections(name))?;
            upstreams.insert(name.clone(), Arc::new(cluster));
        }
        let removed = previous.map(|previous| removed_upstreams(previous, config)).unwrap_or_default();
        let timers = previous.map_or_else(TimerPool::default, |previous| previous.timers.clone());
        let body_limits = Arc::new(BodyLimits {
            timers: TimerPool::default(),
            timeout: config.limits.body_timeout,
            min_rate: config.limits.body_min_rate,
        });
        // The client of a stream may be silent before its response begins too. The other bounds on its connection hold.
        let stream_limits =
            Arc::new(BodyLimits { timers: TimerPool::default(), timeout: A_YEAR, min_rate: None });
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
                });
            }
            let retry = route.retry.as_ref();
            let paces = || {
                let upstreams = route.upstreams().filter_map(|name| config.upstreams.get(name));
                upstreams.filter_map(|upstream| upstream.pace.as_ref())
            };
            let replay_limit = retry.map_or_else(
                || no_retry(route).request_body_buffer_limit,
                |retry| retry.request_body_buffer_limit,
            );
            let model_reader = model_reader(route, &upstreams, replay_limit, &memory, &timers);
            routes.push(Arc::new(Route {
                is_fair_by_client: paces().any(|pace| pace.fair_by == Some(FairBy::Client)),
                body_limits: Arc::clone(match route.profile {
                    Profile::Grpc => &stream_limits,
                    Profile::Default | Profile::Llm => &body_limits,
                }),
                targets: self::targets(route, targets, &memory, &timers, model_reader.is_some()),
                model_reader,
                adds_explain_headers: retry.is_some_and(|retry| retry.explain_header),
                adds_idempotency_key: retry.is_some_and(|retry| retry.mint_idempotency_key),
                config: route.clone(),
            }));
        }
        let acceptor = config.tls.as_ref().map(tls::server_config).transpose()?.map(TlsAcceptor::from);
        Ok(Self {
            route_table: RouteTable::new(&config.routes),
            routes,
            upstreams,
            removed,
            memory,
            buffers: config.buffers.clone(),
            metrics,
            fleet,
            timers,
            limits: Limits {
                connections: DESCRIPTORS.share(config.limits.connections),
                ..config.limits.clone()
            },
            shortfall: DESCRIPTORS.shortfall(config.limits.connections),
            drain_timeout: config.drain_timeout,
            acceptor,
            logs_access: config.access_log.enabled,
            underscores_in_headers: config.underscores_in_headers,
            header_case: config.header_case,
            trusted_proxies: TrustedProxies::new(&config.trusted_proxies),
        })
    }
}

/// Returns the membership in the fleet of a configuration: that of the previous gateway, unless a key of `[fleet]` or a
/// secret has changed.
fn fleet(
    config: &Config,
    previous: Option<&Gateway>,
    metrics: &Metrics,
) -> anyhow::Result<Option<Arc<FleetMember>>> {
    let Some(fleet) = &config.fleet else { return Ok(None) };
    let current = previous.and_then(|previous| previous.fleet.as_ref());
    match current.filter(|member| member.config == *fleet) {
        Some(member) => Ok(Some(Arc::clone(member))),
        None => FleetMember::join(fleet, metrics).map(Arc::new).map(Some),
    }
}

/// Returns the upstreams that the configuration has no more, and that still have requests.
fn removed_upstreams(previous: &Gateway, config: &Config) -> BTreeMap<String, Arc<RemovedUpstream>> {
    let now = previous.upstreams.iter().map(|(name, cluster)| (name, Arc::new(cluster.removed())));
    let earlier = previous.removed.iter().map(|(name, removed)| (name, Arc::clone(removed)));
    earlier
        .chain(now)
        .filter(|(name, removed)| !config.upstreams.contains_key(*name) && removed.is_busy())
        .map(|(name, removed)| (name.clone(), removed))
        .collect()
}

/// Returns the reader of the models of a route's requests, if the pace of one of its upstreams goes by the model.
fn model_reader(
    route: &config::RouteConfig,
    upstreams: &BTreeMap<String, Arc<Cluster>>,
    max_bytes: usize,
    memory: &ReplayMemory,
    timers: &TimerPool,
) -> Option<ModelReader> {
    let clusters = || route.upstreams().filter_map(|name| upstreams.get(name));
    // A budget that never pays leaves no request to be sent again, so that nothing of it is saved.
    let is_saved = clusters().all(|cluster| cluster.budget.as_ref().is_none_or(|budget| !budget.is_zero()));
    let paces = clusters().filter_map(|cluster| cluster.config.pace.as_ref().zip(cluster.pace.as_ref()));
    ModelReader::new(paces, is_saved, max_bytes, memory, timers)
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
        max_attempts: retry_config(route, cluster).num_retries.saturating_add(1),
        timeout: route.timeout,
        limit: cluster.request_limit(),
        max_pace_wait: route.fallback.as_ref().filter(|_| !is_last).map(|fallback| fallback.after),
        starts_with_request: cluster.pace.is_none()
            && cluster.balancer.outage.is_none()
            && name == route.upstream,
        timers: timers.clone(),
        response_idle_timeout: cluster.config.response_idle_timeout,
        inspection: retry.and_then(BodyInspection::from_config),
        is_grpc: route.is_grpc(),
    }
}

/// Returns the targets of a route: one upstream, or several with a fallback.
fn targets(
    route: &config::RouteConfig,
    mut targets: Vec<RouteTarget>,
    memory: &ReplayMemory,
    timers: &TimerPool,
    reads_models: bool,
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
        reads_models,
    }))
}

/// Returns the settings of a route without retries. The limits of buffers and the like still apply.
fn no_retry(route: &config::RouteConfig) -> config::RetryConfig {
    config::RetryConfig { num_retries: 0, ..route.profile.retry(false) }
}

/// Returns the retry settings of a route's requests at one upstream. Where requests wait for endpoints to come back, one
/// that found none is sent again, whatever the settings of the route: that is what `wait_while_down` asks for. Where the model of a
/// request is read after its send, a request that is never sent again is saved all the same.
fn retry_config<'a>(route: &'a config::RouteConfig, cluster: &Cluster) -> Cow<'a, config::RetryConfig> {
    let retry = route.retry.as_ref().map_or_else(|| Cow::Owned(no_retry(route)), Cow::Borrowed);
    let waits_while_down = cluster.balancer.outage.is_some();
    if !waits_while_down && (retry.num_retries > 0 || !cluster.reads_models()) {
        return retry;
    }
    let mut retry = retry.into_owned();
    if retry.num_retries == 0 {
        (retry.num_retries, retry.retry_on) = (1, config::RetryOn::default());
        (retry.methods, retry.trust_idempotency_key) = (config::RetryMethods::Listed(Vec::new()), false);
    }
    retry.retry_on.connect_failure = waits_while_down;
    Cow::Owned(retry)
}

/// Returns the retry layer of a route's requests at one upstream.
fn retry_service(route: &config::RouteConfig, cluster: &Cluster, memory: &ReplayMemory) -> RetryService {
    let retry = &*retry_config(route, cluster);
    let mut layer = RetryLayer::new(GatewayPolicy::new(retry))
        .max_attempts(retry.num_retries.saturating_add(1))
        .max_elapsed(route.timeout)
        .budget(cluster.budget.clone())
        .replay_limit(retry.request_body_buffer_limit)
        .replay_memory(memory.clone())
        .drain_limit(retry.error_body_drain.bytes, retry.error_body_drain.time);
    match &retry.attempt_header {
        // It has a count of its own.
        Some(name) if name == "grpc-previous-rpc-attempts" => {
            layer = layer.attempt_header(AttemptHeader::grpc())
        }
        Some(name) => layer = layer.attempt_header(name.clone()),
        None => {}
    }
    match &cluster.pace {
        Some(pace) => RetryService::Paced(layer.pace(pace.clone()).layer(())),
        None => RetryService::Unpaced(layer.layer(())),
    }
}

/// Longer than any stream, and short enough for any clock.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
