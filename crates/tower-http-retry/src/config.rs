//! The configuration that a layer shares with its services and their futures.

use std::sync::Arc;
use std::time::Duration;

use http_retry::{Budget, Session};

use crate::body::ReplayMemory;
use crate::observe::Observe;
use crate::pace::SharedPace;
use crate::policy::AttemptHeader;
use crate::rng::Randomness;
use crate::timer::{Timer, TokioTimer};

/// The configuration of a layer. The setters of [`RetryLayer`](crate::RetryLayer) explain the fields.
pub(crate) struct Config<P> {
    pub(crate) policy: Arc<P>,
    pub(crate) max_attempts: u32,
    pub(crate) max_elapsed: Option<Duration>,
    pub(crate) reads_hints: bool,
    pub(crate) budget: Option<Budget>,
    pub(crate) replay_limit: usize,
    pub(crate) replay_memory: Option<ReplayMemory>,
    pub(crate) drain: DrainLimit,
    pub(crate) attempt_header: Option<AttemptHeader>,
    /// True if a call ends with its `grpc-timeout`.
    #[cfg(feature = "grpc")]
    pub(crate) keeps_grpc_timeout: bool,
    pub(crate) pace: Option<SharedPace>,
    pub(crate) observer: Option<Arc<dyn Observe>>,
    pub(crate) randomness: Randomness,
    pub(crate) timer: Arc<dyn Timer>,
    /// True if the budget can never pay for a resend.
    pub(crate) budget_is_zero: bool,
}

/// The part of a failed response that is read at most, and the longest time for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrainLimit {
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
}

impl<P> Config<P> {
    /// Creates the default configuration for a policy.
    pub(crate) fn new(policy: P) -> Self {
        Self {
            policy: Arc::new(policy),
            max_attempts: Session::MAX_ATTEMPTS,
            max_elapsed: Some(Session::MAX_ELAPSED),
            reads_hints: true,
            budget: Some(Budget::default()),
            replay_limit: 64 * 1024,
            replay_memory: None,
            drain: DrainLimit { bytes: 16 * 1024, time: Duration::from_millis(10) },
            attempt_header: None,
            #[cfg(feature = "grpc")]
            keeps_grpc_timeout: false,
            pace: None,
            observer: None,
            randomness: Randomness::default(),
            timer: Arc::new(TokioTimer),
            budget_is_zero: false,
        }
    }

    pub(crate) fn set_budget(&mut self, budget: Option<Budget>) {
        self.budget_is_zero = budget.as_ref().is_some_and(Budget::is_zero);
        self.budget = budget;
    }
}

impl<P> Clone for Config<P> {
    /// The clone shares the policy, the budget, the pace and the seeded sequence.
    fn clone(&self) -> Self {
        Self {
            policy: Arc::clone(&self.policy),
            max_attempts: self.max_attempts,
            max_elapsed: self.max_elapsed,
            reads_hints: self.reads_hints,
            budget: self.budget.clone(),
            replay_limit: self.replay_limit,
            replay_memory: self.replay_memory.clone(),
            drain: self.drain,
            attempt_header: self.attempt_header.clone(),
            #[cfg(feature = "grpc")]
            keeps_grpc_timeout: self.keeps_grpc_timeout,
            pace: self.pace.clone(),
            observer: self.observer.clone(),
            randomness: self.randomness.clone(),
            timer: Arc::clone(&self.timer),
            budget_is_zero: self.budget_is_zero,
        }
    }
}
