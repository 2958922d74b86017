//! One call: the head of its response, and what comes next if it is unary.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

use super::is_grpc;
use crate::grpc::PeekedBody;

pin_project! {
    /// The response to a call, once it is known whether the call failed at once. It comes from a
    /// [`GrpcTrailersLayer`](crate::grpc::GrpcTrailersLayer).
    #[must_use = "futures do nothing unless polled"]
    pub struct GrpcTrailersFuture<F, R> {
        #[pin]
        head: F,
        is_unary: bool,
        // While its first frame is waited for.
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
        if !*this.is_unary || !has_trailers_to_come(&response) {
            return Poll::Ready(Ok(response.map(PeekedBody::unread)));
        }
        match Pin::new(response.body_mut()).poll_frame(cx) {
            Poll::Ready(first) => Poll::Ready(Ok(put_back(response, first))),
            Poll::Pending => {
                *this.response = Some(response);
                Poll::Pending
            }
        }
    }
}

/// Whether how the call ended is still to be said.
fn has_trailers_to_come<R: Body>(response: &Response<R>) -> bool {
    let headers = response.headers();
    let is_open = response.status() == StatusCode::OK && !headers.contains_key(STATUS);
    is_open && is_grpc(headers) && !response.body().is_end_stream()
}

/// Moves a failure into the head, as the server might have sent it (gRPC, "Trailers-Only"), and puts anything else
/// back.
fn put_back<R: Body>(
    response: Response<R>,
    first: Option<Result<Frame<R::Data>, R::Error>>,
) -> Response<PeekedBody<R>> {
    let (mut parts, rest) = response.into_parts();
    let body = match first {
        None => PeekedBody::ended(rest),
        Some(Err(error)) => PeekedBody::peeked(Err(error), rest),
        Some(Ok(frame)) => match frame.into_trailers() {
            Ok(trailers) if is_failure(&trailers) => {
                parts.headers.extend(trailers);
                PeekedBody::ended(rest)
            }
            Ok(trailers) => PeekedBody::peeked(Ok(Frame::trailers(trailers)), rest),
            Err(frame) => PeekedBody::peeked(Ok(frame), rest),
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
