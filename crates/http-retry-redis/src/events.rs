//! The events of a store on their way from the driver to the member.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use http_retry::fleet::StoreEvent;

/// A queue of events with one reader.
#[derive(Default)]
pub(crate) struct Events {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<StoreEvent>,
    waker: Option<Waker>,
    is_closed: bool,
}

impl Events {
    /// Adds an event. News that the member does not take in time are left out: each answer says the same.
    pub(crate) fn push(&self, event: StoreEvent) {
        let mut state = self.lock();
        if matches!(event, StoreEvent::News(..)) && state.queue.len() >= MAX_NEWS {
            return;
        }
        state.queue.push_back(event);
        wake(state);
    }

    /// Ends the queue once the member has taken what is in it.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        wake(state);
    }

    /// Returns whether the member takes no events any more, although there are many.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().queue.len() >= MAX_EVENTS
    }

    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<StoreEvent>> {
        let mut state = self.lock();
        if let Some(event) = state.queue.pop_front() {
            return Poll::Ready(Some(event));
        }
        if state.is_closed {
            return Poll::Ready(None);
        }
        let before = state.waker.replace(context.waker().clone());
        drop(state);
        // A waker is code of the caller, so it is not dropped under the lock.
        drop(before);
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

const MAX_NEWS: usize = 1_024;
/// About 1.5 MB.
const MAX_EVENTS: usize = 8_192;
