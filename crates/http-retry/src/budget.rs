//! Shared tokens: how many resends a client may add to the load of a server that is failing.

mod bucket;
mod cost;
#[cfg(feature = "grpc")]
mod throttling;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::bucket::{Bucket, BudgetSettings};
pub use self::cost::RetryCost;
use crate::{Outcome, RetryCause, Verdict, hint};

/// A token bucket that resends are paid from, shared by all clones of the handle.
///
/// It is filled by **successes**, not by requests: when a server fails most, it earns least. (Counting
/// requests instead, goodput under overload is 0.39 of what is possible; counting successes, 0.78: Marc
/// Brooker, "Fixing retries with token buckets and circuit breakers", 2022, and his simulation of the ramp.)
/// A minimum of tokens per second keeps quiet clients able to retry at all.
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
/// drop(token); // nothing was sent: the token goes back
/// assert!(budget.withdraw(RetryCost::ONE, now).is_some());
/// ```
///
/// The bucket counts whole thousandths of a token in one atomic word, so the ratio is exact and no interleaving of threads
/// can overdraw it. Values too large to be counted saturate at 4,294,967 tokens.
#[derive(Clone)]
pub struct Budget {
    bucket: Arc<Bucket>,
}

impl Budget {
    /// Earns `percent` of a token with every success, and 10 tokens a second.
    ///
    /// The bucket holds the larger of 100 tokens and what ten seconds accrue, and starts full.
    pub fn percent(percent: u32) -> Self {
        let reward = percent.saturating_mul(10);
        Self::with(BudgetSettings { reward, min_per_second: 10, capacity: None, throttles: false })
    }

    /// Sets how many tokens accrue each second, whether or not requests succeed. The bucket starts afresh, apart from earlier clones.
    #[must_use]
    pub fn min_per_second(self, tokens: u32) -> Self {
        Self::with(BudgetSettings { min_per_second: tokens, ..self.bucket.settings() })
    }

    /// Sets how many tokens the bucket holds; a budget of 0 never [pays](Self::is_zero). The bucket starts afresh, apart
    /// from earlier clones.
    #[must_use]
    pub fn capacity(self, tokens: u32) -> Self {
        Self::with(BudgetSettings { capacity: Some(tokens), ..self.bucket.settings() })
    }

    /// Returns a budget with the same settings, full, and apart from this one.
    #[cfg(feature = "service-config")]
    pub(crate) fn afresh(&self) -> Self {
        Self::with(self.bucket.settings())
    }

    fn with(settings: BudgetSettings) -> Self {
        Self { bucket: Arc::new(Bucket::new(settings)) }
    }

    /// Takes the cost of a resend out of the bucket, or nothing where there is less.
    ///
    /// `now` is a monotonic time since any moment that all users of the budget share; the minimum accrues by
    /// it, and only here. Readings up to a minute older than the newest one count as no time at all.
    pub fn withdraw(&self, cost: RetryCost, now: Duration) -> Option<Withdrawal<'_>> {
        self.bucket
            .withdraw(cost.thousandths(), now)
            .then(|| Withdrawal { bucket: Some(Cow::Borrowed(&self.bucket)), cost })
    }

    /// Pays in what one success earns. A full bucket is only looked at.
    pub fn deposit(&self) {
        self.bucket.deposit();
    }

    /// Counts what came of an attempt.
    #[inline]
    pub(crate) fn observe(&self, verdict: Verdict, outcome: &Outcome<'_>) {
        // Most are accepted, and change nothing.
        if verdict != Verdict::Accept || !self.bucket.is_sated() {
            self.count(verdict, outcome);
        }
    }

    fn count(&self, verdict: Verdict, outcome: &Outcome<'_>) {
        match verdict {
            // The server says that it did nothing: it neither failed nor served.
            Verdict::Retry(RetryCause::Unprocessed) => {}
            Verdict::Retry(_) => self.bucket.fail(),
            // Whether it was one, the head of a gRPC call tells, which costs a search.
            Verdict::Accept if outcome.is_success() => self.deposit(),
            Verdict::Accept if outcome.response().is_some_and(|head| hint::is_pushed_back(&head)) => {
                self.bucket.fail();
            }
            Verdict::Accept => {}
        }
    }

    /// Returns whether the budget can never pay for a resend, because its [capacity](Self::capacity) is 0.
    pub fn is_zero(&self) -> bool {
        !self.bucket.has_room()
    }

    /// The tokens in the bucket, without those that have accrued by time since the last withdrawal.
    pub fn tokens(&self) -> f64 {
        f64::from(self.bucket.thousandths()) / 1_000.0
    }
}

impl Default for Budget {
    /// 20 %, so that the resends which cost a server work are at most a fifth of its successes, and a minimum of 10
    /// a second.
    fn default() -> Self {
        Self::percent(20)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("tokens", &self.tokens()).finish_non_exhaustive()
    }
}

/// What a resend costs, taken out of a [`Budget`]. Dropped unspent, it goes back.
///
/// It borrows the handle that it was taken through, because a count of references would be a second word that all threads
/// write to. A withdrawal that waits for its resend is made [owned](Self::into_owned).
#[must_use = "a withdrawal that is dropped goes back into the budget"]
pub struct Withdrawal<'a> {
    bucket: Option<Cow<'a, Arc<Bucket>>>,
    cost: RetryCost,
}

impl Withdrawal<'_> {
    /// The same, with a handle of its own.
    pub fn into_owned(mut self) -> Withdrawal<'static> {
        let bucket = self.bucket.take().map(|bucket| Cow::Owned(bucket.into_owned()));
        Withdrawal { bucket, cost: self.cost }
    }

    /// The resend was sent: the token is gone.
    pub fn commit(mut self) {
        self.bucket = None;
    }

    /// What was taken out.
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
