//! The delay before a resend.

use std::task::{Context, Poll};

use http_retry::PaceRejection;

use crate::pace::{Line, Passage};
use crate::timer::Sleep;

/// The delay before a resend.
pub(super) enum Delay {
    /// The delay is zero: the other tasks of the runtime run once, and the timer is not used.
    Yield { yielded: bool },
    /// The delay ends after the decided time.
    Sleep(Sleep),
    /// The delay ends once the pace admits the request, and not before the decided time.
    Pace { line: Line, yielded: bool },
}

impl Delay {
    /// Resolves at the end of the delay, with the admission of the pace if there is one.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Passage>, PaceRejection>> {
        match self {
            Self::Sleep(sleep) => sleep.as_mut().poll(cx).map(|()| Ok(None)),
            Self::Yield { yielded: true } => Poll::Ready(Ok(None)),
            Self::Pace { line, yielded: true } => line.poll(cx).map_ok(Some),
            Self::Yield { yielded } | Self::Pace { yielded, .. } => {
                *yielded = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}
