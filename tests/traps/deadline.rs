//! What does not fit before the deadline is not waited for.

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::time::{Instant, timeout};
use tower::ServiceBuilder;
use tower_http_retry::policy::FixedDelay;
use tower_http_retry::{BoxError, Budget, GiveUpReason, RetryAfterFirst, RetryLayer};

use crate::support::upstream::Upstream;
use crate::support::{
    A_SECOND, Answer, HandedOn, Inner, assert_status, eventually, get, info, next, reset, status, with_header,
};

/// Trap 19: whoever sleeps to the deadline and then fails has lost both the time and the answer.
#[tokio::test(start_paused = true)]
async fn a_wait_that_does_not_fit_is_not_begun() {
    let upstream = Upstream::answers(|_| status(503).map(|_| "busy".into()));
    let layer =
        RetryLayer::new(FixedDelay::new(Duration::from_secs(10))).max_elapsed(Duration::from_secs(25));
    let client = ServiceBuilder::new().layer(layer.max_attempts(9)).service(upstream.handle());
    let start = Instant::now();
    let response = eventually(client.oneshot(get("/"))).await.unwrap();
    // 0 s, 10 s, 20 s; the next would be at 30 s.
    assert_eq!((upstream.sent(), start.elapsed().as_secs()), (3, 20));
    assert_status(&response, 503);
    assert_eq!(info(&response).reason(), Some(GiveUpReason::MaxElapsed));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "busy");
}

/// Trap 19: an error is an outcome too.
#[tokio::test(start_paused = true)]
async fn the_last_error_is_returned_before_the_deadline() {
    let upstream = Upstream::new(|_| Err::<Answer, _>(reset()));
    let layer = RetryLayer::new(FixedDelay::new(Duration::from_secs(10))).max_elapsed(Duration::from_secs(5));
    let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
    let start = Instant::now();
    let error = eventually(client.oneshot(get("/"))).await.unwrap_err();
    assert_eq!(error.downcast::<std::io::Error>().unwrap().kind(), reset().kind());
    assert_eq!((upstream.sent(), start.elapsed()), (1, Duration::ZERO));
}

/// A resend at the very deadline is not after it.
#[tokio::test(start_paused = true)]
async fn a_wait_that_ends_with_the_deadline_fits() {
    let upstream = Upstream::statuses([503, 200]);
    let layer = RetryLayer::new(A_SECOND).max_elapsed(Duration::from_secs(1));
    let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
    assert_status(&eventually(client.oneshot(get("/"))).await.unwrap(), 200);
    assert_eq!(upstream.gaps(), [1_000]);
}

/// Trap 19: no sum of times overflows, however long they are.
#[tokio::test(start_paused = true)]
async fn the_longest_times_there_are_do_not_panic() {
    let upstream = || Upstream::answers(|_| with_header(503, "retry-after", "18446744073709551615"));
    let policy = || RetryAfterFirst::default().longest(Duration::MAX);
    let never = Duration::from_secs(1_000_000);

    let client = ServiceBuilder::new().layer(RetryLayer::new(policy())).service(upstream());
    let response = eventually(client.oneshot(get("/"))).await.unwrap();
    assert_eq!(info(&response).reason(), Some(GiveUpReason::MaxElapsed));

    let client = ServiceBuilder::new().layer(RetryLayer::new(policy()).max_elapsed(None)).service(upstream());
    timeout(never, client.oneshot(get("/"))).await.expect_err("it waits for as long as it was told");

    let layer = RetryLayer::new(FixedDelay::new(Duration::MAX)).max_elapsed(Duration::MAX).ignore_hints();
    let client = ServiceBuilder::new().layer(layer).service(upstream());
    timeout(never, client.oneshot(get("/"))).await.expect_err("it waits for as long as it was told");
}

/// The deadline is for the start of the last attempt: one that is under way is not cut.
#[tokio::test(start_paused = true)]
async fn an_attempt_under_way_is_not_cut() {
    let slow = tower::service_fn(|_: Inner| async {
        tokio::time::sleep(Duration::from_secs(90)).await;
        Ok::<_, BoxError>(status(200))
    });
    let layer = RetryLayer::new(A_SECOND).max_elapsed(Duration::from_secs(5));
    let client = ServiceBuilder::new().layer(layer).service(slow);
    assert_status(&eventually(client.oneshot(get("/"))).await.unwrap(), 200);
}

/// The race with a service that is not ready after the wait: the failed error comes back at the deadline.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_busy_until_the_deadline_gives_the_error_before() {
    let (result, seconds) = busy_after(Err(reset().into())).await;
    assert_eq!(result.unwrap_err().downcast::<std::io::Error>().unwrap().kind(), reset().kind());
    assert_eq!(seconds, 5);
}

/// The same with a response that was read to its end.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_busy_until_the_deadline_gives_the_response_before() {
    let (result, seconds) =
        busy_after(Ok(with_header(503, "content-length", "4").map(|_| "busy".into()))).await;
    let response = result.unwrap();
    assert_status(&response, 503);
    assert_eq!(info(&response).reason(), Some(GiveUpReason::NotReady));
    assert_eq!(info(&response).attempts(), 1);
    assert_eq!(response.headers()["content-length"], "4");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "busy");
    assert_eq!(seconds, 5);
}

/// What comes of a request whose first outcome this is, while the service is not ready afterwards, and after
/// how many seconds. Nothing is sent afterwards, and nothing was paid.
async fn busy_after(outcome: Result<Answer, BoxError>) -> (Result<HandedOn, BoxError>, u64) {
    let (mock, mut handle) = tower_test::mock::pair::<Inner, Answer>();
    handle.allow(1);
    let budget = Budget::percent(0).min_per_second(0).capacity(10);
    let layer = RetryLayer::new(A_SECOND).max_elapsed(Duration::from_secs(5)).budget(budget.clone());
    let client = ServiceBuilder::new().layer(layer).service(mock);
    let start = Instant::now();
    let sent = tokio::spawn(client.oneshot(get("/")));
    let (_, respond) = next(&mut handle).await;
    match outcome {
        Ok(response) => respond.send_response(response),
        Err(error) => respond.send_error(error),
    }
    let result = eventually(sent).await.unwrap();
    let seconds = start.elapsed().as_secs();
    assert_eq!(budget.tokens(), 10.0);
    handle.allow(9);
    let next = timeout(Duration::from_secs(60), handle.next_request()).await;
    assert!(!matches!(next, Ok(Some(_))), "something was sent after the deadline");
    (result, seconds)
}
