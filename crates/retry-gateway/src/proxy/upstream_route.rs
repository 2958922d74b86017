//! One upstream of a route: its retry service, its limit and its counters.

use std::sync::Arc;

use tower_http_retry::Retry;
use tower_http_retry::markers::{Concrete, Paced};

use crate::proxy::policy::GatewayPolicy;
use crate::telemetry::upstream_counters::UpstreamCounters;
use crate::upstream::settings::AttemptSettings;

/// One upstream to which a route sends requests.
#[derive(Debug)]
pub(crate) struct RouteTarget {
    /// Name of the upstream.
    pub(crate) name: String,
    pub(crate) settings: Arc<AttemptSettings>,
    pub(crate) retry: RetryService,
    pub(crate) counts: UpstreamCounters,
}

/// The retry layer of a target, with or without a pace. It has no inner service, because each request brings
/// its own [`AttemptService`](crate::upstream::service::AttemptService).
#[derive(Debug)]
pub(crate) enum RetryService {
    Unpaced(Retry<(), GatewayPolicy>),
    Paced(Retry<(), GatewayPolicy, Concrete, Paced>),
}
