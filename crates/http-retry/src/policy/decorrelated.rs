//! Backoff in which each wait is drawn around the one before it.

use std::time::Duration;

use crate::{Plan, Policy, RetryContext, Window};

/// Backoff in which each wait is drawn around the one before it: uniform in
/// `[base, min(cap, 3 * previous)]`, where the wait before the first is `base`.
///
/// From "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015). It spreads callers wider than full
/// jitter does, and never comes back sooner than `base`.
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
    /// Waits between `base` and `cap`. A base above the cap is lowered to it.
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
