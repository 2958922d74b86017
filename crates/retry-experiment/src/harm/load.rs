//! The requests of a row, and how long each took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::caller::Caller;
use crate::run::percentile;

/// When requests come.
#[derive(Clone, Copy, Debug)]
pub(super) enum HarmLoad {
    /// Each worker makes its next request once its last one has its answer.
    Workers { requests: u32, workers: u32 },
    /// Requests come at random (a Poisson process), so many a second.
    Poisson { rate: f64, time: Duration },
}

/// What came of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestResult {
    /// The number of the request.
    pub(super) id: u32,
    /// True if the caller got a 200.
    pub(super) is_served: bool,
    /// The time from the request to the answer that the caller got.
    pub(super) time: Duration,
}

/// What came of all requests.
#[derive(Clone, Debug, Default)]
pub(super) struct LoadResult {
    /// The requests, in the order of their ends.
    pub(super) requests: Vec<RequestResult>,
    /// The time from the first request to the last answer.
    pub(super) time: Duration,
}

impl LoadResult {
    /// Returns the time that so many percent of the requests took at most.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let mut times: Vec<_> = self.requests.iter().map(|request| request.time).collect();
        times.sort_unstable();
        percentile(&times, percent)
    }

    /// Returns the number of requests that were not served.
    pub(super) fn unserved(&self) -> usize {
        self.requests.iter().filter(|request| !request.is_served).count()
    }
}

/// Makes all requests of a load.
pub(super) async fn send(caller: &Caller, load: HarmLoad) -> anyhow::Result<LoadResult> {
    let started_at = Instant::now();
    let mut tasks = JoinSet::new();
    match load {
        HarmLoad::Workers { requests, workers } => {
            let next = Arc::new(AtomicU32::new(0));
            for _ in 0..workers {
                tasks.spawn(work(caller.clone(), Arc::clone(&next), requests));
            }
        }
        HarmLoad::Poisson { rate, time } => {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
            let mut ids = 0..;
            let mut comes_after = Duration::ZERO;
            while let Some(id) = ids.next().filter(|_| comes_after < time) {
                tokio::time::sleep_until((started_at + comes_after).into()).await;
                let caller = caller.clone();
                tasks.spawn(async move { Ok(vec![request(caller, id).await?]) });
                // 1 - x is above 0, so that its logarithm is finite.
                comes_after += Duration::from_secs_f64(-(1.0 - random.random::<f64>()).ln() / rate);
            }
        }
    }
    let mut requests = Vec::new();
    while let Some(results) = tasks.join_next().await {
        requests.extend(results??);
    }
    Ok(LoadResult { requests, time: started_at.elapsed() })
}

/// Makes one request.
pub(super) async fn request(mut caller: Caller, id: u32) -> anyhow::Result<RequestResult> {
    let started_at = Instant::now();
    let call = caller.call(id).await;
    let is_served = call.context("a request got no answer; many at a time need many open files")?;
    Ok(RequestResult { id, is_served, time: started_at.elapsed() })
}

/// Makes the requests before a number, one after the other, until there are no more.
pub(super) async fn work(
    caller: Caller,
    next: Arc<AtomicU32>,
    end: u32,
) -> anyhow::Result<Vec<RequestResult>> {
    let mut results = Vec::new();
    loop {
        let id = next.fetch_add(1, Ordering::Relaxed);
        if id >= end {
            return Ok(results);
        }
        results.push(request(caller.clone(), id).await?);
    }
}

/// Makes some requests from a number on, each some time after the answer to the last one.
pub(super) async fn one_after_the_other(caller: &Caller, first: u32) -> anyhow::Result<LoadResult> {
    let started_at = Instant::now();
    let mut requests = Vec::new();
    for id in first..first + IN_A_ROW {
        requests.push(request(caller.clone(), id).await?);
        tokio::time::sleep(INTERVAL).await;
    }
    Ok(LoadResult { requests, time: started_at.elapsed() })
}

/// The requests that come one after the other, and the time between two of them.
const IN_A_ROW: u32 = 20;
const INTERVAL: Duration = Duration::from_millis(50);
