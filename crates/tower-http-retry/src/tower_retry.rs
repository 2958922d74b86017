//! What the layer decides, for those who keep tower's own `Retry`.

use std::marker::PhantomData;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;
use std::{fmt, future, mem};

use http::{Request, Response, StatusCode, header};
use http_retry::{Attempt, Decision, GiveUpReason, Policy, RequestHead, RetryAfterFirst, Session};
use tower::retry;
use tracing::Span;

use crate::failure::{downgrade_goaway, outcome};
use crate::future::plan::{Itinerary, policy};
use crate::layer::{Settings, Terms};
use crate::markers::{Concrete, ReadError};
use crate::rng::LazyRng;
use crate::timer::{self, Sleep};
use crate::{AttemptNumber, RetryInfo, RetryLayer, RetryOverride, trace};

/// A [`tower::retry::Policy`] that decides as a [`RetryLayer`] does: by its policy, table, hints, attempts, deadline
/// and budget.
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
/// For code that is built around tower's `Retry`. Where it is not, take the layer, since some things are not in a
/// policy's hands there:
///
/// * The request must be `Clone`, body and all. Nothing is kept of a body that is not, so the settings
///   [`replay_limit`](RetryLayer::replay_limit) and [`replay_memory`](RetryLayer::replay_memory) have no say.
/// * A failed response is dropped unread, and an HTTP/1.1 connection with it:
///   [`drain_limit`](RetryLayer::drain_limit) has no say. The response is gone for the caller too, where the inner
///   service then fails, or is not ready by the deadline, after which the resend may still go out.
/// * There is no span around a resend. There is no [pace](RetryLayer::pace).
///
/// A clone shares the settings, the budget and the seeded sequence, and begins a session of its own: tower clones the
/// policy for each request.
pub struct TowerPolicy<P = RetryAfterFirst, M = Concrete> {
    terms: Arc<Terms<P>>,
    /// Of the request that was cloned for last, which is before the policy is cloned.
    itinerary: Option<Itinerary>,
    /// When that was, where it has a deadline.
    called_at: Option<Instant>,
    /// From the first outcome on.
    session: Option<Session>,
    /// Open from the first retry on.
    span: Span,
    marker: PhantomData<fn() -> M>,
}

impl<P, M> TowerPolicy<P, M> {
    /// Decides as `layer` does.
    pub fn new(layer: RetryLayer<P, M>) -> Self {
        Self::of(Arc::new(layer.into_terms()), None, None)
    }

    fn of(terms: Arc<Terms<P>>, itinerary: Option<Itinerary>, called_at: Option<Instant>) -> Self {
        Self { terms, itinerary, called_at, session: None, span: Span::none(), marker: PhantomData }
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
        let begin = |itinerary: Itinerary| itinerary.session(&self.terms.settings);
        let mut session = self.session.take().or_else(|| self.itinerary.map(begin))?;
        let overrides = request.extensions().get::<RetryOverride>();
        let attempt = Attempt::new(session.number(), &*request, outcome(result))
            .assume_idempotent(overrides.is_some_and(|overrides| overrides.assume_idempotent));
        // Nobody sees the body.
        let attempt = downgrade_goaway(attempt, || false);
        let Settings { budget, timer, randomness, .. } = &self.terms.settings;
        let step = session.decide(
            policy(&self.terms, overrides),
            &attempt,
            budget.as_ref(),
            || timer::clock_reading(&**timer).started(self.called_at.map(timer::since_origin)),
            &mut LazyRng(randomness),
        );
        let Decision::Wait(delay) = step else {
            self.end(&session, step.reason(), result);
            return None;
        };
        if self.span.is_none() {
            self.span = trace::session(&RequestHead::from(&*request));
        }
        self.span.in_scope(|| trace::will_resend(&session, delay));
        self.mark(request, &session, result);
        self.session = Some(session);
        Some(if delay.is_zero() { Box::pin(yielded()) } else { timer.sleep(delay) })
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        match &mut self.session {
            // Tower is about to send it again.
            Some(session) => {
                session.resend();
            }
            None => {
                self.itinerary = Itinerary::of(&self.terms, request);
                self.called_at = self.itinerary?.deadline.map(|_| self.terms.settings.timer.now());
            }
        }
        Some(request.clone())
    }
}

impl<P: Policy, M> TowerPolicy<P, M> {
    /// Makes the request the one that is sent next.
    fn mark<B, R, E>(&self, request: &mut Request<B>, session: &Session, result: &Result<Response<R>, E>) {
        request.extensions_mut().insert(AttemptNumber::new(session.number() + 1));
        if let Some(header) = &self.terms.settings.attempt_header {
            header.set(request, session.retries());
        }
        if matches!(result, Ok(response) if response.status() == StatusCode::EXPECTATION_FAILED) {
            // RFC 9110 section 10.1.1.
            request.headers_mut().remove(header::EXPECT);
        }
    }

    /// Hands the last outcome to the caller, with what happened on the way.
    fn end<R, E>(
        &self,
        session: &Session,
        reason: Option<GiveUpReason>,
        result: &mut Result<Response<R>, E>,
    ) {
        let Some(info) = RetryInfo::of(session, reason) else {
            return;
        };
        self.span.in_scope(|| trace::ended(&info));
        if let Ok(response) = result {
            response.extensions_mut().insert(info);
        }
    }
}

impl<P, M> Clone for TowerPolicy<P, M> {
    fn clone(&self) -> Self {
        Self::of(Arc::clone(&self.terms), self.itinerary, self.called_at)
    }
}

impl<P: fmt::Debug, M> fmt::Debug for TowerPolicy<P, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerPolicy").field("policy", &self.terms.policy).finish_non_exhaustive()
    }
}

/// No time at all, but the other tasks get their turn.
async fn yielded() {
    let mut is_over = false;
    future::poll_fn(|cx| {
        if mem::replace(&mut is_over, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
