//! What a request takes along from attempt to attempt.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body::Body;
use http_retry::{Attempt, Decision, GiveUpReason, PaceRejection, Policy, ResponseHead, Session, Ticket};
use tower_service::Service;
use tracing::Span;
use tracing::span::Entered;

use super::Stage;
use super::detour::Detour;
use super::drain::Drain;
use super::itinerary::{Departure, policy};
use super::pause::Pause;
use crate::body::Original;
use crate::bounds::{BytesBody, CloneService};
use crate::failure::{doubt, outcome};
use crate::head::Snapshot;
use crate::layer::Terms;
use crate::markers::ReadError;
use crate::pace::Line;
use crate::randomness::Draws;
use crate::timer::{self, Timer};
use crate::{PaceError, ReplayBody, RetryInfo, RetryOverride, trace};

/// What a request takes along from attempt to attempt.
pub(super) struct Journey<S, P, B, T, E> {
    inner: S,
    terms: Arc<Terms<P>>,
    session: Session,
    departure: Departure,
    snapshot: Snapshot,
    original: Original<B>,
    /// From the first failure on.
    detour: Option<Box<Detour<T, E>>>,
    /// Why it gave up, if it has.
    reason: Option<GiveUpReason>,
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
        session: Session,
        departure: Departure,
        snapshot: Snapshot,
        original: Original<B>,
    ) -> Self {
        Self { inner, terms, session, departure, snapshot, original, detour: None, reason: None }
    }

    /// What happened on the way, once it has ended, unless the first outcome was accepted.
    pub(super) fn info(&self) -> Option<RetryInfo> {
        RetryInfo::of(&self.session, self.reason)
    }

    /// Whatever is traced meanwhile belongs to the attempt.
    pub(super) fn enter(&self) -> Option<Entered<'_>> {
        self.detour.as_ref().map(|detour| detour.resend.enter())
    }

    /// An attempt is waited for. The clock is read once it is under way, where that delays nobody, and not for one that is
    /// answered at once.
    #[inline]
    pub(super) fn depart(&mut self) {
        if matches!(self.departure, Departure::Ahead) {
            self.departure = Departure::At(self.terms.settings.timer.now());
        }
    }

    /// Tells the others in line what came of a resend.
    pub(super) fn observe(&mut self, result: &Result<Response<R>, S::Error>) {
        let passage = self.detour.as_mut().and_then(|detour| detour.passage.take());
        if let (Some(passage), Ok(response)) = (passage, result) {
            passage.observe(&ResponseHead::from(response), &*self.terms.settings.timer);
        }
    }

    fn detour(&mut self) -> &mut Detour<Response<R>, S::Error> {
        self.detour.get_or_insert_default()
    }

    /// Has what is traced belong to the session.
    fn in_span<T>(&self, trace: impl FnOnce() -> T) -> T {
        match &self.detour {
            Some(detour) => detour.span.in_scope(trace),
            None => trace(),
        }
    }

    /// What follows an outcome: the wait for another attempt, or the end. `ticket` is the place in line that the
    /// first attempt had.
    #[inline]
    pub(super) fn conclude<M>(
        &mut self,
        result: &mut Result<Response<R>, S::Error>,
        ticket: Option<Ticket>,
    ) -> Option<Stage<S, B>>
    where
        S::Error: ReadError<M>,
    {
        match self.decide(result, ticket) {
            ControlFlow::Continue(()) => Some(Stage::Wait),
            ControlFlow::Break(reason) => {
                self.finish(result, reason);
                None
            }
        }
    }

    /// Whether a wait follows, or why none does, unless the outcome is as good as any.
    fn decide<M>(
        &mut self,
        result: &Result<Response<R>, S::Error>,
        ticket: Option<Ticket>,
    ) -> ControlFlow<Option<GiveUpReason>>
    where
        S::Error: ReadError<M>,
    {
        match self.settle(result) {
            Decision::Wait(delay) => self.wait(delay, ticket).map_break(Some),
            ending => ControlFlow::Break(ending.reason()),
        }
    }

    /// Begins the wait that was decided on. Apart, so that what needs none is done with soon.
    #[inline(never)]
    fn wait(&mut self, delay: Duration, ticket: Option<Ticket>) -> ControlFlow<GiveUpReason> {
        if !delay.is_zero() {
            self.snapshot.shrink();
        }
        let detour = self.detour();
        detour.resend = Span::none();
        detour.ticket = detour.ticket.or(ticket);
        match self.pause(delay) {
            Ok(()) => {
                self.trace_wait(delay);
                ControlFlow::Continue(())
            }
            Err(refusal) => {
                self.session.abandon();
                ControlFlow::Break(reason(refusal))
            }
        }
    }

    /// Classify, schedule, admit.
    fn settle<M>(&mut self, result: &Result<Response<R>, S::Error>) -> Decision
    where
        S::Error: ReadError<M>,
    {
        let settings = &self.terms.settings;
        let head = self.snapshot.head();
        let overrides = head.extension::<RetryOverride>();
        let attempt = Attempt::new(self.session.number(), head, outcome(result))
            .body(self.original.state())
            .assume_idempotent(overrides.is_some_and(|overrides| overrides.assume_idempotent));
        let attempt = match result {
            Ok(_) => attempt,
            Err(_) => doubt(attempt, || self.original.is_asked()),
        };
        let step = self.session.decide(
            policy(&self.terms, overrides),
            &attempt,
            settings.budget.as_ref(),
            || timer::moment(&*settings.timer).started(self.departure.time()),
            &mut Draws(&settings.randomness),
        );
        if let Decision::Wait(_) = step {
            self.departure = Departure::Unasked;
            // An upload that still runs may have outgrown the limit since its state was read.
            if !self.original.rewind() {
                self.session.abandon();
                return Decision::GiveUp(GiveUpReason::Body);
            }
            if matches!(result, Ok(response) if response.status() == StatusCode::EXPECTATION_FAILED) {
                self.snapshot.expect_nothing();
            }
        }
        step
    }

    /// Begins the wait before a resend.
    fn pause(&mut self, delay: Duration) -> Result<(), PaceRejection> {
        let settings = &self.terms.settings;
        let detour = self.detour.get_or_insert_default();
        let yielded = !delay.is_zero();
        detour.pause = Some(match (&settings.pace, detour.ticket) {
            (Some(pace), Some(ticket)) => {
                let now = timer::monotonic(&*settings.timer);
                let ticket = ticket.not_before(now.saturating_add(delay)).ends_at(self.session.gives_up_at());
                detour.paused_at.get_or_insert(now);
                let line = Line::join(pace.clone(), ticket, Arc::clone(&settings.timer))?;
                Pause::Line { line, yielded }
            }
            _ if yielded => Pause::Sleep(settings.timer.sleep(delay)),
            _ => Pause::Yield { yielded },
        });
        Ok(())
    }

    /// The request is not let through after all: the caller gets the outcome before the wait, if it is still here.
    pub(super) fn turned_away(&mut self, refusal: PaceRejection) -> Result<Response<R>, PaceError<S::Error>> {
        self.session.abandon();
        match self.detour().outcome.take() {
            Some(mut outcome) => {
                self.finish(&mut outcome, Some(reason(refusal)));
                outcome.map_err(PaceError::inner)
            }
            None => {
                self.reason = Some(reason(refusal));
                self.in_span(|| trace::refused(refusal));
                Err(PaceError::rejected(refusal))
            }
        }
    }

    /// Keeps the outcome for as long as the wait, if it can be.
    pub(super) fn keep(&mut self, result: Result<Response<R>, S::Error>)
    where
        R: Body,
    {
        let drain = match &result {
            Err(_) => None,
            Ok(response) => match Drain::of(response.body(), self.terms.settings.drain) {
                None => return,
                drain => drain,
            },
        };
        let detour = self.detour();
        (detour.outcome, detour.drain) = (Some(result), drain);
    }

    /// Waits, and meanwhile reads the failed response to its end.
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Next<S, B, R>>
    where
        R: Body + Unpin,
    {
        let timer = &*self.terms.settings.timer;
        let detour = self.detour.get_or_insert_default();
        detour.poll_drain(timer, cx);
        let turn = match &mut detour.pause {
            Some(pause) => ready!(pause.poll(cx)),
            None => Ok(None),
        };
        detour.pause = None;
        detour.end_drain();
        Poll::Ready(match turn {
            Ok(passage) => {
                detour.passage = passage;
                ControlFlow::Continue(Stage::Ready)
            }
            Err(refusal) => ControlFlow::Break(self.turned_away(refusal)),
        })
    }

    /// Sends again. The inner service must be ready, and may have taken so long that the server wants quiet again.
    fn resend(&mut self, is_late: bool) -> Next<S, B, R> {
        let timer = &*self.terms.settings.timer;
        let detour = self.detour.get_or_insert_default();
        if detour.passage.as_ref().is_some_and(|passage| !passage.is_open(timer)) {
            // It goes back in line, and what the readied instance holds goes to others.
            detour.passage = None;
            self.inner = self.inner.clone();
            return match self.pause(Duration::ZERO) {
                Ok(()) => ControlFlow::Continue(Stage::Wait),
                Err(refusal) => ControlFlow::Break(self.turned_away(refusal)),
            };
        }
        if is_late {
            detour.span.in_scope(|| trace::late(self.session.number()));
        }
        detour.outcome = None;
        let paused_at = detour.paused_at.take();
        let waited = paused_at.map(|paused_at| timer::monotonic(timer).saturating_sub(paused_at));
        let number = self.session.resend_after(waited.unwrap_or_default());
        let mut request = self.snapshot.request(number, self.original.body());
        if let Some(header) = &self.terms.settings.attempt_header {
            header.set(&mut request, self.session.retries());
        }
        detour.resend = detour.span.in_scope(|| trace::resend(number));
        // Not in a closure: the request is large, and would be moved into it.
        let _entered = detour.resend.enter();
        ControlFlow::Continue(Stage::Attempt { attempt: self.inner.call(request) })
    }

    /// Adds what happened on the way to the last outcome, which is the caller's.
    #[inline]
    fn finish(&mut self, result: &mut Result<Response<R>, S::Error>, reason: Option<GiveUpReason>) {
        self.reason = reason;
        if let Some(info) = self.info() {
            self.tell(info, result);
        }
    }

    fn tell(&self, info: RetryInfo, result: &mut Result<Response<R>, S::Error>) {
        self.in_span(|| trace::ended(&info));
        if let Ok(response) = result {
            response.extensions_mut().insert(info);
        }
    }

    /// Readies the inner service for a resend, racing the deadline where there is an outcome to return.
    ///
    /// A service that fails here stays failed (tower's contract of `poll_ready`), so the session ends. The
    /// caller gets the outcome that the retry was for, which tells what happened to the request, and only where
    /// that is gone the error of readiness.
    pub(super) fn poll_ready<M>(&mut self, cx: &mut Context<'_>) -> Poll<Next<S, B, R>>
    where
        S::Error: ReadError<M>,
    {
        let timer = &*self.terms.settings.timer;
        let detour = self.detour.get_or_insert_default();
        let reason = match self.inner.poll_ready(cx) {
            Poll::Ready(Ok(())) => {
                let is_late = is_late(&self.session, timer);
                if detour.outcome.is_none() || !is_late {
                    detour.deadline = None;
                    return Poll::Ready(self.resend(is_late));
                }
                // Either it became ready too late, or whoever polls came too late.
                GiveUpReason::MaxElapsed
            }
            Poll::Ready(Err(error)) => {
                detour.span.in_scope(|| trace::not_ready(self.session.number(), error.as_error()));
                detour.outcome.get_or_insert(Err(error));
                GiveUpReason::NotReady
            }
            Poll::Pending => {
                ready!(detour.poll_deadline(self.session.gives_up_at(), timer, cx));
                GiveUpReason::NotReady
            }
        };
        let Some(mut outcome) = detour.outcome.take() else {
            return Poll::Pending;
        };
        self.session.abandon();
        self.finish(&mut outcome, Some(reason));
        Poll::Ready(ControlFlow::Break(outcome.map_err(PaceError::inner)))
    }

    fn trace_wait(&mut self, delay: Duration) {
        let detour = self.detour.get_or_insert_default();
        if detour.span.is_none() {
            detour.span = trace::session(&self.snapshot.head());
        }
        detour.span.in_scope(|| trace::will_resend(&self.session, delay));
    }
}

fn is_late(session: &Session, timer: &dyn Timer) -> bool {
    session.gives_up_at().is_some_and(|end| timer::monotonic(timer) > end)
}

/// The stage that follows, or the end.
pub(super) type Next<S, B, R> =
    ControlFlow<Result<Response<R>, PaceError<<S as Service<Request<ReplayBody<B>>>>::Error>>, Stage<S, B>>;

fn reason(refusal: PaceRejection) -> GiveUpReason {
    match refusal {
        PaceRejection::Deadline => GiveUpReason::MaxElapsed,
        _ => GiveUpReason::Pace,
    }
}
