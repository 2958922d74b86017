//! What the attempts of one session share: the caller's body, and the frames read from it so far.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_retry::BodyState;

use crate::BoxError;

pub(super) struct Source<B> {
    live: Live<B>,
    /// What was read from `live`, from the start. Empty once it would have been more than the limit.
    kept: VecDeque<Kept>,
    keeping: Keeping,
    /// The attempt that owns the source, counted by [`take_over`](Self::take_over), and the next kept frame
    /// that it reads. Past the last of them it reads `live`.
    reader: u32,
    position: usize,
    waiting: Option<Waker>,
}

/// The part of the body that nobody has read.
enum Live<B> {
    Open(Pin<Box<B>>),
    Ended,
    Failed,
}

/// What becomes of the frames that are read.
enum Keeping {
    /// They are kept, and there is room for so many bytes more.
    Within(usize),
    /// There were too many to keep.
    TooLarge,
    /// No attempt will follow; what is still kept is for the one that reads.
    Released,
}

#[derive(Clone)]
enum Kept {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl<B> Source<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(body: B, limit: usize) -> Self {
        Self {
            live: Live::Open(Box::pin(body)),
            kept: VecDeque::new(),
            keeping: Keeping::Within(limit),
            reader: 0,
            position: 0,
            waiting: None,
        }
    }

    /// Makes the caller the one who reads, from the start, and wakes the one before so that it notices.
    pub(super) fn take_over(&mut self) -> u32 {
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
        self.reader += 1;
        self.position = 0;
        self.reader
    }

    pub(super) fn state(&self) -> BodyState {
        match (&self.live, &self.keeping) {
            (Live::Failed, _) => BodyState::Failed,
            (_, Keeping::Within(_)) => BodyState::Replayable,
            (_, Keeping::TooLarge | Keeping::Released) => BodyState::TooLarge,
        }
    }

    pub(super) fn poll_frame(
        &mut self,
        reader: u32,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if reader != self.reader {
            return Poll::Ready(Some(Err(TakenOver.into())));
        }
        if let Some(frame) = self.next_kept() {
            return Poll::Ready(Some(Ok(frame.into())));
        }
        let Live::Open(body) = &mut self.live else {
            return Poll::Ready(None);
        };
        let Poll::Ready(read) = body.as_mut().poll_frame(cx) else {
            self.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        };
        Poll::Ready(match read {
            Some(Ok(frame)) => Some(Ok(self.keep(frame))),
            Some(Err(error)) => {
                self.live = Live::Failed;
                self.forget();
                Some(Err(error.into()))
            }
            None => {
                self.live = Live::Ended;
                None
            }
        })
    }

    pub(super) fn is_end_stream(&self, reader: u32) -> bool {
        let live_ended = match &self.live {
            Live::Open(body) => body.is_end_stream(),
            Live::Ended => true,
            Live::Failed => false,
        };
        live_ended && reader == self.reader && self.unread().next().is_none()
    }

    pub(super) fn size_hint(&self, reader: u32) -> SizeHint {
        if reader != self.reader {
            return SizeHint::default();
        }
        let kept: u64 = self.unread().map(Kept::data_len).sum();
        let live = match &self.live {
            Live::Open(body) => body.size_hint(),
            Live::Ended | Live::Failed => SizeHint::with_exact(0),
        };
        let mut size = SizeHint::new();
        size.set_lower(live.lower().saturating_add(kept));
        if let Some(upper) = live.upper().and_then(|upper| upper.checked_add(kept)) {
            size.set_upper(upper);
        }
        size
    }

    /// The kept frames that the reader has before it.
    fn unread(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter().skip(self.position)
    }

    fn next_kept(&mut self) -> Option<Kept> {
        if matches!(self.keeping, Keeping::Released) {
            return self.kept.pop_front();
        }
        let frame = self.kept.get(self.position).cloned()?;
        self.position += 1;
        Some(frame)
    }

    /// Remembers a frame that was read from `live`, or forgets them all where it does not fit: half a body is
    /// no use.
    fn keep(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        let Keeping::Within(room) = self.keeping else {
            return frame;
        };
        let frame = Kept::from(frame);
        match room.checked_sub(frame.len()) {
            Some(room) => {
                self.keeping = Keeping::Within(room);
                self.kept.push_back(frame.clone());
                self.position = self.kept.len();
            }
            None => {
                self.keeping = Keeping::TooLarge;
                self.forget();
            }
        }
        frame.into()
    }

    fn forget(&mut self) {
        self.kept = VecDeque::new();
        self.position = 0;
    }
}

impl<B> Source<B> {
    /// No attempt will follow the one that reads. What it has read is freed, and the rest as it reads on.
    pub(super) fn release(&mut self) {
        self.keeping = Keeping::Released;
        self.kept.drain(..self.position);
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
            Err(frame) => Self::Trailers(frame.into_trailers().unwrap_or_default()),
        }
    }
}

impl From<Kept> for Frame<Bytes> {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Data(data) => Self::data(data),
            Kept::Trailers(trailers) => Self::trailers(trailers),
        }
    }
}

/// What an attempt reads when a later one has taken the body over.
#[derive(Debug)]
struct TakenOver;

impl fmt::Display for TakenOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a later attempt has taken over the request body")
    }
}

impl std::error::Error for TakenOver {}
