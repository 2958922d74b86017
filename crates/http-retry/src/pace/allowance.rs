//! A quota of which the server says how full it is and how fast it fills.

use std::time::Duration;

use crate::hint::Refill;

/// What the server allows, as far as it has said so.
///
/// It is a token bucket like the server's own, and never believes that there is more in it: sends that the
/// server has not answered yet may be missing from what it said.
#[derive(Debug)]
pub(super) struct Allowance {
    said: Said,
    at: Duration,
    /// The first send that left after the level was last believed: answers to earlier ones may be older.
    fresh_from: u64,
}

/// What an answer says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    limit: f64,
    /// How much is missing from the limit, at most: what is left is rounded down.
    missing: f64,
    /// The highest rate that goes with that. Infinite where nothing is missing.
    per_second: f64,
    level: f64,
    /// How long it takes for one at most, in seconds.
    slowest: f64,
}

impl Said {
    /// An answer, while `flying` others are not answered. One request may be sent in `slowest` at least, whatever
    /// the server says.
    pub(super) fn new(refill: &Refill, flying: usize, slowest: Duration) -> Self {
        let limit = refill.limit as f64;
        let missing = refill.limit.saturating_sub(refill.remaining) as f64;
        let reset = refill.reset.as_secs_f64();
        let slowest = slowest.as_secs_f64();
        let per_second = match missing > 0.0 && reset > 0.0 {
            true => (missing / reset).max(1.0 / slowest),
            false => f64::INFINITY,
        };
        let level = refill.remaining as f64 - flying as f64;
        Self { limit, missing, per_second, level, slowest }.bounded()
    }

    /// Nobody waits for longer than that, however many are under way.
    fn bounded(self) -> Self {
        Self { level: self.level.max(1.0 - self.per_second * self.slowest), ..self }
    }

    /// The lowest.
    fn at_least_per_second(&self) -> f64 {
        self.per_second * (self.missing - 1.0) / self.missing
    }
}

impl Allowance {
    /// By the first answer that said something. The next send will have the number `next`.
    pub(super) fn new(said: Said, next: u64, now: Duration) -> Self {
        Self { said, at: now, fresh_from: next }
    }

    /// Hears the answer to send `number`. The next send will have the number `next`.
    pub(super) fn hear(&mut self, said: Said, number: u64, next: u64, now: Duration) {
        let expected = self.level_at(now);
        self.at = now;
        self.hear_rate(said);
        let is_fresh = number >= self.fresh_from;
        if is_fresh {
            self.fresh_from = next;
        }
        // Another may tell of a time when there was more.
        let level = if is_fresh { said.level } else { said.level.min(expected) };
        self.said = Said { level, ..self.said }.bounded();
    }

    /// The lowest that any answer allows, and no lower than what this one proves.
    fn hear_rate(&mut self, said: Said) {
        let known = self.said;
        if known.per_second.is_infinite() || said.limit != known.limit {
            self.said = said;
        } else if said.per_second.is_finite() {
            self.said.per_second = known.per_second.min(said.per_second).max(said.at_least_per_second());
        }
    }

    /// When there is enough for one send.
    pub(super) fn opens_at(&self, now: Duration) -> Duration {
        let missing = (1.0 - self.level_at(now)).max(0.0);
        // Not a number where both are infinite, or none.
        let wait = Duration::try_from_secs_f64(missing / self.said.per_second).unwrap_or_default();
        now.saturating_add(wait)
    }

    pub(super) fn take(&mut self, now: Duration) {
        self.said.level = self.level_at(now) - 1.0;
        self.at = now;
    }

    pub(super) fn per_second(&self) -> Option<f64> {
        self.said.per_second.is_finite().then_some(self.said.per_second)
    }

    pub(super) fn limit(&self) -> f64 {
        self.said.limit
    }

    fn level_at(&self, now: Duration) -> f64 {
        if self.said.per_second.is_infinite() {
            return self.said.level;
        }
        let earned = now.saturating_sub(self.at).as_secs_f64() * self.said.per_second;
        (self.said.level + earned).min(self.said.limit)
    }
}
