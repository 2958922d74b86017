//! Layers that let some through and not others: permits, rates, queues.

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::sleep;
use tower::load_shed::error::Overloaded;
use tower::util::BoxService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

use super::{check_sent, retry};
use crate::support::upstream::Upstream;
use crate::support::{Answer, HandedOn, Inner, Sent, assert_status, get, info};

/// Sends two requests at the same moment.
async fn send_two<S>(client: S) -> [Result<HandedOn, BoxError>; 2]
where
    S: Service<Sent, Response = HandedOn, Error = BoxError> + Clone,
{
    let second = client.clone().oneshot(get("/second"));
    tokio::join!(client.oneshot(get("/first")), second).into()
}

/// The same, where both are answered in the end.
async fn answer_two<S>(client: S)
where
    S: Service<Sent, Response = HandedOn, Error = BoxError> + Clone,
{
    for response in send_two(client).await {
        assert_status(&response.unwrap(), 200);
    }
}

pub(super) async fn concurrency_outside() {
    let upstream = Upstream::statuses([503, 200]);
    let client = ServiceBuilder::new().concurrency_limit(1).layer(retry()).service(upstream.handle());
    answer_two(client).await;
    check_sent(&upstream, [("/first", 0), ("/first", 1_000), ("/second", 1_000)]);
}

pub(super) async fn concurrency_inside() {
    let upstream = Upstream::statuses([503, 200]);
    let client = ServiceBuilder::new().layer(retry()).concurrency_limit(1).service(upstream.handle());
    answer_two(client).await;
    check_sent(&upstream, [("/first", 0), ("/second", 0), ("/first", 1_000)]);
}

const TEN_SECONDS: Duration = Duration::from_secs(10);

pub(super) async fn rate_outside() {
    let upstream = Upstream::statuses([503, 503, 200]);
    let client =
        ServiceBuilder::new().buffer(8).rate_limit(1, TEN_SECONDS).layer(retry()).service(upstream.handle());
    answer_two(client).await;
    check_sent(&upstream, [("/first", 0), ("/first", 1_000), ("/first", 2_000), ("/second", 10_000)]);
}

pub(super) async fn rate_inside() {
    let upstream = Upstream::statuses([503, 200]);
    let client =
        ServiceBuilder::new().layer(retry()).buffer(8).rate_limit(1, TEN_SECONDS).service(upstream.handle());
    answer_two(client).await;
    check_sent(&upstream, [("/first", 0), ("/second", 10_000), ("/first", 20_000)]);
}

pub(super) async fn shed_outside() {
    let upstream = Upstream::statuses([503, 200]);
    let client = ServiceBuilder::new()
        .load_shed()
        .layer(retry())
        .concurrency_limit(1)
        .service(Slow { upstream: upstream.handle(), path: "/second" });
    let late = async {
        sleep(Duration::from_millis(500)).await;
        client.clone().oneshot(get("/late")).await
    };
    let ([first, second], late) = tokio::join!(send_two(client.clone()), late);
    assert!(late.unwrap_err().is::<Overloaded>());
    assert_status(&second.unwrap(), 200);
    // Its resend was due after a second, and waited for another.
    assert_eq!(info(&first.unwrap()).attempts(), 2);
    check_sent(&upstream, [("/first", 0), ("/second", 2_000), ("/first", 2_000)]);
}

pub(super) async fn shed_inside() {
    let upstream = Upstream::statuses([503, 200]);
    let client = ServiceBuilder::new()
        .layer(retry())
        .load_shed()
        .concurrency_limit(1)
        .service(Slow { upstream: upstream.handle(), path: "/second" });
    let [first, second] = send_two(client).await;
    assert!(first.unwrap_err().is::<Overloaded>());
    assert_status(&second.unwrap(), 200);
    check_sent(&upstream, [("/first", 0), ("/second", 2_000)]);
}

pub(super) async fn buffer_outside() {
    let upstream = Upstream::statuses([503, 200]);
    let client = ServiceBuilder::new().buffer(1).layer(retry()).service(upstream.handle());
    answer_two(client).await;
    check_sent(&upstream, [("/first", 0), ("/second", 0), ("/first", 1_000)]);
}

pub(super) async fn buffer_inside() {
    let upstream = Upstream::statuses([503, 200]);
    let client = ServiceBuilder::new()
        .layer(retry())
        .buffer(8)
        .concurrency_limit(1)
        .service(BoxService::new(Slow { upstream: upstream.handle(), path: "" }));
    // The first fails after two seconds, and is back in the queue after a third.
    let third = client.clone().oneshot(get("/third"));
    let _ = tokio::join!(send_two(client), third);
    check_sent(&upstream, [("/first", 0), ("/second", 2_000), ("/third", 4_000), ("/first", 6_000)]);
}

/// Takes two seconds before it sends a request to this path, or to any if that is empty.
#[derive(Clone)]
struct Slow {
    upstream: Upstream,
    path: &'static str,
}

impl Service<Inner> for Slow {
    type Response = Answer;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Answer, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Inner) -> Self::Future {
        let is_slow = self.path.is_empty() || request.uri().path() == self.path;
        let upstream = self.upstream.handle();
        Box::pin(async move {
            if is_slow {
                sleep(Duration::from_secs(2)).await;
            }
            upstream.oneshot(request).await
        })
    }
}
