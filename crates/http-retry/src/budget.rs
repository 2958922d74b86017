//! The budget limits how many resends all callers together add to the load of a failing server.

mod bucket;
mod cost;
#[cfg(feature = "fleet")]
mod fleet;
#[cfg(feature = "fleet")]
mod purse;
#[cfg(feature = "grpc")]
mod throttling;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::bucket::{Bucket, BudgetSettings};
pub use self::cost::RetryCost;
use crate::{Outcome, RetryCause, Verdict, hint};

/// A token bucket that pays for resends. All clones of the handle share it.
///
/// **Successes** fill it, not requests, so it earns least when a server fails most. Under overload, a bucket that counts
/// requests reaches 0.39 of the possible goodput, and one that counts successes reaches 0.78 (Marc Brooker, "Fixing
/// retries with token buckets and circuit breakers", 2022, and his simulation of the ramp). A minimum of tokens per second
/// lets a client with few requests retry too.
///
/// ```
/// use std::time::Duration;
/// use http_retry::{Budget, RetryCost};
///
/// let budget = Budget::percent(20).min_per_second(0).capacity(1);
/// let now = Duration::ZERO;
///
/// let token = budget.withdraw(RetryCost::ONE, now).expect("a bucket starts full");
/// token.commit();
/// assert!(budget.withdraw(RetryCost::ONE, now).is_none());
///
/// (0..5).for_each(|_| budget.deposit());
/// let token = budget.withdraw(RetryCost::ONE, now).expect("five successes earn one resend");
/// drop(token); // nothing was sent, so the token goes back
/// assert!(budget.withdraw(RetryCost::ONE, now).is_some());
/// ```
///
/// The bucket counts whole thousandths of a token in one atomic word, so the ratio is exact and no interleaving of threads
/// can overdraw it. Larger values saturate at 4,294,967 tokens.
#[derive(Clone)]
pub struct Budget {
    bucket: Arc<Bucket>,
}

impl Budget {
    /// Creates a budget that earns `percent` of a token with every success, and 10 tokens a second.
    ///
    /// The bucket starts full. It holds the tokens of ten seconds, but at least 100.
    pub fn percent(percent: u32) -> Self {
        let reward = percent.saturating_mul(10);
        Self::new(BudgetSettings { reward, min_per_second: 10, capacity: None, throttles: false })
    }

    /// Sets how many tokens accrue each second, whether or not requests succeed. The result has a new, full bucket, which it
    /// does not share with earlier clones.
    #[must_use]
    pub fn min_per_second(self, tokens: u32) -> Self {
        Self::new(BudgetSettings { min_per_second: tokens, ..self.bucket.settings() })
    }

    /// Sets how many tokens the bucket holds. A budget of 0 never [pays](Self::is_zero). The result has a new, full bucket,
    /// which it does not share with earlier clones.
    #[must_use]
    pub fn capacity(self, tokens: u32) -> Self {
        Self::new(BudgetSettings { capacity: Some(tokens), ..self.bucket.settings() })
    }

    /// Returns a budget with the same settings and a new, full bucket.
    #[cfg(feature = "service-config")]
    pub(crate) fn with_new_bucket(&self) -> Self {
        Self::new(self.bucket.settings())
    }

    fn new(settings: BudgetSettings) -> Self {
        Self { bucket: Arc::new(Bucket::new(settings)) }
    }

    /// Takes the cost of a resend out of the bucket. Returns `None`, and takes nothing, if the bucket holds less.
    ///
    /// `now` is a monotonic time since a point that all users of the budget share. The minimum accrues by it, and only here.
    /// A reading that is up to a minute older than the newest one accrues nothing.
    pub fn withdraw(&self, cost: RetryCost, now: Duration) -> Option<Withdrawal<'_>> {
        self.bucket
            .withdraw(cost.thousandths(), now)
            .then(|| Withdrawal { bucket: Some(Cow::Borrowed(&self.bucket)), cost })
    }

    /// Adds the tokens that one success earns. A full bucket is only read and never written.
    pub fn deposit(&self) {
        self.bucket.deposit();
    }

    /// Counts the outcome of an attempt.
    #[inline]
    pub(crate) fn observe(&self, verdict: Verdict, outcome: &Outcome<'_>) {
        // Most outcomes are accepted while the bucket is full, and change nothing.
        if verdict != Verdict::Accept || !self.bucket.is_full() {
            self.count(verdict, outcome);
        }
    }

    fn count(&self, verdict: Verdict, outcome: &Outcome<'_>) {
        match verdict {
            // The server did not process the request, so this is neither a success nor a failure.
            Verdict::Retry(RetryCause::Unprocessed) => {}
            Verdict::Retry(_) => self.bucket.fail(),
            // A search of the head decides it, because a failed gRPC call has the status 200 too.
            Verdict::Accept if outcome.is_success() => self.deposit(),
            Verdict::Accept if outcome.response().is_some_and(|head| hint::is_pushed_back(&head)) => {
                self.bucket.fail();
            }
            Verdict::Accept => {}
        }
    }

    /// Returns whether the budget can never pay for a resend, because its [capacity](Self::capacity) is 0.
    pub fn is_zero(&self) -> bool {
        self.bucket.is_zero()
    }

    /// Returns the tokens in the bucket. Time since the last withdrawal has not accrued yet.
    pub fn tokens(&self) -> f64 {
        f64::from(self.bucket.thousandths()) / 1_000.0
    }
}

impl Default for Budget {
    /// Returns a budget of 20 % with a minimum of 10 tokens a second. Resends that cost the server work are then at most a
    /// fifth of its successes.
    fn default() -> Self {
        Self::percent(20)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("tokens", &self.tokens()).finish_non_exhaustive()
    }
}

/// Tokens that were taken out of a [`Budget`] for a resend. They go back when the withdrawal is dropped uncommitted.
///
/// A withdrawal borrows the handle of its budget, because a reference count would be a second word that all threads write
/// to. [`into_owned`](Self::into_owned) makes one that outlives the handle, for the wait before the resend.
#[must_use = "a withdrawal that is dropped goes back into the budget"]
pub struct Withdrawal<'a> {
    bucket: Option<Cow<'a, Arc<Bucket>>>,
    cost: RetryCost,
}

impl Withdrawal<'_> {
    /// Converts the withdrawal into one with its own handle.
    pub fn into_owned(mut self) -> Withdrawal<'static> {
        let bucket = self.bucket.take().map(|bucket| Cow::Owned(bucket.into_owned()));
        Withdrawal { bucket, cost: self.cost }
    }

    /// Spends the tokens, because the resend was sent.
    pub fn commit(mut self) {
        self.bucket = None;
    }

    /// Returns the cost that was taken out.
    pub fn cost(&self) -> RetryCost {
        self.cost
    }
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        if let Some(bucket) = &self.bucket {
            bucket.refund(self.cost.thousandths());
        }
    }
}

impl fmt::Debug for Withdrawal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Withdrawal").field("cost", &self.cost).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod interleavings;
