//! An attempt and its context, as a policy sees them.

use std::time::{Duration, SystemTime};

use crate::{Outcome, RequestHead, RetryCause, RetryHint, idempotency};

/// One send of a request with its outcome.
///
/// Tests build attempts with [`new`](Attempt::new) and the setters:
///
/// ```
/// use http::Request;
/// use http_retry::{Attempt, BodyState, FailureKind};
///
/// let request = Request::post("http://api.example/orders").body(()).unwrap();
/// let attempt = Attempt::new(2, &request, FailureKind::Timeout).body(BodyState::TooLarge);
/// assert!(!attempt.is_idempotent());
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// The number of the attempt; 1 is the first.
    pub number: u32,
    /// The head of the caller's request.
    pub request: RequestHead<'a>,
    /// The outcome of the attempt.
    pub outcome: Outcome<'a>,
    /// The state of the request body, which says if it can be sent again.
    pub body: BodyState,
    /// `true` if the caller declares the request idempotent, regardless of its method.
    pub assume_idempotent: bool,
}

impl<'a> Attempt<'a> {
    /// Creates attempt `number` of `request`, with a body that can be sent again.
    pub fn new(number: u32, request: impl Into<RequestHead<'a>>, outcome: impl Into<Outcome<'a>>) -> Self {
        Self {
            number,
            request: request.into(),
            outcome: outcome.into(),
            body: BodyState::Replayable,
            assume_idempotent: false,
        }
    }

    /// Sets the state of the body.
    pub fn body(self, body: BodyState) -> Self {
        Self { body, ..self }
    }

    /// Declares the request idempotent, regardless of its method.
    pub fn assume_idempotent(self, assume_idempotent: bool) -> Self {
        Self { assume_idempotent, ..self }
    }

    /// Returns whether the request is idempotent: by its [method](RequestHead::has_idempotent_method), by its
    /// `Idempotency-Key`, or because the caller [declares](Self::assume_idempotent) it.
    pub fn is_idempotent(&self) -> bool {
        self.assume_idempotent || self.request.has_idempotent_method() || self.has_idempotency_key()
    }

    /// Returns whether the request has a valid `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-06).
    pub fn has_idempotency_key(&self) -> bool {
        idempotency::has_idempotency_key(&self.request)
    }
}

/// The state of the request body of an [`Attempt`]. Only a replayable body can be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyState {
    /// All frames that were read are saved, or none was read.
    Replayable,
    /// The frames that were read exceed the limit of the buffer.
    TooLarge,
    /// The caller's body failed with an error.
    Failed,
}

/// A failed attempt that is worth a retry, with the state of its session.
///
/// Tests build contexts with [`new`](RetryContext::new) and the setters:
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response};
/// use http_retry::{Attempt, RetryCause, ExponentialBackoff, Policy, ResponseHead, RetryContext, Window};
///
/// let (request, response) = (Request::new(()), Response::new(()));
/// let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
/// let policy = ExponentialBackoff::new(Duration::from_millis(100), Duration::from_secs(10));
///
/// let third = RetryContext::new(attempt, RetryCause::Transient).backoff_step(2);
/// assert_eq!(policy.schedule(&third), Window::up_to(Duration::from_millis(400)).into());
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RetryContext<'a> {
    /// The failed attempt.
    pub attempt: Attempt<'a>,
    /// The cause of the retry.
    pub cause: RetryCause,
    /// The server's hint, if it gave one.
    pub hint: Option<RetryHint>,
    /// The header of the hint, by its name in the list of [`RetryHint::read`].
    pub hint_header: Option<&'static str>,
    /// The time since the session began.
    pub elapsed: Duration,
    /// The time until the last allowed start of an attempt, if there is a bound.
    pub remaining: Option<Duration>,
    /// The wall clock, for dates.
    pub now: SystemTime,
    /// The number of attempts that count against the limit, with this one. The one immediate resend of an unprocessed
    /// request does not count.
    pub attempts_used: u32,
    /// The number of resends at a time that the policy chose, since the session began or since the last wait that the server
    /// named. A backoff grows with it.
    pub backoff_step: u32,
    /// The last delay that was drawn from a window of the policy.
    pub previous_delay: Option<Duration>,
}

impl<'a> RetryContext<'a> {
    /// Creates the first context of a session, without a time limit and without a hint. Its wall clock is the Unix epoch.
    pub fn new(attempt: Attempt<'a>, cause: RetryCause) -> Self {
        Self {
            attempt,
            cause,
            hint: None,
            hint_header: None,
            elapsed: Duration::ZERO,
            remaining: None,
            now: SystemTime::UNIX_EPOCH,
            attempts_used: attempt.number,
            backoff_step: 0,
            previous_delay: None,
        }
    }

    /// Returns whether the outcome is a refusal of this caller, such as a 429, for which an early resend would be one more
    /// request too many. A 503 is no such refusal, because it says that the server is unwell.
    pub(crate) fn is_refusal(&self) -> bool {
        let status = self.attempt.outcome.response().map(|head| head.status().as_u16());
        self.cause == RetryCause::Throttled && status.is_some_and(|status| status >= 400 && status != 503)
    }

    /// Returns whether the outcome is a refusal that cost the server no work and that spares its other callers. A 529 is no such
    /// refusal, because it says that the server is overloaded.
    pub(crate) fn is_cheap_refusal(&self) -> bool {
        self.is_refusal() && self.attempt.outcome.response().is_some_and(|head| head.status().as_u16() != 529)
    }

    /// Sets the server's hint.
    pub fn hint(self, hint: impl Into<Option<RetryHint>>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// Sets the header of the hint.
    pub fn hint_header(self, header: impl Into<Option<&'static str>>) -> Self {
        Self { hint_header: header.into(), ..self }
    }

    /// Sets the time since the session began.
    pub fn elapsed(self, elapsed: Duration) -> Self {
        Self { elapsed, ..self }
    }

    /// Sets the time until the last allowed start of an attempt.
    pub fn remaining(self, remaining: impl Into<Option<Duration>>) -> Self {
        Self { remaining: remaining.into(), ..self }
    }

    /// Sets the wall clock.
    pub fn now(self, now: SystemTime) -> Self {
        Self { now, ..self }
    }

    /// Sets the number of attempts that count against the limit. The default is the number of the attempt.
    pub fn attempts_used(self, attempts_used: u32) -> Self {
        Self { attempts_used, ..self }
    }

    /// Sets the number of resends since the last wait that the server named.
    pub fn backoff_step(self, backoff_step: u32) -> Self {
        Self { backoff_step, ..self }
    }

    /// Sets the last delay that was drawn from a window of the policy.
    pub fn previous_delay(self, previous_delay: impl Into<Option<Duration>>) -> Self {
        Self { previous_delay: previous_delay.into(), ..self }
    }
}
