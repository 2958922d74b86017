//! The futures of one request, [`ResponseFuture`] and [`Oneshot`]: they send, wait, ready the inner service, and send again.

mod delay;
mod drain;
mod first;
pub(crate) mod inner;
mod late;
mod oneshot;
pub(crate) mod plan;
mod report;
mod resend;
mod stage;
mod state;
mod wait;

use std::fmt;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use http_retry::{Policy, RequestHead};
use pin_project_lite::pin_project;
use tower_service::Service;

use self::inner::FirstService;
pub use self::oneshot::Oneshot;
use self::plan::RequestPlan;
use self::resend::Transition;
use self::stage::{Stage, StageProj};
use self::state::RetryState;
use crate::body::response_body::InnerResponse;
use crate::body::{ReplayState, ResponseBody};
use crate::bounds::{BytesBody, CloneService};
use crate::config::Config;
use crate::head::PooledSnapshot;
use crate::markers::{Concrete, PaceMode, ReadError, Unpaced};
use crate::observe::Event;
use crate::timer::PausedTime;
use crate::{PaceError, ReplayBody, timer};

pin_project! {
    /// Resolves with the response to a request, after the last attempt.
    ///
    /// Dropping it at any point ends the session: nothing is sent afterwards, the body is freed, and the
    /// token of a resend that was not sent returns to the budget.
    ///
    /// ```
    /// use std::io::{Error, ErrorKind};
    /// use std::pin::pin;
    /// use bytes::Bytes;
    /// use http::{Request, Response};
    /// use http_body_util::Full;
    /// use tower::{Service, ServiceBuilder, service_fn};
    /// use tower_http_retry::{GiveUpReason, ReplayBody, RetryLayer};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let down = service_fn(|_: Request<ReplayBody<Full<Bytes>>>| async {
    ///     Err::<Response<Full<Bytes>>, _>(Error::from(ErrorKind::ConnectionRefused))
    /// });
    /// let mut client = ServiceBuilder::new().layer(RetryLayer::default()).service(down);
    ///
    /// // An error has no extensions, but the future has the info.
    /// let mut call = pin!(client.call(Request::new(Full::default())));
    /// assert!(call.as_mut().await.is_err());
    /// let info = call.info().unwrap();
    /// assert_eq!((info.attempts(), info.reason()), (3, Some(GiveUpReason::MaxAttempts)));
    /// # }
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, P, B, E = Concrete, G = Unpaced>
    where
        S: Service<Request<ReplayBody<B>>>,
        S::Response: InnerResponse,
    {
        #[pin]
        stage: Stage<S, B>,
        // `None` for a request that can never be sent again.
        state: Option<RetryState<S, P, B, S::Response, S::Error>>,
        marker: PhantomData<fn() -> (E, G)>,
    }
}

impl<S, P, B, E, G, R> ResponseFuture<S, P, B, E, G>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    P: Policy,
    B: BytesBody,
    R: Body,
{
    /// Sends a request through a service, which must be ready unless there is a pace.
    #[inline]
    pub(crate) fn new(
        mut inner: impl FirstService<S>,
        config: &Arc<Config<P>>,
        paused: &Option<Arc<dyn PausedTime>>,
        request: Request<B>,
    ) -> Self
    where
        B: 'static,
    {
        let Some(plan) = RequestPlan::from_request(config, &request) else {
            if let Some(observer) = &config.observer {
                observer.on_event(&Event::NotRetryable { request: RequestHead::from(&request) });
            }
            let gives_up_at = plan::gives_up_at(config, &request);
            let stage = Stage::once(inner.get_mut(), config, request.map(ReplayBody::once), gives_up_at);
            // A request that is sent once needs no state, not even the service.
            return Self { stage, state: None, marker: PhantomData };
        };
        let now = config.pace.as_ref().map(|_| timer::monotonic(&*config.timer));
        let (session, clock_start) = (plan.session(config, now), plan.clock_start(config));
        // The head is large, and is moved only once.
        let replay;
        let request = if request.body().is_end_stream() {
            replay = ReplayState::Empty;
            request.map(ReplayBody::once)
        } else {
            let (head, body) = request.into_parts();
            replay = ReplayState::new(body, config.replay_limit, config.replay_memory.as_ref());
            Request::from_parts(head, replay.body())
        };
        let snapshot = PooledSnapshot::new(&request);
        let mut inner = inner.into_ready();
        let Some(now) = now else {
            // The state is made last, because it would be moved with the service in it.
            let stage = Stage::Attempt { attempt: inner.call(request) };
            let state = RetryState::new(
                inner,
                Arc::clone(config),
                session,
                clock_start,
                paused.clone(),
                snapshot,
                replay,
            );
            return Self { stage, state: Some(state), marker: PhantomData };
        };
        let mut state = RetryState::new(
            inner,
            Arc::clone(config),
            session,
            clock_start,
            paused.clone(),
            snapshot,
            replay,
        );
        let stage = match state.try_admit(&request, now) {
            Ok(()) => Stage::Attempt { attempt: state.inner.call(request) },
            Err(reason) => state.not_sent(request, reason),
        };
        Self { stage, state: Some(state), marker: PhantomData }
    }
}

