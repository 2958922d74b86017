//! An opening: the first sends after a standstill, of a new key with slow start, or at a limit whose rate is not known.

use std::time::Duration;

use super::constants::SLOW_START;
use super::nanos::Nanos;

/// A bound for the calls in flight whose outcome is not known. It grows with each round that passes.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    window: f64,
    began: Nanos,
    passed_at: Nanos,
    /// The time at which the standstill before it began, if there was one.
    stopped_since: Option<Nanos>,
    passed: f64,
    rounds: f64,
    /// The part by which it grows with each round.
    growth: f64,
    /// `true` if a single refusal does not end it, because some are there whatever the load.
    is_tolerant: bool,
}

impl Opening {
    pub(super) fn new(window: f64, stopped_since: Option<Duration>, now: Duration) -> Self {
        let window = window.max(1.0);
        Self {
            window,
            began: now.into(),
            passed_at: now.into(),
            stopped_since: stopped_since.map(Nanos::from),
            passed: 0.0,
            rounds: 0.0,
            growth: 1.0,
            is_tolerant: false,
        }
    }

    /// Creates the opening of a new key. It grows by half with each round, so that few are in flight beyond a
    /// limit, and goes on after a refusal by chance.
    pub(super) fn slow_start(now: Duration) -> Self {
        Self { growth: 0.5, is_tolerant: true, ..Self::new(SLOW_START, None, now) }
    }

    /// Makes an opening that a single refusal does not end.
    pub(super) fn tolerant(self) -> Self {
        Self { is_tolerant: true, ..self }
    }

    pub(super) fn is_tolerant(&self) -> bool {
        self.is_tolerant
    }

    /// Returns whether one more call may go beside so many whose outcome is not known.
    pub(super) fn has_room(&self, unknown: usize) -> bool {
        (unknown as f64) < self.window.floor()
    }

    pub(super) fn passed(&mut self, now: Duration) {
        self.passed_at = now.into();
        self.passed += 1.0;
        self.rounds += 1.0 / self.window;
        self.window += self.growth;
    }

    /// Returns the time in which calls passed.
    pub(super) fn lasted(&self) -> Duration {
        self.passed_at.get().saturating_sub(self.began.get())
    }

    pub(super) fn stopped_since(&self) -> Option<Duration> {
        self.stopped_since.map(Nanos::get)
    }

    pub(super) fn rounds(&self) -> f64 {
        self.rounds
    }

    pub(super) fn passed_count(&self) -> f64 {
        self.passed
    }
}
