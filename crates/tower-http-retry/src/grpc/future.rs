//! The future of a call, which waits for the head of the response and, if the call is unary, for the first
//! frame.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

use super::is_grpc;
use crate::grpc::PeekedBody;

pin_project! {
    /// Resolves with the response to a call. A unary call resolves once it is known whether the call failed
    /// at once. A [`GrpcTrailersLayer`](crate::grpc::GrpcTrailersLayer) creates it.
    #[must_use = "futures do nothing unless polled"]
    pub struct GrpcTrailersFuture<F, R> {
        #[pin]
        head: F,
        is_unary: bool,
        // The response whose first frame the future waits for.
        response: Option<Response<R>>,
    }
}

impl<F, R> GrpcTrailersFuture<F, R> {
    pub(super) fn new(head: F, is_unary: bool) -> Self {
        Self { head, is_unary, response: None }
    }
}

impl<F, R, E> Future for GrpcTrailersFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body + Unpin,
{
    type Output = Result<Response<PeekedBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.response.take() {
            Some(response) => response,
            None => ready!(this.head.poll(cx))?,
        };
        if !*this.is_unary || !may_fail_in_trailers(&response) {
            return Poll::Ready(Ok(response.map(PeekedBody::new)));
        }
        match Pin::new(response.body_mut()).poll_frame(cx) {
            Poll::Ready(first) => Poll::Ready(Ok(with_first_frame(response, first))),
            Poll::Pending => {
                *this.response = Some(response);
                Poll::Pending
            }
        }
    }
}

/// Returns true if the head tells no status yet, and trailers can still follow.
fn may_fail_in_trailers<R: Body>(response: &Response<R>) -> bool {
    let headers = response.headers();
    let is_open = response.status() == StatusCode::OK && !headers.contains_key(STATUS);
    is_open && is_grpc(headers) && !response.body().is_end_stream()
}

/// Adds the first frame to the response. A failure in trailers moves into the head, where the server might
/// have sent it (gRPC, "Trailers-Only"). Any other frame is yielded by the body again.
fn with_first_frame<R: Body>(
    response: Response<R>,
    first: Option<Result<Frame<R::Data>, R::Error>>,
) -> Response<PeekedBody<R>> {
    let (mut parts, rest) = response.into_parts();
    let body = match first {
        None => PeekedBody::ended(rest),
        Some(Err(error)) => PeekedBody::with_first(Err(error), rest),
        Some(Ok(frame)) => match frame.into_trailers() {
            Ok(trailers) if is_failure(&trailers) => {
                parts.headers.extend(trailers);
                PeekedBody::ended(rest)
            }
            Ok(trailers) => PeekedBody::with_first(Ok(Frame::trailers(trailers)), rest),
            Err(frame) => PeekedBody::with_first(Ok(frame), rest),
        },
    };
    Response::from_parts(parts, body)
}

fn is_failure(trailers: &HeaderMap) -> bool {
    trailers.get(STATUS).is_some_and(|status| status != "0")
}

impl<F, R> fmt::Debug for GrpcTrailersFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcTrailersFuture").field("is_unary", &self.is_unary).finish_non_exhaustive()
    }
}

const STATUS: &str = "grpc-status";
