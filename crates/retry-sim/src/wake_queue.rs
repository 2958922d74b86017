//! The callers that a pace has woken.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// The numbers of the callers that were woken, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct WakeQueue(Arc<Mutex<VecDeque<usize>>>);

#[derive(Debug)]
struct CallerWaker {
    caller: usize,
    queue: WakeQueue,
}

impl WakeQueue {
    /// Returns a waker that adds the caller to the queue.
    pub(crate) fn waker(&self, caller: usize) -> Waker {
        Waker::from(Arc::new(CallerWaker { caller, queue: self.clone() }))
    }

    /// Removes the caller that was woken first.
    pub(crate) fn pop(&self) -> Option<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl Wake for CallerWaker {
    fn wake(self: Arc<Self>) {
        self.queue.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.caller);
    }
}
