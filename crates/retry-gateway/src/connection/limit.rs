//! The limit of connections that are open, and of other things that one only counts.

use std::sync::Arc;

/// Hands out permits and counts them, like a semaphore that never makes a caller wait.
#[derive(Debug, Default)]
pub(crate) struct ConcurrencyLimit(
    /// The strong count minus one is the number of permits in use, so one atomic both counts and shares.
    Arc<()>,
);

/// The right to one unit of a [`ConcurrencyLimit`], which its drop returns.
#[derive(Debug, Default)]
pub(crate) struct Permit(#[expect(dead_code, reason = "it is only owned")] Arc<()>);

impl ConcurrencyLimit {
    /// Returns a permit if fewer than `max` are in use. Where several callers ask for the last one at once,
    /// it may be that each of them gets `None`.
    pub(crate) fn try_acquire(&self, max: usize) -> Option<Permit> {
        let permit = Arc::clone(&self.0);
        (Arc::strong_count(&permit) <= max.saturating_add(1)).then_some(Permit(permit))
    }

    /// Returns the number of permits in use.
    pub(crate) fn in_use(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_permit_can_be_acquired_again() {
        let limit = ConcurrencyLimit::default();
        let (first, second) = (limit.try_acquire(2), limit.try_acquire(2));
        assert!(first.is_some() && second.is_some() && limit.try_acquire(2).is_none());
        assert_eq!(limit.in_use(), 2);
        drop(first);
        assert!(limit.try_acquire(2).is_some());
        // A smaller limit revokes no permit that is in use.
        assert!(limit.try_acquire(1).is_none());
    }
}
