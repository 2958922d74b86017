//! What a request takes along from attempt to attempt.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::Body;
use http_retry::{Attempt, Failure, Outcome, Policy, Reason, Refusal, ResponseHead, Session, Step, Ticket};
use tower_service::Service;
use tracing::Span;

use super::drain::{Drain, Drained};
use super::itinerary::{Itinerary, policy};
use super::{Pause, Stage};
use crate::body::Original;
use crate::head::Snapshot;
use crate::layer::Terms;
use crate::pace::{Line, Passage};
use crate::randomness::Draws;
use crate::timer::{self, Sleep};
use crate::{
    BytesBody, CloneService, PaceError, ReadError, ReplayBody, RetryInfo, RetryOverride, failure, trace,
};

/// What a request takes along from attempt to attempt.
pub(super) struct Journey<S, P, B, T, E> {
    inner: S,
    /// The outcome before a wait, which is returned if no attempt can follow: an error, or a response whose
    /// body was read to its end. Any other response is dropped, since it would hold its connection.
    outcome: Option<Result<T, E>>,
    terms: Arc<Terms<P>>,
    session: Session,
    overrides: Option<RetryOverride>,
    snapshot: Snapshot,
    original: Original<B>,
    /// Its place in line, where there is a pace.
    ticket: Option<Ticket>,
    /// When the last wait for a turn began.
    paused_at: Option<Duration>,
    /// What happened on the way, once it has ended.
    info: Option<RetryInfo>,
    /// Open from the first retry on.
    span: Span,
}

