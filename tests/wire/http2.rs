//! Streams that are refused, reset or cut off.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use h2::Reason as Code;
use http::{Method, Request};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_http_retry::body::ReplaySource;
use tower_http_retry::policy::FixedDelay;
use tower_http_retry::{Policy, ReplayBody, RetryLayer};

use crate::support::http2::http2_client;
use crate::support::raw_http2::{RawHttp2Server, StreamDeed};
use crate::support::server::Server;
use crate::support::{Answer, QUICKLY, assert_status, info, request, soon, status};

/// Too long to wait for in a test.
const IN_AN_HOUR: FixedDelay = FixedDelay::new(Duration::from_secs(3_600));

#[tokio::test]
async fn a_refused_stream_is_resent_at_once_for_any_method() {
    for method in [Method::GET, Method::POST, Method::PATCH] {
        let server = Server::http2(|number| match number {
            1 => Err(Code::REFUSED_STREAM),
            _ => Ok(status(200)),
        })
        .await;
        let client = RetryLayer::new(IN_AN_HOUR).max_elapsed(None).layer(http2_client());
        let response = soon(client.oneshot(request(method, &server.uri("/"), "order"))).await.unwrap();
        assert_status(&response, 200);
        assert_eq!(info(&response).attempts(), 2);
        assert_eq!(server.seen()[1].body.as_deref(), Some(&b"order"[..]));
        assert_eq!(server.seen()[1].header("content-length"), Some("5"));
    }
}

