//! A response body whose first frame may have been read already.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of the responses of a [`GrpcTrailersLayer`](crate::grpc::GrpcTrailersLayer). The layer may
    /// have read its first frame already; the body yields it again.
    ///
    /// [`size_hint`](Body::size_hint) and [`is_end_stream`](Body::is_end_stream) are exact if they are exact
    /// in `R`.
    pub struct PeekedBody<R>
    where
        R: Body,
    {
        first: Option<Result<Frame<R::Data>, R::Error>>,
        #[pin]
        rest: R,
        ended: bool,
    }
}

impl<R: Body> PeekedBody<R> {
    /// Creates a body that was not read yet.
    pub(super) fn new(rest: R) -> Self {
        Self { first: None, rest, ended: false }
    }

    /// Creates a body whose first frame was read, and is yielded again.
    pub(super) fn with_first(first: Result<Frame<R::Data>, R::Error>, rest: R) -> Self {
        Self { first: Some(first), rest, ended: false }
    }

    /// Creates a body that has ended. It holds `rest` until it is dropped, because `rest` may hold the
    /// connection.
    pub(super) fn ended(rest: R) -> Self {
        Self { first: None, rest, ended: true }
    }
}

impl<R: Body> Body for PeekedBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        let this = self.project();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(first));
        }
        if *this.ended {
            return Poll::Ready(None);
        }
        this.rest.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && (self.ended || self.rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.ended {
            return SizeHint::with_exact(0);
        }
        let rest = self.rest.size_hint();
        let Some(Ok(first)) = &self.first else {
            return rest;
        };
        let read = first.data_ref().map_or(0, |data| data.remaining() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint
    }
}

impl<R: Body> fmt::Debug for PeekedBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeekedBody")
            .field("is_peeked", &self.first.is_some())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
