//! The retry loop without I/O. It takes an outcome and returns a decision.

mod admit;
mod clock_reading;
mod decision;
mod report;

use std::time::Duration;

use http::StatusCode;
use rand::Rng;

use self::admit::{DelaySource, PendingRetry, is_transparent};
pub use self::clock_reading::ClockReading;
pub use self::decision::Decision;
use crate::policy::THROTTLED_BASE;
use crate::{Attempt, Budget, Outcome, Policy, RetryCause, RetryContext, RetryHint, Verdict, hint};

/// The state of one request across its attempts, without I/O, clock or randomness of its own.
///
/// The code that sends the attempts calls [`decide`](Self::decide) after each, obeys the [`Decision`], and calls
/// [`resend`](Self::resend) when the next attempt goes out. `RetryLayer` does this, and so can a loop written by hand:
///
/// ```
/// # use std::time::{Duration, SystemTime};
/// # use http::{Request, Response};
/// use http_retry::{Attempt, ClockReading, ResponseHead, RetryAfterFirst, Session, Decision};
/// use rand::{SeedableRng, rngs::SmallRng};
///
/// // A program takes a new seed for each session, for example with `rand::make_rng()`.
/// let mut rng = SmallRng::seed_from_u64(1);
/// # let mut clock = Duration::ZERO;
/// # let mut answers = [503, 200].into_iter();
/// # let mut send = || Response::builder().status(answers.next().unwrap()).body(()).unwrap();
/// let policy = RetryAfterFirst::default();
/// let request = Request::new(());
/// let mut session = Session::new().max_attempts(3);
///
/// let response = loop {
///     let response = send();
///     let attempt = Attempt::new(session.number(), &request, ResponseHead::from(&response));
///     # let now = clock;
///     let decision = session.decide(&policy, &attempt, None, || ClockReading::new(now, SystemTime::UNIX_EPOCH), &mut rng);
///     match decision {
///         Decision::Wait(delay) => clock += delay, // sleep here
///         Decision::Accept | Decision::GiveUp(_) => break response,
///     }
///     session.resend();
/// };
/// assert_eq!(response.status(), 200);
/// assert_eq!(session.number(), 2);
/// ```
///
/// The generator is one of `rand` 0.10, or another that implements [`rand_core::Rng`](crate::rand_core::Rng) of `rand_core`
/// 0.10. A generator of `rand` 0.9 implements a trait of another version, and does not compile here.
///
/// Three rules hold for every policy. A window that opens before the server's hint moves so that it opens at the hint, and
/// its width stays. A hint of [`RetryHint::Never`] ends the session. A resend that is not admitted or never sent costs
/// nothing, because the budget comes last and an uncommitted withdrawal goes back.
#[derive(Debug)]
pub struct Session {
    max_attempts: u32,
    max_elapsed: Option<Duration>,
    heeds_hints: bool,
    is_paced: bool,
    started: Option<Duration>,
    number: u32,
    /// The attempts that were probes for others, and do not count.
    uncounted: u32,
    /// `None` until an outcome is worth a retry. Few are, and the box keeps the future of every request small.
    state: Option<Box<RetryState>>,
}

/// The state that a session needs once an outcome was worth a retry.
#[derive(Debug, Default)]
struct RetryState {
    /// The part of the time that does not count by which `max_elapsed` was extended.
    paused: Duration,
    backoff_step: u32,
    immediate_resend_used: bool,
    previous_delay: Option<Duration>,
    waited: Duration,
    retries: u32,
    cause: Option<RetryCause>,
    hint: Option<(RetryHint, &'static str)>,
    pending: Option<PendingRetry>,
}

impl Session {
    /// The default of [`max_attempts`](Self::max_attempts).
    pub const MAX_ATTEMPTS: u32 = 3;

    /// The largest number of attempts that [`leave_uncounted`](Self::leave_uncounted) leaves out of the count.
    pub const MAX_UNCOUNTED: u32 = 8;

    /// The default of [`max_elapsed`](Self::max_elapsed).
    pub const MAX_ELAPSED: Duration = Duration::from_secs(60);

    /// Creates a session with at most [`MAX_ATTEMPTS`](Self::MAX_ATTEMPTS). The last one starts within
    /// [`MAX_ELAPSED`](Self::MAX_ELAPSED).
    pub const fn new() -> Self {
        Self {
            max_attempts: Self::MAX_ATTEMPTS,
            max_elapsed: Some(Self::MAX_ELAPSED),
            heeds_hints: true,
            is_paced: false,
            started: None,
            number: 1,
            uncounted: 0,
            state: None,
        }
    }

