//! The loop without I/O: an outcome in, one step out.

mod admit;

use std::time::{Duration, SystemTime};

use http::StatusCode;
use rand::Rng;

use self::admit::{Kind, Next, is_transparent};
use crate::{Attempt, Budget, GiveUpReason, Outcome, Policy, RetryCause, RetryContext, RetryHint, Verdict};

/// One request's life across its attempts, without I/O, clock or randomness of its own.
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
///     let step = session.decide(&policy, &attempt, None, || ClockReading::new(now, SystemTime::UNIX_EPOCH), &mut rng);
///     match step {
///         Decision::Wait(delay) => clock += delay, // sleep here
///         Decision::Accept | Decision::GiveUp(_) => break response,
///     }
///     session.resend();
/// };
/// assert_eq!(response.status(), 200);
/// assert_eq!(session.number(), 2);
/// ```
///
/// The generator is one of `rand` 0.10, or any other that implements [`rand_core::Rng`](crate::rand_core::Rng) of
/// `rand_core` 0.10. One of `rand` 0.9 implements a trait of another version, and does not compile here.
///
/// Three rules hold for every policy. A window that opens before the server's hint is moved to open at it,
/// its width kept. A hint of [`RetryHint::Never`] ends the session. And what is not admitted costs nothing: the
/// budget is asked last, and a token that was withdrawn for a resend that never went out goes back.
#[derive(Debug)]
pub struct Session {
    max_attempts: u32,
    max_elapsed: Option<Duration>,
    heeds_hints: bool,
    is_paced: bool,
    started: Option<Duration>,
    number: u32,
    /// `None` until an outcome was worth retrying, which few are: a session is part of each request's future.
    past: Option<Box<Past>>,
}

/// What there is to know once an outcome was worth retrying.
#[derive(Debug, Default)]
struct Past {
    step: u32,
    sent_at_once: bool,
    previous_delay: Option<Duration>,
    waited: Duration,
    retries: u32,
    cause: Option<RetryCause>,
    hint: Option<(RetryHint, &'static str)>,
    next: Option<Next>,
}

/// What to do after an outcome, as the loop of a [`Session`] obeys it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a session only decides; waiting and sending are the caller's"]
pub enum Decision {
    /// Hand the outcome to the caller.
    Accept,
    /// Hand the outcome to the caller. It was worth retrying, or would have been for another request, and for this reason
    /// it is the last.
    GiveUp(GiveUpReason),
    /// Wait, then send again.
    Wait(Duration),
}

impl Decision {
    /// Why the session gave up, if it did.
    pub fn reason(self) -> Option<GiveUpReason> {
        match self {
            Self::GiveUp(reason) => Some(reason),
            Self::Accept | Self::Wait(_) => None,
        }
    }
}

/// What the clocks say when a [`Session`] asks.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClockReading {
    /// Monotonic time since a moment that all users of a session and its budget share.
    pub monotonic: Duration,
    /// The wall clock, for dates.
    pub wall: SystemTime,
    /// When the session began, in monotonic time, where [`Session::started`] was not told.
    pub started: Option<Duration>,
}

impl ClockReading {
    /// What the two clocks say.
    pub const fn new(monotonic: Duration, wall: SystemTime) -> Self {
        Self { monotonic, wall, started: None }
    }

    /// Sets when the session began: for those who keep the time of another clock until it is asked for.
    pub fn started(self, monotonic: impl Into<Option<Duration>>) -> Self {
        Self { started: monotonic.into(), ..self }
    }
}

impl Session {
    /// How often a request is sent in all, unless [`max_attempts`](Self::max_attempts) says otherwise.
    pub const MAX_ATTEMPTS: u32 = 3;

    /// The time to the start of the last attempt, unless [`max_elapsed`](Self::max_elapsed) says otherwise.
    pub const MAX_ELAPSED: Duration = Duration::from_secs(60);

    /// At most [`MAX_ATTEMPTS`](Self::MAX_ATTEMPTS), the last of which starts within [`MAX_ELAPSED`](Self::MAX_ELAPSED).
    pub const fn new() -> Self {
        Self {
            max_attempts: Self::MAX_ATTEMPTS,
            max_elapsed: Some(Self::MAX_ELAPSED),
            heeds_hints: true,
            is_paced: false,
            started: None,
            number: 1,
            past: None,
        }
    }

    /// Sets how often the request may be sent in all; 0 means 1.
    pub fn max_attempts(self, max_attempts: u32) -> Self {
        Self { max_attempts, ..self }
    }

    /// Sets the time from the start of the session to the start of its last attempt; `None` for no bound.
    pub fn max_elapsed(self, max_elapsed: impl Into<Option<Duration>>) -> Self {
        Self { max_elapsed: max_elapsed.into(), ..self }
    }

    /// Does not read what the server wishes about time, and hides it from the policy.
    pub fn ignore_hints(self) -> Self {
        Self { heeds_hints: false, ..self }
    }

    /// Waits no longer than the server asks where it names a time: a [`Pace`](crate::Pace) keeps the callers
    /// apart, and no spread is needed.
    pub fn paced(self) -> Self {
        Self { is_paced: true, ..self }
    }

    /// Starts the session's clock, in the time of [`ClockReading::monotonic`]. Without this it starts when the first context
    /// says ([`ClockReading::started`]), or else with it, so that a session without a deadline reads no clock for a success.
    pub fn started(self, monotonic: Duration) -> Self {
        Self { started: Some(monotonic), ..self }
    }

    /// The number of the attempt that is under way, or was the last; 1 is the original.
    #[inline]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// How many of the resends are retries as gRPC A6 counts them, with the one that is admitted: all but the
    /// transparent ones, which follow an attempt that never left, or the first that the server refused unprocessed.
    pub fn retries(&self) -> u32 {
        self.past.as_ref().map_or(0, |past| past.next.as_ref().map_or(past.retries, |next| next.retries))
    }

