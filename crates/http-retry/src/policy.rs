//! The policy: whether an outcome is worth another attempt, and when that may start.

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
#[cfg(feature = "service-config")]
pub use self::service_config::GrpcServiceConfig;
#[cfg(feature = "grpc")]
pub use self::service_config::{GrpcRetryConfig, GrpcRetryPolicy};
use crate::{Attempt, GiveUpReason, Plan, RequestHead, RetryContext, Verdict, rules};

/// Decides whether, and when, a request is sent again.
///
/// A policy is a pure function of what it is shown: it reads no clock, draws no random numbers and sees no
/// body. Only [`schedule`](Self::schedule) must be written. The combinators below read as sentences:
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
    /// Whether a request with this head may ever be sent again. Asked once, before the first attempt; where
    /// it says no, the request passes straight through.
    ///
    /// Neither [`classify`](Self::classify) nor [`schedule`](Self::schedule) is called for such a request, so the policy
    /// does not learn its outcome. A circuit breaker that says no here while it is open therefore never sees a success
    /// and never closes. It says yes here instead, watches every outcome in `classify`, and returns
    /// [`Plan::GiveUp`] from `schedule` while it is open. A breaker that must also hold back first attempts is a layer of
    /// its own, outside of the retry layer for whole requests or inside for each attempt.
    ///
    /// Provided: anything but CONNECT and upgrades (RFC 9110 sections 9.3.6 and 7.8).
    fn is_retryable(&self, head: &RequestHead<'_>) -> bool {
        !head.is_connect_or_upgrade()
    }

    /// What an outcome means. Asked for every attempt, the last one too.
    ///
    /// Provided: the standard [`rules`].
    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        rules::classify(attempt)
    }

    /// Returns the reason for which this policy accepts an outcome that it would retry but for the request.
    ///
    /// The session asks after [`classify`](Self::classify) has accepted a failure, or a response of 400 or above. The reason
    /// ends up in what the caller is told, and changes nothing else. The provided method classifies the attempt a second
    /// time as if the request were [idempotent](Attempt::assume_idempotent), and returns
    /// [`GiveUpReason::NotIdempotent`] if that makes the difference. A policy whose `classify` counts what it is asked, such
    /// as a circuit breaker, returns `None` here.
    fn accept_reason(&self, attempt: &Attempt<'_>) -> Option<GiveUpReason> {
        if attempt.is_idempotent() {
            return None;
        }
        match self.classify(&attempt.assume_idempotent(true)) {
            Verdict::Retry(_) => Some(GiveUpReason::NotIdempotent),
            Verdict::Accept => None,
        }
    }

    /// When the next attempt may start, if at all.
    fn schedule(&self, context: &RetryContext<'_>) -> Plan;

    /// Also retries this status, for requests that may be repeated. Follow it with
    /// [`any_method`](Self::any_method) to include the others.
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

    /// Treats every request as one that may be repeated, in all that stands before this in the sentence. A
    /// POST that was processed may then be processed twice.
    fn any_method(self) -> AnyMethod<Self>
    where
        Self: Sized,
    {
        AnyMethod::new(self)
    }

    /// Keeps only the requests that `scope` accepts; all others pass straight through.
    fn only<F>(self, scope: F) -> Only<Self, F>
    where
        Self: Sized,
        F: Fn(&RequestHead<'_>) -> bool + Send + Sync,
    {
        Only::new(self, scope)
    }

    /// Asks `classify` first, and this policy where that answers `None`. It may return a [`Verdict`] or an
    /// `Option<Verdict>`.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use http_retry::{Attempt, RetryCause, LlmPolicy, Policy, ResponseHead, Verdict};
    ///
    /// // A server that says "busy" with 200.
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

/// Pointers to a policy are policies.
macro_rules! point {
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

point!(&P, Box<P>, Arc<P>);

#[cfg(test)]
mod tests;
