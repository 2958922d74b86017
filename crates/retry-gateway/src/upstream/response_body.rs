//! The body of an upstream's response, which the gateway passes on to the client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::time::Instant;
use tower_http_retry::body::ResponseBody;

use crate::connection::limit::Permit;
use crate::connection::timeouts::ActiveRequest;
use crate::llm::MaybePeeked;
use crate::time::pooled_timeout::TimerPool;
use crate::upstream::endpoint::LoadGuard;
use crate::upstream::expect_continue::ContinueHandle;

/// The body of a response to a client: an upstream's body, or that of a local reply.
pub(crate) type GatewayBody = Either<UpstreamBody, Full<Bytes>>;

/// A response body that counts as load of its endpoint until its end.
#[derive(Debug)]
pub(crate) struct UpstreamBody {
    body: MaybePeeked<Incoming>,
    /// `None` after [`read_to_end`](Self::read_to_end) has read the whole body.
    load: Option<LoadGuard>,
    /// Permit of the upstream's `max_requests`.
    permit: Option<Permit>,
    /// Marks the client's connection as busy.
    active_request: Option<ActiveRequest>,
    /// State of `100 Continue` for the request.
    continue_handle: Option<ContinueHandle>,
}

impl UpstreamBody {
    pub(crate) fn new(
        body: MaybePeeked<Incoming>,
        load: LoadGuard,
        continue_handle: Option<ContinueHandle>,
    ) -> Self {
        Self {
            body,
            load: Some(load),
            permit: None,
            active_request: None,
            continue_handle: continue_handle.map(ContinueHandle::responded),
        }
    }

    /// Keeps the permit and the mark of the connection until the end of the body.
    pub(crate) fn attach(&mut self, permit: Option<Permit>, active_request: Option<ActiveRequest>) {
        (self.permit, self.active_request) = (permit, active_request);
    }

    /// Reads the body up to `max_bytes` and until `deadline`. Returns the body, which starts with the bytes
    /// read, and whether they are all of it. The upstream is then no longer busy with the request.
    pub(crate) async fn read_to_end(
        self,
        max_bytes: usize,
        deadline: Instant,
        timers: &TimerPool,
    ) -> (Self, bool) {
        let (body, is_complete) = self.body.read_to_end(max_bytes, deadline, timers).await;
        let (load, continue_handle) =
            if is_complete { (None, None) } else { (self.load, self.continue_handle) };
        (Self { body, load, continue_handle, ..self }, is_complete)
    }

    /// Returns whether the upstream responded without the request's body, which the client then still holds.
    pub(crate) fn is_early(&self) -> bool {
        self.continue_handle.as_ref().is_some_and(ContinueHandle::is_body_unsent)
    }
}

impl From<ResponseBody<Self>> for UpstreamBody {
    /// Puts back the frames that the retry layer has read of a failed response whose client gets it after all.
    fn from(body: ResponseBody<Self>) -> Self {
        let (body, frames, has_ended) = match body.try_into_inner() {
            Ok(body) => return body,
            Err(body) => body.into_parts(),
        };
        let load = body.load.filter(|_| !has_ended);
        Self { body: body.body.put_back(frames, has_ended), load, ..body }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
