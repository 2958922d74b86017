//! One run of a scenario by callers with a strategy.

mod caller;
mod engine;
mod events;
mod hold;
mod warm_up;

use std::time::Duration;

use self::engine::Engine;
use super::driver::Driver;
use super::{Outcome, Scenario};

/// The strategy of callers. All use the default policy, `RetryAfterFirst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Each caller obeys its own hints, with a spread above them, and otherwise its own backoff.
    Alone,
    /// All callers share a pace.
    Pace,
    /// All callers share a pace that starts slowly with a key that it does not know.
    PaceSlowStart,
}

impl Strategy {
    /// All strategies.
    pub const ALL: [Self; 3] = [Self::Alone, Self::Pace, Self::PaceSlowStart];
}

/// Plays a scenario. The same seed gives the same outcome, and all strategies meet the same requests, network and luck.
pub fn run(scenario: &Scenario, strategy: Strategy, seed: u64) -> Outcome {
    play(scenario, strategy, seed, false)
}

/// Plays a scenario as [`run`] does, with the states of the pace in the outcome.
pub fn run_traced(scenario: &Scenario, strategy: Strategy, seed: u64) -> Outcome {
    play(scenario, strategy, seed, true)
}

fn play(scenario: &Scenario, strategy: Strategy, seed: u64, is_traced: bool) -> Outcome {
    let mut driver = match strategy {
        Strategy::Alone => None,
        Strategy::Pace => Some(Driver::new(scenario, false)),
        Strategy::PaceSlowStart => Some(Driver::new(scenario, true)),
    };
    // Callers without a pace remember nothing, and the server is at rest again when the scenario begins.
    if scenario.warm {
        driver = driver.map(|driver| warm_up::warm_up(scenario, driver, seed));
    }
    Engine::new(scenario, driver, seed).traced(is_traced).play().0
}

/// The longest time of a run.
pub(super) const LONGEST_RUN: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests;
