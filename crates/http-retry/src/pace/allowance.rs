//! A quota of which the server says how full it is and how fast it fills.

use std::time::Duration;

use crate::hint::Refill;

/// What the server allows, as far as it has said so.
///
/// It is a token bucket like the server's own, and never believes that there is more in it: sends that the
/// server has not answered yet may be missing from what it said.
#[derive(Debug)]
pub(super) struct Allowance {
    limit: f64,
    per_second: f64,
    level: f64,
    at: Duration,
    /// The latest send that the server has answered.
    newest: u64,
}

impl Allowance {
    /// By the answer to send `number`, while `flying` others were not answered. `slowest` bounds the time in
    /// which one request may be sent, whatever the server says.
    pub(super) fn new(refill: &Refill, number: u64, flying: usize, now: Duration, slowest: Duration) -> Self {
        let per_second = per_second(refill, slowest).unwrap_or(f64::INFINITY);
        // Nobody waits for longer than that, however many are under way.
        let lowest = 1.0 - per_second * slowest.as_secs_f64();
        let level = (refill.remaining as f64 - flying as f64).max(lowest);
        Self { limit: refill.limit as f64, per_second, level, at: now, newest: number }
    }

    /// Hears another answer.
    pub(super) fn hear(
        &mut self,
        refill: &Refill,
        number: u64,
        flying: usize,
        now: Duration,
        slowest: Duration,
    ) {
        let said = Self::new(refill, number, flying, now, slowest);
        let expected = self.level_at(now);
        // What is left is rounded down, so that the rate looks higher than it is, and never lower.
        let per_second = match said.per_second.is_infinite() || self.per_second.is_infinite() {
            true => said.per_second.min(self.per_second),
            false => said.per_second.min(self.per_second + (said.per_second - self.per_second) * DRIFT),
        };
        // A late answer tells of a time when there was more.
        let level = if number > self.newest { said.level } else { said.level.min(expected) };
        *self = Self { per_second, level, newest: self.newest.max(number), ..said };
    }

    /// When there is enough for one send.
    pub(super) fn opens_at(&self, now: Duration) -> Duration {
        let missing = (1.0 - self.level_at(now)).max(0.0);
        // Not a number where both are infinite, or none.
        let wait = Duration::try_from_secs_f64(missing / self.per_second).unwrap_or_default();
        now.saturating_add(wait)
    }

    pub(super) fn take(&mut self, now: Duration) {
        self.level = self.level_at(now) - 1.0;
        self.at = now;
    }

    pub(super) fn per_second(&self) -> Option<f64> {
        self.per_second.is_finite().then_some(self.per_second)
    }

    pub(super) fn limit(&self) -> f64 {
        self.limit
    }

    fn level_at(&self, now: Duration) -> f64 {
        if self.per_second.is_infinite() {
            return self.level;
        }
        let earned = now.saturating_sub(self.at).as_secs_f64() * self.per_second;
        (self.level + earned).min(self.limit)
    }
}

/// How fast the quota fills; `None` where it is full.
fn per_second(refill: &Refill, slowest: Duration) -> Option<f64> {
    let missing = refill.limit.saturating_sub(refill.remaining) as f64;
    let reset = refill.reset.as_secs_f64();
    (missing > 0.0 && reset > 0.0).then(|| (missing / reset).max(1.0 / slowest.as_secs_f64()))
}

/// How much of the difference to a higher rate is believed at a time.
const DRIFT: f64 = 0.1;
