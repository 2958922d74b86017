//! The policy for APIs of language models, which follows the SDKs of their vendors.

use std::time::Duration;

use crate::{
    Attempt, ExponentialBackoff, Jitter, Outcome, Policy, RetryAfterFirst, RetryCause, Verdict, rules,
};

/// The policy for APIs of language models. Their requests are all POST, and a repeated completion costs money but changes
/// nothing.
///
/// Beyond the standard [`rules`] it retries 408, 409, 429 and 5xx except 501 and 505 for any method, as the SDKs of OpenAI
/// and Anthropic do. If the connection broke after the request was sent, the completion may have been made and paid for,
/// so only an [idempotent](Attempt::is_idempotent) request is sent again. The policy obeys `x-should-retry: false`. It
/// waits as long as a hint of up to 120 s asks. Without a hint the backoff doubles from 500 ms up to 8 s, with full jitter, and no
/// earlier than a quarter of it after a 429 or 529.
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use http_retry::{Attempt, RetryCause, FailureKind, LlmPolicy, Policy, ResponseHead, Verdict};
///
/// let request = Request::post("https://api.example/v1/chat/completions").body(()).unwrap();
/// let response = Response::builder().status(StatusCode::CONFLICT).body(()).unwrap();
/// let conflict = Attempt::new(1, &request, ResponseHead::from(&response));
/// assert_eq!(LlmPolicy::new().classify(&conflict), Verdict::Retry(RetryCause::Transient));
///
/// let broken = Attempt::new(1, &request, FailureKind::MaybeProcessed);
/// assert_eq!(LlmPolicy::new().classify(&broken), Verdict::Accept);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LlmPolicy {
    policy: RetryAfterFirst,
}

impl LlmPolicy {
    /// Creates the policy with the numbers above.
    pub const fn new() -> Self {
        let backoff = ExponentialBackoff::new(Duration::from_millis(500), Duration::from_secs(8));
        let throttled = backoff.jitter(Jitter::UpperThreeQuarters);
        Self { policy: RetryAfterFirst::new(backoff).throttled_backoff(throttled) }
    }
}

impl Default for LlmPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for LlmPolicy {
    forward!(policy: is_retryable, schedule);

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        match (self.policy.classify(attempt), attempt.outcome) {
            (Verdict::Accept, Outcome::Response(head)) if !rules::server_forbids(&attempt.outcome) => {
                classify_status(head.status().as_u16())
            }
            (verdict, _) => verdict,
        }
    }
}

/// Classifies a status as the SDKs of OpenAI and Anthropic do for any method.
fn classify_status(status: u16) -> Verdict {
    match status {
        503 | 529 => Verdict::Retry(RetryCause::Throttled),
        501 | 505 => Verdict::Accept,
        408 | 409 | 500..=599 => Verdict::Retry(RetryCause::Transient),
        _ => Verdict::Accept,
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};

    use super::*;
    use crate::{FailureKind, ResponseHead};

    #[track_caller]
    fn check(status: u16, header: Option<(&str, &str)>, expected: impl Into<Option<RetryCause>>) {
        let request = Request::post("http://api.example/v1/messages").body(()).unwrap();
        let mut response = Response::builder().status(status);
        if let Some((name, value)) = header {
            response = response.header(name, value);
        }
        let response = response.body(()).unwrap();
        let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
        let expected = expected.into().map_or(Verdict::Accept, Verdict::Retry);
        assert_eq!(LlmPolicy::new().classify(&attempt), expected, "{status} {header:?}");
    }

    #[test]
    fn a_post_is_sent_again_after_transient_statuses() {
        for status in [429, 503, 529] {
            check(status, None, RetryCause::Throttled);
        }
        for status in [408, 409, 500, 502, 504, 507, 520, 599] {
            check(status, None, RetryCause::Transient);
        }
        for status in [200, 302, 400, 401, 403, 404, 413, 422, 501, 505] {
            check(status, None, None);
        }
    }

    #[test]
    fn x_should_retry_outranks_the_status() {
        for status in [408, 409, 429, 500, 503, 529] {
            check(status, Some(("x-should-retry", "false")), None);
        }
        check(400, Some(("x-should-retry", "true")), RetryCause::Transient);
    }

    #[test]
    fn a_post_that_may_have_been_processed_is_not_sent_again() {
        let request = Request::post("http://api.example/v1/messages").body(()).unwrap();
        let verdict = |kind: FailureKind| LlmPolicy::new().classify(&Attempt::new(1, &request, kind));
        assert_eq!(verdict(FailureKind::NeverSent), Verdict::Retry(RetryCause::NeverSent));
        assert_eq!(verdict(FailureKind::MaybeProcessed), Verdict::Accept);
        assert_eq!(verdict(FailureKind::Timeout), Verdict::Accept);
    }
}
