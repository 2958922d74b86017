//! Who may not wait is rejected at once, and the error's type says so.

use std::error::Error;
use std::{io, iter};

use http::Method;
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep};
use tower::util::MapErr;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_http_retry::pace::{PaceRejection, SharedPace};
use tower_http_retry::{Budget, GiveUpReason, Pace, PaceLayer, RetryInfo, RetryLayer, RetryOverride};

use super::{MS, busy, close, numbered, rejection, sends};
use crate::support::upstream::Upstream;
use crate::support::{
    A_SECOND, Answer, Inner, Sent, assert_status, eventually, get, info, refused, request, reset, status,
};

fn scarce() -> Budget {
    Budget::percent(0).min_per_second(0).capacity(10)
}

/// A pace of which one waiter is one too many.
fn nobody_waits() -> SharedPace {
    Pace::per_authority().waiters(0).into()
}

/// The third is rejected at once, and not sent; and when the others have gone there is room again.
#[tokio::test(start_paused = true)]
async fn the_first_attempt_that_is_one_too_many_is_rejected_at_once() {
    // A quarter of the waiters may wait for one key.
    let pace = SharedPace::from(Pace::per_authority().waiters(8));
    close(&pace, 1).await;
    let (upstream, budget) = (Upstream::statuses([200]), scarce());
    let client = RetryLayer::default().budget(budget.clone()).pace(pace.clone()).layer(upstream.handle());
    let start = Instant::now();
    let waiting = [1, 2].map(|number| tokio::spawn(client.clone().oneshot(numbered(number))));
    sleep(500 * MS).await;

    let error = client.clone().oneshot(numbered(3)).await.unwrap_err();
    assert_eq!(rejection(&error), PaceRejection::Full);
    let concrete = RetryLayer::default()
        .pace(pace.clone())
        .layer(ServiceBuilder::new().map_err(io::Error::other).service(upstream.handle()));
    let error = concrete.oneshot(numbered(4)).await.unwrap_err();
    assert_eq!((error.is_rejected(), error.rejection()), (true, Some(PaceRejection::Full)));
    assert!(error.get_ref().is_none());
    assert_eq!(error.into_inner().unwrap_err(), PaceRejection::Full);
    let alone = PaceLayer::new(pace.clone()).layer(upstream.handle());
    let error = alone.oneshot(numbered(5)).await.unwrap_err();
    assert_eq!(error.rejection(), Some(PaceRejection::Full));
    assert_eq!(start.elapsed(), 500 * MS, "they were held");

    for task in waiting {
        assert_status(&eventually(task).await.unwrap().unwrap(), 200);
    }
    assert_status(&client.oneshot(numbered(6)).await.unwrap(), 200);
    let numbers: Vec<_> = sends(&upstream, start).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [1, 2, 6]);
    assert_eq!(budget.tokens(), 10.0);
}

/// The error says how long a stop lasts, both to a request that cannot wait for it and to one for which there is no room.
#[tokio::test(start_paused = true)]
async fn a_rejection_says_how_long_the_limit_lasts() {
    let upstream = Upstream::statuses([200]);
    let pace = SharedPace::from(Pace::per_authority());
    close(&pace, 20).await;
    sleep(5_500 * MS).await;
    let client = RetryLayer::default()
        .pace(pace)
        .layer(ServiceBuilder::new().map_err(io::Error::other).service(upstream.handle()));
    let late = client.oneshot(limited(numbered(1), 4)).await.unwrap_err();
    assert_eq!(late.rejection(), Some(PaceRejection::TooLong));
    assert_eq!(late.retry_after(), Some(14_500 * MS));

    let pace = nobody_waits();
    close(&pace, 20).await;
    let full = PaceLayer::new(pace).layer(upstream.handle()).oneshot(numbered(2)).await.unwrap_err();
    assert_eq!((full.rejection(), full.retry_after()), (Some(PaceRejection::Full), Some(20 * super::SECOND)));
    let failed = PaceLayer::new(nobody_waits())
        .layer(tower::service_fn(|_: Sent| async { Err::<Answer, _>(reset()) }));
    let failed = failed.oneshot(numbered(3)).await.unwrap_err();
    assert_eq!((failed.rejection(), failed.retry_after()), (None, None));
    assert_eq!(upstream.sent(), 0);
}

/// A request that may take so many seconds until its last attempt.
fn limited(mut request: Sent, seconds: u32) -> Sent {
    request.extensions_mut().insert(RetryOverride::new().max_elapsed(seconds * super::SECOND));
    request
}

/// A resend that may not wait: the caller gets what there is, with all of its body, and pays nothing.
async fn check_resend(upstream: Upstream, expected: u16) {
    let budget = scarce();
    let layer = RetryLayer::new(A_SECOND).budget(budget.clone()).pace(nobody_waits());
    let start = Instant::now();
    let response = layer.layer(upstream.handle()).oneshot(get("/")).await.unwrap();
    assert_status(&response, expected);
    assert_eq!((info(&response).reason(), info(&response).attempts()), (Some(GiveUpReason::Pace), 1));
    assert_eq!(info(&response).waited(), std::time::Duration::ZERO);
    assert_eq!((upstream.sent(), budget.tokens(), start.elapsed().as_millis()), (1, 10.0, 0));
    let length = response.headers().get("content-length").cloned();
    assert_eq!(length.unwrap(), "12", "the head still describes the body");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "not just now");
}

