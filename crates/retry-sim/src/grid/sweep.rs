//! Plays many draws of many families, on all processors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::Serialize;

use super::families::Family;
use super::figures::Figures;
use super::must::{Check, Runs};
use super::parameters::Setting;

/// The draws of a sweep.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The families.
    pub families: Vec<&'static Family>,
    /// The number of draws of each.
    pub draws: u32,
    /// The seed of the first draw; each has a seed of its own, one above the last.
    pub seed: u64,
    /// The number of threads. It changes no result.
    pub threads: usize,
}

/// The figures and checks of one draw.
#[derive(Clone, Debug, Serialize)]
pub struct DrawReport {
    /// Its seed.
    pub seed: u64,
    /// Its parameters, as `name=value`.
    pub parameters: Vec<String>,
    /// The figures of the four runs, in the order of `STRATEGIES`.
    pub figures: [Figures; 4],
    /// All checks.
    pub checks: Vec<Check>,
}

/// The names of the four runs of a draw.
pub const STRATEGIES: [&str; 4] = ["floor", "alone", "pace", "slow start"];

impl Sweep {
    /// The draws of each family, in order.
    pub fn play(&self) -> Vec<Vec<DrawReport>> {
        let per_family = self.draws as usize;
        let jobs = self.families.len() * per_family;
        let next = AtomicUsize::new(0);
        let work = || {
            let indexes = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
            let mine = indexes.take_while(|index| *index < jobs);
            mine.map(|index| (index, self.draw(index))).collect::<Vec<_>>()
        };
        let mut done: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads.max(1)).map(|_| scope.spawn(work)).collect();
            // A draw that panics is a report, so a thread always ends.
            threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
        });
        done.sort_by_key(|(index, _)| *index);
        let mut reports = done.into_iter().map(|(_, report)| report);
        self.families.iter().map(|_| reports.by_ref().take(per_family).collect()).collect()
    }

    fn draw(&self, index: usize) -> DrawReport {
        let family = self.families[index / self.draws as usize];
        let seed = self.seed.wrapping_add((index % self.draws as usize) as u64);
        // One draw on which the code under test panics hides no result of the others.
        let report = catch_unwind(AssertUnwindSafe(|| DrawReport::new(family, seed, &[], false)));
        match report {
            Ok(Ok((report, _))) => report,
            Ok(Err(_)) | Err(_) => {
                eprintln!("the draw ended with a panic: retry-sim one {} seed={seed}", family.name);
                let panicked = Check::count("panics", 1, 0.0);
                DrawReport {
                    seed,
                    parameters: Vec::new(),
                    figures: Default::default(),
                    checks: vec![panicked],
                }
            }
        }
    }
}

impl DrawReport {
    /// Plays one draw, with the parameters that `settings` give. The second value has all that came of the runs.
    pub fn new(
        family: &Family,
        seed: u64,
        settings: &[Setting],
        trace: bool,
    ) -> anyhow::Result<(Self, Runs)> {
        let (case, parameters) = family.draw(seed, settings)?;
        let runs = Family::play(case, seed, trace);
        let figures = [&runs.floor, &runs.alone, &runs.pace, &runs.slow].map(|run| run.figures);
        let parameters = parameters.iter().map(ToString::to_string).collect();
        Ok((Self { seed, parameters, figures, checks: family.judge(&runs) }, runs))
    }
}
