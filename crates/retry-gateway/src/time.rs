//! Time: timers that almost never fire, and milliseconds.

pub(crate) mod millis;
pub(crate) mod pooled_timeout;
