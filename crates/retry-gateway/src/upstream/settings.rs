//! The settings of a route's attempts at one upstream.

use std::sync::Arc;
use std::time::Duration;

use crate::llm::BodyInspection;
use crate::time::pooled_timeout::TimerPool;
use crate::upstream::balancer::Balancer;

/// Says how the attempts of a route's requests are sent to the endpoints of one upstream.
#[derive(Debug)]
pub(crate) struct AttemptSettings {
    pub(crate) balancer: Arc<Balancer>,
    pub(crate) per_try_timeout: Option<Duration>,
    /// Set if a resend goes to an endpoint that the request has not tried.
    pub(crate) avoids_tried: bool,
    /// The route's timeout, which starts when the gateway receives the request.
    pub(crate) timeout: Duration,
    /// Longest wait for an endpoint's pace. It is set if the route has another upstream, which then gets the
    /// request.
    pub(crate) max_pace_wait: Option<Duration>,
    /// Set if the first attempt starts when the gateway receives the request: the upstream has no pace, and
    /// it is the route's first.
    pub(crate) starts_with_request: bool,
    /// Timers for attempt timeouts.
    pub(crate) timers: TimerPool,
    pub(crate) inspection: Option<BodyInspection>,
}

impl AttemptSettings {
    /// Returns how long the gateway waits for `100 Continue` before it sends the body. Most of the attempt's
    /// time remains for the response.
    pub(crate) fn continue_timeout(&self) -> Duration {
        MAX_CONTINUE_TIMEOUT.min(self.per_try_timeout.unwrap_or(self.timeout) / 4)
    }
}

/// Common clients, such as curl, wait as long.
const MAX_CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);
