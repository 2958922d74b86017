//! One server, called with one strategy by all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::try_join_all;
use serde::Serialize;

use crate::caller::{Caller, Strategy};
use crate::limited_server::LimitedServer;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::server::{Server, Tally};

/// What came of one server, called with one strategy.
#[derive(Clone, Debug, Serialize)]
pub struct Row<W> {
    /// The server.
    pub shop: LimitedServer,
    /// The strategy.
    pub strategy: W,
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

impl<W> Row<W> {
    /// Calls that served nobody.
    pub fn wasted(&self) -> u64 {
        self.server.calls - self.server.successes
    }
}

/// Starts the server, makes all requests, and reads the server's books.
pub async fn run(
    shop: LimitedServer,
    strategy: Strategy,
    plan: Plan,
    progress: &Progress,
) -> anyhow::Result<Row<Strategy>> {
    let server = Server::start(shop, plan.load).await?;
    let caller = Caller::new(strategy, server.address(), &plan);
    measure(&server, strategy, caller, progress).await
}

/// Makes all requests that a server is for, and reads its books. The caller need not call the server itself, if
/// only what it calls does.
pub async fn measure<W>(
    server: &Server,
    strategy: W,
    caller: Caller,
    progress: &Progress,
) -> anyhow::Result<Row<W>> {
    let (shop, load) = (server.shop(), server.load());
    let requests = load.requests_of(shop);
    let next = Arc::new(AtomicU32::new(0));
    let start = Instant::now();
    let work = (0..load.workers_of(shop)).map(|_| {
        let (caller, next, progress) = (caller.clone(), Arc::clone(&next), progress.clone());
        tokio::spawn(work(caller, next, requests, progress))
    });
    let mut calls = Vec::new();
    for worker in try_join_all(work).await? {
        calls.extend(worker?);
    }
    Ok(row(server, strategy, requests, start.elapsed(), &calls))
}

/// Makes all requests that a server is for, so many a second whatever becomes of them, and reads its books.
pub async fn measure_steady<W>(
    server: &Server,
    strategy: W,
    caller: Caller,
    per_second: u32,
    progress: &Progress,
) -> anyhow::Result<Row<W>> {
    let requests = server.load().requests_of(server.shop());
    let start = Instant::now();
    let mut sent = Vec::new();
    for id in 0..requests {
        tokio::time::sleep_until((start + Duration::from_secs(id.into()) / per_second.max(1)).into()).await;
        sent.push(tokio::spawn(work(caller.clone(), Arc::new(id.into()), id + 1, progress.clone())));
    }
    let mut calls = Vec::new();
    for call in try_join_all(sent).await? {
        calls.extend(call?);
    }
    Ok(row(server, strategy, requests, start.elapsed(), &calls))
}

/// Returns the row of these calls, each with whether it was served and its time.
fn row<W>(server: &Server, strategy: W, requests: u32, wall: Duration, calls: &[(bool, Duration)]) -> Row<W> {
    let mut times: Vec<_> = calls.iter().map(|(_, time)| *time).collect();
    times.sort_unstable();
    let served = calls.iter().filter(|(served, _)| *served).count();
    Row {
        shop: server.shop(),
        strategy,
        requests,
        served: u32::try_from(served).unwrap_or(u32::MAX),
        server: server.tally(),
        p50_ms: millis(percentile(&times, 50)),
        p99_ms: millis(percentile(&times, 99)),
        wall_ms: millis(wall),
    }
}

/// Takes requests until there are no more, one after the other.
async fn work(
    mut caller: Caller,
    next: Arc<AtomicU32>,
    requests: u32,
    progress: Progress,
) -> anyhow::Result<Vec<(bool, Duration)>> {
    let mut calls = Vec::new();
    loop {
        let id = next.fetch_add(1, Ordering::Relaxed);
        if id >= requests {
            return Ok(calls);
        }
        let start = Instant::now();
        let call = caller.call(id).await;
        let served = call.context("a request got no answer; many at a time need many open files")?;
        calls.push((served, start.elapsed()));
        progress.tick();
    }
}

/// By the nearest rank; zero where there is nothing.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
