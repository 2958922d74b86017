//! Those in line whose time runs out, and those who stand next to them.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tower::{BoxError, Layer, ServiceExt};
use tower_http_retry::pace::{PaceRejection, SharedPace};
use tower_http_retry::{PaceError, PaceLayer, RetryLayer};

use super::{MS, SECOND, closed, far, numbered, per_authority, sends};
use crate::support::upstream::Upstream;
use crate::support::{Answer, assert_status, eventually, with_header};

/// Nobody hears from the probe, and so one a second goes.
///
/// ```text
/// 1 s: the probe   1.5 s: the deadline of the first in line   2 s: the second
/// ```
#[tokio::test(start_paused = true)]
async fn when_the_first_in_line_runs_out_of_time_the_next_is_not_forgotten() {
    let line = Line::behind_a_probe().await;
    let hurried = line.join(2, 1_499 * MS).await;
    let patient = line.join(3, None).await;
    let (result, at) = eventually(hurried).await.unwrap();
    assert_eq!(result.unwrap_err().rejection(), Some(PaceRejection::Deadline));
    assert!((1_500..=1_502).contains(&at), "{at}");
    assert_status(&eventually(patient).await.unwrap().0.unwrap(), 200);
    assert_eq!(sends(&line.upstream, line.start), [(3, 2_000)]);
}

/// The one who watches the clock for all has time, and one behind has not.
///
/// ```text
/// 1 s: the probe   1.2 s: the deadline of the second in line   2 s: the first
/// ```
#[tokio::test(start_paused = true)]
async fn one_behind_who_runs_out_of_time_is_told_in_time() {
    let line = Line::behind_a_probe().await;
    let patient = line.join(2, None).await;
    sleep(1_100 * MS).await;
    let hurried = line.join(3, 100 * MS).await;
    let (result, at) = eventually(hurried).await.unwrap();
    assert_eq!(result.unwrap_err().rejection(), Some(PaceRejection::Deadline));
    assert!((1_200..=1_205).contains(&at), "its deadline was at 1,202 ms, and it is told at {at} ms");
    assert_status(&eventually(patient).await.unwrap().0.unwrap(), 200);
}

/// The same, where the server has announced that there is one in a hundred seconds.
#[tokio::test(start_paused = true)]
async fn one_behind_is_told_in_time_however_slow_the_server_is() {
    let line = Line::of_a_slow_server().await;
    let patient = line.join(2, None).await;
    let hurried = line.join(3, 5 * SECOND).await;
    let (result, at) = eventually(hurried).await.unwrap();
    assert_eq!(result.unwrap_err().rejection(), Some(PaceRejection::Deadline));
    assert!(at <= 5_005, "its deadline was at 5,001 ms, and it is told at {at} ms");
    assert_status(&eventually(patient).await.unwrap().0.unwrap(), 200);
}

/// Callers of a server that is slow to let them go.
struct Line {
    pace: SharedPace,
    upstream: Upstream,
    start: Instant,
}

type Told = (Result<Answer, PaceError<BoxError>>, u128);

impl Line {
    /// The gate opens at one second, with a probe that is never answered.
    async fn behind_a_probe() -> Self {
        let (pace, start) = (closed(1).await, Instant::now());
        let stuck = far(&Upstream::statuses([200]), 1_000 * SECOND);
        tokio::spawn(RetryLayer::default().pace(pace.clone()).layer(stuck).oneshot(numbered(1)));
        sleep(MS).await;
        Self { pace, upstream: Upstream::statuses([200]), start }
    }

    /// The gate is open, and the server has announced that its quota is used up.
    async fn of_a_slow_server() -> Self {
        let (pace, start) = (per_authority(), Instant::now());
        let announcing = Upstream::answers(|_| {
            let mut answer = with_header(200, "x-ratelimit-limit-requests", "10");
            answer.headers_mut().insert("x-ratelimit-remaining-requests", 0.into());
            answer.headers_mut().insert("x-ratelimit-reset-requests", "1000s".parse().unwrap());
            answer
        });
        PaceLayer::new(pace.clone()).layer(announcing).oneshot(numbered(1)).await.unwrap();
        Self { pace, upstream: Upstream::statuses([200]), start }
    }

    /// One more; what becomes of it, and at how many milliseconds.
    async fn join(&self, number: usize, deadline: impl Into<Option<Duration>>) -> JoinHandle<Told> {
        let client = PaceLayer::new(self.pace.clone()).max_wait(deadline).layer(self.upstream.handle());
        let start = self.start;
        let task = tokio::spawn(async move {
            let result = client.oneshot(numbered(number)).await;
            (result, start.elapsed().as_millis())
        });
        sleep(MS).await;
        task
    }
}
