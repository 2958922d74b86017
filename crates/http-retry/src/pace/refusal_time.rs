//! The time that refusals take. A send that stays without an answer for some times as long counts as served.

use std::time::Duration;

use super::constants::{LONGEST_PATIENCE, PATIENCE, SHORTEST_PATIENCE, UNKNOWN_REFUSAL_TIME};

/// The time that refusals take: a maximum that decays.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefusalTime {
    /// The time in seconds. It is below 0 before a refusal was heard, and its amount is then the shortest time of a served call.
    /// So it takes half the memory of an enum.
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

    /// Records how long a served call took.
    pub(super) fn served_after(&mut self, time: Duration) {
        if !self.is_known() {
            self.seconds = self.seconds.max(-time.max(SHORTEST_ANSWER).as_secs_f64());
        }
    }

    /// Returns whether a refusal was heard.
    pub(super) fn is_known(self) -> bool {
        self.seconds >= 0.0
    }

    /// Returns how long refusals take.
    pub(super) fn get(self) -> Duration {
        if self.is_known() { Duration::from_secs_f64(self.seconds) } else { UNKNOWN_REFUSAL_TIME }
    }

    /// Returns how long a send may stay without an answer before it counts as served.
    pub(super) fn patience(self) -> Duration {
        let served = -self.seconds;
        if !self.is_known() && served <= SHORT_ANSWER {
            // It may be the network that takes so long, and then refusals do too.
            return Duration::from_secs_f64(served * LATER_ANSWER).max(self.get() * PATIENCE);
        }
        (self.get() * PATIENCE).clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE)
    }
}

impl Default for RefusalTime {
    fn default() -> Self {
        Self { seconds: f64::NEG_INFINITY }
    }
}

/// The part by which the known time of refusals follows a shorter one.
const DECAY: f64 = 0.05;
/// The shortest time of a served call that counts, so that the time is below 0 until a refusal was heard.
const SHORTEST_ANSWER: Duration = Duration::from_micros(1);
/// The longest time of a served call that the network alone may take, in seconds.
const SHORT_ANSWER: f64 = 0.15;
/// A refusal may take this much longer, because of jitter.
const LATER_ANSWER: f64 = 1.5;

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
    fn answers_that_come_soon_prolong_the_patience_until_a_refusal_was_heard() {
        let guess = RefusalTime::default().patience();
        for (served, expected) in [(20, guess), (140, ms(210)), (400, guess)] {
            let mut refusals = RefusalTime::default();
            refusals.served_after(ms(served));
            assert_eq!(refusals.patience(), expected, "after {served} ms");
            refusals.served_after(ms(10));
            assert_eq!(refusals.patience(), guess, "the shortest counts");
            refusals.refused_after(ms(0));
            assert_eq!(refusals.patience(), SHORTEST_PATIENCE);
            refusals.served_after(ms(140));
            assert_eq!(refusals.patience(), SHORTEST_PATIENCE);
        }
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
