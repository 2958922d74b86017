//! A `reqwest::Client` takes reqwest's own requests, not those of `http`.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::ServiceBuilder;
use tower_http_retry::RetryLayer;

fn main() {
    let client = ServiceBuilder::new().layer(RetryLayer::default()).service(reqwest::Client::new());
    let _ = client.oneshot(Request::new(Full::<Bytes>::default()));
}
