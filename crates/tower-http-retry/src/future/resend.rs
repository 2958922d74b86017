//! The way from an outcome to the next attempt: the wait, the readying of the inner service, and the resend.

use std::ops::ControlFlow;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use http_retry::{GiveUpReason, PaceRejection, Policy, Session};
use tower_service::Service;

use super::stage::Stage;
use super::state::{RetryState, give_up_reason};
use crate::body::ResponseBody;
use crate::bounds::{BytesBody, CloneService};
use crate::markers::ReadError;
use crate::observe::Event;
use crate::pace::{NotAdmitted, PacedRequest};
use crate::timer::{self, Timer};
use crate::{PaceError, ReplayBody, trace};

/// The stage that follows, or the result for the caller.
pub(super) type Transition<S, B, R> = ControlFlow<Ended<S, B, R>, Stage<S, B>>;

/// The result for the caller.
type Ended<S, B, R> =
    Result<Response<ResponseBody<R>>, PaceError<<S as Service<Request<ReplayBody<B>>>>::Error>>;

impl<S, P, B, R> RetryState<S, P, B, Response<R>, S::Error>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    P: Policy,
    B: BytesBody,
    R: Body,
{
    /// Waits for the end of the delay, and for the admission by the pace if there is one. Meanwhile it reads the failed response
    /// to its end.
    ///
    /// The pace is polled before the response is read. So a request that the pace rejects has all of its response.
    pub(super) fn poll_wait<M>(&mut self, cx: &mut Context<'_>) -> Poll<Transition<S, B, R>>
    where
        S::Error: ReadError<M>,
        R: Unpin,
    {
        let timer = &*self.config.timer;
        let wait = self.wait.get_or_insert_default();
        let mut polled = match &mut wait.delay {
            Some(delay) => delay.poll(cx).map(Ok),
            None => Poll::Ready(Ok(())),
        };
        if let (Poll::Ready(_), Some(paced)) = (&polled, &mut wait.paced) {
            let _entered = wait.session_span.enter();
            polled = paced.poll_admission(&mut self.inner, cx);
        }
        if let Poll::Ready(Err(not_admitted)) = polled {
            return Poll::Ready(ControlFlow::Break(self.on_not_admitted(not_admitted)));
        }
        wait.poll_drain(timer, cx);
        let is_readying = wait.paced.as_ref().is_some_and(PacedRequest::is_readying);
        if polled.is_ready() || is_readying {
            // A response that is still being read would hold its connection, for which the inner service may wait.
            wait.stop_drain();
        }
        ready!(polled.map(drop));
        wait.delay = None;
        Poll::Ready(ControlFlow::Continue(match wait.paced {
            Some(_) => self.resend(),
            None => Stage::Ready,
        }))
    }

    /// Readies the inner service for a resend without a pace. If there is an outcome to return, this ends when the session gives
    /// up.
    pub(super) fn poll_ready<M>(&mut self, cx: &mut Context<'_>) -> Poll<Transition<S, B, R>>
    where
        S::Error: ReadError<M>,
    {
        let timer = &*self.config.timer;
        let wait = self.wait.get_or_insert_default();
        let reason = match self.inner.poll_ready(cx) {
            Poll::Ready(Ok(())) => {
                let is_late = is_late(&self.session, timer);
                if wait.outcome.is_none() || !is_late {
                    wait.deadline_sleep = None;
                    if is_late {
                        wait.session_span.in_scope(|| trace::late_resend(self.session.number()));
                    }
                    return Poll::Ready(ControlFlow::Continue(self.resend()));
                }
                // Either the service became ready too late, or the runtime polled this future too late.
                GiveUpReason::MaxElapsed
            }
            Poll::Ready(Err(error)) => return Poll::Ready(ControlFlow::Break(self.on_failed(error))),
            Poll::Pending => {
                ready!(wait.poll_deadline(self.session.gives_up_at(), timer, cx));
                GiveUpReason::NotReady
            }
        };
        match self.give_up(reason) {
            Some(outcome) => Poll::Ready(ControlFlow::Break(outcome)),
            None => Poll::Pending,
        }
    }

    /// Sends the request again. The inner service must be ready.
    fn resend(&mut self) -> Stage<S, B> {
        let timer = &*self.config.timer;
        let wait = self.wait.get_or_insert_default();
        wait.discard_outcome();
        let started_at = wait.wait_started_at.take();
        let waited = started_at.map(|started_at| timer::monotonic(timer).saturating_sub(started_at));
        if wait.paced.as_ref().is_some_and(PacedRequest::is_probe) {
            self.session.waive_cost();
        }
        let number = self.session.resend_after(waited.unwrap_or_default());
        let mut request = self.snapshot.request(number, self.replay.body());
        if let Some(header) = &self.config.attempt_header {
            header.set(&mut request, self.session.retries());
        }
        #[cfg(feature = "grpc")]
        if self.config.keeps_grpc_timeout
            && let Some(started_at) = self.session.started_at()
        {
            let elapsed = timer::monotonic(timer).saturating_sub(started_at);
            crate::grpc::shorten_timeout(request.headers_mut(), elapsed);
        }
        wait.resend_span = wait.session_span.in_scope(|| trace::resend_span(number));
        if let Some(observer) = &self.config.observer {
            observer.on_event(&Event::Resend { request: self.snapshot.head(), attempt: number });
        }
        // The span is entered without a closure: the request is large, and would be moved into it.
        let _entered = wait.resend_span.enter();
        Stage::Attempt { attempt: self.inner.call(request) }
    }

    /// Ends the session without the resend. The caller gets the outcome before the wait, unless it was dropped.
    fn on_not_admitted<M>(&mut self, not_admitted: NotAdmitted<S::Error>) -> Ended<S, B, R>
    where
        S::Error: ReadError<M>,
    {
        match not_admitted {
            NotAdmitted::Rejected(rejection) => self.on_rejection(rejection, give_up_reason(rejection)),
            NotAdmitted::NotReady => self.on_rejection(PaceRejection::TooLong, GiveUpReason::NotReady),
            NotAdmitted::Failed(error) => self.on_failed(error),
        }
    }

    /// Ends the session after the inner service failed when it was readied.
    ///
    /// Such a service stays failed (tower's contract of `poll_ready`). The caller gets the outcome that the retry was for, which
    /// tells what happened to the request. If that outcome was dropped, the caller gets the error of readiness.
    fn on_failed<M>(&mut self, error: S::Error) -> Ended<S, B, R>
    where
        S::Error: ReadError<M>,
    {
        self.in_session_span(|| trace::not_ready(self.session.number(), error.as_error()));
        self.session.abandon();
        match self.give_up(GiveUpReason::NotReady) {
            Some(ended) => ended,
            None => {
                let mut outcome = Err(error);
                self.finish(&mut outcome, Some(GiveUpReason::NotReady));
                outcome.map_err(PaceError::inner)
            }
        }
    }

    /// Ends the session after the pace rejected the resend.
    fn on_rejection(&mut self, rejection: PaceRejection, reason: GiveUpReason) -> Ended<S, B, R> {
        self.session.abandon();
        self.give_up(reason).unwrap_or_else(|| {
            self.reason = Some(reason);
            self.in_session_span(|| trace::rejected(rejection));
            if let Some(observer) = &self.config.observer {
                let attempts = self.session.number();
                let event = Event::not_sent(self.snapshot.head(), &self.session, attempts, self.reason);
                observer.on_event(&event);
            }
            let paced = self.wait.as_ref().and_then(|wait| wait.paced.as_ref());
            Err(PaceError::rejected(rejection, paced.and_then(PacedRequest::opens_in)))
        })
    }

    /// Ends the session with the outcome before the wait, if there is one. The resend is not sent then.
    fn give_up(&mut self, reason: GiveUpReason) -> Option<Ended<S, B, R>> {
        let mut outcome = self.wait().take_outcome()?;
        self.session.abandon();
        self.finish(&mut outcome, Some(reason));
        Some(outcome.map_err(PaceError::inner))
    }
}

fn is_late(session: &Session, timer: &dyn Timer) -> bool {
    session.gives_up_at().is_some_and(|end| timer::monotonic(timer) > end)
}
