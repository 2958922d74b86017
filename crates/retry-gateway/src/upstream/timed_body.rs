//! The body of an upstream's response with a timeout for the pause between two of its pieces. It holds while the gateway
//! reads the start of a body as well as while the client reads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::time::pooled_timeout::PooledTimeout;
use crate::upstream::error::ResponseBodyError;
use crate::upstream::pool::PooledBody;
use crate::upstream::settings::AttemptSettings;

/// A response body that fails once its upstream has sent nothing for `response_idle_timeout`.
#[derive(Debug)]
pub(crate) struct TimedBody {
    body: PooledBody,
    settings: Arc<AttemptSettings>,
    /// The timeout of the current pause, from the first poll that found no piece.
    pause: Option<PooledTimeout>,
}

impl TimedBody {
    pub(crate) fn new(body: PooledBody, settings: &Arc<AttemptSettings>) -> Self {
        Self { body, settings: Arc::clone(settings), pause: None }
    }

    /// Resolves when the upstream has sent nothing for too long. A client that takes nothing of the response
    /// does not poll its body, so its own pause does not count.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { settings, pause, .. } = self;
        let Some(timeout) = settings.response_idle_timeout else { return Poll::Pending };
        let new = || settings.timers.sleep_until(Instant::now() + timeout);
        Pin::new(pause.get_or_insert_with(new)).poll(cx)
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            ready!(self.poll_pause(cx));
            return Poll::Ready(Some(Err(ResponseBodyError::IdleTimeout)));
        };
        self.pause = None;
        Poll::Ready(frame.map(|frame| frame.map_err(ResponseBodyError::Upstream)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
