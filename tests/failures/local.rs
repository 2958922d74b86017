//! What tower's own layers say no to.

use std::future::pending;
use std::time::Duration;

use http::Method;
use tower::buffer::Buffer;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http_retry::{Budget, FailureKind, RetryLayer};

use super::failures;
use crate::support::{A_SECOND, Answer, Inner, get, refused};

fn silent() -> impl Service<Inner, Response = Answer, Error = BoxError, Future: Send> + Clone {
    service_fn(|_: Inner| pending::<Result<Answer, BoxError>>())
}

/// An attempt that took too long may have been processed, and may still be.
#[tokio::test(start_paused = true)]
async fn a_timeout_of_an_attempt_is_a_timeout() {
    for (method, sent) in [(Method::GET, 3), (Method::POST, 1)] {
        let service = ServiceBuilder::new().timeout(Duration::from_millis(100)).service(silent());
        let kinds = failures(service, method, "/").await;
        assert_eq!(kinds, vec![FailureKind::Timeout; sent]);
    }
}

/// A resend after a timeout adds to what the server may still be at work on.
#[tokio::test(start_paused = true)]
async fn a_timeout_costs_two_tokens() {
    let budget = Budget::percent(0).min_per_second(0).capacity(10);
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(A_SECOND).budget(budget.clone()))
        .timeout(Duration::from_millis(100))
        .service(silent());
    client.oneshot(get("/")).await.unwrap_err();
    assert_eq!(budget.tokens(), 6.0);
}

/// Tokio's own word for it.
#[tokio::test(start_paused = true)]
async fn an_elapsed_of_tokio_is_a_timeout() {
    let elapsed = || async { tokio::time::timeout(Duration::ZERO, pending::<()>()).await.unwrap_err() };
    let service = service_fn(move |_: Inner| async move { Err::<Answer, BoxError>(elapsed().await.into()) });
    let kinds = failures(service, Method::POST, "/").await;
    assert_eq!(kinds, [FailureKind::Timeout]);
}

/// A gate of our own that is closed is still closed in a moment.
#[tokio::test(start_paused = true)]
async fn load_that_is_shed_is_not_sent_again() {
    let service = ServiceBuilder::new().load_shed().concurrency_limit(1).service(silent());
    let first = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(service.clone());
    let held = tokio::spawn(first.oneshot(get("/")));
    tokio::task::yield_now().await;
    assert_eq!(failures(service, Method::GET, "/").await, [FailureKind::Overloaded]);
    held.abort();
}

/// A buffer whose worker is gone takes nothing any more.
#[tokio::test(start_paused = true)]
async fn a_closed_buffer_fails_for_good() {
    let (mock, _handle) = tower_test::mock::pair::<(), ()>();
    let (buffer, worker) = Buffer::pair(mock, 1);
    drop(worker);
    let closed = move || {
        let mut buffer = buffer.clone();
        async move { buffer.ready().await.err().unwrap() }
    };
    let service = service_fn(move |_: Inner| {
        let error = closed();
        async move { Err::<Answer, BoxError>(error.await) }
    });
    assert_eq!(failures(service, Method::GET, "/").await, [FailureKind::Permanent]);
}

/// A buffer hands on why the service behind it failed, and that is what counts.
#[tokio::test(start_paused = true)]
async fn a_buffer_over_a_broken_service_says_why() {
    let (mock, mut handle) = tower_test::mock::pair::<Inner, Answer>();
    handle.send_error(refused());
    let service = ServiceBuilder::new().buffer(1).service(mock);
    let kinds = failures(service, Method::POST, "/").await;
    assert_eq!(kinds, [FailureKind::NeverSent]);
}
