//! The way from an outcome to the next attempt: the wait, the readying of the inner service, and the resend.

use std::ops::ControlFlow;
use std::task::{Context, Poll, ready};
use std::time::Duration;

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
use crate::timer::{self, Timer};
use crate::{PaceError, ReplayBody, trace};

/// The stage that follows, or the result for the caller.
pub(super) type Transition<S, B, R> = ControlFlow<
    Result<Response<ResponseBody<R>>, PaceError<<S as Service<Request<ReplayBody<B>>>>::Error>>,
    Stage<S, B>,
>;

impl<S, P, B, R> RetryState<S, P, B, Response<R>, S::Error>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    P: Policy,
    B: BytesBody,
    R: Body,
{
    /// Waits for the end of the delay, and reads the failed response to its end meanwhile.
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Transition<S, B, R>>
    where
        R: Unpin,
    {
        let timer = &*self.config.timer;
        let wait = self.wait.get_or_insert_default();
        wait.poll_drain(timer, cx);
        let admitted = match &mut wait.delay {
            Some(delay) => ready!(delay.poll(cx)),
            None => Ok(None),
        };
        wait.delay = None;
        Poll::Ready(match admitted {
            Ok(passage) => {
                // A resend follows, and a response that is still being read would hold its connection.
                wait.stop_drain();
                wait.passage = passage;
                ControlFlow::Continue(Stage::Ready)
            }
            Err(rejection) => ControlFlow::Break(self.on_rejection(rejection)),
        })
    }

    /// Readies the inner service for a resend. If there is an outcome to return, this ends when the session gives up.
    ///
    /// A service that fails here stays failed (tower's contract of `poll_ready`), so the session ends. The caller gets the
    /// outcome that the retry was for, which tells what happened to the request. If that outcome was dropped, the caller gets
    /// the error of readiness.
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
                    return Poll::Ready(self.resend(is_late));
                }
                // Either the service became ready too late, or the runtime polled this future too late.
                GiveUpReason::MaxElapsed
            }
            Poll::Ready(Err(error)) => {
                wait.session_span.in_scope(|| trace::not_ready(self.session.number(), error.as_error()));
                wait.outcome.get_or_insert(Err(error));
                GiveUpReason::NotReady
            }
            Poll::Pending => {
                ready!(wait.poll_deadline(self.session.gives_up_at(), timer, cx));
                GiveUpReason::NotReady
            }
        };
        let Some(mut outcome) = wait.take_outcome() else {
            return Poll::Pending;
        };
        self.session.abandon();
        self.finish(&mut outcome, Some(reason));
        Poll::Ready(ControlFlow::Break(outcome.map_err(PaceError::inner)))
    }

    /// Sends the request again. The inner service must be ready. It may have taken so long that the server asks for quiet
    /// again; then the request waits once more.
    fn resend(&mut self, is_late: bool) -> Transition<S, B, R> {
        let timer = &*self.config.timer;
        let wait = self.wait.get_or_insert_default();
        if wait.passage.as_ref().is_some_and(|passage| !passage.is_open(timer)) {
            // The request goes back to the queue, and the permits of the readied instance go to other requests.
            wait.passage = None;
            self.inner = self.inner.clone();
            return match self.start_delay(Duration::ZERO) {
                Ok(()) => ControlFlow::Continue(Stage::Wait),
                Err(rejection) => ControlFlow::Break(self.on_rejection(rejection)),
            };
        }
        if is_late {
            wait.session_span.in_scope(|| trace::late_resend(self.session.number()));
        }
        wait.discard_outcome();
        let started_at = wait.wait_started_at.take();
        let waited = started_at.map(|started_at| timer::monotonic(timer).saturating_sub(started_at));
        let number = self.session.resend_after(waited.unwrap_or_default());
        let mut request = self.snapshot.request(number, self.replay.body());
        if let Some(header) = &self.config.attempt_header {
            header.set(&mut request, self.session.retries());
        }
        wait.resend_span = wait.session_span.in_scope(|| trace::resend_span(number));
        if let Some(observer) = &self.config.observer {
            observer.on_event(&Event::Resend { request: self.snapshot.head(), attempt: number });
        }
        // The span is entered without a closure: the request is large, and would be moved into it.
        let _entered = wait.resend_span.enter();
        ControlFlow::Continue(Stage::Attempt { attempt: self.inner.call(request) })
    }

    /// Ends the session after the pace rejected the resend. The caller gets the outcome before the wait, unless it was dropped.
    fn on_rejection(
        &mut self,
        rejection: PaceRejection,
    ) -> Result<Response<ResponseBody<R>>, PaceError<S::Error>> {
        self.session.abandon();
        match self.wait().take_outcome() {
            Some(mut outcome) => {
                self.finish(&mut outcome, Some(give_up_reason(rejection)));
                outcome.map_err(PaceError::inner)
            }
            None => {
                self.reason = Some(give_up_reason(rejection));
                self.in_session_span(|| trace::rejected(rejection));
                if let Some(observer) = &self.config.observer {
                    let attempts = self.session.number();
                    let event = Event::not_sent(self.snapshot.head(), &self.session, attempts, self.reason);
                    observer.on_event(&event);
                }
                Err(PaceError::rejected(rejection))
            }
        }
    }
}

fn is_late(session: &Session, timer: &dyn Timer) -> bool {
    session.gives_up_at().is_some_and(|end| timer::monotonic(timer) > end)
}
