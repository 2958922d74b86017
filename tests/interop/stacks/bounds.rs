//! Layers that cut an attempt short, and another retry layer.

use std::future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::time::Instant;
use tower::timeout::error::Elapsed;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http_retry::AttemptNumber;

use super::{check_sent, retry};
use crate::support::upstream::Upstream;
use crate::support::{Answer, Inner, assert_status, get, info, request, status};

const LONG: Duration = Duration::from_millis(1_500);
const SHORT: Duration = Duration::from_millis(100);

/// Does not answer the first attempt.
fn silent_once() -> impl Service<Inner, Response = Answer, Error = BoxError> + Clone {
    service_fn(async |request: Inner| match AttemptNumber::from_request(&request) {
        1 => future::pending().await,
        _ => Ok(status(200)),
    })
}

pub(super) async fn timeout_outside() {
    let upstream = Upstream::statuses([503]);
    let client = ServiceBuilder::new().timeout(LONG).layer(retry()).service(upstream.handle());
    let start = Instant::now();
    let error = client.oneshot(get("/")).await.unwrap_err();
    assert!(error.is::<Elapsed>());
    assert_eq!(start.elapsed(), LONG);
    check_sent(&upstream, [("/", 0), ("/", 1_000)]);
}

pub(super) async fn timeout_inside() {
    let client = ServiceBuilder::new().layer(retry()).timeout(SHORT).service(silent_once());
    let response = client.oneshot(get("/")).await.unwrap();
    assert_status(&response, 200);
    assert_eq!(info(&response).attempts(), 2);
}

pub(super) async fn http_timeout_outside() {
    let upstream = Upstream::statuses([503]);
    let timeout = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LONG);
    let client = ServiceBuilder::new().layer(timeout).layer(retry()).service(upstream.handle());
    assert_status(&client.oneshot(get("/")).await.unwrap(), 504);
    check_sent(&upstream, [("/", 0), ("/", 1_000)]);
}

pub(super) async fn http_timeout_inside() {
    for (status, attempts) in [(StatusCode::REQUEST_TIMEOUT, 2), (StatusCode::GATEWAY_TIMEOUT, 2)] {
        let timeout = TimeoutLayer::with_status_code(status, SHORT);
        let client = ServiceBuilder::new().layer(retry()).layer(timeout).service(silent_once());
        let response = client.oneshot(get("/")).await.unwrap();
        assert_status(&response, 200);
        assert_eq!(info(&response).attempts(), attempts);
    }
}

/// Panics at every attempt, and counts them.
fn panics(
    sent: &Arc<AtomicUsize>,
) -> impl Service<Inner, Response = Answer, Error = BoxError> + Clone + use<> {
    let sent = Arc::clone(sent);
    service_fn(move |_: Inner| {
        sent.fetch_add(1, Ordering::SeqCst);
        async { panic!("as it is meant to") }
    })
}

pub(super) async fn panic_outside() {
    let sent = Arc::default();
    let client = ServiceBuilder::new().layer(CatchPanicLayer::new()).layer(retry()).service(panics(&sent));
    assert_eq!(client.oneshot(get("/")).await.unwrap().status(), 500);
    assert_eq!(sent.load(Ordering::SeqCst), 1);
}

pub(super) async fn panic_inside() {
    for (request, attempts) in [(get("/"), 3), (request(Method::POST, "/", ""), 1)] {
        let sent = Arc::default();
        let client =
            ServiceBuilder::new().layer(retry()).layer(CatchPanicLayer::new()).service(panics(&sent));
        assert_eq!(client.oneshot(request).await.unwrap().status(), 500);
        assert_eq!(sent.load(Ordering::SeqCst), attempts);
    }
}

pub(super) async fn retry_twice() {
    let upstream = Upstream::statuses([503]);
    let client = ServiceBuilder::new().layer(retry()).layer(retry()).service(upstream.handle());
    assert_status(&client.oneshot(get("/")).await.unwrap(), 503);
    assert_eq!(upstream.sent(), 9);
}
