//! Bodies through the layer: whole at every attempt, exact about what is left, bounded together.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body::Body;
use http_body_util::BodyExt;
use tower::{Layer, ServiceBuilder};
use tower_http_retry::body::ReplayMemory;
use tower_http_retry::{Budget, GiveUpReason, ReplayBody, RetryInfo, RetryLayer, RetryOverride};

use crate::support::bodies::Frames;
use crate::support::server::Server;
use crate::support::upstream::Upstream;
use crate::support::{
    A_SECOND, Answer, QUICKLY, assert_status, client, eventually, info, next, request, soon, status,
};

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([("checksum".parse().unwrap(), "abc".parse().unwrap())])
}

/// Reads a body of `"one "`, `"two "`, `"three"` and trailers, and checks what it says of itself at each step.
async fn check_frames(mut body: ReplayBody<Frames>) {
    for (left, data) in [(13, "one "), (9, "two "), (5, "three")] {
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(left), false));
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), data);
    }
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), false));
    assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap(), trailers());
    assert!(body.is_end_stream());
    assert!(body.frame().await.is_none());
    assert!(body.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn frames_sizes_and_trailers_are_the_same_at_every_attempt() {
    let (mock, mut handle) = tower_test::mock::pair::<Request<ReplayBody<Frames>>, Answer>();
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(mock);
    let body = Frames::new(["one ", "two ", "three"]).trailers(trailers());
    let sent = tokio::spawn(client.oneshot(Request::put("/").body(body).unwrap()));
    for code in [503, 503, 200] {
        let (request, respond) = next(&mut handle).await;
        check_frames(request.into_body()).await;
        respond.send_response(status(code));
    }
    assert_status(&eventually(sent).await.unwrap().unwrap(), 200);
}

/// A body of trailers alone is not empty, and one of nothing is.
#[tokio::test(start_paused = true)]
async fn only_a_body_of_nothing_is_at_its_end() {
    for (body, is_end) in [(Frames::new([]), true), (Frames::new([]).trailers(trailers()), false)] {
        let (mock, mut handle) = tower_test::mock::pair::<Request<ReplayBody<Frames>>, Answer>();
        let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(mock);
        let sent = tokio::spawn(client.oneshot(Request::put("/").body(body).unwrap()));
        for code in [503, 200] {
            let (request, respond) = next(&mut handle).await;
            let body = request.into_body();
            assert_eq!((body.is_end_stream(), body.size_hint().exact()), (is_end, Some(0)));
            let collected = body.collect().await.unwrap();
            assert_eq!(collected.trailers().is_some(), !is_end);
            respond.send_response(status(code));
        }
        assert_status(&eventually(sent).await.unwrap().unwrap(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_limit_goes_through_once() {
    let (mock, mut handle) = tower_test::mock::pair::<Request<ReplayBody<Frames>>, Answer>();
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND).replay_limit(12)).service(mock);
    let body = Frames::new(["one ", "two ", "three"]).trailers(trailers());
    let sent = tokio::spawn(client.oneshot(Request::put("/").body(body).unwrap()));
    let (request, respond) = next(&mut handle).await;
    check_frames(request.into_body()).await;
    respond.send_response(status(503));
    let response = eventually(sent).await.unwrap().unwrap();
    assert_status(&response, 503);
    assert_eq!(info(&response).reason(), Some(GiveUpReason::Body));
}

/// Trailers count, as they are kept too.
#[tokio::test(start_paused = true)]
async fn trailers_count_towards_the_limit() {
    // 13 bytes of data, and `checksum` with `abc`.
    for (limit, sent) in [(13 + 11, 3), (13 + 10, 1)] {
        let upstream = Upstream::statuses([503]);
        let layer = RetryLayer::new(A_SECOND).replay_limit(limit);
        let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
        let body = Frames::new(["one ", "two ", "three"]).trailers(trailers());
        client.oneshot(Request::put("/").body(body).unwrap()).await.unwrap();
        assert_eq!(upstream.sent(), sent, "{limit}");
        assert!(upstream.calls().iter().all(|call| call.body == "one two three"));
        assert!(upstream.calls().iter().all(|call| call.trailers.as_ref() == Some(&trailers())));
    }
}

/// A stream of unknown length is chunked, the second time as the first.
#[tokio::test]
async fn a_stream_stays_chunked_over_the_wire() {
    let server = Server::statuses([503, 200]).await;
    let client = ServiceBuilder::new().layer(RetryLayer::new(QUICKLY)).service(client());
    let frames = ["one ", "two ", "three"]
        .map(|data| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(data))));
    let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
    let request = Request::put(server.uri("/")).body(body).unwrap();
    assert_status(&soon(client.oneshot(request)).await.unwrap(), 200);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    for seen in seen {
        assert_eq!((seen.method.clone(), seen.header("content-length")), (Method::PUT, None));
        assert_eq!(seen.header("transfer-encoding"), Some("chunked"));
        assert_eq!(seen.body.as_deref(), Some(&b"one two three"[..]));
    }
}

/// All requests in flight have so much together; who comes too late is sent once.
#[tokio::test(start_paused = true)]
async fn a_request_for_which_there_is_no_memory_is_sent_once() {
    let memory = ReplayMemory::new(10);
    let layer = RetryLayer::new(A_SECOND).replay_memory(memory.clone());
    let upstream = Upstream::statuses([503]);
    let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
    let first = tokio::spawn(client.clone().oneshot(request(Method::PUT, "/", "six by")));
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(memory.used(), 6);
    let second = client.clone().oneshot(request(Method::PUT, "/", "five!")).await.unwrap();
    assert_eq!((info(&second).reason(), info(&second).attempts()), (Some(GiveUpReason::Body), 1));
    assert_eq!(info(&first.await.unwrap().unwrap()).attempts(), 3);
    assert_eq!(memory.used(), 0);
    let third = client.oneshot(request(Method::PUT, "/", "five!")).await.unwrap();
    assert_eq!(info(&third).attempts(), 3);
}

/// Nothing is kept for a resend that nobody can ever pay for, whatever the request wishes.
#[tokio::test]
async fn a_request_whose_budget_holds_nothing_is_sent_once_and_not_kept() {
    for (capacity, kept, sent) in [(0, 0, 1), (1, 4, 2)] {
        let memory = ReplayMemory::new(10);
        let used = memory.clone();
        let upstream = Upstream::answers(move |_| {
            assert_eq!(used.used(), kept);
            status(503)
        });
        let budget = Budget::percent(20).capacity(capacity);
        let layer = RetryLayer::new(QUICKLY).replay_memory(memory).budget(budget);
        let mut put = request(Method::PUT, "/", "text");
        put.extensions_mut().insert(RetryOverride::new().max_attempts(2));
        let response = layer.layer(upstream.handle()).oneshot(put).await.unwrap();
        assert_status(&response, 503);
        assert_eq!(upstream.sent(), sent);
        assert_eq!(response.extensions().get::<RetryInfo>().is_some(), sent > 1);
    }
}
