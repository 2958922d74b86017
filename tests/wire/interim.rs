//! Interim responses, expectations, connections that are used again, and servers that never answer.

use std::time::Duration;

use http::{HeaderValue, Method, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceBuilder, service_fn};
use tower_http_retry::{AttemptNumber, ReplayBody, RetryLayer};

use crate::support::peer::Peer;
use crate::support::{QUICKLY, assert_status, client, get, info, refused, request, soon, status};

#[tokio::test]
async fn an_interim_response_before_a_failure_does_not_lose_the_retry() {
    for interim in ["100 Continue", "103 Early Hints"] {
        let peer = Peer::start(move |connection, mut wire| async move {
            wire.head().await;
            if connection > 1 {
                return wire.answer(200).await;
            }
            wire.write(format!("HTTP/1.1 {interim}\r\n\r\n")).await;
            wire.reset();
        })
        .await;
        let response =
            soon(RetryLayer::new(QUICKLY).layer(client()).oneshot(get(&peer.uri()))).await.unwrap();
        assert_status(&response, 200);
        assert_eq!(info(&response).attempts(), 2, "{interim}");
    }
}

#[tokio::test]
async fn an_interim_response_before_a_503_does_not_lose_the_retry() {
    let peer = Peer::start(|_, mut wire| async move {
        wire.head().await;
        wire.write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n").await;
        wire.answer(503).await;
        wire.head().await;
        wire.answer(200).await;
    })
    .await;
    let response = soon(RetryLayer::new(QUICKLY).layer(client()).oneshot(get(&peer.uri()))).await.unwrap();
    assert_status(&response, 200);
}

#[tokio::test]
async fn a_417_is_resent_once_without_its_expectation() {
    let (heads, mut received) = tokio::sync::mpsc::unbounded_channel();
    let peer = Peer::start(move |_, mut wire| {
        let heads = heads.clone();
        async move {
            loop {
                let head = wire.head().await;
                if head.is_empty() {
                    return;
                }
                wire.read_exactly(5).await;
                heads.send(head).unwrap();
                wire.answer(417).await;
            }
        }
    })
    .await;
    let mut order = request(Method::POST, &peer.uri(), "order");
    order.headers_mut().insert("expect", HeaderValue::from_static("100-continue"));
    let response = soon(RetryLayer::new(QUICKLY).layer(client()).oneshot(order)).await.unwrap();
    assert_status(&response, 417);
    drop(peer);
    assert!(received.recv().await.unwrap().contains("expect: 100-continue"));
    assert!(!received.recv().await.unwrap().contains("expect"));
    assert_eq!(received.recv().await, None);
}

#[tokio::test]
async fn a_response_that_breaks_off_is_the_callers_and_not_retried() {
    use http_body_util::BodyExt;
    let peer = Peer::start(|_, mut wire| async move {
        wire.head().await;
        wire.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
        wire.reset();
    })
    .await;
    let response = soon(RetryLayer::new(QUICKLY).layer(client()).oneshot(get(&peer.uri()))).await.unwrap();
    assert_status(&response, 200);
    assert!(soon(response.into_body().collect()).await.is_err());
    assert_eq!(peer.connections(), 1);
}

/// Answers the first request of the first connection, and closes that when it has read the second.
async fn closes_a_reused_connection() -> Peer {
    Peer::start(|connection, mut wire| async move {
        wire.head().await;
        wire.answer(200).await;
        let second = wire.head().await;
        if connection > 1 || second.is_empty() {
            return;
        }
        wire.close().await;
    })
    .await
}

#[tokio::test]
async fn a_reused_connection_that_is_closed_may_have_seen_the_request() {
    for (method, is_resent) in [(Method::GET, true), (Method::POST, false)] {
        let peer = closes_a_reused_connection().await;
        let client = RetryLayer::new(QUICKLY).layer(client());
        let first = soon(client.clone().oneshot(get(&peer.uri()))).await.unwrap();
        assert_status(&first, 200);
        drop(first);
        let second = soon(client.oneshot(request(method.clone(), &peer.uri(), ""))).await;
        assert_eq!(second.is_ok(), is_resent, "{method}");
        assert_eq!(peer.connections(), if is_resent { 2 } else { 1 }, "{method}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_after_the_attempts() {
    for (method, sends) in [(Method::GET, 3), (Method::POST, 1)] {
        let peer = Peer::start(|_, mut wire| async move {
            wire.head().await;
            wire.hold().await;
        })
        .await;
        let client = ServiceBuilder::new()
            .layer(RetryLayer::new(QUICKLY))
            .timeout(Duration::from_millis(300))
            .service(client());
        let error = soon(client.oneshot(request(method.clone(), &peer.uri(), ""))).await.unwrap_err();
        assert!(error.is::<tower::timeout::error::Elapsed>(), "{error:?}");
        assert_eq!(peer.connections(), sends, "{method}");
    }
}

/// Runs a gateway whose upstream cannot be connected to, until it answers without reading anything, and returns
/// what a client sees that waits for `100 Continue` with its body.
async fn seen_through_a_gateway() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let upstream = service_fn(|request: Request<ReplayBody<Incoming>>| async move {
        match AttemptNumber::from_request(&request) {
            1 | 2 => Err(refused()),
            _ => Ok(status(204)),
        }
    });
    let gateway = TowerToHyperService::new(RetryLayer::new(QUICKLY).layer(upstream));
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), gateway));

    let head = "POST / HTTP/1.1\r\nhost: api\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut seen = vec![0; 1024];
    let count = client.read(&mut seen).await.unwrap();
    String::from_utf8_lossy(&seen[..count]).into_owned()
}

#[tokio::test]
async fn nothing_is_read_from_the_caller_before_an_attempt_asks_for_it() {
    let seen = soon(seen_through_a_gateway()).await;
    assert!(seen.starts_with("HTTP/1.1 204"), "the caller was asked for its body: {seen}");
}
