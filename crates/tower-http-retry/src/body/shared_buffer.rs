//! The buffer that the attempts of one session share: the caller's body, and the frames read from it so far.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_retry::BodyState;

use super::buffered_frame::BufferedFrame;
use super::error::{BodyUnavailable, boxed};
use super::memory::MemoryLease;
use crate::BoxError;
use crate::bounds::BytesBody;
use crate::lock::lock;

pub(super) struct SharedBuffer<B> {
    unread: Unread<B>,
    /// True if the body announced its size from the start. If it did not, no attempt announces one: HTTP/1.1
    /// would send the first attempt in chunks, and a later attempt, whose size is known by then, without its
    /// trailers.
    announces_size: bool,
    /// The frames that were read from `unread`, from the first one on. Empty once they would have exceeded
    /// the lease.
    frames: VecDeque<BufferedFrame>,
    lease: MemoryLease,
    mode: BufferMode,
    /// The attempt that owns the buffer, as [`attach_reader`](Self::attach_reader) counts them.
    reader: u32,
    has_reader: bool,
    /// True if that attempt polled the body.
    is_polled: bool,
    /// The index of the frame that the owner reads next. Beyond the last saved frame it reads `unread`.
    position: usize,
    waiting: Option<Waker>,
    deferred: DeferredDrop<B>,
}

/// Values that the buffer no longer needs. They belong to the caller, and dropping one runs code that may
/// come back to this buffer, so they are dropped once the buffer is no longer locked.
pub(super) struct DeferredDrop<B> {
    body: Option<Pin<Box<B>>>,
    frames: VecDeque<BufferedFrame>,
}

impl<B> Default for DeferredDrop<B> {
    fn default() -> Self {
        Self { body: None, frames: VecDeque::new() }
    }
}

/// The part of the body that no attempt has read yet.
enum Unread<B> {
    Open(Pin<Box<B>>),
    Ended,
    Failed,
}

/// The rule for frames that are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BufferMode {
    /// Every frame is saved.
    All,
    /// There was no room for all frames, so none is saved.
    TooLarge,
    /// No attempt follows the current one. The frames that are still saved are for the current reader.
    Released,
}

