//! The retry settings of a gRPC service config (gRPC A6): the `retryPolicy` of a method, and the whole document.

#[cfg(feature = "service-config")]
mod document;
#[cfg(feature = "service-config")]
mod json;

use std::time::Duration;

#[cfg(feature = "service-config")]
pub use self::document::GrpcServiceConfig;
use crate::grpc::Codes;
use crate::rules::grpc;
use crate::{
    Attempt, ExponentialBackoff, FailureKind, GrpcCode, Jitter, Outcome, Policy, RetryAfterFirst, RetryCause,
    ServiceConfigError, Verdict,
};

/// The policy of a `retryPolicy` in a gRPC service config (gRPC A6).
///
/// The `n`th resend waits `min(initialBackoff * backoffMultiplier^(n - 1), maxBackoff)` with a jitter of 20 %, or as long
/// as the server asks, if that is at most 120 s. The policy retries the codes of its list and no others. A broken
/// connection counts as `UNAVAILABLE`, as in every gRPC client, and a timeout counts as `DEADLINE_EXCEEDED`. A call that
/// was never sent, or that the server did not process, is sent again regardless of the list.
///
/// ```
/// use std::time::Duration;
/// use http_retry::{GrpcCode, GrpcRetryPolicy, GrpcRetryConfig};
///
/// let policy = GrpcRetryPolicy::new(GrpcRetryConfig {
///     max_attempts: 4,
///     initial_backoff: Duration::from_millis(100),
///     max_backoff: Duration::from_secs(1),
///     backoff_multiplier: 2.0,
///     retryable_status_codes: vec![GrpcCode::Unavailable],
/// })?;
/// assert_eq!(policy.max_attempts(), 4);
/// # Ok::<_, http_retry::ServiceConfigError>(())
/// ```
///
/// With the feature `service-config`, `from_json` parses a policy from JSON, and `GrpcServiceConfig` has one for each method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GrpcRetryPolicy {
    max_attempts: u32,
    policy: RetryAfterFirst,
    codes: Codes,
}

/// The unchecked values of a `retryPolicy`. [`GrpcRetryPolicy::new`] checks them.
#[derive(Clone, Debug, PartialEq)]
pub struct GrpcRetryConfig {
    /// The largest number of attempts: 2 or more. A number above 5 counts as 5.
    pub max_attempts: u32,
    /// The delay before the first resend, more than 0.
    pub initial_backoff: Duration,
    /// The longest delay, more than 0.
    pub max_backoff: Duration,
    /// The factor by which delays grow or shrink, more than 0.
    pub backoff_multiplier: f64,
    /// The codes to retry: one or more, and not `OK`.
    pub retryable_status_codes: Vec<GrpcCode>,
}

impl GrpcRetryPolicy {
    /// The largest number of attempts. A larger setting counts as this one (gRPC A6).
    pub const MAX_ATTEMPTS: u32 = 5;

    /// Creates a policy from values that gRPC A6 allows.
    ///
    /// # Errors
    ///
    /// The error names the first value that gRPC A6 does not allow.
    pub fn new(values: GrpcRetryConfig) -> Result<Self, ServiceConfigError> {
        values.check()?;
        let backoff = ExponentialBackoff::new(values.initial_backoff, values.max_backoff)
            .any_multiplier(values.backoff_multiplier)
            .jitter(Jitter::Proportional(0.2));
        Ok(Self {
            max_attempts: values.max_attempts.min(Self::MAX_ATTEMPTS),
            policy: RetryAfterFirst::new(backoff),
            codes: values.retryable_status_codes.into_iter().fold(Codes::default(), Codes::with),
        })
    }

    /// Returns the largest number of attempts. It belongs into [`Session::max_attempts`](crate::Session::max_attempts) or the
    /// layer's setting of that name, because a policy does not count attempts.
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }
}

impl Policy for GrpcRetryPolicy {
    forward!(policy: is_retryable, schedule);

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        let cause = match attempt.outcome {
            Outcome::Response(head) => GrpcCode::from_head(&head).and_then(|code| self.codes.cause(code)),
            Outcome::Failure(failure) => match failure.kind() {
                FailureKind::MaybeProcessed => {
                    self.codes.contains(GrpcCode::Unavailable).then_some(RetryCause::Transient)
                }
                FailureKind::Timeout => self.codes.cause(GrpcCode::DeadlineExceeded),
                _ => return grpc::classify(attempt),
            },
        };
        cause.map_or(Verdict::Accept, Verdict::Retry)
    }
}

impl GrpcRetryConfig {
    fn check(&self) -> Result<(), ServiceConfigError> {
        let invalid = |field, value: &dyn ToString, allowed| {
            Err(ServiceConfigError::new(field, value.to_string(), allowed))
        };
        if self.max_attempts < 2 {
            return invalid("maxAttempts", &self.max_attempts, "2 or more");
        }
        for (field, backoff) in [("initialBackoff", self.initial_backoff), ("maxBackoff", self.max_backoff)] {
            if backoff.is_zero() {
                return invalid(field, &"0s", "more than 0s");
            }
        }
        if !(self.backoff_multiplier > 0.0 && self.backoff_multiplier.is_finite()) {
            return invalid("backoffMultiplier", &self.backoff_multiplier, "a number above 0");
        }
        if self.retryable_status_codes.is_empty() {
            return invalid("retryableStatusCodes", &"empty", "one code or more");
        }
        if self.retryable_status_codes.contains(&GrpcCode::Ok) {
            return invalid("retryableStatusCodes", &"with OK", "codes of calls that failed");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
