//! One kind of limit for one key.

use std::fmt;
use std::time::Duration;

use super::bucket::Bucket;
use super::concurrent::Concurrent;
use super::fixed::Fixed;
use super::gcra::Gcra;
use super::quotas::Quotas;
use super::sliding::Sliding;
use crate::grid::Limit;

/// The state of a limit for one key. Its calls come in the order of time.
pub(super) trait LimitState: fmt::Debug {
    /// Returns the first moment from `now` on at which a call of this cost is served if no other call comes before. A
    /// call that is never served has [`Duration::MAX`].
    fn free_at(&self, now: Duration, cost: u32) -> Duration;

    /// Takes the room of a served call, which is in flight until `ends_at`.
    fn serve(&mut self, now: Duration, cost: u32, ends_at: Duration);

    /// Records a refused call.
    fn refuse(&mut self, _now: Duration) {}

    /// Returns the tokens of a bucket, which a change of its limit does not take away.
    fn tokens(&self, _now: Duration) -> Option<f64> {
        None
    }

    /// Returns the state of the limit as an answer announces it.
    fn announced(&self, _now: Duration) -> Announced {
        Announced::default()
    }
}

/// The quotas that an answer announces.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Announced {
    /// The quota of requests.
    pub(super) requests: Option<QuotaState>,
    /// The quota of units.
    pub(super) units: Option<QuotaState>,
}

/// The state of one quota.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct QuotaState {
    /// Its size.
    pub(super) limit: u64,
    /// The rest, rounded down.
    pub(super) remaining: u64,
    /// The time until one more is left than now.
    pub(super) until_next: Duration,
    /// The time until it is full.
    pub(super) until_full: Duration,
    /// The time for a full refill.
    pub(super) window: Duration,
}

/// Serves all.
#[derive(Debug)]
struct Unlimited;

impl LimitState for Unlimited {
    fn free_at(&self, now: Duration, _cost: u32) -> Duration {
        now
    }

    fn serve(&mut self, _now: Duration, _cost: u32, _ends_at: Duration) {}
}

/// Creates the state of a limit from `since` on. A bucket that takes the place of another one starts with the other's
/// `tokens`.
pub(super) fn state_of(limit: &Limit, since: Duration, tokens: Option<f64>) -> Box<dyn LimitState> {
    match *limit {
        Limit::None => Box::new(Unlimited),
        Limit::Bucket { per_second, burst } => Box::new(Bucket::new(per_second, burst, since, tokens)),
        Limit::Gcra { per_second, burst } => Box::new(Gcra::new(per_second, burst, since, tokens)),
        Limit::Sliding { count, window, counts_refused } => {
            Box::new(Sliding::new(count, window, counts_refused))
        }
        Limit::Fixed { count, window } => Box::new(Fixed::new(count, window)),
        Limit::Concurrent { limit } => Box::new(Concurrent::new(limit)),
        Limit::Quotas { requests, units } => Box::new(Quotas::new(requests, units, since)),
    }
}

/// Returns the moment `seconds` after `now`, rounded up to the nanosecond, or [`Duration::MAX`] if there is none.
pub(super) fn after(now: Duration, seconds: f64) -> Duration {
    let nanos = (seconds.max(0.0) * 1e9).ceil();
    match nanos < u64::MAX as f64 {
        true => now.saturating_add(Duration::from_nanos(nanos as u64)),
        // This also holds for a not-a-number.
        false => Duration::MAX,
    }
}
