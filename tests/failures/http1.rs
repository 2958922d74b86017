//! HTTP/1.1 over connections that break.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Empty;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_http_retry::{BoxError, FailureKind};

use super::failures;
use crate::support::raw::{Deed, RawServer};
use crate::support::upstream::Upstream;
use crate::support::{Answer, client, soon};

/// The request was read by the server, and who knows what it did.
#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_may_have_been_processed() {
    for deed in [Deed::Reset, Deed::Close, Deed::HalfHead, Deed::Garbage] {
        for (method, sent) in [(Method::GET, 2), (Method::POST, 1)] {
            let server = RawServer::start([deed]).await;
            let kinds = failures(client(), method.clone(), &server.uri("/")).await;
            assert_eq!(kinds, [FailureKind::MaybeProcessed], "{deed:?} {method}");
            assert_eq!(server.sent(), sent, "{deed:?} {method}");
        }
    }
}

/// The end of a connection that was used before looks the same whether the server saw the request or not.
#[tokio::test]
async fn a_reused_connection_that_ends_may_have_been_processed() {
    for deed in [Deed::Close, Deed::Reset] {
        for (method, sent) in [(Method::GET, 3), (Method::POST, 2)] {
            let server = RawServer::start([Deed::Answer, deed]).await;
            let client = client();
            assert_eq!(failures(client.clone(), Method::GET, &server.uri("/")).await, []);
            // The connection goes back to the pool in a task of its own.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let kinds = failures(client, method.clone(), &server.uri("/")).await;
            assert_eq!(kinds, [FailureKind::MaybeProcessed], "{deed:?} {method}");
            assert_eq!(server.sent(), sent, "{deed:?} {method}");
        }
    }
}

/// Every attempt sends the same bytes.
#[tokio::test]
async fn a_resend_is_the_same_request() {
    let server = RawServer::start([Deed::Close, Deed::Reset]).await;
    let kinds = failures(client(), Method::PUT, &server.uri("/path?query")).await;
    assert_eq!(kinds, [FailureKind::MaybeProcessed; 2]);
    let requests = server.requests();
    assert!(requests[0].starts_with("PUT /path?query HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[0].ends_with("\r\n\r\ntext"), "{requests:?}");
    assert_eq!(requests, [requests[0].as_str(); 3]);
}

/// A request that hyper cannot send is not sent later either.
#[tokio::test]
async fn a_request_that_cannot_be_sent_fails_for_good() {
    for uri in ["/", "/no/host"] {
        assert_eq!(failures(client(), Method::GET, uri).await, [FailureKind::Permanent], "{uri}");
    }
}

/// A connection of hyper's own, below any pool.
async fn connection(server: &RawServer) -> SendRequest<Empty<Bytes>> {
    let address = server.uri("").trim_start_matches("http://").to_owned();
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    sender
}

fn request() -> Request<Empty<Bytes>> {
    Request::get("/").header("host", "host").body(Empty::new()).unwrap()
}

/// How this error is read.
async fn kind_of(error: hyper::Error) -> FailureKind {
    let error = Mutex::new(Some(error));
    let upstream = Upstream::new(move |_| match error.lock().unwrap().take() {
        Some(error) => Err::<Answer, BoxError>(error.into()),
        None => Ok(Answer::default()),
    });
    let kinds = failures(upstream, Method::POST, "/").await;
    assert_eq!(kinds.len(), 1, "{kinds:?}");
    kinds[0]
}

/// The second request waits behind the first, whose connection breaks.
#[tokio::test]
async fn a_queued_request_was_never_sent() {
    let server = RawServer::start([Deed::Close]).await;
    let mut sender = connection(&server).await;
    let (first, second) = (sender.send_request(request()), sender.send_request(request()));
    let (first, second) = soon(async { tokio::join!(first, second) }).await;
    let (first, second) = (first.unwrap_err(), second.unwrap_err());
    assert_eq!(server.sent(), 1);
    assert!(first.is_incomplete_message() && second.is_canceled(), "{first:?}, {second:?}");
    assert_eq!(kind_of(first).await, FailureKind::MaybeProcessed);
    assert_eq!(kind_of(second).await, FailureKind::NeverSent);
}

/// A connection that says that it is closed took nothing.
#[tokio::test]
async fn a_request_for_a_closed_connection_was_never_sent() {
    let server = RawServer::start([Deed::Close]).await;
    let mut sender = connection(&server).await;
    soon(sender.send_request(request())).await.unwrap_err();
    let error = soon(sender.ready()).await.unwrap_err();
    assert!(error.is_closed(), "{error:?}");
    assert_eq!(kind_of(error).await, FailureKind::NeverSent);
}
