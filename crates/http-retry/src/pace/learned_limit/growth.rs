//! The growth of the rate of a limit while requests wait.

use std::time::Duration;

use super::{LearnedLimit, MAX_RATE};
use crate::pace::constants::{
    AIM, BELOW, FIRST_SEARCH, GROWTH, GROWTH_DOUBLES, GROWTH_SLOWER, LEAST_QUEUE, LONG_STOP, MAX_GROWTH,
    OFTEN_CONFIRMED, SAVED_BY_SEARCH,
};
use crate::pace::rate_controller::Moment;

impl LearnedLimit {
    /// Brings the level to now, and lets the rate grow while requests wait.
    pub(in crate::pace) fn advance(
        &mut self,
        is_pressed: bool,
        base: f64,
        hint: Duration,
        moment: &Moment,
        round: Duration,
    ) {
        let now = moment.now;
        if moment.waiting == 0 {
            self.waits_from = now.into();
        }
        let time = now.saturating_sub(self.level_at.get()).as_secs_f64();
        if time <= 0.0 {
            return;
        }
        self.level_at = now.into();
        let most = if self.is_search && moment.waiting > 0 {
            self.level.max((SAVED_BY_SEARCH * self.rate).max(1.0)).min(self.burst)
        } else {
            self.burst
        };
        self.level = (self.level + time * self.rate).min(most);
        if self.level >= self.burst {
            self.full_from.get_or_insert(now.into());
        }
        // Requests that wait although they may go are not polled.
        let is_pressed = (is_pressed || self.lets_beyond(moment)) && self.level < 1.0;
        if is_pressed && self.is_search {
            // What passed for some rounds without a refusal is a place to begin.
            let known = self.since_full() - moment.unknown as f64;
            let passing = known / now.saturating_sub(self.full_at.get()).as_secs_f64();
            if passing.is_finite() && now > self.full_at.get().saturating_add(KNOWN_TO_PASS) {
                self.rate = self.rate.max(passing);
            }
            if self.is_soon_empty(hint, moment) {
                return;
            }
            let speed = if self.is_careful { 0.35 } else { 1.0 } / round.as_secs_f64();
            let doublings = time * speed.min((self.rate / CALLS_TO_DOUBLE).max(1.0));
            self.rate = (self.rate * doublings.min(1.0).exp2()).min(MAX_RATE);
        } else if is_pressed {
            let often = f64::from(self.confirmed.saturating_sub(OFTEN_CONFIRMED));
            let doubles = GROWTH_DOUBLES * (1.0 + GROWTH_SLOWER * often);
            let speed = (GROWTH * (self.pressed / doubles).exp2()).min(MAX_GROWTH);
            let by_calls = (1.0 - BELOW) * (AIM + 1.5 * (base - AIM)) * self.rate;
            self.pressed += time;
            self.rate = (self.rate * ((speed + by_calls).min(MAX_GROWTH) * time).exp()).min(MAX_RATE);
        }
    }

    /// Returns whether all who wait have gone before a call that is refused now could come back. Then to try more can only
    /// cost time.
    fn is_soon_empty(&self, hint: Duration, moment: &Moment) -> bool {
        let left = self.waits_from.get().saturating_add(hint).saturating_sub(moment.now);
        // The other members of a fleet have as many for their parts.
        let waiting = moment.waiting as f64 / moment.part_of_load;
        let is_queue = waiting > LEAST_QUEUE + FIRST_SEARCH * self.burst;
        is_queue && hint <= LONG_STOP && waiting <= self.rate * left.as_secs_f64()
    }
}

/// A search doubles its rate with so many calls at the soonest, so that few of them are refused at a low rate.
const CALLS_TO_DOUBLE: f64 = 4.0;
/// The time in which calls must have passed without a refusal for their rate to be one to begin a search at.
const KNOWN_TO_PASS: Duration = Duration::from_secs(1);
