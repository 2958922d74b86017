//! A token bucket, with the time as an argument.

use std::time::{Duration, Instant};

/// A bucket that gains `rate` tokens a second, and has at most `burst`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    filled_at: Instant,
}

impl TokenBucket {
    /// Creates a full bucket.
    pub(crate) fn full(rate: u32, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst);
        Self { rate: f64::from(rate), burst, tokens: burst, filled_at: now }
    }

    /// Takes a token, and returns whether there was one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.filled_at).as_secs_f64() * self.rate;
        self.filled_at = now;
        self.tokens = (self.tokens + earned).min(self.burst);
        let has_token = self.tokens >= 1.0;
        if has_token {
            self.tokens -= 1.0;
        }
        has_token
    }

    /// Returns the largest number of tokens.
    pub(crate) fn limit(&self) -> u64 {
        self.burst as u64
    }

    /// Returns the number of whole tokens after the last call of [`take`](Self::take).
    pub(crate) fn remaining(&self) -> u64 {
        self.tokens as u64
    }

    /// Returns the time from the last call of [`take`](Self::take) until the bucket is full.
    pub(crate) fn until_full(&self) -> Duration {
        Duration::from_secs_f64((self.burst - self.tokens) / self.rate)
    }
}
