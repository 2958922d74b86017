//! The body that an attempt reads: the caller's own, which can be read again.

mod kept;
mod memory;
#[cfg(any(test, fuzzing))]
pub(crate) mod model;
mod source;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_retry::BodyState;
use pin_project_lite::pin_project;
use sync_wrapper::SyncWrapper;

pub use self::kept::KeptBody;
pub use self::memory::ReplayMemory;
use self::memory::Share;
use self::source::Source;
use crate::{BoxError, BytesBody};

pin_project! {
    /// The request body that the inner service gets: the caller's body, remembered frame by frame as the
    /// first attempt reads it, so that a later attempt can read it again.
    ///
    /// * Nothing is read before the inner service asks for it, and a body that was never read can be sent
    ///   again whatever its size.
    /// * [`size_hint`](Body::size_hint) and [`is_end_stream`](Body::is_end_stream) are exact on every attempt
    ///   if they are so in `B`, so HTTP/1.1 keeps its `Content-Length` and HTTP/2 ends its headers.
    /// * Data frames are shared, never copied; trailers are kept.
    /// * The newest attempt owns the body. An older one that still reads gets an error, and so resets its
    ///   stream instead of ending it early.
    ///
    /// It is `Send` and `Sync` whenever `B` is `Send`.
    pub struct ReplayBody<B> {
        #[pin]
        inner: Inner<B>,
    }
}

pin_project! {
    #[project = InnerProj]
    enum Inner<B> {
        /// Nothing to read, and so nothing to remember.
        Empty,
        /// Read once, remembered nowhere.
        Once { #[pin] body: SyncWrapper<B>, size: SizeHint, ended: bool },
        /// Read through what all attempts share.
        Shared { source: Arc<Mutex<Source<B>>>, reader: u32 },
    }
}

impl<B> ReplayBody<B>
where
    B: BytesBody,
{
    /// A body that is read once and never remembered.
    pub(crate) fn once(body: B) -> Self {
        let (size, ended) = (body.size_hint(), body.is_end_stream());
        Self { inner: Inner::Once { body: SyncWrapper::new(body), size, ended } }
    }
}

impl<B> Body for ReplayBody<B>
where
    B: BytesBody,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().inner.project() {
            InnerProj::Empty => Poll::Ready(None),
            InnerProj::Once { body, size, ended } => {
                let mut body = body.get_pin_mut();
                let frame = std::task::ready!(body.as_mut().poll_frame(cx));
                (*size, *ended) = (body.size_hint(), body.is_end_stream());
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            InnerProj::Shared { source, reader } => lock(source).poll_frame(*reader, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Empty => true,
            Inner::Once { ended, .. } => *ended,
            Inner::Shared { source, reader } => lock(source).is_end_stream(*reader),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Once { size, .. } => *size,
            Inner::Shared { source, reader } => lock(source).size_hint(*reader),
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.inner {
            Inner::Empty => "Empty",
            Inner::Once { .. } => "Once",
            Inner::Shared { .. } => "Shared",
        };
        f.debug_tuple("ReplayBody").field(&kind).finish()
    }
}

/// What a session keeps of a body between attempts. Dropped, it lets go of it: whoever still reads reads on
/// alone, and frames are freed as they are read.
pub(crate) struct Original<B> {
    /// `None` for an empty body, of which there is nothing to keep.
    source: Option<Arc<Mutex<Source<B>>>>,
}

impl<B> Drop for Original<B> {
    fn drop(&mut self) {
        // Where nobody reads any more, dropping it frees all of it.
        if let Some(source) = self.source.as_ref().filter(|source| Arc::strong_count(source) > 1) {
            lock(source).release();
        }
    }
}

impl<B> Original<B>
where
    B: BytesBody,
{
    /// Of nothing.
    pub(crate) fn empty() -> Self {
        Self { source: None }
    }

    /// Keeps up to `limit` bytes of what is read, as long as there is room for them in `memory`.
    pub(crate) fn new(body: B, limit: usize, memory: Option<&ReplayMemory>) -> Self {
        if body.is_end_stream() {
            return Self::empty();
        }
        let source = Source::new(body, Share::new(limit, memory.cloned()));
        Self { source: Some(Arc::new(Mutex::new(source))) }
    }

    /// A body for the next attempt, which takes the source over from the one before.
    pub(crate) fn attempt(&self) -> ReplayBody<B> {
        let inner = match &self.source {
            None => Inner::Empty,
            Some(source) => {
                let (reader, waiting) = lock(source).take_over();
                waiting.into_iter().for_each(Waker::wake);
                Inner::Shared { source: Arc::clone(source), reader }
            }
        };
        ReplayBody { inner }
    }

    /// Takes the source from the attempt that has it, if the next one can have the whole body. An answer may
    /// come while the upload still runs; from now on nothing more is read until the next attempt does.
    pub(crate) fn reclaim(&self) -> bool {
        let Some(source) = &self.source else {
            return true;
        };
        let mut source = lock(source);
        if source.state() != BodyState::Replayable {
            return false;
        }
        let waiting = source.take_back();
        drop(source);
        waiting.into_iter().for_each(Waker::wake);
        true
    }

    /// Whether another attempt can have the whole body.
    pub(crate) fn state(&self) -> BodyState {
        self.source.as_ref().map_or(BodyState::Replayable, |source| lock(source).state())
    }
}

/// A body that panicked while it was read counts as one that failed, so the lock has nothing to say.
fn lock<B>(source: &Mutex<Source<B>>) -> MutexGuard<'_, Source<B>> {
    source.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
