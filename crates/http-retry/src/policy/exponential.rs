//! Backoff that grows by a factor, and how wide its windows are.

use std::time::Duration;

use crate::{Plan, Policy, RetryContext, Window};

/// Backoff that grows by a factor: the `n`th resend waits around `min(cap, base * multiplier^(n - 1))`.
///
/// `n` counts from the last wait that the server named, so that a server that said "in a second" is not met
/// with a backoff of a minute afterwards.
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response};
/// use http_retry::{Attempt, RetryCause, ExponentialBackoff, Jitter, Policy, ResponseHead, RetryContext, Window};
///
/// let policy = ExponentialBackoff::new(Duration::from_millis(40), Duration::from_secs(5))
///     .multiplier(1.5)
///     .jitter(Jitter::Equal);
///
/// let (request, response) = (Request::new(()), Response::new(()));
/// let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
/// let third = RetryContext::new(attempt, RetryCause::Transient).backoff_step(2);
/// let window = Window::between(Duration::from_millis(45), Duration::from_millis(90));
/// assert_eq!(policy.schedule(&third), window.into());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExponentialBackoff {
    base: Duration,
    multiplier: f64,
    cap: Duration,
    jitter: Jitter,
}

impl ExponentialBackoff {
    /// Doubles from `base` up to `cap`, with full jitter. A base above the cap acts as the cap.
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, multiplier: 2.0, cap, jitter: Jitter::Full }
    }

    /// Sets the factor by which the wait grows. Below 1 and not-a-number count as 1: a backoff never shrinks.
    pub fn multiplier(self, multiplier: f64) -> Self {
        // `max` returns its other operand for a NaN.
        Self { multiplier: multiplier.max(1.0), ..self }
    }

    /// The same with a factor that may be below 1, as gRPC allows it. It must be a number.
    #[cfg(feature = "grpc")]
    pub(crate) fn any_multiplier(self, multiplier: f64) -> Self {
        Self { multiplier, ..self }
    }

    /// Sets how wide the window is.
    pub const fn jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// `min(cap, base * multiplier^step)`, without ever computing more than the cap.
    fn cap_at(&self, step: u32) -> Duration {
        let growth = self.multiplier.powi(i32::try_from(step).unwrap_or(i32::MAX));
        let nanos = self.base.as_nanos() as f64 * growth;
        if self.base.is_zero() {
            Duration::ZERO
        } else if nanos < self.cap.as_nanos() as f64 {
            // Below the cap, and so in range; but a `f64` is exact to the nanosecond only up to 104 days.
            Duration::from_secs_f64(nanos / 1e9).min(self.cap)
        } else {
            self.cap
        }
    }
}

impl Default for ExponentialBackoff {
    /// From 100 ms, which outlasts a failover inside of a data centre, up to 10 s, beyond which people leave.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(10))
    }
}

impl Policy for ExponentialBackoff {
    fn schedule(&self, context: &RetryContext<'_>) -> Plan {
        self.jitter.window(self.cap_at(context.backoff_step)).into()
    }
}

/// How wide the window around a backoff `d` is.
///
/// ```
/// use std::time::Duration;
/// use http_retry::{Jitter, Window};
///
/// let backoff = Duration::from_secs(10);
/// let window = Window::between(Duration::from_secs(8), Duration::from_secs(12));
/// assert_eq!(Jitter::Proportional(0.2).window(backoff), window);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Jitter {
    /// `[d, d]`: callers that fail together come back together.
    None,
    /// `[0, d]`: the widest, and the fewest calls in all ("Exponential Backoff And Jitter", AWS, 2015).
    #[default]
    Full,
    /// `[d/2, d]`: never at once.
    Equal,
    /// `[(1 - f) d, (1 + f) d]`, with `f` from 0 to 1. Values outside are moved to the nearer end,
    /// not-a-number to 0.
    Proportional(f64),
}

impl Jitter {
    /// The window around a backoff.
    pub fn window(self, backoff: Duration) -> Window {
        match self {
            Self::None => Window::exactly(backoff),
            Self::Full => Window::up_to(backoff),
            Self::Equal => Window::between(backoff / 2, backoff),
            Self::Proportional(fraction) => {
                let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
                // In `f64`, because `Duration::mul_f64` panics where the product overflows.
                let width = Duration::try_from_secs_f64(backoff.as_secs_f64() * fraction).unwrap_or(backoff);
                Window::between(backoff.saturating_sub(width), backoff.saturating_add(width))
            }
        }
    }
}
