//! The state of a gateway: its routes, and the upstreams that they lead to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use tower_http_retry::body::ReplayMemory;

use crate::config::{self, Buffers, Limits};
use crate::message::trusted_proxies::TrustedProxies;
use crate::proxy::fallback::Fallback;
use crate::proxy::upstream_route::Leg;
use crate::telemetry::metrics::Metrics;
use crate::time::pooled_timeout::TimerPool;
use crate::upstream::cluster::Shared;
use crate::upstream::request_body::Uploads;

/// The gateway: its routes, in the order in which they are tried.
pub struct Gateway {
    pub(crate) routes: Vec<Arc<Route>>,
    pub(crate) upstreams: BTreeMap<String, Arc<Shared>>,
    pub(crate) memory: ReplayMemory,
    /// The bound that it has.
    pub(crate) buffers: Buffers,
    pub(crate) metrics: Arc<Metrics>,
    /// Of attempts.
    pub(crate) alarms: TimerPool,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) limits: Limits,
    pub(crate) drain_timeout: Duration,
    pub(crate) acceptor: Option<TlsAcceptor>,
    pub(crate) logs_access: bool,
    pub(crate) trust: TrustedProxies,
}

/// Where requests of one kind go, and how.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) config: config::RouteConfig,
    pub(crate) legs: Legs,
    pub(crate) explains: bool,
    pub(crate) mints_key: bool,
}

/// Where a route's requests go.
#[derive(Debug)]
pub(crate) enum Legs {
    /// To one upstream.
    One(Leg),
    /// To one after the other, if they must. Apart from the rest, so that most requests pay for one branch.
    Several(Arc<Fallback>),
}

impl Legs {
    pub(crate) fn are_several(&self) -> bool {
        matches!(self, Self::Several(_))
    }

    /// The leg with this number, from 0.
    pub(crate) fn leg(&self, number: usize) -> &Leg {
        match self {
            Self::One(leg) => leg,
            Self::Several(fallback) => fallback.leg(number),
        }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("upstreams", &self.upstreams).finish_non_exhaustive()
    }
}
