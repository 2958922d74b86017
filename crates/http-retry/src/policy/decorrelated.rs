//! Backoff in which each wait is drawn around the one before it.

use std::time::Duration;

use crate::{Plan, Policy, Setback, Window};

/// Backoff in which each wait is drawn around the one before it: uniform in
/// `[base, min(cap, 3 * previous)]`, where the wait before the first is `base`.
///
/// From "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015). It spreads callers wider than full
/// jitter does, and never comes back sooner than `base`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecorrelatedJitter {
    base: Duration,
    cap: Duration,
}

impl DecorrelatedJitter {
    /// Waits between `base` and `cap`. A base above the cap is lowered to it.
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self { base: base.min(cap), cap }
    }
}

impl Policy for DecorrelatedJitter {
    fn schedule(&self, setback: &Setback<'_>) -> Plan {
        let previous = setback.previous_delay.unwrap_or(self.base);
        let latest = previous.saturating_mul(3).clamp(self.base, self.cap);
        Window::between(self.base, latest).into()
    }
}
