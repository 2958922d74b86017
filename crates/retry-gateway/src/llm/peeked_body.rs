//! A body whose beginning was read before anybody asked for it.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::time::pooled_timeout::Alarms;

/// A response body that may have been looked at. Most were not, and pay for one branch.
pub(crate) enum Cared<B: Body> {
    Whole(B),
    Begun(Box<Begun<B>>),
}

/// What was read of a body, and the rest of it.
pub(crate) struct Begun<B: Body> {
    read: VecDeque<Frame<B::Data>>,
    /// How reading ended, if it did.
    end: Option<Result<(), B::Error>>,
    rest: B,
}

/// What came next.
pub(super) enum More<'a> {
    Data(&'a [u8]),
    /// There is no more, and there was no error.
    End,
}

impl<B> Begun<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    pub(super) fn new(rest: B) -> Self {
        Self { read: VecDeque::new(), end: None, rest }
    }

    /// Whether all of it was read.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.end, Some(Ok(())))
    }

    /// Reads until `enough` says so, at most so many bytes, and until then. Whether `enough` has said so.
    pub(super) async fn read(
        &mut self,
        most: usize,
        until: Instant,
        alarms: &Alarms,
        mut enough: impl FnMut(More<'_>) -> bool,
    ) -> bool {
        let mut left = most;
        let reading = std::future::poll_fn(|cx| self.poll_read(cx, &mut left, &mut enough));
        alarms.within(until, reading).await.unwrap_or(false)
    }

    /// Reads until `enough` says so, which is shown `left` bytes at most. Whether it has said so.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        left: &mut usize,
        enough: &mut impl FnMut(More<'_>) -> bool,
    ) -> Poll<bool> {
        loop {
            let frame = match ready!(Pin::new(&mut self.rest).poll_frame(cx)) {
                None => {
                    self.end = Some(Ok(()));
                    return Poll::Ready(enough(More::End));
                }
                Some(Err(error)) => {
                    self.end = Some(Err(error));
                    return Poll::Ready(false);
                }
                Some(Ok(frame)) => frame,
            };
            let shown = frame.data_ref().map_or(&[][..], |data| &data[..data.len().min(*left)]);
            let is_all = frame.data_ref().is_none_or(|data| data.len() == shown.len());
            let is_enough = enough(More::Data(shown));
            // An empty frame counts too, or a body of nothing else would never end.
            *left = left.saturating_sub(shown.len().max(1));
            self.read.push_back(frame);
            if is_enough || !is_all || *left == 0 {
                return Poll::Ready(is_enough);
            }
        }
    }
}

impl<B> Cared<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// Reads it to its end, if that comes within so many bytes and until then. Whether it did: nothing is lost of one
    /// that goes on.
    pub(crate) async fn gather(self, most: usize, until: Instant, alarms: &Alarms) -> (Self, bool) {
        let mut begun = match self {
            Self::Whole(body) => Box::new(Begun::new(body)),
            Self::Begun(begun) => begun,
        };
        // What ends just there has no more.
        let most = most.saturating_add(1);
        let is_all =
            begun.has_ended() || begun.read(most, until, alarms, |more| matches!(more, More::End)).await;
        (Self::Begun(begun), is_all)
    }
}

impl<B: Body> Cared<B> {
    /// Puts frames back that were read from the start of this body. `has_ended` says that they are all of it.
    pub(crate) fn put_back(self, mut frames: VecDeque<Frame<B::Data>>, has_ended: bool) -> Self {
        let mut begun = match self {
            Self::Whole(rest) => Box::new(Begun { read: VecDeque::new(), end: None, rest }),
            Self::Begun(begun) => begun,
        };
        frames.append(&mut begun.read);
        begun.read = frames;
        if has_ended {
            begun.end = Some(Ok(()));
        }
        Self::Begun(begun)
    }
}

impl<B> Body for Cared<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let begun = match self.get_mut() {
            Self::Whole(body) => return Pin::new(body).poll_frame(cx),
            Self::Begun(begun) => begun,
        };
        if let Some(frame) = begun.read.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match begun.end.take() {
            None => Pin::new(&mut begun.rest).poll_frame(cx),
            Some(end) => {
                begun.end = Some(Ok(()));
                Poll::Ready(end.err().map(Err))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Begun(begun) => {
                let has_ended = match &begun.end {
                    Some(end) => end.is_ok(),
                    None => begun.rest.is_end_stream(),
                };
                begun.read.is_empty() && has_ended
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        let begun = match self {
            Self::Whole(body) => return body.size_hint(),
            Self::Begun(begun) => begun,
        };
        let read = begun.read.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum::<u64>();
        let rest = begun.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<B: Body> fmt::Debug for Cared<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames = match self {
            Self::Whole(_) => 0,
            Self::Begun(begun) => begun.read.len(),
        };
        f.debug_struct("Cared").field("frames", &frames).finish_non_exhaustive()
    }
}
