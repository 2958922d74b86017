//! Fallback: the next upstream of a route gets a request that the one before cannot take.
//!
//! A request that an upstream may have processed goes to no other, unless the route's policy finds its
//! outcome worth a retry. There is no fallback after the route's timeout, after a final answer of the server,
//! or without the whole request body.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_retry::HeadSnapshot;
use tokio::time::Instant;
use tower::Service;
use tower_http_retry::body::{ReplayMemory, ReplaySource};
use tower_http_retry::failure::failure_kind_assuming_sent;
use tower_http_retry::policy::{BodyState, Failure, ResponseHead};
use tower_http_retry::{Attempt, FailureKind, GiveUpReason, Outcome, RetryCause, RetryInfo, RetryOverride};

use crate::config::ErrorBodyDrain;
use crate::connection::limit::Permit;
use crate::llm::BodySignal;
use crate::message::forwarding::ForwardingHeaders;
use crate::proxy::policy::GatewayPolicy;
use crate::proxy::upstream_route::{RetryService, RouteTarget};
use crate::telemetry::reason::FallbackReason;
use crate::telemetry::request_log::RequestLog;
use crate::time::pooled_timeout::TimerPool;
use crate::upstream::error::AttemptError;
use crate::upstream::request_body::RequestBody;
use crate::upstream::response_body::UpstreamBody;
use crate::upstream::service::AttemptService;

/// The upstreams of a route with a fallback, and the rules that move a request from one to the next.
#[derive(Debug)]
pub(crate) struct FallbackTargets {
    /// The targets in their order, at least two.
    pub(crate) targets: Vec<RouteTarget>,
    /// Time from the arrival at a target, other than the last, to the start of its last attempt.
    pub(crate) after: Duration,
    /// The route's timeout, which starts when the gateway receives the request.
    pub(crate) timeout: Duration,
    /// `None` if the route has no retries. Only requests that were never sent then fall back.
    pub(crate) policy: Option<GatewayPolicy>,
    /// Largest request body that is kept for the next target, in bytes.
    pub(crate) replay_limit: usize,
    pub(crate) memory: ReplayMemory,
    /// Bounds the read of a failed response, which the client gets if no later target responds.
    pub(crate) drain: ErrorBodyDrain,
    pub(crate) timers: TimerPool,
}

/// A request of a route with a fallback.
pub(crate) struct FallbackRequest {
    pub(crate) request: Request<RequestBody>,
    pub(crate) request_log: RequestLog,
    pub(crate) origin: ForwardingHeaders,
    pub(crate) expects_continue: bool,
}

/// The end of a request of a route with a fallback.
pub(crate) struct FallbackOutcome {
    pub(crate) result: FallbackResult,
    /// Retries at the last target.
    pub(crate) info: Option<RetryInfo>,
    /// Permit of the last target.
    pub(crate) permit: Option<Permit>,
    pub(crate) summary: FallbackSummary,
}

/// The target that answered, and why the request left the earlier ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FallbackSummary {
    /// Index of the target whose response the client gets. It need not be the last that was tried.
    pub(crate) answered_by: usize,
    /// Reason of the last fallback.
    pub(crate) reason: Option<FallbackReason>,
    /// Sum of the waits at the targets that the request left.
    pub(crate) waited: Duration,
}

type FallbackResult = Result<Response<UpstreamBody>, AttemptError>;

impl FallbackTargets {
    /// Returns the target with this index, or the last one.
    pub(crate) fn target(&self, index: usize) -> &RouteTarget {
        &self.targets[index.min(self.targets.len() - 1)]
    }

    /// Sends a request to one target after the other, until one has an outcome for the client.
    pub(crate) async fn send(self: Arc<Self>, request: FallbackRequest) -> FallbackOutcome {
        let mut summary = FallbackSummary { answered_by: 0, reason: None, waited: Duration::ZERO };
        let Some((mut index, mut permit)) = self.acquire_from(0) else {
            let result = Err(AttemptError::Overflow);
            return FallbackOutcome { result, info: None, permit: None, summary };
        };
        let (run, mut request) = FallbackRun::new(&self, request);
        // The last complete response of an earlier target, and the index of that target.
        let mut earlier = None;
        loop {
            let (mut result, info) = run.send_to(index, request).await;
            let next = run
                .fallback_reason(&result, info)
                .and_then(|reason| Some((reason, self.acquire_from(index + 1)?)));
            let mut is_complete = false;
            if next.is_some() {
                // The response is read before the request's body is rewound, because the rewind may make the
                // upstream close the connection.
                (result, is_complete) = self.read_response(result).await;
            }
            let Some((reason, (next, next_permit))) = next.filter(|_| run.body.rewind()) else {
                summary.answered_by = index;
                if let (Err(error), Some((answered_by, response))) = (&result, earlier)
                    && is_unprocessed(error)
                    && !run.request_log.body_failed()
                {
                    summary.answered_by = answered_by;
                    result = Ok(response);
                }
                return FallbackOutcome { result, info, permit: Some(permit), summary };
            };
            self.target(index).counts.record_fallback(run.request_log.attempts_at(index), info, reason);
            summary.reason = Some(reason);
            summary.waited += info.map_or(Duration::ZERO, |info| info.waited());
            if let (Ok(response), true) = (result, is_complete) {
                earlier = Some((index, response));
            }
            (index, permit) = (next, next_permit);
            request = run.replay();
        }
    }

