//! The body of an upstream's response, which the gateway passes on to the client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use tokio::time::Instant;
use tower_http_retry::body::ResponseBody;

use crate::connection::request_limit::RequestPermit;
use crate::connection::timeouts::ActiveRequest;
use crate::llm::MaybePeeked;
use crate::time::pooled_timeout::TimerPool;
use crate::upstream::endpoint::LoadGuard;
use crate::upstream::error::ResponseBodyError;
use crate::upstream::expect_continue::ContinueHandle;
use crate::upstream::timed_body::TimedBody;

/// The body of a response to a client: an upstream's body, or that of a local reply.
pub(crate) type GatewayBody = Either<UpstreamBody, Box<Full<Bytes>>>;

/// A response body that counts as load of its endpoint until its end. It is one pointer wide, because a response moves from
/// stage to stage on its way to the client.
#[derive(Debug)]
pub(crate) struct UpstreamBody(Box<UpstreamBodyInner>);

#[derive(Debug)]
struct UpstreamBodyInner {
    body: MaybePeeked<TimedBody>,
    /// `None` after [`read_to_end`](Self::read_to_end) has read the whole body.
    load: Option<LoadGuard>,
    /// Permit of the upstream's `max_requests`. It returns with the end of this body, so that a request holds none
    /// while it waits for its resend.
    permit: Option<RequestPermit>,
    /// Marks the client's connection as busy.
    active_request: Option<ActiveRequest>,
    /// Set if hyper sends the body to the client in chunks.
    is_chunked: bool,
    /// State of `100 Continue` for the request.
    continue_handle: Option<ContinueHandle>,
}

impl UpstreamBody {
    pub(crate) fn new(
        body: MaybePeeked<TimedBody>,
        load: LoadGuard,
        continue_handle: Option<ContinueHandle>,
        permit: RequestPermit,
        is_tunnel: bool,
    ) -> Self {
        Self(Box::new(UpstreamBodyInner {
            permit: (is_tunnel || !body.is_end_stream()).then_some(permit),
            body,
            load: Some(load),
            active_request: None,
            is_chunked: false,
            continue_handle: continue_handle.map(ContinueHandle::responded),
        }))
    }

    /// Keeps the mark of the connection until the end of the body.
    pub(crate) fn attach(&mut self, active_request: Option<ActiveRequest>) {
        self.0.active_request = active_request;
    }

    /// Notes that hyper sends the body to a client of HTTP/1.1 in chunks.
    pub(crate) fn set_chunked(&mut self) {
        self.0.is_chunked = true;
    }

    /// Takes the load and the permit of the attempt, which a tunnel holds from then on.
    pub(crate) fn take_guards(&mut self) -> (Option<LoadGuard>, Option<RequestPermit>) {
        (self.0.load.take(), self.0.permit.take())
    }

    /// Reads the body up to `max_bytes` and until `deadline`. Returns the body, which starts with the bytes
    /// read, and whether they are all of it. The upstream is then no longer busy with the request.
    pub(crate) async fn read_to_end(
        self,
        max_bytes: usize,
        deadline: Instant,
        timers: &TimerPool,
    ) -> (Self, bool) {
        let inner = *self.0;
        let (body, is_complete) = inner.body.read_to_end(max_bytes, deadline, timers).await;
        let (load, continue_handle, permit) = match is_complete {
            true => (None, None, None),
            false => (inner.load, inner.continue_handle, inner.permit),
        };
        (Self(Box::new(UpstreamBodyInner { body, load, continue_handle, permit, ..inner })), is_complete)
    }

    /// Returns whether the upstream responded without the request's body, which the client then still holds.
    pub(crate) fn is_early(&self) -> bool {
        self.0.continue_handle.as_ref().is_some_and(ContinueHandle::is_body_unsent)
    }
}

impl From<ResponseBody<Self>> for UpstreamBody {
    /// Puts back the frames that the retry layer has read of a failed response whose client gets it after all.
    fn from(body: ResponseBody<Self>) -> Self {
        let (body, frames, has_ended) = match body.try_into_inner() {
            Ok(body) => return body,
            Err(body) => body.into_parts(),
        };
        let inner = *body.0;
        let load = inner.load.filter(|_| !has_ended);
        Self(Box::new(UpstreamBodyInner { body: inner.body.put_back(frames, has_ended), load, ..inner }))
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        let inner = &mut *self.0;
        let polled = Pin::new(&mut inner.body).poll_frame(cx);
        if let (true, Some(active_request)) = (inner.is_chunked, &inner.active_request) {
            active_request.set_awaiting_chunk(polled.is_pending());
        }
        let frame = ready!(polled);
        if frame.is_none() || inner.body.is_end_stream() {
            inner.permit = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.body.size_hint()
    }
}
