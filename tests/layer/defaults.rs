//! What the layer does where nobody says otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use http::Method;
use tokio::time::Instant;
use tower::{Layer, ServiceBuilder, service_fn};
use tower_http_retry::{AttemptNumber, BoxError, GiveUpReason, Pace, RetryAfterFirst, RetryLayer};

use crate::support::clock::Watch;
use crate::support::upstream::Upstream;
use crate::support::{Answer, Inner, eventually, get, info, request, status, with_header};

/// Twenty requests from ten workers, each refused three times for a second: the default budget lets every
/// one through, with not a call more than it takes, in two rounds of three seconds.
#[tokio::test(start_paused = true)]
async fn the_default_budget_does_not_starve_callers_who_wait_as_they_are_told() {
    let calls = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&calls);
    let server = service_fn(move |request: Inner| {
        counter.fetch_add(1, Ordering::SeqCst);
        let is_refused = AttemptNumber::from_request(&request) <= 3;
        async move {
            Ok::<_, BoxError>(if is_refused { with_header(429, "retry-after", "1") } else { status(200) })
        }
    });
    let client = RetryLayer::new(RetryAfterFirst::default().spread(0.0)).max_attempts(4).layer(server);
    let start = Instant::now();
    let sent = stream::iter(0..20).map(|_| client.clone().oneshot(get("/")));
    let responses = eventually(sent.buffer_unordered(10).collect::<Vec<_>>()).await;
    assert!(
        responses.iter().all(|response| response.as_ref().is_ok_and(|response| response.status() == 200))
    );
    assert_eq!(calls.load(Ordering::SeqCst), 80);
    let seconds = start.elapsed().as_secs_f64();
    assert!((6.0..=6.3).contains(&seconds), "it took {seconds} s");
}

/// Three attempts, and the second and third wait at most 100 and 200 ms.
#[tokio::test(start_paused = true)]
async fn three_attempts_with_a_short_backoff() {
    for _ in 0..50 {
        let watch = Watch::new();
        let upstream = Upstream::statuses([503]);
        let client = ServiceBuilder::new()
            .layer(RetryLayer::default().timer(watch.clone()))
            .service(upstream.handle());
        let response = client.oneshot(get("/")).await.unwrap();
        assert_eq!((upstream.sent(), info(&response).reason()), (3, Some(GiveUpReason::MaxAttempts)));
        let [first, second] = watch.sleeps()[..] else { panic!("{:?}", watch.sleeps()) };
        assert!(first <= Duration::from_millis(100) && second <= Duration::from_millis(200));
    }
}

/// A minute until the last attempt starts.
#[tokio::test(start_paused = true)]
async fn a_minute_is_the_deadline() {
    for (hint, sent) in [("29", 3), ("31", 2), ("61", 1)] {
        let upstream = Upstream::answers(move |_| with_header(503, "retry-after", hint));
        let layer = RetryLayer::new(RetryAfterFirst::default().spread(0.0));
        let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
        client.oneshot(get("/")).await.unwrap();
        assert_eq!(upstream.sent(), sent, "{hint}");
    }
}

/// 64 KiB are kept, and not a byte more.
#[tokio::test(start_paused = true)]
async fn a_body_of_64_kib_is_kept() {
    for (size, sent) in [(64 * 1024, 3), (64 * 1024 + 1, 1)] {
        let upstream = Upstream::statuses([503]);
        let client = ServiceBuilder::new().layer(RetryLayer::default()).service(upstream.handle());
        let request = request(Method::PUT, "/", "").map(|_| http_body_util::Full::from(vec![b'x'; size]));
        client.oneshot(request).await.unwrap();
        assert_eq!(upstream.sent(), sent, "{size}");
    }
}