impl<B> SharedBuffer<B>
where
    B: BytesBody,
{
    pub(super) fn new(body: B, lease: MemoryLease) -> Self {
        Self {
            announces_size: body.size_hint().exact().is_some(),
            unread: Unread::Open(Box::pin(body)),
            // The body has at least one frame, and seldom more than four.
            frames: VecDeque::with_capacity(4),
            lease,
            mode: BufferMode::All,
            reader: 0,
            has_reader: false,
            is_polled: false,
            position: 0,
            waiting: None,
            deferred: DeferredDrop::default(),
        }
    }

    /// Makes a new attempt the reader, from the first frame on, and returns its number. The returned waker
    /// belongs to the reader before it, which must notice the change; the caller wakes it once the buffer is
    /// no longer locked.
    pub(super) fn attach_reader(&mut self) -> (u32, Option<Waker>) {
        self.has_reader = true;
        self.is_polled = false;
        self.reader += 1;
        self.position = 0;
        (self.reader, self.waiting.take())
    }

    /// Removes the reader. The buffer has none until [`attach_reader`](Self::attach_reader) is called.
    pub(super) fn detach_reader(&mut self) -> Option<Waker> {
        let (_, waiting) = self.attach_reader();
        self.has_reader = false;
        waiting
    }

    /// Marks the body as polled, unless another attempt owns it now.
    pub(super) fn mark_polled(&mut self, reader: u32) {
        self.is_polled |= reader == self.reader && self.has_reader;
    }

    pub(super) fn is_polled(&self) -> bool {
        self.is_polled
    }

    /// Returns the data of the frames that are saved.
    pub(super) fn saved(&self) -> Vec<Bytes> {
        self.frames.iter().filter_map(BufferedFrame::data).cloned().collect()
    }

    pub(super) fn state(&self) -> BodyState {
        match (&self.unread, &self.mode) {
            (Unread::Failed, _) => BodyState::Failed,
            (_, BufferMode::All) => BodyState::Replayable,
            (_, BufferMode::TooLarge | BufferMode::Released) => BodyState::TooLarge,
        }
    }

    pub(super) fn poll_frame(
        &mut self,
        reader: u32,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if reader != self.reader {
            return Poll::Ready(Some(Err(BodyUnavailable::TakenOver.into())));
        }
        self.mark_polled(reader);
        if let Some(frame) = self.next_buffered() {
            return Poll::Ready(Some(Ok(frame.into())));
        }
        // The state is `Failed` while the body is polled, so that a body that panics stays failed.
        let mut body = match mem::replace(&mut self.unread, Unread::Failed) {
            Unread::Open(body) => body,
            Unread::Failed => return Poll::Ready(Some(Err(BodyUnavailable::Failed.into()))),
            Unread::Ended => {
                self.unread = Unread::Ended;
                return Poll::Ready(None);
            }
        };
        let Poll::Ready(read) = body.as_mut().poll_frame(cx) else {
            self.unread = Unread::Open(body);
            return Poll::Pending;
        };
        Poll::Ready(match read {
            Some(Ok(frame)) => {
                self.unread = Unread::Open(body);
                Some(Ok(self.save_frame(frame)))
            }
            Some(Err(error)) => {
                self.deferred.body = Some(body);
                self.discard_frames();
                Some(Err(boxed(error)))
            }
            None => {
                self.deferred.body = Some(body);
                self.unread = Unread::Ended;
                None
            }
        })
    }

    /// Saves the waker to wake when another attempt takes over, and returns the waker that was saved before.
    /// If another attempt has taken over already, it returns the error for the reader. Neither waker is
    /// dropped here, because the buffer is locked.
    pub(super) fn register_waker(
        &mut self,
        reader: u32,
        waker: Waker,
    ) -> (Option<Waker>, Result<(), BoxError>) {
        if reader == self.reader {
            (self.waiting.replace(waker), Ok(()))
        } else {
            (Some(waker), Err(BodyUnavailable::TakenOver.into()))
        }
    }

    pub(super) fn is_end_stream(&self, reader: u32) -> bool {
        let unread_ended = match &self.unread {
            Unread::Open(body) => body.is_end_stream(),
            Unread::Ended => true,
            Unread::Failed => false,
        };
        unread_ended && reader == self.reader && self.position >= self.frames.len()
    }

    pub(super) fn size_hint(&self, reader: u32) -> SizeHint {
        if reader != self.reader {
            return SizeHint::default();
        }
        let buffered: u64 = self.frames.iter().skip(self.position).map(BufferedFrame::data_len).sum();
        let unread = match &self.unread {
            Unread::Open(body) => body.size_hint(),
            Unread::Ended => SizeHint::with_exact(0),
            Unread::Failed => SizeHint::default(),
        };
        let lower = unread.lower().saturating_add(buffered);
        let upper = unread.upper().and_then(|upper| upper.checked_add(buffered));
        let mut size = SizeHint::new();
        size.set_lower(lower);
        if let Some(upper) = upper.filter(|&upper| self.announces_size || upper != lower) {
            size.set_upper(upper);
        }
        size
    }

    fn next_buffered(&mut self) -> Option<BufferedFrame> {
        if self.mode == BufferMode::Released {
            let frame = self.frames.pop_front()?;
            self.lease.shrink(frame.len());
            return Some(frame);
        }
        let frame = self.frames.get(self.position).cloned()?;
        self.position += 1;
        Some(frame)
    }

    /// Saves a frame that was read from `unread`. If it does not fit, all saved frames are discarded, because
    /// half a body is of no use.
    fn save_frame(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        // An empty frame carries nothing, and a body may contain any number of them.
        let is_empty = frame.data_ref().is_some_and(Bytes::is_empty);
        if self.mode != BufferMode::All || is_empty {
            return frame;
        }
        let frame = BufferedFrame::from(frame);
        if self.frames.len() < self.lease.max_frames() && self.lease.grow(frame.len()) {
            self.frames.push_back(frame.clone());
            self.position = self.frames.len();
        } else {
            self.mode = BufferMode::TooLarge;
            self.discard_frames();
        }
        frame.into()
    }

    fn discard_frames(&mut self) {
        self.position = self.frames.len();
        self.free_read_frames();
    }
}

impl<B> SharedBuffer<B> {
    /// Stops the saving of frames, because no attempt follows the current one. The frames that it has read
    /// are freed now, and the others as it reads them. If the buffer has no reader, all of it is freed.
    pub(super) fn stop_buffering(&mut self) {
        self.mode = BufferMode::Released;
        if !self.has_reader {
            if let Unread::Open(body) = mem::replace(&mut self.unread, Unread::Failed) {
                self.deferred.body = Some(body);
            }
            self.position = self.frames.len();
        }
        self.free_read_frames();
    }

    fn free_read_frames(&mut self) {
        let unread = self.frames.split_off(self.position);
        let read = mem::replace(&mut self.frames, unread);
        self.lease.shrink(read.iter().map(BufferedFrame::len).sum());
        // The field is empty: this runs at most once between two calls of `with_buffer`.
        self.deferred.frames = read;
        self.position = 0;
    }
}

/// Locks a buffer, runs `change` on it, and drops the values that it no longer needs once it is unlocked. The
/// lock is usable after a panic of the body, which then counts as failed.
pub(super) fn with_buffer<B, T>(
    buffer: &Mutex<SharedBuffer<B>>,
    change: impl FnOnce(&mut SharedBuffer<B>) -> T,
) -> T {
    let mut buffer = lock(buffer);
    let result = change(&mut buffer);
    let deferred = mem::take(&mut buffer.deferred);
    drop(buffer);
    drop(deferred);
    result
}
