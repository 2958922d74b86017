//! What the response tells of its session.

use std::pin::pin;
use std::time::Duration;

use http::Method;
use http_retry::RetryCost;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_http_retry::policy::FixedDelay;
use tower_http_retry::{Budget, GiveUpReason, Policy, RetryCause, RetryInfo, RetryLayer, Verdict};

use crate::support::upstream::Upstream;
use crate::support::{A_SECOND, Answer, Sent, assert_status, get, info, request, reset, status, with_header};

#[tokio::test(start_paused = true)]
async fn a_first_answer_carries_nothing() {
    for code in [200, 404, 501] {
        let client =
            ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(Upstream::statuses([code]));
        let response = client.oneshot(get("/")).await.unwrap();
        assert_status(&response, code);
        assert_eq!(response.extensions().get::<RetryInfo>(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_resends_tells_of_them() {
    let upstream = Upstream::new(|number| match number {
        1 => Err(reset()),
        2 => Ok(with_header(429, "retry-after", "5")),
        _ => Ok(status(404)),
    });
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream);
    let response = client.oneshot(get("/")).await.unwrap();
    let info = info(&response);
    assert_eq!((info.attempts(), info.waited()), (3, Duration::from_secs(6)));
    assert_eq!((info.cause(), info.reason()), (Some(RetryCause::Throttled), None));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_given_up_on_tells_why() {
    let check = async |layer: RetryLayer<_, _>, method, expected| {
        let upstream = Upstream::answers(|_| with_header(503, "retry-after", "2"));
        let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
        let response = client.oneshot(request(method, "/", "text")).await.unwrap();
        let info = info(&response);
        assert_eq!((info.reason(), info.attempts() as usize), (Some(expected), upstream.sent()));
        assert_eq!(info.cause(), Some(RetryCause::Throttled));
        assert_eq!(info.waited(), Duration::from_secs(2) * (info.attempts() - 1));
    };
    let layer = || RetryLayer::new(A_SECOND);
    check(layer(), Method::GET, GiveUpReason::MaxAttempts).await;
    check(layer().max_elapsed(Duration::from_secs(3)), Method::GET, GiveUpReason::MaxElapsed).await;
    check(layer().replay_limit(3), Method::PUT, GiveUpReason::Body).await;
    let empty = Budget::percent(0).min_per_second(0).capacity(1);
    empty.withdraw(RetryCost::ONE, Duration::ZERO).expect("it starts full").commit();
    check(layer().budget(empty), Method::GET, GiveUpReason::Budget).await;
}

/// An error has no extensions, so it is the future that tells.
#[tokio::test(start_paused = true)]
async fn the_future_tells_of_an_error_too() {
    let upstream = Upstream::new(|_| Err(reset()));
    let mut client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream);
    let mut response = pin!(ServiceExt::<Sent>::ready(&mut client).await.unwrap().call(get("/")));
    assert_eq!(response.info(), None);
    assert!(response.as_mut().await.is_err());
    let info = response.info().expect("it gave up");
    assert_eq!((info.attempts(), info.waited()), (3, Duration::from_secs(2)));
    assert_eq!((info.cause(), info.reason()), (Some(RetryCause::Transient), Some(GiveUpReason::MaxAttempts)));
}

/// 417 is about `Expect` and nothing else (RFC 9110 section 10.1.1).
#[tokio::test(start_paused = true)]
async fn a_failed_expectation_is_resent_once_without_it() {
    let upstream = Upstream::statuses([417]);
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream.handle());
    let mut request = request(Method::POST, "/", "text");
    request.headers_mut().insert("expect", "100-continue".parse().unwrap());
    let response = client.oneshot(request).await.unwrap();
    assert_status(&response, 417);
    let expects: Vec<_> =
        upstream.calls().iter().map(|call| call.parts.headers.contains_key("expect")).collect();
    assert_eq!(expects, [true, false]);
    assert_eq!(upstream.gaps(), [0]);
}

/// Later attempts of the same session do not expect it again.
#[tokio::test(start_paused = true)]
async fn an_expectation_that_failed_does_not_come_back() {
    let upstream = Upstream::statuses([417, 503, 200]);
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream.handle());
    let mut request = request(Method::PUT, "/", "text");
    request.headers_mut().insert("expect", "100-continue".parse().unwrap());
    assert_status(&client.oneshot(request).await.unwrap(), 200);
    let expects: Vec<_> =
        upstream.calls().iter().map(|call| call.parts.headers.contains_key("expect")).collect();
    assert_eq!(expects, [true, false, false]);
}

/// A policy that retries a 417 for a reason of its own keeps a request as it is that expects nothing.
#[tokio::test(start_paused = true)]
async fn a_417_without_an_expectation_is_the_answer() {
    let upstream = Upstream::statuses([417]);
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream.handle());
    client.oneshot(get("/")).await.unwrap();
    assert_eq!(upstream.sent(), 1);
}

/// 425: the resend is late enough (RFC 8470 section 5.2).
#[tokio::test(start_paused = true)]
async fn too_early_is_resent_once_at_once() {
    let upstream = Upstream::statuses([425]);
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream.handle());
    let response = client.oneshot(request(Method::POST, "/", "text")).await.unwrap();
    assert_status(&response, 425);
    assert_eq!(upstream.gaps(), [0]);
    assert_eq!(info(&response).attempts(), 2);
    assert_eq!(info(&response).reason(), None, "the second is the answer");
}

/// A gateway's client did send it early.
#[tokio::test(start_paused = true)]
async fn too_early_is_handed_on_for_a_request_that_came_early() {
    let upstream = Upstream::statuses([425]);
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream.handle());
    let mut request = get("/");
    request.headers_mut().insert("early-data", "1".parse().unwrap());
    client.oneshot(request).await.unwrap();
    assert_eq!(upstream.sent(), 1);
}

/// An error that ends a session is the inner service's, unchanged.
#[tokio::test(start_paused = true)]
async fn errors_are_the_inner_services_own() {
    let upstream = Upstream::new(|number| {
        Err::<Answer, _>(std::io::Error::other(format!("the error of attempt {number}")))
    });
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream);
    let error = client.oneshot(get("/")).await.unwrap_err();
    assert_eq!(error.to_string(), "the error of attempt 3");
}

/// What a policy of one's own can go by.
#[tokio::test(start_paused = true)]
async fn a_policy_sees_extensions_of_request_and_response() {
    #[derive(Clone)]
    struct Tenant(&'static str);
    let policy = FixedDelay::new(Duration::from_secs(1)).classify_with(|attempt| {
        let tenant = attempt.request.extension::<Tenant>().map(|tenant| tenant.0);
        let zone = attempt.outcome.response().and_then(|head| head.extension::<Tenant>()).map(|zone| zone.0);
        match (tenant, zone) {
            (Some("ours"), Some("far")) => Verdict::Retry(RetryCause::Transient),
            _ => Verdict::Accept,
        }
    });
    let upstream = Upstream::answers(|number| {
        let mut response = status(503);
        response.extensions_mut().insert(Tenant(if number < 3 { "far" } else { "near" }));
        response
    });
    let client =
        ServiceBuilder::new().layer(RetryLayer::new(policy).max_attempts(9)).service(upstream.handle());
    let mut request = get("/");
    request.extensions_mut().insert(Tenant("ours"));
    client.oneshot(request).await.unwrap();
    assert_eq!(upstream.sent(), 3);
}
