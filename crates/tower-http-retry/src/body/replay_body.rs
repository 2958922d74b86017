//! The request body of an attempt, which replays the frames that an earlier attempt has read.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use sync_wrapper::SyncWrapper;

use super::error::boxed;
use super::polled::PolledReader;
use super::shared_buffer::{SharedBuffer, with_buffer};
use crate::BoxError;
use crate::bounds::BytesBody;
use crate::lock::lock;

pin_project! {
    /// The request body that the inner service gets. It saves the frames of the caller's body while the first
    /// attempt reads them, so that a later attempt can read them again.
    ///
    /// * Nothing is read before the inner service polls the body. A body that was never read can be sent
    ///   again, whatever its size.
    /// * [`size_hint`](Body::size_hint) and [`is_end_stream`](Body::is_end_stream) are exact on every attempt
    ///   if they are exact in `B`, so HTTP/1.1 keeps its `Content-Length` and HTTP/2 ends its headers.
    /// * Attempts share data frames without a copy. Trailers are saved as well.
    /// * The newest attempt owns the body. An older attempt that still reads gets an error, and so it resets
    ///   its stream instead of ending it early. A [`Full`](http_body_util::Full) is one frame that is
    ///   complete from the start: each attempt gets all of it at once, and the attempts share no state.
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
    /// // Reads the whole request, and is busy the first time.
    /// let echo = service_fn(|request: Request<ReplayBody<Full<Bytes>>>| async move {
    ///     let busy = AttemptNumber::from_request(&request) == 1;
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
        pub(super) kind: BodyKind<B>,
    }
}

pin_project! {
    #[project = BodyKindProj]
    pub(super) enum BodyKind<B> {
        /// The body has no frames, so there is nothing to save.
        Empty,
        /// The body is one frame, which was complete from the start.
        Single { data: Option<Bytes>, polled: Option<PolledReader> },
        /// The body is read once, and its frames are not saved.
        Once { #[pin] body: SyncWrapper<B>, size: SizeHint, ended: bool },
        /// The body is read through the buffer that all attempts share.
        Shared { buffer: Arc<Mutex<SharedBuffer<B>>>, reader: u32 },
    }
}

impl<B> ReplayBody<B>
where
    B: BytesBody,
{
    /// Creates a body that is read once and whose frames are not saved.
    #[inline]
    pub(crate) fn once(body: B) -> Self {
        let (size, ended) = (body.size_hint(), body.is_end_stream());
        Self { kind: BodyKind::Once { body: SyncWrapper::new(body), size, ended } }
    }

    /// Marks the body as polled, although nothing of it is read yet. A service between the layer and hyper
    /// that holds the body back calls it when hyper polls the service's own body. A poll of this body marks
    /// it too.
    ///
    /// hyper polls the body of a request once it has begun to send the request, and only for such a request
    /// is its report about a GOAWAY exact. Where the body was not polled, the layer does not resend a request
    /// that must not be processed twice.
    pub fn mark_polled(&mut self) {
        match &mut self.kind {
            BodyKind::Empty | BodyKind::Once { .. } => {}
            BodyKind::Single { polled, .. } => PolledReader::mark(polled),
            BodyKind::Shared { buffer, reader } => lock(buffer).mark_polled(*reader),
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
        match self.project().kind.project() {
            BodyKindProj::Empty => Poll::Ready(None),
            BodyKindProj::Single { data, polled } => {
                PolledReader::mark(polled);
                Poll::Ready(data.take().map(|data| Ok(Frame::data(data))))
            }
            BodyKindProj::Once { body, size, ended } => {
                let mut body = body.get_pin_mut();
                let frame = std::task::ready!(body.as_mut().poll_frame(cx));
                (*size, *ended) = (body.size_hint(), body.is_end_stream());
                Poll::Ready(frame.map(|frame| frame.map_err(boxed)))
            }
            BodyKindProj::Shared { buffer, reader } => {
                let frame = with_buffer(buffer, |buffer| buffer.poll_frame(*reader, cx));
                if frame.is_ready() {
                    return frame;
                }
                // The waker is cloned and dropped while the buffer is not locked: a waker is the caller's
                // code, and may own the session.
                let waker = cx.waker().clone();
                let (_previous, registered) = lock(buffer).register_waker(*reader, waker);
                match registered {
                    Ok(()) => Poll::Pending,
                    Err(error) => Poll::Ready(Some(Err(error))),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            BodyKind::Empty => true,
            BodyKind::Single { data, .. } => data.is_none(),
            BodyKind::Once { ended, .. } => *ended,
            BodyKind::Shared { buffer, reader } => lock(buffer).is_end_stream(*reader),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            BodyKind::Empty => SizeHint::with_exact(0),
            BodyKind::Single { data, .. } => {
                SizeHint::with_exact(data.as_ref().map_or(0, |data| data.len() as u64))
            }
            // The hint of `http-body` 1.0 is not `Copy`.
            BodyKind::Once { size, .. } => SizeHint::clone(size),
            BodyKind::Shared { buffer, reader } => lock(buffer).size_hint(*reader),
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            BodyKind::Empty => "Empty",
            BodyKind::Single { .. } => "Single",
            BodyKind::Once { .. } => "Once",
            BodyKind::Shared { .. } => "Shared",
        };
        f.debug_tuple("ReplayBody").field(&kind).finish()
    }
}
