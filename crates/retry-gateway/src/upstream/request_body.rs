//! The body of a client's request, for which nobody waits forever.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;
use tower_http_retry::{BoxError, ReplayBody};

use crate::telemetry::request_log::Trail;
use crate::time::pooled_timeout::{PooledTimeout, TimerPool};

/// How long is waited for the next piece of a body.
#[derive(Debug)]
pub(crate) struct Uploads {
    pub(crate) alarms: TimerPool,
    pub(crate) timeout: Duration,
}

/// A request body that fails when its client sends nothing for too long.
#[derive(Debug)]
pub(crate) struct Upload {
    body: Source,
    /// `None` where there is nothing to wait for.
    patience: Option<(Arc<Uploads>, RequestLog)>,
    /// While nothing comes. Boxed, because mostly it comes at once.
    alarm: Option<Box<(Instant, PooledTimeout)>>,
}

/// Where it comes from.
#[derive(Debug)]
enum Source {
    /// The client.
    Client(Incoming),
    /// Another one, which waits for the client, and of which there may be several. Boxed, so that it is not the size of it
    /// that counts.
    Kept(Box<ReplayBody<Upload>>),
}

impl Upload {
    pub(crate) fn new(body: Incoming, uploads: &Arc<Uploads>, request_log: &RequestLog) -> Self {
        let patience = (!body.is_end_stream()).then(|| (Arc::clone(uploads), request_log.clone()));
        Self { body: Source::Client(body), patience, alarm: None }
    }

    /// One that somebody else keeps.
    pub(crate) fn again(body: ReplayBody<Self>) -> Self {
        Self { body: Source::Kept(Box::new(body)), patience: None, alarm: None }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { body, patience, alarm } = &mut *self;
        let body = match body {
            Source::Client(body) => body,
            Source::Kept(body) => return Pin::new(body).poll_frame(cx),
        };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            *alarm = None;
            if let (Some(Err(_)), Some((_, request_log))) = (&frame, &patience) {
                request_log.set_body_aborted();
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Some((uploads, request_log)) = patience else { return Poll::Pending };
        loop {
            let (at, waiting) = &mut **alarm.get_or_insert_with(|| {
                let at = Instant::now() + uploads.timeout;
                Box::new((at, uploads.alarms.sleep_until(at)))
            });
            if Pin::new(waiting).poll(cx).is_pending() {
                return Poll::Pending;
            }
            if at.elapsed() < MISSED {
                request_log.set_body_timed_out();
                return Poll::Ready(Some(Err(Stalled.into())));
            }
            // Nobody was there when it went off, so nobody waited for the client: that was between two attempts.
            *alarm = None;
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Source::Client(body) => body.is_end_stream(),
            Source::Kept(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Source::Client(body) => body.size_hint(),
            Source::Kept(body) => body.size_hint(),
        }
    }
}

/// The client does not send the rest.
#[derive(Debug)]
struct Stalled;

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client did not send its body")
    }
}

impl Error for Stalled {}

/// Who waits for an alarm is there before that.
const MISSED: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// Each request's future has room for it.
    #[test]
    fn one_that_is_kept_makes_none_larger() {
        assert_eq!(size_of::<Source>(), size_of::<Incoming>());
    }
}
