//! The server of a fleet's members: a token bucket that may be down, and may refuse by chance.

use super::*;

/// The server's token bucket.
pub(in super::super) struct Bucket {
    pub(in super::super) rate: f64,
    pub(in super::super) burst: f64,
    pub(in super::super) is_down: bool,
    /// It refuses one of so many calls whatever the load, or none.
    pub(in super::super) refuses_each: u64,
    level: f64,
    at: Duration,
    pub(in super::super) calls: u64,
    pub(in super::super) refused: u64,
}

impl Bucket {
    pub(super) fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst, is_down: false, refuses_each: 0, level: burst, at: START, calls: 0, refused: 0 }
    }

    /// Takes a call, and returns the status of its answer.
    pub(super) fn take(&mut self, now: Duration) -> u16 {
        self.calls += 1;
        self.level = (self.level + now.saturating_sub(self.at).as_secs_f64() * self.rate).min(self.burst);
        self.at = self.at.max(now);
        // The calls that are refused are spread like those of a server that refuses by chance.
        let is_chance = self.refuses_each > 0
            && self.calls.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (self.refuses_each * 1_000) < 1_000;
        if self.level < 1.0 || self.is_down || is_chance {
            self.refused += 1;
            return if self.is_down { 503 } else { 429 };
        }
        self.level -= 1.0;
        200
    }
}
