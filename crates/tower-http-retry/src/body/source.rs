//! What the attempts of one session share: the caller's body, and the frames read from it so far.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_retry::BodyState;

use super::boxed;
use super::memory::Share;
use crate::BoxError;
use crate::bounds::BytesBody;

pub(super) struct Source<B> {
    live: Live<B>,
    /// Whether the body announced its size from the start. Where it did not, no attempt does: HTTP/1.1 would
    /// send the first in chunks and a later one, of which all is known, without its trailers.
    announces_size: bool,
    /// What was read from `live`, from the start. Empty once it would have been more than its share.
    kept: VecDeque<Kept>,
    share: Share,
    keeping: Keeping,
    /// The attempt that owns the source, counted by [`take_over`](Self::take_over), and the next kept frame
    /// that it reads. Past the last of them it reads `live`.
    reader: u32,
    has_reader: bool,
    /// Whether that one asked for the body.
    is_asked: bool,
    position: usize,
    waiting: Option<Waker>,
    spent: Spent<B>,
}

/// Values that a source is done with. They belong to the caller, and dropping one runs code that may come back to this
/// source, so they are dropped once the source is no longer locked.
pub(super) struct Spent<B> {
    body: Option<Pin<Box<B>>>,
    frames: VecDeque<Kept>,
}

impl<B> Default for Spent<B> {
    fn default() -> Self {
        Self { body: None, frames: VecDeque::new() }
    }
}

/// The part of the body that nobody has read.
enum Live<B> {
    Open(Pin<Box<B>>),
    Ended,
    Failed,
}

/// What becomes of the frames that are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeping {
    /// They are kept.
    All,
    /// There was no room for all of them, so none is.
    TooLarge,
    /// No attempt will follow; what is still kept is for the one that reads.
    Released,
}

#[derive(Clone)]
enum Kept {
    Data(Bytes),
    /// Boxed, since most bodies have none, and every kept frame would be as large.
    Trailers(Box<HeaderMap>),
}

impl<B> Source<B>
where
    B: BytesBody,
{
    pub(super) fn new(body: B, share: Share) -> Self {
        Self {
            announces_size: body.size_hint().exact().is_some(),
            live: Live::Open(Box::pin(body)),
            // One frame there will be, and mostly no fifth.
            kept: VecDeque::with_capacity(4),
            share,
            keeping: Keeping::All,
            reader: 0,
            has_reader: false,
            is_asked: false,
            position: 0,
            waiting: None,
            spent: Spent::default(),
        }
    }

    /// Makes the caller the one who reads, from the start. The waker is of the one before, who is to notice;
    /// it must be woken when the source is no longer locked.
    pub(super) fn take_over(&mut self) -> (u32, Option<Waker>) {
        self.has_reader = true;
        self.is_asked = false;
        self.reader += 1;
        self.position = 0;
        (self.reader, self.waiting.take())
    }

    /// Makes nobody the one who reads, until somebody takes over.
    pub(super) fn take_back(&mut self) -> Option<Waker> {
        let (_, waiting) = self.take_over();
        self.has_reader = false;
        waiting
    }

    /// The attempt asks for the body, unless another one owns it now.
    pub(super) fn mark_polled(&mut self, reader: u32) {
        self.is_asked |= reader == self.reader && self.has_reader;
    }

    pub(super) fn is_asked(&self) -> bool {
        self.is_asked
    }

    pub(super) fn state(&self) -> BodyState {
        match (&self.live, &self.keeping) {
            (Live::Failed, _) => BodyState::Failed,
            (_, Keeping::All) => BodyState::Replayable,
            (_, Keeping::TooLarge | Keeping::Released) => BodyState::TooLarge,
        }
    }

    pub(super) fn poll_frame(
        &mut self,
        reader: u32,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if reader != self.reader {
            return Poll::Ready(Some(Err(Unreadable::TakenOver.into())));
        }
        self.mark_polled(reader);
        if let Some(frame) = self.next_kept() {
            return Poll::Ready(Some(Ok(frame.into())));
        }
        // Failed, unless it turns out otherwise: a body that panics stays so.
        let mut body = match mem::replace(&mut self.live, Live::Failed) {
            Live::Open(body) => body,
            Live::Failed => return Poll::Ready(Some(Err(Unreadable::HasFailed.into()))),
            Live::Ended => {
                self.live = Live::Ended;
                return Poll::Ready(None);
            }
        };
        let Poll::Ready(read) = body.as_mut().poll_frame(cx) else {
            self.live = Live::Open(body);
            return Poll::Pending;
        };
        Poll::Ready(match read {
            Some(Ok(frame)) => {
                self.live = Live::Open(body);
                Some(Ok(self.keep(frame)))
            }
            Some(Err(error)) => {
                self.spent.body = Some(body);
                self.forget();
                Some(Err(boxed(error)))
            }
            None => {
                self.spent.body = Some(body);
                self.live = Live::Ended;
                None
            }
        })
    }

    /// Remembers whom to wake when another attempt takes over, and returns the waker that was remembered before. Where
    /// that has happened already, the error is what the reader gets. Neither waker is dropped here, because the source is
    /// locked.
    pub(super) fn wait(&mut self, reader: u32, waker: Waker) -> (Option<Waker>, Result<(), BoxError>) {
        if reader == self.reader {
            (self.waiting.replace(waker), Ok(()))
        } else {
            (Some(waker), Err(Unreadable::TakenOver.into()))
        }
    }

    pub(super) fn is_end_stream(&self, reader: u32) -> bool {
        let live_ended = match &self.live {
            Live::Open(body) => body.is_end_stream(),
            Live::Ended => true,
            Live::Failed => false,
        };
        live_ended && reader == self.reader && self.position >= self.kept.len()
    }

    pub(super) fn size_hint(&self, reader: u32) -> SizeHint {
        if reader != self.reader {
            return SizeHint::default();
        }
        let kept: u64 = self.unread().map(Kept::data_len).sum();
        let live = match &self.live {
            Live::Open(body) => body.size_hint(),
            Live::Ended => SizeHint::with_exact(0),
            Live::Failed => SizeHint::default(),
        };
        let lower = live.lower().saturating_add(kept);
        let upper = live.upper().and_then(|upper| upper.checked_add(kept));
        let mut size = SizeHint::new();
        size.set_lower(lower);
        if let Some(upper) = upper.filter(|&upper| self.announces_size || upper != lower) {
            size.set_upper(upper);
        }
        size
    }

    /// The kept frames that the reader has before it.
    fn unread(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter().skip(self.position)
    }

    fn next_kept(&mut self) -> Option<Kept> {
        if self.keeping == Keeping::Released {
            let frame = self.kept.pop_front()?;
            self.share.shrink(frame.len());
            return Some(frame);
        }
        let frame = self.kept.get(self.position).cloned()?;
        self.position += 1;
        Some(frame)
    }

    /// Remembers a frame that was read from `live`, or forgets them all where it does not fit: half a body is
    /// no use.
    fn keep(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        // An empty frame says nothing, and a body may hold any number of them.
        let is_empty = frame.data_ref().is_some_and(Bytes::is_empty);
        if self.keeping != Keeping::All || is_empty {
            return frame;
        }
        let frame = Kept::from(frame);
        if self.kept.len() < self.share.frames() && self.share.grow(frame.len()) {
            self.kept.push_back(frame.clone());
            self.position = self.kept.len();
        } else {
            self.keeping = Keeping::TooLarge;
            self.forget();
        }
        frame.into()
    }

    fn forget(&mut self) {
        self.position = self.kept.len();
        self.free_what_was_read();
    }
}

