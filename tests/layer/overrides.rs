//! What a caller says about one request.

use std::time::Duration;

use http::{HeaderName, Method};
use tower::{BoxError, ServiceBuilder};
use tower_http_retry::body::ReplayMemory;
use tower_http_retry::markers::Boxed;
use tower_http_retry::policy::{AttemptHeader, FixedDelay, NoRetry};
use tower_http_retry::{AttemptNumber, Budget, GiveUpReason, RetryInfo, RetryLayer, RetryOverride};

use crate::support::upstream::Upstream;
use crate::support::{A_SECOND, Answer, assert_status, get, info, refused, request, reset, status};

/// Sends a request under an override to a server that always answers so; how often, and how it ended.
async fn sent(method: Method, code: u16, say: RetryOverride) -> (usize, Option<RetryInfo>, Vec<u128>) {
    let upstream = Upstream::statuses([code]);
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream.handle());
    let mut request = request(method, "/", "text");
    request.extensions_mut().insert(say);
    let response = client.oneshot(request).await.unwrap();
    assert_status(&response, code);
    (upstream.sent(), response.extensions().get().copied(), upstream.gaps())
}

#[tokio::test(start_paused = true)]
async fn never_means_once() {
    let (count, info, _) = sent(Method::GET, 503, RetryOverride::never()).await;
    assert_eq!((count, info), (1, None));
}

#[tokio::test(start_paused = true)]
async fn never_outranks_the_rest() {
    let say = RetryOverride::never().idempotent().max_attempts(9).policy(A_SECOND);
    assert_eq!(sent(Method::POST, 503, say).await.0, 1);
}

#[tokio::test(start_paused = true)]
async fn a_vouched_request_is_repeated_whatever_its_method() {
    assert_eq!(sent(Method::POST, 503, RetryOverride::new()).await.0, 1);
    assert_eq!(sent(Method::POST, 503, RetryOverride::new().idempotent()).await.0, 3);
}

