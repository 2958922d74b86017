//! One send and what came of it, as a policy sees it.

use std::time::{Duration, SystemTime};

use crate::{Outcome, RequestHead, RetryCause, RetryHint, idempotency};

/// One send of a request, and what came of it.
///
/// Rows for tests are built with [`new`](Attempt::new) and the setters:
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
    /// Which send this was: 1 is the original.
    pub number: u32,
    /// The head of the caller's request.
    pub request: RequestHead<'a>,
    /// What came back.
    pub outcome: Outcome<'a>,
    /// Whether the request's body can be sent again.
    pub body: BodyState,
    /// Whether somebody vouches that the request may be repeated, whatever its method.
    pub assume_idempotent: bool,
}

impl<'a> Attempt<'a> {
    /// Attempt `number` of `request`, with a body that can be sent again.
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

    /// Vouches that the request may be repeated, whatever its method.
    pub fn assume_idempotent(self, assume_idempotent: bool) -> Self {
        Self { assume_idempotent, ..self }
    }

    /// Whether doing the request twice does no more than doing it once: by its method
    /// (RFC 9110 section 9.2.2), by its `Idempotency-Key`, or because somebody vouches for it.
    pub fn is_idempotent(&self) -> bool {
        self.assume_idempotent || self.request.method().is_idempotent() || self.has_idempotency_key()
    }

    /// Whether the request has a valid `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-06).
    pub fn has_idempotency_key(&self) -> bool {
        idempotency::has_idempotency_key(&self.request)
    }
}

/// Whether the body of an [`Attempt`]'s request can be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyState {
    /// All that was read of it is kept, or nothing was read.
    Replayable,
    /// More was read than the limit allows to keep.
    TooLarge,
    /// The caller's own body failed while it was read.
    Failed,
}

/// An attempt worth retrying, and where its session stands.
///
/// Rows for tests are built with [`new`](RetryContext::new) and the setters:
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
    /// The attempt that set the session back.
    pub attempt: Attempt<'a>,
    /// Why it is worth retrying.
    pub cause: RetryCause,
    /// What the server wishes about time, if it says so.
    pub hint: Option<RetryHint>,
    /// The header that holds the hint, by its name in the list of [`RetryHint::read`].
    pub hint_header: Option<&'static str>,
    /// Time since the session began.
    pub elapsed: Duration,
    /// Time until the deadline, if there is one.
    pub remaining: Option<Duration>,
    /// The wall clock, for dates.
    pub now: SystemTime,
    /// How many attempts count where they are bounded, with this one: all that were sent, but for the resend that
    /// goes out at once.
    pub attempts_used: u32,
    /// Resends at a time of the policy's own since the session began, or since the last wait that the server
    /// named. Backoffs count this.
    pub backoff_step: u32,
    /// The last delay that was drawn from a policy's own window.
    pub previous_delay: Option<Duration>,
}

impl<'a> RetryContext<'a> {
    /// The first context of a session without a time limit, at the Unix epoch and without a hint.
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

    /// Sets the server's hint.
    pub fn hint(self, hint: impl Into<Option<RetryHint>>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// Sets the header that holds the hint.
    pub fn hint_header(self, header: impl Into<Option<&'static str>>) -> Self {
        Self { hint_header: header.into(), ..self }
    }

    /// Sets the time since the session began.
    pub fn elapsed(self, elapsed: Duration) -> Self {
        Self { elapsed, ..self }
    }

    /// Sets the time until the deadline.
    pub fn remaining(self, remaining: impl Into<Option<Duration>>) -> Self {
        Self { remaining: remaining.into(), ..self }
    }

    /// Sets the wall clock.
    pub fn now(self, now: SystemTime) -> Self {
        Self { now, ..self }
    }

    /// Sets how many attempts count; without this, all that were sent.
    pub fn attempts_used(self, attempts_used: u32) -> Self {
        Self { attempts_used, ..self }
    }

    /// Sets the number of resends since the last wait that the server named.
    pub fn backoff_step(self, backoff_step: u32) -> Self {
        Self { backoff_step, ..self }
    }

    /// Sets the last delay that was drawn from a policy's own window.
    pub fn previous_delay(self, previous_delay: impl Into<Option<Duration>>) -> Self {
        Self { previous_delay: previous_delay.into(), ..self }
    }
}
