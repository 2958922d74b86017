//! A policy for tower's own `Retry` that decides as the layer does: see [`TowerPolicy`].

use std::marker::PhantomData;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use std::{fmt, future, mem};

use http::{Request, Response, StatusCode, header};
use http_retry::{Attempt, Decision, GiveUpReason, Policy, RequestHead, RetryAfterFirst, Session};
use tower::retry;
use tracing::Span;

use crate::config::Config;
use crate::failure::{downgrade_goaway, outcome};
use crate::future::plan::{RequestPlan, policy};
use crate::markers::{Concrete, ReadError};
use crate::observe::Event;
use crate::rng::LazyRng;
use crate::timer::{self, Sleep};
use crate::{AttemptNumber, RetryInfo, RetryLayer, RetryOverride, trace};

/// A [`tower::retry::Policy`] that decides as a [`RetryLayer`] does: by its policy, the standard rules,
/// hints, the limits of attempts and time, and its budget.
///
/// ```
/// use std::time::Duration;
/// use tower::retry::Retry;
/// use tower_http_retry::RetryLayer;
/// use tower_http_retry::tower_retry::TowerPolicy;
///
/// # type Service = tower::util::BoxCloneSyncService<http::Request<()>, http::Response<()>, std::io::Error>;
/// # fn retry(service: Service) -> Retry<TowerPolicy, Service> {
/// let layer = RetryLayer::default().max_attempts(4).max_elapsed(Duration::from_secs(30));
/// Retry::new(TowerPolicy::new(layer), service)
/// # }
/// ```
///
/// Use it for code that is built around tower's `Retry`, and the layer for other code, since a policy cannot
/// do all that the layer does:
///
/// * The request must be `Clone`, with its body. No body is saved, so the settings
///   [`replay_limit`](RetryLayer::replay_limit) and [`replay_memory`](RetryLayer::replay_memory) have no
///   effect.
/// * A failed response is dropped unread, and its HTTP/1.1 connection with it, so
///   [`drain_limit`](RetryLayer::drain_limit) has no effect. If the inner service then fails, the caller does
///   not get that response. If the inner service is not ready within the time limit, the resend may still be
///   sent later.
/// * A resend has no span, and there is no [pace](RetryLayer::pace).
///
/// A clone shares the settings, the budget and the seeded sequence, and starts a session of its own, because
/// tower clones the policy for each request.
pub struct TowerPolicy<P = RetryAfterFirst, M = Concrete> {
    config: Arc<Config<P>>,
    /// The plan of the last request that was cloned. tower clones the request before it clones the policy.
    plan: Option<RequestPlan>,
    /// The time of that clone, if the request has a time limit.
    called_at: Option<Instant>,
    /// The session, from the first outcome on.
    session: Option<Session>,
    /// The span of the session, from the first retry on.
    session_span: Span,
    marker: PhantomData<fn() -> M>,
}

impl<P, M> TowerPolicy<P, M> {
    /// Creates a policy that decides as `layer` does.
    pub fn new(layer: RetryLayer<P, M>) -> Self {
        Self::with_plan(Arc::new(layer.into_config()), None, None)
    }

    fn with_plan(config: Arc<Config<P>>, plan: Option<RequestPlan>, called_at: Option<Instant>) -> Self {
        Self { config, plan, called_at, session: None, session_span: Span::none(), marker: PhantomData }
    }
}

