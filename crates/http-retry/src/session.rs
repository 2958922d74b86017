//! The loop without I/O: an outcome in, one step out.

use std::time::{Duration, SystemTime};

use rand::Rng;

use crate::{
    Attempt, BodyState, Budget, Cause, Cost, Hint, Outcome, Plan, Policy, Reason, Setback, Verdict, Window,
    Withdrawal,
};

/// One request's life across its attempts, without I/O, clock or randomness of its own.
///
/// Whoever sends the attempts asks [`decide`](Self::decide) after each, obeys the [`Step`], and calls
/// [`resend`](Self::resend) when the next attempt goes out. `RetryLayer` does just this, and so can a loop
/// written by hand:
///
/// ```
/// # use std::time::{Duration, SystemTime};
/// # use http::{Request, Response};
/// # use rand::{SeedableRng, rngs::SmallRng};
/// use http_retry::{Attempt, Moment, ResponseHead, RetryAfterFirst, Session, Step};
///
/// # let (mut clock, mut rng) = (Duration::ZERO, SmallRng::seed_from_u64(1));
/// # let mut answers = [503, 200].into_iter();
/// # let mut send = || Response::builder().status(answers.next().unwrap()).body(()).unwrap();
/// let policy = RetryAfterFirst::default();
/// let request = Request::new(());
/// let mut session = Session::new().attempts(3);
///
/// let response = loop {
///     let response = send();
///     let attempt = Attempt::new(session.number(), &request, ResponseHead::from(&response));
///     # let now = clock;
///     let step = session.decide(&policy, &attempt, None, || Moment::new(now, SystemTime::UNIX_EPOCH), &mut rng);
///     match step {
///         Step::Wait(delay) => clock += delay, // sleep here
///         Step::Accept | Step::GiveUp(_) => break response,
///     }
///     session.resend();
/// };
/// assert_eq!(response.status(), 200);
/// assert_eq!(session.number(), 2);
/// ```
///
/// Three rules hold for every policy. A window that opens before the server's hint is moved to open at it,
/// its width kept. A hint of [`Hint::Never`] ends the session. And what is not admitted costs nothing: the
/// budget is asked last, and a token that was withdrawn for a resend that never went out goes back.
#[derive(Debug)]
pub struct Session {
    attempts: u32,
    deadline: Option<Duration>,
    heeds_hints: bool,
    started: Option<Duration>,
    number: u32,
    step: u32,
    sent_at_once: bool,
    previous_delay: Option<Duration>,
    waited: Duration,
    setback: Option<(Cause, Option<Hint>)>,
    next: Option<Next>,
}

/// A resend that was admitted and has not gone out.
#[derive(Debug)]
struct Next {
    delay: Duration,
    kind: Kind,
    withdrawal: Option<Withdrawal>,
}

/// Who chose the time of a resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The protocol: the first one that was refused goes out at once, uncounted (gRPC A6, "transparent").
    AtOnce,
    /// The server.
    Hinted,
    /// The policy.
    Scheduled,
}

/// What to do after an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Hand the outcome to the caller.
    Accept,
    /// Hand the outcome to the caller; it was worth retrying, but for this reason it is the last.
    GiveUp(Reason),
    /// Wait, then send again.
    Wait(Duration),
}

/// What the clocks say.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Moment {
    /// Monotonic time since a moment that all users of a session and its budget share.
    pub monotonic: Duration,
    /// The wall clock, for dates.
    pub wall: SystemTime,
}

impl Moment {
    /// What the two clocks say.
    pub const fn new(monotonic: Duration, wall: SystemTime) -> Self {
        Self { monotonic, wall }
    }
}

impl Session {
    /// At most 3 attempts, the last of which starts within 60 s. See [`attempts`](Self::attempts) and
    /// [`deadline`](Self::deadline).
    pub const fn new() -> Self {
        Self {
            attempts: 3,
            deadline: Some(Duration::from_secs(60)),
            heeds_hints: true,
            started: None,
            number: 1,
            step: 0,
            sent_at_once: false,
            previous_delay: None,
            waited: Duration::ZERO,
            setback: None,
            next: None,
        }
    }

    /// Sets how often the request may be sent in all; 0 means 1.
    pub fn attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// Sets the time from the start of the session to the start of its last attempt; `None` for no bound.
    pub fn deadline(self, deadline: impl Into<Option<Duration>>) -> Self {
        Self { deadline: deadline.into(), ..self }
    }

    /// Does not read what the server wishes about time, and hides it from the policy.
    pub fn ignore_hints(self) -> Self {
        Self { heeds_hints: false, ..self }
    }

    /// Starts the session's clock, in the time of [`Moment::monotonic`]. Without this it starts with the first
    /// setback, so that a session without a deadline reads no clock for a success.
    pub fn started(self, monotonic: Duration) -> Self {
        Self { started: Some(monotonic), ..self }
    }

    /// The number of the attempt that is under way, or was the last; 1 is the original.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The sum of the waits before the attempts that went out.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Why the last outcome that was worth retrying was so.
    pub fn cause(&self) -> Option<Cause> {
        self.setback.map(|(cause, _)| cause)
    }

    /// What the server wished with the last outcome that was worth retrying.
    pub fn hint(&self) -> Option<Hint> {
        self.setback.and_then(|(_, hint)| hint)
    }