    /// The sum of the waits before the attempts that went out.
    pub fn waited(&self) -> Duration {
        self.past.as_ref().map_or(Duration::ZERO, |past| past.waited)
    }

    /// Why the last outcome that was worth retrying was so.
    pub fn cause(&self) -> Option<RetryCause> {
        self.past.as_ref()?.cause
    }

    /// What the server wished with the last outcome that was worth retrying.
    pub fn hint(&self) -> Option<RetryHint> {
        self.past.as_ref()?.hint.map(|(hint, _)| hint)
    }

    /// The header that held it, by its name in the list of [`RetryHint::read`].
    pub fn hint_header(&self) -> Option<&'static str> {
        self.past.as_ref()?.hint.map(|(_, header)| header)
    }

    /// The moment after which nothing may be sent, in the time of [`ClockReading::monotonic`], once the session's
    /// clock runs.
    #[inline]
    pub fn gives_up_at(&self) -> Option<Duration> {
        Some(self.started?.saturating_add(self.max_elapsed?))
    }

    /// Decides what follows an outcome: classify, schedule, admit.
    ///
    /// `attempt` is the one with [`number`](Self::number). `clock` is read only where the outcome is worth
    /// retrying, and `rng` only where a window was scheduled.
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
        // The connection speaks another protocol by now, whichever the request offered.
        if matches!(attempt.outcome, Outcome::Response(head) if head.status() == StatusCode::SWITCHING_PROTOCOLS)
        {
            return Decision::Accept;
        }
        self.answer(policy, attempt, cause, budget, clock(), rng)
    }

    /// What follows an outcome that is worth retrying. Apart, so that any other is done with soon.
    #[inline(never)]
    fn answer<P, R>(
        &mut self,
        policy: &P,
        attempt: &Attempt<'_>,
        cause: RetryCause,
        budget: Option<&Budget>,
        moment: ClockReading,
        rng: &mut R,
    ) -> Decision
    where
        P: Policy + ?Sized,
        R: Rng + ?Sized,
    {
        let context = self.context(attempt, cause, moment);
        let admitted = self.schedule(policy, &context).and_then(|(window, kind)| {
            let retries = self.retries().saturating_add(u32::from(!is_transparent(kind, cause)));
            let next = Next { delay: window.draw(rng), kind, retries, withdrawal: None };
            self.admit(next, &context, budget, moment)
        });
        match admitted {
            Err(reason) => Decision::GiveUp(reason),
            Ok(next) => {
                let delay = next.delay;
                self.past.get_or_insert_default().next = Some(next);
                Decision::Wait(delay)
            }
        }
    }

    /// The resend that [`decide`](Self::decide) admitted goes out now: counts it, spends its token, and returns
    /// its number. Without an admitted resend this only returns the number.
    pub fn resend(&mut self) -> u32 {
        self.resend_after(Duration::ZERO)
    }

    /// The same, after a wait that may have been longer than what was decided: a [`Pace`](crate::Pace) had its
    /// say too.
    pub fn resend_after(&mut self, waited: Duration) -> u32 {
        let Some(past) = &mut self.past else {
            return self.number;
        };
        let Some(next) = past.next.take() else {
            return self.number;
        };
        self.number = self.number.saturating_add(1);
        past.waited = past.waited.saturating_add(waited.max(next.delay));
        past.retries = next.retries;
        match next.kind {
            Kind::AtOnce => past.sent_at_once = true,
            Kind::Hinted => past.step = 0,
            Kind::Scheduled => {
                past.step = past.step.saturating_add(1);
                past.previous_delay = Some(next.delay);
            }
        }
        if let Some(withdrawal) = next.withdrawal {
            withdrawal.commit();
        }
        self.number
    }

    /// The resend that was admitted will not go out: its token goes back.
    #[inline]
    pub fn abandon(&mut self) {
        if let Some(past) = &mut self.past {
            past.next = None;
        }
    }

    fn context<'a>(
        &mut self,
        attempt: &Attempt<'a>,
        cause: RetryCause,
        moment: ClockReading,
    ) -> RetryContext<'a> {
        let past = self.past.get_or_insert_default();
        past.cause = Some(cause);
        past.hint = match attempt.outcome {
            Outcome::Response(head) if self.heeds_hints => RetryHint::read_with_header(&head, moment.wall),
            Outcome::Response(_) | Outcome::Failure(_) => None,
        };
        let started = *self.started.get_or_insert(moment.started.unwrap_or(moment.monotonic));
        let elapsed = moment.monotonic.saturating_sub(started);
        RetryContext::new(*attempt, cause)
            .hint(past.hint.map(|(hint, _)| hint))
            .hint_header(past.hint.map(|(_, header)| header))
            .elapsed(elapsed)
            .remaining(self.max_elapsed.map(|max_elapsed| max_elapsed.saturating_sub(elapsed)))
            .now(moment.wall)
            .attempts_used(self.number.saturating_sub(u32::from(past.sent_at_once)))
            .backoff_step(past.step)
            .previous_delay(past.previous_delay)
    }

    /// Whether the one resend that goes out at once has.
    fn sent_at_once(&self) -> bool {
        self.past.as_ref().is_some_and(|past| past.sent_at_once)
    }
}

/// Hands an outcome to the caller, with the reason if only the request keeps it from being retried.
#[inline]
fn accept<P: Policy + ?Sized>(policy: &P, attempt: &Attempt<'_>) -> Decision {
    match attempt.outcome {
        // Nearly every outcome is a success, and no reason is asked for.
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
