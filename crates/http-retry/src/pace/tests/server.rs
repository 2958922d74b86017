//! Servers that count.

use super::*;

/// A token bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    limit: f64,
    pub(super) per_second: f64,
    level: f64,
    at: Duration,
}

impl Bucket {
    pub(super) fn new(limit: u32, per_second: f64) -> Self {
        Self { limit: f64::from(limit), per_second, level: f64::from(limit), at: Duration::ZERO }
    }

    fn take(&mut self, now: Duration) -> bool {
        let earned = now.saturating_sub(self.at).as_secs_f64() * self.per_second;
        self.level = (self.level + earned).min(self.limit);
        self.at = now;
        // So that what is earned to the nanosecond is earned.
        let is_served = self.level >= 1.0 - 1e-6;
        self.level -= f64::from(u8::from(is_served));
        is_served
    }

    /// 200, or 429 and `Retry-After: 1`.
    pub(super) fn answer(&mut self, now: Duration) -> Response<()> {
        match self.take(now) {
            true => answer(200, &[]),
            false => answer(429, &[("retry-after", "1")]),
        }
    }

    /// 200 or 429, and how full it is, as OpenAI says it.
    pub(super) fn announce(&mut self, now: Duration) -> Response<()> {
        let status = if self.take(now) { 200 } else { 429 };
        let nanos = ((self.limit - self.level) / self.per_second * 1e9).ceil();
        quota(status, self.limit as u64, self.level.max(0.0) as u64, &format!("{nanos:.0}ns"))
    }
}

/// An answer with OpenAI's headers.
pub(super) fn quota(status: u16, limit: u64, remaining: u64, reset: &str) -> Response<()> {
    let lines = [
        ("x-ratelimit-limit-requests", &*limit.to_string()),
        ("x-ratelimit-remaining-requests", &*remaining.to_string()),
        ("x-ratelimit-reset-requests", reset),
    ];
    answer(status, &lines)
}

/// Refuses all until then, and names a second each time.
pub(super) fn shut_until(end: Duration, now: Duration) -> Response<()> {
    match now < end {
        true => answer(429, &[("retry-after", "1")]),
        false => answer(200, &[]),
    }
}
