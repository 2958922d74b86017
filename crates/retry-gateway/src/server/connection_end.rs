//! The gateway stops to serve a connection of a client.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::time::timeout;

use crate::connection::shutdown::ShutdownWatcher;
use crate::connection::stream_progress::OpenStreams;
use crate::connection::timeouts::{ConnectionTimeouts, GOAWAY_TIMEOUT};

/// Polls a connection to its end, or returns `None` when the shutdown begins, or the idle timeout of HTTP/2 has passed.
pub(super) async fn until_shutdown<C: Future>(
    mut connection: Pin<&mut C>,
    watcher: &ShutdownWatcher,
    timeouts: &ConnectionTimeouts,
) -> Option<C::Output> {
    let mut started = pin!(watcher.started());
    let mut is_registered = false;
    poll_fn(|cx| {
        if let Poll::Ready(result) = connection.as_mut().poll(cx) {
            return Poll::Ready(Some(result));
        }
        if timeouts.is_leaving() {
            return Poll::Ready(None);
        }
        // A task has one waker, so the shutdown knows it from the first poll on. Another poll would take a lock.
        if is_registered && !watcher.has_started() {
            return Poll::Pending;
        }
        is_registered = true;
        started.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// Polls a connection whose client may be about to send a request, after the start of a shutdown. Returns `None` once one has
/// arrived or is overdue, and at once while a response is under way. Over HTTP/2 a GOAWAY tells a client that has already sent
/// requests which of them are lost.
pub(super) async fn until_next_request<C: Future>(
    mut connection: Pin<&mut C>,
    watcher: &ShutdownWatcher,
    timeouts: &ConnectionTimeouts,
) -> Option<C::Output> {
    let requests = timeouts.started();
    let is_over = || {
        timeouts.started() != requests
            || timeouts.is_busy()
            || (timeouts.is_http2() && timeouts.has_requests())
    };
    let mut overdue = pin!(watcher.bytes_overdue(timeouts.idle_since()));
    poll_fn(|cx| {
        if is_over() || overdue.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        match connection.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if is_over() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Polls a connection to its end, after the start of its graceful shutdown. Returns `None` for one of HTTP/2 on which
/// nothing is under way, once its client has had the time to answer the ping behind the GOAWAY: hyper waits for that
/// without end.
pub(super) async fn until_unused<C: Future>(
    mut connection: Pin<&mut C>,
    timeouts: &ConnectionTimeouts,
    streams: &OpenStreams,
) -> Option<C::Output> {
    let (mut looks, mut requests) = (0, timeouts.started());
    while looks < LOOKS {
        if let Ok(result) = timeout(GOAWAY_TIMEOUT / LOOKS, connection.as_mut()).await {
            return Some(result);
        }
        let is_used = !timeouts.is_http2() || timeouts.is_busy() || streams.any();
        looks = if is_used || requests != timeouts.started() { 0 } else { looks + 1 };
        requests = timeouts.started();
    }
    None
}

/// The number of looks in the time for the answer to a ping.
const LOOKS: u32 = 4;
