//! Servers that say what nobody can obey.

use tokio::time::Instant;
use tower::{Layer, ServiceExt};
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{GiveUpReason, Pace, PaceLayer, RetryLayer};

use super::{MS, SECOND, busy, crowd, far, numbered, rejection, sends};
use crate::support::bucket::Bucket;
use crate::support::upstream::Upstream;
use crate::support::{assert_status, eventually, info, refuse, with_header};

/// How long, in milliseconds, all are held by a server that says this with many 429 in a row.
async fn held(pace: Pace, retry_after: &'static str) -> u128 {
    let pace = SharedPace::from(pace);
    refuse(&PaceLayer::new(pace.clone()), || numbered(1), retry_after).await;
    let start = Instant::now();
    let client = PaceLayer::new(pace).layer(Upstream::statuses([200]));
    eventually(client.oneshot(numbered(2))).await.unwrap();
    start.elapsed().as_millis()
}

#[tokio::test(start_paused = true)]
async fn nobody_is_held_for_longer_than_the_longest() {
    for hint in ["99999999", "18446744073709551616", "1", "Fri, 31 Dec 9999 23:59:59 GMT", "soon", "0"] {
        let held = held(Pace::per_authority().longest(50 * MS), hint).await;
        assert!((1..=51).contains(&held), "{hint}: {held} ms");
    }
    let longest = held(Pace::per_authority(), "99999999").await;
    assert!(longest <= 120_001, "{longest}");
    // Half a second where no time is named.
    for hint in ["soon", "-1", "0"] {
        let held = held(Pace::per_authority(), hint).await;
        assert!((500..=501).contains(&held), "{hint}: {held} ms");
    }
}

/// Whoever heard it himself gets the response at once, and the others are not held for a day.
#[tokio::test(start_paused = true)]
async fn a_hint_that_is_too_long_is_returned_to_whom_it_was_said() {
    let upstream = Upstream::answers(|number| match number {
        1 => busy(99_999_999),
        _ => busy(1),
    });
    let pace = Pace::per_authority().longest(50 * MS);
    let client = RetryLayer::default().max_attempts(2).pace(pace).layer(upstream.handle());
    let start = Instant::now();
    let response = client.clone().oneshot(numbered(1)).await.unwrap();
    assert_eq!(info(&response).reason(), Some(GiveUpReason::HintTooLong));
    let response = eventually(client.oneshot(numbered(2))).await.unwrap();
    assert_eq!(info(&response).reason(), Some(GiveUpReason::MaxAttempts));
    // Its own hint is obeyed to the letter.
    assert_eq!(sends(&upstream, start), [(1, 0), (2, 0), (2, 1_000)]);
}

/// A server that refuses everything, for ever, with a different lie each time: everybody is told in the end.
#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_everything_freezes_nobody() {
    let upstream = Upstream::answers(|number| {
        let hint = ["0", "1", "soon", "99999999"][number % 4];
        with_header(429, "retry-after", hint)
    });
    let pace = SharedPace::from(Pace::per_authority().longest(50 * MS));
    let layer = RetryLayer::default().max_elapsed(5 * SECOND).pace(pace.clone());
    let client = layer.layer(far(&upstream, 20 * MS));
    let start = Instant::now();
    let results = eventually(crowd(&client, 300)).await;
    // All of them are answered or rejected; the last attempt may start at the deadline.
    assert!(start.elapsed() <= 5_030 * MS, "{:?}", start.elapsed());
    for result in results {
        match result {
            Ok(response) => assert!(info(&response).reason().is_some()),
            Err(error) => drop(rejection(&error)),
        }
    }
    assert_eq!(pace.waiting(), 0);
    assert!(sends(&upstream, start).iter().all(|(_, at)| *at <= 5_000));
}

/// One that says how full its quota is refuses nobody who has heard it.
#[tokio::test(start_paused = true)]
async fn a_server_that_announces_its_quota_refuses_nobody_who_has_heard_it() {
    for latency in [0, 20] {
        let bucket = Bucket::new(10, 20);
        let asked = bucket.clone();
        let upstream = Upstream::answers(move |_| asked.announcing_answer());
        let layer = RetryLayer::default().pace(Pace::per_authority());
        let client = layer.layer(far(&upstream, latency * MS));
        assert_status(&client.clone().oneshot(numbered(0)).await.unwrap(), 200);
        let start = Instant::now();
        for response in eventually(crowd(&client, 100)).await {
            assert_status(&response.unwrap(), 200);
        }
        let refused = bucket.answers().iter().filter(|status| **status == 429).count();
        assert_eq!(refused, 0, "{latency} ms away");
        // 19 are left, and the others come as fast as it fills; not much slower.
        assert!(start.elapsed() < 12 * SECOND, "{:?}", start.elapsed());
    }
}
