//! A failed response is read while the layer waits, within limits, so that its connection can be used again.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use http_body::{Body, Frame};

use crate::body::response_body::ReadFrames;
use crate::timer::{Sleep, Timer};

/// How much of a failed response is read, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrainLimit {
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
}

/// A response body that is being read to its end.
pub(super) struct Drain<D> {
    limit: DrainLimit,
    time_left: Option<Sleep>,
    read: ReadFrames<D>,
    /// How many frames more are kept. One costs memory beyond its bytes, so that many small ones must not pass for little.
    room: usize,
    has_room: bool,
}

/// How far a body was read.
pub(super) enum Drained {
    /// The body has ended, and its connection is free.
    Ended,
    /// There was too much of it, it took too long, or it failed.
    Unfinished,
}

impl<D: Buf> Drain<D> {
    /// `None` for a body that says itself that it is too long.
    pub(super) fn of(body: &impl Body, limit: DrainLimit) -> Option<Self> {
        let is_short = body.size_hint().lower() <= limit.bytes as u64;
        is_short.then(|| Self {
            limit,
            time_left: None,
            read: ReadFrames { frames: VecDeque::new(), has_ended: false },
            room: limit.bytes / 256 + 1_024,
            has_room: true,
        })
    }

    /// Reads `body` on. It is not polled again once it has ended.
    pub(super) fn poll<R>(&mut self, body: &mut R, timer: &dyn Timer, cx: &mut Context<'_>) -> Poll<Drained>
    where
        R: Body<Data = D> + Unpin,
    {
        while !self.read.has_ended && !body.is_end_stream() {
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(None) => break,
                Poll::Ready(Some(Ok(frame))) => {
                    // An empty frame counts too, or a body of nothing else would never end.
                    let len = frame.data_ref().map_or(0, Buf::remaining).max(1);
                    match self.limit.bytes.checked_sub(len) {
                        Some(left) => self.limit.bytes = left,
                        None => return Poll::Ready(Drained::Unfinished),
                    }
                    self.keep(frame);
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Drained::Unfinished),
                Poll::Pending => {
                    let time = self.limit.time;
                    let time_left = self.time_left.get_or_insert_with(|| timer.sleep(time));
                    return time_left.as_mut().poll(cx).map(|()| Drained::Unfinished);
                }
            }
        }
        self.read.has_ended = true;
        self.time_left = None;
        Poll::Ready(Drained::Ended)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.read.has_ended
    }

    /// Whether all that was read is kept.
    pub(super) fn is_whole(&self) -> bool {
        self.has_room
    }

    /// The frames that were read.
    pub(super) fn into_read(self) -> ReadFrames<D> {
        self.read
    }

    fn keep(&mut self, frame: Frame<D>) {
        match self.room.checked_sub(1) {
            Some(room) => {
                self.room = room;
                self.read.frames.push_back(frame);
            }
            None => {
                self.has_room = false;
                self.read.frames.clear();
            }
        }
    }
}
