//! The body of a response that may have been read while the layer waited.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response that comes through a [`Retry`](crate::Retry): the inner service's body `R`.
    ///
    /// Nearly every response is passed on as it came. Only a failed one is read while the layer waits, so that its
    /// connection can be used again. Where the layer gives up during that wait, the caller still gets the response whole:
    /// this body yields the frames that were read, trailers included, and then the rest. It is as exact as `R` in
    /// [`size_hint`](Body::size_hint) and [`is_end_stream`](Body::is_end_stream), and one that was read to its end can be
    /// polled again after it, whatever `R` does then.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{Request, Response};
    /// use http_body_util::{BodyExt, Full};
    /// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
    /// use tower_http_retry::body::ResponseBody;
    /// use tower_http_retry::{ReplayBody, RetryLayer};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let server = service_fn(|_: Request<ReplayBody<Full<Bytes>>>| async {
    ///     Ok::<_, BoxError>(Response::new(Full::<Bytes>::from("a text")))
    /// });
    /// let client = ServiceBuilder::new().layer(RetryLayer::default()).service(server);
    /// let request = Request::new(Full::default());
    /// let response: Response<ResponseBody<Full<Bytes>>> = client.oneshot(request).await?;
    /// assert_eq!(response.into_body().collect().await?.to_bytes(), "a text");
    /// # Ok(())
    /// # }
    /// ```
    pub struct ResponseBody<R>
    where
        R: Body,
    {
        #[pin]
        inner: R,
        // Boxed, because nearly all bodies have none, and each would be larger.
        read: Option<Box<ReadFrames<R::Data>>>,
    }
}

/// The frames that were read from a body, from its start.
pub(crate) struct ReadFrames<D> {
    pub(crate) frames: VecDeque<Frame<D>>,
    /// Whether there are no more. The body must not be polled then: not every body allows it.
    pub(crate) has_ended: bool,
}

impl<R: Body> ResponseBody<R> {
    #[inline]
    pub(crate) fn unread(inner: R) -> Self {
        Self { inner, read: None }
    }

    pub(crate) fn read(inner: R, read: ReadFrames<R::Data>) -> Self {
        Self { inner, read: Some(Box::new(read)) }
    }

    /// Returns a reference to the inner body.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// Returns the inner body, if it was passed on as it came.
    ///
    /// # Errors
    ///
    /// Returns this body as it was, if the layer has read of the inner one.
    pub fn try_into_inner(self) -> Result<R, Self> {
        match self.read {
            None => Ok(self.inner),
            Some(_) => Err(self),
        }
    }

    /// Returns the inner body, the frames that come before the rest of it, and whether it has no rest. It must not be
    /// polled then. A body that was passed on as it came has no such frames, and a rest.
    pub fn into_parts(self) -> (R, VecDeque<Frame<R::Data>>, bool) {
        match self.read {
            None => (self.inner, VecDeque::new(), false),
            Some(read) => (self.inner, read.frames, read.has_ended),
        }
    }
}

impl<R: Body> Body for ResponseBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        let this = self.project();
        if let Some(read) = this.read {
            let frame = read.frames.pop_front();
            if frame.is_some() || read.has_ended {
                return Poll::Ready(frame.map(Ok));
            }
        }
        this.inner.poll_frame(cx)
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.read {
            None => self.inner.is_end_stream(),
            Some(read) => read.frames.is_empty() && (read.has_ended || self.inner.is_end_stream()),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        let Some(read) = &self.read else {
            return self.inner.size_hint();
        };
        let bytes = read.frames.iter().filter_map(Frame::data_ref).map(|data| data.remaining() as u64).sum();
        if read.has_ended {
            return SizeHint::with_exact(bytes);
        }
        let rest = self.inner.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(bytes));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(bytes)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<R: Body + Default> Default for ResponseBody<R> {
    /// Layers that make a response of their own ask for this, tower-http's timeout for one.
    fn default() -> Self {
        Self::unread(R::default())
    }
}

impl<R: Body> fmt::Debug for ResponseBody<R> {
    /// Shows nothing of the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("was_read", &self.read.is_some()).finish_non_exhaustive()
    }
}

/// An `http` response. The future of a layer names the data of its body by this.
#[expect(unnameable_types, reason = "nobody else implements it")]
pub trait InnerResponse {
    #[doc(hidden)]
    type Data;
}

impl<R: Body> InnerResponse for Response<R> {
    type Data = R::Data;
}
