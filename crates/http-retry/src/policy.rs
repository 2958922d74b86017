//! The policy decides whether an outcome is worth another attempt, and when that may start.

#[macro_use]
mod forward;

mod combinators;
mod decorrelated;
mod exponential;
mod fixed_delay;
mod from_fn;
#[cfg(feature = "grpc")]
mod grpc;
mod llm;
mod no_retry;
mod retry_after_first;
#[cfg(feature = "grpc")]
mod service_config;

use std::sync::Arc;

use http::StatusCode;

pub use self::combinators::{AnyMethod, ClassifyWith, NeverOn, Only, RetryOn};
pub use self::decorrelated::DecorrelatedJitter;
pub use self::exponential::{ExponentialBackoff, Jitter};
pub use self::fixed_delay::FixedDelay;
pub use self::from_fn::{PolicyFn, policy_fn};
#[cfg(feature = "grpc")]
pub use self::grpc::Grpc;
pub use self::llm::LlmPolicy;
pub use self::no_retry::NoRetry;
pub use self::retry_after_first::RetryAfterFirst;
pub(crate) use self::retry_after_first::THROTTLED_BASE;
#[cfg(feature = "service-config")]
pub use self::service_config::GrpcServiceConfig;
#[cfg(feature = "grpc")]
pub use self::service_config::{GrpcRetryConfig, GrpcRetryPolicy};
use crate::{Attempt, GiveUpReason, Plan, RequestHead, RetryContext, Verdict, rules};

/// Decides whether, and when, a request is sent again.
///
/// A policy is a pure function of its arguments. It reads no clock, draws no random numbers and sees no body. Only
/// [`schedule`](Self::schedule) has no default. The combinators below read as sentences:
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response, StatusCode};
/// use http_retry::{Attempt, RetryCause, ExponentialBackoff, Policy, RequestHead, ResponseHead, Verdict};
///
/// let policy = ExponentialBackoff::new(Duration::from_millis(50), Duration::from_secs(2))
///     .retry_on(StatusCode::NOT_FOUND)
///     .never_on(StatusCode::BAD_GATEWAY)
///     .only(|head| head.path().starts_with("/v1/"));
///
/// let request = Request::get("http://api.example/v2/models").body(()).unwrap();
/// assert!(!policy.is_retryable(&RequestHead::from(&request)));
///
/// let response = Response::builder().status(StatusCode::NOT_FOUND).body(()).unwrap();
/// let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
/// assert_eq!(policy.classify(&attempt), Verdict::Retry(RetryCause::Transient));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a retry policy",
    label = "this must implement `Policy`",
    note = "wrap a closure with `policy_fn(|context| ..)`, or implement `Policy::schedule`"
)]
pub trait Policy: Send + Sync {
    /// Returns whether a request with this head may ever be sent again. The layer calls it once, before the first attempt. A
    /// request for which it returns `false` passes straight through.
    ///
    /// Neither [`classify`](Self::classify) nor [`schedule`](Self::schedule) is called for such a request, so the policy
    /// does not learn its outcome. A circuit breaker that returns `false` here while it is open therefore never sees a
    /// success and never closes. It should return `true`, watch every outcome in `classify`, and return [`Plan::GiveUp`]
    /// from `schedule` while it is open. A breaker that must also hold back first attempts is a layer of its own, outside of
    /// the retry layer for whole requests or inside for each attempt.
    ///
    /// The default is `true` for every request except CONNECT and upgrades (RFC 9110 sections 9.3.6 and 7.8).
    fn is_retryable(&self, head: &RequestHead<'_>) -> bool {
        !head.is_connect_or_upgrade()
    }

    /// Returns the meaning of an outcome. The session calls it for every attempt, including the last one.
    ///
    /// The default applies the standard [`rules`].
    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        rules::classify(attempt)
    }

    /// Returns the reason if only the request prevents a retry of an accepted outcome.
    ///
    /// The session calls it after [`classify`](Self::classify) has accepted a failure, or a response of 400 or above. The
    /// reason is reported to the caller and changes nothing else. The default classifies the attempt a second time as if the
    /// request were [idempotent](Attempt::assume_idempotent), and returns [`GiveUpReason::NotIdempotent`] if the verdict is
    /// then to retry. A policy whose `classify` counts its calls, such as a circuit breaker, returns `None` here.
    fn accept_reason(&self, attempt: &Attempt<'_>) -> Option<GiveUpReason> {
        if attempt.is_idempotent() {
            return None;
        }
        match self.classify(&attempt.assume_idempotent(true)) {
            Verdict::Retry(_) => Some(GiveUpReason::NotIdempotent),
            Verdict::Accept => None,
        }
    }

    /// Returns the window of the next attempt, or a reason to give up.
    fn schedule(&self, context: &RetryContext<'_>) -> Plan;

    /// Also retries this status for idempotent requests. [`any_method`](Self::any_method) after it includes the others.
    fn retry_on(self, status: StatusCode) -> RetryOn<Self>
    where
        Self: Sized,
    {
        RetryOn::new(self, status)
    }

    /// Never retries this status.
    fn never_on(self, status: StatusCode) -> NeverOn<Self>
    where
        Self: Sized,
    {
        NeverOn::new(self, status)
    }

    /// Makes the policy before this combinator treat every request as idempotent. A server may then process a POST twice.
    fn any_method(self) -> AnyMethod<Self>
    where
        Self: Sized,
    {
        AnyMethod::new(self)
    }

    /// Retries only requests for which `scope` returns `true`. All others pass straight through.
    fn only<F>(self, scope: F) -> Only<Self, F>
    where
        Self: Sized,
        F: Fn(&RequestHead<'_>) -> bool + Send + Sync,
    {
        Only::new(self, scope)
    }

    /// Calls `classify` first, and this policy if that returns `None`. The closure returns a [`Verdict`] or an
    /// `Option<Verdict>`.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use http_retry::{Attempt, RetryCause, LlmPolicy, Policy, ResponseHead, Verdict};
    ///
    /// // This server sends 200 with a header when it is busy.
    /// let policy = LlmPolicy::new().classify_with(|attempt| {
    ///     let is_busy = attempt.outcome.response()?.headers().contains_key("x-busy");
    ///     is_busy.then_some(Verdict::Retry(RetryCause::Throttled))
    /// });
    ///
    /// let (request, response) = (Request::new(()), Response::builder().header("x-busy", "1").body(()).unwrap());
    /// let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
    /// assert_eq!(policy.classify(&attempt), Verdict::Retry(RetryCause::Throttled));
    /// ```
    fn classify_with<F, V>(self, classify: F) -> ClassifyWith<Self, F>
    where
        Self: Sized,
        F: Fn(&Attempt<'_>) -> V + Send + Sync,
        V: Into<Option<Verdict>>,
    {
        ClassifyWith::new(self, classify)
    }
}

/// Implements `Policy` for pointers to a policy.
macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<P: Policy + ?Sized> Policy for $pointer {
            fn is_retryable(&self, head: &RequestHead<'_>) -> bool {
                (**self).is_retryable(head)
            }

            fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
                (**self).classify(attempt)
            }

            fn accept_reason(&self, attempt: &Attempt<'_>) -> Option<GiveUpReason> {
                (**self).accept_reason(attempt)
            }

            fn schedule(&self, context: &RetryContext<'_>) -> Plan {
                (**self).schedule(context)
            }
        }
    )*};
}

pointers!(&P, Box<P>, Arc<P>);

#[cfg(test)]
mod tests;
