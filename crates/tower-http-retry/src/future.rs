//! One request's way through its attempts: send, wait, ready, send again.

mod drain;
mod journey;

use std::fmt;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use http_retry::{Policy, Step};
use pin_project_lite::pin_project;
use tower_service::Service;
use tracing::Span;

use self::drain::Drain;
pub(crate) use self::drain::DrainLimit;
use self::journey::{Itinerary, Journey};
use crate::body::Original;
use crate::head::Snapshot;
use crate::layer::Terms;
use crate::timer::Sleep;
use crate::{BytesBody, Concrete, ReadError, ReplayBody};

pin_project! {
    /// The response to a request, after as many attempts as it takes.
    ///
    /// Dropping it at any point ends the session: nothing is sent afterwards, the body is freed, and a token
    /// that was withdrawn for a resend which did not go out returns to the budget.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, P, B, M = Concrete>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        #[pin]
        stage: Stage<S::Future>,
        // `None` for a request that can never be sent again.
        journey: Option<Journey<S, P, B, S::Response, S::Error>>,
        marker: PhantomData<fn() -> M>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<F> {
        /// An attempt is under way.
        Attempt { #[pin] attempt: F, span: Span },
        /// Between attempts. The attempt is gone, with every permit that it held; its response is read to its
        /// end, or gone too.
        Wait { pause: Pause, drain: Option<Drain> },
        /// The wait is over, and the inner service is being readied. The sleep ends with the deadline.
        Ready { deadline: Option<Sleep> },
    }
}

enum Pause {
    /// No time at all: the other tasks get their turn, and the timer is left alone.
    Yield {
        yielded: bool,
    },
    Sleep(Sleep),
}

impl<S, P, B, M, R> ResponseFuture<S, P, B, M>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
    P: Policy,
    B: BytesBody,
{
    /// `inner` must be ready.
    pub(crate) fn new(mut inner: S, terms: Arc<Terms<P>>, request: Request<B>) -> Self {
        let (attempt, journey) = match Itinerary::of(&terms, &request) {
            None => (inner.call(request.map(ReplayBody::once)), None),
            Some(itinerary) => {
                let (parts, body) = request.into_parts();
                let snapshot = Snapshot::of(&parts);
                let (limit, memory) = (terms.settings.replay_limit, terms.settings.replay_memory.clone());
                let original = Original::new(body, limit, memory);
                let attempt = inner.call(Request::from_parts(parts, original.attempt()));
                (attempt, Some(Journey::new(inner, terms, itinerary, snapshot, original)))
            }
        };
        let stage = Stage::Attempt { attempt, span: Span::none() };
        Self { stage, journey, marker: PhantomData }
    }
}

impl<S, P, B, M, R> Future for ResponseFuture<S, P, B, M>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
    S::Error: ReadError<M>,
    P: Policy,
    B: BytesBody,
    R: Body + Unpin,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match (this.stage.as_mut().project(), this.journey.as_mut()) {
                (StageProj::Attempt { attempt, .. }, None) => return attempt.poll(cx),
                (StageProj::Wait { .. } | StageProj::Ready { .. }, None) => {
                    unreachable!("a request that may not be sent again never waits")
                }
                (StageProj::Attempt { attempt, span }, Some(journey)) => {
                    let entered = span.enter();
                    let result = ready!(attempt.poll(cx));
                    drop(entered);
                    match journey.settle(&result) {
                        Step::Wait(delay) => {
                            let drain = journey.keep(result);
                            this.stage.set(Stage::Wait { pause: journey.pause(delay), drain });
                        }
                        ending => {
                            let result = journey.finish(result, ending.reason());
                            *this.journey = None;
                            return Poll::Ready(result);
                        }
                    }
                }
                (StageProj::Wait { pause, drain }, Some(journey)) => {
                    journey.poll_drain(drain, cx);
                    ready!(pause.poll(cx));
                    journey.end_drain(drain);
                    this.stage.set(Stage::Ready { deadline: None });
                }
                (StageProj::Ready { deadline }, Some(journey)) => {
                    if let ControlFlow::Break(outcome) = ready!(journey.poll_ready(deadline, cx)) {
                        *this.journey = None;
                        return Poll::Ready(outcome);
                    }
                    let (attempt, span) = journey.resend();
                    this.stage.set(Stage::Attempt { attempt, span });
                }
            }
        }
    }
}

impl Pause {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Sleep(sleep) => sleep.as_mut().poll(cx),
            Self::Yield { yielded: true } => Poll::Ready(()),
            Self::Yield { yielded } => {
                *yielded = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl<S, P, B, M> fmt::Debug for ResponseFuture<S, P, B, M>
where
    S: Service<Request<ReplayBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Attempt { .. } => "Attempt",
            Stage::Wait { .. } => "Wait",
            Stage::Ready { .. } => "Ready",
        };
        f.debug_struct("ResponseFuture").field("stage", &stage).finish_non_exhaustive()
    }
}