/// Also after a failure that may have been processed.
#[tokio::test(start_paused = true)]
async fn a_vouched_request_is_repeated_after_a_reset() {
    let upstream = Upstream::new(|_| Err::<Answer, _>(reset()));
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream.handle());
    let mut request = request(Method::POST, "/", "text");
    request.extensions_mut().insert(RetryOverride::new().idempotent());
    client.oneshot(request).await.unwrap_err();
    assert_eq!(upstream.sent(), 3);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_those_of_the_request() {
    for (attempts, expected) in [(0, 1), (1, 1), (2, 2), (5, 5)] {
        assert_eq!(sent(Method::GET, 503, RetryOverride::new().max_attempts(attempts)).await.0, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_that_of_the_request() {
    let (count, info, _) =
        sent(Method::GET, 503, RetryOverride::new().max_elapsed(Duration::from_millis(1_500))).await;
    assert_eq!((count, info.unwrap().reason()), (2, Some(GiveUpReason::MaxElapsed)));
}

/// A policy of the request's own decides whether it is kept, what it means and when.
#[tokio::test(start_paused = true)]
async fn the_policy_is_that_of_the_request() {
    let slow = RetryOverride::new().policy(FixedDelay::new(Duration::from_secs(9)));
    assert_eq!(sent(Method::GET, 503, slow).await.2, [9_000, 9_000]);
    assert_eq!(sent(Method::GET, 503, RetryOverride::new().policy(NoRetry)).await.0, 1);
}

/// And may keep what the layer's would not.
#[tokio::test(start_paused = true)]
async fn a_policy_of_the_request_outranks_the_layers_scope() {
    let upstream = Upstream::statuses([503]);
    let client = ServiceBuilder::new().layer(RetryLayer::new(NoRetry)).service(upstream.handle());
    let mut request = get("/");
    request.extensions_mut().insert(RetryOverride::new().policy(A_SECOND));
    client.oneshot(request).await.unwrap();
    assert_eq!(upstream.sent(), 3);
}

/// An inner layer sees the override at every attempt, as it does the caller's other extensions.
#[tokio::test(start_paused = true)]
async fn the_override_reaches_every_attempt() {
    let upstream = Upstream::statuses([503]);
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream.handle());
    let mut request = get("/");
    request.extensions_mut().insert(RetryOverride::new().max_attempts(2));
    client.oneshot(request).await.unwrap();
    let has = upstream
        .calls()
        .iter()
        .map(|call| call.parts.extensions.get::<RetryOverride>().is_some())
        .collect::<Vec<_>>();
    assert_eq!(has, [true, true]);
}

/// A request that is sent once costs no memory and no token.
#[tokio::test(start_paused = true)]
async fn one_attempt_keeps_nothing() {
    let (memory, budget) = (ReplayMemory::new(0), Budget::percent(0).min_per_second(0).capacity(1));
    for attempts in [0, 1] {
        let upstream = Upstream::statuses([503]);
        let layer = RetryLayer::new(A_SECOND).max_attempts(attempts);
        let layer = layer.replay_memory(memory.clone()).budget(budget.clone());
        let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
        let response = client.oneshot(request(Method::PUT, "/", "text")).await.unwrap();
        assert_eq!(response.extensions().get::<RetryInfo>(), None);
        assert_eq!((upstream.sent(), budget.tokens()), (1, 1.0));
    }
}

/// Resends carry their number where a header is set, and the original does not.
#[tokio::test(start_paused = true)]
async fn the_attempt_header_is_on_resends_alone() {
    let upstream = Upstream::statuses([503, 503, 200]);
    let layer = RetryLayer::new(A_SECOND).attempt_header(HeaderName::from_static("x-retry-attempt"));
    let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
    client.oneshot(get("/")).await.unwrap();
    let calls = upstream.calls();
    let headers = calls
        .iter()
        .map(|call| call.parts.headers.get("x-retry-attempt").map(|value| value.to_str().unwrap()));
    assert_eq!(headers.collect::<Vec<_>>(), [None, Some("2"), Some("3")]);
}

/// gRPC counts retries: not the resend of what the server refused unprocessed at first, nor of what never left.
#[tokio::test(start_paused = true)]
async fn grpc_is_told_of_retries_alone() {
    let upstream = Upstream::new(|number| match number {
        1 => Ok(status(425)),
        2 | 4 => Err(BoxError::from(refused())),
        _ => Ok(status(503)),
    });
    let layer = RetryLayer::<_, Boxed>::new(A_SECOND).max_attempts(5).attempt_header(AttemptHeader::grpc());
    let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
    let mut request = get("/");
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    client.oneshot(request).await.unwrap();
    let calls = upstream.calls();
    let headers = calls.iter().map(|call| {
        let count = call.parts.headers.get("grpc-previous-rpc-attempts");
        count.map(|count| count.to_str().unwrap())
    });
    assert_eq!(headers.collect::<Vec<_>>(), [None, None, None, Some("1"), Some("1"), Some("2")]);
}

/// A number that the caller set itself, being a retry of its own, is replaced and not doubled.
#[tokio::test(start_paused = true)]
async fn the_attempt_header_replaces_the_callers() {
    let upstream = Upstream::statuses([503, 200]);
    let layer = RetryLayer::new(A_SECOND).attempt_header(HeaderName::from_static("x-retry-attempt"));
    let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
    let mut request = get("/");
    request.headers_mut().insert("x-retry-attempt", "9".parse().unwrap());
    client.oneshot(request).await.unwrap();
    let calls = upstream.calls();
    let headers =
        calls.iter().map(|call| call.parts.headers.get_all("x-retry-attempt").iter().collect::<Vec<_>>());
    assert_eq!(headers.collect::<Vec<_>>(), [["9"], ["2"]]);
}

/// Inner services can tell which attempt they see.
#[tokio::test(start_paused = true)]
async fn inner_services_see_the_number_of_the_attempt() {
    let upstream = Upstream::statuses([503, 503, 200]);
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream.handle());
    let response = client.oneshot(get("/")).await.unwrap();
    let number = |call: crate::support::upstream::Call| {
        AttemptNumber::from_request(&http::Request::from_parts(call.parts, ()))
    };
    assert_eq!(upstream.calls().into_iter().map(number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(info(&response).attempts(), 3);
}
