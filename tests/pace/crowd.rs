//! A thousand callers at once, and a server that does not want so many.

use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::{Instant, sleep};
use tower::Layer;
use tower_http_retry::markers::{Boxed, Paced};
use tower_http_retry::policy::FixedDelay;
use tower_http_retry::{Pace, RetryAfterFirst, RetryLayer};

use super::{MS, SECOND, busy, crowd, far, held, numbered, per_authority, sends};
use crate::support::bucket::Bucket;
use crate::support::upstream::Upstream;
use crate::support::{assert_status, eventually, status};

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

/// All are served, and none of them is sent before its hint. A crowd of a near server hears before most of it is sent.
#[tokio::test(start_paused = true)]
async fn a_thousand_callers_of_a_server_that_is_shut_are_served() {
    for latency in [Duration::ZERO, 20 * MS] {
        let upstream = shut_for_a_second();
        let client = layer().layer(far(&upstream, latency));
        let start = Instant::now();
        for response in eventually(crowd(&client, 1_000)).await {
            assert_status(&response.unwrap(), 200);
        }
        let opening = (SECOND + latency).as_millis();
        let (first, later): (Vec<_>, Vec<_>) =
            sends(&upstream, start).into_iter().partition(|(_, at)| *at < 1_000);
        assert!(first.len() <= if latency.is_zero() { 12 } else { 1_000 }, "{}", first.len());
        assert!(later.iter().all(|(_, at)| *at >= opening), "sent before the hint");
        assert_eq!(later.len(), 1_000);
    }
}

/// The smallest and the largest bucket, near and far.
#[tokio::test(start_paused = true)]
async fn a_thousand_callers_of_a_bucket_are_all_served() {
    for (per_second, burst, latency) in [(50, 10, 0), (50, 10, 20), (500, 100, 0), (500, 100, 20)] {
        let bucket = Bucket::new(per_second, burst);
        let asked = bucket.clone();
        let upstream = Upstream::answers(move |_| asked.answer());
        let pace = per_authority();
        let layer = RetryLayer::default().max_attempts(6).budget(None).pace(pace.clone());
        let client = layer.layer(far(&upstream, latency * MS));
        for response in eventually(crowd(&client, 1_000)).await {
            assert_status(&response.unwrap(), 200);
        }
        assert_eq!(bucket.answers().iter().filter(|status| **status == 200).count(), 1_000);
        assert_eq!(held(&pace), (0, 0));
    }
}

/// Those that came first and were refused go before those that came while they waited.
#[tokio::test(start_paused = true)]
async fn a_resend_goes_before_those_that_came_later() {
    let upstream = shut_for_a_second();
    let client = RetryLayer::default().pace(per_authority()).layer(far(&upstream, 20 * MS));
    let start = Instant::now();
    let late = async {
        sleep(500 * MS).await;
        let late = (17..=20).map(|number| client.clone().oneshot(numbered(number)));
        join_all(late).await
    };
    let (first, late) = eventually(join(crowd(&client, 16), late)).await;
    for response in first.into_iter().chain(late) {
        assert_status(&response.unwrap(), 200);
    }
    let numbers: Vec<_> = sends(&upstream, start).into_iter().map(|(number, _)| number).collect();
    // One of those that were sent least often is the probe, before all others.
    assert!((17..=20).contains(&numbers[16]), "{numbers:?}");
    let later = numbers[17..].iter().copied().filter(|number| *number != numbers[16]);
    let expected = (1..=20).filter(|number| *number != numbers[16]);
    assert!(numbers[..16].iter().copied().eq(1..=16) && later.eq(expected), "{numbers:?}");
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
