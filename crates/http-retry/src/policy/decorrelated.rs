//! Backoff that draws each delay around the previous one.

use std::time::Duration;

use crate::{Plan, Policy, RetryContext, Window};

/// Backoff that draws each delay around the previous one, uniformly from `[base, min(cap, 3 * previous)]`.
///
/// The first delay counts `base` as its previous one. The algorithm comes from "Exponential Backoff And Jitter" (AWS
/// Architecture Blog, 2015). It spreads callers wider than full jitter does, and never waits shorter than `base`.
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response};
/// use http_retry::{Attempt, RetryCause, DecorrelatedJitter, Policy, ResponseHead, RetryContext, Window};
///
/// let (base, cap) = (Duration::from_millis(100), Duration::from_secs(5));
/// let policy = DecorrelatedJitter::new(base, cap);
///
/// let (request, response) = (Request::new(()), Response::new(()));
/// let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
/// let context = RetryContext::new(attempt, RetryCause::Transient).previous_delay(Duration::from_millis(700));
/// assert_eq!(policy.schedule(&context), Window::between(base, Duration::from_millis(2_100)).into());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecorrelatedJitter {
    base: Duration,
    cap: Duration,
}

impl DecorrelatedJitter {
    /// Creates a policy that waits between `base` and `cap`. A base above the cap is lowered to it.
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self { base: base.min(cap), cap }
    }
}

impl Policy for DecorrelatedJitter {
    fn schedule(&self, context: &RetryContext<'_>) -> Plan {
        let previous = context.previous_delay.unwrap_or(self.base);
        let latest = previous.saturating_mul(3).clamp(self.base, self.cap);
        Window::between(self.base, latest).into()
    }
}
