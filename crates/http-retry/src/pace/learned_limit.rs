//! A limit that was learned: a token bucket like the server's own.

mod claim_test;
#[cfg(feature = "fleet")]
mod fleet;
mod growth;

use std::time::Duration;

pub(super) use self::claim_test::ClaimTest;
use super::constants::{BELOW, BEYOND, CALM, FEW_IN_FLIGHT, MAX_CONFIRMED, MORE_IN_FLIGHT};
use super::nanos::Nanos;
use super::rate_controller::Moment;

/// The bucket of one key as far as it is known.
#[derive(Clone, Debug)]
pub(super) struct LearnedLimit {
    /// The limit in calls a second.
    rate: f64,
    /// The rate after the last cut.
    cut_to: f64,
    /// The calls that go at once.
    burst: f64,
    /// The calls that may go now. Below 0 after an overshoot.
    level: f64,
    level_at: Nanos,
    /// The time of the last cut.
    cut_at: Nanos,
    /// The time since which requests wait, and no search was refused.
    waits_from: Nanos,
    /// The time since the last cut in which requests waited.
    pressed: f64,
    /// Since when the level is full, if it is.
    full_from: Option<Nanos>,
    /// The time at which the level was last full for a while, and the sends since; the largest number if it never was.
    full_at: Nanos,
    since_full: u32,
    /// The cuts that confirmed the rate.
    confirmed: u8,
    /// `true` while the rate is only known to be at least this. It doubles each round until a refusal.
    is_search: bool,
    /// `true` if the search doubles its rate each second round only, because the burst is known already.
    is_careful: bool,
    /// `true` once a request was served that this limit had refused.
    has_acquitted: bool,
    /// The test of the claim, once the rate is known.
    pub(super) test: Option<ClaimTest>,
}

impl LearnedLimit {
    pub(super) fn new(rate: f64, burst: f64, now: Duration) -> Self {
        let rate = rate.clamp(MIN_RATE, MAX_RATE);
        let burst = burst.max(1.0);
        Self {
            rate,
            cut_to: rate,
            burst,
            level: 0.0,
            level_at: now.into(),
            cut_at: now.into(),
            waits_from: now.into(),
            pressed: 0.0,
            full_from: None,
            full_at: Nanos::ZERO,
            since_full: NEVER_FULL,
            confirmed: 0,
            is_search: false,
            is_careful: false,
            has_acquitted: false,
            test: None,
        }
    }

    /// Creates a limit whose rate is at least this.
    pub(super) fn search(rate: f64, burst: f64, now: Duration) -> Self {
        Self { is_search: true, ..Self::new(rate, burst, now) }
    }

    /// Makes a search careful.
    pub(super) fn careful(self) -> Self {
        Self { is_careful: true, ..self }
    }

    pub(super) fn is_search(&self) -> bool {
        self.is_search
    }

    /// Notes that a request was served that this limit had refused, so that its refusal was not its own fault.
    pub(super) fn acquitted(&mut self) {
        self.has_acquitted = true;
    }

    /// Returns whether such a request was served.
    pub(super) fn has_acquitted(&self) -> bool {
        self.has_acquitted
    }

    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    pub(super) fn burst(&self) -> f64 {
        self.burst
    }

    /// Returns the time of the last cut.
    pub(super) fn cut_at(&self) -> Duration {
        self.cut_at.get()
    }

    /// Returns when the level was last full for a while.
    pub(super) fn full_at(&self) -> Duration {
        self.full_at.get()
    }

    /// Returns how many left since the level was last full. It is infinite if the level never was.
    fn since_full(&self) -> f64 {
        if self.since_full == NEVER_FULL { f64::INFINITY } else { f64::from(self.since_full) }
    }

    /// Returns when the next may go.
    pub(super) fn next(&self) -> Duration {
        let missing = (1.0 - self.level).max(0.0);
        self.level_at.get().saturating_add(Duration::from_secs_f64((missing / self.rate).min(LONGEST_GAP)))
    }

    /// Returns whether a call may go beyond what is known: nothing was refused for a while, and no request waits. So a limit
    /// that is met no more holds no request.
    pub(super) fn lets_beyond(&self, moment: &Moment) -> bool {
        moment.waiting == 0
            && moment.now > self.cut_at.get().saturating_add(CALM)
            && self.level > -BEYOND * self.burst
            && (moment.unknown as f64)
                < (if self.is_search { MORE_IN_FLIGHT } else { FEW_IN_FLIGHT } * self.burst).max(3.0)
    }

    pub(super) fn sent(&mut self) {
        if let Some(from) = self.full_from.take().filter(|_| self.level >= self.burst) {
            let is_saved = self.level_at.get() >= from.get().saturating_add(SAVED);
            self.since_full = if is_saved { 0 } else { NEVER_FULL };
            self.full_at = self.level_at;
        }
        self.level -= 1.0;
        if self.is_search {
            // What went beyond a rate that was never met is no debt.
            self.level = self.level.max(-1.0);
        }
        self.since_full = self.since_full.saturating_add(1);
    }

