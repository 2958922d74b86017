//! The time in which the pace holds callers back.

use std::time::Duration;

/// The spans in which callers waited for the pace.
#[derive(Debug, Default)]
pub(super) struct HeldSpans {
    spans: Vec<(Duration, Duration)>,
}

impl HeldSpans {
    /// Adds the wait of one caller.
    pub(super) fn add(&mut self, from: Duration, to: Duration) {
        if from < to {
            self.spans.push((from, to));
        }
    }

    /// Returns the time in which at least one caller waited.
    pub(super) fn total(mut self) -> Duration {
        self.spans.sort_unstable();
        let (mut total, mut end) = (Duration::ZERO, Duration::ZERO);
        for (from, to) in self.spans {
            total += to.saturating_sub(from.max(end));
            end = end.max(to);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_overlap_count_once() {
        let mut held = HeldSpans::default();
        for (from, to) in [(50, 60), (10, 20), (15, 30), (16, 18), (40, 40), (60, 61)] {
            held.add(Duration::from_secs(from), Duration::from_secs(to));
        }
        assert_eq!(held.total(), Duration::from_secs(31));
    }
}
