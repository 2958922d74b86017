//! The part of a limit that is this member's.

use std::time::Duration;

use super::LeaseState;

impl LeaseState {
    /// The part of the fleet's rate that is this member's.
    pub(in crate::pace) fn part(&self) -> f64 {
        if self.share > 0 { self.share as f64 / 1_000.0 } else { 1.0 }
    }

    /// The part of the rate of all that is this member's, where the sends of all are counted. It is 1 where they are not.
    pub(in crate::pace) fn part_of_measure(&self) -> f64 {
        let is_counted = self.is_joined() && self.others.are_known() && self.all_search;
        if is_counted { self.part() } else { 1.0 }
    }

    /// The part of the requests of all members that are taken to be this member's. Members that wait for one that looks for the
    /// rate do not ask, and their requests count all the same.
    pub(in crate::pace) fn part_of_load(&self) -> f64 {
        if self.is_joined() { self.part() } else { 1.0 }
    }

    /// Takes the share that the store tells, in thousandths. Before a rate is known, members that have met no refusal do not ask,
    /// and have their share all the same.
    pub(super) fn hear_share(&mut self, share: i64, members: u32) {
        let equal = i64::from(1_000 / members.clamp(1, 1_000)).max(1);
        self.all_search = self.gap > 0 || share <= equal * 3 / 2;
        self.share =
            if self.gap > 0 { share.clamp(1, 1_000) } else { share.clamp((equal / 4).max(1), equal) };
    }

    /// Returns how many sends of the other members were served until then.
    pub(in crate::pace) fn others_until(&self, at: Duration) -> u64 {
        if self.all_search { self.others.until(at) } else { 0 }
    }

    /// Returns the part of the burst that the server can have at most, if the refusal of a send proves it to be smaller: the store
    /// had many slots left then. While it has, the rate is not to blame. A few are left by chance.
    pub(in crate::pace) fn refused_burst(&self, sent_at: Duration, lease: Duration) -> Option<f64> {
        let (burst, saved) = (self.burst as f64 / 1_000.0, self.saved as f64);
        let is_near = sent_at <= self.saved_at.saturating_add(lease / 4);
        let has_saved = self.is_paced && self.is_joined() && saved >= 1.0 && saved >= MANY * burst;
        (has_saved && is_near).then(|| ((burst - saved - 1.0) / burst).max(1.0 / burst))
    }

    /// Assumes equal shares until the store has told them.
    pub(in crate::pace) fn assume_share(&mut self, members: u32) {
        if self.share == 0 {
            self.share = i64::from(1_000 / members.clamp(1, 1_000));
        }
    }
}

/// The part of the burst that must be left for a refusal to tell of the burst.
const MANY: f64 = 0.25;
