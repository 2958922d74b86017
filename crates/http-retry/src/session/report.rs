//! The report of a session on its waits and its last outcome.

use std::time::Duration;

#[cfg(doc)]
use crate::ClockReading;
use crate::{RetryCause, RetryHint, Session};

impl Session {
    /// Returns the number of attempts that were left out of the count.
    pub fn uncounted(&self) -> u32 {
        self.uncounted
    }

    /// Returns the sum of the waits before the attempts that were sent.
    pub fn waited(&self) -> Duration {
        self.state.as_ref().map_or(Duration::ZERO, |state| state.waited)
    }

    /// Returns the cause of the last outcome that was worth a retry.
    pub fn cause(&self) -> Option<RetryCause> {
        self.state.as_ref()?.cause
    }

    /// Returns the hint in the last outcome that was worth a retry.
    pub fn hint(&self) -> Option<RetryHint> {
        self.state.as_ref()?.hint.map(|(hint, _)| hint)
    }

    /// Returns the header of that hint, by its name in the list of [`RetryHint::read`].
    pub fn hint_header(&self) -> Option<&'static str> {
        self.state.as_ref()?.hint.map(|(_, header)| header)
    }

    /// Returns the time after which nothing may be sent, in the time of [`ClockReading::monotonic`]. It is `None` before the
    /// session has begun, or without a bound.
    #[inline]
    pub fn gives_up_at(&self) -> Option<Duration> {
        Some(self.started?.saturating_add(self.max_elapsed?))
    }

    /// Returns the time at which the session began, once it has, in the time of [`ClockReading::monotonic`].
    #[doc(hidden)]
    pub fn started_at(&self) -> Option<Duration> {
        self.started
    }
}
