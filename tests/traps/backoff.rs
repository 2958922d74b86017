//! What is held while a session waits: nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use http::Response;
use tokio::time::{Instant, advance, sleep};
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_http_retry::{AttemptNumber, RetryLayer};

use crate::support::bodies::{Frames, Life};
use crate::support::server::Server;
use crate::support::upstream::Upstream;
use crate::support::{A_SECOND, Inner, QUICKLY, assert_status, client, eventually, get, soon, status};

/// Trap 8: a permit is held by an attempt, not by a wait.
#[tokio::test(start_paused = true)]
async fn a_permit_is_free_while_a_session_waits() {
    let upstream = Upstream::statuses([503, 200]);
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(A_SECOND))
        .concurrency_limit(1)
        .service(upstream.handle());
    let start = Instant::now();
    let first = tokio::spawn(client.clone().oneshot(get("/first")));
    sleep(Duration::from_millis(100)).await;
    let second = eventually(client.oneshot(get("/second"))).await.unwrap();
    assert_status(&second, 200);
    assert_eq!(start.elapsed(), Duration::from_millis(100), "the second had to wait for the first");
    assert_status(&eventually(first).await.unwrap().unwrap(), 200);
    let paths: Vec<_> = upstream.calls().iter().map(|call| call.parts.uri.path().to_owned()).collect();
    assert_eq!(paths, ["/first", "/second", "/first"]);
}

/// Trap 8: one slot of a buffer is not enough for a session that waits and another.
#[tokio::test(start_paused = true)]
async fn a_slot_of_a_buffer_is_free_while_a_session_waits() {
    let upstream = Upstream::statuses([503, 200]);
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).buffer(1).service(upstream.handle());
    let first = tokio::spawn(client.clone().oneshot(get("/first")));
    sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    let others = (0..5).map(|_| client.clone().oneshot(get("/other")));
    for response in eventually(join_all(others)).await {
        assert_status(&response.unwrap(), 200);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_status(&eventually(first).await.unwrap().unwrap(), 200);
}

/// Sends a request whose first answer has this body, and tells after how long that was dropped.
async fn body_lives_for(body: fn() -> Frames) -> Duration {
    let lives = Arc::<std::sync::Mutex<Vec<Life>>>::default();
    let log = Arc::clone(&lives);
    let server = service_fn(move |request: Inner| {
        let is_first = AttemptNumber::from_request(&request) == 1;
        let body = if is_first { body() } else { Frames::new([]) };
        log.lock().unwrap().push(body.life());
        let status = if is_first { 503 } else { 200 };
        async move { Ok::<_, BoxError>(Response::builder().status(status).body(body).unwrap()) }
    });
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(server);
    let start = Instant::now();
    let sent = tokio::spawn(client.oneshot(get("/")));
    let over = loop {
        advance(Duration::from_millis(1)).await;
        tokio::task::yield_now().await;
        if lives.lock().unwrap().first().is_some_and(Life::is_over) {
            break start.elapsed();
        }
    };
    assert_status(&eventually(sent).await.unwrap().unwrap(), 200);
    over
}

/// Trap 8: a response that would not end holds its connection, and does not get to do that for a wait.
#[tokio::test(start_paused = true)]
async fn a_failed_response_that_does_not_end_is_dropped() {
    let lived = body_lives_for(Frames::stuck).await;
    assert!(lived <= Duration::from_millis(15), "it lived for {lived:?}");
}

/// Trap 8, where the response says itself that it is long.
#[tokio::test(start_paused = true)]
async fn a_long_failed_response_is_dropped_at_once() {
    let lived = body_lives_for(|| Frames::announced(16 * 1024 + 1)).await;
    assert!(lived <= Duration::from_millis(2), "it lived for {lived:?}");
    let lived = body_lives_for(|| Frames::announced(16 * 1024)).await;
    assert!(lived >= Duration::from_millis(9), "it lived for {lived:?}");
}

/// Trap 12: a failed response is read to its end, so the next attempt goes over the same connection.
#[tokio::test]
async fn a_connection_outlives_a_failed_response() {
    let server = Server::start(|number| match number {
        1 | 2 => status(503).map(|_| "a page that tells what is wrong".repeat(100).into()),
        _ => status(200),
    })
    .await;
    let client = ServiceBuilder::new().layer(RetryLayer::new(QUICKLY)).service(client());
    let response = soon(client.oneshot(get(&server.uri("/")))).await.unwrap();
    assert_status(&response, 200);
    let connections: Vec<_> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [1, 1, 1]);
}

/// Trap 28: a hundred sessions wait at the same time, each for itself.
#[tokio::test(start_paused = true)]
async fn concurrent_sessions_do_not_queue_for_their_backoff() {
    let failures = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&failures);
    let server = service_fn(move |request: Inner| {
        let code = if AttemptNumber::from_request(&request) < 3 { 503 } else { 200 };
        counter.fetch_add(usize::from(code == 503), Ordering::SeqCst);
        async move { Ok::<_, BoxError>(status(code)) }
    });
    let budget = http_retry::Budget::percent(0).min_per_second(0).capacity(200);
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND).budget(budget)).service(server);
    let start = Instant::now();
    let sent = (0..100).map(|_| client.clone().oneshot(get("/")));
    for response in eventually(join_all(sent)).await {
        assert_status(&response.unwrap(), 200);
    }
    assert_eq!(failures.load(Ordering::SeqCst), 200);
    assert_eq!(start.elapsed().as_millis(), 2_000, "two waits of a second, at the same time for all");
}
