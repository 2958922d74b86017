//! Fallback: the next upstream of a route gets a request that the one before cannot take.
//!
//! A request that an upstream may have processed goes to no other, unless the route's policy finds its
//! outcome worth a retry. There is no fallback after the route's timeout, after a final answer of the server,
//! or without the whole request body.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use http_retry::{HeadSnapshot, Why};
use tokio::time::Instant;
use tower::Service;
use tower_http_retry::body::{ReplayMemory, ReplaySource};
use tower_http_retry::failure::failure_kind_assuming_sent;
use tower_http_retry::future::ResponseFuture as RetryFuture;
use tower_http_retry::policy::{BodyState, Failure, ResponseHead};
use tower_http_retry::timer::PausedTime;
use tower_http_retry::{Attempt, FailureKind, GiveUpReason, Outcome, RetryCause, RetryInfo, RetryOverride};

use crate::config::ErrorBodyDrain;
use crate::llm::{self, BodyModel, BodySignal};
use crate::message::forwarding::{ClientWishes, ForwardingHeaders};
use crate::proxy::policy::GatewayPolicy;
use crate::proxy::upstream_route::{RetryService, RouteTarget};
use crate::proxy::waiting::WaitingPermit;
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
    /// Set if the pace of one of the targets goes by the model.
    pub(crate) reads_models: bool,
}

/// A request of a route with a fallback.
pub(crate) struct FallbackRequest {
    pub(crate) request: Request<RequestBody>,
    pub(crate) request_log: RequestLog,
    pub(crate) origin: ForwardingHeaders,
    pub(crate) wishes: ClientWishes,
}

/// The end of a request of a route with a fallback.
pub(crate) struct FallbackOutcome {
    pub(crate) result: FallbackResult,
    /// Retries at the last target.
    pub(crate) info: Option<RetryInfo>,
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
        let mut index = 0;
        let (run, mut request) = FallbackRun::new(&self, request);
        // The last complete response of an earlier target, and the index of that target.
        let mut earlier = None;
        loop {
            let (mut result, info) = run.send_to(index, request).await;
            let next = run.fallback_reason(&result, info).filter(|_| index + 1 < self.targets.len());
            let mut is_complete = false;
            if next.is_some() {
                // The response is read before the request's body is rewound, because the rewind may make the
                // upstream close the connection.
                (result, is_complete) = self.read_response(result).await;
            }
            let Some(reason) = next.filter(|_| run.body.rewind()) else {
                summary.answered_by = index;
                if let (Err(error), Some((answered_by, response))) = (&result, earlier)
                    && is_unprocessed(error)
                    && run.request_log.body_failure().is_none()
                {
                    summary.answered_by = answered_by;
                    result = Ok(response);
                }
                return FallbackOutcome { result, info, summary };
            };
            let (counts, attempts) = (&self.target(index).counts, run.request_log.attempts_at(index));
            match reason {
                // The request never got to this upstream, as where its limit is reached on arrival.
                FallbackReason::Overflow if attempts == 0 => counts.record_skip(reason),
                _ => counts.record_fallback(attempts, info, reason),
            }
            summary.reason = Some(reason);
            summary.waited += info.map_or(Duration::ZERO, |info| info.waited());
            if let (Ok(response), true) = (result, is_complete) {
                earlier = Some((index, response));
            }
            index += 1;
            request = run.replay();
        }
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
    wishes: ClientWishes,
    head: HeadSnapshot,
    body: ReplaySource<RequestBody>,
    /// The end of the request's timeout by its clock.
    deadline: Instant,
}

impl<'a> FallbackRun<'a> {
    /// Saves a request. Returns the request for the first target with it.
    fn new(fallback: &'a FallbackTargets, request: FallbackRequest) -> (Self, Request<RequestBody>) {
        let FallbackRequest { request, request_log, origin, wishes } = request;
        let head = HeadSnapshot::new(&request);
        let (parts, body) = request.into_parts();
        let body = ReplaySource::new(body, fallback.replay_limit, fallback.memory.clone());
        let request = Request::from_parts(parts, RequestBody::from_replay(body.body()));
        let call_timeout = fallback.target(0).settings.call_timeout(request.headers());
        let deadline = request_log.started_at() + call_timeout.unwrap_or(fallback.timeout);
        (Self { fallback, request_log, origin, wishes, head, body, deadline }, request)
    }

    /// Returns the time at which the request's timeout passes. It moves while the gateway waits for the client's
    /// body.
    fn deadline(&self) -> Instant {
        self.deadline + self.request_log.clock().stopped_for()
    }

    /// Returns the time in which the gateway waits for the client's body from now on.
    fn paused_time(&self) -> Arc<dyn PausedTime> {
        let earlier = self.request_log.clock().stopped_for();
        Arc::new(PausedSince { request_log: self.request_log.clone(), earlier })
    }

