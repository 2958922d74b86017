//! How connections are asked to end, and waited for.
//!
//! hyper-util's `GracefulShutdown` does the same, and asks a channel each time a connection is polled. Here that is one
//! load, because a connection is always polled by the task that was woken for it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;
use tokio::sync::Notify;

/// The connections of a listener.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    has_begun: AtomicBool,
    guests: Mutex<Guests>,
    has_emptied: Notify,
}

#[derive(Debug, Default)]
struct Guests {
    next: u64,
    /// The tasks that poll them, once they have.
    wakers: HashMap<u64, Option<Waker>>,
}

/// A connection that can be asked to end.
pub(crate) trait Leave: Future {
    /// Takes no more requests, and ends when those under way are answered.
    fn leave(self: Pin<&mut Self>);
}

impl Drain {
    /// Sees to it that a connection is asked, from now until it has ended or is dropped.
    pub(crate) fn watch<C: Leave>(self: &Arc<Self>, connection: C) -> Watched<C> {
        let mut guests = self.guests();
        let key = guests.next;
        guests.next += 1;
        guests.wakers.insert(key, None);
        drop(guests);
        let seat = Seat { key, is_known: false, has_left: false, drain: Arc::clone(self) };
        Watched { connection, seat }
    }

    /// Asks all of them, and resolves when the last has ended.
    pub(crate) async fn drain(&self) {
        self.has_begun.store(true, Ordering::SeqCst);
        let wakers: Vec<_> = self.guests().wakers.values().flatten().cloned().collect();
        wakers.into_iter().for_each(Waker::wake);
        loop {
            let emptied = self.has_emptied.notified();
            if self.guests().wakers.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pin_project! {
    /// A connection that is asked to end when the drain begins.
    pub(crate) struct Watched<C> {
        #[pin]
        connection: C,
        seat: Seat,
    }
}

struct Seat {
    key: u64,
    /// Whether the drain knows the task.
    is_known: bool,
    has_left: bool,
    drain: Arc<Drain>,
}

impl<C: Leave> Future for Watched<C> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let mut this = self.project();
        let seat = this.seat;
        if !seat.is_known {
            seat.is_known = true;
            // Before the flag is read, so that a drain which begins in between wakes this task.
            seat.drain.guests().wakers.insert(seat.key, Some(cx.waker().clone()));
        }
        if !seat.has_left && seat.drain.has_begun.load(Ordering::SeqCst) {
            seat.has_left = true;
            this.connection.as_mut().leave();
        }
        this.connection.poll(cx)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut guests = self.drain.guests();
        guests.wakers.remove(&self.key);
        if guests.wakers.is_empty() {
            self.drain.has_emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Ends when it is asked to.
    #[derive(Default)]
    struct Polite {
        is_asked: bool,
    }

    impl Future for Polite {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            if self.is_asked { Poll::Ready(()) } else { Poll::Pending }
        }
    }

    impl Leave for Polite {
        fn leave(mut self: Pin<&mut Self>) {
            self.is_asked = true;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_sleep_are_woken_and_those_who_come_late_are_asked_too() {
        let drain = Arc::<Drain>::default();
        let early = tokio::spawn(drain.watch(Polite::default()));
        tokio::task::yield_now().await;
        let late = drain.watch(Polite::default());
        let draining = tokio::spawn({
            let drain = Arc::clone(&drain);
            async move { drain.drain().await }
        });
        early.await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!draining.is_finished());
        late.await;
        draining.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_who_is_gone() {
        let drain = Arc::<Drain>::default();
        drain.drain().await;
        let gone = drain.watch(Polite::default());
        drop(gone);
        drain.drain().await;
    }
}
