//! The policy that waits the same time before every resend.

use std::time::Duration;

use crate::{Jitter, Plan, Policy, RetryContext};

/// Waits the same time before every resend.
///
/// For tests and for servers that say how long to wait. Callers that fail together come back together:
/// give it a [`Jitter`], or prefer [`ExponentialBackoff`](crate::ExponentialBackoff).
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
    /// Waits `delay`, without jitter.
    pub const fn new(delay: Duration) -> Self {
        Self { delay, jitter: Jitter::None }
    }

    /// Sets how wide the window is.
    pub const fn jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }
}

impl Policy for FixedDelay {
    fn schedule(&self, _: &RetryContext<'_>) -> Plan {
        self.jitter.window(self.delay).into()
    }
}
