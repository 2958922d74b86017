//! The limit of a member of a fleet is its share of a limit that the store knows.

use std::time::Duration;

use super::{LearnedLimit, MAX_RATE, MIN_RATE};
use crate::pace::constants::BELOW;
use crate::pace::seam::Scale;

impl LearnedLimit {
    /// Sets the rate and the burst to those of the store. Only a cut ends the growth: a lower share does not.
    pub(in crate::pace) fn hear(&mut self, rate: f64, burst: f64, is_cut: bool, now: Duration) {
        if is_cut {
            let known = self.rate.min(self.cut_to / BELOW);
            self.note_confirmed(rate, known);
            self.cut_to = rate.clamp(MIN_RATE, MAX_RATE);
        }
        self.rate = rate.clamp(MIN_RATE, MAX_RATE);
        self.burst = burst.max(1.0);
        (self.is_search, self.is_careful) = (false, false);
        if is_cut {
            (self.cut_at, self.pressed) = (now.into(), 0.0);
        }
    }

    /// Changes the rate by a factor, to at least that of the store, and the burst.
    pub(in crate::pace) fn scale(&mut self, scale: &Scale) {
        self.rate = (self.rate * scale.factor).max(scale.rate).clamp(MIN_RATE, MAX_RATE);
        self.cut_to *= scale.factor;
        self.burst = scale.burst.max(1.0);
    }

    /// Lets the rate grow soon.
    pub(in crate::pace) fn grows_soon(&mut self) {
        self.pressed = SOON;
    }

    /// Bounds the rate.
    pub(in crate::pace) fn limit_growth(&mut self, rate: f64) {
        self.rate = self.rate.min(rate);
    }

    /// Sets the level to 0 at the time of the next advance, because slots decide and none is there.
    pub(in crate::pace) fn empty(&mut self, now: Duration) {
        self.level = -now.saturating_sub(self.level_at.get()).as_secs_f64() * self.rate;
    }

    /// Lets one go at a time, the first after a gap.
    pub(in crate::pace) fn begin_alone(&mut self, now: Duration) {
        (self.level, self.level_at, self.burst) = (0.0, now.into(), 1.0);
    }
}

/// The time in which requests wait until a rate grows by a quarter in a second.
const SOON: f64 = 2.7;
