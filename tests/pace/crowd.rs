//! A thousand callers at once, and a server that does not want so many.

use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::{Instant, sleep};
use tower::{BoxError, Layer, Service};
use tower_http_retry::markers::{Boxed, Paced};
use tower_http_retry::policy::FixedDelay;
use tower_http_retry::{Pace, RetryAfterFirst, RetryLayer};

use super::{MS, SECOND, busy, crowd, far, numbered, per_authority, sends};
use crate::support::bucket::Bucket;
use crate::support::upstream::Upstream;
use crate::support::{Answer, Inner, assert_status, eventually, status};

type Layered = RetryLayer<RetryAfterFirst, Boxed, Paced>;

/// Without a budget: its hundred tokens do not suffice for a thousand that are refused at once.
fn layer() -> Layered {
    RetryLayer::default().budget(None).pace(Pace::per_authority())
}

/// Refuses whatever comes in the second after the first call.
fn shut_for_a_second() -> Upstream {
    let opens = OnceLock::new();
    Upstream::answers(move |_| match Instant::now() < *opens.get_or_init(|| Instant::now() + SECOND) {
        true => busy(1),
        false => status(200),
    })
}

/// What went out after the first round of sends, once all were served.
async fn after_the_first_round<S>(upstream: &Upstream, service: S, first_round: usize) -> Vec<(usize, u128)>
where
    S: Service<Inner, Response = Answer, Error = BoxError, Future: Send> + Clone,
{
    let start = Instant::now();
    let responses = eventually(crowd(&layer().layer(service), 1_000)).await;
    for response in responses {
        assert_status(&response.unwrap(), 200);
    }
    let mut sends = sends(upstream, start);
    let later = sends.split_off(first_round);
    assert!(sends.iter().all(|(_, at)| *at == 0), "{sends:?}");
    later
}

#[track_caller]
fn assert_opens_with_one(later: &[(usize, u128)], opening: u128) {
    let times: Vec<_> = later.iter().map(|(_, at)| *at).collect();
    assert!(times.iter().all(|at| *at >= opening), "sent before the hint: {times:?}");
    assert_eq!(times.iter().filter(|at| **at == opening).count(), 1, "in the first instant: {times:?}");
    assert!(later.iter().map(|(number, _)| number).eq(&Vec::from_iter(1..=1_000)), "{later:?}");
}

/// One refusal is enough for all, where it comes before the others have been sent.
#[tokio::test(start_paused = true)]
async fn a_thousand_callers_of_a_near_server_send_once_and_one_of_them_twice() {
    let upstream = shut_for_a_second();
    let later = after_the_first_round(&upstream, upstream.handle(), 1).await;
    assert_opens_with_one(&later, 1_000);
}

/// All that were under way are refused, and nothing is refused after that.
#[tokio::test(start_paused = true)]
async fn a_thousand_callers_of_a_far_server_are_sent_twice_at_most() {
    let upstream = shut_for_a_second();
    let later = after_the_first_round(&upstream, far(&upstream, 20 * MS), 1_000).await;
    assert_opens_with_one(&later, 1_020);
}

/// A crowd that begins slowly finds out with a handful of calls, and its budget suffices.
#[tokio::test(start_paused = true)]
async fn a_slow_start_finds_out_with_four_calls() {
    let upstream = shut_for_a_second();
    let layer = RetryLayer::default().pace(Pace::per_authority().slow_start());
    let start = Instant::now();
    let responses = eventually(crowd(&layer.layer(far(&upstream, 20 * MS)), 1_000)).await;
    assert!(responses.iter().all(|response| response.as_ref().unwrap().status() == 200));
    let sends = sends(&upstream, start);
    assert_eq!(sends.len(), 1_004);
    assert_eq!(sends[4], (1, 1_020));
}

/// The smallest and the largest bucket, near and far.
#[tokio::test(start_paused = true)]
async fn a_thousand_callers_of_a_bucket_are_all_served() {
    for (per_second, burst, latency) in [(50, 10, 0), (50, 10, 20), (500, 100, 0), (500, 100, 20)] {
        let latency = latency * MS;
        let bucket = Bucket::new(per_second, burst);
        let asked = bucket.clone();
        let upstream = Upstream::answers(move |_| asked.answer());
        let client = layer().layer(far(&upstream, latency));
        for response in eventually(crowd(&client, 1_000)).await {
            assert_status(&response.unwrap(), 200);
        }
        let calls: Vec<_> = upstream.calls().into_iter().map(|call| call.at).zip(bucket.answers()).collect();
        assert_eq!(calls.iter().filter(|(_, status)| *status == 200).count(), 1_000);
        assert_quiet_after_each_refusal(&calls, latency);
        // Of those that were not under way at the first refusal, few are refused.
        let refused =
            calls.iter().filter(|(at, status)| *status == 429 && *at > calls[0].0 + latency).count();
        assert!(refused < 100, "{per_second}/s, burst {burst}, {latency:?}: {refused} refused");
    }
}

/// Whoever asks for quiet gets it, from all of them.
fn assert_quiet_after_each_refusal(calls: &[(Instant, u16)], latency: Duration) {
    for (refused_at, _) in calls.iter().filter(|(_, status)| *status == 429) {
        let heard_at = *refused_at + latency;
        let early = calls.iter().filter(|(at, _)| *at > heard_at && *at < heard_at + SECOND).count();
        assert_eq!(early, 0, "sent in the second that was asked for");
    }
}

/// Those who came first and were refused go before those who came while they waited.
#[tokio::test(start_paused = true)]
async fn a_resend_goes_before_those_that_came_later() {
    let upstream = shut_for_a_second();
    let client = RetryLayer::default().pace(per_authority()).layer(far(&upstream, 20 * MS));
    let start = Instant::now();
    let late = async {
        sleep(500 * MS).await;
        let late = (6..=10).map(|number| client.clone().oneshot(numbered(number)));
        join_all(late).await
    };
    let (first, late) = eventually(join(crowd(&client, 5), late)).await;
    for response in first.into_iter().chain(late) {
        assert_status(&response.unwrap(), 200);
    }
    let numbers: Vec<_> = sends(&upstream, start).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
}

/// One that has to wait for a time of its own stands in nobody's way, and comes next when that is over.
#[tokio::test(start_paused = true)]
async fn a_resend_that_has_to_wait_longer_lets_others_pass() {
    let upstream = Upstream::answers(|number| if number == 1 { status(500) } else { status(200) });
    let policy = FixedDelay::new(3 * SECOND);
    let client = RetryLayer::new(policy).pace(per_authority()).layer(upstream.handle());
    let start = Instant::now();
    let responses = eventually(crowd(&client, 3)).await;
    assert!(responses.iter().all(Result::is_ok));
    assert_eq!(sends(&upstream, start), [(1, 0), (2, 0), (3, 0), (1, 3_000)]);
}