    /// Returns the request for another target.
    fn replay(&self) -> Request<RequestBody> {
        let mut head = self.head.restore();
        // The next target may have to wait for the model, which the one before had no reason to read.
        if self.fallback.reads_models && head.extensions.get::<BodyModel>().is_none() {
            head.extensions.insert(llm::model_in(&head.headers, &self.body.saved()));
        }
        Request::from_parts(head, RequestBody::from_replay(self.body.body()))
    }

    /// Sends the request to one target, with retries.
    async fn send_to(
        &self,
        index: usize,
        mut request: Request<RequestBody>,
    ) -> (FallbackResult, Option<RetryInfo>) {
        self.request_log.enter_target(index);
        let target = self.fallback.target(index);
        let time_left = self.deadline().saturating_duration_since(Instant::now());
        let is_last = index + 1 == self.fallback.targets.len();
        let max_elapsed = if is_last { time_left } else { time_left.min(self.fallback.after) };
        let (settings, request_log) = (Arc::clone(&target.settings), self.request_log.clone());
        let (origin, call_timeout) = (self.origin.clone(), settings.call_timeout(request.headers()));
        let of_request = settings.max_elapsed(request.headers(), call_timeout);
        let max_elapsed = of_request.map_or(max_elapsed, |of_request| max_elapsed.min(of_request));
        request.extensions_mut().insert(RetryOverride::new().max_elapsed(max_elapsed));
        let attempts = AttemptService::new(settings, request_log, origin, self.wishes, call_timeout);
        send_with_retries(target, request, attempts, self.paused_time()).await
    }

    /// Returns why the next target may get the request after this result, or `None` if it may not.
    fn fallback_reason(&self, result: &FallbackResult, info: Option<RetryInfo>) -> Option<FallbackReason> {
        // A body that the client has not sent to its end cannot be replayed either.
        if self.deadline() <= Instant::now() || self.body.state() != BodyState::Replayable {
            return None;
        }
        let outcome: Outcome<'_> = match result {
            Err(AttemptError::Paced { .. }) => return Some(FallbackReason::Paced),
            Err(AttemptError::Overflow(_) | AttemptError::TooManyWaiters(_)) => {
                return Some(FallbackReason::Overflow);
            }
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

/// The time in which the gateway waited for the client's body since a target got the request.
struct PausedSince {
    request_log: RequestLog,
    /// The time that it waited before.
    earlier: Duration,
}

impl PausedTime for PausedSince {
    fn paused(&self) -> Duration {
        self.request_log.clock().stopped_for().saturating_sub(self.earlier)
    }
}

async fn send_with_retries(
    target: &RouteTarget,
    request: Request<RequestBody>,
    attempts: AttemptService,
    paused: Arc<dyn PausedTime>,
) -> (FallbackResult, Option<RetryInfo>) {
    let request_log = attempts.request_log().clone();
    match &target.retry {
        RetryService::Unpaced(retry) => {
            let mut response = pin!(retry.with_inner(attempts).paused_time(paused).call(request));
            let result = count_waits(response.as_mut(), &request_log, target, |_| None).await;
            (result.map(|response| response.map(UpstreamBody::from)), response.info())
        }
        RetryService::Paced(retry) => {
            let mut response = pin!(retry.with_inner(attempts).paused_time(paused).call(request));
            let why = |response: Pin<&_>| RetryFuture::pace_why(&response);
            let result = count_waits(response.as_mut(), &request_log, target, why).await;
            (result.map(|response| response.map(UpstreamBody::from)), response.info())
        }
    }
}

/// Resolves as `response` does, or with an error if it may not wait any longer.
async fn count_waits<F, T, E: Into<AttemptError>>(
    mut response: Pin<&mut F>,
    request_log: &RequestLog,
    target: &RouteTarget,
    pace_why: impl Fn(Pin<&F>) -> Option<Why>,
) -> Result<T, AttemptError>
where
    F: Future<Output = Result<T, E>>,
{
    let mut waiting = WaitingPermit::default();
    poll_fn(|cx| match response.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(result.map_err(E::into)),
        Poll::Pending => match waiting.update(request_log, target, || pace_why(response.as_ref())) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        },
    })
    .await
}

/// Returns whether the upstream never received the request, or reported that it did not process it.
fn is_unprocessed(error: &AttemptError) -> bool {
    match error {
        AttemptError::Paced { .. } | AttemptError::Overflow(_) | AttemptError::TooManyWaiters(_) => true,
        error => {
            matches!(failure_kind_assuming_sent(error), FailureKind::NeverSent | FailureKind::Unprocessed)
        }
    }
}
