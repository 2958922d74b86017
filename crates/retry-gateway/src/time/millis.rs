//! Durations in milliseconds.

use std::time::Duration;

/// Returns the whole milliseconds of a duration; a longer one saturates at `u64::MAX`.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
