//! What a member tells all others of a shared key, and how soon it may tell of a higher rate.

use std::time::Duration;

use super::lone_search::LoneSearch;
use super::{LeaseState, MAX_BURST, MAX_GAP, Moment};

impl LeaseState {
    /// Tells all that no member sends before a time.
    pub(in crate::pace) fn tell_quiet(&mut self, until: Duration) {
        (self.quiet, self.opened) = (Some(until), None);
        self.quiet_until = Some(until);
        (self.probing, self.lone_search) = (None, None);
        self.void(Duration::ZERO);
    }

    /// Tells all that the quiet is over. So many sends of this member may go at once.
    pub(in crate::pace) fn tell_opened(&mut self, window: f64, moment: &Moment) {
        (self.quiet, self.opened) = (None, Some(window));
        self.lone_search = Some(LoneSearch::new(moment));
        (self.quiet_until, self.probing, self.probe_until) = (None, None, None);
    }

    /// Tells all that the rate of this member is another one.
    pub(in crate::pace) fn tell_limit(&mut self, rate: f64, burst: f64, is_refused: bool, now: Duration) {
        // The others go at the same part of what they had.
        let (fleet_rate, fleet_burst) = if self.gap > 0 && self.own_rate > 0.0 {
            let burst = self.burst as f64 * (burst / self.own_burst.max(f64::MIN_POSITIVE)) / 1_000.0;
            (1e6 / self.gap as f64 * (rate / self.own_rate), burst)
        } else {
            (rate / self.part(), burst / self.part())
        };
        self.others.begin_rate();
        self.rate_changed_at = now;
        self.gap = ((1e6 / fleet_rate).round() as i64).clamp(1, MAX_GAP);
        self.burst = ((fleet_burst * 1_000.0).round() as i64).clamp(1_000, MAX_BURST);
        (self.own_rate, self.own_burst) = (rate, burst);
        self.announced = Some(is_refused || self.announced == Some(true));
    }

    /// Tells all that there is no limit of a rate, if they think that there is one.
    pub(in crate::pace) fn tell_dropped(&mut self) {
        self.dropped = self.gap > 0;
        self.forget_rate();
    }

    /// Returns whether the others have to hear that there is no limit.
    pub(in crate::pace) fn has_dropped(&self) -> bool {
        self.dropped
    }

    /// Forgets the rate of all.
    pub(super) fn forget_rate(&mut self) {
        (self.gap, self.own_rate, self.own_burst, self.announced) = (0, 0.0, 0.0, None);
        self.is_paced = false;
        self.void(Duration::ZERO);
    }

    /// Returns the highest rate of this member that may be told to all. A rate is tried before a higher one is, as slots that are
    /// out are those of an earlier one, and as requests may wait for a burst although the rate is not used.
    pub(in crate::pace) fn most_grown(&self, moment: &Moment) -> f64 {
        let time = moment.now.saturating_sub(self.rate_changed_at);
        let is_used = self.others.rate_of_all() >= USED * 1e6 / self.gap.max(1) as f64;
        if time < moment.lease * 2 || self.others.are_known() && !is_used {
            return self.own_rate;
        }
        let by_time = time.as_secs_f64() / (LEASES_TO_DOUBLE * moment.lease.as_secs_f64());
        let by_calls =
            self.others.since_rate() as f64 / (CALLS_TO_DOUBLE * (1.0 + f64::from(moment.members)));
        let tried = if self.others.are_known() { by_time.min(by_calls) } else { by_time };
        self.own_rate * tried.min(MOST_AT_ONCE).exp2()
    }
}

/// The part of the rate that all members must use for it to grow.
const USED: f64 = 0.6;
/// The rate doubles with so many calls at the soonest, and as many for each member.
const CALLS_TO_DOUBLE: f64 = 8.0;
/// The rate doubles in so many leases at the soonest.
const LEASES_TO_DOUBLE: f64 = 8.0;
/// The most that the rate grows by at once, in doublings.
const MOST_AT_ONCE: f64 = 0.25;
