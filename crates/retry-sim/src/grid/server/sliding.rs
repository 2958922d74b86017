//! A sliding window.

use std::collections::VecDeque;
use std::time::Duration;

use super::limit::{Announced, LimitState, QuotaState};

/// At most so many calls in any span of the window's length.
#[derive(Debug)]
pub(super) struct Sliding {
    count: usize,
    window: Duration,
    counts_refused: bool,
    /// The latest calls that count, at most `count` of them, because earlier ones have no effect.
    calls: VecDeque<Duration>,
}

impl Sliding {
    /// Creates an empty window. It has room for at least one call.
    pub(super) fn new(count: u32, window: Duration, counts_refused: bool) -> Self {
        Self { count: count.max(1) as usize, window, counts_refused, calls: VecDeque::new() }
    }

    fn record(&mut self, now: Duration) {
        if self.calls.len() == self.count {
            self.calls.pop_front();
        }
        self.calls.push_back(now);
    }

    fn leaves_at(&self, call: Duration) -> Duration {
        call.saturating_add(self.window)
    }
}

impl LimitState for Sliding {
    fn free_at(&self, now: Duration, _cost: u32) -> Duration {
        match self.calls.front() {
            Some(oldest) if self.calls.len() == self.count => self.leaves_at(*oldest).max(now),
            _ => now,
        }
    }

    fn serve(&mut self, now: Duration, _cost: u32, _ends_at: Duration) {
        self.record(now);
    }

    fn refuse(&mut self, now: Duration) {
        if self.counts_refused {
            self.record(now);
        }
    }

    fn announced(&self, now: Duration) -> Announced {
        let left_before = self.calls.partition_point(|call| self.leaves_at(*call) <= now);
        let until = |call: Option<&Duration>| {
            call.map_or(Duration::ZERO, |call| self.leaves_at(*call).saturating_sub(now))
        };
        let requests = QuotaState {
            limit: self.count as u64,
            remaining: (self.count - (self.calls.len() - left_before)) as u64,
            until_next: until(self.calls.get(left_before)),
            until_full: until(self.calls.back()),
            window: self.window,
        };
        Announced { requests: Some(requests), units: None }
    }
}
