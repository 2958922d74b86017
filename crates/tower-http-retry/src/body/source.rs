//! What the attempts of one session share: the caller's body, and the frames read from it so far.

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
    /// What was read from `live`, from the start; empty once it would have been more than `limit`.
    kept: Vec<Kept>,
    room: Option<usize>,
    /// The attempt that owns the source, counted by [`take_over`](Self::take_over).
    reader: u32,
    waiting: Option<Waker>,
}

/// The part of the body that nobody has read.
enum Live<B> {
    Open(Pin<Box<B>>),
    Ended,
    Failed,
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
            kept: Vec::new(),
            room: Some(limit),
            reader: 0,
            waiting: None,
        }
    }

    /// Makes the caller the one who may read, and wakes the one before so that it notices.
    pub(super) fn take_over(&mut self) -> u32 {
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
        self.reader += 1;
        self.reader
    }

    pub(super) fn state(&self) -> BodyState {
        match (&self.live, self.room) {
            (Live::Failed, _) => BodyState::Failed,
            (_, None) => BodyState::TooLarge,
            (_, Some(_)) => BodyState::Replayable,
        }
    }

    pub(super) fn poll_frame(
        &mut self,
        reader: u32,
        position: &mut usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if reader != self.reader {
            return Poll::Ready(Some(Err(TakenOver.into())));
        }
        if let Some(frame) = self.kept.get(*position) {
            *position += 1;
            return Poll::Ready(Some(Ok(frame.clone().into())));
        }
        let Live::Open(body) = &mut self.live else {
            return Poll::Ready(None);
        };
        let read = match body.as_mut().poll_frame(cx) {
            Poll::Ready(read) => read,
            Poll::Pending => {
                self.waiting = Some(cx.waker().clone());
                return Poll::Pending;
            }
        };
        Poll::Ready(match read {
            None => {
                self.live = Live::Ended;
                None
            }
            Some(Err(error)) => {
                self.live = Live::Failed;
                self.forget();
                Some(Err(error.into()))
            }
            Some(Ok(frame)) => {
                let (kept, frame) = Kept::split(frame);
                self.keep(kept);
                *position = self.kept.len();
                Some(Ok(frame))
            }
        })
    }

    pub(super) fn is_end_stream(&self, position: usize) -> bool {
        let live_ended = match &self.live {
            Live::Open(body) => body.is_end_stream(),
            Live::Ended => true,
            Live::Failed => false,
        };
        live_ended && position >= self.kept.len()
    }

    pub(super) fn size_hint(&self, position: usize) -> SizeHint {
        let unread = self.kept.get(position..).unwrap_or_default();
        let kept: u64 = unread.iter().map(Kept::data_len).sum();
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

    /// Remembers a frame, or forgets them all where it does not fit: half a body is no use.
    fn keep(&mut self, frame: Kept) {
        match self.room.and_then(|room| room.checked_sub(frame.len())) {
            Some(room) => {
                self.room = Some(room);
                self.kept.push(frame);
            }
            None => self.forget(),
        }
    }

    fn forget(&mut self) {
        self.room = None;
        self.kept = Vec::new();
    }
}

impl Kept {
    fn split(frame: Frame<Bytes>) -> (Self, Frame<Bytes>) {
        let kept = match frame.into_data() {
            Ok(data) => Self::Data(data),
            Err(frame) => Self::Trailers(frame.into_trailers().unwrap_or_default()),
        };
        (kept.clone(), kept.into())
    }

    fn data_len(&self) -> u64 {
        match self {
            Self::Data(data) => data.len() as u64,
            Self::Trailers(_) => 0,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(trailers) => {
                trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
            }
        }
    }
}

impl From<Kept> for Frame<Bytes> {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Data(data) => Frame::data(data),
            Kept::Trailers(trailers) => Frame::trailers(trailers),
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