#[tokio::test(start_paused = true)]
async fn a_resend_that_may_not_wait_returns_the_last_response_untouched() {
    let with_body = |mut answer: Answer| {
        answer.headers_mut().insert("content-length", 12.into());
        answer.map(|_| "not just now".into())
    };
    check_resend(Upstream::answers(move |_| with_body(busy(1))), 429).await;
    check_resend(Upstream::answers(move |_| with_body(status(500))), 500).await;
}

#[tokio::test(start_paused = true)]
async fn a_resend_that_may_not_wait_returns_the_last_error_as_it_is() {
    let (upstream, budget) = (Upstream::new(|_| Err::<Answer, _>(refused())), scarce());
    let layer = RetryLayer::new(A_SECOND).budget(budget.clone()).pace(nobody_waits());
    let error = layer.layer(upstream.handle()).oneshot(get("/")).await.unwrap_err();
    assert_eq!(error.downcast::<io::Error>().unwrap().kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!((upstream.sent(), budget.tokens()), (1, 10.0));

    let layer = RetryLayer::new(A_SECOND).budget(budget.clone()).pace(nobody_waits());
    let service = tower::service_fn(async |_: Inner| Err::<Answer, _>(reset()));
    let error = layer.layer(service).oneshot(get("/")).await.unwrap_err();
    assert_eq!((error.is_rejected(), error.rejection()), (false, None));
    assert_eq!(error.get_ref().map(io::Error::kind), Some(reset().kind()));
    assert_eq!(error.into_inner().unwrap().kind(), reset().kind());
    assert_eq!(budget.tokens(), 10.0);
}

/// There is no room in the table for another server: its requests go without a pace, and are counted.
#[tokio::test(start_paused = true)]
async fn one_server_too_many_goes_without_a_pace() {
    let pace = SharedPace::from(Pace::per_authority().keys(1));
    close(&pace, 60).await;
    let upstream = Upstream::statuses([429, 200]);
    let client = RetryLayer::new(A_SECOND).pace(pace.clone()).layer(upstream.handle());
    let response = client.clone().oneshot(get("http://other.example/")).await.unwrap();
    assert_status(&response, 200);
    assert_eq!((info(&response).attempts(), pace.waiting()), (2, 0));
    assert!(pace.unpaced() >= 2, "{}", pace.unpaced());
    assert_eq!(upstream.gaps(), [1_000], "its own delay is kept all the same");
}

/// Rejections say what they are, whatever is around them.
#[tokio::test(start_paused = true)]
async fn a_rejection_is_found_in_every_wrapping() {
    let pace = nobody_waits();
    close(&pace, 1).await;
    let mut client =
        PaceLayer::new(pace.clone()).layer(MapErr::new(Upstream::statuses([200]), io::Error::other));
    let error = client.call(numbered(1)).await.unwrap_err();
    assert_eq!(error.source().unwrap().downcast_ref(), Some(&PaceRejection::Full));
    let failing = tower::service_fn(async |_: Sent| Err::<Answer, _>(reset()));
    let inner = PaceLayer::new(Pace::per_authority()).layer(failing).call(numbered(1)).await.unwrap_err();
    assert_eq!(inner.rejection(), None);
    assert!(inner.source().unwrap().is::<io::Error>());
    // A report of the chain has each cause once.
    let causes = [PaceRejection::Full.to_string(), reset().to_string()];
    for (error, cause) in [&error as &dyn Error, &inner].into_iter().zip(causes) {
        let chain: Vec<_> =
            iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect();
        assert_eq!(chain.iter().filter(|text| text.contains(&cause)).count(), 1, "{chain:?}");
    }

    let mut boxed = PaceLayer::new(pace).layer(Upstream::statuses([200]));
    assert_eq!(rejection(&boxed.call(numbered(1)).await.unwrap_err().flatten()), PaceRejection::Full);
    let failing = tower::service_fn(async |_: Sent| Err::<Answer, BoxError>(reset().into()));
    let boxed = PaceLayer::new(Pace::per_authority()).layer(failing).call(numbered(1)).await;
    let boxed = boxed.unwrap_err().flatten();
    assert_eq!(boxed.downcast::<io::Error>().unwrap().kind(), reset().kind());
}

/// Who need not wait hears nothing of the pace.
#[tokio::test(start_paused = true)]
async fn a_response_that_was_accepted_says_nothing_of_the_pace() {
    let pace = nobody_waits();
    let client = RetryLayer::default().pace(pace).layer(Upstream::statuses([404]));
    let response = client.oneshot(request(Method::POST, "/", "text")).await.unwrap();
    assert_eq!(response.extensions().get::<RetryInfo>(), None);
}