impl<S, P, B, E, G, R> Future for ResponseFuture<S, P, B, E, G>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    S::Error: ReadError<E>,
    P: Policy,
    G: PaceMode<S::Error, E>,
    B: BytesBody,
    R: Body + Unpin,
{
    type Output = Result<Response<ResponseBody<R>>, G::Error>;

    // Every response passes through here, and a response is large, so it is moved as seldom as possible.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut this = self.as_mut().project();
            let StageProj::Attempt { attempt } = this.stage.as_mut().project() else {
                match ready!(self.as_mut().poll_between(cx)) {
                    ControlFlow::Continue(stage) => self.as_mut().project().stage.set(stage),
                    ControlFlow::Break(outcome) => {
                        self.end();
                        return Poll::Ready(outcome.map_err(G::error));
                    }
                }
                continue;
            };
            let Some(state) = this.state else {
                return wrap::<_, _, G, E>(attempt.poll(cx));
            };
            let entered = state.enter_resend_span();
            let mut outcome = attempt.poll(cx);
            drop(entered);
            let Poll::Ready(result) = &mut outcome else {
                state.start_clock();
                return Poll::Pending;
            };
            state.settle(result);
            let Some(stage) = state.on_outcome(result, None) else {
                self.end();
                return wrap::<_, _, G, E>(outcome);
            };
            this.stage.set(stage);
            if let Poll::Ready(result) = outcome {
                state.hold_outcome(result);
            }
        }
    }
}

impl<S, P, B, E, G, R> ResponseFuture<S, P, B, E, G>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    S::Error: ReadError<E>,
    P: Policy,
    B: BytesBody,
    R: Body + Unpin,
{
    /// Polls the stages before the first attempt and between two attempts.
    fn poll_between(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Transition<S, B, R>> {
        let this = self.project();
        match (this.stage.project(), this.state.as_mut()) {
            (StageProj::First { first }, state) => {
                let mut result = match ready!(first.as_mut().poll(cx)) {
                    Ok(response) => Ok(response),
                    Err(error) => match (error.retry_after(), error.into_inner()) {
                        (_, Ok(error)) if first.is_sent() => Err(error),
                        // The pace rejected the request, or the inner service failed when it was readied. Without
                        // a pace, its `poll_ready` reports that error to the caller.
                        (retry_after, unsent) => {
                            if let Some(state) = state {
                                state.on_unsent(unsent.as_ref().err().copied());
                            }
                            let error = unsent.map_or_else(
                                |rejection| PaceError::rejected(rejection, retry_after),
                                PaceError::inner,
                            );
                            return Poll::Ready(ControlFlow::Break(Err(error)));
                        }
                    },
                };
                let paced = first.as_mut().take_paced();
                let next = state.and_then(|state| Some((state.on_outcome(&mut result, paced)?, state)));
                let Some((stage, state)) = next else {
                    return Poll::Ready(ControlFlow::Break(result.map(pass_on).map_err(PaceError::inner)));
                };
                state.hold_outcome(result);
                Poll::Ready(ControlFlow::Continue(stage))
            }
            (StageProj::Wait, Some(state)) => state.poll_wait(cx),
            (StageProj::Ready, Some(state)) => state.poll_ready(cx),
            (StageProj::Done { .. }, _) => panic!("`ResponseFuture` polled after it resolved"),
            (StageProj::Attempt { .. } | StageProj::Wait | StageProj::Ready, _) => {
                unreachable!(
                    "an attempt in flight is polled elsewhere, and a request without state never waits"
                )
            }
        }
    }

    /// Frees the state now. The caller may hold the resolved future for long.
    #[inline(always)]
    fn end(self: Pin<&mut Self>) {
        let mut this = self.project();
        let info = this.state.as_ref().and_then(RetryState::info);
        *this.state = None;
        this.stage.set(Stage::Done { info });
    }
}

/// Wraps the outcome of an attempt for the caller. It is one `match`, so that the response is moved once.
#[inline(always)]
fn wrap<R: Body, T, G: PaceMode<T, E>, E>(
    outcome: Poll<Result<Response<R>, T>>,
) -> Poll<Result<Response<ResponseBody<R>>, G::Error>> {
    match outcome {
        Poll::Ready(Ok(response)) => {
            let (head, body) = response.into_parts();
            Poll::Ready(Ok(Response::from_parts(head, ResponseBody::new(body))))
        }
        Poll::Ready(Err(error)) => Poll::Ready(Err(G::error(PaceError::inner(error)))),
        Poll::Pending => Poll::Pending,
    }
}

/// Wraps the body of a response that the layer has not read.
#[inline]
fn pass_on<R: Body>(response: Response<R>) -> Response<ResponseBody<R>> {
    response.map(ResponseBody::new)
}

impl<S, P, B, E, G> fmt::Debug for ResponseFuture<S, P, B, E, G>
where
    S: Service<Request<ReplayBody<B>>>,
    S::Response: InnerResponse,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::First { .. } => "First",
            Stage::Attempt { .. } => "Attempt",
            Stage::Wait => "Wait",
            Stage::Ready => "Ready",
            Stage::Done { .. } => "Done",
        };
        f.debug_struct("ResponseFuture").field("stage", &stage).finish_non_exhaustive()
    }
}
