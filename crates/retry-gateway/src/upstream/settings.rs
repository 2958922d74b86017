//! The settings by which a route's requests are sent to one upstream.

use std::sync::Arc;
use std::time::Duration;

use crate::llm::Care;
use crate::time::pooled_timeout::TimerPool;
use crate::upstream::balancer::Upstream;

/// How a route's requests are sent to the endpoints of its upstream.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) per_try_timeout: Option<Duration>,
    pub(crate) avoids_tried: bool,
    /// The route's, from when the request came.
    pub(crate) timeout: Duration,
    /// How long a request waits there for its turn, if another upstream can have it then.
    pub(crate) longest_wait: Option<Duration>,
    /// Whether a first attempt begins as its request comes: nothing holds it here, and nobody else had it before.
    pub(crate) is_prompt: bool,
    pub(crate) alarms: TimerPool,
    pub(crate) care: Option<Care>,
}

impl Way {
    /// How long an upstream may take to ask for a body: most of the time is left for the answer.
    pub(crate) fn patience(&self) -> Duration {
        PATIENCE.min(self.per_try_timeout.unwrap_or(self.timeout) / 4)
    }
}

/// As long as common clients wait themselves.
const PATIENCE: Duration = Duration::from_secs(1);
