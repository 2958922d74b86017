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
    Retry(Cause),
}

/// Why an attempt is worth retrying. It sets what a resend [costs](crate::Cost::of) the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// No byte of the request left.
    NeverSent,
    /// The server says that it did not process the request.
    Refused,
    /// The server is there and asks for fewer requests.
    Throttled,
    /// Something broke that may be whole the next time.
    Transient,
    /// An attempt took too long.
    Timeout,
}

impl Cause {
    /// The cause as one lower-case word, as traces and headers show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeverSent => "never-sent",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Transient => "transient",
            Self::Timeout => "timeout",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When the next attempt may start, if at all.
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response};
/// use http_retry::{Attempt, Cause, Plan, Policy, Reason, ResponseHead, RetryContext, Window, policy_fn};
///
/// // What took too long once would do so again.
/// let policy = policy_fn(|context| match context.cause {
///     Cause::Timeout => Plan::GiveUp(Reason::Policy),
///     _ => Window::up_to(Duration::from_secs(1)).into(),
/// });
///
/// let (request, response) = (Request::new(()), Response::new(()));
/// let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
/// assert_eq!(policy.schedule(&RetryContext::new(attempt, Cause::Timeout)), Plan::GiveUp(Reason::Policy));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// In this window.
    Resend(Window),
    /// Not at all.
    GiveUp(Reason),
}

impl From<Window> for Plan {
    fn from(window: Window) -> Self {
        Self::Resend(window)
    }
}

/// Why a [`Session`](crate::Session) stopped although its last outcome was worth retrying, as a [`Plan`] or a
/// [`Step`](crate::Step) says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The policy would not go on.
    Policy,
    /// The server said not to try again.
    ServerRefused,
    /// The server asks for a longer wait than the policy is willing to make.
    HintTooLong,
    /// Every attempt was made.
    Attempts,
    /// The body was too large to keep, or failed.
    Body,
    /// The next attempt would start after the deadline.
    Deadline,
    /// The budget has no token left.
    Budget,
    /// The [pace](crate::Pace) would not let it wait: as many do as may.
    Pace,
    /// The inner service was not ready to take the resend: it failed, or the deadline came first.
    NotReady,
}

impl Reason {
    /// The reason as one lower-case word, as traces and headers show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::ServerRefused => "server-refused",
            Self::HintTooLong => "hint-too-long",
            Self::Attempts => "attempts",
            Self::Body => "body",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
            Self::Pace => "pace",
            Self::NotReady => "not-ready",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
