//! The responses and failures of a scripted service.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_retry::FailureKind;

/// The empty body of a scripted response. The [module](crate::testing) has an example.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScriptedBody;

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}

/// A scripted failure. [`failure_kind`](crate::failure::failure_kind) returns its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed by script: {kind:?}")]
pub struct ScriptedFailure {
    kind: FailureKind,
}

impl ScriptedFailure {
    pub(super) fn new(kind: FailureKind) -> Self {
        Self { kind }
    }

    /// Returns how far the request got.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }
}
