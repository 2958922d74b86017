//! Times in half the memory of a `Duration`, because there may be many states of keys.

use std::num::NonZeroU64;
use std::time::Duration;

/// A time in nanoseconds. One of more than 584 years counts as that.
///
/// The number is one more than the nanoseconds, so that an `Option` takes no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Nanos(NonZeroU64);

impl Nanos {
    pub(super) const ZERO: Self = Self(NonZeroU64::MIN);
    pub(super) const MAX: Self = Self(NonZeroU64::MAX);

    pub(super) fn get(self) -> Duration {
        Duration::from_nanos(self.0.get() - 1)
    }
}

impl Default for Nanos {
    fn default() -> Self {
        Self::ZERO
    }
}

impl From<Duration> for Nanos {
    fn from(time: Duration) -> Self {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }
}
