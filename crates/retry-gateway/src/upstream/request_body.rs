//! The body of a client's request, with a timeout for each read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;
use tower_http_retry::{BoxError, ReplayBody};

use crate::telemetry::request_log::RequestLog;
use crate::time::pooled_timeout::{PooledTimeout, TimerPool};

/// The longest wait for the next frame of a request body, and its timers.
#[derive(Debug)]
pub(crate) struct BodyTimeout {
    pub(crate) timers: TimerPool,
    pub(crate) timeout: Duration,
}

/// A request body that fails if its client sends nothing for the body timeout.
#[derive(Debug)]
pub(crate) struct RequestBody {
    source: BodySource,
    /// `None` if the body is empty or is replayed from another one.
    timeout: Option<(Arc<BodyTimeout>, RequestLog)>,
    /// The running timeout and its deadline. They are boxed, because most frames arrive without a wait.
    running: Option<Box<(Instant, PooledTimeout)>>,
}

#[derive(Debug)]
enum BodySource {
    Client(Incoming),
    /// A replay of another `RequestBody`, which reads from the client. It is boxed, so that it does not add
    /// to the size of a request.
    Replay(Box<ReplayBody<RequestBody>>),
}

impl RequestBody {
    /// Creates a body that reads from the client. A timeout or an abort is noted in `request_log`.
    pub(crate) fn new(body: Incoming, timeout: &Arc<BodyTimeout>, request_log: &RequestLog) -> Self {
        let timeout = (!body.is_end_stream()).then(|| (Arc::clone(timeout), request_log.clone()));
        Self { source: BodySource::Client(body), timeout, running: None }
    }

    /// Creates a body that replays another one.
    pub(crate) fn from_replay(body: ReplayBody<Self>) -> Self {
        Self { source: BodySource::Replay(Box::new(body)), timeout: None, running: None }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { source, timeout, running } = &mut *self;
        let body = match source {
            BodySource::Client(body) => body,
            BodySource::Replay(body) => return Pin::new(body).poll_frame(cx),
        };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            *running = None;
            if let (Some(Err(_)), Some((_, request_log))) = (&frame, &timeout) {
                request_log.set_body_aborted();
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Some((timeout, request_log)) = timeout else { return Poll::Pending };
        loop {
            let (deadline, timer) = &mut **running.get_or_insert_with(|| {
                let deadline = Instant::now() + timeout.timeout;
                Box::new((deadline, timeout.timers.sleep_until(deadline)))
            });
            if Pin::new(timer).poll(cx).is_pending() {
                return Poll::Pending;
            }
            if deadline.elapsed() < MAX_WAKE_DELAY {
                request_log.set_body_timed_out();
                return Poll::Ready(Some(Err(BodyTimedOut.into())));
            }
            // No attempt polled the body when the timeout passed, so the gateway did not wait for the client
            // then. That happens between two attempts.
            *running = None;
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            BodySource::Client(body) => body.is_end_stream(),
            BodySource::Replay(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            BodySource::Client(body) => body.size_hint(),
            BodySource::Replay(body) => body.size_hint(),
        }
    }
}

/// The client sent no part of its body for the body timeout.
#[derive(Debug, thiserror::Error)]
#[error("the client did not send its body")]
struct BodyTimedOut;

/// A task that waits for a timeout polls it within this time after it has passed.
const MAX_WAKE_DELAY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// The future of each request has room for a body.
    #[test]
    fn a_replay_does_not_enlarge_the_body() {
        assert_eq!(size_of::<BodySource>(), size_of::<Incoming>());
    }
}
