//! One request's way through its attempts: send, wait, ready, send again.

mod detour;
mod drain;
pub(crate) mod itinerary;
mod journey;
mod oneshot;
mod pause;

use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{fmt, mem};

use http::{Request, Response};
use http_body::Body;
use http_retry::Policy;
use pin_project_lite::pin_project;
use tower_service::Service;

pub(crate) use self::drain::DrainLimit;
use self::itinerary::Itinerary;
use self::journey::{Journey, Next};
pub use self::oneshot::Oneshot;
use crate::body::Original;
use crate::bounds::{BytesBody, CloneService};
use crate::head::Snapshot;
use crate::layer::{Settings, Terms};
use crate::markers::{Concrete, PaceMode, ReadError, Unpaced};
use crate::pace::{PaceFuture, SharedPace};
use crate::{PaceError, ReplayBody, RetryInfo};

pin_project! {
    /// The response to a request, after as many attempts as it takes.
    ///
    /// Dropping it at any point ends the session: nothing is sent afterwards, the body is freed, and a token
    /// that was withdrawn for a resend which did not go out returns to the budget.
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
    /// // An error carries no extensions; the future knows what happened.
    /// let mut call = pin!(client.call(Request::new(Full::default())));
    /// assert!(call.as_mut().await.is_err());
    /// let info = call.info().unwrap();
    /// assert_eq!((info.attempts(), info.reason()), (3, Some(GiveUpReason::MaxAttempts)));
    /// # }
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, P, B, M = Concrete, G = Unpaced>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        #[pin]
        stage: Stage<S, B>,
        // `None` for a request that can never be sent again.
        journey: Option<Journey<S, P, B, S::Response, S::Error>>,
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
        Attempt { #[pin] attempt: S::Future },
        /// Between attempts. The attempt is gone, with every permit that it held; its response is read to its
        /// end, or gone too.
        Wait,
        /// The wait is over, and the inner service is being readied.
        Ready,
        Done { info: Option<RetryInfo> },
    }
}

impl<S, P, B, M, G, R> ResponseFuture<S, P, B, M, G>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    P: Policy,
    B: BytesBody,
{
    /// Sends a request through a service that must be ready, unless there is a pace.
    #[inline]
    pub(crate) fn new(inner: &mut S, terms: &Arc<Terms<P>>, request: Request<B>) -> Self
    where
        B: 'static,
    {
        let settings = &terms.settings;
        let Some(itinerary) = Itinerary::of(terms, &request) else {
            let ends_at = itinerary::ends_at(settings, &request);
            let stage = Stage::first(inner, settings, request.map(ReplayBody::once), ends_at);
            // One that is sent once takes nothing along, not even the service.
            return Self { stage, journey: None, marker: PhantomData };
        };
        let (session, departure) = (itinerary.session(settings), itinerary.departure(settings));
        // The head is large, and is moved but once.
        let original;
        let request = if request.body().is_end_stream() {
            original = Original::Empty;
            request.map(ReplayBody::once)
        } else {
            let (head, body) = request.into_parts();
            original = Original::new(body, settings.replay_limit, settings.replay_memory.as_ref());
            Request::from_parts(head, original.body())
        };
        let snapshot = Snapshot::of(&request);
        // The instance that was readied sends every attempt. Its clone is not ready, and behind a limit of
        // one might never be while this one holds the permit.
        let clone = inner.clone();
        let mut inner = mem::replace(inner, clone);
        let stage = Stage::first(&mut inner, settings, request, session.gives_up_at());
        let journey = Journey::new(inner, Arc::clone(terms), session, departure, snapshot, original);
        Self { stage, journey: Some(journey), marker: PhantomData }
    }
}

impl<S, P, B, M, G> ResponseFuture<S, P, B, M, G>
where
    S: Service<Request<ReplayBody<B>>>,
{
    /// What happened to the request, once this has resolved: what its response carries in its extensions, and what
    /// nothing carries where there is an error in its stead. `None` where it was sent once and nobody gave up.
    pub fn info(&self) -> Option<RetryInfo> {
        match self.stage {
            Stage::Done { info } => info,
            _ => None,
        }
    }
}

