//! The backoff of a route, for outcomes that name no time.

use http::StatusCode;
use tower_http_retry::policy::{DecorrelatedJitter, Jitter};
use tower_http_retry::{ExponentialBackoff, Plan, Policy, RetryContext, Window};

use crate::config::{BackOff, BackOffPolicy, RetryConfig};
use crate::upstream::balancer::NoOtherEndpoint;

/// The backoff of a route. It is that of `back_off`, and a longer one before the request goes to an endpoint again that
/// answered 503.
#[derive(Clone, Debug)]
pub(super) struct RouteBackoff {
    ordinary: OrdinaryBackoff,
    same_endpoint: ExponentialBackoff,
}

/// The backoff that `back_off` describes.
#[derive(Clone, Debug)]
enum OrdinaryBackoff {
    Exponential(ExponentialBackoff),
    Decorrelated(DecorrelatedJitter),
}

/// Returns the backoff after the refusal of a limit.
pub(super) fn throttled(retry: &RetryConfig) -> ExponentialBackoff {
    let hints = retry.rate_limited_back_off;
    // The backoff of other failures may be short, and a limit needs time in any case.
    let cap = retry.back_off.max_interval.max(hints.base_interval.saturating_mul(16));
    ExponentialBackoff::new(hints.base_interval, cap.min(hints.max_interval))
        .jitter(Jitter::UpperThreeQuarters)
}

impl RouteBackoff {
    /// Creates the backoff from `back_off`, with another one for a 503 of the only endpoint that is left.
    pub(super) fn new(back_off: &BackOff, same_endpoint: ExponentialBackoff) -> Self {
        let BackOff { policy, base_interval: base, max_interval: cap } = *back_off;
        let ordinary = match policy {
            BackOffPolicy::ExponentialBackoff(jitter) => {
                OrdinaryBackoff::Exponential(ExponentialBackoff::new(base, cap).jitter(jitter))
            }
            BackOffPolicy::Decorrelated => OrdinaryBackoff::Decorrelated(DecorrelatedJitter::new(base, cap)),
        };
        Self { ordinary, same_endpoint }
    }
}

impl Policy for RouteBackoff {
    fn schedule(&self, context: &RetryContext<'_>) -> Plan {
        let plan = match &self.ordinary {
            OrdinaryBackoff::Exponential(policy) => policy.schedule(context),
            OrdinaryBackoff::Decorrelated(policy) => policy.schedule(context),
        };
        match (plan, asks_unwell_endpoint_again(context).then(|| self.same_endpoint.schedule(context))) {
            (Plan::Resend(window), Some(Plan::Resend(later))) => {
                Window::between(window.earliest.max(later.earliest), window.latest.max(later.latest)).into()
            }
            (plan, _) => plan,
        }
    }
}

/// Returns whether an endpoint answered 503, which says that it is unwell, and the next attempt asks it again.
fn asks_unwell_endpoint_again(context: &RetryContext<'_>) -> bool {
    let response = context.attempt.outcome.response();
    response.is_some_and(|head| {
        head.status() == StatusCode::SERVICE_UNAVAILABLE && head.extension::<NoOtherEndpoint>().is_some()
    })
}