/// A hundred tokens, and ten a second from then on.
#[tokio::test(start_paused = true)]
async fn the_default_budget_ends_a_storm() {
    let upstream = Upstream::statuses([500]);
    let layer = RetryLayer::new(crate::support::A_SECOND).max_attempts(2);
    let client = layer.layer(upstream.handle());
    let storm = |count| futures_util::future::join_all((0..count).map(|_| client.clone().oneshot(get("/"))));
    storm(1_000).await;
    assert_eq!(upstream.sent(), 1_000 + 100);
    // The storm took a second, and its last resend was paid for at its start.
    tokio::time::sleep(Duration::from_secs(4)).await;
    storm(1_000).await;
    assert_eq!(upstream.sent(), 2_000 + 100 + 50);
}

/// Each layer has a budget of its own.
#[tokio::test(start_paused = true)]
async fn the_default_budget_is_not_shared_between_layers() {
    for _ in 0..2 {
        let upstream = Upstream::statuses([500]);
        let client = RetryLayer::new(crate::support::A_SECOND).max_attempts(2).layer(upstream.handle());
        futures_util::future::join_all((0..200).map(|_| client.clone().oneshot(get("/")))).await;
        assert_eq!(upstream.sent(), 300);
    }
}

/// Bounds can be lifted.
#[tokio::test(start_paused = true)]
async fn without_a_budget_and_a_deadline_there_is_no_bound_but_the_attempts() {
    let upstream = Upstream::answers(|_| with_header(503, "retry-after", "100"));
    let layer = RetryLayer::default().budget(None).max_elapsed(None).replay_memory(None).max_attempts(200);
    let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
    let response = eventually(client.oneshot(get("/"))).await.unwrap();
    assert_eq!((upstream.sent(), info(&response).reason()), (200, Some(GiveUpReason::MaxAttempts)));
}

/// The happy path reads no clock that it does not need.
#[tokio::test(start_paused = true)]
async fn a_success_that_is_waited_for_reads_the_clock_once_and_without_a_deadline_never() {
    let minute = Some(Duration::from_secs(60));
    for (deadline, takes, reads) in [(minute, 1, 1), (minute, 0, 0), (None, 1, 0)] {
        let watch = Watch::new();
        let server = service_fn(move |_: Inner| taking(takes, status(200)));
        let client = RetryLayer::default().max_elapsed(deadline).timer(watch.clone()).layer(server);
        client.oneshot(get("/")).await.unwrap();
        assert_eq!(watch.reads(), reads, "{deadline:?}, an attempt of {takes} s");
        assert!(watch.sleeps().is_empty());
    }
}

/// The pace and the deadline, which counts from the call on, need the time. One reading serves both, and a success needs no more.
#[tokio::test(start_paused = true)]
async fn a_success_under_a_pace_reads_the_clock_once() {
    for deadline in [None, Some(Duration::from_secs(60))] {
        let watch = Watch::new();
        let server = service_fn(|_: Inner| taking(1, status(200)));
        let layer = RetryLayer::default().max_elapsed(deadline).timer(watch.clone());
        layer.pace(Pace::per_authority()).layer(server).oneshot(get("/")).await.unwrap();
        assert_eq!(watch.reads(), 1, "{deadline:?}");
    }
}

/// What an attempt takes counts towards the deadline, the first one too.
#[tokio::test(start_paused = true)]
async fn the_deadline_counts_from_the_first_attempt_on() {
    for (takes, sent) in [(0, 3), (1, 2), (3, 1)] {
        let calls = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&calls);
        let server = service_fn(move |_: Inner| {
            counter.fetch_add(1, Ordering::SeqCst);
            taking(takes, with_header(503, "retry-after", "1"))
        });
        let layer = RetryLayer::new(RetryAfterFirst::default().spread(0.0));
        let client = layer.max_elapsed(Duration::from_millis(3_500)).layer(server);
        client.oneshot(get("/")).await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), sent, "attempts of {takes} s");
    }
}

async fn taking(seconds: u64, answer: Answer) -> Result<Answer, BoxError> {
    if seconds > 0 {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
    Ok(answer)
}
