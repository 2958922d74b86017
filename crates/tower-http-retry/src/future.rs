//! One request's way through its attempts: send, wait, ready, send again.

mod detour;
mod drain;
pub(crate) mod itinerary;
mod journey;
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
use self::journey::Journey;
use crate::body::Original;
use crate::head::Snapshot;
use crate::layer::{Settings, Terms};
use crate::{
    BytesBody, CloneService, Concrete, NoPace, PaceError, PaceFuture, Pacing, ReadError, ReplayBody,
    RetryInfo,
};

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
    /// use tower_http_retry::{Reason, ReplayBody, RetryLayer};
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
    /// assert_eq!((info.attempts(), info.reason()), (3, Some(Reason::Attempts)));
    /// # }
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, P, B, M = Concrete, G = NoPace>
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
        let Some(session) = itinerary::session(terms, &request) else {
            return Self::once(inner, &terms.settings, request);
        };
        let snapshot = Snapshot::of(&request);
        let (limit, memory) = (terms.settings.replay_limit, terms.settings.replay_memory.as_ref());
        let mut original = Original::Empty;
        let request = request.map(|body| {
            original = Original::new(body, limit, memory);
            original.attempt()
        });
        // The instance that was readied sends every attempt. Its clone is not ready, and behind a limit of
        // one might never be while this one holds the permit.
        let clone = inner.clone();
        let mut inner = mem::replace(inner, clone);
        let stage = Stage::first(&mut inner, &terms.settings, request, session.ends_at());
        let journey = Journey::new(inner, Arc::clone(terms), session, snapshot, original);
        Self { stage, journey: Some(journey), marker: PhantomData }
    }

    /// One that is sent once takes nothing along, not even the service.
    #[inline]
    fn once(inner: &mut S, settings: &Settings, request: Request<B>) -> Self {
        let ends_at = itinerary::ends_at(settings, &request);
        let stage = Stage::first(inner, settings, request.map(ReplayBody::once), ends_at);
        Self { stage, journey: None, marker: PhantomData }
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
    /// The first attempt.
    #[inline]
    fn first(
        inner: &mut S,
        settings: &Settings,
        request: Request<ReplayBody<B>>,
        ends_at: Option<Duration>,
    ) -> Self {
        let Some(pace) = settings.pace.clone() else {
            return Self::Attempt { attempt: inner.call(request) };
        };
        let timer = Arc::clone(&settings.timer);
        let first = PaceFuture::new(inner.clone(), request, pace, timer, ends_at);
        Self::First { first: Box::pin(first) }
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
        // One that is sent once passes through here without a word about it.
        let mut this = self.as_mut().project();
        if let (StageProj::Attempt { attempt }, None) = (this.stage.as_mut().project(), &*this.journey) {
            let outcome = ready!(attempt.poll(cx));
            this.stage.set(Stage::Done { info: None });
            return Poll::Ready(outcome.map_err(|error| G::error(PaceError::Inner(error))));
        }
        let outcome = ready!(self.as_mut().poll_outcome(cx));
        // What is held goes back now, and not when somebody drops this.
        let mut this = self.project();
        let info = this.journey.take().and_then(|journey| journey.info());
        this.stage.set(Stage::Done { info });
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
                (StageProj::Done { .. }, _) => panic!("polled after it had resolved"),
                (StageProj::Attempt { .. } | StageProj::Wait | StageProj::Ready, None) => {
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
                (StageProj::Attempt { attempt }, Some(journey)) => {
                    let entered = journey.enter();
                    let result = ready!(attempt.poll(cx));
                    drop(entered);
                    journey.observe(&result);
                    journey.conclude(result, None)
                }
                (StageProj::Wait, Some(journey)) => ready!(journey.poll_wait(cx)),
                (StageProj::Ready, Some(journey)) => ready!(journey.poll_ready(cx)),
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
            Stage::Wait => "Wait",
            Stage::Ready => "Ready",
            Stage::Done { .. } => "Done",
        };
        f.debug_struct("ResponseFuture").field("stage", &stage).finish_non_exhaustive()
    }
}
