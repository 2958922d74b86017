//! Bodies that can be watched, and that misbehave.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tower_http_retry::BoxError;

/// A body of these frames, exact about its size, that may get stuck or fail after the last of them, and
/// whose life can be watched.
#[derive(Debug)]
pub(crate) struct Frames {
    frames: VecDeque<Frame<Bytes>>,
    then: Then,
    announced: u64,
    alive: Arc<()>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    End,
    Stick,
    Fail,
}

/// Tells whether a body is still there.
#[derive(Debug)]
pub(crate) struct Life(Arc<()>);

impl Life {
    pub(crate) fn is_over(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl Frames {
    pub(crate) fn new<const N: usize>(data: [&'static str; N]) -> Self {
        let frames = data.into_iter().map(|data| Frame::data(Bytes::from_static(data.as_bytes()))).collect();
        Self { frames, then: Then::End, announced: 0, alive: Arc::default() }
    }

    /// A body of which there is always more to come.
    pub(crate) fn stuck() -> Self {
        Self { then: Then::Stick, ..Self::new([]) }
    }

    /// A body that says how long it is, and then lets one wait for it.
    pub(crate) fn announced(bytes: u64) -> Self {
        Self { announced: bytes, ..Self::stuck() }
    }

    pub(crate) fn then_fails(self) -> Self {
        Self { then: Then::Fail, ..self }
    }

    pub(crate) fn trailers(mut self, trailers: HeaderMap) -> Self {
        self.frames.push_back(Frame::trailers(trailers));
        self
    }

    pub(crate) fn life(&self) -> Life {
        Life(Arc::clone(&self.alive))
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match (self.frames.pop_front(), self.then) {
            (Some(frame), _) => Poll::Ready(Some(Ok(frame))),
            (None, Then::End) => Poll::Ready(None),
            (None, Then::Stick) => Poll::Pending,
            (None, Then::Fail) => Poll::Ready(Some(Err("the caller's own body broke".into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.then == Then::End
    }

    fn size_hint(&self) -> SizeHint {
        match self.then {
            Then::End => {
                let data = self.frames.iter().filter_map(Frame::data_ref);
                SizeHint::with_exact(data.map(|data| data.len() as u64).sum())
            }
            Then::Stick | Then::Fail => {
                let mut size = SizeHint::default();
                size.set_lower(self.announced);
                size
            }
        }
    }
}
