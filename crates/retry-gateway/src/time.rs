//! Timers for timeouts that rarely pass, and durations in milliseconds.

pub(crate) mod millis;
pub(crate) mod pooled_timeout;
pub(crate) mod request_clock;
