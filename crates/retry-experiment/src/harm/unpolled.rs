//! Futures in the queue that are alive and never polled.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::ensure;
use futures_util::future::try_join_all;
use http::Request;
use http_body_util::Full;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{Pace, RetryOverride};

use super::case::layer;
use super::figure::Bound::{Seconds, Times};
use super::figure::{Bound, Figure, Measured};
use super::load::{LoadResult, RequestResult, request};
use super::server::HarmServer;
use super::server_model::{Refuses, ServerSettings};
use crate::caller::Caller;

const REQUESTS: u32 = 100;
/// The second half of the requests comes after this time, when most of the others wait.
const SECOND_HALF_AFTER: Duration = Duration::from_millis(200);
/// The time at which one in ten of the requests that are not answered stops being polled. They are in the queue, because a
/// refused request waits for a second, and the others wait behind it.
const KEPT_AFTER: Duration = Duration::from_millis(500);
const ONE_KEPT_IN: u32 = 10;
const DEADLINE: Duration = Duration::from_secs(20);

type RequestFuture = Pin<Box<dyn Future<Output = anyhow::Result<RequestResult>> + Send>>;

/// What came of a request, or its future if it is no longer polled.
enum Ended {
    Answered(RequestResult),
    Kept(RequestFuture),
}

/// One run takes 1.7 s or 2.5 s or more, with the futures and without: a request that is refused once more waits for
/// another second. So a single run says nothing, and the row compares the means of so many pairs of runs.
const PAIRS: usize = 20;
/// The pairs that are played at the same time, on a server each. More need more open files.
const PAIRS_AT_A_TIME: usize = 4;

/// Plays the row. The bound is that of the same pace without the futures that are not polled.
pub(super) async fn play() -> anyhow::Result<Vec<Figure>> {
    let no_pace = try_join_all((0..PAIRS_AT_A_TIME).map(|_| send(None, REQUESTS, true))).await?;
    let mut pairs = Vec::new();
    while pairs.len() < PAIRS {
        pairs.extend(try_join_all((0..PAIRS_AT_A_TIME).map(|_| pair())).await?);
    }
    let (paced, all_polled): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let figure = |what: &str, of: fn(&[LoadResult]) -> Duration, must: Bound| {
        let measured = |results: &[LoadResult]| {
            let unserved = results.iter().map(LoadResult::unserved).sum();
            Measured { time: of(results), unserved }
        };
        let name = format!("unpolled: {what}");
        let must = must.beside(of(&all_polled));
        Figure { name, no_pace: measured(&no_pace), paced: measured(&paced), must, aim: None }
    };
    let deadline = Seconds(DEADLINE.as_secs_f64());
    let mean = format!("time of all, mean of {PAIRS}");
    Ok(vec![figure(&mean, mean_time, Times(1.05, 0.2)), figure("longest", longest_request, deadline)])
}

/// Returns what came of the requests beside futures that are not polled, and of as many without.
async fn pair() -> anyhow::Result<(LoadResult, LoadResult)> {
    let paced = send(Some(Pace::per_authority().into()), REQUESTS, true).await?;
    let answered = u32::try_from(paced.requests.len())?;
    let all_polled = send(Some(Pace::per_authority().into()), answered, false).await?;
    Ok((paced, all_polled))
}

fn mean_time(results: &[LoadResult]) -> Duration {
    let seconds: f64 = results.iter().map(|result| result.time.as_secs_f64()).sum();
    Duration::from_secs_f64(seconds / results.len().max(1) as f64)
}

fn longest_request(results: &[LoadResult]) -> Duration {
    results.iter().map(|result| result.percentile(100)).max().unwrap_or_default()
}

/// Sends the requests, and returns what came of those that are polled to their end.
async fn send(pace: Option<SharedPace>, requests: u32, keeps_some: bool) -> anyhow::Result<LoadResult> {
    let refuses = Refuses::WithoutToken { rate: 50, burst: 10, lifted_after: None };
    let server = HarmServer::start(ServerSettings::new(refuses)).await?;
    let address = server.address();
    let make = move |_| {
        let limit = RetryOverride::new().max_elapsed(DEADLINE);
        Request::get(format!("http://{address}/")).extension(limit).body(Full::default())
    };
    let caller = Caller::layered(layer(), pace, make);
    let started_at = Instant::now();
    let unanswered = Arc::new(AtomicU32::new(0));
    let mut tasks = JoinSet::new();
    for id in 0..requests {
        if id == requests / 2 {
            tokio::time::sleep_until(started_at + SECOND_HALF_AFTER).await;
        }
        let mut future: RequestFuture = Box::pin(request(caller.clone(), id));
        let unanswered = Arc::clone(&unanswered);
        tasks.spawn(async move {
            if keeps_some {
                if let Ok(result) = timeout_at(started_at + KEPT_AFTER, &mut future).await {
                    return result.map(Ended::Answered);
                }
                if unanswered.fetch_add(1, Ordering::Relaxed).is_multiple_of(ONE_KEPT_IN) {
                    return Ok(Ended::Kept(future));
                }
            }
            future.await.map(Ended::Answered)
        });
    }
    let (mut results, mut kept) = (Vec::new(), Vec::new());
    while let Some(ended) = tasks.join_next().await {
        match ended?? {
            Ended::Answered(result) => results.push(result),
            Ended::Kept(future) => kept.push(future),
        }
    }
    let time = started_at.elapsed();
    ensure!(!keeps_some || kept.len() >= 5, "only {} futures were kept in the queue", kept.len());
    Ok(LoadResult { requests: results, time })
}
