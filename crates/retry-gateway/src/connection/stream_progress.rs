//! The progress of a response: what its client takes.
//!
//! hyper has no timeout for a client that opens no window for an HTTP/2 stream, and for HTTP/1.1 it buffers as
//! many bytes as a head may have. It polls a response body once it has room for more, and advances a piece of
//! the body as it writes it to the connection. Both are seen here. The task of the stream acts on it over
//! HTTP/2, and the body itself over HTTP/1.1.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::connection::buffers::{HTTP1_WRITE_BUFFER, compact};
use crate::connection::progress_piece::{ProgressPiece, WriteProgress};
use crate::sync::lock;

/// The progress of one response. The task of its stream shares it with the body and its pieces.
#[derive(Debug, Default)]
pub(crate) struct StreamProgress {
    /// Set while hyper has a piece of the body that the client has no room for.
    is_sending: AtomicBool,
    /// Changes with each piece that hyper takes, and each write of a part of one.
    steps: AtomicU32,
    /// The bytes of the pieces that hyper has not written.
    unwritten: AtomicUsize,
    /// Set while the body waits until fewer bytes are unwritten.
    is_waiting: AtomicBool,
    waiting: Mutex<Option<Waker>>,
    /// Counts the stream as open. `None` over HTTP/1.1.
    _open: Option<OpenStreams>,
}

/// Counts the streams of one HTTP/2 connection. A stream is open until its response is written to its last byte: the
/// body and each piece of it that waits for the client's window have a clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenStreams(Arc<()>);

/// A response body whose pieces tell their progress.
#[derive(Debug)]
pub(crate) struct ClientBody<B> {
    body: B,
    /// Over HTTP/1.1 `None` until the second piece, which few bodies have.
    progress: Option<Arc<StreamProgress>>,
    is_http1: bool,
    /// Set after the first piece.
    has_piece: bool,
}

impl OpenStreams {
    /// Returns whether a stream is open, for the two others that have a clone: the connection and its executor.
    pub(crate) fn any(&self) -> bool {
        Arc::strong_count(&self.0) > 2
    }
}

impl StreamProgress {
    /// Creates the progress of a response over HTTP/2.
    pub(crate) fn new(open: &OpenStreams) -> Self {
        Self { _open: Some(open.clone()), ..Self::default() }
    }

    /// Returns true while the client has to take a piece before the stream can go on.
    pub(crate) fn is_sending(&self) -> bool {
        self.is_sending.load(Ordering::Relaxed)
    }

    pub(crate) fn steps(&self) -> u32 {
        self.steps.load(Ordering::Relaxed)
    }

    fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Resolves once few enough bytes are unwritten. The same task writes them, so no write can come between
    /// the look and the registration.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.unwritten.load(Ordering::Relaxed) < HTTP1_WRITE_BUFFER {
            return Poll::Ready(());
        }
        *lock(&self.waiting) = Some(cx.waker().clone());
        self.is_waiting.store(true, Ordering::Relaxed);
        Poll::Pending
    }
}

impl WriteProgress for StreamProgress {
    fn on_written(&self, bytes: usize) {
        self.step();
        self.unwritten.fetch_sub(bytes, Ordering::Relaxed);
        if self.is_waiting.swap(false, Ordering::Relaxed)
            && let Some(waker) = lock(&self.waiting).take()
        {
            waker.wake();
        }
    }
}

impl<B> ClientBody<B> {
    /// Creates the body of a response over HTTP/1.1.
    pub(crate) fn http1(body: B) -> Self {
        Self { body, progress: None, is_http1: true, has_piece: false }
    }

    /// Creates the body of a response over HTTP/2.
    pub(crate) fn http2(body: B, progress: Arc<StreamProgress>) -> Self {
        Self { body, progress: Some(progress), is_http1: false, has_piece: false }
    }
}

impl<B> Body for ClientBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = ProgressPiece<StreamProgress>;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        let Self { body, progress, is_http1, has_piece } = &mut *self;
        if let (Some(progress), true) = (&progress, *is_http1) {
            ready!(progress.poll_room(cx));
        }
        let polled = Pin::new(body).poll_frame(cx);
        if let Some(progress) = progress {
            progress.is_sending.store(polled.is_ready(), Ordering::Relaxed);
            progress.step();
        }
        let piece = |mut bytes: Bytes| {
            if *has_piece {
                bytes = compact(bytes);
                progress.get_or_insert_default();
            }
            *has_piece = true;
            if let Some(progress) = progress {
                progress.unwritten.fetch_add(bytes.len(), Ordering::Relaxed);
            }
            ProgressPiece::new(bytes, progress.clone())
        };
        polled.map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
