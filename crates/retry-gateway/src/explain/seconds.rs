//! Durations in seconds, as an explanation has them.

use std::time::Duration;

/// Formats a duration with three decimals and its unit.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}
