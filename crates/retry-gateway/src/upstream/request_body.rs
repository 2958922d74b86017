//! The body of a client's request, whose clock and limits run while the gateway waits for the client.
//!
//! hyper polls this body when the upstream takes more bytes. A poll that finds none waits for the client, and
//! stops the clock of the request's timeouts. While nothing polls, the upstream or the gateway is what the
//! request waits for, and the clock runs.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tower_http_retry::body::MemoryLease;
use tower_http_retry::{BoxError, ReplayBody};

use crate::connection::buffers::compact;
use crate::llm::PeekedBody;
use crate::message::trailers::RequestTrailers;
use crate::telemetry::request_log::{BodyFailure, RequestLog};
use crate::upstream::body_wait::{BodyLimits, BodyWait};

/// A request body that fails if its client does not send enough.
#[derive(Debug)]
pub(crate) struct RequestBody {
    source: BodySource,
    trailers: RequestTrailers,
    /// `None` if the body is empty or is replayed from another one.
    limits: Option<(Arc<BodyLimits>, RequestLog)>,
    /// The wait for the client, from the first frame on that was not there yet. It is boxed, because most
    /// bodies are empty.
    wait: Option<Box<BodyWait>>,
}

#[derive(Debug)]
enum BodySource {
    Client(Incoming),
    /// A replay of another `RequestBody`, which reads from the client. It is boxed, so that it does not add
    /// to the size of a request.
    Replay(Box<ReplayBody<RequestBody>>),
    /// Another `RequestBody`, whose start the gateway has read. It is boxed for the same reason.
    Peeked(Box<PeekedRequestBody>),
}

#[derive(Debug)]
struct PeekedRequestBody {
    body: PeekedBody<RequestBody>,
    /// The memory of the frames that were read, until the first poll after them.
    lease: Option<MemoryLease>,
}

impl RequestBody {
    /// Creates a body that reads from the client. A failure of the client is noted in `request_log`.
    pub(crate) fn new(
        body: Incoming,
        trailers: RequestTrailers,
        limits: &Arc<BodyLimits>,
        request_log: &RequestLog,
    ) -> Self {
        let limits = (!body.is_end_stream()).then(|| {
            request_log.set_unread_body(true);
            (Arc::clone(limits), request_log.clone())
        });
        Self { source: BodySource::Client(body), trailers, limits, wait: None }
    }

    /// Returns true if there is a body, and the client sends it.
    pub(crate) fn is_from_client(&self) -> bool {
        self.limits.is_some() || matches!(self.source, BodySource::Peeked(_))
    }

    /// Creates a body that replays another one.
    pub(crate) fn from_replay(body: ReplayBody<Self>) -> Self {
        Self { source: BodySource::Replay(Box::new(body)), trailers: CLEANED, limits: None, wait: None }
    }

    /// Creates a body from another one, whose start was read. `lease` is the memory of what was read.
    pub(crate) fn from_peeked(body: PeekedBody<Self>, lease: MemoryLease) -> Self {
        let peeked = Box::new(PeekedRequestBody { body, lease: Some(lease) });
        Self { source: BodySource::Peeked(peeked), trailers: CLEANED, limits: None, wait: None }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { source, trailers, limits, wait } = &mut *self;
        let body = match source {
            BodySource::Client(body) => body,
            BodySource::Replay(body) => return Pin::new(body).poll_frame(cx),
            BodySource::Peeked(peeked) => {
                if !peeked.body.has_frames() {
                    peeked.lease = None;
                }
                return Pin::new(&mut peeked.body).poll_frame(cx);
            }
        };
        let polled = Pin::new(&mut *body).poll_frame(cx);
        let Some((limits, request_log)) = limits else {
            return polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)));
        };
        let clock = request_log.clock();
        let failure = match polled {
            Poll::Pending => {
                let wait = wait.get_or_insert_with(|| Box::new(BodyWait::new(limits)));
                ready!(wait.poll(cx, limits, clock))
            }
            Poll::Ready(frame) => {
                if let Some(Err(error)) = &frame {
                    request_log.set_body_failure(failure_of(error));
                }
                if frame.is_none() || body.is_end_stream() {
                    request_log.set_unread_body(false);
                }
                let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
                let bytes = bytes.map_or(0, Bytes::len);
                match wait.as_mut().map_or(Ok(()), |wait| wait.on_frame(bytes, limits, clock)) {
                    Ok(()) => {
                        // The first piece has come with the head, or with others.
                        let is_slow = wait.is_some();
                        let data = |data| if is_slow { compact(data) } else { data };
                        return Poll::Ready(frame.map(|frame| {
                            frame.map(|frame| trailers.clean(frame).map_data(data)).map_err(Into::into)
                        }));
                    }
                    Err(failure) => failure,
                }
            }
        };
        clock.start();
        request_log.set_body_failure(failure);
        Poll::Ready(Some(Err(BodyNotSent.into())))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            BodySource::Client(body) => body.is_end_stream(),
            BodySource::Replay(body) => body.is_end_stream(),
            BodySource::Peeked(peeked) => peeked.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            BodySource::Client(body) => body.size_hint(),
            BodySource::Replay(body) => body.size_hint(),
            BodySource::Peeked(peeked) => peeked.body.size_hint(),
        }
    }
}

/// The trailers of a body that reads from another one, which has cleaned them.
const CLEANED: RequestTrailers = RequestTrailers { keeps_underscores: true };

/// Returns how a client failed whose body ended with this error.
fn failure_of(error: &hyper::Error) -> BodyFailure {
    let kind = error.source().and_then(|source| source.downcast_ref()).map(io::Error::kind);
    match kind {
        // hyper's decoder reports the end of the client's bytes and malformed chunks in this way.
        Some(ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput) => {
            BodyFailure::Incomplete
        }
        _ => BodyFailure::Aborted,
    }
}

/// The client did not send enough of its body.
#[derive(Debug, thiserror::Error)]
#[error("the client did not send its body")]
struct BodyNotSent;

#[cfg(test)]
mod tests {
    use super::*;

    /// The future of each request has room for a body.
    #[test]
    fn a_replay_does_not_enlarge_the_body() {
        assert_eq!(size_of::<BodySource>(), size_of::<Incoming>());
    }
}
