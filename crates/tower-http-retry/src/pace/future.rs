//! The future of one call: it waits for the pace, readies the inner service, and sends.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use http_retry::{PaceRejection, ResponseHead, Ticket, Why};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{NotAdmitted, PaceError, PaceWait, PacedRequest, SharedPace};
use crate::bounds::CloneService;
use crate::timer::Timer;
use crate::trace;

pin_project! {
    /// Resolves with the response to a request, which is sent once the pace admits it. The service of a
    /// [`PaceLayer`](crate::PaceLayer) returns it.
    ///
    /// Dropping it takes the request out of the queue. If the request is in flight, and others wait for its answer, the next
    /// of them is sent.
    #[must_use = "futures do nothing unless polled"]
    pub struct PaceFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        stage: PaceStage<S::Future, S::Error>,
        // The service and the request, until the request is sent.
        unsent: Option<(S, Request<B>)>,
        // `None` after `take_paced`.
        paced: Option<PacedRequest>,
        is_sent: bool,
    }
}

pin_project! {
    #[project = StageProj]
    enum PaceStage<F, E> {
        /// The request waits for the pace or for the inner service.
        Wait,
        /// The inner service failed when it was readied. The error is `None` once it was returned.
        Failed { error: Option<E> },
        /// The request is in flight.
        Attempt { #[pin] attempt: F },
        Done,
    }
}

impl<S, B> PaceFuture<S, B>
where
    S: Service<Request<B>>,
{
    /// Returns why and for how long the request has waited for the pace until now, if it has.
    pub(crate) fn wait_so_far(&self) -> Option<PaceWait> {
        self.paced.as_ref()?.wait_so_far()
    }

    /// Returns why the request waits for the pace now, if it does.
    pub(crate) fn why(&self) -> Option<Why> {
        self.paced.as_ref()?.why()
    }
}

impl<S, B, R> PaceFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    /// Creates the future of a request with a ticket that is not in the queue. `inner` need not be ready.
    pub(crate) fn new(
        inner: S,
        request: Request<B>,
        pace: SharedPace,
        timer: Arc<dyn Timer>,
        ticket: Ticket,
        deadline: Option<Duration>,
    ) -> Self {
        let paced = PacedRequest::new(pace, timer, ticket, deadline);
        Self { stage: PaceStage::Wait, unsent: Some((inner, request)), paced: Some(paced), is_sent: false }
    }

    /// Creates the future of a request that is not sent, because the inner service failed when it was readied.
    pub(crate) fn failed(error: S::Error) -> Self {
        Self { stage: PaceStage::Failed { error: Some(error) }, unsent: None, paced: None, is_sent: false }
    }

    /// Returns whether the inner service was called.
    pub(crate) fn is_sent(&self) -> bool {
        self.is_sent
    }

    /// Takes the state of the request at its pace, for a resend.
    pub(crate) fn take_paced(self: Pin<&mut Self>) -> Option<PacedRequest> {
        self.project().paced.take()
    }
}

impl<S, B, R> Future for PaceFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + CloneService,
{
    type Output = Result<Response<R>, PaceError<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let outcome = loop {
            match (this.stage.as_mut().project(), this.paced.as_mut()) {
                (StageProj::Wait, Some(paced)) => {
                    let (inner, _) = this.unsent.as_mut().expect("it is here until it is sent");
                    match ready!(paced.poll_admission(inner, cx)) {
                        Ok(()) => {}
                        Err(NotAdmitted::Rejected(rejection)) => {
                            break Err(PaceError::rejected(rejection, paced.opens_in()));
                        }
                        Err(NotAdmitted::NotReady) => {
                            break Err(PaceError::rejected(PaceRejection::TooLong, None));
                        }
                        Err(NotAdmitted::Failed(error)) => break Err(PaceError::inner(error)),
                    }
                    let (mut inner, request) = this.unsent.take().expect("it was here just now");
                    *this.is_sent = true;
                    this.stage.set(PaceStage::Attempt { attempt: inner.call(request) });
                }
                (StageProj::Failed { error }, _) => {
                    break Err(PaceError::inner(error.take().expect("it is returned once")));
                }
                (StageProj::Attempt { attempt }, Some(paced)) => {
                    let mut result = ready!(attempt.poll(cx));
                    match &mut result {
                        Ok(response) => {
                            paced.settle(&ResponseHead::from(&*response));
                            if let Some(wait) = paced.wait() {
                                response.extensions_mut().insert(wait);
                            }
                        }
                        Err(_) => paced.lose(),
                    }
                    break result.map_err(PaceError::inner);
                }
                (StageProj::Done, _) | (_, None) => panic!("`PaceFuture` polled after it resolved"),
            }
        };
        // What the future holds goes back now, and not when the caller drops the future.
        this.stage.set(PaceStage::Done);
        *this.unsent = None;
        if let Some(rejection) = outcome.as_ref().err().and_then(PaceError::rejection) {
            trace::rejected(rejection);
        }
        Poll::Ready(outcome)
    }
}

impl<S, B> fmt::Debug for PaceFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            PaceStage::Wait => "Wait",
            PaceStage::Failed { .. } => "Failed",
            PaceStage::Attempt { .. } => "Attempt",
            PaceStage::Done => "Done",
        };
        f.debug_struct("PaceFuture").field("stage", &stage).finish_non_exhaustive()
    }
}