    /// Sets the largest number of attempts, which counts the first one; 0 means 1.
    pub fn max_attempts(self, max_attempts: u32) -> Self {
        Self { max_attempts, ..self }
    }

    /// Sets the longest time from the start of the session to the start of its last attempt. `None` means no bound.
    pub fn max_elapsed(self, max_elapsed: impl Into<Option<Duration>>) -> Self {
        Self { max_elapsed: max_elapsed.into(), ..self }
    }

    /// Ignores the server's hints and hides them from the policy.
    pub fn ignore_hints(self) -> Self {
        Self { heeds_hints: false, ..self }
    }

    /// Waits no longer than a hint asks. A [`Pace`](crate::Pace) keeps the callers apart, so no spread is needed.
    pub fn paced(self) -> Self {
        Self { is_paced: true, ..self }
    }

    /// Sets the time at which the session began, in the time of [`ClockReading::monotonic`]. Without it, the session begins at
    /// the first reading of the clock, so that a session with only a success reads no clock at all.
    pub fn started(self, monotonic: Duration) -> Self {
        Self { started: Some(monotonic), ..self }
    }

    /// Returns the number of the current or last attempt; 1 is the first.
    #[inline]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns the number of retries as gRPC A6 counts them, with an admitted one. Transparent resends do not count. They
    /// follow an attempt that was never sent, or the first one that the server did not process.
    pub fn retries(&self) -> u32 {
        self.state
            .as_ref()
            .map_or(0, |state| state.pending.as_ref().map_or(state.retries, |pending| pending.retries))
    }

    /// Leaves the last attempt out of the count against [`max_attempts`](Self::max_attempts), because it was refused on behalf
    /// of all requests that wait for a [`Pace`](crate::Pace). It was a probe, or it was a trial: one of the first eight attempts
    /// of its request, sent at a limit that the pace tries to exceed for the requests that wait.
    /// [`Settlement::is_uncounted`](crate::Settlement::is_uncounted) says so. At most [`MAX_UNCOUNTED`](Self::MAX_UNCOUNTED),
    /// which is 8, attempts of a session are left out.
    pub fn leave_uncounted(&mut self) {
        self.uncounted = (self.uncounted + 1).min(Self::MAX_UNCOUNTED);
    }

    /// Returns the token of the admitted resend to its budget. The resend is a probe of a [`Pace`](crate::Pace), which is sent
    /// on behalf of all requests that wait, and so it costs nothing.
    pub fn waive_cost(&mut self) {
        if let Some(pending) = self.state.as_mut().and_then(|state| state.pending.as_mut()) {
            pending.withdrawal = None;
        }
    }

    /// Decides whether a resend follows an outcome, and when. The steps are classify, schedule and admit.
    ///
    /// `attempt` has the session's [`number`](Self::number). The session reads `clock` only if the outcome is worth a retry,
    /// and draws from `rng` only if the policy returned a window.
    pub fn decide<P, R>(
        &mut self,
        policy: &P,
        attempt: &Attempt<'_>,
        budget: Option<&Budget>,
        clock: impl FnOnce() -> ClockReading,
        rng: &mut R,
    ) -> Decision
    where
        P: Policy + ?Sized,
        R: Rng + ?Sized,
    {
        self.abandon();
        let verdict = policy.classify(attempt);
        if let Some(budget) = budget {
            budget.observe(verdict, &attempt.outcome);
        }
        let Verdict::Retry(cause) = verdict else {
            return accept(policy, attempt);
        };
        // The connection speaks another protocol after a 101, so the request cannot be sent again.
        if matches!(attempt.outcome, Outcome::Response(head) if head.status() == StatusCode::SWITCHING_PROTOCOLS)
        {
            return Decision::Accept;
        }
        // A peer that got a tunnel's head may have left HTTP. What it never got can go to another one.
        if cause != RetryCause::NeverSent && attempt.request.is_connect_or_upgrade() {
            return Decision::Accept;
        }
        self.decide_retry(policy, attempt, cause, budget, clock(), rng)
    }

    /// Decides on an outcome that is worth a retry. It is a function of its own, so that the path of a success stays short.
    #[inline(never)]
    fn decide_retry<P, R>(
        &mut self,
        policy: &P,
        attempt: &Attempt<'_>,
        cause: RetryCause,
        budget: Option<&Budget>,
        reading: ClockReading,
        rng: &mut R,
    ) -> Decision
    where
        P: Policy + ?Sized,
        R: Rng + ?Sized,
    {
        let context = self.context(attempt, cause, reading);
        let admitted = self.schedule(policy, &context).and_then(|(window, source)| {
            let retries = self.retries().saturating_add(u32::from(!is_transparent(source, cause)));
            let pending = PendingRetry { delay: window.draw(rng), source, retries, withdrawal: None };
            self.admit(pending, &context, budget, reading)
        });
        match admitted {
            Err(reason) => Decision::GiveUp(reason),
            Ok(pending) => {
                let delay = pending.delay;
                self.state.get_or_insert_default().pending = Some(pending);
                Decision::Wait(delay)
            }
        }
    }

