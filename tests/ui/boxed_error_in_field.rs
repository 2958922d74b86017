//! The client below a timeout layer has a `BoxError`, and the type of the field says otherwise.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tower::ServiceBuilder;
use tower::timeout::{Timeout, TimeoutLayer};
use tower_http_retry::{ReplayBody, Retry, RetryLayer};

struct Api {
    client: Retry<Timeout<Client<HttpConnector, ReplayBody<Full<Bytes>>>>>,
}

fn main() {
    let client = ServiceBuilder::new()
        .layer(RetryLayer::default())
        .layer(TimeoutLayer::new(Duration::from_secs(5)))
        .service(Client::builder(TokioExecutor::new()).build_http());
    let api = Api { client };
    let _ = api.client.oneshot(Request::new(Full::<Bytes>::default()));
}
