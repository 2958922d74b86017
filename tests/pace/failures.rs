//! Attempts that fail: nobody waits for an answer that does not come.

use std::convert::Infallible;
use std::io;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, sleep};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt};
use tower_http_retry::pace::{PaceRejection, SharedPace};
use tower_http_retry::{Budget, Pace, PaceError, PaceLayer, ReplayBody, RetryLayer};

use super::{MS, SECOND, busy, close, closed, far, numbered, per_authority, rejection, sends};
use crate::support::bodies::Frames;
use crate::support::upstream::Upstream;
use crate::support::{
    A_SECOND, Answer, Inner, Sent, assert_status, eventually, get, refused, request, reset, status,
};

/// The probe fails after 20 ms, and the next goes then.
async fn check_probe(error: fn() -> io::Error, attempts: u32) {
    let (pace, upstream) = (closed(1).await, Upstream::statuses([200]));
    let start = Instant::now();
    let probe = far(&Upstream::new(move |_| Err::<Answer, _>(error())), 20 * MS);
    let probe = RetryLayer::new(A_SECOND).max_attempts(attempts).pace(pace.clone()).layer(probe);
    let probe = tokio::spawn(probe.oneshot(numbered(1)));
    sleep(MS).await;
    let client = PaceLayer::new(pace.clone()).layer(upstream.handle());
    eventually(client.oneshot(numbered(2))).await.unwrap();
    let at = sends(&upstream, start)[0].1;
    assert!((1_020..=1_042).contains(&at), "{at} ms, {:?}, {attempts} attempts", error().kind());
    let error = eventually(probe).await.unwrap().unwrap_err();
    assert!(error.is::<io::Error>(), "{error:?}");
    assert_eq!(pace.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn when_the_probe_fails_the_next_goes() {
    for attempts in [1, 2, 3] {
        check_probe(refused, attempts).await;
        check_probe(reset, attempts).await;
    }
}

/// A failure says nothing of the limit, and one 503 is no row of them: nobody is held.
#[tokio::test(start_paused = true)]
async fn a_failure_stops_nobody() {
    let pace = per_authority();
    let upstream = Upstream::new(|number| match number {
        1 => Err(refused()),
        2 => Ok(status(500)),
        3 => Ok(status(503)),
        _ => Ok(status(200)),
    });
    let client = PaceLayer::new(pace).layer(upstream.handle());
    let start = Instant::now();
    for number in 1..=4 {
        let _ = client.clone().oneshot(numbered(number)).await;
    }
    assert_eq!(sends(&upstream, start), [(1, 0), (2, 0), (3, 0), (4, 0)]);
}

/// The probe's service fails when it is readied.
#[tokio::test(start_paused = true)]
async fn when_the_probes_service_fails_the_next_goes() {
    let (pace, upstream) = (closed(1).await, Upstream::statuses([200]));
    let start = Instant::now();
    let (mock, mut handle) = tower_test::mock::pair::<Sent, Answer>();
    handle.send_error("the client is broken");
    let probe = PaceLayer::new(pace.clone()).layer(mock);
    let probe = tokio::spawn(probe.oneshot(numbered(1)));
    sleep(MS).await;
    let client = PaceLayer::new(pace.clone()).layer(upstream.handle());
    eventually(client.oneshot(numbered(2))).await.unwrap();
    let at = sends(&upstream, start)[0].1;
    assert!((1_000..=1_022).contains(&at), "{at}");
    let error = eventually(probe).await.unwrap().unwrap_err();
    assert_eq!(error.flatten().to_string(), "the client is broken");
}

/// Nothing was sent, and a service that fails there stays failed: as without a pace, the call ends with its error.
#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_before_the_first_attempt_ends_the_call() {
    let (mock, mut handle) = tower_test::mock::pair::<Inner, Answer>();
    handle.send_error("the client is broken");
    let budget = Budget::percent(0).min_per_second(0).capacity(10);
    let layer = RetryLayer::new(A_SECOND).budget(budget.clone()).pace(per_authority());
    let start = Instant::now();
    let sent = tokio::spawn(layer.layer(mock).oneshot(numbered(1)));
    sleep(2 * SECOND).await;
    assert_eq!(budget.tokens(), 10.0, "a resend was paid for, of what was never sent");
    let error = eventually(sent).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the client is broken");
    assert_eq!(start.elapsed(), 2 * SECOND);
}

/// A rejection is the pace's own, and no reason to ask it again.
#[tokio::test(start_paused = true)]
async fn an_outer_retry_layer_does_not_retry_a_rejection() {
    let pace = SharedPace::from(Pace::per_authority().waiters(0));
    close(&pace, 60).await;
    let upstream = Upstream::statuses([200]);
    let start = Instant::now();
    let concrete = ServiceBuilder::new()
        .layer(RetryLayer::new(A_SECOND))
        .layer(PaceLayer::new(pace.clone()))
        .map_err(io::Error::other)
        .service(upstream.handle());
    let error = concrete.oneshot(numbered(1)).await.unwrap_err();
    assert_eq!(error.rejection(), Some(PaceRejection::Full));
    let boxed = ServiceBuilder::new()
        .layer(RetryLayer::new(A_SECOND))
        .map_err(PaceError::flatten)
        .layer(PaceLayer::new(pace.clone()))
        .service(upstream.handle());
    assert_eq!(rejection(&boxed.oneshot(numbered(2)).await.unwrap_err()), PaceRejection::Full);
    let nested = ServiceBuilder::new()
        .layer(RetryLayer::new(A_SECOND))
        .layer(RetryLayer::new(A_SECOND).pace(pace))
        .map_err(|_: BoxError| refused())
        .map_request(|request: Request<ReplayBody<ReplayBody<Full<Bytes>>>>| request)
        .service(upstream.handle());
    let error = nested.oneshot(numbered(3)).await.unwrap_err();
    assert_eq!(error.rejection(), Some(PaceRejection::Full));
    assert_eq!((upstream.sent(), start.elapsed().as_millis()), (0, 0));
}

/// What the inner service says through a pace is read as if there were none.
#[tokio::test(start_paused = true)]
async fn an_outer_retry_layer_reads_the_errors_inside_of_a_pace() {
    let upstream = Upstream::new(|number| if number < 3 { Err(refused()) } else { Ok(status(200)) });
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(A_SECOND))
        .layer(PaceLayer::new(Pace::per_authority()))
        .map_err(|error: BoxError| *error.downcast::<io::Error>().unwrap())
        .service(upstream.handle());
    let post = request(Method::POST, "/", "text");
    assert_status(&eventually(client.oneshot(post)).await.unwrap(), 200);
    assert_eq!(upstream.gaps(), [1_000, 1_000]);
}

