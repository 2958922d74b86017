//! What becomes of the body: the caller's own at every attempt, framed the same way over the wire.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::Full;
use tower::ServiceBuilder;
use tower_http_retry::{FailureKind, GiveUpReason, Policy, RetryLayer};

use crate::support::bodies::Frames;
use crate::support::raw::RawServer;
use crate::support::server::{Seen, Server};
use crate::support::upstream::Upstream;
use crate::support::{
    A_SECOND, QUICKLY, assert_status, client, eventually, get, info, next, refused, request, soon, status,
};

/// Trap 13: what is sent the second and third time looks like the first.
#[tokio::test]
async fn a_short_body_keeps_its_content_length_over_the_wire() {
    let server = Server::statuses([503, 503, 200]).await;
    let client = ServiceBuilder::new().layer(RetryLayer::new(QUICKLY)).service(client());
    soon(client.oneshot(request(Method::PUT, &server.uri("/"), "eleven byte"))).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for seen in seen {
        assert_eq!(seen.header("content-length"), Some("11"), "{seen:?}");
        assert_eq!(seen.header("transfer-encoding"), None, "{seen:?}");
        assert_eq!(seen.body.as_deref(), Some(&b"eleven byte"[..]));
    }
}

/// Trap 13: nothing is sent as nothing.
#[tokio::test]
async fn an_empty_body_stays_no_body_over_the_wire() {
    let server = Server::statuses([503, 503, 200]).await;
    let client = ServiceBuilder::new().layer(RetryLayer::new(QUICKLY)).service(client());
    soon(client.oneshot(get(&server.uri("/")))).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for seen in seen {
        assert_eq!(seen.header("content-length"), None, "{seen:?}");
        assert_eq!(seen.header("transfer-encoding"), None, "{seen:?}");
        assert_eq!(seen.body.as_deref(), Some(&b""[..]));
    }
}

/// Trap 13: a body of several frames that says how long it is does so again.
#[tokio::test]
async fn a_body_of_several_frames_keeps_its_content_length_over_the_wire() {
    let server = Server::statuses([503, 200]).await;
    let client = ServiceBuilder::new().layer(RetryLayer::new(QUICKLY)).service(client());
    let request = Request::put(server.uri("/")).body(Frames::new(["one ", "two ", "three"])).unwrap();
    soon(client.oneshot(request)).await.unwrap();
    let framed = |seen: &Seen| {
        let length = seen.header("content-length").map(str::to_owned);
        (length, seen.header("transfer-encoding").is_some(), seen.body.clone())
    };
    let expected = (Some("13".to_owned()), false, Some(Bytes::from("one two three")));
    assert_eq!(server.seen().iter().map(framed).collect::<Vec<_>>(), [expected.clone(), expected]);
}

/// Trap 14: never with the old headers and nothing behind them, never twice in half.
#[tokio::test]
async fn a_body_over_the_limit_is_sent_once_and_whole() {
    let server = Server::statuses([503]).await;
    let layer = RetryLayer::new(QUICKLY).replay_limit(4);
    let client = ServiceBuilder::new().layer(layer).service(client());
    let request = Request::put(server.uri("/")).body(Frames::new(["one ", "two ", "three"])).unwrap();
    let response = soon(client.oneshot(request)).await.unwrap();
    assert_status(&response, 503);
    assert_eq!(info(&response).reason(), Some(GiveUpReason::Body));
    let bodies: Vec<_> = server.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [Some(Bytes::from("one two three"))]);
}

/// Trap 14: a body that nobody has read yet is whole, whatever its size.
#[tokio::test(start_paused = true)]
async fn a_body_over_the_limit_that_was_never_read_is_resent() {
    let (mock, mut handle) = tower_test::mock::pair::<crate::support::Inner, crate::support::Answer>();
    let layer = RetryLayer::new(A_SECOND).replay_limit(4);
    let client = ServiceBuilder::new().layer(layer).service(mock);
    let sent = tokio::spawn(client.oneshot(request(Method::POST, "/", "eleven byte")));
    for _ in 0..2 {
        let (unread, respond) = next(&mut handle).await;
        respond.send_error(refused());
        drop(unread);
    }
    let (read, respond) = next(&mut handle).await;
    let body = http_body_util::BodyExt::collect(read.into_body()).await.unwrap().to_bytes();
    assert_eq!(body, "eleven byte");
    respond.send_response(status(200));
    assert_status(&eventually(sent).await.unwrap().unwrap(), 200);
}

