//! Backoff that grows by a factor, and the jitter of its windows.

use std::time::Duration;

use crate::{Plan, Policy, RetryContext, Window};

/// Backoff that grows by a factor. The `n`th resend waits around `min(cap, base * multiplier^(n - 1))`.
///
/// `n` counts from the last wait that the server named. A server that asked for one second does not get a backoff of one
/// minute after that.
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
    /// Creates a backoff that doubles from `base` up to `cap`, with full jitter. A base above the cap acts as the cap.
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, multiplier: 2.0, cap, jitter: Jitter::Full }
    }

    /// Sets the factor by which the delay grows. A factor below 1 or not-a-number counts as 1, so a backoff never shrinks.
    pub fn multiplier(self, multiplier: f64) -> Self {
        // `max` returns its other operand for a NaN.
        Self { multiplier: multiplier.max(1.0), ..self }
    }

    /// Sets a factor that may be below 1, as gRPC allows it. It must be a number.
    #[cfg(feature = "grpc")]
    pub(crate) fn any_multiplier(self, multiplier: f64) -> Self {
        Self { multiplier, ..self }
    }

    /// Sets the width of the window.
    pub const fn jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// Returns `min(cap, base * multiplier^step)`. The computation never exceeds the cap, so it cannot overflow.
    fn delay(&self, step: u32) -> Duration {
        let growth = self.multiplier.powi(i32::try_from(step).unwrap_or(i32::MAX));
        let nanos = self.base.as_nanos() as f64 * growth;
        if self.base.is_zero() {
            Duration::ZERO
        } else if nanos < self.cap.as_nanos() as f64 {
            // The value is below the cap, and so in range, but an `f64` is exact to the nanosecond only up to 104 days.
            Duration::from_secs_f64(nanos / 1e9).min(self.cap)
        } else {
            self.cap
        }
    }
}

impl Default for ExponentialBackoff {
    /// Returns a backoff from 100 ms, which outlasts a failover within a data centre, up to 10 s, after which people leave.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(10))
    }
}

impl Policy for ExponentialBackoff {
    fn schedule(&self, context: &RetryContext<'_>) -> Plan {
        self.jitter.window(self.delay(context.backoff_step)).into()
    }
}

/// The width of the window around a backoff `d`.
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
    /// `[d, d]`. Callers that fail together come back together.
    None,
    /// `[0, d]`. It needs the fewest calls in total ("Exponential Backoff And Jitter", AWS, 2015).
    #[default]
    Full,
    /// `[d/2, d]`. No resend starts at once.
    Equal,
    /// `[d/4, d]`. No resend starts at once, and the window is wide enough for a crowd that was refused together.
    UpperThreeQuarters,
    /// `[(1 - f) d, (1 + f) d]`, with `f` from 0 to 1. A value outside becomes the nearer end, and not-a-number becomes 0.
    Proportional(f64),
}

impl Jitter {
    /// Returns the window around a backoff.
    pub fn window(self, backoff: Duration) -> Window {
        match self {
            Self::None => Window::exactly(backoff),
            Self::Full => Window::up_to(backoff),
            Self::Equal => Window::between(backoff / 2, backoff),
            Self::UpperThreeQuarters => Window::between(backoff / 4, backoff),
            Self::Proportional(fraction) => {
                let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
                // `Duration::mul_f64` panics if the product overflows.
                let width = Duration::try_from_secs_f64(backoff.as_secs_f64() * fraction).unwrap_or(backoff);
                Window::between(backoff.saturating_sub(width), backoff.saturating_add(width))
            }
        }
    }
}
