//! Each request that waits has a timer of its own, which ends its wait at its deadline.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tower::{BoxError, Layer, ServiceExt};
use tower_http_retry::pace::{PaceRejection, SharedPace};
use tower_http_retry::{PaceError, PaceLayer, RetryLayer};

use super::{MS, SECOND, busy, far, numbered, per_authority, sends};
use crate::support::upstream::Upstream;
use crate::support::{Answer, assert_status, eventually};

/// Others wait behind a probe that is not answered. The first of them runs out of time, and the next is sent all the same.
///
/// ```text
/// 1 s: the probe   1.5 s: the deadline of the first   2 s: the silence of the probe counts as served
/// ```
#[tokio::test(start_paused = true)]
async fn when_the_first_in_the_queue_runs_out_of_time_the_next_is_sent() {
    let queue = Queue::behind_a_probe().await;
    let hurried = queue.join(2, 499 * MS).await;
    let patient = queue.join(3, None).await;
    let (result, at) = eventually(hurried).await.unwrap();
    assert_eq!(result.unwrap_err().rejection(), Some(PaceRejection::TooLong));
    assert!((1_500..=1_550).contains(&at), "its deadline was at 1,500 ms, and it is told at {at} ms");
    assert_status(&eventually(patient).await.unwrap().0.unwrap(), 200);
    let sends = sends(&queue.upstream, queue.start);
    assert!(matches!(sends[..], [(3, 1_500..=2_100)]), "{sends:?}");
}

/// Each of a crowd has another deadline, and each is told in time, whoever else is polled.
#[tokio::test(start_paused = true)]
async fn each_is_told_at_its_own_deadline() {
    let queue = Queue::behind_a_probe().await;
    let deadlines: Vec<_> = (0..50).map(|number| (number * 7 % 50 + 1) * 15 * MS).collect();
    let mut tasks = Vec::new();
    for (number, deadline) in deadlines.into_iter().enumerate() {
        let joined = queue.start.elapsed();
        tasks.push((joined + deadline, queue.join(number + 2, deadline).await));
    }
    for (deadline, task) in tasks {
        let (result, at) = eventually(task).await.unwrap();
        let deadline = deadline.as_millis();
        assert_eq!(result.unwrap_err().rejection(), Some(PaceRejection::TooLong));
        assert!((deadline..=deadline + 50).contains(&at), "its deadline was at {deadline} ms: {at} ms");
    }
    assert_eq!((queue.upstream.sent(), queue.pace.waiting()), (0, 0));
}

/// The same, where nobody polls those who came earlier.
#[tokio::test(start_paused = true)]
async fn one_behind_others_that_nobody_polls_is_told_in_time() {
    let queue = Queue::behind_a_probe().await;
    let client = PaceLayer::new(queue.pace.clone()).layer(queue.upstream.handle());
    let mut unpolled: Vec<_> =
        (0..5).map(|number| Box::pin(client.clone().oneshot(numbered(number)))).collect();
    for sent in &mut unpolled {
        assert!(futures_util::poll!(sent.as_mut()).is_pending());
    }
    let hurried = queue.join(9, 300 * MS).await;
    let (result, at) = eventually(hurried).await.unwrap();
    assert_eq!(result.unwrap_err().rejection(), Some(PaceRejection::TooLong));
    assert!((1_301..=1_352).contains(&at), "{at}");
    drop(unpolled);
    assert_eq!(queue.pace.waiting(), 0);
}

/// Requests that wait for the answer to a probe.
struct Queue {
    pace: SharedPace,
    upstream: Upstream,
    start: Instant,
}

type Told = (Result<Answer, PaceError<BoxError>>, u128);

impl Queue {
    /// The refusals take 250 ms each, so silence is no answer for a second. The stop ends after a second, and the probe is
    /// never answered. This returns a millisecond after the probe was sent.
    async fn behind_a_probe() -> Self {
        let pace = per_authority();
        let refusing = far(&Upstream::answers(|_| busy(1)), 250 * MS);
        let once = RetryLayer::default().max_attempts(1).pace(pace.clone());
        let refused = (0..12).map(|_| once.layer(refusing.clone()).oneshot(numbered(0)));
        for response in futures_util::future::join_all(refused).await {
            assert_status(&response.unwrap(), 429);
        }
        let start = Instant::now();
        let stuck = far(&Upstream::statuses([200]), 1_000 * SECOND);
        tokio::spawn(RetryLayer::default().pace(pace.clone()).layer(stuck).oneshot(numbered(1)));
        sleep(1_001 * MS).await;
        assert_eq!(pace.waiting(), 0, "the probe is in flight");
        Self { pace, upstream: Upstream::statuses([200]), start }
    }

    /// One more request. It returns the result, and its time in milliseconds.
    async fn join(&self, number: usize, deadline: impl Into<Option<Duration>>) -> JoinHandle<Told> {
        let client = PaceLayer::new(self.pace.clone()).max_wait(deadline).layer(self.upstream.handle());
        let start = self.start;
        let task = tokio::spawn(async move {
            let result = client.oneshot(numbered(number)).await;
            (result, start.elapsed().as_millis())
        });
        tokio::task::yield_now().await;
        task
    }
}
