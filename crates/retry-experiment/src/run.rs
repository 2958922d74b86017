//! One server, called in one way by all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde::Serialize;

use crate::caller::{Caller, Way};
use crate::server::{Server, Tally};
use crate::shop::Shop;

/// The numbers of an experiment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Plan {
    /// Requests per server and way; twice as many where the server announces its limit.
    pub requests: u32,
    /// Requests under way at a time; for the bucket, all are.
    pub workers: u32,
    /// Tokens that the bucket earns per second.
    pub rate: u32,
    /// Tokens that the bucket holds.
    pub burst: u32,
    /// How often ours sends a request at most without a pace; with one the layer's default will do.
    pub attempts: u32,
    /// Where our delays start from.
    pub seed: u64,
}

impl Plan {
    /// How many requests one way of calling makes of a server.
    pub fn requests_of(&self, shop: Shop) -> u32 {
        match shop {
            Shop::Announced => self.requests.saturating_mul(2),
            Shop::ThreeRefusals | Shop::ShutForASecond | Shop::Bucket => self.requests,
        }
    }
}

/// What came of one server, called in one way.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The server.
    pub shop: Shop,
    /// The way.
    pub way: Way,
    /// Requests that the callers made.
    pub requests: u32,
    /// Requests that the callers saw served.
    pub served: u32,
    /// What the server counted.
    pub server: Tally,
    /// The median time of a request, in milliseconds.
    pub p50_ms: u64,
    /// The time that 99 in 100 requests took at most, in milliseconds.
    pub p99_ms: u64,
    /// The time of the whole run, in milliseconds.
    pub wall_ms: u64,
}

impl Row {
    /// Calls that served nobody.
    pub fn wasted(&self) -> u64 {
        self.server.calls - self.server.successes
    }
}

/// Starts the server, makes all requests, and reads the server's books. `done` is told of each request.
pub async fn run(
    shop: Shop,
    way: Way,
    plan: Plan,
    done: impl Fn() + Clone + Send + Sync + 'static,
) -> anyhow::Result<Row> {
    let server = Server::start(shop, plan.rate, plan.burst).await?;
    let caller = Caller::new(way, server.address(), &plan);
    let requests = plan.requests_of(shop);
    let workers = match shop {
        Shop::Bucket => requests,
        Shop::ThreeRefusals | Shop::ShutForASecond | Shop::Announced => plan.workers,
    };
    let next = Arc::new(AtomicU32::new(0));
    let start = Instant::now();
    let work = (0..workers).map(|_| {
        let (caller, next, done) = (caller.clone(), Arc::clone(&next), done.clone());
        tokio::spawn(work(caller, next, requests, done))
    });
    let mut calls = Vec::new();
    for worker in try_join_all(work).await? {
        calls.extend(worker?);
    }
    let wall = start.elapsed();

    let mut times: Vec<_> = calls.iter().map(|(_, time)| *time).collect();
    times.sort_unstable();
    let served = calls.iter().filter(|(served, _)| *served).count();
    Ok(Row {
        shop,
        way,
        requests,
        served: u32::try_from(served)?,
        server: server.tally(),
        p50_ms: millis(percentile(&times, 50)),
        p99_ms: millis(percentile(&times, 99)),
        wall_ms: millis(wall),
    })
}

/// Takes requests until there are no more, one after the other.
async fn work(
    mut caller: Caller,
    next: Arc<AtomicU32>,
    requests: u32,
    done: impl Fn(),
) -> anyhow::Result<Vec<(bool, Duration)>> {
    let mut calls = Vec::new();
    loop {
        let id = next.fetch_add(1, Ordering::Relaxed);
        if id >= requests {
            return Ok(calls);
        }
        let start = Instant::now();
        let served = caller.call(id).await?;
        calls.push((served, start.elapsed()));
        done();
    }
}

/// By the nearest rank; zero where there is nothing.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
