//! The body of a response, whose frames the layer may have read while it waited.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response that comes through a [`Retry`](crate::Retry), over the inner service's body `R`.
    ///
    /// The layer passes nearly every response on unread. It reads only a failed response, while it waits, so
    /// that the connection can be used again. If the layer gives up during that wait, the caller still gets
    /// the whole response: this body yields the frames that were read, trailers included, and then the rest.
    /// Its [`size_hint`](Body::size_hint) and [`is_end_stream`](Body::is_end_stream) are as exact as those of
    /// `R`. A body that was read to its end may be polled again after its end, whatever `R` does then.
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
        // The frames are boxed, because nearly all bodies have none, and each body would be larger.
        read: Option<Box<ReadFrames<R::Data>>>,
    }
}

/// The frames that were read from a body, from the first one on.
pub(crate) struct ReadFrames<D> {
    pub(crate) frames: VecDeque<Frame<D>>,
    /// True if no frame follows. The body must not be polled then, because not every body allows it.
    pub(crate) has_ended: bool,
}

impl<R: Body> ResponseBody<R> {
    /// Wraps a body that the layer has not read.
    #[inline]
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, read: None }
    }

    /// Wraps a body, and the frames that the layer has read from it.
    pub(crate) fn with_frames(inner: R, read: ReadFrames<R::Data>) -> Self {
        Self { inner, read: Some(Box::new(read)) }
    }

    /// Returns a reference to the inner body.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// Returns the inner body, if the layer has not read from it.
    ///
    /// # Errors
    ///
    /// Returns this body unchanged, if the layer has read from the inner body.
    pub fn try_into_inner(self) -> Result<R, Self> {
        match self.read {
            None => Ok(self.inner),
            Some(_) => Err(self),
        }
    }

    /// Returns the inner body, the frames that were read from it, and true if the inner body has ended. It
    /// must not be polled then. If nothing was read, there are no frames, and the flag is false.
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
        // An exact hint becomes a `Content-Length` at the next hop of HTTP/1.1, and such a message has no trailers.
        if read.has_ended && !read.frames.iter().any(Frame::is_trailers) {
            return SizeHint::with_exact(bytes);
        }
        if read.has_ended {
            let mut hint = SizeHint::new();
            hint.set_lower(bytes);
            return hint;
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
    /// Creates a body from the default of `R`. Layers that create a response of their own, such as
    /// tower-http's timeout, need it.
    fn default() -> Self {
        Self::new(R::default())
    }
}

impl<R: Body> fmt::Debug for ResponseBody<R> {
    /// Shows nothing of the content of the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("was_read", &self.read.is_some()).finish_non_exhaustive()
    }
}

/// A `http` response. The future of a layer names the data of the response's body by it.
#[expect(unnameable_types, reason = "no other crate implements it")]
pub trait InnerResponse {
    #[doc(hidden)]
    type Data;
}

impl<R: Body> InnerResponse for Response<R> {
    type Data = R::Data;
}
