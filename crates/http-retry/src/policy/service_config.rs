//! What a gRPC service config says of retries (gRPC A6): the `retryPolicy` of one method, or all of it.

#[cfg(feature = "service-config")]
mod json;
#[cfg(feature = "service-config")]
mod whole;

use std::time::Duration;

#[cfg(feature = "service-config")]
pub use self::whole::GrpcServiceConfig;
use crate::grpc::Codes;
use crate::rules::grpc;
use crate::{
    Attempt, ExponentialBackoff, FailureKind, GrpcCode, Jitter, Outcome, Policy, RetryAfterFirst, RetryCause,
    ServiceConfigError, Verdict,
};

/// What a gRPC service config says of retries: gRPC A6's `retryPolicy`.
///
/// The `n`th resend waits `min(initialBackoff * backoffMultiplier^(n - 1), maxBackoff)`, a fifth more or less; or as
/// long as the server asks, if that is at most 120 s. The codes that it lists are retried, and no others; a call whose
/// connection broke counts as `UNAVAILABLE`, as in every gRPC client, and one that took too long as
/// `DEADLINE_EXCEEDED`. A call that never left, or that the server refused unprocessed, is sent again whatever the list.
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
/// With the feature `service-config`, `from_json` reads the same from JSON, and `GrpcServiceConfig` has one for each method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GrpcRetryPolicy {
    attempts: u32,
    policy: RetryAfterFirst,
    codes: Codes,
}

/// The values of a `retryPolicy`, unchecked. [`GrpcRetryPolicy`] shows and checks them.
#[derive(Clone, Debug, PartialEq)]
pub struct GrpcRetryConfig {
    /// How often a call is sent in all: 2 or more, and what is above 5 counts as 5.
    pub max_attempts: u32,
    /// The wait before the first resend, more than 0.
    pub initial_backoff: Duration,
    /// The longest wait, more than 0.
    pub max_backoff: Duration,
    /// The factor by which waits grow, or shrink: more than 0.
    pub backoff_multiplier: f64,
    /// Which codes are retried: one or more, and not `OK`.
    pub retryable_status_codes: Vec<GrpcCode>,
}

impl GrpcRetryPolicy {
    /// The most attempts that there can be; more are treated as these (gRPC A6).
    pub const MAX_ATTEMPTS: u32 = 5;

    /// Checks the values by the rules of gRPC A6.
    pub fn new(values: GrpcRetryConfig) -> Result<Self, ServiceConfigError> {
        values.check()?;
        let backoff = ExponentialBackoff::new(values.initial_backoff, values.max_backoff)
            .any_multiplier(values.backoff_multiplier)
            .jitter(Jitter::Proportional(0.2));
        Ok(Self {
            attempts: values.max_attempts.min(Self::MAX_ATTEMPTS),
            policy: RetryAfterFirst::new(backoff),
            codes: values.retryable_status_codes.into_iter().fold(Codes::default(), Codes::with),
        })
    }

    /// How often a call is sent in all. It is for [`Session::max_attempts`](crate::Session::max_attempts), or the layer's: a
    /// policy only says when.
    pub fn max_attempts(&self) -> u32 {
        self.attempts
    }
}

impl Policy for GrpcRetryPolicy {
    forward!(policy: keep, schedule);

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        let cause = match attempt.outcome {
            Outcome::Response(head) => GrpcCode::of(&head).and_then(|code| self.codes.cause(code)),
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
        let wrong = |field, value: &dyn ToString, allowed| {
            Err(ServiceConfigError::new(field, value.to_string(), allowed))
        };
        if self.max_attempts < 2 {
            return wrong("maxAttempts", &self.max_attempts, "2 or more");
        }
        for (field, backoff) in [("initialBackoff", self.initial_backoff), ("maxBackoff", self.max_backoff)] {
            if backoff.is_zero() {
                return wrong(field, &"0s", "more than 0s");
            }
        }
        if !(self.backoff_multiplier > 0.0 && self.backoff_multiplier.is_finite()) {
            return wrong("backoffMultiplier", &self.backoff_multiplier, "a number above 0");
        }
        if self.retryable_status_codes.is_empty() {
            return wrong("retryableStatusCodes", &"empty", "one code or more");
        }
        if self.retryable_status_codes.contains(&GrpcCode::Ok) {
            return wrong("retryableStatusCodes", &"with OK", "codes of calls that failed");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
