//! Who may not wait is told so at once, and in the type of the error.

use std::error::Error;
use std::{io, iter};

use http::Method;
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep};
use tower::util::MapErr;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_http_retry::pace::{PaceRejection, SharedPace};
use tower_http_retry::{Budget, GiveUpReason, Pace, PaceLayer, RetryInfo, RetryLayer};

use super::{MS, SECOND, busy, close, numbered, refusal, sends};
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

/// The third is refused at once, and not sent; and when the others have gone there is room again.
#[tokio::test(start_paused = true)]
async fn the_first_attempt_that_is_one_too_many_is_refused_at_once() {
    let pace = SharedPace::from(Pace::per_authority().waiters(2));
    close(&pace, 1).await;
    let (upstream, budget) = (Upstream::statuses([200]), scarce());
    let client = RetryLayer::default().budget(budget.clone()).pace(pace.clone()).layer(upstream.handle());
    let start = Instant::now();
    let waiting = [1, 2].map(|number| tokio::spawn(client.clone().oneshot(numbered(number))));
    sleep(500 * MS).await;

    let error = client.clone().oneshot(numbered(3)).await.unwrap_err();
    assert_eq!(refusal(&error), PaceRejection::Waiters);
    let concrete = RetryLayer::default()
        .pace(pace.clone())
        .layer(ServiceBuilder::new().map_err(io::Error::other).service(upstream.handle()));
    let error = concrete.oneshot(numbered(4)).await.unwrap_err();
    assert_eq!((error.is_rejected(), error.rejection()), (true, Some(PaceRejection::Waiters)));
    assert!(error.get_ref().is_none());
    assert_eq!(error.into_inner().unwrap_err(), PaceRejection::Waiters);
    let alone = PaceLayer::new(pace.clone()).layer(upstream.handle());
    let error = alone.oneshot(numbered(5)).await.unwrap_err();
    assert_eq!(error.rejection(), Some(PaceRejection::Waiters));
    assert_eq!(start.elapsed(), 500 * MS, "they were held");

    for task in waiting {
        assert_status(&eventually(task).await.unwrap().unwrap(), 200);
    }
    assert_status(&client.oneshot(numbered(6)).await.unwrap(), 200);
    let numbers: Vec<_> = sends(&upstream, start).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [1, 2, 6]);
    assert_eq!(budget.tokens(), 10.0);
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

/// There is no room for another server, but those that are known are served.
#[tokio::test(start_paused = true)]
async fn one_server_too_many_is_refused() {
    let pace = SharedPace::from(Pace::per_authority().keys(1));
    close(&pace, 60).await;
    let upstream = Upstream::statuses([200]);
    let client = RetryLayer::default().pace(pace.clone()).layer(upstream.handle());
    let error = client.clone().oneshot(get("http://other.example/")).await.unwrap_err();
    assert_eq!((refusal(&error), upstream.sent()), (PaceRejection::Keys, 0));
    sleep(60 * SECOND).await;
    assert_status(&client.oneshot(get("http://other.example/")).await.unwrap(), 200);
}

/// Refusals say what they are, whatever is around them.
#[tokio::test(start_paused = true)]
async fn a_refusal_is_found_in_every_wrapping() {
    let pace = nobody_waits();
    close(&pace, 1).await;
    let mut client =
        PaceLayer::new(pace.clone()).layer(MapErr::new(Upstream::statuses([200]), io::Error::other));
    let error = client.call(numbered(1)).await.unwrap_err();
    assert_eq!(error.source().unwrap().downcast_ref(), Some(&PaceRejection::Waiters));
    let failing = tower::service_fn(async |_: Sent| Err::<Answer, _>(reset()));
    let inner = PaceLayer::new(Pace::per_authority()).layer(failing).call(numbered(1)).await.unwrap_err();
    assert_eq!(inner.rejection(), None);
    assert!(inner.source().unwrap().is::<io::Error>());
    // A report of the chain has each cause once.
    let causes = [PaceRejection::Waiters.to_string(), reset().to_string()];
    for (error, cause) in [&error as &dyn Error, &inner].into_iter().zip(causes) {
        let chain: Vec<_> =
            iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect();
        assert_eq!(chain.iter().filter(|text| text.contains(&cause)).count(), 1, "{chain:?}");
    }

    let mut boxed = PaceLayer::new(pace).layer(Upstream::statuses([200]));
    assert_eq!(refusal(&boxed.call(numbered(1)).await.unwrap_err().flatten()), PaceRejection::Waiters);
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
