//! A route's requests at one upstream: how they are sent, and what is counted of them.

use std::sync::Arc;

use tower_http_retry::Retry;
use tower_http_retry::markers::{Concrete, Paced};

use crate::connection::limit::{ConcurrencyLimit, Permit};
use crate::proxy::policy::GatewayPolicy;
use crate::telemetry::metrics::UpstreamCounters;
use crate::upstream::settings::Way;

/// A route's requests at one upstream.
#[derive(Debug)]
pub(crate) struct Leg {
    /// The upstream's.
    pub(crate) name: String,
    pub(crate) way: Arc<Way>,
    pub(crate) retries: Retries,
    pub(crate) counts: Counts,
    pub(crate) capacity: Arc<ConcurrencyLimit>,
    pub(crate) max_requests: usize,
}

/// A retry layer over nothing: each request brings its own attempts.
#[derive(Debug)]
pub(crate) enum Retries {
    Unpaced(Retry<(), GatewayPolicy>),
    Paced(Retry<(), GatewayPolicy, Concrete, Paced>),
}

impl Leg {
    /// A place at the upstream, if there is one.
    pub(crate) fn take_seat(&self) -> Option<Permit> {
        self.capacity.try_acquire(self.max_requests)
    }
}
