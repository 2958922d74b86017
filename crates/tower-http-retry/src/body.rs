//! The body that an attempt reads: the caller's own, which can be read again.

mod asked;
mod memory;
#[cfg(any(test, fuzzing))]
pub(crate) mod model;
mod replay_source;
mod source;

use std::any::Any;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::{fmt, iter};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Full, LengthLimitError, Limited};
use http_retry::BodyState;
use pin_project_lite::pin_project;
use sync_wrapper::SyncWrapper;

use self::asked::{Asked, Question};
pub use self::memory::ReplayMemory;
use self::memory::Share;
pub use self::replay_source::ReplaySource;
use self::source::Source;
use crate::BoxError;
use crate::bounds::BytesBody;
use crate::lock::lock;
pub use crate::response_body::ResponseBody;

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
    ///   stream instead of ending it early. (A [`Full`] is one frame that is there from the start: each attempt gets
    ///   all of it at once, and nothing is shared.)
    ///
    /// It is `Send` and `Sync` whenever `B` is `Send`.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{Request, Response, StatusCode};
    /// use http_body_util::{BodyExt, Full};
    /// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
    /// use tower_http_retry::{AttemptNumber, ReplayBody, RetryLayer};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), BoxError> {
    /// // Reads all that it is sent, and is busy the first time.
    /// let echo = service_fn(|request: Request<ReplayBody<Full<Bytes>>>| async move {
    ///     let busy = AttemptNumber::of(&request) == 1;
    ///     let sent = request.into_body().collect().await?.to_bytes();
    ///     let status = if busy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    ///     Ok::<_, BoxError>(Response::builder().status(status).body(Full::new(sent))?)
    /// });
    ///
    /// let client = ServiceBuilder::new().layer(RetryLayer::default()).service(echo);
    /// let response = client.oneshot(Request::put("/").body(Full::from("a text"))?).await?;
    /// assert_eq!(response.status(), StatusCode::OK);
    /// assert_eq!(response.into_body().collect().await?.to_bytes(), "a text");
    /// # Ok(())
    /// # }
    /// ```
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
        /// One frame, which was there from the start.
        Single { data: Option<Bytes>, question: Option<Question> },
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
    #[inline]
    pub(crate) fn once(body: B) -> Self {
        let (size, ended) = (body.size_hint(), body.is_end_stream());
        Self { inner: Inner::Once { body: SyncWrapper::new(body), size, ended } }
    }

    /// Says that the body is asked for, though nothing is read of it yet: for those between the layer and hyper who hold it
    /// back. Whoever polls it says so anyway.
    ///
    /// hyper asks for the body of a request that it has begun to send, and only of such a request is what it says about a
    /// GOAWAY exact. Before, the layer does not send again what must not be processed twice.
    pub fn mark_polled(&mut self) {
        match &mut self.inner {
            Inner::Empty | Inner::Once { .. } => {}
            Inner::Single { question, .. } => Question::ask(question),
            Inner::Shared { source, reader } => lock(source).mark_polled(*reader),
        }
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
            InnerProj::Single { data, question } => {
                Question::ask(question);
                Poll::Ready(data.take().map(|data| Ok(Frame::data(data))))
            }
            InnerProj::Once { body, size, ended } => {
                let mut body = body.get_pin_mut();
                let frame = std::task::ready!(body.as_mut().poll_frame(cx));
                (*size, *ended) = (body.size_hint(), body.is_end_stream());
                Poll::Ready(frame.map(|frame| frame.map_err(boxed)))
            }
            InnerProj::Shared { source, reader } => {
                let frame = change(source, |source| source.poll_frame(*reader, cx));
                if frame.is_ready() {
                    return frame;
                }
                // Cloned and dropped while the source is not locked: a waker is the caller's code, and may own the session.
                let waker = cx.waker().clone();
                let (_former, waits) = lock(source).wait(*reader, waker);
                match waits {
                    Ok(()) => Poll::Pending,
                    Err(error) => Poll::Ready(Some(Err(error))),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Empty => true,
            Inner::Single { data, .. } => data.is_none(),
            Inner::Once { ended, .. } => *ended,
            Inner::Shared { source, reader } => lock(source).is_end_stream(*reader),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Single { data, .. } => {
                SizeHint::with_exact(data.as_ref().map_or(0, |data| data.len() as u64))
            }
            // The hint of `http-body` 1.0 is not `Copy`.
            Inner::Once { size, .. } => SizeHint::clone(size),
            Inner::Shared { source, reader } => lock(source).size_hint(*reader),
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.inner {
            Inner::Empty => "Empty",
            Inner::Single { .. } => "Single",
            Inner::Once { .. } => "Once",
            Inner::Shared { .. } => "Shared",
        };
        f.debug_tuple("ReplayBody").field(&kind).finish()
    }
}

/// What a session keeps of a body between attempts. Dropped, it lets go of it: whoever still reads reads on
/// alone, and frames are freed as they are read.
pub(crate) enum Original<B> {
    /// There is nothing to keep.
    Empty,
    /// All of it was there from the start.
    Single {
        data: Bytes,
        asked: Asked,
        /// Holds the room that it takes.
        _share: Share,
    },
    Shared(Shared<B>),
}

/// A body that is read as it comes. The lock may be used after a panic of the body, which counts as one that failed.
pub(crate) struct Shared<B>(Arc<Mutex<Source<B>>>);

impl<B> Drop for Shared<B> {
    fn drop(&mut self) {
        // Where nobody reads any more, dropping it frees all of it.
        if Arc::strong_count(&self.0) > 1 {
            change(&self.0, Source::release);
        }
    }
}

impl<B> Shared<B>
where
    B: BytesBody,
{
    fn body(&self) -> Inner<B> {
        let (reader, waiting) = lock(&self.0).take_over();
        waiting.into_iter().for_each(Waker::wake);
        Inner::Shared { source: Arc::clone(&self.0), reader }
    }
}

impl<B> Original<B>
where
    B: BytesBody,
{
    /// Keeps up to `limit` bytes of what is read, as long as there is room for them in `memory`.
    #[inline]
    pub(crate) fn new(body: B, limit: usize, memory: Option<&ReplayMemory>) -> Self
    where
        B: 'static,
    {
        if body.is_end_stream() { Self::Empty } else { Self::some(body, limit, memory) }
    }

    /// Of a body that has something to read.
    fn some(mut body: B, limit: usize, memory: Option<&ReplayMemory>) -> Self
    where
        B: 'static,
    {
        let mut share = Share::new(limit, memory.cloned());
        if let Some(data) = whole(&mut body, &mut share) {
            return Self::Single { data, asked: Asked::new(), _share: share };
        }
        Self::Shared(Shared(Arc::new(Mutex::new(Source::new(body, share)))))
    }

    /// A body for the next attempt, which takes the source over from the one before.
    #[inline]
    pub(crate) fn body(&self) -> ReplayBody<B> {
        let inner = match self {
            Self::Empty => Inner::Empty,
            Self::Single { data, asked, .. } => {
                Inner::Single { data: Some(data.clone()), question: asked.question() }
            }
            Self::Shared(shared) => shared.body(),
        };
        ReplayBody { inner }
    }

    /// Takes the source from the attempt that has it, if the next one can have the whole body. An answer may
    /// come while the upload still runs; from now on nothing more is read until the next attempt does.
    pub(crate) fn rewind(&self) -> bool {
        let Self::Shared(Shared(source)) = self else {
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

    /// Whether the newest attempt asked for the body. Nobody can tell where there is nothing to ask for.
    pub(crate) fn is_asked(&self) -> bool {
        match self {
            Self::Empty => false,
            Self::Single { asked, .. } => asked.is_asked(),
            Self::Shared(Shared(source)) => lock(source).is_asked(),
        }
    }

    /// Whether another attempt can have the whole body.
    pub(crate) fn state(&self) -> BodyState {
        match self {
            Self::Empty | Self::Single { .. } => BodyState::Replayable,
            Self::Shared(Shared(source)) => lock(source).state(),
        }
    }
}

/// The one frame of a body that is known to be no more than that, if there is room for it: to take it is to read
/// nothing.
fn whole<B: BytesBody + 'static>(body: &mut B, share: &mut Share) -> Option<Bytes> {
    let body = (body as &mut dyn Any).downcast_mut::<Full<Bytes>>()?;
    let size = usize::try_from(body.size_hint().exact()?).ok()?;
    if !share.grow(size) {
        return None;
    }
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
        _ => None,
    }
}

/// The error of a caller's body, as the inner service gets it.
///
/// Each layer of an axum router wraps the error of its body once more, and axum looks for the error of a limit two levels
/// deep and no deeper: one level more, and it answers 400 in place of 413. A replay body is such a level, so it passes on
/// the limit's own error in place of one that only wraps it.
fn boxed(error: impl Into<BoxError>) -> BoxError {
    let error = error.into();
    let mut sources = iter::successors(error.source(), |&error| error.source());
    if sources.any(|source| source.is::<LengthLimitError>()) { limit_error().unwrap_or(error) } else { error }
}

/// The error cannot be moved out of another, and has no constructor, so a limit is exceeded here.
#[cold]
fn limit_error() -> Option<BoxError> {
    let mut body = Limited::new(Full::new(Bytes::from_static(b".")), 0);
    match Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Err(error))) => Some(error),
        _ => None,
    }
}

/// Changes something, and drops what that has left over once the source is no longer locked.
fn change<B, T>(source: &Mutex<Source<B>>, change: impl FnOnce(&mut Source<B>) -> T) -> T {
    let mut source = lock(source);
    let result = change(&mut source);
    let spent = source.take_spent();
    drop(source);
    drop(spent);
    result
}

#[cfg(test)]
mod tests;
