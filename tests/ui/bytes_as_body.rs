//! A `Vec<u8>` is no body.

use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use http::Request;
use tower::ServiceBuilder;
use tower_http_retry::RetryLayer;

fn main() {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let client = ServiceBuilder::new().layer(RetryLayer::default()).service(client);
    let _ = client.oneshot(Request::new(vec![1_u8, 2, 3]));
}
