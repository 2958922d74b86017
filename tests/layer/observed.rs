//! The hook of the layer, and the reason for which an outcome was not retried.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request};
use http_body_util::Full;
use tower::{Layer, ServiceBuilder};
use tower_http_retry::observe::Event;
use tower_http_retry::pace::SharedPace;
use tower_http_retry::policy::{FixedDelay, NoRetry};
use tower_http_retry::{GiveUpReason, Pace, Policy, RetryLayer};

use crate::support::capture::Capture;
use crate::support::upstream::Upstream;
use crate::support::{
    A_SECOND, Answer, Sent, eventually, get, info, refused, request, reset, status, stop, with_header,
};

/// The events of one request, a line each.
async fn events<P: Policy + 'static>(policy: P, upstream: Upstream, request: Sent) -> Vec<String> {
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let log = Arc::clone(&lines);
    let layer = RetryLayer::new(policy).observe(move |event: &Event<'_>| {
        let line = match event {
            Event::NotRetryable { request, .. } => format!("{} not retryable", request.method().as_str()),
            Event::WillResend { attempt, cause, hint, delay, .. } => {
                let hint = hint.and_then(|hint| hint.delay());
                format!("{attempt} {cause} hint {hint:?} delay {delay:?}")
            }
            Event::Resend { attempt, .. } => format!("{attempt} sent"),
            Event::Finished { attempts, waited, status, cause, reason, .. } => {
                let status = status.map(|status| status.as_u16());
                format!("finished {attempts} {waited:?} {status:?} {cause:?} {reason:?}")
            }
            other => format!("{other:?}"),
        };
        log.lock().unwrap().push(line);
    });
    let _ = ServiceBuilder::new().layer(layer).service(upstream).oneshot(request).await;
    lines.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn each_step_of_a_request_is_an_event() {
    let upstream = Upstream::new(|number| match number {
        1 => Err(refused()),
        2 => Ok(with_header(429, "retry-after", "2")),
        _ => Ok(status(200)),
    });
    let expected = [
        "1 never-sent hint None delay 1s",
        "2 sent",
        "2 throttled hint Some(2s) delay 2s",
        "3 sent",
        "finished 3 3s Some(200) Some(Throttled) None",
    ];
    assert_eq!(events(A_SECOND, upstream, get("/")).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_sent_once_has_one_event() {
    let expected = ["finished 1 0ns Some(200) None None"];
    assert_eq!(events(A_SECOND, Upstream::statuses([200]), get("/")).await, expected);
    assert_eq!(events(NoRetry, Upstream::statuses([503]), get("/")).await, ["GET not retryable"]);
}

#[tokio::test(start_paused = true)]
async fn giving_up_is_an_event_with_its_reason() {
    let expected = "finished 3 2s Some(503) Some(Throttled) Some(MaxAttempts)";
    assert_eq!(events(A_SECOND, Upstream::statuses([503]), get("/")).await.last().unwrap(), expected);

    let post = || request(Method::POST, "/", "text");
    let expected = ["finished 1 0ns Some(503) None Some(NotIdempotent)"];
    assert_eq!(events(A_SECOND, Upstream::statuses([503]), post()).await, expected);
    let expected = ["finished 1 0ns None None Some(NotIdempotent)"];
    assert_eq!(events(A_SECOND, Upstream::new(|_| Err::<Answer, _>(reset())), post()).await, expected);
}

/// A request that the pace rejects has its end too: before its first attempt, and after a response that was too long to keep.
#[tokio::test(start_paused = true)]
async fn a_rejection_by_the_pace_is_an_event() {
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let log = Arc::clone(&lines);
    let pace = SharedPace::from(Pace::per_authority());
    let layer = RetryLayer::default().max_elapsed(Duration::from_secs(5)).pace(pace.clone());
    let layer = layer.observe(move |event: &Event<'_>| {
        if let Event::Finished { attempts, status, reason, .. } = event {
            log.lock().unwrap().push(format!("{attempts} {status:?} {reason:?}"));
        }
    });
    let long = || with_header(503, "retry-after", "1").map(|_| "a long page".repeat(10_000).into());
    let client = layer.layer(Upstream::answers(move |_| long()));
    // The server stops all requests for a minute while the first one waits.
    let first = tokio::spawn(client.clone().oneshot(get("http://host.example/")));
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop(&pace, || get("http://host.example/"), 60).await;
    eventually(first).await.unwrap().unwrap_err();
    client.oneshot(get("http://host.example/")).await.unwrap_err();
    assert_eq!(*lines.lock().unwrap(), ["1 None Some(MaxElapsed)", "0 None Some(MaxElapsed)"]);
}

#[tokio::test(start_paused = true)]
async fn a_response_says_why_its_post_was_not_sent_again() {
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(Upstream::statuses([503]));
    let response = client.clone().oneshot(request(Method::POST, "/", "text")).await.unwrap();
    let told = info(&response);
    assert_eq!((told.attempts(), told.cause(), told.reason()), (1, None, Some(GiveUpReason::NotIdempotent)));

    let keyed = Request::post("/").header("idempotency-key", "k").body(Full::from("text")).unwrap();
    let response = client.oneshot(keyed).await.unwrap();
    assert_eq!(info(&response).reason(), Some(GiveUpReason::MaxAttempts));
}

/// An error carries no extensions, and the future of `oneshot` still has what happened.
#[tokio::test(start_paused = true)]
async fn the_future_of_oneshot_says_why_after_an_error() {
    let upstream = Upstream::new(|_| Err::<Answer, _>(reset()));
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream);
    let mut call = pin!(client.oneshot(request(Method::POST, "/", "text")));
    assert_eq!(call.info(), None);
    call.as_mut().await.unwrap_err();
    assert_eq!(call.info().unwrap().reason(), Some(GiveUpReason::NotIdempotent));
}

/// A closure that counts what it classifies is asked once for each attempt.
#[tokio::test(start_paused = true)]
async fn a_closure_classifies_each_attempt_once() {
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let policy = FixedDelay::new(Duration::from_secs(1)).classify_with(move |_| {
        *count.lock().unwrap() += 1;
        None
    });
    let client = ServiceBuilder::new().layer(RetryLayer::new(policy)).service(Upstream::statuses([503]));
    let response = client.oneshot(request(Method::POST, "/", "text")).await.unwrap();
    assert_eq!((*asked.lock().unwrap(), info(&response).reason()), (1, Some(GiveUpReason::NotIdempotent)));
}

#[tokio::test(start_paused = true)]
async fn giving_up_is_a_warning() {
    let capture = Capture::start();
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(Upstream::statuses([503]));
    client.oneshot(request(Method::POST, "/", "text")).await.unwrap();
    assert_eq!(capture.lines(), ["WARN : gave up attempt=1 reason=not-idempotent waited_ms=0"]);
}
