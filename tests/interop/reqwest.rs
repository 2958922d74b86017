//! A client of reqwest below the layer.

use std::convert::Infallible;
use std::future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response};
use reqwest::{Body, Client, redirect, retry};
use tower::{Layer, ServiceBuilder};
use tower_http_retry::body::ResponseBody;
use tower_http_retry::failure::failure_kind;
use tower_http_retry::reqwest::{ReqwestExt, ReqwestService};
use tower_http_retry::{FailureKind, Pace, ReplayBody, RetryInfo, RetryLayer};

use crate::support::listener::{Listener, unused_address};
use crate::support::raw::{Deed, RawServer};
use crate::support::server::Server;
use crate::support::{A_SECOND, QUICKLY, assert_status, info, soon};

fn reqwest() -> Client {
    Client::builder().no_proxy().retry(retry::never()).redirect(redirect::Policy::none()).build().unwrap()
}

/// Sends a request of reqwest's through the layer.
async fn send(request: reqwest::RequestBuilder) -> Result<Response<ResponseBody<Body>>, reqwest::Error> {
    let client = RetryLayer::new(QUICKLY).layer(ReqwestService::new(reqwest()));
    let request = Request::<Body>::try_from(request.build()?)?;
    soon(client.oneshot(request)).await
}

/// From reqwest to `http` and back, nothing is lost.
#[tokio::test]
async fn a_request_of_reqwest_s_goes_through_the_layer() {
    let server = Server::statuses([503, 200]).await;
    let url = server.uri("/orders?a=b");
    let response = send(reqwest().put(&url).header("x-key", "1").body("text")).await.unwrap();
    assert_eq!(info(&response).attempts(), 2);
    let response = reqwest::Response::from(response);
    assert_eq!((response.status().as_u16(), response.url().as_str()), (200, url.as_str()));
    assert!(response.extensions().get::<RetryInfo>().is_some());

    for seen in server.seen() {
        assert_eq!((&seen.method, seen.target.as_str()), (&Method::PUT, "/orders?a=b"));
        assert_eq!((seen.header("x-key"), seen.body.as_deref()), (Some("1"), Some(&b"text"[..])));
        // The size is known on each attempt.
        assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), (Some("4"), None));
    }
    assert_eq!(server.seen().len(), 2);
}

/// The layers above are called as the client is, whatever their error.
#[tokio::test]
async fn a_stack_executes_requests_of_reqwest_s() {
    let server = Server::start(|number| {
        let status = if number % 2 == 1 { 503 } else { 200 };
        Response::builder().status(status).body("a text".into()).unwrap()
    });
    let server = server.await;
    let url = server.uri("/orders?a=b");
    let request = || reqwest().put(&url).body("text").build().unwrap();
    let client = RetryLayer::new(QUICKLY).layer(ReqwestService::new(reqwest()));
    // It borrows nothing, and so may be a task.
    let response = soon(tokio::spawn(client.execute(request()))).await.unwrap().unwrap();
    check_executed(response, &url).await;

    let paced = RetryLayer::new(QUICKLY).pace(Pace::per_authority()).layer(ReqwestService::new(reqwest()));
    check_executed(soon(paced.execute(request())).await.unwrap(), &url).await;

    let stack = ServiceBuilder::new().timeout(Duration::from_secs(4)).layer(RetryLayer::new(QUICKLY));
    let stack = stack.timeout(Duration::from_secs(2)).service(ReqwestService::new(reqwest()));
    check_executed(soon(stack.execute(request())).await.unwrap(), &url).await;
    assert_eq!(server.seen().len(), 6);
}

async fn check_executed(response: reqwest::Response, url: &str) {
    assert_eq!((response.status().as_u16(), response.url().as_str()), (200, url));
    assert_eq!(response.extensions().get::<RetryInfo>().unwrap().attempts(), 2);
    assert_eq!(response.text().await.unwrap(), "a text");
}

/// A response that was read during a wait is one of reqwest's, too.
#[tokio::test(start_paused = true)]
async fn a_response_that_was_read_is_handed_back_to_reqwest() {
    let service = tower::service_fn(async |_: Request<ReplayBody<Body>>| {
        Ok::<_, reqwest::Error>(Response::builder().status(503).body(Body::from("busy")).unwrap())
    });
    let client = RetryLayer::new(A_SECOND).max_elapsed(Duration::from_secs(5)).layer(service);
    let request = reqwest().get("http://api.example/").build().unwrap();
    let mut call = Box::pin(client.execute(request));
    assert!(futures_util::poll!(call.as_mut()).is_pending());
    tokio::time::advance(Duration::from_secs(60)).await;
    let response = call.await.unwrap();
    assert_eq!(response.status().as_u16(), 503);
    assert_eq!(response.text().await.unwrap(), "busy");
}

#[tokio::test]
async fn an_upload_of_a_stream_is_replayed() {
    let server = Server::statuses([503, 200]).await;
    let stream = stream::iter(["one ", "two"].map(|part| Ok::<_, Infallible>(Bytes::from(part))));
    let response = send(reqwest().put(server.uri("/")).body(Body::wrap_stream(stream))).await.unwrap();
    assert_status(&response, 200);
    assert!(server.seen().iter().all(|seen| seen.body.as_deref() == Some(b"one two")));
}

#[tokio::test]
async fn a_request_without_a_body_stays_so() {
    let server = Server::statuses([503, 200]).await;
    assert_status(&send(reqwest().get(server.uri("/"))).await.unwrap(), 200);
    for seen in server.seen() {
        assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), (None, None));
    }
}

/// A timeout that was set on the request holds for each attempt, and is read as one.
#[tokio::test]
async fn a_timeout_of_the_request_is_per_attempt() {
    let connections = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&connections);
    let silent = Listener::start(move |number, stream| {
        counter.store(number, Ordering::SeqCst);
        async move {
            let _open = stream;
            future::pending().await
        }
    });
    let silent = silent.await;
    let url = silent.uri("/");
    let request = reqwest().get(url).timeout(Duration::from_millis(20));
    let error = send(request).await.unwrap_err();
    assert_eq!((failure_kind(&error), connections.load(Ordering::SeqCst)), (FailureKind::Timeout, 3));
}

/// What reqwest's errors tell, and the layer goes by.
#[tokio::test]
async fn the_errors_of_reqwest_are_read() {
    let post = |url: String| reqwest().post(url).body("text");
    let refused = send(post(format!("http://{}/", unused_address()))).await.unwrap_err();
    assert_eq!(failure_kind(&refused), FailureKind::NeverSent);

    let unsendable = send(post("ftp://host.example/".to_owned())).await.unwrap_err();
    assert_eq!(failure_kind(&unsendable), FailureKind::Permanent);

    let server = RawServer::start([Deed::Reset]).await;
    let reset = send(post(server.uri("/"))).await.unwrap_err();
    assert_eq!((failure_kind(&reset), server.sent()), (FailureKind::MaybeProcessed, 1));
}

/// A URI that reqwest cannot call fails as a request of its own would, and is not sent again.
#[tokio::test(start_paused = true)]
async fn a_uri_that_is_no_url_fails_for_good() {
    let client = RetryLayer::new(A_SECOND).layer(ReqwestService::from(reqwest()));
    let error = client.oneshot(Request::new(Body::default())).await.unwrap_err();
    assert!(error.is_builder());
    assert_eq!(failure_kind(&error), FailureKind::Permanent);
}
