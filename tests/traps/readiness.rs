//! How the inner service is readied, and which instance of it is called.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{future, pin::pin};

use http_body_util::BodyExt;
use http_retry::Budget;
use tokio::task::coop;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_http_retry::policy::FixedDelay;
use tower_http_retry::{GiveUpReason, RetryLayer};

use crate::support::upstream::Upstream;
use crate::support::{
    A_SECOND, Answer, HandedOn, Inner, Sent, assert_status, eventually, get, info, next, reset, status,
};

/// Trap 1: a clone of the instance that was readied waits for ever for the permit that the original holds.
#[tokio::test(start_paused = true)]
async fn a_limit_of_one_does_not_hang() {
    let upstream = Upstream::statuses([503, 503, 200]);
    let mut client = ServiceBuilder::new()
        .layer(RetryLayer::new(A_SECOND))
        .concurrency_limit(1)
        .service(upstream.handle());
    for _ in 0..2 {
        let response =
            eventually(ServiceExt::<Sent>::ready(&mut client).await.unwrap().call(get("/"))).await.unwrap();
        assert_status(&response, 200);
    }
    assert_eq!(upstream.sent(), 4);
}

/// A service that tells by which of its instances each request was sent.
struct Numbered {
    instance: usize,
    instances: Arc<AtomicUsize>,
    senders: Arc<std::sync::Mutex<Vec<usize>>>,
}

impl Clone for Numbered {
    fn clone(&self) -> Self {
        let (instances, senders) = (Arc::clone(&self.instances), Arc::clone(&self.senders));
        Self { instance: instances.fetch_add(1, Ordering::SeqCst) + 1, instances, senders }
    }
}

impl Service<Inner> for Numbered {
    type Response = Answer;
    type Error = BoxError;
    type Future = future::Ready<Result<Answer, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Inner) -> Self::Future {
        self.senders.lock().unwrap().push(self.instance);
        future::ready(Ok(status(503)))
    }
}

/// Trap 1: the state of readiness belongs to an instance.
#[tokio::test(start_paused = true)]
async fn the_readied_instance_sends_every_attempt() {
    let numbered = Numbered { instance: 0, instances: Arc::default(), senders: Arc::default() };
    let senders = Arc::clone(&numbered.senders);
    let mut client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(numbered);
    client.ready().await.unwrap().call(get("/")).await.unwrap();
    assert_eq!(*senders.lock().unwrap(), [0, 0, 0]);
}

/// Trap 10: many services panic here, and so does this one.
#[tokio::test(start_paused = true)]
async fn the_inner_service_is_readied_before_each_call() {
    let upstream = Upstream::new(|_| Err::<Answer, _>(reset()));
    let client =
        ServiceBuilder::new().layer(RetryLayer::new(A_SECOND).max_attempts(5)).service(upstream.handle());
    client.oneshot(get("/")).await.unwrap_err();
    assert_eq!(upstream.sent(), 5);
}

/// Polls the future, the `spent_at`th time with nothing left of tokio's cooperative budget.
async fn with_budget_spent_at<F: Future>(spent_at: usize, future: F) -> F::Output {
    let mut future = pin!(future);
    let mut polls = 0;
    future::poll_fn(move |cx| {
        if polls == spent_at {
            while coop::has_budget_remaining() {
                let _ = pin!(coop::consume_budget()).poll(cx);
            }
        }
        polls += 1;
        future.as_mut().poll(cx)
    })
    .await
}

/// Trap 9: a task whose cooperative budget is spent sees every resource of tokio's as busy for a moment, and
/// the channel of a buffer is one.
#[tokio::test(start_paused = true)]
async fn a_spent_cooperative_budget_is_no_busy_service() {
    for delay in [Duration::ZERO, Duration::from_secs(1)] {
        for spent_at in 0..16 {
            let upstream = Upstream::statuses([503, 503, 200]);
            let client = ServiceBuilder::new()
                .layer(RetryLayer::new(FixedDelay::new(delay)))
                .buffer(1)
                .service(upstream.handle());
            let response =
                eventually(with_budget_spent_at(spent_at, client.oneshot(get("/")))).await.unwrap();
            assert_status(&response, 200);
            assert_eq!(upstream.sent(), 3, "{delay:?}, spent at poll {spent_at}");
        }
    }
}

/// A client over a mock, with a budget that never refills, and what drives the mock.
fn mocked(
    budget: &Budget,
) -> (impl Service<Sent, Response = HandedOn, Error = BoxError, Future: Send> + use<>, Handle) {
    let (mock, handle) = tower_test::mock::pair::<Inner, Answer>();
    let layer = RetryLayer::new(A_SECOND).budget(budget.clone());
    (ServiceBuilder::new().layer(layer).service(mock), handle)
}

type Handle = tower_test::mock::Handle<Inner, Answer>;

fn scarce() -> Budget {
    Budget::percent(0).min_per_second(0).capacity(10)
}

/// Trap 11: the caller wants to know what became of the request, not what became of the client.
#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_does_not_hide_the_error_before() {
    let budget = scarce();
    let (client, mut handle) = mocked(&budget);
    let sent = tokio::spawn(client.oneshot(get("/")));
    let (_, respond) = next(&mut handle).await;
    respond.send_error(reset());
    handle.send_error("the client is broken");
    let error = eventually(sent).await.unwrap().unwrap_err();
    assert_eq!(error.downcast::<std::io::Error>().unwrap().kind(), reset().kind());
    assert_eq!(budget.tokens(), 10.0, "what was not sent costs nothing");
}

/// Trap 11, where the failed response was read to its end, and so is there to return.
#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_does_not_hide_the_response_before() {
    let budget = scarce();
    let (client, mut handle) = mocked(&budget);
    let sent = tokio::spawn(client.oneshot(get("/")));
    let (_, respond) = next(&mut handle).await;
    respond.send_response(status(503).map(|_| "busy".into()));
    handle.send_error("the client is broken");
    let response = eventually(sent).await.unwrap().unwrap();
    assert_status(&response, 503);
    assert_eq!(info(&response).reason(), Some(GiveUpReason::NotReady));
    assert_eq!(info(&response).attempts(), 1);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "busy");
    assert_eq!(budget.tokens(), 10.0, "what was not sent costs nothing");
}

/// Trap 11, where the failed response was too long to read, and so is gone.
#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_is_returned_where_there_is_nothing_else() {
    let budget = scarce();
    let (client, mut handle) = mocked(&budget);
    let sent = tokio::spawn(client.oneshot(get("/")));
    let (_, respond) = next(&mut handle).await;
    respond.send_response(status(503).map(|_| "a long page".repeat(10_000).into()));
    handle.send_error("the client is broken");
    let error = eventually(sent).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the client is broken");
    assert_eq!(budget.tokens(), 10.0, "what was not sent costs nothing");
}
