//! Bodies that follow a script.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::BoxError;

/// A body that yields what its script says, and whose life can be watched.
///
/// It tells its size exactly, but for a body that is [stuck](Self::stuck), [announced](Self::announced) or
/// [fails](Self::then_fails).
#[derive(Debug)]
pub struct Frames {
    steps: VecDeque<BodyEvent>,
    /// The lower bound of a body that does not tell its size exactly.
    at_least: Option<u64>,
    alive: Arc<()>,
}

/// One step of a body's script.
#[derive(Clone, Debug)]
pub enum BodyEvent {
    /// Yields a frame of data.
    Data(&'static str),
    /// Yields trailers.
    Trailers(HeaderMap),
    /// Is pending once, and wakes its reader at once.
    Yield,
    /// Is pending once, and wakes no reader.
    Sleep,
    /// Is pending for ever.
    Stay,
    /// Fails with [`FAILURE`].
    Fail,
}

/// The text of the error with which a body fails.
pub const FAILURE: &str = "the caller's own body broke";

/// Tells whether a body still exists.
#[derive(Debug)]
pub struct Life(Arc<()>);

impl Life {
    /// Returns true once the body was dropped.
    pub fn is_over(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl Frames {
    /// Returns a body of these frames.
    pub fn new<const N: usize>(data: [&'static str; N]) -> Self {
        Self::script(data.map(BodyEvent::Data))
    }

    /// Returns a body that takes these steps, and then ends.
    pub fn script(steps: impl IntoIterator<Item = BodyEvent>) -> Self {
        Self { steps: steps.into_iter().collect(), at_least: None, alive: Arc::default() }
    }

    /// Returns a body of unknown size that never yields a frame and never ends.
    pub fn stuck() -> Self {
        Self::announced(0)
    }

    /// Returns a body that announces this many bytes at least, and never yields one.
    pub fn announced(bytes: u64) -> Self {
        Self { at_least: Some(bytes), ..Self::script([BodyEvent::Stay]) }
    }

    /// Lets it fail instead of its end.
    #[must_use]
    pub fn then_fails(mut self) -> Self {
        self.steps.push_back(BodyEvent::Fail);
        Self { at_least: Some(0), ..self }
    }

    /// Adds trailers.
    #[must_use]
    pub fn trailers(mut self, trailers: HeaderMap) -> Self {
        self.steps.push_back(BodyEvent::Trailers(trailers));
        self
    }

    /// Returns a handle that outlives the body.
    pub fn life(&self) -> Life {
        Life(Arc::clone(&self.alive))
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(step) = self.steps.pop_front() else { return Poll::Ready(None) };
        match step {
            BodyEvent::Data(data) => Poll::Ready(Some(Ok(Frame::data(data.into())))),
            BodyEvent::Trailers(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            BodyEvent::Yield => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            BodyEvent::Sleep => Poll::Pending,
            BodyEvent::Stay => {
                self.steps.push_front(BodyEvent::Stay);
                Poll::Pending
            }
            BodyEvent::Fail => Poll::Ready(Some(Err(FAILURE.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if let Some(bytes) = self.at_least {
            let mut size = SizeHint::default();
            size.set_lower(bytes);
            return size;
        }
        let length = |step: &BodyEvent| if let BodyEvent::Data(data) = step { data.len() as u64 } else { 0 };
        SizeHint::with_exact(self.steps.iter().map(length).sum())
    }
}