    /// Returns the burst that a refusal proves to be too large: it came while the calls went that had been saved.
    pub(super) fn refused_burst(&self, after: f64, now: Duration) -> Option<f64> {
        let refilled = now.saturating_sub(self.full_at.get()).as_secs_f64() * self.rate;
        let saved = self.since_full() - after - 1.0;
        let is_saved = self.burst >= SMALL_BURST && self.since_full != NEVER_FULL && refilled < self.burst;
        is_saved.then(|| (saved - refilled).max(1.0))
    }

    /// Gives back what a send took that never left.
    pub(super) fn given_back(&mut self) {
        self.level = (self.level + 1.0).min(self.burst);
    }

    /// Sets the level after a refusal: it was 0 when the refused call left, and `after` calls left since.
    pub(super) fn exhausted(&mut self, sent_at: Duration, after: f64, now: Duration) {
        let refilled = now.saturating_sub(sent_at).as_secs_f64() * self.rate;
        let debt = (self.rate * LONGEST_DEBT).max(2.0);
        self.level = self.level.min((refilled - after).clamp(-debt, 1.0));
        self.level_at = self.level_at.max(now.into());
    }

    /// Goes on with the search from a lower rate.
    pub(super) fn search_again(&mut self, rate: f64, now: Duration) {
        (self.is_search, self.is_careful) = (true, true);
        self.rate = rate.clamp(MIN_RATE, MAX_RATE);
        (self.cut_at, self.waits_from) = (now.into(), now.into());
        self.since_full = NEVER_FULL;
    }

    /// Sets the rate to what was measured, after a search.
    pub(super) fn measured(&mut self, rate: f64, now: Duration) {
        self.is_search = false;
        self.rate = (rate * BELOW).clamp(MIN_RATE, MAX_RATE);
        self.cut_to = self.rate;
        (self.cut_at, self.pressed, self.confirmed) = (now.into(), 0.0, 0);
    }

    /// Cuts the rate to what was measured, by a half at most, or a little.
    pub(super) fn cut(&mut self, measured: Option<f64>, now: Duration) {
        self.is_search = false;
        // What it has grown by since the last cut was only tried.
        let known = self.rate.min(self.cut_to / BELOW);
        let measured = measured.unwrap_or(known).min(self.rate);
        // Between the two, because refusals by chance make the measure too low.
        let is_near = (NEAR * known..=known / NEAR).contains(&measured);
        let rate = if is_near { 0.5 * (measured + known) } else { measured };
        self.note_confirmed(measured, known);
        self.rate = (rate.clamp(0.5 * self.rate, self.rate) * BELOW).clamp(MIN_RATE, MAX_RATE);
        self.cut_to = self.rate;
        self.cut_at = now.into();
        self.pressed = 0.0;
        self.level = self.level.max(-(self.rate * LONGEST_DEBT).max(2.0));
    }

    /// Counts a measure that confirms the rate: it is the same within what chance does to a measurement.
    fn note_confirmed(&mut self, measured: f64, known: f64) {
        let is_confirmed = (CONFIRMS * known..=known / CONFIRMS).contains(&measured);
        self.confirmed = if is_confirmed { (self.confirmed + 1).min(MAX_CONFIRMED) } else { 0 };
    }

    /// Sets the burst to what went at once before a refusal.
    pub(super) fn cut_burst(&mut self, burst: f64) {
        if (burst / self.burst - 1.0).abs() > 0.1 {
            self.burst = burst.clamp(0.5 * self.burst, 1.5 * self.burst).max(1.0);
        }
        self.since_full = NEVER_FULL;
    }

    /// Lets so many go at once.
    pub(super) fn open(&mut self, level: f64, now: Duration) {
        self.level = level.min(self.burst);
        self.level_at = now.into();
        if self.level >= self.burst {
            (self.full_from, self.full_at, self.since_full) = (Some(Nanos::ZERO), now.into(), 0);
        }
    }
}

/// The level was not full yet.
const NEVER_FULL: u32 = u32::MAX;
/// The lowest rate: one call each two minutes.
const MIN_RATE: f64 = 1.0 / 120.0;
/// The highest rate, beyond which a rate is no limit.
const MAX_RATE: f64 = 1e7;
/// The part of the rate above which a measure is that of the same limit.
const CONFIRMS: f64 = 0.7;
/// The part of the rate above which chance may make the difference.
const NEAR: f64 = 0.85;
/// A burst that is not told from a rate that is too high.
const SMALL_BURST: f64 = 2.0;
/// The time for which the level must have been full for a refusal to tell of the burst.
const SAVED: Duration = Duration::from_millis(300);
/// The longest gap between two calls, in seconds.
const LONGEST_GAP: f64 = 120.0;
/// The longest time in which an overshoot is paid back, in seconds.
const LONGEST_DEBT: f64 = 1.0;

#[cfg(test)]
mod tests;
