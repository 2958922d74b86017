//! A probe before the end of a long stop: a hint may be longer than it has to be.

use std::time::Duration;

use super::constants::{
    EARLIEST_PROBE, EARLY_PART, LONG_STOP, MOST_HALVED, MOST_PAUSED, PAUSED_AFTER_REFUSAL,
};

/// The part of a long stop after which an early probe goes. It is smaller after each served one, and a refused one pauses them.
#[derive(Debug)]
pub(super) struct EarlyProbe {
    /// The first stop that has an early probe again.
    from: u32,
    /// The number of times that the part was halved.
    halved: u8,
    /// The number of stops without one after the last that was refused.
    paused: u8,
}

impl Default for EarlyProbe {
    fn default() -> Self {
        Self { from: 0, halved: 0, paused: 1 }
    }
}

impl EarlyProbe {
    /// Returns when the early probe of a stop goes, if it has one.
    pub(super) fn at(&self, stop: u32, now: Duration, until: Duration) -> Option<Duration> {
        let length = until.saturating_sub(now);
        let is_long = length >= if self.halved > 0 { 2 * EARLIEST_PROBE } else { LONG_STOP };
        let part = EARLY_PART * 0.5_f64.powi(self.halved.into());
        (is_long && stop >= self.from).then(|| now.saturating_add(length.mul_f64(part).max(EARLIEST_PROBE)))
    }

    /// Records that an early probe was served: the hint was too long.
    pub(super) fn served(&mut self) {
        self.halved = (self.halved + 1).min(MOST_HALVED);
        self.paused = 1;
    }

    /// Records that the early probe of a stop was refused.
    pub(super) fn refused(&mut self, stop: u32) {
        self.halved = self.halved.saturating_sub(1);
        self.paused = self.paused.saturating_mul(PAUSED_AFTER_REFUSAL).min(MOST_PAUSED);
        self.from = stop.saturating_add(1 + u32::from(self.paused));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn after(early: &EarlyProbe, stop: u32, length: u64) -> Option<Duration> {
        let at = early.at(stop, NOW, NOW + Duration::from_secs(length));
        at.map(|at| at - NOW)
    }

    #[test]
    fn a_long_stop_is_probed_at_its_half() {
        let early = EarlyProbe::default();
        assert_eq!(after(&early, 1, 2), None);
        assert_eq!(after(&early, 1, 3), Some(Duration::from_millis(1_500)));
        assert_eq!(after(&early, 1, 60), Some(Duration::from_secs(30)));
    }

    #[test]
    fn served_probes_go_earlier_and_earlier() {
        let mut early = EarlyProbe::default();
        let mut probed = Vec::new();
        for stop in 1..8 {
            probed.extend(after(&early, stop, 32).map(|after| after.as_secs()));
            early.served();
        }
        assert_eq!(probed, [16, 8, 4, 2, 2, 2, 2]);
        assert_eq!(after(&early, 9, 1), Some(EARLIEST_PROBE));
    }

    #[test]
    fn refused_probes_are_rare() {
        let mut early = EarlyProbe::default();
        let mut probed = Vec::new();
        for stop in 0..200 {
            if after(&early, stop, 32).is_some() {
                probed.push(stop);
                early.refused(stop);
            }
        }
        assert_eq!(probed, [0, 9, 74, 139]);
    }
}
