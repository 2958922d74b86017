//! The verdict on an outcome, the plan for the next attempt, and the reasons to retry or to give up.

use std::fmt;

use crate::Window;

/// The meaning of an outcome. [`Policy::classify`](crate::Policy::classify) returns it, and so does the closure of
/// [`Policy::classify_with`](crate::Policy::classify_with).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The outcome is final, and goes to the caller.
    Accept,
    /// The outcome is worth another attempt, for this cause.
    Retry(RetryCause),
}

/// The ground on which an outcome is worth a retry. It decides the [cost](crate::RetryCost::new) of a resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryCause {
    /// No byte of the request was sent.
    NeverSent,
    /// The server says that it did not process the request.
    Unprocessed,
    /// The server answers and asks for fewer requests.
    Throttled,
    /// A failure occurred that the next attempt may not meet.
    Transient,
    /// An attempt took too long.
    Timeout,
}

impl RetryCause {
    /// Returns the cause in lower case with hyphens, as traces and headers show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeverSent => "never-sent",
            Self::Unprocessed => "unprocessed",
            Self::Throttled => "throttled",
            Self::Transient => "transient",
            Self::Timeout => "timeout",
        }
    }
}

impl fmt::Display for RetryCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The answer of a policy to a failed attempt: a window for the next one, or a reason to give up.
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response};
/// use http_retry::{Attempt, RetryCause, Plan, Policy, GiveUpReason, ResponseHead, RetryContext, Window, policy_fn};
///
/// // An attempt that took too long would do so again.
/// let policy = policy_fn(|context| match context.cause {
///     RetryCause::Timeout => Plan::GiveUp(GiveUpReason::Policy),
///     _ => Window::up_to(Duration::from_secs(1)).into(),
/// });
///
/// let (request, response) = (Request::new(()), Response::new(()));
/// let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
/// assert_eq!(policy.schedule(&RetryContext::new(attempt, RetryCause::Timeout)), Plan::GiveUp(GiveUpReason::Policy));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The next attempt starts in this window.
    Resend(Window),
    /// There is no further attempt, for this reason.
    GiveUp(GiveUpReason),
}

impl From<Window> for Plan {
    fn from(window: Window) -> Self {
        Self::Resend(window)
    }
}

/// The ground on which a [`Session`](crate::Session) gave up, or did not retry an outcome that another request would have
/// been retried for. A [`Plan`] or a [`Decision`](crate::Decision) carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GiveUpReason {
    /// The policy decided to give up.
    Policy,
    /// The server may have processed the request, and the request is not idempotent, neither by its method nor by an
    /// `Idempotency-Key` (RFC 9110 section 9.2.2). An idempotent request would have been sent again.
    NotIdempotent,
    /// The request is itself a resend of a client that retries, and only one of the two should retry.
    Nested,
    /// The server asked not to try again.
    ServerSaidNo,
    /// The server asks for a longer wait than the policy allows.
    HintTooLong,
    /// The limit of attempts is reached.
    MaxAttempts,
    /// The request body cannot be sent again, because it was too large to buffer or failed.
    Body,
    /// The next attempt would start after the longest allowed time.
    MaxElapsed,
    /// The budget has too few tokens.
    Budget,
    /// The [pace](crate::Pace) rejected the resend, because its queue is full or the wait too long.
    Pace,
    /// The inner service was not ready for the resend. It failed, or the time ran out first.
    NotReady,
}

impl GiveUpReason {
    /// Returns the reason in lower case with hyphens, as traces and headers show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::NotIdempotent => "not-idempotent",
            Self::Nested => "nested",
            Self::ServerSaidNo => "server-said-no",
            Self::HintTooLong => "hint-too-long",
            Self::MaxAttempts => "max-attempts",
            Self::Body => "body",
            Self::MaxElapsed => "max-elapsed",
            Self::Budget => "budget",
            Self::Pace => "pace",
            Self::NotReady => "not-ready",
        }
    }
}

impl fmt::Display for GiveUpReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
