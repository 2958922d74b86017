//! A body whose start the gateway has read before the client gets it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{fmt, mem};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::broken_stream::StreamEnd;
use crate::time::pooled_timeout::TimerPool;

/// A response body whose start may have been read. Most bodies are unread and cost one branch.
pub(crate) enum MaybePeeked<B: Body> {
    Unread(B),
    Peeked(Box<PeekedBody<B>>),
}

/// The frames that were read of a body, and the rest of it.
pub(crate) struct PeekedBody<B: Body> {
    /// The first frame, which needs no allocation: mostly there is no other.
    first: Option<Frame<B::Data>>,
    /// The frames behind it. The list is empty if there is no first one.
    frames: VecDeque<Frame<B::Data>>,
    /// The end of the body or its error, once reading has met it.
    end: Option<Result<(), B::Error>>,
    rest: B,
    /// Set for a stream whose client can be told in its API's form that it broke off.
    stream: Option<StreamEnd>,
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
        Self { first: None, frames: VecDeque::new(), end: None, rest, stream: None }
    }

    /// Follows the body as a stream.
    pub(super) fn follow(&mut self, stream: StreamEnd) {
        self.stream = Some(stream);
    }

    /// Returns true if the whole body has been read.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.end, Some(Ok(())))
    }

    /// Takes the error that ended the body while it was read.
    pub(super) fn take_error(&mut self) -> Option<B::Error> {
        self.end.take_if(|end| end.is_err())?.err()
    }

    /// Reads until `observe` returns true, `max_bytes` are read, or the deadline has passed. Returns true in the first
    /// case.
    pub(super) async fn read(
        &mut self,
        max_bytes: usize,
        deadline: Instant,
        timers: &TimerPool,
        mut observe: impl FnMut(Chunk<'_>) -> bool,
    ) -> bool {
        let mut left = max_bytes;
        let reading = std::future::poll_fn(|cx| self.poll_read(cx, &mut left, &mut observe));
        timers.timeout_at(deadline, reading).await.unwrap_or(false)
    }

    /// Reads until `observe`, which sees at most `left` bytes, returns true. Returns its last answer.
    pub(super) fn poll_read(
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
            match self.first {
                None => self.first = Some(frame),
                Some(_) => self.frames.push_back(frame),
            }
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
        timers: &TimerPool,
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

impl<B: Body> MaybePeeked<B> {
    /// Puts the first frame back, after a poll of this unread body returned it: a frame, an error, or `None` for its end.
    pub(crate) fn with_first(self, first: Option<Result<Frame<B::Data>, B::Error>>) -> Self {
        let mut frames = VecDeque::new();
        let (has_ended, error) = match first {
            Some(Ok(frame)) => {
                frames.push_back(frame);
                (false, None)
            }
            Some(Err(error)) => (false, Some(Err(error))),
            None => (true, None),
        };
        let mut body = self.put_back(frames, has_ended);
        if let (Self::Peeked(peeked), Some(_)) = (&mut body, &error) {
            peeked.end = error;
        }
        body
    }

    /// Puts frames back that were read from the start of this body. `has_ended` says that they are all of it.
    pub(crate) fn put_back(self, mut frames: VecDeque<Frame<B::Data>>, has_ended: bool) -> Self {
        let mut peeked = match self {
            Self::Unread(rest) => {
                Box::new(PeekedBody { first: None, frames: VecDeque::new(), end: None, rest, stream: None })
            }
            Self::Peeked(peeked) => peeked,
        };
        frames.extend(peeked.first.take());
        frames.append(&mut peeked.frames);
        (peeked.first, peeked.frames) = (frames.pop_front(), frames);
        if has_ended {
            peeked.end = Some(Ok(()));
        }
        Self::Peeked(peeked)
    }
}

impl<B: Body> PeekedBody<B> {
    /// Returns true if there are frames that were read and are still to come.
    pub(crate) fn has_frames(&self) -> bool {
        self.first.is_some()
    }

    fn pop_frame(&mut self) -> Option<Frame<B::Data>> {
        let next = if self.frames.is_empty() { None } else { self.frames.pop_front() };
        mem::replace(&mut self.first, next)
    }
}

/// Frames and errors are only moved out, and never pinned.
impl<B: Body + Unpin> Unpin for PeekedBody<B> {}

impl<B> Body for PeekedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let peeked = self.get_mut();
        if let Some(frame) = peeked.pop_frame() {
            if let (Some(stream), Some(data)) = (&mut peeked.stream, frame.data_ref()) {
                stream.note_seen(data);
            }
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(end) = peeked.end.take() {
            peeked.end = Some(Ok(()));
            return Poll::Ready(end.err().map(Err));
        }
        let frame = ready!(Pin::new(&mut peeked.rest).poll_frame(cx));
        let Some(stream) = &mut peeked.stream else { return Poll::Ready(frame) };
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            stream.note(data);
        }
        Poll::Ready(match frame {
            Some(Err(error)) => match stream.error_event() {
                None => Some(Err(error)),
                Some(event) => {
                    peeked.end = Some(Err(error));
                    Some(Ok(Frame::data(event)))
                }
            },
            frame => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        let has_ended = match &self.end {
            Some(end) => end.is_ok(),
            None => self.rest.is_end_stream(),
        };
        has_ended && !self.has_frames()
    }

    fn size_hint(&self) -> SizeHint {
        let frames = self.first.iter().chain(&self.frames);
        let read = frames.filter_map(Frame::data_ref).map(|data| data.len() as u64).sum::<u64>();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
            hint.set_upper(upper);
        }
        hint
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
        match self.get_mut() {
            Self::Unread(body) => Pin::new(body).poll_frame(cx),
            Self::Peeked(peeked) => Pin::new(peeked).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Unread(body) => body.is_end_stream(),
            Self::Peeked(peeked) => peeked.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Unread(body) => body.size_hint(),
            Self::Peeked(peeked) => peeked.size_hint(),
        }
    }
}

impl<B: Body> fmt::Debug for MaybePeeked<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(_) => f.debug_struct("Unread").finish_non_exhaustive(),
            Self::Peeked(peeked) => peeked.fmt(f),
        }
    }
}

impl<B: Body> fmt::Debug for PeekedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames = usize::from(self.first.is_some()) + self.frames.len();
        f.debug_struct("PeekedBody").field("frames", &frames).finish_non_exhaustive()
    }
}
