//! A token bucket.

use std::time::Duration;

use super::limit::{Announced, LimitState, QuotaState, after};

/// A bucket that earns tokens all the time, up to its burst. A call takes one.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    /// The moment for which `tokens` holds.
    at: Duration,
}

impl Bucket {
    /// Creates a bucket with these tokens, and otherwise a full one. It holds at least one token.
    pub(super) fn new(per_second: f64, burst: f64, since: Duration, tokens: Option<f64>) -> Self {
        let burst = burst.max(1.0);
        Self { per_second, burst, tokens: tokens.map_or(burst, |tokens| tokens.min(burst)), at: since }
    }

    /// Returns the first moment from `now` on at which it has so many tokens.
    pub(super) fn has_at(&self, now: Duration, amount: f64) -> Duration {
        let missing = amount.min(self.burst) - self.tokens_at(now);
        // The rounding of floats must not cost a call its token.
        if missing <= TOLERANCE { now } else { after(now, missing / self.per_second) }
    }

    /// Takes so many tokens.
    pub(super) fn take(&mut self, now: Duration, amount: f64) {
        self.tokens = self.tokens_at(now) - amount.min(self.burst);
        self.at = self.at.max(now);
    }

    /// Returns its state as a quota.
    pub(super) fn quota(&self, now: Duration) -> QuotaState {
        let tokens = self.tokens_at(now);
        let remaining = (tokens + TOLERANCE).max(0.0).floor();
        let until = |amount: f64| self.has_at(now, amount).saturating_sub(now);
        QuotaState {
            limit: self.burst as u64,
            remaining: remaining as u64,
            until_next: until(remaining + 1.0),
            until_full: until(self.burst),
            window: after(Duration::ZERO, self.burst / self.per_second),
        }
    }

    fn tokens_at(&self, now: Duration) -> f64 {
        let earned = now.saturating_sub(self.at).as_secs_f64() * self.per_second;
        (self.tokens + earned).min(self.burst)
    }
}

impl LimitState for Bucket {
    fn free_at(&self, now: Duration, _cost: u32) -> Duration {
        self.has_at(now, 1.0)
    }

    fn serve(&mut self, now: Duration, _cost: u32, _ends_at: Duration) {
        self.take(now, 1.0);
    }

    fn tokens(&self, now: Duration) -> Option<f64> {
        Some(self.tokens_at(now))
    }

    fn announced(&self, now: Duration) -> Announced {
        Announced { requests: Some(self.quota(now)), units: None }
    }
}

/// The share of a token that may be missing.
const TOLERANCE: f64 = 1e-6;
