//! A server with a token bucket, which knows the fleet by its credential only.

use std::time::Duration;

/// The server's limit.
pub(super) struct FleetServer {
    rate: f64,
    burst: f64,
    level: f64,
    at: Duration,
    pub(super) is_down: bool,
    pub(super) calls: u64,
    pub(super) refused: u64,
}

impl FleetServer {
    pub(super) fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst, level: burst, at: Duration::ZERO, is_down: false, calls: 0, refused: 0 }
    }

    /// Returns the status of a call, and how long the caller of a refused one is asked to wait, in whole seconds.
    pub(super) fn call(&mut self, now: Duration) -> (u16, Option<u64>) {
        self.calls += 1;
        self.level = (self.level + now.saturating_sub(self.at).as_secs_f64() * self.rate).min(self.burst);
        self.at = self.at.max(now);
        if self.is_down {
            self.refused += 1;
            return (503, Some(1));
        }
        if self.level < 1.0 {
            self.refused += 1;
            return (429, Some(((1.0 - self.level) / self.rate).ceil().max(1.0) as u64));
        }
        self.level -= 1.0;
        (200, None)
    }
}
