//! A fixed window.

use std::time::Duration;

use super::limit::{Announced, LimitState, QuotaState};

/// At most so many calls in each span of the window's length from time 0 on.
#[derive(Debug)]
pub(super) struct Fixed {
    count: u32,
    window: Duration,
    /// The start of the window in which `used` calls were served.
    start: Duration,
    used: u32,
}

impl Fixed {
    /// Creates an empty window. It has room for at least one call, and a length.
    pub(super) fn new(count: u32, window: Duration) -> Self {
        let window = window.max(Duration::from_nanos(1));
        Self { count: count.max(1), window, start: Duration::ZERO, used: 0 }
    }

    /// Returns the start of the window at `now`.
    fn start_at(&self, now: Duration) -> Duration {
        let into_window = now.as_nanos() % self.window.as_nanos();
        // A window is shorter than the 584 years that fit, or the time is in its first.
        now.saturating_sub(Duration::from_nanos(into_window.try_into().unwrap_or(u64::MAX)))
    }

    fn used_at(&self, now: Duration) -> u32 {
        if self.start_at(now) <= self.start { self.used } else { 0 }
    }

    fn end_at(&self, now: Duration) -> Duration {
        self.start_at(now).max(self.start).saturating_add(self.window)
    }
}

impl LimitState for Fixed {
    fn free_at(&self, now: Duration, _cost: u32) -> Duration {
        if self.used_at(now) < self.count { now } else { self.end_at(now) }
    }

    fn serve(&mut self, now: Duration, _cost: u32, _ends_at: Duration) {
        self.used = self.used_at(now) + 1;
        self.start = self.start.max(self.start_at(now));
    }

    fn announced(&self, now: Duration) -> Announced {
        let until_end = self.end_at(now).saturating_sub(now);
        let requests = QuotaState {
            limit: self.count.into(),
            remaining: (self.count - self.used_at(now).min(self.count)).into(),
            until_next: until_end,
            until_full: until_end,
            window: self.window,
        };
        Announced { requests: Some(requests), units: None }
    }
}
