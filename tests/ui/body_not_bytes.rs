//! The body's frames are kept by reference counting, so they must be `Bytes`.

use std::collections::VecDeque;
use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, service_fn};
use tower_http_retry::{ReplayBody, RetryLayer};

async fn send<B>(_: Request<ReplayBody<B>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::default())
}

fn main() {
    let client = ServiceBuilder::new().layer(RetryLayer::default()).service(service_fn(send));
    let _ = BoxCloneService::<Request<Full<VecDeque<u8>>>, _, _>::new(client);
}