impl<S, P, B, R> Journey<S, P, B, Response<R>, S::Error>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    P: Policy,
    B: BytesBody,
{
    pub(super) fn new(
        inner: S,
        terms: Arc<Terms<P>>,
        itinerary: Itinerary,
        snapshot: Snapshot,
        original: Original<B>,
    ) -> Self {
        let Itinerary { session, overrides } = itinerary;
        Self {
            inner,
            outcome: None,
            terms,
            session,
            overrides,
            snapshot,
            original,
            ticket: None,
            paused_at: None,
            info: None,
            span: Span::none(),
        }
    }

    /// What happened on the way, once it has ended, unless the first outcome was accepted.
    pub(super) fn info(&self) -> Option<RetryInfo> {
        self.info
    }

    /// Tells the others what came of an attempt.
    pub(super) fn observe(&self, passage: Passage, result: &Result<Response<R>, S::Error>) {
        if let Ok(response) = result {
            passage.observe(&ResponseHead::from(response), &*self.terms.settings.timer);
        }
    }

    /// What follows an outcome: the wait for another attempt, or the end. `ticket` is the place in line that the
    /// first attempt had.
    pub(super) fn conclude<M>(
        &mut self,
        result: Result<Response<R>, S::Error>,
        ticket: Option<Ticket>,
    ) -> Next<S, B, R>
    where
        S::Error: ReadError<M>,
        R: Body,
    {
        self.ticket = self.ticket.or(ticket);
        let reason = match self.settle(&result) {
            Step::Wait(delay) => match self.pause(delay) {
                Ok(pause) => {
                    self.trace_wait(delay);
                    let drain = self.keep(result);
                    return ControlFlow::Continue(Stage::Wait { pause, drain });
                }
                Err(refusal) => {
                    self.session.abandon();
                    Some(reason(refusal))
                }
            },
            ending => ending.reason(),
        };
        ControlFlow::Break(self.finish(result, reason).map_err(PaceError::Inner))
    }

    /// Classify, schedule, admit.
    fn settle<M>(&mut self, result: &Result<Response<R>, S::Error>) -> Step
    where
        S::Error: ReadError<M>,
    {
        let settings = &self.terms.settings;
        let overrides = self.overrides.as_ref();
        let attempt = Attempt::new(self.session.number(), self.snapshot.head(), outcome(result))
            .body(self.original.state())
            .vouched(overrides.is_some_and(|overrides| overrides.vouched));
        let step = self.session.decide(
            policy(&self.terms, overrides),
            &attempt,
            settings.budget.as_ref(),
            || timer::moment(&*settings.timer),
            &mut Draws(&settings.randomness),
        );
        if let Step::Wait(_) = step {
            // An upload that still runs may have outgrown the limit since its state was read.
            if !self.original.reclaim() {
                self.session.abandon();
                return Step::GiveUp(Reason::Body);
            }
            if matches!(result, Ok(response) if response.status() == StatusCode::EXPECTATION_FAILED) {
                self.snapshot.expect_nothing();
            }
        }
        step
    }

    /// The wait before a resend.
    fn pause(&mut self, delay: Duration) -> Result<Pause, Refusal> {
        let settings = &self.terms.settings;
        let yielded = !delay.is_zero();
        let (Some(pace), Some(ticket)) = (&settings.pace, self.ticket) else {
            return Ok(match yielded {
                false => Pause::Yield { yielded },
                true => Pause::Sleep(settings.timer.sleep(delay)),
            });
        };
        let now = timer::monotonic(&*settings.timer);
        let ticket = ticket.not_before(now.saturating_add(delay)).ends_at(self.session.ends_at());
        self.paused_at.get_or_insert(now);
        let line = Line::join(pace.clone(), ticket, Arc::clone(&settings.timer))?;
        Ok(Pause::Line { line, yielded })
    }

    /// The request is not let through after all: the caller gets the outcome before the wait, if it is still here.
    pub(super) fn turned_away(&mut self, refusal: Refusal) -> Result<Response<R>, PaceError<S::Error>> {
        self.session.abandon();
        match self.outcome.take() {
            Some(outcome) => self.finish(outcome, Some(reason(refusal))).map_err(PaceError::Inner),
            None => {
                self.span.in_scope(|| trace::refused(refusal));
                Err(PaceError::Refused(refusal))
            }
        }
    }

    /// Keeps the outcome for as long as the wait, if it can be, and says how its body is to be drained.
    fn keep(&mut self, result: Result<Response<R>, S::Error>) -> Option<Drain>
    where
        R: Body,
    {
        let drain = match &result {
            Err(_) => None,
            Ok(response) => Some(Drain::of(response.body(), self.terms.settings.drain)?),
        };
        self.outcome = Some(result);
        drain
    }

    /// Reads the failed response to its end, or drops it where that is too much.
    pub(super) fn poll_drain(&mut self, drain: &mut Option<Drain>, cx: &mut Context<'_>)
    where
        R: Body + Unpin,
    {
        let (Some(draining), Some(Ok(response))) = (drain.as_mut(), &mut self.outcome) else {
            return;
        };
        let timer = &*self.terms.settings.timer;
        match draining.poll(response.body_mut(), timer, cx) {
            Poll::Pending => {}
            Poll::Ready(Drained::Ended { was_empty }) => {
                *drain = None;
                if !was_empty {
                    describe_no_content(response.headers_mut());
                }
            }
            Poll::Ready(Drained::Unfinished) => self.end_drain(drain),
        }
    }

    /// Drops a response that was not read to its end.
    pub(super) fn end_drain(&mut self, drain: &mut Option<Drain>) {
        if drain.take().is_some() {
            self.outcome = None;
        }
    }

    /// Sends again. The inner service must be ready, and may have taken so long that the server wants quiet again.
    pub(super) fn resend(&mut self, passage: Option<Passage>) -> Next<S, B, R> {
        let timer = &*self.terms.settings.timer;
        if passage.as_ref().is_some_and(|passage| !passage.is_open(timer)) {
            // It goes back in line, and what the readied instance holds goes to others.
            drop(passage);
            self.inner = self.inner.clone();
            return match self.pause(Duration::ZERO) {
                Ok(pause) => ControlFlow::Continue(Stage::Wait { pause, drain: None }),
                Err(refusal) => ControlFlow::Break(self.turned_away(refusal)),
            };
        }
        if self.is_late() {
            self.span.in_scope(|| trace::late(self.session.number()));
        }
        self.outcome = None;
        let paused_at = self.paused_at.take();
        let waited = paused_at.map(|paused_at| timer::monotonic(timer).saturating_sub(paused_at));
        let number = self.session.resend_after(waited.unwrap_or_default());
        let header = self.terms.settings.attempt_header.as_ref();
        let request = self.snapshot.request(number, header, self.original.attempt());
        let span = self.span.in_scope(|| trace::resend(number));
        let attempt = span.in_scope(|| self.inner.call(request));
        ControlFlow::Continue(Stage::Attempt { attempt, passage, span })
    }

    /// Hands the last outcome to the caller, with what happened on the way.
    fn finish(
        &mut self,
        mut result: Result<Response<R>, S::Error>,
        reason: Option<Reason>,
    ) -> Result<Response<R>, S::Error> {
        let info = RetryInfo {
            attempts: self.session.number(),
            waited: self.session.waited(),
            cause: self.session.cause(),
            reason,
        };
        if info.attempts == 1 && reason.is_none() {
            return result;
        }
        self.span.in_scope(|| trace::ended(&info));
        self.info = Some(info);
        if let Ok(response) = &mut result {
            response.extensions_mut().insert(info);
        }
        result
    }

    /// Readies the inner service for a resend, racing the deadline where there is an outcome to return.
    ///
    /// A service that fails here stays failed (tower's contract of `poll_ready`), so the session ends. The
    /// caller gets the outcome that the retry was for, which tells what happened to the request, and only where
    /// that is gone the error of readiness.
    pub(super) fn poll_ready<M>(
        &mut self,
        deadline: &mut Option<Sleep>,
        cx: &mut Context<'_>,
    ) -> Poll<ControlFlow<Result<Response<R>, S::Error>>>
    where
        S::Error: ReadError<M>,
    {
        let reason = match self.inner.poll_ready(cx) {
            Poll::Ready(Ok(())) if self.outcome.is_none() || !self.is_late() => {
                return Poll::Ready(ControlFlow::Continue(()));
            }
            // Either it became ready too late, or whoever polls came too late.
            Poll::Ready(Ok(())) => Reason::Deadline,
            Poll::Ready(Err(error)) => {
                self.span.in_scope(|| trace::not_ready(self.session.number(), error.as_error()));
                self.outcome.get_or_insert(Err(error));
                Reason::NotReady
            }
            Poll::Pending => {
                ready!(self.poll_deadline(deadline, cx));
                Reason::NotReady
            }
        };
        let Some(outcome) = self.outcome.take() else {
            return Poll::Pending;
        };
        self.session.abandon();
        Poll::Ready(ControlFlow::Break(self.finish(outcome, Some(reason))))
    }

    /// Resolves when the deadline passes while there is an outcome to return.
    fn poll_deadline(&self, sleep: &mut Option<Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(ends_at), true) = (self.session.ends_at(), self.outcome.is_some()) else {
            return Poll::Pending;
        };
        let timer = &*self.terms.settings.timer;
        let sleep = sleep.get_or_insert_with(|| timer.sleep(ends_at.saturating_sub(timer::monotonic(timer))));
        sleep.as_mut().poll(cx)
    }

    fn is_late(&self) -> bool {
        let now = timer::monotonic(&*self.terms.settings.timer);
        self.session.ends_at().is_some_and(|end| now > end)
    }

    fn trace_wait(&mut self, delay: Duration) {
        if self.span.is_none() {
            self.span = trace::session(&self.snapshot.head());
        }
        self.span.in_scope(|| trace::will_resend(&self.session, delay));
    }
}

/// The stage that follows, or the end.
type Next<S, B, R> =
    ControlFlow<Result<Response<R>, PaceError<<S as Service<Request<ReplayBody<B>>>>::Error>>, Stage<S, B>>;

fn reason(refusal: Refusal) -> Reason {
    match refusal {
        Refusal::Deadline => Reason::Deadline,
        _ => Reason::Pace,
    }
}

/// The content of this response was read here, and so is not there any more.
fn describe_no_content(headers: &mut HeaderMap) {
    for name in [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
}

pub(crate) fn outcome<R, E: ReadError<M>, M>(result: &Result<Response<R>, E>) -> Outcome<'_> {
    match result {
        Ok(response) => ResponseHead::from(response).into(),
        Err(error) => {
            let error = error.as_error();
            Failure::new(failure::failure_kind(error)).error(error).into()
        }
    }
}
