//! The steps of time into which a run is counted.

use std::time::Duration;

use crate::grid::Outcome;

/// A run, counted in steps of time.
#[derive(Debug)]
pub(super) struct Bins {
    /// The calls that reached the server within each step.
    pub(super) counts: Vec<Count>,
    /// The served calls a second, as the mean of each step and the two on either side of it.
    pub(super) served: Vec<f64>,
    /// The rate that the pace knew last within each step.
    pub(super) learned: Vec<Option<f64>>,
}

/// The calls of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) served: u32,
    pub(super) refused: u32,
}

impl Count {
    /// Returns the height of the step's bar.
    pub(super) fn total(self) -> f64 {
        f64::from(self.served + self.refused)
    }
}

impl Bins {
    /// Counts a run in steps of so many seconds.
    pub(super) fn new(outcome: &Outcome, step: f64, end: Duration) -> Self {
        let index = |at: Duration| (at.as_secs_f64() / step) as usize;
        let len = index(end) + 1;
        let mut counts = vec![Count::default(); len];
        for call in &outcome.calls {
            let count = &mut counts[index(call.reached_at).min(len - 1)];
            *(if call.is_served { &mut count.served } else { &mut count.refused }) += 1;
        }
        let mut last_sample = vec![None; len];
        for sample in &outcome.samples {
            last_sample[index(sample.at).min(len - 1)] = Some(sample.rate);
        }
        // A step without an answer changes nothing that the pace knows. After the last answer there is nothing to show.
        let known = last_sample.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let mut rate = None;
        let learned = last_sample.into_iter().take(known).map(|sample| {
            rate = sample.unwrap_or(rate);
            rate
        });
        Self { served: served_rates(&counts, step), learned: learned.collect(), counts }
    }
}

/// Returns the length of a step in seconds, so that a run of so many seconds has 40 to 100 steps.
pub(super) fn step(seconds: f64) -> f64 {
    let least = (seconds / 100.0).max(1e-3);
    let unit = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].map(|digit| digit * unit).into_iter().find(|step| *step >= least).unwrap_or(10.0 * unit)
}

/// Returns the height of an axis on which a few values do not hide the others. It is the largest value of all runs. Where
/// that is far above the usual values, it is the largest usual value. The usual values are 95 % of those above 0, and
/// leave out at least two for each run.
pub(super) fn height(runs: &[&[f64]]) -> f64 {
    let mut values: Vec<_> = runs.iter().copied().flatten().copied().filter(|value| *value > 0.0).collect();
    values.sort_by(f64::total_cmp);
    let highest = values.last().copied().unwrap_or(1.0);
    let unusual = (values.len() as f64 * 0.05).ceil() as usize;
    let usual =
        values.len().checked_sub(unusual.max(2 * runs.len()) + 1).map_or(highest, |last| values[last]);
    if highest > FAR * usual { usual } else { highest }
}

/// The ratio from which on a value is far above the others.
const FAR: f64 = 2.0;

fn served_rates(counts: &[Count], step: f64) -> Vec<f64> {
    let rate = |index: usize| {
        let near = &counts[index.saturating_sub(2)..(index + 3).min(counts.len())];
        near.iter().map(|count| f64::from(count.served)).sum::<f64>() / (near.len() as f64 * step)
    };
    (0..counts.len()).map(rate).collect()
}
