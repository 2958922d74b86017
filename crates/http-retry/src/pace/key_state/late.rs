//! The late requests of a key, which were sent before their key was known and were counted by its group.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{KeyState, SentCall};
use crate::pace::constants::FORGOTTEN;
use crate::pace::groups::LateEffect;
use crate::pace::key_entry::KeyEntry;

impl KeyState {
    /// Makes a late send one of this key, because its answer tells something.
    ///
    /// Only the group knows how many late requests were sent and served, so all of them since the last time count as those of
    /// this key. That is exact where the group has one key. Where it has more, the key's first measure of a limit is too
    /// high, which the next refusals correct: from then on every request of the group is sent under its own key.
    pub(in crate::pace) fn adopt(
        &mut self,
        call: SentCall,
        group: &Arc<KeyEntry>,
        entry: &KeyEntry,
    ) -> SentCall {
        let sends = group.sends.load(Relaxed);
        let seen = if self.late_seen > sends { 0 } else { self.late_seen };
        self.late_seen = sends;
        let from = entry.adopt(group, sends - seen);
        let ordinal = call.ordinal.wrapping_add(entry.sends.load(Relaxed)).wrapping_sub(sends);
        if !self.is_free() {
            self.control.passed_while_free(ordinal, from);
        }
        self.traffic.late = Some(Arc::clone(group));
        SentCall { ordinal, first: ordinal, previous: None, ..call }
    }

    /// Counts a send as no longer in flight. The group of a late one, which [`adopt`](Self::adopt) has noted, counts it.
    pub(super) fn count_settled(&self, call: &SentCall, entry: &KeyEntry) {
        let group = self.traffic.late.as_deref().filter(|_| call.is_late);
        group.unwrap_or(entry).settled.fetch_add(1, Relaxed);
    }

    /// Returns the number of calls in flight. The late ones of other keys in the group count too.
    pub(super) fn in_flight(&self, entry: &KeyEntry) -> u64 {
        let late = self.traffic.late.as_ref().map_or(0, |group| group.in_flight());
        entry.in_flight().saturating_add(late)
    }

    /// Returns what the key means for the late requests of its group.
    pub(in crate::pace) fn hold(&self, now: Duration) -> LateEffect {
        let has_stop = self.control.stop_ref().is_some();
        #[cfg(feature = "fleet")]
        let has_stop = has_stop || self.lease.is_some();
        let is_held = has_stop
            || self.control.is_paced()
            || self.at_a_time.is_known()
            || !self.traffic.queue.is_empty();
        let until = if is_held {
            now.saturating_add(FORGOTTEN)
        } else if !self.control.is_free() {
            now.saturating_add(WATCHED)
        } else {
            Duration::ZERO
        };
        let room = self.traffic.quotas.spare(now).map(|room| (room, now.saturating_add(FORGOTTEN)));
        LateEffect { until, room }
    }
}

/// The time after a refusal in which the next ones may tell of a limit.
const WATCHED: Duration = Duration::from_secs(10);