    /// Records that the admitted resend is sent now. It counts the resend, commits its withdrawal, and returns its number.
    /// Without an admitted resend it only returns the current number.
    pub fn resend(&mut self) -> u32 {
        self.resend_after(Duration::ZERO)
    }

    /// Records the resend as [`resend`](Self::resend) does, after a wait that a [`Pace`](crate::Pace) may have prolonged.
    #[doc(hidden)]
    pub fn resend_after(&mut self, waited: Duration) -> u32 {
        let Some(state) = &mut self.state else {
            return self.number;
        };
        let Some(pending) = state.pending.take() else {
            return self.number;
        };
        self.number = self.number.saturating_add(1);
        state.waited = state.waited.saturating_add(waited.max(pending.delay));
        state.retries = pending.retries;
        match pending.source {
            DelaySource::Protocol => state.immediate_resend_used = true,
            DelaySource::Redispatch => {}
            // A hint that is shorter than any backoff does not show that the server is well again.
            DelaySource::Server if state.hint.is_none_or(|(hint, header)| is_short(hint, header)) => {
                state.backoff_step = state.backoff_step.saturating_add(1);
            }
            DelaySource::Server => state.backoff_step = 0,
            DelaySource::Policy => {
                state.backoff_step = state.backoff_step.saturating_add(1);
                state.previous_delay = Some(pending.delay);
            }
        }
        if let Some(withdrawal) = pending.withdrawal {
            withdrawal.commit();
        }
        self.number
    }

    /// Cancels the admitted resend, whose withdrawal goes back to the budget.
    #[inline]
    pub fn abandon(&mut self) {
        if let Some(state) = &mut self.state {
            state.pending = None;
        }
    }

    fn context<'a>(
        &mut self,
        attempt: &Attempt<'a>,
        cause: RetryCause,
        reading: ClockReading,
    ) -> RetryContext<'a> {
        let state = self.state.get_or_insert_default();
        state.cause = Some(cause);
        let added = reading.paused.saturating_sub(state.paused);
        state.paused = reading.paused;
        self.max_elapsed = self.max_elapsed.map(|max_elapsed| max_elapsed.saturating_add(added));
        state.hint = match attempt.outcome {
            Outcome::Response(head) if self.heeds_hints => RetryHint::read_with_header(&head, reading.wall),
            Outcome::Response(_) | Outcome::Failure(_) => None,
        };
        let started = *self.started.get_or_insert(reading.started.unwrap_or(reading.monotonic));
        let elapsed = reading.monotonic.saturating_sub(started);
        RetryContext::new(*attempt, cause)
            .hint(state.hint.map(|(hint, _)| hint))
            .hint_header(state.hint.map(|(_, header)| header))
            .elapsed(elapsed)
            .remaining(self.max_elapsed.map(|max_elapsed| max_elapsed.saturating_sub(elapsed)))
            .now(reading.wall)
            .attempts_used(self.number.saturating_sub(u32::from(state.immediate_resend_used)))
            .backoff_step(state.backoff_step)
            .previous_delay(state.previous_delay)
    }

    /// Returns whether the session has sent the one resend without a delay.
    fn immediate_resend_used(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.immediate_resend_used)
    }
}

/// Returns whether a hint is shorter than the backoff after a refusal without a hint. gRPC's pushback begins a new backoff in
/// any case (gRPC A6).
fn is_short(hint: RetryHint, header: &str) -> bool {
    header != hint::PUSHBACK && hint.delay().is_some_and(|delay| delay < THROTTLED_BASE)
}

/// Returns the decision on an accepted outcome, with a reason if only the request prevents a retry.
#[inline]
fn accept<P: Policy + ?Sized>(policy: &P, attempt: &Attempt<'_>) -> Decision {
    match attempt.outcome {
        // Nearly every outcome is a success, which needs no reason.
        Outcome::Response(head) if head.status().as_u16() < 400 => Decision::Accept,
        Outcome::Response(_) | Outcome::Failure(_) => reason_to_accept(policy, attempt),
    }
}

#[cold]
fn reason_to_accept<P: Policy + ?Sized>(policy: &P, attempt: &Attempt<'_>) -> Decision {
    policy.accept_reason(attempt).map_or(Decision::Accept, Decision::GiveUp)
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
