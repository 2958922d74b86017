//! Policies that change one answer of another policy.

use std::fmt;

use http::StatusCode;

use crate::{Attempt, GiveUpReason, Outcome, Policy, RequestHead, RetryCause, Verdict, rules};

/// Also retries one status. Made by [`Policy::retry_on`].
#[derive(Clone, Copy, Debug)]
pub struct RetryOn<P> {
    policy: P,
    status: StatusCode,
}

impl<P> RetryOn<P> {
    pub(super) fn new(policy: P, status: StatusCode) -> Self {
        Self { policy, status }
    }
}

impl<P: Policy> Policy for RetryOn<P> {
    forward!(policy: keep, schedule);

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        let verdict = self.policy.classify(attempt);
        let applies = has_status(attempt, self.status) && attempt.is_idempotent();
        if verdict == Verdict::Accept && applies && !rules::server_forbids(&attempt.outcome) {
            return Verdict::Retry(RetryCause::Transient);
        }
        verdict
    }
}

/// Never retries one status. Made by [`Policy::never_on`].
#[derive(Clone, Copy, Debug)]
pub struct NeverOn<P> {
    policy: P,
    status: StatusCode,
}

impl<P> NeverOn<P> {
    pub(super) fn new(policy: P, status: StatusCode) -> Self {
        Self { policy, status }
    }
}

impl<P: Policy> Policy for NeverOn<P> {
    forward!(policy: keep, schedule);

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        if has_status(attempt, self.status) {
            return Verdict::Accept;
        }
        self.policy.classify(attempt)
    }
}

fn has_status(attempt: &Attempt<'_>, status: StatusCode) -> bool {
    matches!(attempt.outcome, Outcome::Response(head) if head.status() == status)
}

/// Treats every request as one that may be repeated. Made by [`Policy::any_method`].
#[derive(Clone, Copy, Debug)]
pub struct AnyMethod<P> {
    policy: P,
}

impl<P> AnyMethod<P> {
    pub(super) fn new(policy: P) -> Self {
        Self { policy }
    }
}

impl<P: Policy> Policy for AnyMethod<P> {
    forward!(policy: keep, schedule);

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        self.policy.classify(&attempt.assume_idempotent(true))
    }

    fn accept_reason(&self, attempt: &Attempt<'_>) -> Option<GiveUpReason> {
        self.policy.accept_reason(&attempt.assume_idempotent(true))
    }
}

/// Keeps only the requests in a scope. Made by [`Policy::only`].
#[derive(Clone, Copy)]
pub struct Only<P, F> {
    policy: P,
    scope: F,
}

impl<P, F> Only<P, F> {
    pub(super) fn new(policy: P, scope: F) -> Self {
        Self { policy, scope }
    }
}

impl<P, F> Policy for Only<P, F>
where
    P: Policy,
    F: Fn(&RequestHead<'_>) -> bool + Send + Sync,
{
    fn is_retryable(&self, head: &RequestHead<'_>) -> bool {
        (self.scope)(head) && self.policy.is_retryable(head)
    }

    forward!(policy: classify, schedule);
}

impl<P: fmt::Debug, F> fmt::Debug for Only<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Only").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Asks a closure first what an outcome means. Made by [`Policy::classify_with`].
#[derive(Clone, Copy)]
pub struct ClassifyWith<P, F> {
    policy: P,
    classify: F,
}

impl<P, F> ClassifyWith<P, F> {
    pub(super) fn new(policy: P, classify: F) -> Self {
        Self { policy, classify }
    }
}

impl<P, F, V> Policy for ClassifyWith<P, F>
where
    P: Policy,
    F: Fn(&Attempt<'_>) -> V + Send + Sync,
    V: Into<Option<Verdict>>,
{
    forward!(policy: keep, schedule);

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        (self.classify)(attempt).into().unwrap_or_else(|| self.policy.classify(attempt))
    }

    /// Asks the inner policy alone: a closure that counts what it is asked must not be asked twice.
    fn accept_reason(&self, attempt: &Attempt<'_>) -> Option<GiveUpReason> {
        self.policy.accept_reason(attempt)
    }
}

impl<P: fmt::Debug, F> fmt::Debug for ClassifyWith<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassifyWith").field("policy", &self.policy).finish_non_exhaustive()
    }
}
