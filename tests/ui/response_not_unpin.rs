//! The layer reads a failed response in place, so the response's body must be `Unpin`.

use std::convert::Infallible;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Full;
use tower::{ServiceBuilder, service_fn};
use tower_http_retry::{ReplayBody, RetryLayer};

struct Pinned(PhantomPinned);

impl Body for Pinned {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

async fn send(_: Request<ReplayBody<Full<Bytes>>>) -> Result<Response<Pinned>, Infallible> {
    Ok(Response::new(Pinned(PhantomPinned)))
}

fn main() {
    let client = ServiceBuilder::new().layer(RetryLayer::default()).service(service_fn(send));
    let _ = client.oneshot(Request::new(Full::<Bytes>::default()));
}
