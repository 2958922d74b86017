//! A limit of calls that are in flight at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::limit::LimitState;

/// At most so many calls in flight.
#[derive(Debug)]
pub(super) struct Concurrent {
    limit: usize,
    /// The ends of the calls in flight, and of some earlier ones. A call's end is known when it begins.
    ends: BinaryHeap<Reverse<Duration>>,
}

impl Concurrent {
    /// Creates a limit with no call in flight. It has room for at least one.
    pub(super) fn new(limit: u32) -> Self {
        Self { limit: limit.max(1) as usize, ends: BinaryHeap::new() }
    }
}

impl LimitState for Concurrent {
    fn free_at(&self, now: Duration, _cost: u32) -> Duration {
        match self.ends.peek() {
            Some(Reverse(first_end)) if self.ends.len() >= self.limit => now.max(*first_end),
            _ => now,
        }
    }

    fn serve(&mut self, now: Duration, _cost: u32, ends_at: Duration) {
        while self.ends.peek().is_some_and(|Reverse(end)| *end <= now) {
            self.ends.pop();
        }
        self.ends.push(Reverse(ends_at));
    }
}
