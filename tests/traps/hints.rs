//! What the server asks for: never earlier, and by the server's own clock.

use std::time::{Duration, SystemTime};

use http::Response;
use http_body_util::BodyExt;
use tower::{Layer, ServiceBuilder};
use tower_http_retry::policy::FixedDelay;
use tower_http_retry::{
    BoxError, Budget, ExponentialBackoff, GiveUpReason, Policy, RetryAfterFirst, RetryLayer,
};

use crate::support::clock::Watch;
use crate::support::server::Server;
use crate::support::upstream::Upstream;
use crate::support::{Answer, assert_status, client, eventually, get, info, soon, status, with_header};

/// The hint and nothing above it.
fn to_the_letter() -> RetryAfterFirst {
    RetryAfterFirst::default().spread(0.0)
}

/// Trap 21: a wait that is too long is not made shorter.
#[tokio::test(start_paused = true)]
async fn a_hint_above_the_longest_is_not_shortened() {
    let policy = RetryAfterFirst::default().longest(Duration::from_secs(30));
    for (seconds, sent) in [("30", 3), ("31", 1), ("3600", 1), ("18446744073709551615", 1), ("1e400", 3)] {
        let value = seconds.to_owned();
        let upstream = Upstream::answers(move |_| with_header(429, "retry-after", &value));
        // A deadline far away, so that it is not what forbids it.
        let layer = RetryLayer::new(policy).max_elapsed(None);
        let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
        let response = eventually(client.oneshot(get("/"))).await.unwrap();
        let reason = if sent == 1 { GiveUpReason::HintTooLong } else { GiveUpReason::MaxAttempts };
        assert_eq!((upstream.sent(), info(&response).reason()), (sent, Some(reason)), "{seconds}");
    }
}

/// Trap 21: the caller gets the response as it came.
#[tokio::test]
async fn a_response_that_is_given_up_on_is_handed_over_whole() {
    let server = Server::start(|_| {
        let response = Response::builder().status(429).header("retry-after", "600").header("x-why", "quota");
        response.body("come back later".into()).unwrap()
    })
    .await;
    let client = ServiceBuilder::new().layer(RetryLayer::default()).service(client());
    let response = soon(client.oneshot(get(&server.uri("/")))).await.unwrap();
    assert_status(&response, 429);
    assert_eq!(info(&response).reason(), Some(GiveUpReason::HintTooLong));
    assert_eq!(response.headers()["retry-after"], "600");
    assert_eq!(response.headers()["x-why"], "quota");
    assert_eq!(response.headers()["content-length"], "15");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "come back later");
    assert_eq!(server.seen().len(), 1);
}

/// Trap 21: whatever the policy and its jitter, never earlier than asked.
#[tokio::test(start_paused = true)]
async fn nothing_is_sent_earlier_than_asked() {
    async fn check(policy: impl Policy) {
        let upstream = Upstream::answers(|_| with_header(429, "retry-after", "2"));
        let client = RetryLayer::new(policy).budget(Budget::default().capacity(500)).layer(upstream.handle());
        for _ in 0..200 {
            client.clone().oneshot(get("/")).await.unwrap();
            let gaps = upstream.gaps();
            let [.., first, second] = gaps.as_slice() else { panic!("{gaps:?}") };
            assert!(*first >= 2_000 && *second >= 2_000, "{first} ms, {second} ms");
        }
    }
    check(RetryAfterFirst::default()).await;
    check(ExponentialBackoff::default()).await;
    check(FixedDelay::new(Duration::ZERO)).await;
}

/// What is waited after this response, by a wall clock that shows this time.
async fn waited(wall: SystemTime, answer: impl Fn() -> Answer + Send + Sync + 'static) -> Duration {
    let watch = Watch::at(wall);
    let layer = RetryLayer::new(to_the_letter()).max_attempts(2).timer(watch.clone());
    let upstream = Upstream::answers(move |_| answer());
    ServiceBuilder::new().layer(layer).service(upstream).oneshot(get("/")).await.unwrap();
    let sleeps = watch.sleeps();
    assert_eq!(sleeps.len(), 1, "{sleeps:?}");
    sleeps[0]
}

/// `Wed, 21 Oct 2026 07:28:00 GMT`
const SERVER_NOW: Duration = Duration::from_secs(1_792_567_680);

/// Trap 22: a date is two seconds off by the clock that it was set by, whatever ours shows.
#[tokio::test(start_paused = true)]
async fn a_date_is_read_by_the_servers_clock() {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
    let dated = || {
        let response = with_header(503, "date", "Wed, 21 Oct 2026 07:28:00 GMT");
        let (mut parts, body) = response.into_parts();
        parts.headers.insert("retry-after", "Wed, 21 Oct 2026 07:28:02 GMT".parse().unwrap());
        Answer::from_parts(parts, body)
    };
    let truth = SystemTime::UNIX_EPOCH + SERVER_NOW;
    for wall in [truth, truth - YEAR, truth + YEAR, SystemTime::UNIX_EPOCH] {
        assert_eq!(waited(wall, dated).await, Duration::from_secs(2));
    }
}

/// Trap 22: a response that tells no time is read by our clock, which the timer tells.
#[tokio::test(start_paused = true)]
async fn a_date_without_a_date_is_read_by_the_timers_clock() {
    let undated = || with_header(503, "retry-after", "Wed, 21 Oct 2026 07:28:30 GMT");
    let wall = SystemTime::UNIX_EPOCH + SERVER_NOW;
    assert_eq!(waited(wall, undated).await, Duration::from_secs(30));
    assert_eq!(waited(wall - Duration::from_secs(20), undated).await, Duration::from_secs(50));
}

/// Trap 22: a date that has passed means now, and now is still not at once for everybody.
#[tokio::test(start_paused = true)]
async fn a_date_in_the_past_means_now() {
    let watch = Watch::at(SystemTime::UNIX_EPOCH + SERVER_NOW);
    let upstream = Upstream::answers(|_| with_header(503, "retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"));
    let layer = RetryLayer::default().timer(watch.clone());
    ServiceBuilder::new().layer(layer).service(upstream).oneshot(get("/")).await.unwrap();
    assert!(watch.sleeps().iter().all(|sleep| *sleep <= Duration::from_millis(250)), "{:?}", watch.sleeps());
}

/// What is no hint is no wait of zero either.
#[tokio::test(start_paused = true)]
async fn a_malformed_hint_is_no_hint() {
    for value in ["", "-1", "soon", "1;2", "Wed, 99 Oct 2026 07:28:00 GMT"] {
        let answer = move |_| with_header(503, "retry-after", value);
        let upstream = Upstream::answers(answer);
        let policy = RetryAfterFirst::new(FixedDelay::new(Duration::from_secs(7)));
        let client = ServiceBuilder::new().layer(RetryLayer::new(policy)).service(upstream.handle());
        client.oneshot(get("/")).await.unwrap();
        assert_eq!(upstream.gaps(), [7_000, 7_000], "{value:?}");
    }
}

/// The policy's own wait, where the layer is told not to listen.
#[tokio::test(start_paused = true)]
async fn hints_can_be_ignored() {
    let upstream = Upstream::new(|number| match number {
        1 => Ok::<_, BoxError>(with_header(503, "retry-after", "40")),
        _ => Ok(status(200)),
    });
    let layer = RetryLayer::new(crate::support::A_SECOND).ignore_hints();
    let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
    client.oneshot(get("/")).await.unwrap();
    assert_eq!(upstream.gaps(), [1_000]);
}
