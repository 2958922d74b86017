//! The wakers that a call collects under the lock of a key, to be woken and dropped after it.

use std::task::Waker;

/// The wakers of one call. A waker is code of the caller, which may call the pace, so none is woken or dropped under a lock.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    woken: Vec<Waker>,
    dropped: Vec<Waker>,
}

impl Wakers {
    /// Adds a waker that is woken after the lock.
    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        self.woken.extend(waker);
    }

    /// Adds a waker that is not needed any more.
    pub(super) fn discard(&mut self, waker: Option<Waker>) {
        self.dropped.extend(waker);
    }

    /// Wakes and drops. The caller holds no lock.
    pub(super) fn finish(self) {
        self.woken.into_iter().for_each(Waker::wake);
    }
}
