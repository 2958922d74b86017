//! The body of a response, which keeps its connection out of the pool until its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;

use super::error::PooledBodyError;
use super::lease::Lease;
use crate::message::trailers;

/// A response body that gives its connection back when it has ended.
#[derive(Debug)]
pub(crate) struct PooledBody {
    /// `None` if the response has no content.
    body: Option<Incoming>,
    /// `None` after the end of the body.
    lease: Option<Lease>,
}

impl PooledBody {
    pub(super) fn new(status: StatusCode, body: Incoming, lease: Lease) -> Self {
        if lease.lacks_content(status) && !body.is_end_stream() {
            tokio::spawn(read_empty(body, lease));
            return Self { body: None, lease: None };
        }
        let mut body = Self { body: Some(body), lease: Some(lease) };
        body.release_at_end();
        body
    }

    /// Returns whether the endpoint reset the stream of a response before its end, with an error code that hyper
    /// takes for the end: `NO_ERROR` tells a client to stop its request after a complete response (RFC 9113
    /// section 8.1). A response without END_STREAM is not complete, unless all bytes that it announced have come.
    fn is_cut(&self) -> bool {
        matches!(self.lease, Some(Lease::Http2(_)))
            && !self.is_end_stream()
            && self.size_hint().exact() != Some(0)
    }

    /// Gives the connection back if the body has ended. hyper does not poll an ended body again.
    fn release_at_end(&mut self) {
        if self.is_end_stream() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release();
        }
    }
}

impl Body for PooledBody {
    type Data = Bytes;
    type Error = PooledBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PooledBodyError>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref()
                    && let Some(lease) = &self.lease
                    && lease.check_trailers(trailers).is_err()
                {
                    // The client must not take a part of the trailers for all of them.
                    self.lease = None;
                    return Poll::Ready(Some(Err(PooledBodyError::TrailersTooLarge)));
                }
                self.release_at_end();
            }
            Some(Err(_)) => self.lease = None,
            None if self.is_cut() => {
                self.lease = None;
                return Poll::Ready(Some(Err(PooledBodyError::Incomplete)));
            }
            None => self.release(),
        }
        Poll::Ready(frame.map(|frame| frame.map(trailers::clean).map_err(PooledBodyError::Connection)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for PooledBody {
    /// Waits for the end of a response whose bytes have all come: for a client of HTTP/1.1, hyper asks for no more.
    fn drop(&mut self) {
        if self.lease.is_none() || self.size_hint().exact() != Some(0) || self.is_end_stream() {
            return;
        }
        let runtime = Handle::try_current();
        if let (Ok(runtime), Some(body), Some(lease)) = (runtime, self.body.take(), self.lease.take()) {
            runtime.spawn(read_empty(body, lease));
        }
    }
}

/// Waits for the end of a response without further content, whose client has all of it already. The stream would be reset
/// otherwise.
async fn read_empty(mut body: Incoming, lease: Lease) {
    let end = async { while let Some(Ok(_)) = body.frame().await {} };
    // A response that goes on loses its stream.
    if tokio::time::timeout(EMPTY_BODY_TIMEOUT, end).await.is_ok() {
        lease.release();
    }
}

/// The longest time for which the end of a response without further content is waited for.
const EMPTY_BODY_TIMEOUT: Duration = Duration::from_secs(1);
