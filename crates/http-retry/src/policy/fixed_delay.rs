//! The policy that waits the same time before every resend.

use std::time::Duration;

use crate::{Jitter, Plan, Policy, RetryContext};

/// Waits the same time before every resend.
///
/// It is for tests and for servers that name the time. Callers that fail together come back together, unless the policy
/// has a [`Jitter`]. [`ExponentialBackoff`](crate::ExponentialBackoff) is the better choice for production.
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response};
/// use http_retry::{Attempt, RetryCause, FixedDelay, Jitter, Policy, ResponseHead, RetryContext, Window};
///
/// let policy = FixedDelay::new(Duration::from_secs(2)).jitter(Jitter::Equal);
///
/// let (request, response) = (Request::new(()), Response::new(()));
/// let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
/// let tenth = RetryContext::new(attempt, RetryCause::Transient).backoff_step(9);
/// let window = Window::between(Duration::from_secs(1), Duration::from_secs(2));
/// assert_eq!(policy.schedule(&tenth), window.into());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FixedDelay {
    delay: Duration,
    jitter: Jitter,
}

impl FixedDelay {
    /// Creates a policy that waits `delay`, without jitter.
    pub const fn new(delay: Duration) -> Self {
        Self { delay, jitter: Jitter::None }
    }

    /// Sets the width of the window.
    pub const fn jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }
}

impl Policy for FixedDelay {
    fn schedule(&self, _: &RetryContext<'_>) -> Plan {
        self.jitter.window(self.delay).into()
    }
}