/// Trap 5: an attempt that reads nothing takes nothing away, and one that reads a part does not double it.
#[tokio::test(start_paused = true)]
async fn every_attempt_reads_the_body_from_its_start() {
    let (mock, mut handle) = tower_test::mock::pair::<Request<_>, crate::support::Answer>();
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND).max_attempts(4)).service(mock);
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", "abc".parse().unwrap());
    let body = Frames::new(["one ", "two ", "three"]).trailers(trailers.clone());
    let sent = tokio::spawn(client.oneshot(Request::put("/").body(body).unwrap()));
    for frames in 0..4 {
        let (request, respond): (crate::support::Sent, _) = {
            let (request, respond) = next(&mut handle).await;
            let (parts, body): (_, tower_http_retry::ReplayBody<Frames>) = request.into_parts();
            let mut body = Box::pin(body);
            let mut read = Vec::new();
            for _ in 0..frames {
                let frame = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap();
                read.extend_from_slice(&frame.into_data().unwrap());
            }
            if frames == 3 {
                let frame = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap();
                assert_eq!(frame.into_trailers().unwrap(), trailers);
                assert!(http_body_util::BodyExt::frame(&mut body).await.is_none());
            }
            (Request::from_parts(parts, Full::from(read)), respond)
        };
        let expected = ["", "one ", "one two ", "one two three"][frames];
        let read = http_body_util::BodyExt::collect(request.into_body()).await.unwrap().to_bytes();
        assert_eq!(read, expected);
        respond.send_response(status(if frames == 3 { 200 } else { 503 }));
    }
    assert_status(&eventually(sent).await.unwrap().unwrap(), 200);
}

/// Trap 6: half of an upload is not the upload.
#[tokio::test]
async fn a_body_that_the_caller_broke_is_not_sent_again() {
    let server = RawServer::start([]).await;
    let kinds = std::sync::Arc::<std::sync::Mutex<Vec<FailureKind>>>::default();
    let log = std::sync::Arc::clone(&kinds);
    let policy = QUICKLY.classify_with(move |attempt| {
        if let tower_http_retry::Outcome::Failure(failure) = attempt.outcome {
            log.lock().unwrap().push(failure.kind());
        }
        None
    });
    let client = ServiceBuilder::new().layer(RetryLayer::new(policy)).service(client());
    let request = Request::put(server.uri("/")).body(Frames::new(["half of "]).then_fails()).unwrap();
    let error = soon(client.oneshot(request)).await.unwrap_err();
    assert_eq!(*kinds.lock().unwrap(), [FailureKind::Permanent], "{error:?}");
}

/// Trap 6: neither where the server still found an answer to the half of it.
#[tokio::test(start_paused = true)]
async fn a_body_that_the_caller_broke_is_not_sent_again_after_an_answer() {
    let (mock, mut handle) = tower_test::mock::pair::<Request<_>, crate::support::Answer>();
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(mock);
    let body = Frames::new(["half of "]).then_fails();
    let sent = tokio::spawn(client.oneshot(Request::put("/").body(body).unwrap()));
    let (request, respond) = next(&mut handle).await;
    let body: tower_http_retry::ReplayBody<Frames> = request.into_body();
    http_body_util::BodyExt::collect(body).await.unwrap_err();
    respond.send_response(status(503));
    let response = eventually(sent).await.unwrap().unwrap();
    assert_status(&response, 503);
    assert_eq!(info(&response).reason(), Some(GiveUpReason::Body));
}

/// A body in memory is not read ahead of the inner service.
#[tokio::test(start_paused = true)]
async fn a_resend_announces_the_size_before_it_is_read() {
    let upstream = Upstream::statuses([503, 503, 200]);
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream.handle());
    client.oneshot(request(Method::PUT, "/", "eleven byte")).await.unwrap();
    let sizes: Vec<_> = upstream.calls().iter().map(|call| call.exact_size).collect();
    assert_eq!(sizes, [Some(11); 3]);
}
