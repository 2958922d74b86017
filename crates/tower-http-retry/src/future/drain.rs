//! What is left of a failed response is read, within limits, so that its connection can be used again.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use http_body::Body;

use crate::timer::{Sleep, Timer};

/// How much of a failed response is read, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrainLimit {
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
}

/// A response body that is being read to its end.
pub(super) struct Drain {
    limit: DrainLimit,
    was_empty: bool,
    time_left: Option<Sleep>,
}

/// What came of it.
pub(super) enum Drained {
    /// The body has ended, and its connection is free.
    Ended { was_empty: bool },
    /// There was too much of it, it took too long, or it failed.
    Unfinished,
}

impl Drain {
    /// `None` for a body that says itself that it is too long.
    pub(super) fn of(body: &impl Body, limit: DrainLimit) -> Option<Self> {
        let is_short = body.size_hint().lower() <= limit.bytes as u64;
        is_short.then_some(Self { limit, was_empty: true, time_left: None })
    }

    /// Reads `body` on.
    pub(super) fn poll<R>(&mut self, body: &mut R, timer: &dyn Timer, cx: &mut Context<'_>) -> Poll<Drained>
    where
        R: Body + Unpin,
    {
        while !body.is_end_stream() {
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(None) => break,
                Poll::Ready(Some(Ok(frame))) => {
                    // An empty frame counts too, or a body of nothing else would never end.
                    let len = frame.data_ref().map_or(0, Buf::remaining).max(1);
                    self.was_empty = false;
                    match self.limit.bytes.checked_sub(len) {
                        Some(left) => self.limit.bytes = left,
                        None => return Poll::Ready(Drained::Unfinished),
                    }
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Drained::Unfinished),
                Poll::Pending => {
                    let time = self.limit.time;
                    let time_left = self.time_left.get_or_insert_with(|| timer.sleep(time));
                    return time_left.as_mut().poll(cx).map(|()| Drained::Unfinished);
                }
            }
        }
        Poll::Ready(Drained::Ended { was_empty: self.was_empty })
    }
}
