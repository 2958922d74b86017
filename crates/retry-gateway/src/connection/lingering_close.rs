//! The close of a connection whose client may still be sending a request's body.
//!
//! A close with unread bytes resets the connection. A client that writes before it reads would then lose the response
//! that refused its upload (RFC 9112 section 9.6). So the gateway closes its sending side, reads on for a while, and
//! drops what comes.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

use crate::time::pooled_timeout::{PooledTimeout, TimerPool};

/// The rest of a connection whose sending side is closed.
#[derive(Debug)]
pub(crate) struct LingeringClose {
    /// The longest pause until the next bytes.
    max_pause: Duration,
    pause: PooledTimeout,
    end: Instant,
    bytes_left: usize,
}

impl LingeringClose {
    /// Creates the wait for the client's end, which is short during a shutdown.
    pub(crate) fn new(timers: &TimerPool, is_shutting_down: bool) -> Self {
        let max_pause = if is_shutting_down { SHUTDOWN_PAUSE } else { MAX_PAUSE };
        let now = Instant::now();
        let pause = timers.sleep_until(now + max_pause);
        Self { max_pause, pause, end: now + MAX_TIME, bytes_left: MAX_BYTES }
    }

    /// Reads until the client has closed the connection, or has taken too long for that.
    pub(crate) fn poll<I: AsyncRead + Unpin>(
        &mut self,
        io: &mut I,
        timers: &TimerPool,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut bytes = [MaybeUninit::uninit(); READ_SIZE];
        let mut has_read = false;
        while self.bytes_left > 0 {
            let mut buf = ReadBuf::uninit(&mut bytes);
            match Pin::new(&mut *io).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.bytes_left = self.bytes_left.saturating_sub(buf.filled().len());
                    has_read = true;
                }
                // The client has closed the connection, or it failed.
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    if has_read {
                        self.pause.reset(timers, self.end.min(Instant::now() + self.max_pause));
                    }
                    return Pin::new(&mut self.pause).poll(cx);
                }
            }
        }
        Poll::Ready(())
    }
}

const READ_SIZE: usize = 8 * 1024;
/// The bounds are those of nginx (`lingering_timeout`, `lingering_time`), which has none for the bytes.
const MAX_PAUSE: Duration = Duration::from_secs(5);
const MAX_TIME: Duration = Duration::from_secs(30);
const MAX_BYTES: usize = 256 * 1024 * 1024;
/// The longest pause if the gateway is shutting down.
const SHUTDOWN_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    /// Returns how long the gateway reads on.
    async fn linger(mut io: impl AsyncRead + Unpin, is_shutting_down: bool) -> Duration {
        let timers = TimerPool::default();
        let began = Instant::now();
        let mut close = LingeringClose::new(&timers, is_shutting_down);
        poll_fn(|cx| close.poll(&mut io, &timers, cx)).await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_nothing_is_closed_after_a_pause() {
        let (_client, socket) = duplex(64);
        let took = linger(socket, false).await;
        assert!((MAX_PAUSE..MAX_PAUSE * 2).contains(&took), "{took:?}");
        let (_client, socket) = duplex(64);
        assert!(linger(socket, true).await < MAX_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_closes_is_not_waited_for() {
        let (mut client, socket) = duplex(64);
        client.write_all(b"rest").await.unwrap();
        drop(client);
        assert!(linger(socket, false).await < Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_trickles_is_closed_in_the_end() {
        let (mut client, socket) = duplex(64);
        tokio::spawn(async move {
            while client.write_all(b"more").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        });
        let took = linger(socket, false).await;
        assert!((MAX_TIME - MAX_PAUSE..MAX_TIME + MAX_PAUSE).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_ends_is_closed_after_so_many_bytes() {
        let began = Instant::now();
        assert!(linger(tokio::io::repeat(b'x'), false).await < MAX_PAUSE, "{:?}", began.elapsed());
    }
}
