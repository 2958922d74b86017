//! Futures in the queue that are alive and never polled.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::ensure;
use http::Request;
use http_body_util::Full;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{Pace, RetryOverride};

use super::case::layer;
use super::figure::Bound::Seconds;
use super::figure::Figure;
use super::load::{LoadResult, RequestResult, request};
use super::pairs::Pairs;
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

/// Plays the row.
pub(super) async fn play() -> anyhow::Result<Vec<Figure>> {
    let pairs = Pairs::play("unpolled", async || send(None, REQUESTS, true).await, pair).await?;
    Ok(vec![pairs.mean_time(), pairs.longest(Seconds(DEADLINE.as_secs_f64()))])
}

/// Returns what came of the requests beside futures that are not polled, and of as many without.
async fn pair() -> anyhow::Result<(LoadResult, LoadResult)> {
    let paced = send(Some(Pace::per_authority().into()), REQUESTS, true).await?;
    let answered = u32::try_from(paced.requests.len())?;
    let all_polled = send(Some(Pace::per_authority().into()), answered, false).await?;
    Ok((paced, all_polled))
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
