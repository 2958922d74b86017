//! Combinators, which change one answer of another policy.

use std::fmt;

use http::StatusCode;

use crate::{Attempt, GiveUpReason, Outcome, Policy, RequestHead, RetryCause, Verdict, rules};

/// A policy that also retries one status. [`Policy::retry_on`] creates it.
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
    forward!(policy: is_retryable, schedule);

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        let verdict = self.policy.classify(attempt);
        let applies = has_status(attempt, self.status) && attempt.is_idempotent();
        if verdict == Verdict::Accept && applies && !rules::server_forbids(&attempt.outcome) {
            return Verdict::Retry(RetryCause::Transient);
        }
        verdict
    }

    fn accept_reason(&self, attempt: &Attempt<'_>) -> Option<GiveUpReason> {
        let would_apply = has_status(attempt, self.status) && !rules::server_forbids(&attempt.outcome);
        if would_apply && !attempt.is_idempotent() {
            return Some(GiveUpReason::NotIdempotent);
        }
        self.policy.accept_reason(attempt)
    }
}

/// A policy that never retries one status. [`Policy::never_on`] creates it.
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
    forward!(policy: is_retryable, schedule);

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        if has_status(attempt, self.status) {
            return Verdict::Accept;
        }
        self.policy.classify(attempt)
    }

    fn accept_reason(&self, attempt: &Attempt<'_>) -> Option<GiveUpReason> {
        self.policy.accept_reason(attempt).filter(|_| !has_status(attempt, self.status))
    }
}

fn has_status(attempt: &Attempt<'_>, status: StatusCode) -> bool {
    matches!(attempt.outcome, Outcome::Response(head) if head.status() == status)
}

/// A policy that treats every request as idempotent. [`Policy::any_method`] creates it.
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
    forward!(policy: is_retryable, schedule);

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        self.policy.classify(&attempt.assume_idempotent(true))
    }

    fn accept_reason(&self, attempt: &Attempt<'_>) -> Option<GiveUpReason> {
        self.policy.accept_reason(&attempt.assume_idempotent(true))
    }
}

/// A policy that retries only requests in a scope. [`Policy::only`] creates it.
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

    forward!(policy: classify, accept_reason, schedule);
}

impl<P: fmt::Debug, F> fmt::Debug for Only<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Only").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// A policy that first lets a closure classify an outcome. [`Policy::classify_with`] creates it.
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
    forward!(policy: is_retryable, schedule);

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        (self.classify)(attempt).into().unwrap_or_else(|| self.policy.classify(attempt))
    }

    /// Calls the inner policy only, because the closure may count its calls.
    fn accept_reason(&self, attempt: &Attempt<'_>) -> Option<GiveUpReason> {
        self.policy.accept_reason(attempt)
    }
}

impl<P: fmt::Debug, F> fmt::Debug for ClassifyWith<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassifyWith").field("policy", &self.policy).finish_non_exhaustive()
    }
}
