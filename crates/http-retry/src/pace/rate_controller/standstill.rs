//! The start and the end of a standstill.

use std::time::Duration;

use super::{Moment, RateController};
use crate::pace::constants::{FIRST_OPENING, FIRST_STOP, SHORTEST_STOP};
use crate::pace::opening::Opening;
use crate::pace::row::Row;
use crate::pace::stop::Stop;

impl RateController {
    /// Stops all requests, because nothing is served any more.
    pub(super) fn stop(&mut self, moment: &Moment) {
        if self.close_window(moment) {
            return;
        }
        self.stop_since(self.recent.row.since(), moment);
    }

    /// Stops all requests, because nothing is served since that time.
    pub(in crate::pace) fn stop_since(&mut self, since: Duration, moment: &Moment) {
        let recent = &mut *self.recent;
        let hinted_until = std::mem::take(&mut recent.hinted_until).get();
        let shortest = if hinted_until > moment.now { SHORTEST_STOP } else { FIRST_STOP };
        let until = hinted_until.max(moment.now.saturating_add(shortest.min(moment.longest)));
        self.stops = self.stops.wrapping_add(1);
        self.has_gap = true;
        let early_at = self.early.at(self.stops, moment.now, until);
        self.stop = Some(Stop::new(self.stops, since, until).with_early_probe(early_at).into());
        self.opening = None;
        self.settling = None;
        recent.row = Row::default();
        self.share.begin();
        recent.late_before = moment.now.into();
    }

    /// Opens after a probe that was served.
    pub(super) fn open(&mut self, moment: &Moment) {
        let Some(stop) = self.stop.take() else {
            return;
        };
        if stop.until() > moment.now {
            self.early.served();
        }
        self.recent.late_before = moment.now.into();
        self.recent.row = Row::default();
        let first = self.first_rate(moment);
        let window = match &mut self.limit {
            Some(limit) => {
                if limit.is_search() {
                    // What was refused in the standstill told nothing of the rate.
                    limit.search_again(limit.rate().max(first), moment.now);
                }
                let time = moment.now.saturating_sub(stop.since()).as_secs_f64();
                let refilled = if limit.is_search() { f64::INFINITY } else { limit.rate() * time };
                let level = refilled.min(limit.burst());
                limit.open(level, moment.now);
                level * FIRST_OPENING
            }
            None => f64::from(self.burst) * FIRST_OPENING,
        };
        self.opening = Some(Opening::new(window.max(2.0), Some(stop.since()), moment.now).into());
        if self.window.as_ref().is_some_and(|window| window.is_endless()) {
            self.drop_window(moment);
        }
        self.open_window(stop.probed_at().unwrap_or(moment.now));
    }
}
