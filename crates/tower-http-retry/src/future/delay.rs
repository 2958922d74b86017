//! The wait before a resend.

use std::task::{Context, Poll};

use http_retry::PaceRejection;

use crate::pace::{Line, Passage};
use crate::timer::Sleep;

/// The wait before a resend.
pub(super) enum Pause {
    /// No time at all: the other tasks get their turn, and the timer is left alone.
    Yield { yielded: bool },
    /// As long as was decided.
    Sleep(Sleep),
    /// Until the request's turn, and no less than was decided.
    Line { line: Line, yielded: bool },
}

impl Pause {
    /// Resolves with the passage, if there is one to wait for.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Passage>, PaceRejection>> {
        match self {
            Self::Sleep(sleep) => sleep.as_mut().poll(cx).map(|()| Ok(None)),
            Self::Yield { yielded: true } => Poll::Ready(Ok(None)),
            Self::Line { line, yielded: true } => line.poll(cx).map_ok(Some),
            Self::Yield { yielded } | Self::Line { yielded, .. } => {
                *yielded = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}
