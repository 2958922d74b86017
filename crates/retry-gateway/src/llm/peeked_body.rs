//! A body whose start the gateway has read before the client gets it.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::time::pooled_timeout::TimerPool;

/// A response body whose start may have been read. Most bodies are unread and cost one branch.
pub(crate) enum MaybePeeked<B: Body> {
    Unread(B),
    Peeked(Box<PeekedBody<B>>),
}

/// The frames that were read of a body, and the rest of it.
pub(crate) struct PeekedBody<B: Body> {
    frames: VecDeque<Frame<B::Data>>,
    /// The end of the body or its error, once reading has met it.
    end: Option<Result<(), B::Error>>,
    rest: B,
}

/// The next part of a body.
pub(super) enum Chunk<'a> {
    Data(&'a [u8]),
    /// The body ended without an error.
    End,
}

impl<B> PeekedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    pub(super) fn new(rest: B) -> Self {
        Self { frames: VecDeque::new(), end: None, rest }
    }

    /// Returns true if the whole body has been read.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.end, Some(Ok(())))
    }

    /// Reads until `observe` returns true, `max_bytes` are read, or the deadline has passed. Returns true in the first
    /// case.
    pub(super) async fn read(
        &mut self,
        max_bytes: usize,
        deadline: Instant,
        timers: &Alarms,
        mut observe: impl FnMut(Chunk<'_>) -> bool,
    ) -> bool {
        let mut left = max_bytes;
        let reading = std::future::poll_fn(|cx| self.poll_read(cx, &mut left, &mut observe));
        timers.within(deadline, reading).await.unwrap_or(false)
    }

    /// Reads until `observe`, which sees at most `left` bytes, returns true. Returns its last answer.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        left: &mut usize,
        observe: &mut impl FnMut(Chunk<'_>) -> bool,
    ) -> Poll<bool> {
        loop {
            let frame = match ready!(Pin::new(&mut self.rest).poll_frame(cx)) {
                None => {
                    self.end = Some(Ok(()));
                    return Poll::Ready(observe(Chunk::End));
                }
                Some(Err(error)) => {
                    self.end = Some(Err(error));
                    return Poll::Ready(false);
                }
                Some(Ok(frame)) => frame,
            };
            let shown = frame.data_ref().map_or(&[][..], |data| &data[..data.len().min(*left)]);
            let is_all = frame.data_ref().is_none_or(|data| data.len() == shown.len());
            let is_done = observe(Chunk::Data(shown));
            // An empty frame counts too, or a body of nothing else would never end.
            *left = left.saturating_sub(shown.len().max(1));
            self.frames.push_back(frame);
            if is_done || !is_all || *left == 0 {
                return Poll::Ready(is_done);
            }
        }
    }
}

impl<B> MaybePeeked<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// Reads the body to its end, or up to `max_bytes` or the deadline. Returns true if it has met the end. The body
    /// still has all of its frames.
    pub(crate) async fn read_to_end(
        self,
        max_bytes: usize,
        deadline: Instant,
        timers: &Alarms,
    ) -> (Self, bool) {
        let mut peeked = match self {
            Self::Unread(body) => Box::new(PeekedBody::new(body)),
            Self::Peeked(peeked) => peeked,
        };
        // A body of exactly `max_bytes` shows its end only when one more byte is allowed.
        let max_bytes = max_bytes.saturating_add(1);
        let is_all = peeked.has_ended()
            || peeked.read(max_bytes, deadline, timers, |chunk| matches!(chunk, Chunk::End)).await;
        (Self::Peeked(peeked), is_all)
    }
}

impl<B> Body for MaybePeeked<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let peeked = match self.get_mut() {
            Self::Unread(body) => return Pin::new(body).poll_frame(cx),
            Self::Peeked(peeked) => peeked,
        };
        if let Some(frame) = peeked.frames.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match peeked.end.take() {
            None => Pin::new(&mut peeked.rest).poll_frame(cx),
            Some(end) => {
                peeked.end = Some(Ok(()));
                Poll::Ready(end.err().map(Err))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Unread(body) => body.is_end_stream(),
            Self::Peeked(peeked) => {
                let has_ended = match &peeked.end {
                    Some(end) => end.is_ok(),
                    None => peeked.rest.is_end_stream(),
                };
                peeked.frames.is_empty() && has_ended
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        let peeked = match self {
            Self::Unread(body) => return body.size_hint(),
            Self::Peeked(peeked) => peeked,
        };
        let read =
            peeked.frames.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum::<u64>();
        let rest = peeked.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<B: Body> fmt::Debug for MaybePeeked<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames = match self {
            Self::Unread(_) => 0,
            Self::Peeked(peeked) => peeked.frames.len(),
        };
        f.debug_struct("MaybePeeked").field("frames", &frames).finish_non_exhaustive()
    }
}
