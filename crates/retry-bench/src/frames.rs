//! A body that was read whole before, in frames.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Shared frames. To clone it costs next to nothing, so that peers which clone the request are not charged for its body.
#[derive(Clone, Debug)]
pub(crate) struct Frames {
    frames: Arc<[Bytes]>,
    next: usize,
}

impl Frames {
    /// `kib` KiB in frames.
    pub(crate) fn new(kib: usize) -> Self {
        let whole = Bytes::from(vec![b'x'; kib * 1_024]);
        let frames = (0..kib / 16).map(|place| whole.slice(place * FRAME..(place + 1) * FRAME)).collect();
        Self { frames, next: 0 }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.frames.get(self.next).cloned();
        self.next += 1;
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.frames.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.frames.len().saturating_sub(self.next) * FRAME) as u64)
    }
}

/// Bytes in a frame: TLS and HTTP/2 send so many at once.
pub const FRAME: usize = 16 * 1_024;
