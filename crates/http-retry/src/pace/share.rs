//! The share of refused calls, and whether it means a limit.

use std::time::Duration;

use super::constants::{
    CLAIM, CLAIM_AFTER_DROP, DROP_FORGOTTEN, FAULT, FIRST_BASE, LIMIT_SHARE, MAX_BASE, MAX_CLAIM, MOST_FAULTS,
};
use super::lazy_box::{AtRest, LazyBox};
use super::nanos::Nanos;

/// The share of refusals, and the cumulative sum that tells a limit from chance.
#[derive(Debug)]
pub(super) struct Share {
    /// The share that is there whatever the load.
    base: f64,
    /// The cumulative sum of log likelihood ratios, not below 0.
    sum: f64,
    short: Mean<20>,
    long: Mean<100>,
    drops: LazyBox<Drops>,
}

/// The claims of a limit that the test has dropped lately.
#[derive(Debug, Default)]
struct Drops {
    count: f64,
    at: Nanos,
}

/// An exponential mean over so many answers that is corrected for its start.
#[derive(Debug, Default)]
struct Mean<const ANSWERS: u32> {
    sum: f64,
    weight: f64,
}

impl<const ANSWERS: u32> Mean<ANSWERS> {
    fn add(&mut self, value: f64, times: u64) {
        let keeps = (1.0 - 1.0 / f64::from(ANSWERS)).powf(times as f64);
        self.sum = self.sum * keeps + value * (1.0 - keeps);
        self.weight = self.weight * keeps + (1.0 - keeps);
    }

    fn value(&self) -> f64 {
        if self.weight > 0.0 { self.sum / self.weight } else { 0.0 }
    }
}

impl Share {
    pub(super) fn new() -> Self {
        let (short, long) = (Mean::default(), Mean::default());
        Self { base: FIRST_BASE, sum: 0.0, short, long, drops: LazyBox::default() }
    }

    /// Counts calls that were served.
    pub(super) fn served(&mut self, times: u64) {
        let q = self.limit_share();
        self.sum = (self.sum + times as f64 * ((1.0 - q) / (1.0 - self.base)).ln()).max(0.0);
        self.short.add(0.0, times);
        self.long.add(0.0, times);
        let decay = 0.997_5_f64.powf(times as f64);
        self.base = FIRST_BASE + (self.base - FIRST_BASE) * decay;
    }

    /// Counts a refused call.
    pub(super) fn refused(&mut self) {
        self.sum += (self.limit_share() / self.base).ln();
        self.short.add(1.0, 1);
        self.long.add(1.0, 1);
    }

    /// Returns whether the refusals mean a limit. `lead` lowers the mark.
    pub(super) fn means_limit(&self, lead: f64, now: Duration) -> bool {
        self.sum > (CLAIM + CLAIM_AFTER_DROP * self.drops.left(now)).min(MAX_CLAIM) - lead
    }

    /// Drops a claim: so many refusals are there whatever the load.
    pub(super) fn dropped(&mut self, share: f64, now: Duration) {
        *self.drops = Drops { count: self.drops.left(now) + 1.0, at: now.into() };
        self.raise_base(share);
        self.sum = 0.0;
    }

    /// Raises the share that is there whatever the load.
    pub(super) fn raise_base(&mut self, share: f64) {
        self.base = self.base.max(share).min(MAX_BASE);
    }

    /// Takes back so many refusals that were the fault of their request. There may be more such requests.
    pub(super) fn retract(&mut self, refusals: u32) {
        self.sum = (self.sum - f64::from(refusals) * (self.limit_share() / self.base).ln()).max(0.0);
        self.base = self.base.max((self.base + FAULT).min(MOST_FAULTS));
    }

    /// Begins a new sum, after a claim was made.
    pub(super) fn begin(&mut self) {
        self.sum = 0.0;
    }

    pub(super) fn base(&self) -> f64 {
        self.base
    }

    pub(super) fn short(&self) -> f64 {
        self.short.value()
    }

    pub(super) fn long(&self) -> f64 {
        self.long.value()
    }

    /// Returns whether refusals are no longer a concern.
    pub(super) fn is_quiet(&self) -> bool {
        self.sum == 0.0 && self.short() < 0.01
    }

    /// Frees the memory of drops that are forgotten.
    pub(super) fn release_rested(&mut self, now: Duration) {
        if self.drops.left(now) == 0.0 {
            self.drops.reset();
        }
    }

    fn limit_share(&self) -> f64 {
        LIMIT_SHARE.max(3.0 * self.base).min(0.8)
    }
}

impl Drops {
    /// Returns the number of outcomes that are not forgotten.
    fn left(&self, now: Duration) -> f64 {
        let forgotten = now.saturating_sub(self.at.get()).as_secs_f64() / DROP_FORGOTTEN;
        (self.count - forgotten).max(0.0)
    }
}

impl AtRest for Drops {
    const REST: &'static Self = &Self { count: 0.0, at: Nanos::ZERO };

    fn is_at_rest(&self) -> bool {
        self.count == 0.0
    }
}

#[cfg(test)]
mod tests;
