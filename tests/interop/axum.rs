//! The layer inside of an axum router.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::put;
use futures_util::stream;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http_retry::{RetryLayer, RetryOverride};

use crate::support::A_SECOND;

/// Reads the body that it is sent, of which it says the length.
fn reads() -> Router {
    Router::new().route("/", put(|body: Bytes| async move { body.len().to_string() }))
}

/// An upload that does not say how long it is, so that its length is found out as it is read.
fn upload(is_never_resent: bool) -> Request<Body> {
    let parts = ["one ", "two ", "three"].map(|part| Ok::<_, Infallible>(Bytes::from(part)));
    let mut request = Request::put("/").body(Body::from_stream(stream::iter(parts))).unwrap();
    if is_never_resent {
        request.extensions_mut().insert(RetryOverride::never());
    }
    request
}

/// Sends an upload of 13 bytes, kept and not kept.
async fn check(router: Router, expected: StatusCode) {
    for is_never_resent in [false, true] {
        let response = router.clone().oneshot(upload(is_never_resent)).await.unwrap();
        let status = response.status();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(status, expected, "{is_never_resent}: {text:?}");
    }
}

/// What axum's extractors look for is the limit's own error, at the depth at which axum and tower-http put it.
#[tokio::test]
async fn a_body_over_the_limit_of_an_outer_layer_is_answered_with_413() {
    for (limit, expected) in [(13, StatusCode::OK), (12, StatusCode::PAYLOAD_TOO_LARGE)] {
        let limit = || RequestBodyLimitLayer::new(limit);
        check(reads().layer(limit()), expected).await;
        check(reads().layer(RetryLayer::new(A_SECOND)).layer(limit()), expected).await;
        let both = ServiceBuilder::new().layer(limit()).layer(RetryLayer::new(A_SECOND));
        check(reads().layer(both), expected).await;
    }
}
