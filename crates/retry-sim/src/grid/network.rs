//! The network between callers and the server.

use std::time::{Duration, SystemTime};

use super::Scenario;
use super::draws::{Draws, Purpose};

/// A network whose delay jitters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    half: Duration,
    jitter: f64,
    draws: Draws,
}

impl Network {
    /// Creates the network of a scenario.
    pub(super) fn new(scenario: &Scenario, draws: Draws) -> Self {
        Self { half: scenario.round_trip / 2, jitter: scenario.jitter.clamp(0.0, 1.0), draws }
    }

    /// Returns the time that a call takes to the server.
    pub(super) fn to_server(self, request: u64, attempt: u32) -> Duration {
        self.transit(Purpose::CallTransit, request, attempt)
    }

    /// Returns the time that the answer takes to the caller.
    pub(super) fn to_caller(self, request: u64, attempt: u32) -> Duration {
        self.transit(Purpose::AnswerTransit, request, attempt)
    }

    fn transit(self, purpose: Purpose, request: u64, attempt: u32) -> Duration {
        let offset = 2.0 * self.draws.unit(purpose, request, attempt) - 1.0;
        self.half.mul_f64(1.0 + self.jitter * offset)
    }
}

/// Returns the wall clock at the start of each run: 1 January 2026.
pub(super) fn wall_at_start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}
