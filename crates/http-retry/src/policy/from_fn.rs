//! A policy that calls a closure.

use std::fmt;

use crate::{Plan, Policy, RetryContext};

/// Creates a policy from a closure that returns a [`Window`](crate::Window) or a [`Plan`].
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response};
/// use http_retry::{Attempt, RetryCause, Policy, ResponseHead, RetryContext, Window, policy_fn};
///
/// let linear = policy_fn(|context| Window::up_to(Duration::from_millis(50) * (context.backoff_step + 1)));
///
/// let (request, response) = (Request::new(()), Response::new(()));
/// let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
/// let third = RetryContext::new(attempt, RetryCause::Transient).backoff_step(2);
/// assert_eq!(linear.schedule(&third), Window::up_to(Duration::from_millis(150)).into());
/// ```
pub fn policy_fn<F, R>(schedule: F) -> PolicyFn<F>
where
    F: Fn(&RetryContext<'_>) -> R + Send + Sync,
    R: Into<Plan>,
{
    PolicyFn { schedule }
}

/// A policy that calls a closure. [`policy_fn`] creates it.
#[derive(Clone, Copy)]
pub struct PolicyFn<F> {
    schedule: F,
}

impl<F, R> Policy for PolicyFn<F>
where
    F: Fn(&RetryContext<'_>) -> R + Send + Sync,
    R: Into<Plan>,
{
    fn schedule(&self, context: &RetryContext<'_>) -> Plan {
        (self.schedule)(context).into()
    }
}

impl<F> fmt::Debug for PolicyFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyFn").finish_non_exhaustive()
    }
}
