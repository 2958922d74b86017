//! GCRA, the generic cell rate algorithm.

use std::time::Duration;

use super::limit::{Announced, LimitState, QuotaState, after};

/// A virtual schedule: calls are due one interval after the other, and may come earlier by the time of the burst.
#[derive(Debug)]
pub(super) struct Gcra {
    burst: f64,
    /// The interval between two calls, in nanoseconds.
    interval: f64,
    /// The time at which the next call is due ("theoretical arrival time"), in nanoseconds.
    due: f64,
}

impl Gcra {
    /// Creates a schedule with room for so many calls at once, and otherwise for the whole burst. A burst is at least
    /// one call.
    pub(super) fn new(per_second: f64, burst: f64, since: Duration, tokens: Option<f64>) -> Self {
        let (burst, interval) = (burst.max(1.0), 1e9 / per_second.max(SLOWEST));
        let missing = tokens.map_or(0.0, |tokens| burst - tokens.min(burst));
        Self { burst, interval, due: nanos(since) + missing * interval }
    }

    /// Returns the first moment from `now` on at which so many calls fit at once.
    fn fits_at(&self, now: Duration, calls: f64) -> Duration {
        let wait = self.due - (self.burst - calls) * self.interval - nanos(now);
        // Half a nanosecond is the rounding of the clock.
        if wait <= 0.5 { now } else { after(now, wait / 1e9) }
    }

    fn room(&self, now: Duration) -> f64 {
        self.burst - (self.due - nanos(now)).max(0.0) / self.interval
    }
}

impl LimitState for Gcra {
    fn free_at(&self, now: Duration, _cost: u32) -> Duration {
        self.fits_at(now, 1.0)
    }

    fn serve(&mut self, now: Duration, _cost: u32, _ends_at: Duration) {
        self.due = self.due.max(nanos(now)) + self.interval;
    }

    fn tokens(&self, now: Duration) -> Option<f64> {
        Some(self.room(now))
    }

    fn announced(&self, now: Duration) -> Announced {
        let remaining = (self.room(now) + 1e-6).max(0.0).floor();
        let until = |calls: f64| self.fits_at(now, calls.min(self.burst)).saturating_sub(now);
        let requests = QuotaState {
            limit: self.burst as u64,
            remaining: remaining as u64,
            until_next: until(remaining + 1.0),
            until_full: until(self.burst),
            window: after(Duration::ZERO, self.burst * self.interval / 1e9),
        };
        Announced { requests: Some(requests), units: None }
    }
}

fn nanos(time: Duration) -> f64 {
    time.as_nanos() as f64
}

/// The slowest rate, at which a second call comes after 30 years. A rate of 0 would make the interval infinite.
const SLOWEST: f64 = 1e-9;
