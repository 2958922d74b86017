//! What the tests of the layer share.

pub(crate) mod capture;
pub(crate) mod clock;
pub(crate) mod http2;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
pub(crate) use testkit::{
    Answer, bodies, bucket, listener, peer, raw, raw_http2, server, status, upstream, with_header,
};
use tower::{Layer, ServiceExt};
use tower_http_retry::body::ResponseBody;
use tower_http_retry::pace::SharedPace;
use tower_http_retry::policy::FixedDelay;
use tower_http_retry::{PaceLayer, ReplayBody, RequestHead, RetryInfo};
use tower_test::mock::{Handle, SendResponse};

/// The request as tests build it.
pub(crate) type Sent = Request<Full<Bytes>>;
/// The response as the layer returns it.
pub(crate) type HandedOn = Response<ResponseBody<Full<Bytes>>>;
/// The request as an inner service gets it.
pub(crate) type Inner = Request<ReplayBody<Full<Bytes>>>;

/// A request with this method and body.
pub(crate) fn request(method: Method, uri: &str, body: &'static str) -> Sent {
    Request::builder().method(method).uri(uri).body(Full::from(body)).unwrap()
}

/// A GET without a body.
pub(crate) fn get(uri: &str) -> Sent {
    request(Method::GET, uri, "")
}

/// Any failure that might have been processed.
pub(crate) fn reset() -> std::io::Error {
    std::io::ErrorKind::ConnectionReset.into()
}

/// A failure before any byte was sent.
pub(crate) fn refused() -> std::io::Error {
    std::io::ErrorKind::ConnectionRefused.into()
}

/// A policy that resends after a millisecond, for tests with a real clock.
pub(crate) const QUICKLY: FixedDelay = FixedDelay::new(Duration::from_millis(1));

/// A policy that resends after a second, for tests with a paused clock.
pub(crate) const A_SECOND: FixedDelay = FixedDelay::new(Duration::from_secs(1));

/// A client of hyper-util, as it is used below the layer.
pub(crate) fn client<B>() -> Client<HttpConnector, ReplayBody<B>>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<tower_http_retry::BoxError>,
{
    Client::builder(TokioExecutor::new()).build_http()
}

/// Makes a server stop all requests with this key for so many seconds from now on: it refuses so many requests at once that
/// this is no chance. The clock must be paused, and stands still meanwhile if the key is free before.
pub(crate) async fn stop(pace: &SharedPace, request: impl Fn() -> Sent, seconds: u64) {
    for _ in 0..20 {
        refuse(&PaceLayer::new(pace.clone()), &request, &seconds.to_string()).await;
        let stopped_for = pace.report(&RequestHead::from(&request())).stopped_for;
        // Refusals may be judged some milliseconds after the last of them.
        let is_stop = |left: Duration| left + Duration::from_millis(50) > Duration::from_secs(seconds);
        if stopped_for.is_some_and(is_stop) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("hundreds of refusals stop nobody");
}

/// Refuses sixteen requests at once, each with this `Retry-After`. Those that would wait are not sent.
pub(crate) async fn refuse(layer: &PaceLayer, request: impl Fn() -> Sent, retry_after: &str) {
    let refusing = tower::service_fn(|_: Sent| async move {
        // All are in flight before the first is answered.
        tokio::task::yield_now().await;
        Ok::<_, std::io::Error>(with_header(429, "retry-after", retry_after))
    });
    let client = layer.clone().max_wait(Duration::ZERO).layer(refusing);
    join_all((0..16).map(|_| client.clone().oneshot(request()))).await;
}

/// Fails the test instead of hanging it.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(5), future).await {
        Ok(output) => output,
        Err(_) => panic!("this hangs"),
    }
}

/// Fails the test instead of hanging it, where the clock is paused and waits cost nothing.
pub(crate) async fn eventually<F: Future>(future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(100_000), future).await {
        Ok(output) => output,
        Err(_) => panic!("this never ends"),
    }
}

/// The next request that a mock gets, where the clock is paused.
pub(crate) async fn next<T, U>(handle: &mut Handle<T, U>) -> (T, SendResponse<U>) {
    eventually(handle.next_request()).await.expect("the mock is still there")
}

#[track_caller]
pub(crate) fn info<B>(response: &Response<B>) -> RetryInfo {
    *response.extensions().get().expect("the session resent or gave up")
}

#[track_caller]
pub(crate) fn assert_status<B>(response: &Response<B>, expected: u16) {
    assert_eq!(response.status(), StatusCode::from_u16(expected).unwrap());
}
