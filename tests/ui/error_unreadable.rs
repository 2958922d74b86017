//! The inner service's error is read, so it must be an `Error`.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, service_fn};
use tower_http_retry::{ReplayBody, RetryLayer};

#[derive(Debug)]
struct Oops;

async fn send(_: Request<ReplayBody<Full<Bytes>>>) -> Result<Response<Full<Bytes>>, Oops> {
    Err(Oops)
}

fn main() {
    let client = ServiceBuilder::new().layer(RetryLayer::default()).service(service_fn(send));
    let _ = BoxCloneService::<Request<Full<Bytes>>, _, _>::new(client);
}
