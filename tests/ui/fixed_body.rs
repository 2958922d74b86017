//! The client's body type is written as the caller's own, but the layer sends a `ReplayBody` of it.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tower::ServiceBuilder;
use tower_http_retry::RetryLayer;

fn main() {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let client = ServiceBuilder::new().layer(RetryLayer::default()).service(client);
    let _ = client.oneshot(Request::new(Full::<Bytes>::default()));
}