#[tokio::test]
async fn the_resend_at_once_is_not_counted_and_there_is_only_one() {
    let server = Server::http2(|number| match number {
        1 | 3 => Err(Code::REFUSED_STREAM),
        2 => Ok(status(503)),
        _ => Ok(status(200)),
    })
    .await;
    let start = Instant::now();
    let pause = FixedDelay::new(Duration::from_millis(60));
    let client = RetryLayer::new(pause).max_attempts(3).layer(http2_client());
    let response = soon(client.oneshot(request(Method::GET, &server.uri("/"), ""))).await.unwrap();
    assert_status(&response, 200);
    assert_eq!(info(&response).attempts(), 4);
    assert_eq!(info(&response).waited(), Duration::from_millis(120), "the second refusal waits its turn");
    assert!(start.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn a_stream_that_is_refused_for_ever_is_sent_once_more_than_the_attempts() {
    let server = Server::http2(|_| Err(Code::REFUSED_STREAM)).await;
    let client = RetryLayer::new(QUICKLY).max_attempts(3).layer(http2_client());
    soon(client.oneshot(request(Method::POST, &server.uri("/"), "order"))).await.unwrap_err();
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_stream_that_was_reset_may_have_been_processed() {
    for code in [Code::CANCEL, Code::INTERNAL_ERROR] {
        for (method, key, sends) in [
            (Method::GET, None, 2),
            (Method::PUT, None, 2),
            (Method::POST, None, 1),
            (Method::POST, Some("\"8e03978e\""), 2),
        ] {
            let script = move |number| if number == 1 { Err(code) } else { Ok(status(200)) };
            let server = Server::http2(script).await;
            let mut request = request(method.clone(), &server.uri("/"), "order");
            if let Some(key) = key {
                request.headers_mut().insert("idempotency-key", http::HeaderValue::from_static(key));
            }
            let result = soon(RetryLayer::new(QUICKLY).layer(http2_client()).oneshot(request)).await;
            assert_eq!(result.is_ok(), sends == 2, "{method} {code:?}");
            assert_eq!(server.seen().len(), sends, "{method} {code:?}");
        }
    }
}

/// Says GOAWAY with this last stream to the first request and closes its connection, and answers all others. How
/// often the request was sent, and whether it was answered.
async fn goaway(last_stream: u32, method: Method) -> (usize, bool) {
    const NO_ERROR: u32 = 0;
    let server = RawHttp2Server::start([StreamDeed::GoAway(last_stream, NO_ERROR)]).await;
    let client = RetryLayer::new(QUICKLY).layer(http2_client());
    let result = soon(client.oneshot(request(method, &server.uri(), "order"))).await;
    (server.sent(), result.is_ok())
}

#[tokio::test]
async fn a_stream_above_a_goaway_was_not_processed_and_is_resent_for_any_method() {
    for method in [Method::GET, Method::POST] {
        assert_eq!(goaway(0, method).await, (2, true));
    }
}

#[tokio::test]
async fn a_stream_at_or_below_a_goaway_may_have_been_processed() {
    assert_eq!(goaway(1, Method::GET).await, (2, true));
    assert_eq!(goaway(1, Method::POST).await, (1, false));
    assert_eq!(goaway(0x7fff_ffff, Method::POST).await, (1, false));
}

/// hyper tells a request of a GOAWAY that comes right after it, also where the server counts it in: about one in a thousand
/// here.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_request_that_a_goaway_counts_in_is_never_processed_twice() {
    for _ in 0..200 {
        let calls = (0..16).map(|_| tokio::spawn(goaway(1, Method::POST)));
        for called in join_all(calls).await {
            assert_eq!(called.unwrap(), (1, false));
        }
    }
}

/// How often a request is sent of which a GOAWAY is all that is known, by an inner service that begins with its body before or
/// not at all.
async fn sends_after_goaway<B>(method: Method, body: B, begins: bool) -> usize
where
    B: Body<Data = Bytes, Error: Into<BoxError> + std::fmt::Debug> + Send + 'static,
{
    let server = RawHttp2Server::start([StreamDeed::GoAway(0, 0)]).await;
    let client = http2_client::<Full<Bytes>>();
    let sent = Request::builder().method(method).uri(server.uri()).body(body).unwrap();
    let inner = service_fn(move |sent: Request<ReplayBody<B>>| {
        let client = client.clone();
        async move {
            let own = request(Method::PUT, &sent.uri().to_string(), "own");
            if begins {
                sent.into_body().collect().await.unwrap();
            }
            client.request(own.map(|body| ReplaySource::new(body, 8, None).body())).await
        }
    });
    let _ = soon(RetryLayer::new(QUICKLY).layer(inner).oneshot(sent)).await;
    server.sent()
}

#[tokio::test]
async fn a_goaway_is_believed_where_the_body_was_begun_with_or_no_harm_is_done() {
    for (method, body, begins, sends) in [
        (Method::GET, "", false, 2),
        (Method::PUT, "order", false, 2),
        (Method::POST, "order", true, 2),
        (Method::POST, "order", false, 1),
        // There is nothing to begin with.
        (Method::POST, "", true, 1),
    ] {
        let what = format!("{method} {body:?} {begins}");
        let whole = Full::from(body);
        assert_eq!(sends_after_goaway(method.clone(), whole.clone(), begins).await, sends, "{what}");
        assert_eq!(sends_after_goaway(method, Box::pin(whole), begins).await, sends, "{what}, as it comes");
    }
}

/// Calls a hundred times at once.
async fn a_hundred_times<P: Policy + 'static>(layer: RetryLayer<P>, server: &Server) -> Vec<Answered> {
    let client = layer.layer(http2_client());
    let calls = (0..100).map(|_| {
        let mut client = client.clone();
        let request = request(Method::POST, &server.uri("/"), "order");
        async move { client.ready().await.unwrap().call(request).await.map(|response| response.status()) }
    });
    soon(join_all(calls)).await
}

type Answered = Result<http::StatusCode, hyper_util::client::legacy::Error>;

#[tokio::test]
async fn a_hundred_requests_share_a_connection_of_one_stream() {
    // Every third stream is refused.
    let script = |number| if number % 3 == 0 { Err(Code::REFUSED_STREAM) } else { Ok(Answer::default()) };
    let server = Server::http2_with_streams(1, script).await;
    let answers = a_hundred_times(RetryLayer::new(QUICKLY).max_attempts(20), &server).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|status| *status == 200)), "{answers:?}");
    assert_eq!(server.seen().iter().filter(|upload| upload.body.is_none()).count(), 0);
}

#[tokio::test]
async fn a_request_without_a_body_ends_with_its_headers_on_every_attempt() {
    let server = Server::http2(|number| Ok(status(if number == 1 { 503 } else { 200 }))).await;
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = std::sync::Arc::clone(&seen);
    let inner = tower::ServiceBuilder::new()
        .map_request(move |request: Request<ReplayBody<Full<bytes::Bytes>>>| {
            use http_body::Body;
            log.lock().unwrap().push((request.body().is_end_stream(), request.body().size_hint().exact()));
            request
        })
        .service(http2_client());
    let client = RetryLayer::new(QUICKLY).layer(inner);
    let response = soon(client.oneshot(request(Method::GET, &server.uri("/"), ""))).await.unwrap();
    assert_status(&response, 200);
    assert_eq!(*seen.lock().unwrap(), [(true, Some(0)), (true, Some(0))]);
    assert!(server.seen().iter().all(|seen| seen.header("content-length").is_none()));
}
