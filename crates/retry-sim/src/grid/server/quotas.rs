//! A quota of requests and one of units.

use std::time::Duration;

use super::bucket::Bucket;
use super::limit::{Announced, LimitState};
use crate::grid::Quota;

/// A bucket of requests and one of units. A call is served if both have room, and a call that costs more than a whole
/// bucket takes all of it.
#[derive(Debug)]
pub(super) struct Quotas {
    requests: Option<Bucket>,
    units: Option<Bucket>,
}

impl Quotas {
    /// Creates full buckets.
    pub(super) fn new(requests: Option<Quota>, units: Option<Quota>, since: Duration) -> Self {
        let bucket = |quota: Quota| {
            let limit = f64::from(quota.limit);
            Bucket::new(limit / quota.window.as_secs_f64(), limit, since, None)
        };
        Self { requests: requests.map(bucket), units: units.map(bucket) }
    }
}

impl LimitState for Quotas {
    fn free_at(&self, now: Duration, cost: u32) -> Duration {
        let free_at = |bucket: &Option<Bucket>, amount: f64| {
            bucket.as_ref().map_or(now, |bucket| bucket.has_at(now, amount))
        };
        free_at(&self.requests, 1.0).max(free_at(&self.units, cost.into()))
    }

    fn serve(&mut self, now: Duration, cost: u32, _ends_at: Duration) {
        if let Some(requests) = &mut self.requests {
            requests.take(now, 1.0);
        }
        if let Some(units) = &mut self.units {
            units.take(now, cost.into());
        }
    }

    fn announced(&self, now: Duration) -> Announced {
        let quota = |bucket: &Option<Bucket>| bucket.as_ref().map(|bucket| bucket.quota(now));
        Announced { requests: quota(&self.requests), units: quota(&self.units) }
    }
}
