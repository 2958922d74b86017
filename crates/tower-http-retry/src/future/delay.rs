//! The delay before a resend.

use std::task::{Context, Poll};

use crate::timer::Sleep;

/// The delay before a resend.
pub(super) enum Delay {
    /// The delay is zero: the other tasks of the runtime run once, and the timer is not used.
    Yield { yielded: bool },
    /// The delay ends after the decided time.
    Sleep(Sleep),
    /// The delay ends once the pace admits the request, which knows the decided time too.
    Pace { yielded: bool },
}

impl Delay {
    /// Resolves at the end of the delay. The admission by the pace follows.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Sleep(sleep) => sleep.as_mut().poll(cx),
            Self::Yield { yielded: true } | Self::Pace { yielded: true } => Poll::Ready(()),
            Self::Yield { yielded } | Self::Pace { yielded } => {
                *yielded = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}
