//! The policy that sends every request once.

use crate::{Attempt, GiveUpReason, Plan, Policy, RequestHead, RetryContext, Verdict};

/// Sends every request once. Requests pass straight through, without a buffer.
///
/// ```
/// use http::Request;
/// use http_retry::{LlmPolicy, NoRetry, Policy, RequestHead};
///
/// fn policy(retries: bool) -> Box<dyn Policy> {
///     if retries { Box::new(LlmPolicy::new()) } else { Box::new(NoRetry) }
/// }
///
/// let request = Request::new(());
/// assert!(policy(true).is_retryable(&RequestHead::from(&request)));
/// assert!(!policy(false).is_retryable(&RequestHead::from(&request)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoRetry;

impl Policy for NoRetry {
    fn is_retryable(&self, _: &RequestHead<'_>) -> bool {
        false
    }

    fn classify(&self, _: &Attempt<'_>) -> Verdict {
        Verdict::Accept
    }

    fn schedule(&self, _: &RetryContext<'_>) -> Plan {
        Plan::GiveUp(GiveUpReason::Policy)
    }
}