impl<B> Source<B> {
    /// No attempt will follow the one that reads. What it has read is freed, and the rest as it reads on; all of
    /// it at once where nobody reads.
    pub(super) fn release(&mut self) {
        self.keeping = Keeping::Released;
        if !self.has_reader {
            if let Live::Open(body) = mem::replace(&mut self.live, Live::Failed) {
                self.spent.body = Some(body);
            }
            self.position = self.kept.len();
        }
        self.free_what_was_read();
    }

    /// Hands over what is to be dropped once this is no longer locked.
    pub(super) fn take_spent(&mut self) -> Spent<B> {
        mem::take(&mut self.spent)
    }

    fn free_what_was_read(&mut self) {
        let unread = self.kept.split_off(self.position);
        let read = mem::replace(&mut self.kept, unread);
        self.share.shrink(read.iter().map(Kept::len).sum());
        // There are none yet: this happens at most once between two calls of `take_spent`.
        self.spent.frames = read;
        self.position = 0;
    }
}

impl Kept {
    fn data_len(&self) -> u64 {
        match self {
            Self::Data(data) => data.len() as u64,
            Self::Trailers(_) => 0,
        }
    }

    /// What it counts towards the limit.
    fn len(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(trailers) => {
                trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
            }
        }
    }
}

impl From<Frame<Bytes>> for Kept {
    fn from(frame: Frame<Bytes>) -> Self {
        match frame.into_data() {
            Ok(data) => Self::Data(data),
            // A frame that is not data is trailers: there is no third kind.
            Err(frame) => Self::Trailers(Box::new(frame.into_trailers().unwrap_or_default())),
        }
    }
}

impl From<Kept> for Frame<Bytes> {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Data(data) => Self::data(data),
            Kept::Trailers(trailers) => Self::trailers(*trailers),
        }
    }
}

/// The reason for which an attempt cannot read the body.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("a later attempt has taken over the request body")]
    TakenOver,
    #[error("the request body has failed before")]
    HasFailed,
}
