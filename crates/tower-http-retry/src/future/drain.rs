//! Reads a failed response while the layer waits, within limits, so that its connection can be used again.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http_body::{Body, Frame};

use crate::body::response_body::ReadFrames;
use crate::config::DrainLimit;
use crate::timer::{Sleep, Timer};

/// Reads a response body to its end.
pub(super) struct Drain<D> {
    limit: DrainLimit,
    time_left: Option<Sleep>,
    read: ReadFrames<D>,
    /// The number of frames that may still be saved. A frame costs memory beyond its bytes, so many small
    /// frames must not count as almost nothing.
    frames_left: usize,
    is_complete: bool,
}

/// The result of reading a body.
pub(super) enum Drained {
    /// The body has ended, and its connection is free.
    Ended,
    /// The body was too long, took too long, or failed.
    Unfinished,
}

impl<D: Buf> Drain<D> {
    /// Creates a reader of `body`, unless the body's size hint exceeds the limit.
    pub(super) fn new(body: &impl Body, limit: DrainLimit) -> Option<Self> {
        let is_short = body.size_hint().lower() <= limit.bytes as u64;
        is_short.then(|| Self {
            limit,
            time_left: None,
            read: ReadFrames { frames: VecDeque::new(), has_ended: false },
            frames_left: limit.bytes / 256 + 1_024,
            is_complete: true,
        })
    }

    /// Continues to read `body`, which is not polled again once it has ended.
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
                    self.save(frame);
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

    /// Returns true if every frame that was read is saved.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Returns the frames that were read.
    pub(super) fn into_frames(self) -> ReadFrames<D> {
        self.read
    }

    fn save(&mut self, frame: Frame<D>) {
        match self.frames_left.checked_sub(1) {
            Some(left) => {
                self.frames_left = left;
                self.read.frames.push_back(frame);
            }
            None => {
                self.is_complete = false;
                self.read.frames.clear();
            }
        }
    }
}
