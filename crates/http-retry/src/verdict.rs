//! The words of a decision: what an outcome means, when to send again, why to stop.

use std::fmt;

use crate::Window;

/// What an outcome means: the answer of [`Policy::classify`](crate::Policy::classify), and of the closure in
/// [`Policy::classify_with`](crate::Policy::classify_with).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Hand it to the caller.
    Accept,
    /// Worth another attempt, for this cause.
    Retry(RetryCause),
}

/// Why an attempt is worth retrying. It sets what a resend [costs](crate::RetryCost::of) the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryCause {
    /// No byte of the request left.
    NeverSent,
    /// The server says that it did not process the request.
    Unprocessed,
    /// The server is there and asks for fewer requests.
    Throttled,
    /// Something broke that may be whole the next time.
    Transient,
    /// An attempt took too long.
    Timeout,
}

impl RetryCause {
    /// The cause as one lower-case word, as traces and headers show it.
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

/// When the next attempt may start, if at all.
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response};
/// use http_retry::{Attempt, RetryCause, Plan, Policy, GiveUpReason, ResponseHead, RetryContext, Window, policy_fn};
///
/// // What took too long once would do so again.
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
    /// In this window.
    Resend(Window),
    /// Not at all.
    GiveUp(GiveUpReason),
}

impl From<Window> for Plan {
    fn from(window: Window) -> Self {
        Self::Resend(window)
    }
}

/// Why a [`Session`](crate::Session) stopped although its last outcome was worth retrying, as a [`Plan`] or a
/// [`Decision`](crate::Decision) says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GiveUpReason {
    /// The policy would not go on.
    Policy,
    /// The request may have been processed, and is not idempotent: its method is not, and it has no `Idempotency-Key`
    /// (RFC 9110 section 9.2.2). The same outcome of an idempotent request would have been retried.
    NotIdempotent,
    /// The request is itself a resend by a client that retries, and only one of the two should.
    Nested,
    /// The server said not to try again.
    ServerSaidNo,
    /// The server asks for a longer wait than the policy is willing to make.
    HintTooLong,
    /// Every attempt was made.
    MaxAttempts,
    /// The body was too large to keep, or failed.
    Body,
    /// The next attempt would start after the deadline.
    MaxElapsed,
    /// The budget has no token left.
    Budget,
    /// The [pace](crate::Pace) would not let it wait: as many do as may.
    Pace,
    /// The inner service was not ready to take the resend: it failed, or the deadline came first.
    NotReady,
}

impl GiveUpReason {
    /// The reason as one lower-case word, as traces and headers show it.
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
