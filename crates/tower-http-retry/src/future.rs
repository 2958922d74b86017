//! One request's way through its attempts: send, wait, ready, send again.

mod drain;
pub(crate) mod itinerary;
pub(crate) mod journey;
mod pause;

use std::fmt;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use http_retry::Policy;
use pin_project_lite::pin_project;
use tower_service::Service;
use tracing::Span;

use self::drain::Drain;
pub(crate) use self::drain::DrainLimit;
use self::itinerary::Itinerary;
use self::journey::Journey;
use self::pause::Pause;
use crate::body::Original;
use crate::head::Snapshot;
use crate::layer::{Settings, Terms};
use crate::pace::Passage;
use crate::timer::Sleep;
use crate::{
    BytesBody, CloneService, Concrete, NoPace, PaceError, PaceFuture, Pacing, ReadError, ReplayBody,
    RetryInfo,
};

pin_project! {
    /// The response to a request, after as many attempts as it takes.
    ///
    /// Dropping it at any point ends the session: nothing is sent afterwards, the body is freed, and a token
    /// that was withdrawn for a resend which did not go out returns to the budget.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, P, B, M = Concrete, G = NoPace>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        #[pin]
        stage: Stage<S, B>,
        // `None` for a request that can never be sent again. Boxed, so that the future is cheap to move.
        journey: Option<Box<Journey<S, P, B, S::Response, S::Error>>>,
        info: Option<RetryInfo>,
        marker: PhantomData<fn() -> (M, G)>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<S, B>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        /// The first attempt under a pace: it waits for its turn, and is sent. Boxed, because most layers have none.
        First { first: Pin<Box<PaceFuture<S, ReplayBody<B>>>> },
        /// An attempt is under way.
        Attempt { #[pin] attempt: S::Future, passage: Option<Passage>, span: Span },
        /// Between attempts. The attempt is gone, with every permit that it held; its response is read to its
        /// end, or gone too.
        Wait { pause: Pause, drain: Option<Drain> },
        /// The wait is over, and the inner service is being readied. The sleep ends with the deadline.
        Ready { passage: Option<Passage>, deadline: Option<Sleep> },
        Done,
    }
}

impl<S, P, B, M, G, R> ResponseFuture<S, P, B, M, G>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    P: Policy,
    B: BytesBody,
{
    /// `inner` must be ready, unless there is a pace.
    pub(crate) fn new(inner: S, terms: Arc<Terms<P>>, request: Request<B>) -> Self {
        let (stage, journey) = match Itinerary::of(&terms, &request) {
            None => {
                let ends_at = itinerary::ends_at(&terms.settings, &request);
                (Stage::first(inner, &terms.settings, request.map(ReplayBody::once), ends_at).0, None)
            }
            Some(itinerary) => {
                let snapshot = Snapshot::of(&request);
                let (limit, memory) = (terms.settings.replay_limit, terms.settings.replay_memory.as_ref());
                let mut original = Original::empty();
                let request = request.map(|body| {
                    original = Original::new(body, limit, memory);
                    original.attempt()
                });
                let (stage, inner) = Stage::first(inner, &terms.settings, request, itinerary.ends_at());
                (stage, Some(Box::new(Journey::new(inner, terms, itinerary, snapshot, original))))
            }
        };
        Self { stage, journey, info: None, marker: PhantomData }
    }
}

impl<S, P, B, M, G> ResponseFuture<S, P, B, M, G>
where
    S: Service<Request<ReplayBody<B>>>,
{
    /// What happened to the request, once this has resolved: what its response carries in its extensions, and what
    /// nothing carries where there is an error in its stead. `None` where it was sent once and nobody gave up.
    pub fn info(&self) -> Option<RetryInfo> {
        self.info
    }
}