    /// Returns the first target from this index on that has a permit left, and the permit.
    fn acquire_from(&self, first: usize) -> Option<(usize, Permit)> {
        let mut targets = self.targets.iter().enumerate().skip(first);
        let (index, permit) = targets.find_map(|(index, target)| Some((index, target.try_acquire()?)))?;
        let skipped = &self.targets[first..index];
        skipped.iter().for_each(|target| target.counts.record_skip(FallbackReason::Overflow));
        Some((index, permit))
    }

    /// Reads the body of a response within the limits of `drain`. Returns whether that was all of it. The
    /// connection is then free for other requests.
    async fn read_response(&self, result: FallbackResult) -> (FallbackResult, bool) {
        let Ok(response) = result else {
            return (result, false);
        };
        let (head, body) = response.into_parts();
        let deadline = Instant::now() + self.drain.time;
        let (body, is_complete) = body.read_to_end(self.drain.bytes, deadline, &self.timers).await;
        (Ok(Response::from_parts(head, body)), is_complete)
    }
}

/// The state of a request that all targets share.
struct FallbackRun<'a> {
    fallback: &'a FallbackTargets,
    request_log: RequestLog,
    origin: ForwardingHeaders,
    expects_continue: bool,
    head: HeadSnapshot,
    body: ReplaySource<RequestBody>,
    deadline: Instant,
}

impl<'a> FallbackRun<'a> {
    /// Saves a request. Returns the request for the first target with it.
    fn new(fallback: &'a FallbackTargets, request: FallbackRequest) -> (Self, Request<RequestBody>) {
        let FallbackRequest { request, request_log, origin, expects_continue } = request;
        let head = HeadSnapshot::new(&request);
        let (parts, body) = request.into_parts();
        let body = ReplaySource::new(body, fallback.replay_limit, fallback.memory.clone());
        let request = Request::from_parts(parts, RequestBody::from_replay(body.body()));
        let deadline = request_log.started_at() + fallback.timeout;
        (Self { fallback, request_log, origin, expects_continue, head, body, deadline }, request)
    }

    /// Returns the request for another target.
    fn replay(&self) -> Request<RequestBody> {
        Request::from_parts(self.head.restore(), RequestBody::from_replay(self.body.body()))
    }

    /// Sends the request to one target, with retries.
    async fn send_to(
        &self,
        index: usize,
        mut request: Request<RequestBody>,
    ) -> (FallbackResult, Option<RetryInfo>) {
        self.request_log.enter_target(index);
        let target = self.fallback.target(index);
        let time_left = self.deadline.saturating_duration_since(Instant::now());
        let is_last = index + 1 == self.fallback.targets.len();
        let max_elapsed = if is_last { time_left } else { time_left.min(self.fallback.after) };
        request.extensions_mut().insert(RetryOverride::new().max_elapsed(max_elapsed));
        let (settings, request_log) = (Arc::clone(&target.settings), self.request_log.clone());
        let attempts = AttemptService::new(settings, request_log, self.origin.clone(), self.expects_continue);
        send_with_retries(target, request, attempts).await
    }

    /// Returns why the next target may get the request after this result, or `None` if it may not.
    fn fallback_reason(&self, result: &FallbackResult, info: Option<RetryInfo>) -> Option<FallbackReason> {
        // A body that the client has not sent to its end cannot be replayed either.
        if self.deadline <= Instant::now() || self.body.state() != BodyState::Replayable {
            return None;
        }
        let outcome: Outcome<'_> = match result {
            Err(AttemptError::Paced(_)) => return Some(FallbackReason::Paced),
            Err(error) => match failure_kind_assuming_sent(error) {
                FailureKind::NeverSent => return Some(FallbackReason::RetryCause(RetryCause::NeverSent)),
                kind => Failure::new(kind).into(),
            },
            Ok(response) if response.extensions().get() == Some(&BodySignal::QuotaGone) => {
                return Some(FallbackReason::QuotaGone);
            }
            Ok(response) => ResponseHead::from(response).into(),
        };
        let head = self.head.head();
        let is_final = info.and_then(|info| info.reason()) == Some(GiveUpReason::ServerSaidNo);
        if is_final || head.is_connect_or_upgrade() {
            return None;
        }
        let number = info.map_or(1, |info| info.attempts());
        let (cause, _) = self.fallback.policy.as_ref()?.rule(&Attempt::new(number, head, outcome))?;
        Some(FallbackReason::RetryCause(cause))
    }
}

async fn send_with_retries(
    target: &RouteTarget,
    request: Request<RequestBody>,
    attempts: AttemptService,
) -> (FallbackResult, Option<RetryInfo>) {
    match &target.retry {
        RetryService::Unpaced(retry) => {
            let mut response = pin!(retry.with_inner(attempts).call(request));
            let result = response.as_mut().await;
            (result.map(|response| response.map(UpstreamBody::from)), response.info())
        }
        RetryService::Paced(retry) => {
            let mut response = pin!(retry.with_inner(attempts).call(request));
            let result = response.as_mut().await.map_err(AttemptError::from);
            (result.map(|response| response.map(UpstreamBody::from)), response.info())
        }
    }
}

/// Returns whether the upstream never received the request, or reported that it did not process it.
fn is_unprocessed(error: &AttemptError) -> bool {
    match error {
        AttemptError::Paced(_) => true,
        error => {
            matches!(failure_kind_assuming_sent(error), FailureKind::NeverSent | FailureKind::Unprocessed)
        }
    }
}
