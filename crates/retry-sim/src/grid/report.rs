//! Summaries of a family's draws: figures, and the promises that they hold or miss.

use serde::Serialize;

use super::families::Family;
use super::figures::{Figures, quantile};
use super::must::{Check, Unit};
use super::sweep::{DrawReport, STRATEGIES};

/// The summary of a family.
#[derive(Clone, Debug, Serialize)]
pub struct FamilyReport {
    /// Its name.
    pub family: &'static str,
    /// One sentence about it.
    pub about: &'static str,
    /// The number of draws.
    pub draws: usize,
    /// Whether all promises hold.
    pub is_held: bool,
    /// The figures of each strategy.
    pub strategies: Vec<StrategyReport>,
    /// All promises; the one that is missed worst stands first.
    pub checks: Vec<CheckReport>,
}

/// The figures of one strategy over all draws. Times are in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct StrategyReport {
    /// Its name.
    pub strategy: &'static str,
    /// The time of the whole load.
    pub time: Spread,
    /// The same as a multiple of the clairvoyant's.
    pub time_to_floor: Spread,
    /// The same as a multiple of the time without a pace, over draws in which that serves as many.
    pub time_to_alone: Spread,
    /// Refused calls.
    pub refused: Spread,
    /// The median wait.
    pub p50: Spread,
    /// The 99th percentile of the wait.
    pub p99: Spread,
    /// The share of the time in which the pace held a request.
    pub held: Spread,
    /// The share of requests that were not served.
    pub unserved: Spread,
}

/// A figure over all draws.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// The median draw.
    pub median: f64,
    /// The worst draw.
    pub worst: f64,
}

/// One promise over all draws that have it.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Its name.
    pub name: &'static str,
    /// The draws that hold it.
    pub held: usize,
    /// The draws that have it.
    pub draws: usize,
    /// The draws that are worse than twice the promise.
    pub gross: usize,
    /// Whether 95 % of the draws hold it, and none is worse than twice the promise.
    pub is_held: bool,
    /// The draws that reach the aim, if there is one.
    pub aim_reached: Option<usize>,
    /// The worst draw's check.
    pub worst: Check,
    /// The command that repeats the worst draw.
    pub repeat: String,
}

impl FamilyReport {
    /// Sums up the draws of a family.
    pub fn new(family: &Family, draws: &[DrawReport]) -> Self {
        let mut names: Vec<_> = draws.iter().flat_map(|draw| &draw.checks).map(|check| check.name).collect();
        let mut seen = Vec::new();
        names.retain(|name| {
            !seen.contains(name) && {
                seen.push(*name);
                true
            }
        });
        let checks = names.iter().filter_map(|name| CheckReport::new(family, name, draws));
        let mut checks: Vec<_> = checks.collect();
        checks.sort_by(|a, b| a.is_held.cmp(&b.is_held).then(b.severity().total_cmp(&a.severity())));
        Self {
            family: family.name,
            about: family.about,
            draws: draws.len(),
            is_held: checks.iter().all(|check| check.is_held),
            strategies: (0..STRATEGIES.len()).map(|index| StrategyReport::new(index, draws)).collect(),
            checks,
        }
    }
}

impl CheckReport {
    fn new(family: &Family, name: &'static str, draws: &[DrawReport]) -> Option<Self> {
        let checks = draws
            .iter()
            .filter_map(|draw| Some((draw.seed, draw.checks.iter().find(|check| check.name == name)?)));
        let checks: Vec<_> = checks.collect();
        let count = |filter: fn(&Check) -> bool| checks.iter().filter(|(_, check)| filter(check)).count();
        let (seed, worst) = checks.iter().max_by(|a, b| a.1.severity().total_cmp(&b.1.severity()))?;
        let (held, gross, draws) = (count(Check::is_held), count(Check::is_gross), checks.len());
        Some(Self {
            name,
            held,
            draws,
            gross,
            is_held: gross == 0 && held as f64 >= HELD_SHARE * draws as f64,
            aim_reached: checks[0].1.aim.map(|_| count(Check::reaches_aim)),
            worst: (*worst).clone(),
            repeat: format!("retry-sim one {} seed={seed}", family.name),
        })
    }

    fn severity(&self) -> f64 {
        self.worst.severity()
    }
}

/// The share of a family's draws that must hold a promise.
const HELD_SHARE: f64 = 0.95;

impl StrategyReport {
    fn new(index: usize, draws: &[DrawReport]) -> Self {
        let spread = |value: &dyn Fn(&Figures) -> f64| {
            Spread::new(draws.iter().map(|draw| value(&draw.figures[index])).collect())
        };
        let ratios = |to: usize| {
            let comparable =
                draws.iter().filter(|draw| draw.figures[to].served >= draw.figures[index].served);
            let ratio = |draw: &DrawReport| draw.figures[index].time / draw.figures[to].time.max(1e-9);
            Spread::new(comparable.map(ratio).collect())
        };
        Self {
            strategy: STRATEGIES[index],
            time: spread(&|figures| figures.time),
            time_to_floor: ratios(0),
            time_to_alone: ratios(1),
            refused: spread(&|figures| figures.refused as f64),
            p50: spread(&|figures| figures.p50),
            p99: spread(&|figures| figures.p99),
            held: spread(&|figures| figures.held),
            unserved: spread(&|figures| 1.0 - figures.served as f64 / figures.requests.max(1) as f64),
        }
    }
}

impl Spread {
    fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { median: quantile(&values, 0.5), worst: quantile(&values, 1.0) }
    }
}

impl Unit {
    /// A value in this unit, as text.
    pub fn text(self, value: f64) -> String {
        match self {
            _ if !value.is_finite() => "without end".to_owned(),
            Self::Seconds => format!("{value:.3} s"),
            Self::Count => format!("{value:.0}"),
            Self::Ratio => format!("{value:.3}"),
        }
    }
}

#[cfg(test)]
mod tests;
