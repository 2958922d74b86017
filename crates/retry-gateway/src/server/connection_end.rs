//! When the gateway stops to serve a connection of a client.

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

/// Polls a connection on which no request has arrived. Returns `None` once one has, or is overdue.
pub(super) async fn until_first_request<C: Future>(
    mut connection: Pin<&mut C>,
    watcher: &ShutdownWatcher,
    timeouts: &ConnectionTimeouts,
) -> Option<C::Output> {
    let mut overdue = pin!(watcher.first_bytes_overdue());
    poll_fn(|cx| {
        if timeouts.has_requests() || overdue.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        match connection.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if timeouts.has_requests() => Poll::Ready(None),
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
