//! The settings of a route's attempts at one upstream.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use tokio::time::{Instant, timeout_at};
use tower_http_retry::grpc;

use crate::connection::request_limit::{RequestLimit, RequestPermit};
use crate::connection::wait_reason::WaitReason;
use crate::llm::{self, BodyInspection};
use crate::telemetry::request_log::RequestLog;
use crate::time::pooled_timeout::TimerPool;
use crate::upstream::balancer::Balancer;
use crate::upstream::error::AttemptError;

/// Says how the attempts of a route's requests are sent to the endpoints of one upstream.
#[derive(Debug)]
pub(crate) struct AttemptSettings {
    pub(crate) balancer: Arc<Balancer>,
    pub(crate) per_try_timeout: Option<Duration>,
    /// Set if a resend goes to an endpoint that the request has not tried.
    pub(crate) avoids_tried: bool,
    /// The number of attempts at the upstream that the route's retry settings allow.
    pub(crate) max_attempts: u32,
    /// The route's timeout, which starts when the gateway receives the request.
    pub(crate) timeout: Duration,
    /// The limits of the upstream's requests. Each attempt takes a permit of its own, so that a request that waits
    /// holds none.
    pub(crate) limit: RequestLimit,
    /// Longest wait for an endpoint's pace. It is set if the route has another upstream, which then gets the
    /// request.
    pub(crate) max_pace_wait: Option<Duration>,
    /// Set if the first attempt starts when the gateway receives the request: the upstream has neither a pace nor a wait
    /// for endpoints that are down, and it is the route's first.
    pub(crate) starts_with_request: bool,
    /// Timers for attempt timeouts.
    pub(crate) timers: TimerPool,
    /// The longest pause between two pieces of a response.
    pub(crate) response_idle_timeout: Option<Duration>,
    pub(crate) inspection: Option<BodyInspection>,
    /// Set if the route is one for gRPC: the gateway reads how calls end, and shortens their `grpc-timeout`.
    pub(crate) is_grpc: bool,
}

impl AttemptSettings {
    /// Returns whether an attempt that was never sent goes out again at once: an endpoint is untried, or the next
    /// attempt waits for one that takes connections.
    pub(crate) fn has_other_endpoint(&self, request_log: &RequestLog) -> bool {
        self.balancer.outage.is_some() || self.avoids_tried && self.balancer.has_untried(request_log)
    }

    /// Returns the time of a gRPC call that is over before the route's timeout, by its `grpc-timeout`.
    pub(crate) fn call_timeout(&self, headers: &HeaderMap) -> Option<Duration> {
        let timeout = self.is_grpc.then(|| grpc::timeout(headers)).flatten();
        timeout.filter(|timeout| *timeout < self.timeout)
    }

    /// Returns the longest time to the start of the last attempt of a request, if it is shorter than the route's timeout: a
    /// gRPC call ends before, or the signature of the request does.
    pub(crate) fn max_elapsed(
        &self,
        headers: &HeaderMap,
        call_timeout: Option<Duration>,
    ) -> Option<Duration> {
        let reads_signatures = self.inspection.is_some();
        let signature =
            reads_signatures.then(|| llm::signature_time_left(headers, SystemTime::now())).flatten();
        call_timeout.or(signature.filter(|left| *left < self.timeout))
    }

    /// Waits for a permit of `max_requests` until `deadline`. A permit that a task finds only after that, because the machine is
    /// busy, goes back.
    ///
    /// # Errors
    ///
    /// Returns an error if the request gets none until then.
    pub(crate) async fn acquire_until(
        &self,
        deadline: Instant,
        request_log: &RequestLog,
    ) -> Result<RequestPermit, AttemptError> {
        request_log.set_waits_for(Some(WaitReason::Limit));
        let permit = timeout_at(deadline, self.limit.acquire()).await;
        let permit = permit.ok().flatten().filter(|_| Instant::now() < deadline);
        permit.ok_or_else(AttemptError::overflow)
    }

    /// Sets the `grpc-timeout` of a call to what is left of it for an attempt that starts now.
    pub(crate) fn shorten_grpc_timeout(&self, headers: &mut HeaderMap, request_log: &RequestLog) {
        if self.is_grpc
            && let Some(timeout) = grpc::timeout(headers)
        {
            grpc::set_timeout(headers, timeout.saturating_sub(request_log.started_at().elapsed()));
        }
    }

    /// Returns how long the gateway waits for `100 Continue` before it sends the body. Most of the attempt's
    /// time remains for the response.
    pub(crate) fn continue_timeout(&self) -> Duration {
        MAX_CONTINUE_TIMEOUT.min(self.per_try_timeout.unwrap_or(self.timeout) / 4)
    }
}

/// Common clients, such as curl, wait as long.
const MAX_CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);
