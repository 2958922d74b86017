//! The families of the grid: each draws scenarios of one kind, and judges what came of them.

mod announced;
mod changes;
mod common;
mod fairness;
mod faults;
mod limits;
mod load;
mod noise;
mod windows;

use std::time::Duration;

use super::figures::Run;
use super::must::{Check, Runs};
use super::parameters::{Draw, Parameter, Setting};
use super::{Scenario, Strategy, floor, run};

/// One kind of situation, with the ranges of its parameters and its promises.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// One sentence about it.
    pub about: &'static str,
    draw: fn(&mut Draw) -> Case,
    judge: fn(&Runs) -> Vec<Check>,
}

/// The scenario of one draw, and the facts that its checks need.
#[derive(Clone, Debug)]
pub struct Case {
    /// The scenario.
    pub scenario: Scenario,
    /// The longest hint of a refusal, in seconds.
    pub hint: f64,
    /// The rate of the limit, where there is one, in requests a second.
    pub rate: f64,
    /// The time of a change, such as the start of an outage.
    pub from: Duration,
    /// The end of that change.
    pub to: Duration,
}

impl Family {
    /// All of them, in the order of the table.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        let themes: [&'static [Self]; 8] = [
            load::FAMILIES,
            limits::FAMILIES,
            windows::FAMILIES,
            announced::FAMILIES,
            noise::FAMILIES,
            changes::FAMILIES,
            fairness::FAMILIES,
            faults::FAMILIES,
        ];
        themes.into_iter().flatten()
    }

    /// The family of that name. An error lists all names.
    pub fn named(name: &str) -> anyhow::Result<&'static Self> {
        Self::all().find(|family| family.name == name).ok_or_else(|| {
            let names: Vec<_> = Self::all().map(|family| family.name).collect();
            anyhow::anyhow!("there is no family {name:?}; the families are {}", names.join(", "))
        })
    }

    /// The scenario of a seed, with the parameters that `settings` give, and all parameters.
    pub fn draw(&self, seed: u64, settings: &[Setting]) -> anyhow::Result<(Case, Vec<Parameter>)> {
        let mut draw = Draw::new(self.name, seed, settings);
        let case = (self.draw)(&mut draw);
        Ok((case, draw.finish()?))
    }

    /// Plays a scenario in all manners.
    pub fn play(case: Case, seed: u64, trace: bool) -> Runs {
        let scenario = &case.scenario;
        let play = |scenario: &Scenario, strategy| Run::new(run::run(scenario, strategy, seed), scenario);
        let pace = if trace { run::run_traced } else { run::run };
        let clean = scenario.without_faults();
        Runs {
            floor: Run::new(floor::floor(scenario, seed), scenario),
            alone: play(scenario, Strategy::Alone),
            pace: Run::new(pace(scenario, Strategy::Pace, seed), scenario),
            slow: play(scenario, Strategy::PaceSlowStart),
            without_faults: (clean != *scenario).then(|| play(&clean, Strategy::Pace)),
            case,
        }
    }

    /// Checks all promises of the family.
    pub fn judge(&self, runs: &Runs) -> Vec<Check> {
        let mut checks = (self.judge)(runs);
        checks.extend(runs.common_checks());
        checks
    }
}

#[cfg(test)]
mod tests;
