//! The part of a body that a session holds between attempts.

use std::any::Any;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Body;
use http_body_util::Full;
use http_retry::BodyState;

use super::ReplayMemory;
use super::memory::MemoryLease;
use super::polled::PolledFlag;
use super::replay_body::{BodyKind, ReplayBody};
use super::shared_buffer::{SharedBuffer, with_buffer};
use crate::bounds::BytesBody;
use crate::lock::lock;

/// The part of a body that a session holds between attempts. Dropping it stops the buffering: a reader in
/// progress continues, and each frame is freed once it is read.
pub(crate) enum ReplayState<B> {
    /// The body has no frames.
    Empty,
    /// The whole body was there from the start, as one frame.
    Single {
        data: Bytes,
        polled: PolledFlag,
        /// Holds the memory that `data` takes.
        _lease: MemoryLease,
    },
    /// The body is read frame by frame.
    Shared(BufferHandle<B>),
}

/// The session's handle of a buffer that it shares with its attempts.
pub(crate) struct BufferHandle<B>(Arc<Mutex<SharedBuffer<B>>>);

impl<B> Drop for BufferHandle<B> {
    fn drop(&mut self) {
        // Where no attempt reads any more, dropping the buffer frees all of it.
        if Arc::strong_count(&self.0) > 1 {
            with_buffer(&self.0, SharedBuffer::stop_buffering);
        }
    }
}

impl<B> BufferHandle<B>
where
    B: BytesBody,
{
    fn body(&self) -> BodyKind<B> {
        let (reader, waiting) = lock(&self.0).attach_reader();
        waiting.into_iter().for_each(Waker::wake);
        BodyKind::Shared { buffer: Arc::clone(&self.0), reader }
    }
}

impl<B> ReplayState<B>
where
    B: BytesBody,
{
    /// Creates the state of a body. Up to `limit` bytes of the frames that are read are saved, as long as
    /// `memory` has room for them.
    #[inline]
    pub(crate) fn new(body: B, limit: usize, memory: Option<&ReplayMemory>) -> Self
    where
        B: 'static,
    {
        if body.is_end_stream() { Self::Empty } else { Self::with_frames(body, limit, memory) }
    }

    /// Creates the state of a body that has frames to read.
    fn with_frames(mut body: B, limit: usize, memory: Option<&ReplayMemory>) -> Self
    where
        B: 'static,
    {
        let mut lease = MemoryLease::new(limit, memory.cloned());
        if let Some(data) = take_single_frame(&mut body, &mut lease) {
            return Self::Single { data, polled: PolledFlag::new(), _lease: lease };
        }
        Self::Shared(BufferHandle(Arc::new(Mutex::new(SharedBuffer::new(body, lease)))))
    }

    /// Returns the body for the next attempt, which takes the buffer over from the attempt before it.
    #[inline]
    pub(crate) fn body(&self) -> ReplayBody<B> {
        let kind = match self {
            Self::Empty => BodyKind::Empty,
            Self::Single { data, polled, .. } => {
                BodyKind::Single { data: Some(data.clone()), polled: polled.reader() }
            }
            Self::Shared(buffer) => buffer.body(),
        };
        ReplayBody { kind }
    }

    /// Takes the buffer from the attempt that owns it, if the next attempt can read the whole body. A
    /// response can arrive while the upload still runs; from now on nothing more is read until the next
    /// attempt reads.
    pub(crate) fn rewind(&self) -> bool {
        let Self::Shared(BufferHandle(buffer)) = self else {
            return true;
        };
        let mut buffer = lock(buffer);
        if buffer.state() != BodyState::Replayable {
            return false;
        }
        let waiting = buffer.detach_reader();
        drop(buffer);
        waiting.into_iter().for_each(Waker::wake);
        true
    }

    /// Returns what was sent of the body and is saved, from its start. That is nothing if the body did not fit.
    pub(crate) fn saved(&self) -> Vec<Bytes> {
        match self {
            Self::Empty => Vec::new(),
            Self::Single { data, .. } => vec![data.clone()],
            Self::Shared(BufferHandle(buffer)) => lock(buffer).saved(),
        }
    }

    /// Returns true if the newest attempt polled the body. It is false for an empty body, which has nothing
    /// to poll for.
    pub(crate) fn is_polled(&self) -> bool {
        match self {
            Self::Empty => false,
            Self::Single { polled, .. } => polled.is_set(),
            Self::Shared(BufferHandle(buffer)) => lock(buffer).is_polled(),
        }
    }

    /// Returns the state that decides whether another attempt can read the whole body.
    pub(crate) fn state(&self) -> BodyState {
        match self {
            Self::Empty | Self::Single { .. } => BodyState::Replayable,
            Self::Shared(BufferHandle(buffer)) => lock(buffer).state(),
        }
    }
}

/// Takes the only frame of a [`Full`], if there is room for it. Taking that frame reads nothing from the
/// caller.
fn take_single_frame<B: BytesBody + 'static>(body: &mut B, lease: &mut MemoryLease) -> Option<Bytes> {
    let body = (body as &mut dyn Any).downcast_mut::<Full<Bytes>>()?;
    let size = usize::try_from(body.size_hint().exact()?).ok()?;
    if !lease.grow(size) {
        return None;
    }
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
        _ => None,
    }
}
