//! The clocks of a session, which its caller reads.

use std::time::{Duration, SystemTime};

/// A reading of the two clocks that a [`Session`](super::Session) needs.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClockReading {
    /// The monotonic time since a point that all users of a session and its budget share.
    pub monotonic: Duration,
    /// The wall clock, for dates.
    pub wall: SystemTime,
    /// The monotonic time at which the session began, for a session without [`Session::started`](super::Session::started).
    #[doc(hidden)]
    pub started: Option<Duration>,
    /// The time since then that does not count towards [`Session::max_elapsed`](super::Session::max_elapsed).
    #[doc(hidden)]
    pub paused: Duration,
}

impl ClockReading {
    /// Creates a reading of both clocks.
    pub const fn new(monotonic: Duration, wall: SystemTime) -> Self {
        Self { monotonic, wall, started: None, paused: Duration::ZERO }
    }

    /// Sets the time at which the session began. A caller that converts the time of another clock does so only when a session
    /// reads the clock.
    #[doc(hidden)]
    pub fn started(self, monotonic: impl Into<Option<Duration>>) -> Self {
        Self { started: monotonic.into(), ..self }
    }

    /// Sets the time since the session began that does not count towards
    /// [`Session::max_elapsed`](super::Session::max_elapsed): the caller was not waiting for the server then, but for its own
    /// client, for example.
    #[doc(hidden)]
    pub fn paused(self, paused: Duration) -> Self {
        Self { paused, ..self }
    }
}
