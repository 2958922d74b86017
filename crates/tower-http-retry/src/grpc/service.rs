//! The service, which reads from each request whether its call is unary.

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::grpc::{GrpcTrailersFuture, PeekedBody, UnaryCall};

/// Reads the status of a unary gRPC call before the response is passed on. A
/// [`GrpcTrailersLayer`](crate::grpc::GrpcTrailersLayer) creates it.
///
/// The response body must be `Unpin`; box a body that is not.
#[derive(Clone, Debug)]
pub struct GrpcTrailers<S> {
    inner: S,
    is_every_call_unary: bool,
}

impl<S> GrpcTrailers<S> {
    pub(super) fn new(inner: S, is_every_call_unary: bool) -> Self {
        Self { inner, is_every_call_unary }
    }
}

impl<S, B, R> Service<Request<B>> for GrpcTrailers<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body + Unpin,
{
    type Response = Response<PeekedBody<R>>;
    type Error = S::Error;
    type Future = GrpcTrailersFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_unary = self.is_every_call_unary || request.extensions().get::<UnaryCall>().is_some();
        GrpcTrailersFuture::new(self.inner.call(request), is_unary)
    }
}
