//! The contract's promises as checks of one draw.

use std::time::Duration;

use serde::Serialize;

use super::figures::Run;
use super::{Scenario, families::Case};

/// The four runs of one draw.
#[derive(Debug)]
pub struct Runs {
    /// The scenario, and the facts of the draw that its checks need.
    pub case: Case,
    /// The clairvoyant.
    pub floor: Run,
    /// The layer without a pace.
    pub alone: Run,
    /// The layer with a pace.
    pub pace: Run,
    /// The layer with a pace that starts slowly.
    pub slow: Run,
    /// The layer with a pace where all callers behave, if some of this scenario do not: see [`Scenario::without_faults`].
    pub without_faults: Option<Run>,
}

/// One promise in one draw: `measured` is at most `must`, and should be at most `aim`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// What the draw gave.
    pub measured: f64,
    /// The largest value that holds the promise.
    pub must: f64,
    /// The largest value that reaches the aim.
    pub aim: Option<f64>,
    /// The unit of all three.
    pub unit: Unit,
}

/// The unit of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// A number of calls or requests.
    Count,
    /// A ratio.
    Ratio,
}

impl Check {
    /// A check of a time in seconds.
    pub fn seconds(name: &'static str, measured: f64, must: f64) -> Self {
        Self { name, measured, must, aim: None, unit: Unit::Seconds }
    }

    /// A check of a number of calls or requests.
    pub fn count(name: &'static str, measured: usize, must: f64) -> Self {
        Self { name, measured: measured as f64, must, aim: None, unit: Unit::Count }
    }

    /// A check of a ratio.
    pub fn ratio(name: &'static str, measured: f64, must: f64) -> Self {
        Self { name, measured, must, aim: None, unit: Unit::Ratio }
    }

    /// Sets the aim.
    pub fn aim(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }

    /// Whether the draw holds the promise.
    pub fn is_held(&self) -> bool {
        self.measured <= self.must + ROUNDING
    }

    /// Whether the draw is worse than twice the promise, which no draw may be.
    pub fn is_gross(&self) -> bool {
        self.measured > 2.0 * self.must + ROUNDING
    }

    /// Whether the draw reaches the aim.
    pub fn reaches_aim(&self) -> bool {
        self.aim.is_none_or(|aim| self.measured <= aim + ROUNDING)
    }

    /// The measured value as a multiple of the promise, by which draws are compared.
    pub fn severity(&self) -> f64 {
        if self.measured <= ROUNDING { 0.0 } else { self.measured / self.must.max(ROUNDING) }
    }
}

impl Runs {
    /// The checks that hold for all families.
    pub fn common_checks(&self) -> Vec<Check> {
        let mut checks = vec![
            Check::seconds("early", self.pace.early().max(self.slow.early()), 0.0),
            Check::count("unserved", unserved(&self.pace), self.unserved_allowed()),
            Check::count("unserved, slow start", unserved(&self.slow), self.unserved_allowed()),
            Check::ratio("worse than alone in both", self.worse_than_alone(), 1.0),
        ];
        if !self.case.scenario.warm {
            let (slow, pace) = (&self.slow.figures, &self.pace.figures);
            let requests = slow.requests as f64;
            let first = self.slow.first_round(Duration::ZERO);
            checks.push(Check::count("slow start: refused first", first, 0.15 * requests + 4.0));
            let time = 1.2 * pace.time + 1.0 + 8.0 * patience(&self.case.scenario);
            checks.push(Check::seconds("slow start: T", slow.time, time));
        }
        checks
    }

    /// The requests that neither the clairvoyant nor the layer without a pace serves. All runs of a draw have the same
    /// luck, so this holds where refusals are random too.
    fn unserved_allowed(&self) -> f64 {
        unserved(&self.floor).min(unserved(&self.alone)) as f64
    }

    /// The smaller of the two ratios of time and of refused calls to those of the layer without a pace, less a
    /// tolerance of 2 % and 50 ms. Where that layer serves fewer requests, its time says nothing.
    fn worse_than_alone(&self) -> f64 {
        let (pace, alone) = (&self.pace.figures, &self.alone.figures);
        if alone.served < pace.served || pace.refused <= alone.refused {
            return 0.0;
        }
        let calls = pace.refused as f64 / (1.02 * alone.refused as f64).max(ROUNDING);
        let time = pace.time / (1.02 * alone.time + 0.05);
        calls.min(time)
    }

    /// The time of the layer without a pace, unless it serves fewer requests than the pace: then nothing compares.
    pub fn alone_time(&self) -> f64 {
        let serves_fewer = self.alone.figures.served < self.pace.figures.served;
        if serves_fewer { f64::INFINITY } else { self.alone.figures.time }
    }

    /// The number of requests.
    pub fn requests(&self) -> f64 {
        self.pace.outcome.requests.len() as f64
    }
}

/// How long a sender waits for a refusal before it counts a call as served, where no refusal was timed yet.
pub(super) fn patience(scenario: &Scenario) -> f64 {
    (4.0 * scenario.round_trip.as_secs_f64()).clamp(0.05, 1.0)
}

fn unserved(run: &Run) -> usize {
    run.figures.requests - run.figures.served
}

/// Floats and durations differ by less than this.
const ROUNDING: f64 = 1e-6;
