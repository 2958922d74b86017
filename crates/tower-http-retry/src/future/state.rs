//! The state of a request across its attempts: it decides what follows an outcome.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body::Body;
use http_retry::{Attempt, Decision, GiveUpReason, PaceRejection, Policy, ResponseHead, Session};
use tower_service::Service;
use tracing::Span;
use tracing::span::Entered;

use super::delay::Delay;
use super::drain::Drain;
use super::late::named_ticket;
use super::plan::{ClockStart, policy};
use super::stage::Stage;
use super::wait::WaitState;
use crate::body::ReplayState;
use crate::body::response_body::InnerResponse;
use crate::bounds::{BytesBody, CloneService};
use crate::config::Config;
use crate::failure::{downgrade_goaway, outcome};
use crate::head::PooledSnapshot;
use crate::markers::ReadError;
use crate::observe::Event;
use crate::pace::{Admitted, PacedRequest};
use crate::rng::LazyRng;
use crate::timer::PausedTime;
use crate::{ReplayBody, RetryInfo, RetryOverride, timer, trace};

/// The state of a request across its attempts.
pub(super) struct RetryState<S, P, B, T: InnerResponse, E> {
    pub(super) inner: S,
    pub(super) config: Arc<Config<P>>,
    pub(super) session: Session,
    clock_start: ClockStart,
    /// The time that does not count.
    paused: Option<Arc<dyn PausedTime>>,
    pub(super) snapshot: PooledSnapshot,
    pub(super) replay: ReplayState<B>,
    /// The first attempt, if a pace admitted it at the call. Then it is in flight, or its outcome was the last one.
    pub(super) admitted: Option<Admitted>,
    /// The state of the waits, from the first failed attempt on.
    pub(super) wait: Option<Box<WaitState<T, E>>>,
    /// The reason for which the session gave up.
    pub(super) reason: Option<GiveUpReason>,
}