/// Bodies of several frames, with trailers, boxed: what waits is sent whole, and again whole.
#[tokio::test(start_paused = true)]
async fn a_body_waits_with_its_request() {
    let upstream = Upstream::answers(|number| if number == 1 { busy(1) } else { status(200) });
    let pace = closed(1).await;
    let client = RetryLayer::default().pace(pace).layer(upstream.handle());
    let trailers = HeaderMap::from_iter([(HeaderName::from_static("x-sum"), "42".parse().unwrap())]);
    let body = UnsyncBoxBody::new(Frames::new(["one ", "two"]).trailers(trailers.clone()));
    let start = Instant::now();
    let sent = client.oneshot(Request::put("http://api.example/1").body(body).unwrap());
    assert_status(&eventually(sent).await.unwrap(), 200);
    assert_eq!(sends(&upstream, start), [(1, 1_000), (1, 2_000)]);
    for call in upstream.calls() {
        assert_eq!((&call.body[..], call.trailers.as_ref()), (&b"one two"[..], Some(&trailers)));
    }
}

/// The caller's own body breaks: that is no news of the server, and the next goes.
#[tokio::test(start_paused = true)]
async fn a_probe_whose_body_breaks_lets_the_next_go() {
    let (pace, upstream) = (closed(1).await, Upstream::statuses([200]));
    let client = RetryLayer::default().pace(pace.clone()).layer(upstream.handle());
    let start = Instant::now();
    let broken = Request::put("http://api.example/1").body(Frames::new(["one"]).then_fails()).unwrap();
    let broken = tokio::spawn(client.clone().oneshot(broken));
    sleep(MS).await;
    let error = tokio::spawn(client.oneshot(numbered(2)));
    eventually(error).await.unwrap().unwrap();
    let at = sends(&upstream, start)[0].1;
    assert!((1_000..=1_022).contains(&at), "{at}");
    assert_eq!(eventually(broken).await.unwrap().unwrap_err().to_string(), "the caller's own body broke");
}

/// An error that cannot happen is an error too.
#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_fail_may_be_paced() {
    let pace = SharedPace::from(Pace::per_authority().waiters(0));
    let infallible = tower::service_fn(async |_: Inner| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default().boxed_unsync()))
    });
    let client = ServiceBuilder::new().layer(RetryLayer::default().pace(pace.clone())).service(infallible);
    assert_status(&client.clone().oneshot(get("http://api.example/")).await.unwrap(), 200);
    close(&pace, 1).await;
    let error = client.clone().oneshot(numbered(1)).await.unwrap_err();
    assert_eq!(error.rejection(), Some(PaceRejection::Full));
    sleep(SECOND).await;
    assert!(client.oneshot(numbered(1)).await.is_ok());
}