impl<P, M, B, R, E> retry::Policy<Request<B>, Response<R>, E> for TowerPolicy<P, M>
where
    P: Policy,
    B: Clone,
    E: ReadError<M>,
{
    type Future = Sleep;

    fn retry(
        &mut self,
        request: &mut Request<B>,
        result: &mut Result<Response<R>, E>,
    ) -> Option<Self::Future> {
        let start = |plan: RequestPlan| plan.session(&self.config, None);
        let mut session = self.session.take().or_else(|| self.plan.map(start))?;
        let overrides = request.extensions().get::<RetryOverride>();
        let attempt = Attempt::new(session.number(), &*request, outcome(result))
            .assume_idempotent(overrides.is_some_and(|overrides| overrides.assume_idempotent));
        // A policy of tower does not see the body.
        let attempt = downgrade_goaway(attempt, || false);
        let Config { budget, timer, randomness, .. } = &*self.config;
        let decision = session.decide(
            policy(&self.config, overrides),
            &attempt,
            budget.as_ref(),
            || timer::clock_reading(&**timer).started(self.called_at.map(timer::since_origin)),
            &mut LazyRng(randomness),
        );
        let Decision::Wait(delay) = decision else {
            self.end(request, &session, decision.reason(), result);
            return None;
        };
        if self.session_span.is_none() {
            self.session_span = trace::session_span(&RequestHead::from(&*request));
        }
        self.session_span.in_scope(|| trace::will_resend(&session, delay));
        self.notify(Event::will_resend(RequestHead::from(&*request), &session, delay));
        self.prepare_resend(request, &session, delay, result);
        self.session = Some(session);
        Some(if delay.is_zero() { Box::pin(yield_once()) } else { timer.sleep(delay) })
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        match &mut self.session {
            // tower sends the request again next.
            Some(session) => {
                let attempt = session.resend();
                self.notify(Some(Event::Resend { request: RequestHead::from(request), attempt }));
            }
            None => {
                self.plan = RequestPlan::from_request(&self.config, request);
                if self.plan.is_none() {
                    self.notify(Some(Event::NotRetryable { request: RequestHead::from(request) }));
                }
                self.called_at = self.plan?.max_elapsed.map(|_| self.config.timer.now());
            }
        }
        Some(request.clone())
    }
}

impl<P: Policy, M> TowerPolicy<P, M> {
    /// Turns the request into the next resend.
    fn prepare_resend<B, R, E>(
        &self,
        request: &mut Request<B>,
        session: &Session,
        delay: Duration,
        result: &Result<Response<R>, E>,
    ) {
        request.extensions_mut().insert(AttemptNumber::new(session.number() + 1));
        if let Some(header) = &self.config.attempt_header {
            header.set(request, session.retries());
        }
        #[cfg(feature = "grpc")]
        if let (Some(timeout), Some(called_at)) =
            (self.plan.and_then(|plan| plan.grpc_timeout), self.called_at)
        {
            let elapsed = self.config.timer.now().saturating_duration_since(called_at).saturating_add(delay);
            crate::grpc::set_timeout(request.headers_mut(), timeout.saturating_sub(elapsed));
        }
        #[cfg(not(feature = "grpc"))]
        let _ = delay;
        if matches!(result, Ok(response) if response.status() == StatusCode::EXPECTATION_FAILED) {
            // The next attempt must be sent without it (RFC 9110 section 10.1.1).
            request.headers_mut().remove(header::EXPECT);
        }
    }

    fn notify(&self, event: Option<Event<'_>>) {
        if let (Some(observer), Some(event)) = (&self.config.observer, event) {
            observer.on_event(&event);
        }
    }

    /// Adds the info to the last outcome, which tower returns to the caller.
    fn end<B, R, E>(
        &self,
        request: &Request<B>,
        session: &Session,
        reason: Option<GiveUpReason>,
        result: &mut Result<Response<R>, E>,
    ) {
        self.notify(Some(Event::finished(RequestHead::from(request), session, reason, result)));
        let Some(info) = RetryInfo::from_session(session, reason) else {
            return;
        };
        self.session_span.in_scope(|| trace::session_ended(&info));
        if let Ok(response) = result {
            response.extensions_mut().insert(info);
        }
    }
}

impl<P, M> Clone for TowerPolicy<P, M> {
    fn clone(&self) -> Self {
        Self::with_plan(Arc::clone(&self.config), self.plan, self.called_at)
    }
}

impl<P: fmt::Debug, M> fmt::Debug for TowerPolicy<P, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerPolicy").field("policy", &self.config.policy).finish_non_exhaustive()
    }
}

/// Lets the other tasks of the runtime run once.
async fn yield_once() {
    let mut yielded = false;
    future::poll_fn(|cx| {
        if mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
