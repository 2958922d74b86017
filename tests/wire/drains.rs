//! What becomes of failed responses while the layer waits.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tower::Layer;
use tower_http_retry::RetryLayer;
use tower_http_retry::policy::FixedDelay;

use crate::support::peer::Peer;
use crate::support::server::Server;
use crate::support::{Answer, QUICKLY, assert_status, client, get, info, soon};

/// Long enough for a drain.
const UNHURRIED: FixedDelay = FixedDelay::new(Duration::from_millis(200));

fn failed(content: usize) -> Answer {
    Response::builder().status(503).body(Full::from(Bytes::from(vec![b'.'; content]))).unwrap()
}

/// Fails the first request with so much content, and says over how many connections the two came.
async fn connections(content: usize, layer: RetryLayer<FixedDelay>) -> usize {
    let server = Server::start(move |number| if number == 1 { failed(content) } else { Answer::default() });
    let server = server.await;
    let response = soon(layer.layer(client()).oneshot(get(&server.uri("/")))).await.unwrap();
    assert_status(&response, 200);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    seen.iter().map(|seen| seen.connection).max().unwrap()
}

#[tokio::test]
async fn a_small_error_body_is_read_and_its_connection_used_again() {
    for content in [0, 1, 1024, 16 * 1024] {
        let layer = RetryLayer::new(UNHURRIED).drain_limit(16 * 1024, Duration::from_secs(1));
        assert_eq!(connections(content, layer).await, 1, "{content} bytes");
    }
}

#[tokio::test]
async fn a_large_error_body_is_dropped_and_holds_nothing_up() {
    let start = Instant::now();
    assert_eq!(connections(5_000_000, RetryLayer::new(QUICKLY)).await, 2);
    assert_eq!(connections(5_000_000, RetryLayer::new(UNHURRIED)).await, 2);
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn the_limit_can_be_set() {
    // Well beyond what hyper has read by then, and would skip by itself.
    let content = 2_000_000;
    let layer = |bytes| {
        RetryLayer::new(FixedDelay::new(Duration::from_secs(1))).drain_limit(bytes, Duration::from_secs(1))
    };
    assert_eq!(connections(content, layer(content - 1)).await, 2);
    assert_eq!(connections(content, layer(content)).await, 1);
}

#[tokio::test]
async fn an_error_body_that_never_ends_holds_nothing_up() {
    let peer = Peer::start(|connection, mut wire| async move {
        wire.head().await;
        if connection > 1 {
            return wire.answer(200).await;
        }
        wire.write("HTTP/1.1 503 -\r\ntransfer-encoding: chunked\r\n\r\n1\r\n.\r\n").await;
        wire.hold().await;
    })
    .await;
    let response = soon(RetryLayer::new(QUICKLY).layer(client()).oneshot(get(&peer.uri()))).await.unwrap();
    assert_status(&response, 200);
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn an_error_body_that_breaks_off_while_it_is_drained_is_nothing_to_the_caller() {
    let peer = Peer::start(|connection, mut wire| async move {
        wire.head().await;
        if connection > 1 {
            return wire.answer(200).await;
        }
        wire.write("HTTP/1.1 503 -\r\ncontent-length: 100\r\n\r\nhalf").await;
        wire.reset();
    })
    .await;
    let response = soon(RetryLayer::new(UNHURRIED).layer(client()).oneshot(get(&peer.uri()))).await.unwrap();
    assert_status(&response, 200);
    assert_eq!(info(&response).attempts(), 2);
}
