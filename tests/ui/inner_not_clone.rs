//! The inner service sends every attempt of every request, so it must be `Clone`.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::util::BoxService;
use tower::{Service, ServiceBuilder};
use tower_http_retry::{ReplayBody, RetryLayer};

struct Client;

impl Service<Request<ReplayBody<Full<Bytes>>>> for Client {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Full<Bytes>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<ReplayBody<Full<Bytes>>>) -> Self::Future {
        ready(Ok(Response::default()))
    }
}

fn main() {
    let client = ServiceBuilder::new().layer(RetryLayer::default()).service(Client);
    let _ = BoxService::<Request<Full<Bytes>>, _, _>::new(client);
}
