//! Callers who share a limit: who is sent, who waits, and who is rejected.

mod alone;
mod cancellation;
mod crowd;
mod deadlines;
mod failures;
mod hostile;
mod keys;
mod llm;
mod own_timers;
mod readiness;
mod rejections;
mod servers;
mod threads;
mod told;
mod unpolled;
mod wakers;

use std::time::Duration;

use futures_util::future::{BoxFuture, JoinAll, join_all};
use tokio::time::{Instant, sleep};
use tower::util::{MapErr, Oneshot};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_http_retry::pace::{PaceRejection, PaceService, SharedPace};
use tower_http_retry::{Pace, PaceError, PaceLayer, RequestHead};

use crate::support::upstream::Upstream;
use crate::support::{Answer, Inner, Sent, get, stop, with_header};

/// One pace for all requests to a server.
fn per_authority() -> SharedPace {
    Pace::per_authority().into()
}

/// A request whose path is its number.
fn numbered(number: usize) -> Sent {
    get(&format!("http://api.example/{number}"))
}

/// 429, and so many seconds.
fn busy(seconds: u64) -> Answer {
    with_header(429, "retry-after", &seconds.to_string())
}

/// Makes the server stop all requests for so many seconds, from now on.
async fn close(pace: &SharedPace, seconds: u64) {
    stop(pace, || numbered(0), seconds).await;
}

/// A pace whose requests were all stopped just now.
async fn closed(seconds: u64) -> SharedPace {
    let pace = per_authority();
    close(&pace, seconds).await;
    pace
}

/// How many calls the pace takes for in flight, and how many requests wait, of the server that `numbered` names.
fn held(pace: &SharedPace) -> (u64, usize) {
    let report = pace.report(&RequestHead::from(&numbered(0)));
    (report.in_flight, report.waiting)
}

/// So many requests at once, the first first.
fn crowd<S>(client: &S, count: usize) -> JoinAll<Oneshot<S, Sent>>
where
    S: Service<Sent> + Clone,
{
    join_all((1..=count).map(|number| client.clone().oneshot(numbered(number))))
}

type Flatten = fn(PaceError<BoxError>) -> BoxError;

/// A paced service with one type of error, like that of a retry layer.
fn flat<S>(layer: &PaceLayer, inner: S) -> MapErr<PaceService<S>, Flatten> {
    MapErr::new(layer.layer(inner), PaceError::flatten)
}

/// The same server, whose answers take so long.
fn far(
    upstream: &Upstream,
    latency: Duration,
) -> impl Service<Inner, Response = Answer, Error = BoxError, Future: Send> + Clone + use<> {
    let delay = move |answer: BoxFuture<'static, Result<Answer, BoxError>>| async move {
        let answer = answer.await;
        sleep(latency).await;
        answer
    };
    ServiceBuilder::new().map_future(delay).service(upstream.handle())
}

/// The requests that it was sent, by their number, and when each came, in milliseconds.
fn sends(upstream: &Upstream, start: Instant) -> Vec<(usize, u128)> {
    let number = |path: &str| path[1..].parse().unwrap();
    let calls = upstream.calls();
    calls.iter().map(|call| (number(call.parts.uri.path()), (call.at - start).as_millis())).collect()
}

/// The rejection in a boxed error.
#[track_caller]
fn rejection(error: &BoxError) -> PaceRejection {
    *error.downcast_ref().expect("a rejection by the pace")
}

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
