//! An opening: the first sends after a standstill, of a new key with slow start, or at a limit whose rate is not known.

use std::time::Duration;

use super::constants::{SLOW_START, SLOW_START_PART, SLOW_START_SILENT};
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
    /// The refusals that no passed call has made up for.
    refused: f64,
    /// `true` at a new key. Then the bound grows with the requests that come.
    is_slow_start: bool,
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
            refused: 0.0,
            is_slow_start: false,
            is_tolerant: false,
        }
    }

    /// Creates the opening of a new key. A part of all requests may be of unknown outcome, so that a limit refuses no more at
    /// first, and a load of any size goes in as many rounds. A refusal by chance does not end it.
    pub(super) fn slow_start(now: Duration) -> Self {
        Self { is_slow_start: true, is_tolerant: true, ..Self::new(SLOW_START, None, now) }
    }

    /// Makes an opening that a single refusal does not end.
    pub(super) fn tolerant(self) -> Self {
        Self { is_tolerant: true, ..self }
    }

    pub(super) fn is_slow_start(&self) -> bool {
        self.is_slow_start
    }

    pub(super) fn is_tolerant(&self) -> bool {
        self.is_tolerant
    }

    /// Returns whether one more call may go beside so many whose outcome is not known, of so many requests until now.
    pub(super) fn has_room(&self, unknown: usize, requests: u64) -> bool {
        let part = if self.is_slow_start { SLOW_START_PART * requests as f64 } else { 0.0 };
        // One goes even if all were refused, because its outcome tells whether nothing is served at all.
        unknown == 0 || unknown as f64 + self.refused < (self.window + part).floor()
    }

    pub(super) fn passed(&mut self, now: Duration) {
        self.passed_at = now.into();
        self.passed += 1.0;
        self.rounds += 1.0 / self.window;
        self.window += if self.is_slow_start { 0.0 } else { 1.0 };
        self.refused = (self.refused - 1.0).max(0.0);
    }

    /// Grows after a call that passed by silence.
    pub(super) fn was_silent(&mut self) {
        self.window += if self.is_slow_start { SLOW_START_SILENT } else { 0.0 };
    }

    /// Keeps the place of a refused call. Its crowd may be refused as well, so no other call goes in its stead.
    pub(super) fn refused(&mut self) {
        if self.is_tolerant {
            self.refused += 1.0;
        }
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
