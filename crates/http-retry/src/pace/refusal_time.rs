//! How long refusals take, and so for how long a send may stay without an answer before it counts as served.

use std::time::Duration;

use super::constants::{LONGEST_PATIENCE, PATIENCE, SHORTEST_PATIENCE, UNKNOWN_REFUSAL_TIME};

/// The time that refusals take: a maximum that decays.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefusalTime {
    /// In seconds. It is not a number before a refusal was heard, so that it takes half the memory of an `Option`.
    seconds: f64,
}

impl RefusalTime {
    /// Records how long a refusal took.
    pub(super) fn refused_after(&mut self, time: Duration) {
        // Nothing waits for long for what is left of a crowd, however late a refusal may be.
        let time = time.min(LONGEST_PATIENCE).as_secs_f64();
        let known = if self.is_known() { self.seconds } else { time };
        self.seconds = if time > known { time } else { known + (time - known) * DECAY };
    }

    /// Returns whether a refusal was heard.
    pub(super) fn is_known(self) -> bool {
        !self.seconds.is_nan()
    }

    /// Returns how long refusals take.
    pub(super) fn get(self) -> Duration {
        if self.is_known() { Duration::from_secs_f64(self.seconds) } else { UNKNOWN_REFUSAL_TIME }
    }

    /// Returns how long a send may stay without an answer before it counts as served.
    pub(super) fn patience(self) -> Duration {
        (self.get() * PATIENCE).clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE)
    }
}

impl Default for RefusalTime {
    fn default() -> Self {
        Self { seconds: f64::NAN }
    }
}

/// The part by which the known time of refusals follows a shorter one.
const DECAY: f64 = 0.05;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn patience_follows_the_time_that_refusals_take_within_bounds() {
        let mut refusals = RefusalTime::default();
        let unknown = refusals.patience();
        assert!(!refusals.is_known() && unknown >= SHORTEST_PATIENCE && unknown <= LONGEST_PATIENCE);
        for (took, expected) in [
            (ms(0), SHORTEST_PATIENCE),
            (ms(100), ms(100) * PATIENCE),
            (ms(20), ms(96) * PATIENCE),
            (ms(800), LONGEST_PATIENCE),
        ] {
            refusals.refused_after(took);
            assert_eq!(refusals.patience(), expected, "after {took:?}");
        }
        assert!(refusals.is_known());
    }

    #[test]
    fn a_refusal_that_took_a_year_is_no_time_of_refusals() {
        for late in [Duration::from_secs(31_000_000), Duration::MAX] {
            let mut refusals = RefusalTime::default();
            refusals.refused_after(late);
            assert!(refusals.get() <= LONGEST_PATIENCE, "{:?}", refusals.get());
            (0..100).for_each(|_| refusals.refused_after(ms(10)));
            assert!(refusals.get() < ms(30), "{:?}", refusals.get());
        }
    }
}
