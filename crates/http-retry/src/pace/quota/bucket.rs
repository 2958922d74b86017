//! A quota that refills all the time, as OpenAI's and Anthropic's do.

use std::time::Duration;

use super::after;
use super::sends::{Anchor, Heard, Open, Sends};
use crate::pace::evidence::{Announced, Unit};

/// A token bucket like the server's own.
///
/// It is reckoned in the time of sends: its level at a moment is the server's level when a request that is sent at that
/// moment arrives. The server computes what it announces when the request arrives, so an announcement holds for the moment
/// at which the answer's request was sent, however long the answer takes.
#[derive(Debug)]
pub(super) struct RefillingQuota {
    size: f64,
    level: f64,
    /// The moment for which `level` holds.
    at: Duration,
    rate: Rate,
    /// The newest announcement.
    anchor: Anchor,
}

/// The bounds of the refill in a second.
#[derive(Clone, Copy, Debug)]
struct Rate {
    low: f64,
    /// Infinite while it is not known.
    high: f64,
    /// The refill that counts while no announcement has told one: all of them found the quota full, or as good as full. It
    /// is the whole quota in a minute, as OpenAI's and Anthropic's are, or one unit until the announced reset, but not less
    /// than a second, if that is more.
    guess: f64,
}

impl RefillingQuota {
    pub(super) fn new(announced: &Announced, size: u64, heard: &Heard) -> Self {
        let rate = Rate::of(announced, size, heard);
        let anchor = Anchor::new(announced, heard);
        let mut bucket = Self { size: size as f64, level: 0.0, at: heard.now, rate, anchor };
        bucket.level = bucket.highest(announced, heard);
        bucket.bounded(heard.now)
    }

    /// Hears an announcement.
    pub(super) fn hear(
        &mut self,
        announced: &Announced,
        heard: &Heard,
        is_newest: bool,
        sends: &Sends,
        open: &Open,
    ) {
        if is_newest {
            self.anchor = Anchor::new(announced, heard);
        }
        let level = self.level_at(heard.now);
        self.rate.narrow(Rate::of(announced, self.size as u64, heard));
        let highest = self.highest(announced, heard);
        // Once all sends are answered, the newest answer knows what they left of a quota whose refill is a guess. Otherwise
        // the server may have computed the rest later than on arrival, so the refill since then does not count here.
        let lowest = match self.rate.is_guess() && is_newest && open.sum(announced.unit) == 0.0 {
            true => highest,
            false => self.anchor.lowest(announced.unit, sends),
        };
        let level = level.max(lowest).min(highest);
        *self = Self { level, at: heard.now, ..*self }.bounded(heard.now);
    }

    /// Returns the first moment from `now` on at which so much is there.
    pub(super) fn has_at(&self, amount: f64, now: Duration) -> Duration {
        let missing = amount.min(self.size) - self.level_at(now);
        // The rounding of floats must not cost a slot.
        if missing <= TOLERANCE { now } else { after(now, missing / self.per_second()) }
    }

    pub(super) fn add(&mut self, amount: f64, now: Duration) {
        let level = self.level_at(now) + amount;
        *self = Self { level, at: now, ..*self }.bounded(now);
    }

    /// Takes what the bucket seemed to have.
    pub(super) fn empty(&mut self, now: Duration) {
        let level = self.level_at(now).min(0.0);
        *self = Self { level, at: now, ..*self };
    }

    pub(super) fn level_at(&self, now: Duration) -> f64 {
        (self.level + self.earned(now.saturating_sub(self.at))).min(self.size)
    }

    /// Returns the refill in a second, which is more than 0. It is the lowest rate that no announcement has shown to be too
    /// low, because the server would otherwise lose ground to it with each request; what it is too high by is corrected by
    /// each answer.
    fn per_second(&self) -> f64 {
        let Rate { low, high, guess } = self.rate;
        match (high.is_finite(), self.rate.is_guess()) {
            (true, _) => high,
            (false, true) => guess,
            (false, false) => low,
        }
    }

    fn earned(&self, time: Duration) -> f64 {
        self.per_second() * time.as_secs_f64()
    }

    /// Returns the highest level at `now` that goes with an announcement.
    fn highest(&self, announced: &Announced, heard: &Heard) -> f64 {
        let remaining = announced.remaining as f64;
        // The rate is slightly too high, and a request must not come a moment early.
        let margin = if announced.unit == Unit::Requests { 0.05 } else { 1.0 };
        let level = match announced.granule <= 1 {
            // The time until the bucket is full tells the fraction that the server left out.
            true => {
                let reset = since_sent(announced, heard).as_secs_f64();
                (self.size - self.per_second() * reset).max(remaining).min(remaining + 1.0)
            }
            false => remaining,
        };
        (level + self.earned(heard.age())).min(self.size) - heard.later - margin
    }

    /// Returns the bucket with a level that a long time refills.
    fn bounded(self, now: Duration) -> Self {
        Self { level: self.level.clamp(-self.size, self.size), at: now, ..self }
    }
}

impl Rate {
    /// Returns the bounds that follow from one announcement.
    fn of(announced: &Announced, size: u64, heard: &Heard) -> Self {
        let half = if announced.granule > 1 { announced.granule as f64 / 2.0 } else { 0.0 };
        let missing = size.saturating_sub(announced.remaining) as f64;
        let longest = since_sent(announced, heard).as_secs_f64();
        // How long the request took to the server is not known, so half of a date's own delay is left out.
        let travel = if announced.is_date { heard.age() / 2 } else { Duration::ZERO };
        let shortest = longest - announced.precision.as_secs_f64() - travel.as_secs_f64();
        let low = (missing - half - 1.0).max(0.0) / longest.max(1e-9);
        let high =
            if missing + half > 0.0 && shortest > 0.0 { (missing + half) / shortest } else { f64::INFINITY };
        let guess = (size as f64 / GUESSED_PERIOD).max(1.0 / longest.max(1.0));
        Self { low, high: high.max(low), guess }
    }

    /// Returns whether no announcement has told a bound that counts.
    fn is_guess(&self) -> bool {
        self.high.is_infinite() && self.low <= 0.0
    }

    /// Keeps what both bounds allow. Where they contradict each other, the server has changed its rate.
    fn narrow(&mut self, other: Self) {
        let (low, high) = (self.low.max(other.low), self.high.min(other.high));
        *self =
            if low <= high * (1.0 + TOLERANCE) { Self { low, high: high.max(low), ..other } } else { other };
    }
}

/// Returns the time until the reset as the server computed it, when the request arrived.
fn since_sent(announced: &Announced, heard: &Heard) -> Duration {
    match announced.is_date {
        true => announced.reset.saturating_add(heard.age()),
        false => announced.reset,
    }
}

/// The time in which a quota of unknown refill is guessed to be full again, in seconds.
const GUESSED_PERIOD: f64 = 60.0;
/// The share of a unit that may be missing.
const TOLERANCE: f64 = 1e-6;
