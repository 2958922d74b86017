//! The rule of a key hears of a fleet.

use std::time::Duration;

use super::{Moment, RateController};
use crate::pace::constants::{FIRST_OPENING, LEAST_FAULTY, MOST_NOISE};
use crate::pace::learned_limit::{ClaimTest, LearnedLimit};
use crate::pace::opening::Opening;
use crate::pace::row::Row;
use crate::pace::seam::Scale;
use crate::pace::stop::Stop;

impl RateController {
    /// Stops all requests until a time, because another member of the fleet met a standstill.
    pub(in crate::pace) fn hear_stop(&mut self, until: Duration, moment: &Moment) {
        let since = self.stop.as_ref().map_or(moment.now, |stop| stop.since());
        if self.stop.as_ref().is_some_and(|stop| stop.until() >= until) {
            return;
        }
        self.stops = self.stops.wrapping_add(1);
        self.has_gap = true;
        self.stop = Some(Stop::new(self.stops, since, until).into());
        (self.opening, self.settling) = (None, None);
        self.recent.row = Row::default();
        self.share.begin();
        self.recent.late_before = moment.now.into();
    }

    /// Opens after the probe of another member.
    pub(in crate::pace) fn hear_opened(&mut self, members: u32, moment: &Moment) {
        let Some(stop) = self.stop.take() else {
            return;
        };
        self.recent.late_before = moment.now.into();
        self.recent.row = Row::default();
        let window = (f64::from(self.burst) * FIRST_OPENING).max(2.0) / f64::from(members);
        self.opening = Some(Opening::new(window, Some(stop.since()), moment.now).into());
    }

    /// Takes the member's share of a limit that the store knows. `is_cut` says that the limit of all is lower than before.
    pub(in crate::pace) fn hear_limit(&mut self, rate: f64, burst: f64, is_cut: bool, moment: &Moment) {
        let now = moment.now;
        let limit = self.limit.get_or_insert_with(|| LearnedLimit::new(rate, burst, now).into());
        if is_cut {
            // What is in flight left at the rate that was too high.
            self.recent.late_before = now.into();
        }
        limit.hear(rate, burst, is_cut, now);
        limit.test.get_or_insert_with(|| ClaimTest::new(rate / moment.part, moment.sends));
        self.burst = burst as f32;
        self.paced_at = self.paced_at.min(now.into());
    }

    /// Drops the limit, because another member found that refusals do not depend on the rate.
    pub(in crate::pace) fn hear_dropped(&mut self, moment: &Moment) {
        if self.limit.take().is_some() {
            self.dropped(self.share.long().clamp(LEAST_FAULTY, MOST_NOISE), moment);
        }
    }

    /// Returns whether this member has dropped its claim of a limit since the last call.
    pub(in crate::pace) fn take_dropped(&mut self) -> bool {
        std::mem::take(&mut self.has_dropped)
    }

    /// Changes the limit, because the member's share of it has changed.
    pub(in crate::pace) fn scale_limit(&mut self, scale: &Scale) {
        if let Some(limit) = self.limit.as_mut().filter(|limit| !limit.is_search()) {
            limit.scale(scale);
        }
    }

    /// Begins to use the rate that one member has found.
    pub(in crate::pace) fn begin_found(&mut self, is_lower_bound: bool, others: u64, moment: &Moment) {
        // Slots decide how many go at first.
        self.opening = None;
        (self.has_gap, self.sent_at) = (false, moment.now.into());
        self.recent.estimate.begin(moment.sends, others, moment.now);
        if let Some(limit) = self.limit.as_mut().filter(|_| is_lower_bound) {
            limit.grows_soon();
        }
    }

    /// Bounds what the limit has grown to: no more was tried.
    pub(in crate::pace) fn limit_growth(&mut self, rate: f64) {
        if let Some(limit) = &mut self.limit {
            limit.limit_growth(rate);
        }
    }

    /// Notes that slots decide, and none is there.
    pub(in crate::pace) fn is_short_of_slots(&mut self, now: Duration) {
        if let Some(limit) = &mut self.limit {
            limit.empty(now);
        }
    }

    /// Forgets what passed before: the calls of others count from now on.
    pub(in crate::pace) fn begin_with_others(&mut self) {
        self.recent.estimate.reset();
    }

    /// Lets requests go one at a time, because the store does not answer. The calls of others are not counted any more.
    pub(in crate::pace) fn begin_alone(&mut self, now: Duration) {
        self.recent.estimate.reset();
        if let Some(limit) = self.limit.as_mut().filter(|limit| !limit.is_search()) {
            limit.begin_alone(now);
        }
    }
}