impl<S, B, R> Stage<S, B>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
{
    /// The first attempt. The service must be ready, unless there is a pace.
    #[inline]
    fn first(
        inner: &mut S,
        settings: &Settings,
        request: Request<ReplayBody<B>>,
        ends_at: Option<Duration>,
    ) -> Self {
        match &settings.pace {
            None => Self::Attempt { attempt: inner.call(request) },
            Some(pace) => Self::in_line(inner, pace, settings, request, ends_at),
        }
    }

    /// The first attempt, which waits for its turn.
    #[cold]
    fn in_line(
        inner: &S,
        pace: &SharedPace,
        settings: &Settings,
        request: Request<ReplayBody<B>>,
        ends_at: Option<Duration>,
    ) -> Self {
        let timer = Arc::clone(&settings.timer);
        let first = PaceFuture::new(inner.clone(), request, pace.clone(), timer, ends_at);
        Self::First { first: Box::pin(first) }
    }
}

impl<S, P, B, M, G, R> Future for ResponseFuture<S, P, B, M, G>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    S::Error: ReadError<M>,
    P: Policy,
    G: PaceMode<S::Error, M>,
    B: BytesBody,
    R: Body + Unpin,
{
    type Output = Result<Response<R>, G::Error>;

    // On the way of each response, which is large: what an attempt came back with is moved as seldom as can be.
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
            let Some(journey) = this.journey else {
                // Not even looked at, so that the attempt writes it where the caller reads it.
                return G::outcome(attempt.poll(cx));
            };
            let entered = journey.enter();
            let mut outcome = attempt.poll(cx);
            drop(entered);
            let Poll::Ready(result) = &mut outcome else {
                journey.depart();
                return Poll::Pending;
            };
            journey.observe(result);
            let Some(stage) = journey.conclude(result, None) else {
                self.end();
                return G::outcome(outcome);
            };
            this.stage.set(stage);
            if let Poll::Ready(result) = outcome {
                journey.keep(result);
            }
        }
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
    /// Before the first attempt, and between two of them.
    fn poll_between(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next<S, B, R>> {
        let this = self.project();
        match (this.stage.project(), this.journey.as_mut()) {
            (StageProj::First { first }, journey) => {
                let mut result = match ready!(first.as_mut().poll(cx)) {
                    Ok(response) => Ok(response),
                    Err(error) => match error.into_inner() {
                        Ok(error) if first.is_sent() => Err(error),
                        // Refused, or the inner service failed when it was readied, as it may without a pace.
                        unsent => {
                            let error = unsent.map_or_else(PaceError::rejected, PaceError::inner);
                            return Poll::Ready(ControlFlow::Break(Err(error)));
                        }
                    },
                };
                let ticket = Some(first.ticket());
                let next =
                    journey.and_then(|journey| Some((journey.conclude(&mut result, ticket)?, journey)));
                let Some((stage, journey)) = next else {
                    return Poll::Ready(ControlFlow::Break(result.map_err(PaceError::inner)));
                };
                journey.keep(result);
                Poll::Ready(ControlFlow::Continue(stage))
            }
            (StageProj::Wait, Some(journey)) => journey.poll_wait(cx),
            (StageProj::Ready, Some(journey)) => journey.poll_ready(cx),
            (StageProj::Done { .. }, _) => panic!("polled after it had resolved"),
            (StageProj::Attempt { .. } | StageProj::Wait | StageProj::Ready, _) => {
                unreachable!("it is under way, or may not be sent again and never waits")
            }
        }
    }

    /// What is held goes back now, and not when somebody drops this.
    #[inline(always)]
    fn end(self: Pin<&mut Self>) {
        let mut this = self.project();
        let info = this.journey.as_ref().and_then(Journey::info);
        *this.journey = None;
        this.stage.set(Stage::Done { info });
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
            Stage::Wait => "Wait",
            Stage::Ready => "Ready",
            Stage::Done { .. } => "Done",
        };
        f.debug_struct("ResponseFuture").field("stage", &stage).finish_non_exhaustive()
    }
}