impl<S, B, R> Stage<S, B>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
{
    /// The first attempt, and what sends the others.
    fn first(
        mut inner: S,
        settings: &Settings,
        request: Request<ReplayBody<B>>,
        ends_at: Option<Duration>,
    ) -> (Self, S) {
        let Some(pace) = settings.pace.clone() else {
            let attempt = inner.call(request);
            return (Self::Attempt { attempt, passage: None, span: Span::none() }, inner);
        };
        let timer = Arc::clone(&settings.timer);
        let first = PaceFuture::new(inner.clone(), request, pace, timer, ends_at);
        (Self::First { first: Box::pin(first) }, inner)
    }
}

impl<S, P, B, M, G, R> Future for ResponseFuture<S, P, B, M, G>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    S::Error: ReadError<M>,
    P: Policy,
    G: Pacing<S::Error, M>,
    B: BytesBody,
    R: Body + Unpin,
{
    type Output = Result<Response<R>, G::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(self.as_mut().poll_outcome(cx));
        // What is held goes back now, and not when somebody drops this.
        let mut this = self.project();
        this.stage.set(Stage::Done);
        *this.info = this.journey.take().and_then(|journey| journey.info());
        Poll::Ready(outcome.map_err(G::error))
    }
}

impl<S, P, B, M, G, R> ResponseFuture<S, P, B, M, G>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    S::Error: ReadError<M>,
    P: Policy,
    B: BytesBody,
    R: Body + Unpin,
{
    fn poll_outcome(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<R>, PaceError<S::Error>>> {
        let mut this = self.project();
        loop {
            let next = match (this.stage.as_mut().project(), this.journey.as_mut()) {
                (StageProj::First { first }, None) => return first.as_mut().poll(cx),
                (StageProj::Attempt { attempt, .. }, None) => {
                    return attempt.poll(cx).map_err(PaceError::Inner);
                }
                (StageProj::Done, _) => panic!("polled after it had resolved"),
                (StageProj::Wait { .. } | StageProj::Ready { .. }, None) => {
                    unreachable!("a request that may not be sent again never waits")
                }
                (StageProj::First { first }, Some(journey)) => {
                    let result = match ready!(first.as_mut().poll(cx)) {
                        Ok(response) => Ok(response),
                        Err(PaceError::Inner(error)) if first.is_sent() => Err(error),
                        // Refused, or the inner service failed when it was readied, as it may without a pace.
                        Err(error) => return Poll::Ready(Err(error)),
                    };
                    journey.conclude(result, Some(first.ticket()))
                }
                (StageProj::Attempt { attempt, passage, span }, Some(journey)) => {
                    let entered = span.enter();
                    let result = ready!(attempt.poll(cx));
                    drop(entered);
                    if let Some(passage) = passage.take() {
                        journey.observe(passage, &result);
                    }
                    journey.conclude(result, None)
                }
                (StageProj::Wait { pause, drain }, Some(journey)) => {
                    journey.poll_drain(drain, cx);
                    let turn = ready!(pause.poll(cx));
                    journey.end_drain(drain);
                    match turn {
                        Ok(passage) => ControlFlow::Continue(Stage::Ready { passage, deadline: None }),
                        Err(refusal) => ControlFlow::Break(journey.turned_away(refusal)),
                    }
                }
                (StageProj::Ready { passage, deadline }, Some(journey)) => {
                    match ready!(journey.poll_ready(deadline, cx)) {
                        ControlFlow::Continue(()) => journey.resend(passage.take()),
                        ControlFlow::Break(outcome) => ControlFlow::Break(outcome.map_err(PaceError::Inner)),
                    }
                }
            };
            match next {
                ControlFlow::Continue(stage) => this.stage.set(stage),
                ControlFlow::Break(outcome) => return Poll::Ready(outcome),
            }
        }
    }
}

impl<S, P, B, M, G> fmt::Debug for ResponseFuture<S, P, B, M, G>
where
    S: Service<Request<ReplayBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::First { .. } => "First",
            Stage::Attempt { .. } => "Attempt",
            Stage::Wait { .. } => "Wait",
            Stage::Ready { .. } => "Ready",
            Stage::Done => "Done",
        };
        f.debug_struct("ResponseFuture").field("stage", &stage).finish_non_exhaustive()
    }
}
