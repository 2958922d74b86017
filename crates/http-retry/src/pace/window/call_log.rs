//! The calls that left lately and were not refused.

use std::collections::VecDeque;
use std::time::Duration;

use crate::pace::nanos::Nanos;

/// The calls of the last window, in the order in which they left. Its memory does not grow with their number.
#[derive(Debug, Default)]
pub(super) struct CallLog {
    batches: VecDeque<Batch>,
}

/// Calls that left nearly at once.
#[derive(Clone, Copy, Debug)]
struct Batch {
    from: Nanos,
    to: Nanos,
    calls: u32,
}

impl CallLog {
    /// Adds a call. Calls that left within `grain` are one entry, and what is older than `longest` is forgotten.
    pub(super) fn sent(&mut self, grain: Duration, longest: Duration, now: Duration) {
        match self.batches.back_mut() {
            Some(last) if now <= last.from.get().saturating_add(grain) => {
                last.calls += 1;
                last.to = last.to.max(now.into());
            }
            _ => self.batches.push_back(Batch { from: now.into(), to: now.into(), calls: 1 }),
        }
        while self.batches.front().is_some_and(|batch| batch.to.get().saturating_add(longest) < now) {
            self.batches.pop_front();
        }
        if self.batches.len() > MOST_BATCHES {
            let pairs = self.batches.make_contiguous().chunks(2);
            let joined = pairs.filter_map(|pair| {
                let (first, last) = (pair.first()?, pair.last()?);
                let calls = pair.iter().map(|batch| batch.calls).sum();
                Some(Batch { from: first.from, to: last.to, calls })
            });
            self.batches = joined.collect();
        }
    }

    /// Takes out a call that was refused.
    pub(super) fn refused(&mut self, sent_at: Duration) {
        let index = self.batches.partition_point(|batch| batch.from.get() <= sent_at);
        if let Some(batch) = index.checked_sub(1).and_then(|index| self.batches.get_mut(index)) {
            batch.calls = batch.calls.saturating_sub(1);
        }
    }

    /// Returns when the newest call left.
    pub(super) fn newest(&self) -> Duration {
        self.batches.back().map_or(Duration::ZERO, |batch| batch.to.get())
    }

    /// Returns how many calls left since that time.
    pub(super) fn since(&self, from: Duration) -> u32 {
        let recent = self.batches.iter().rev().take_while(|batch| batch.to.get() >= from);
        recent.map(|batch| batch.calls).sum()
    }

    /// Returns when the call left that is so many calls before the next one, if there is one.
    pub(super) fn before(&self, calls: u32) -> Option<Duration> {
        let mut left = calls;
        for batch in self.batches.iter().rev() {
            if batch.calls >= left {
                let span = batch.to.get().saturating_sub(batch.from.get());
                let part = f64::from(batch.calls - left + 1) / f64::from(batch.calls);
                return Some(batch.from.get().saturating_add(span.mul_f64(part)));
            }
            left -= batch.calls;
        }
        None
    }
}

/// The number of entries above which neighbors are joined.
const MOST_BATCHES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_log_tells_how_many_left_and_when() {
        let mut log = CallLog::default();
        (1..=10).for_each(|second| log.sent(Duration::ZERO, SECOND * 60, SECOND * second));
        assert_eq!((log.since(SECOND * 8), log.newest()), (3, SECOND * 10));
        assert_eq!((log.before(1), log.before(10), log.before(11)), (Some(SECOND * 10), Some(SECOND), None));
        log.refused(SECOND * 9);
        assert_eq!((log.since(SECOND * 8), log.before(2)), (2, Some(SECOND * 8)));
    }

    #[test]
    fn its_memory_does_not_grow_with_the_calls() {
        let mut log = CallLog::default();
        (1..=10_000).for_each(|call| log.sent(Duration::ZERO, SECOND * 60, SECOND / 1_000 * call));
        assert!(log.batches.len() <= MOST_BATCHES, "{}", log.batches.len());
        assert_eq!(log.since(Duration::ZERO), 10_000);
    }
}
