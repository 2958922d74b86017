//! One way of calling one server, over many seeds.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

use crate::bucket::Bucket;
use crate::report::Report;
use crate::way::Strategy;

/// What all runs of a comparison have in common.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Requests that come at once.
    pub requests: u32,
    /// How often each may be sent.
    pub attempts: u32,
    /// How many runs are made; the first has seed 0, and each its own.
    pub seeds: u32,
    /// How long a call takes there and back, in milliseconds.
    pub latency_ms: RangeInclusive<u64>,
}

/// What came of one way of calling one server.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The server.
    pub bucket: Bucket,
    /// The way.
    pub way: Strategy,
    /// Requests that came at once.
    pub requests: u32,
    /// Requests that were served, in the worst run.
    pub served: u32,
    /// Calls in the mean run.
    pub calls_mean: f64,
    /// Calls in the worst run.
    pub calls_worst: usize,
    /// The same, as a multiple of the oracle's.
    pub calls_to_oracle: f64,
    /// Seconds until the last answer, in the mean run.
    pub seconds_mean: f64,
    /// Seconds until the last answer, in the worst run.
    pub seconds_worst: f64,
    /// The same, as a multiple of the oracle's.
    pub time_to_oracle: f64,
    /// The most attempts that a request had, in any run.
    pub most_attempts: u32,
}

impl Trial {
    /// A run.
    pub fn run(&self, bucket: Bucket, way: Strategy, seed: u64) -> Report {
        let world = way.world(bucket, self.requests);
        world.attempts(self.attempts).latency_ms(self.latency_ms.clone()).run(seed)
    }

    /// All runs, summed up.
    pub fn row(&self, bucket: Bucket, way: Strategy) -> Row {
        let reports: Vec<_> = (0..self.seeds.into()).map(|seed| self.run(bucket, way, seed)).collect();
        let calls = || reports.iter().map(|report| report.calls.len());
        let time = || reports.iter().map(|report| report.time);
        let runs = f64::from(self.seeds);
        let calls_worst = calls().max().unwrap_or_default();
        let seconds_worst = time().max().unwrap_or_default().as_secs_f64();
        let latency = Duration::from_millis(*self.latency_ms.end());
        Row {
            bucket,
            way,
            requests: self.requests,
            served: reports.iter().map(|report| report.served).min().unwrap_or_default(),
            calls_mean: calls().sum::<usize>() as f64 / runs,
            calls_worst,
            calls_to_oracle: calls_worst as f64 / f64::from(bucket.oracle_calls(self.requests)),
            seconds_mean: time().sum::<Duration>().as_secs_f64() / runs,
            seconds_worst,
            time_to_oracle: seconds_worst / bucket.oracle_time(self.requests, latency).as_secs_f64(),
            most_attempts: reports.iter().map(Report::most_attempts).max().unwrap_or_default(),
        }
    }
}

impl Default for Trial {
    /// 100 requests at once, 3 attempts, and 20 runs in which each call takes 1 to 200 ms.
    fn default() -> Self {
        Self { requests: 100, attempts: 3, seeds: 20, latency_ms: 1..=200 }
    }
}
