//! Pairs of runs, one beside callers that do not act and one without them.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::figure::Bound::Times;
use super::figure::{Bound, Figure, Measured};
use super::load::LoadResult;

/// The results of a row that is played in pairs.
pub(super) struct Pairs {
    row: &'static str,
    no_pace: Vec<LoadResult>,
    /// The runs beside callers that do not act.
    beside: Vec<LoadResult>,
    /// The runs without them, with the same number of requests.
    without: Vec<LoadResult>,
}

/// One run takes 1.7 s or 2.5 s or more, beside such callers and without: a request that is refused once more waits for
/// another second. So a single run says nothing, and the row compares the means of so many pairs of runs.
const PAIRS: usize = 20;
/// The pairs that are played at the same time, on a server each. More need more open files.
const PAIRS_AT_A_TIME: usize = 4;

impl Pairs {
    /// Plays a row: some runs without a pace, and the pairs with one.
    pub(super) async fn play(
        row: &'static str,
        no_pace: impl AsyncFn() -> anyhow::Result<LoadResult>,
        pair: impl AsyncFn() -> anyhow::Result<(LoadResult, LoadResult)>,
    ) -> anyhow::Result<Self> {
        let no_pace = try_join_all((0..PAIRS_AT_A_TIME).map(|_| no_pace())).await?;
        let mut pairs = Vec::new();
        while pairs.len() < PAIRS {
            pairs.extend(try_join_all((0..PAIRS_AT_A_TIME).map(|_| pair())).await?);
        }
        let (beside, without) = pairs.into_iter().unzip();
        Ok(Self { row, no_pace, beside, without })
    }

    /// Returns the mean time of all requests. The bound is 1.05 times that of the runs without the callers that do not act, and
    /// 0.2 s.
    pub(super) fn mean_time(&self) -> Figure {
        self.figure(&format!("time of all, mean of {PAIRS}"), mean_time, Times(1.05, 0.2))
    }

    /// Returns the longest time of a request.
    pub(super) fn longest(&self, must: Bound) -> Figure {
        self.figure("longest", longest_request, must)
    }

    fn figure(&self, what: &str, of: fn(&[LoadResult]) -> Duration, must: Bound) -> Figure {
        let measured = |results: &[LoadResult]| {
            let unserved = results.iter().map(LoadResult::unserved).sum();
            Measured { time: of(results), unserved }
        };
        let name = format!("{}: {what}", self.row);
        let must = must.beside(of(&self.without));
        Figure { name, no_pace: measured(&self.no_pace), paced: measured(&self.beside), must, aim: None }
    }
}

fn mean_time(results: &[LoadResult]) -> Duration {
    let seconds: f64 = results.iter().map(|result| result.time.as_secs_f64()).sum();
    Duration::from_secs_f64(seconds / results.len().max(1) as f64)
}

fn longest_request(results: &[LoadResult]) -> Duration {
    results.iter().map(|result| result.percentile(100)).max().unwrap_or_default()
}
