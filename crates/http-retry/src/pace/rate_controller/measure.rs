//! The first refusals of an unknown limit, and what they tell of it.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Moment, RateController, Settling, round};
use crate::pace::constants::{
    ENOUGH_PASSED, ENOUGH_SLOT_HINTS, FASTER_THAN_HINTS, FIRST_SEARCH, LOWEST_SEARCH, OVERSHOT,
    PASSED_AGAINST_HINTS, PRECISE_SEARCH, SHORTEST_SLOT, TRIED, UNKNOWN_BURST, WELL_MEASURED,
};
use crate::pace::learned_limit::{ClaimTest, LearnedLimit};
use crate::pace::opening::Opening;

impl RateController {
    /// Ends an opening in which nothing was refused. If it followed a limit, the rate is at least what passed.
    pub(super) fn end_opening(&mut self, opening: &Opening, moment: &Moment) {
        if self.limit.is_none() && self.burst > 0.0 && opening.stopped_since().is_some() {
            let rate = self.first_rate(moment);
            let mut limit = LearnedLimit::search(rate, f64::from(self.burst), moment.now).careful();
            limit.open(f64::from(self.burst), moment.now);
            self.limit = Some(limit.into());
        }
    }

    /// Judges the first refusals of an unknown limit, of an opening or a search, once the outcomes are known of what was in
    /// flight.
    pub(super) fn settle(&mut self, settling: &Settling, moment: &Moment) {
        let is_closed = self.recent.row.is_closed(self.share.base());
        let is_known = self.limit.as_ref().is_some_and(|limit| !limit.is_search());
        let is_claim = !is_known && self.share.means_limit(0.0, moment.now);
        let is_opened = self.opening.as_ref().is_some_and(|opening| !opening.is_tolerant());
        if is_claim || is_opened || self.limit.is_some() {
            self.measure(settling.burst_from, moment);
            if self.close_window(moment) {
                return;
            }
        }
        if is_closed {
            self.stop(moment);
        }
    }

    /// Measures the rate and the burst of a limit that was just met. `burst_from` is the first send that may belong to the burst.
    fn measure(&mut self, burst_from: u64, moment: &Moment) {
        let now = moment.now;
        let recent = &mut *self.recent;
        let opening_rate = self.opening.take().map_or(f64::INFINITY, |opening| {
            opening.passed_count() / opening.lasted().max(round(moment)).as_secs_f64()
        });
        recent.late_before = now.into();
        if self.limit.is_none() {
            self.burst =
                recent.estimate.passed_since(burst_from).map_or(1.0, |passed| passed as f32).max(1.0);
        }
        let span = recent.estimate.rate(ENOUGH_PASSED).map(|(rate, passed)| (rate * moment.part, passed));
        // A limit that may have been full in between has not refilled then, so that what passed is a lower bound.
        let has_gap = std::mem::take(&mut self.has_gap);
        let measured = span.filter(|(_, passed)| !has_gap && *passed >= WELL_MEASURED).map(|(rate, _)| rate);
        let known = span.map_or(0.0, |(rate, _)| rate);
        let told = rate_of_hints(self.slot_hint, self.slot_hints, span);
        if has_gap {
            recent.estimate.keep_last();
        }
        let refused = recent.estimate.refused_lately();
        let first = self.first_rate(moment);
        let burst = f64::from(self.burst);
        match (&mut self.limit, measured.or(told)) {
            (Some(limit), _) if !limit.is_search() => limit.cut(measured.or(Some(known)), now),
            (Some(limit), measured) => {
                match (limit.refused_burst(refused, now), measured) {
                    (Some(burst), _) => limit.cut_burst(burst),
                    (None, Some(rate)) if rate > limit.rate() / OVERSHOT => limit.measured(rate, now),
                    // Nothing passed at all: that may be a standstill, and tells little of the rate.
                    (None, _) if opening_rate == 0.0 => {
                        limit.search_again((0.5 * limit.rate()).max(LOWEST_SEARCH), now);
                    }
                    (None, _) => {
                        limit.search_again(known.max(limit.rate() / OVERSHOT).max(LOWEST_SEARCH), now)
                    }
                }
            }
            (limit, Some(rate)) => {
                // Hints come with the first refusals, when just the burst has passed.
                let least = if measured.is_some() { rate * UNKNOWN_BURST } else { 1.0 };
                *limit = Some(LearnedLimit::new(rate, burst.max(least), now).into())
            }
            (limit, None) => {
                *limit = Some(LearnedLimit::search(known.max(first), burst, now).into());
            }
        }
        if let Some(limit) = &mut self.limit {
            self.paced_at = self.paced_at.min(now.into());
            limit.exhausted(now, 0.0, now);
            limit.test =
                (!limit.is_search()).then(|| ClaimTest::new(limit.rate() / moment.part, moment.sends));
            self.share.begin();
            // A few go first, because a window that is used up serves nobody until it ends.
            self.opening = limit.is_search().then(|| Opening::new(TRIED, Some(now), now).into());
        }
    }

    /// Returns the rate at which a search begins.
    pub(super) fn first_rate(&self, moment: &Moment) -> f64 {
        let first = (FIRST_SEARCH * f64::from(self.burst)).max(moment.part) / round(moment).as_secs_f64();
        // A precise hint is the time of one slot at most.
        self.slot_hint.map_or(first, |slot| {
            first.max(PRECISE_SEARCH / Duration::from_nanos(u64::from(slot.get())).as_secs_f64())
        })
    }
}

/// Returns the rate of which the longest of some precise hints, in nanoseconds, is one slot. `span` is the rate that was
/// measured, and the calls that it is known by: where calls pass much faster, the hint is that of a window.
fn rate_of_hints(longest: Option<NonZeroU32>, hints: u8, span: Option<(f64, f64)>) -> Option<f64> {
    let longest = Duration::from_nanos(longest?.get().into());
    let slots = longest.as_secs_f64().recip();
    let is_faster =
        |(rate, passed): (f64, f64)| passed >= PASSED_AGAINST_HINTS && rate > FASTER_THAN_HINTS * slots;
    let is_told = hints >= ENOUGH_SLOT_HINTS && longest >= SHORTEST_SLOT && !span.is_some_and(is_faster);
    // The longest of so many hints is on average this part of a slot.
    let part = f64::from(hints) / (f64::from(hints) + 1.0);
    is_told.then_some(part * slots)
}