impl<S, P, B, R> RetryState<S, P, B, Response<R>, S::Error>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    P: Policy,
    B: BytesBody,
    R: Body,
{
    pub(super) fn new(
        inner: S,
        config: Arc<Config<P>>,
        session: Session,
        clock_start: ClockStart,
        paused: Option<Arc<dyn PausedTime>>,
        snapshot: PooledSnapshot,
        replay: ReplayState<B>,
    ) -> Self {
        let (admitted, wait, reason) = (None, None, None);
        Self { inner, config, session, clock_start, paused, snapshot, replay, admitted, wait, reason }
    }

    /// Returns what happened to the request, once its session has ended, unless the first outcome was accepted.
    pub(super) fn info(&self) -> Option<RetryInfo> {
        RetryInfo::from_session(&self.session, self.reason)
    }

    /// Enters the span of the resend in flight.
    pub(super) fn enter_resend_span(&self) -> Option<Entered<'_>> {
        self.wait.as_ref().map(|wait| wait.resend_span.enter())
    }

    /// Starts the clock of the session when its first attempt is pending. The clock is read once the attempt
    /// is in flight, where reading it delays no request, and not at all if the response is there at the first
    /// poll.
    #[inline]
    pub(super) fn start_clock(&mut self) {
        if matches!(self.clock_start, ClockStart::Pending) {
            self.clock_start = ClockStart::At(self.config.timer.now());
        }
    }

    /// Reports the outcome of an attempt to the pace.
    #[inline]
    pub(super) fn settle(&mut self, result: &Result<Response<R>, S::Error>) {
        if let (Some(admitted), Some(pace)) = (&mut self.admitted, &self.config.pace) {
            match result {
                Ok(response) => {
                    let name = || named_ticket(pace, &mut self.snapshot, &self.replay);
                    admitted.settle(&pace.pace, &ResponseHead::from(response), name, &*self.config.timer);
                }
                Err(_) => admitted.lose(&pace.pace, &*self.config.timer),
            }
        } else if self.wait.is_some() {
            self.settle_resend(result);
        }
    }

    fn settle_resend(&mut self, result: &Result<Response<R>, S::Error>) {
        let Some(paced) = self.wait.as_mut().and_then(|wait| wait.paced.as_mut()) else {
            return;
        };
        match result {
            Ok(response) => paced.settle(&ResponseHead::from(response)),
            Err(_) => paced.lose(),
        }
        if paced.is_uncounted() {
            self.session.leave_uncounted();
        }
    }

    pub(super) fn wait(&mut self) -> &mut WaitState<Response<R>, S::Error> {
        self.wait.get_or_insert_default()
    }

    /// Runs `trace` in the span of the session.
    pub(super) fn in_session_span<T>(&self, trace: impl FnOnce() -> T) -> T {
        match &self.wait {
            Some(wait) => wait.session_span.in_scope(trace),
            None => trace(),
        }
    }

    /// Decides what follows an outcome: the wait for another attempt, or the end. `paced` is the state of the
    /// first attempt at its pace.
    #[inline]
    pub(super) fn on_outcome<M>(
        &mut self,
        result: &mut Result<Response<R>, S::Error>,
        paced: Option<PacedRequest>,
    ) -> Option<Stage<S, B>>
    where
        S::Error: ReadError<M>,
    {
        match self.try_wait(result, paced) {
            ControlFlow::Continue(()) => Some(Stage::Wait),
            ControlFlow::Break(reason) => {
                self.finish(result, reason);
                None
            }
        }
    }

    /// Starts a wait if the session decides on a resend. Otherwise it breaks with the reason why the session
    /// gave up, or with `None` if the outcome was accepted.
    fn try_wait<M>(
        &mut self,
        result: &Result<Response<R>, S::Error>,
        paced: Option<PacedRequest>,
    ) -> ControlFlow<Option<GiveUpReason>>
    where
        S::Error: ReadError<M>,
    {
        if paced.as_ref().is_some_and(PacedRequest::is_uncounted) {
            self.session.leave_uncounted();
        }
        match self.classify(result) {
            Decision::Wait(delay) => self.start_wait(delay, paced).map_break(Some),
            decision => ControlFlow::Break(decision.reason()),
        }
    }

    /// Starts the wait before a resend. It is not inlined, so that the path of an accepted outcome stays short.
    #[inline(never)]
    fn start_wait(&mut self, delay: Duration, paced: Option<PacedRequest>) -> ControlFlow<GiveUpReason> {
        if !delay.is_zero() {
            self.snapshot.shrink();
        }
        let mut paced = paced.or_else(|| self.paced_after_admission());
        if let Some(paced) = &mut paced {
            self.name(paced);
        }
        let wait = self.wait();
        wait.resend_span = Span::none();
        if paced.is_some() {
            wait.paced = paced;
        }
        match self.start_delay(delay) {
            Ok(()) => {
                self.trace_wait(delay);
                ControlFlow::Continue(())
            }
            Err(rejection) => {
                self.session.abandon();
                ControlFlow::Break(give_up_reason(rejection))
            }
        }
    }

    /// Returns the state at the pace of a request whose first attempt was admitted at the call.
    fn paced_after_admission(&mut self) -> Option<PacedRequest> {
        let ticket = self.admitted.take()?.into_ticket();
        let (pace, timer) = (self.config.pace.clone()?, Arc::clone(&self.config.timer));
        Some(PacedRequest::new(pace, timer, ticket, self.session.gives_up_at()))
    }

    /// Classifies the outcome, schedules a resend, and admits it.
    fn classify<M>(&mut self, result: &Result<Response<R>, S::Error>) -> Decision
    where
        S::Error: ReadError<M>,
    {
        let config = &self.config;
        let head = self.snapshot.head();
        let overrides = head.extension::<RetryOverride>();
        let attempt = Attempt::new(self.session.number(), head, outcome(result))
            .body(self.replay.state())
            .assume_idempotent(overrides.is_some_and(|overrides| overrides.assume_idempotent));
        let attempt = match result {
            Ok(_) => attempt,
            Err(_) => downgrade_goaway(attempt, || self.replay.is_polled()),
        };
        let decision = self.session.decide(
            policy(config, overrides),
            &attempt,
            config.budget.as_ref(),
            || {
                let paused = self.paused.as_ref().map_or(Duration::ZERO, |paused| paused.paused());
                timer::clock_reading(&*config.timer).started(self.clock_start.time()).paused(paused)
            },
            &mut LazyRng(&config.randomness),
        );
        if let Decision::Wait(_) = decision {
            self.clock_start = ClockStart::NotNeeded;
            // An upload that still runs may have exceeded the limit since its state was read.
            if !self.replay.rewind() {
                self.session.abandon();
                return Decision::GiveUp(GiveUpReason::Body);
            }
            if matches!(result, Ok(response) if response.status() == StatusCode::EXPECTATION_FAILED) {
                self.snapshot.remove_expect();
            }
        }
        decision
    }

    /// Starts the delay before a resend. The pace may reject the request at once.
    fn start_delay(&mut self, delay: Duration) -> Result<(), PaceRejection> {
        let timer = &*self.config.timer;
        let wait = self.wait.get_or_insert_default();
        let yielded = !delay.is_zero();
        wait.delay = Some(match &mut wait.paced {
            Some(paced) => {
                let now = timer::monotonic(timer);
                wait.wait_started_at = Some(now);
                paced.join(now.saturating_add(delay), self.session.gives_up_at())?;
                Delay::Pace { yielded }
            }
            None if yielded => Delay::Sleep(timer.sleep(delay)),
            None => Delay::Yield { yielded },
        });
        Ok(())
    }

    /// Holds the outcome during the wait, unless it is a response that is too long to read.
    pub(super) fn hold_outcome(&mut self, result: Result<Response<R>, S::Error>) {
        let drain = match &result {
            Err(_) => None,
            Ok(response) => match Drain::new(response.body(), self.config.drain) {
                None => return,
                drain => drain,
            },
        };
        let wait = self.wait();
        (wait.outcome, wait.drain) = (Some(result), drain);
    }

    /// Ends the session with an outcome for the caller, and adds the info to it.
    #[inline]
    pub(super) fn finish<T>(
        &mut self,
        result: &mut Result<Response<T>, S::Error>,
        reason: Option<GiveUpReason>,
    ) {
        self.reason = reason;
        let paced = self.wait.as_ref().and_then(|wait| wait.paced.as_ref());
        if let (Some(wait), Ok(response)) = (paced.and_then(PacedRequest::wait), &mut *result) {
            response.extensions_mut().insert(wait);
        }
        if let Some(info) = self.info() {
            self.annotate(info, result);
        }
        if let Some(observer) = &self.config.observer {
            observer.on_event(&Event::finished(self.snapshot.head(), &self.session, reason, result));
        }
    }

    /// Reports to the hook that the pace rejected the request before its first attempt, or that the inner service failed when
    /// it was readied for it.
    pub(super) fn on_unsent(&self, rejection: Option<PaceRejection>) {
        if let Some(observer) = &self.config.observer {
            let reason = rejection.map(give_up_reason);
            observer.on_event(&Event::not_sent(self.snapshot.head(), &self.session, 0, reason));
        }
    }

    /// Traces the end of the session, and puts the info into the response's extensions.
    fn annotate<T>(&self, info: RetryInfo, result: &mut Result<Response<T>, S::Error>) {
        self.in_session_span(|| trace::session_ended(&info));
        if let Ok(response) = result {
            response.extensions_mut().insert(info);
        }
    }

    fn trace_wait(&mut self, delay: Duration) {
        let wait = self.wait.get_or_insert_default();
        if wait.session_span.is_none() {
            wait.session_span = trace::session_span(&self.snapshot.head());
        }
        wait.session_span.in_scope(|| trace::will_resend(&self.session, delay));
        if let Some(observer) = &self.config.observer {
            let event = Event::will_resend(self.snapshot.head(), &self.session, delay);
            event.iter().for_each(|event| observer.on_event(event));
        }
    }
}

impl<S, P, B, T: InnerResponse, E> Drop for RetryState<S, P, B, T, E> {
    fn drop(&mut self) {
        if let (Some(admitted), Some(pace)) = (&mut self.admitted, &self.config.pace) {
            admitted.lose(&pace.pace, &*self.config.timer);
        }
    }
}

/// Returns the reason for which a session gives up after a rejection by its pace.
pub(super) fn give_up_reason(rejection: PaceRejection) -> GiveUpReason {
    match rejection {
        PaceRejection::TooLong => GiveUpReason::MaxElapsed,
        _ => GiveUpReason::Pace,
    }
}