    /// The moment after which nothing may be sent, in the time of [`Moment::monotonic`], once the session's
    /// clock runs.
    pub fn ends_at(&self) -> Option<Duration> {
        Some(self.started?.saturating_add(self.deadline?))
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
        clock: impl FnOnce() -> Moment,
        rng: &mut R,
    ) -> Step
    where
        P: Policy + ?Sized,
        R: Rng + ?Sized,
    {
        self.next = None;
        let cause = match policy.classify(attempt) {
            Verdict::Retry(cause) => cause,
            Verdict::Accept => {
                if let (Some(budget), true) = (budget, attempt.outcome.is_success()) {
                    budget.deposit();
                }
                return Step::Accept;
            }
        };
        let moment = clock();
        let setback = self.setback(attempt, cause, moment);
        let admitted = self.schedule(policy, &setback).and_then(|(window, kind)| {
            let next = Next { delay: window.draw(rng), kind, withdrawal: None };
            self.admit(next, &setback, budget, moment)
        });
        match admitted {
            Err(reason) => Step::GiveUp(reason),
            Ok(next) => {
                let delay = next.delay;
                self.next = Some(next);
                Step::Wait(delay)
            }
        }
    }

    /// The resend that [`decide`](Self::decide) admitted goes out now: counts it, spends its token, and returns
    /// its number. Without an admitted resend this only returns the number.
    pub fn resend(&mut self) -> u32 {
        let Some(next) = self.next.take() else {
            return self.number;
        };
        self.number = self.number.saturating_add(1);
        self.waited = self.waited.saturating_add(next.delay);
        match next.kind {
            Kind::AtOnce => self.sent_at_once = true,
            Kind::Hinted => self.step = 0,
            Kind::Scheduled => {
                self.step = self.step.saturating_add(1);
                self.previous_delay = Some(next.delay);
            }
        }
        if let Some(withdrawal) = next.withdrawal {
            withdrawal.spend();
        }
        self.number
    }

    /// The resend that was admitted will not go out: its token goes back.
    pub fn abandon(&mut self) {
        self.next = None;
    }

    fn setback<'a>(&mut self, attempt: &Attempt<'a>, cause: Cause, moment: Moment) -> Setback<'a> {
        let hint = match attempt.outcome {
            Outcome::Response(head) if self.heeds_hints => Hint::read(&head, moment.wall),
            Outcome::Response(_) | Outcome::Failure(_) => None,
        };
        self.setback = Some((cause, hint));
        let started = *self.started.get_or_insert(moment.monotonic);
        let elapsed = moment.monotonic.saturating_sub(started);
        Setback::new(*attempt, cause)
            .hint(hint)
            .elapsed(elapsed)
            .remaining(self.deadline.map(|deadline| deadline.saturating_sub(elapsed)))
            .now(moment.wall)
            .step(self.step)
            .previous_delay(self.previous_delay)
    }

    /// When: what the policy plans, never before what the server asks.
    fn schedule<P: Policy + ?Sized>(
        &self,
        policy: &P,
        setback: &Setback<'_>,
    ) -> Result<(Window, Kind), Reason> {
        if setback.hint == Some(Hint::Never) {
            return Err(Reason::ServerRefused);
        }
        let window = match policy.schedule(setback) {
            Plan::Resend(window) => window,
            Plan::GiveUp(reason) => return Err(reason),
        };
        match setback.hint.and_then(Hint::delay) {
            Some(hint) => Ok((spread_within(window.opening_at(hint), setback.remaining), Kind::Hinted)),
            None if setback.cause == Cause::Refused && !self.sent_at_once => {
                Ok((Window::exactly(Duration::ZERO), Kind::AtOnce))
            }
            None => Ok((window, Kind::Scheduled)),
        }
    }

    /// Whether, the cheapest check first, so that nothing is spent on a resend that cannot happen.
    fn admit(
        &self,
        mut next: Next,
        setback: &Setback<'_>,
        budget: Option<&Budget>,
        moment: Moment,
    ) -> Result<Next, Reason> {
        if !self.has_attempts_left(next.kind) {
            return Err(Reason::Attempts);
        }
        if setback.attempt.body != BodyState::Replayable {
            return Err(Reason::Body);
        }
        // Not by what remains, which is zero at the deadline and ever after.
        let starts_at = setback.elapsed.checked_add(next.delay);
        if self.deadline.is_some_and(|deadline| starts_at.is_none_or(|start| start > deadline)) {
            return Err(Reason::Deadline);
        }
        if let Some(budget) = budget {
            let cost = Cost::of(setback.cause, setback.hint.is_some(), self.number == 1);
            next.withdrawal = Some(budget.withdraw(cost, moment.monotonic).ok_or(Reason::Budget)?);
        }
        Ok(next)
    }

    fn has_attempts_left(&self, kind: Kind) -> bool {
        let counted = self.number.saturating_sub(u32::from(self.sent_at_once));
        match kind {
            // Uncounted, but one attempt means one.
            Kind::AtOnce => self.attempts > 1,
            Kind::Hinted | Kind::Scheduled => counted < self.attempts,
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

/// The spread above a hint is ours to narrow where the deadline comes first; the hint is not.
fn spread_within(window: Window, remaining: Option<Duration>) -> Window {
    match remaining {
        Some(remaining) if window.earliest <= remaining => {
            Window::between(window.earliest, window.latest.min(remaining))
        }
        _ => window,
    }
}

#[cfg(test)]
mod tests;
