//! The part of the rule that matters only within seconds.

use std::time::Duration;

use crate::pace::constants::NOTHING_PASSED;
use crate::pace::lazy_box::{AtRest, LazyBox};
use crate::pace::limit_estimate::LimitEstimate;
use crate::pace::nanos::Nanos;
use crate::pace::row::Row;

/// The outcomes of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Recent {
    pub(super) row: Row,
    pub(super) estimate: LazyBox<LimitEstimate>,
    /// The latest hint of the refusals since the last stop.
    pub(super) hinted_until: Nanos,
    /// Refusals of calls that left before this time are late: they concern their own request only.
    pub(super) late_before: Nanos,
    pub(super) passed_at: Nanos,
}

impl Recent {
    /// Counts a refusal that says nothing of the limit. Without a moment there is nothing that it could be mistaken for.
    pub(super) fn refused_for_itself(&mut self) {
        if let Some(estimate) = self.estimate.present_mut() {
            estimate.refused_for_itself();
        }
    }

    /// Forgets what is over, after the key was not used for a while: no call is in flight, and none that comes can be late.
    pub(super) fn forget(&mut self, now: Duration) {
        self.row = Row::default();
        self.estimate.reset();
        for time in [&mut self.hinted_until, &mut self.late_before] {
            *time = Some(*time).filter(|time| time.get() > now).unwrap_or_default();
        }
        if self.passed_at.get().saturating_add(NOTHING_PASSED) < now {
            self.passed_at = Nanos::ZERO;
        }
    }
}

impl AtRest for Recent {
    const REST: &'static Self = &Self {
        row: Row::NONE,
        estimate: LazyBox::new(),
        hinted_until: Nanos::ZERO,
        late_before: Nanos::ZERO,
        passed_at: Nanos::ZERO,
    };

    fn is_at_rest(&self) -> bool {
        self.row.count() == 0
            && self.estimate.is_at_rest()
            && [self.hinted_until, self.late_before, self.passed_at] == [Nanos::ZERO; 3]
    }
}
