//! The state of a gateway: its routes, and the upstreams that they lead to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use tower_http_retry::body::ReplayMemory;

use crate::config::{self, Buffers, HeaderCase, Limits};
use crate::message::trusted_proxies::TrustedProxies;
use crate::proxy::fallback::FallbackTargets;
use crate::proxy::route_table::RouteTable;
use crate::proxy::upstream_route::RouteTarget;
use crate::telemetry::metrics::Metrics;
use crate::time::pooled_timeout::TimerPool;
use crate::upstream::body_wait::BodyLimits;
use crate::upstream::cluster::Cluster;
use crate::upstream::fleet::FleetMember;
use crate::upstream::model_reader::ModelReader;
use crate::upstream::removed::RemovedUpstream;

/// The gateway of one configuration. A reload replaces it, and requests in flight keep the one that they
/// started with.
pub struct Gateway {
    /// The routes in their order. The first that matches a request takes it.
    pub(crate) routes: Vec<Arc<Route>>,
    pub(crate) route_table: RouteTable,
    pub(crate) upstreams: BTreeMap<String, Arc<Cluster>>,
    /// Upstreams that a reload removed, and that had requests then.
    pub(crate) removed: BTreeMap<String, Arc<RemovedUpstream>>,
    pub(crate) memory: ReplayMemory,
    /// Configured total for buffered bodies.
    pub(crate) buffers: Buffers,
    pub(crate) metrics: Arc<Metrics>,
    /// The membership in the fleet that shares paces and budgets.
    pub(crate) fleet: Option<Arc<FleetMember>>,
    /// Timers for attempt timeouts.
    pub(crate) timers: TimerPool,
    pub(crate) limits: Limits,
    /// The warning that the process has too few file descriptors for `limits.connections`, which is lowered then.
    pub(crate) shortfall: Option<String>,
    pub(crate) drain_timeout: Duration,
    pub(crate) acceptor: Option<TlsAcceptor>,
    pub(crate) logs_access: bool,
    pub(crate) trusted_proxies: TrustedProxies,
    /// Set if headers whose name has an underscore are kept.
    pub(crate) underscores_in_headers: bool,
    pub(crate) header_case: HeaderCase,
}

/// A route of the configuration and its targets.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) config: config::RouteConfig,
    pub(crate) targets: Targets,
    /// Set if `explain_header` adds the number of attempts, the upstream and the reason to responses.
    pub(crate) adds_explain_headers: bool,
    /// Set if the pace of one of the upstreams is fair by client.
    pub(crate) is_fair_by_client: bool,
    /// Limits on the wait for the bodies of requests.
    pub(crate) body_limits: Arc<BodyLimits>,
    /// Reads the model in the body of a request, if the pace of one of the upstreams asks for it.
    pub(crate) model_reader: Option<ModelReader>,
    /// Set if the gateway adds an `Idempotency-Key` to requests that have none.
    pub(crate) adds_idempotency_key: bool,
}

/// The upstreams of a route.
#[derive(Debug)]
pub(crate) enum Targets {
    Single(RouteTarget),
    /// Two or more upstreams. They are behind a pointer, so that a request to a single one pays for one
    /// branch only.
    WithFallback(Arc<FallbackTargets>),
}

impl Targets {
    pub(crate) fn has_fallback(&self) -> bool {
        matches!(self, Self::WithFallback(_))
    }

    /// Returns the target with this index.
    pub(crate) fn get(&self, index: usize) -> &RouteTarget {
        match self {
            Self::Single(target) => target,
            Self::WithFallback(fallback) => fallback.target(index),
        }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("upstreams", &self.upstreams).finish_non_exhaustive()
    }
}
