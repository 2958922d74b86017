//! A tunnel: the bytes of both directions after an upgrade, and the time in which none pass.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Copies bytes in both directions until each peer has closed its side, one of them fails, or no byte has
/// passed for `idle_timeout`.
pub(crate) async fn copy<A, B>(client: A, upstream: B, idle_timeout: Duration)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let reads = AtomicU64::new(0);
    let mut client = Counted { io: client, reads: &reads };
    let mut upstream = Counted { io: upstream, reads: &reads };
    let mut copy = std::pin::pin!(tokio::io::copy_bidirectional(&mut client, &mut upstream));
    // The timeout is looked at a few times, so that bytes cost no clock reading.
    let (mut seen, mut quiet) = (0, 0);
    while quiet < CHECKS {
        // An error ends the tunnel, and there is no request left to report it on.
        if tokio::time::timeout(idle_timeout / CHECKS, &mut copy).await.is_ok() {
            return;
        }
        let now = reads.load(Ordering::Relaxed);
        quiet = if now == seen { quiet + 1 } else { 0 };
        seen = now;
    }
}

/// One side of a tunnel, which counts the reads that brought bytes.
struct Counted<'a, I> {
    io: I,
    reads: &'a AtomicU64,
}

impl<I: AsyncRead + Unpin> AsyncRead for Counted<'_, I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if polled.is_ready() {
            self.reads.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Counted<'_, I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The number of looks in an idle timeout. A tunnel ends up to one of them after it.
const CHECKS: u32 = 8;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    const IDLE: Duration = Duration::from_secs(80);

    #[tokio::test(start_paused = true)]
    async fn a_tunnel_ends_when_nothing_passes_in_either_direction() {
        let ((mut client, near), (far, mut upstream)) = (duplex(64), duplex(64));
        let tunnel = tokio::spawn(copy(near, far, IDLE));
        let began = Instant::now();
        // One direction after the other keeps it open for longer than the timeout.
        for _ in 0..3 {
            tokio::time::sleep(IDLE * 3 / 4).await;
            client.write_all(b"a").await.unwrap();
            assert_eq!(upstream.read_u8().await.unwrap(), b'a');
            tokio::time::sleep(IDLE * 3 / 4).await;
            upstream.write_all(b"b").await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), b'b');
        }
        let quiet = Instant::now();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        tunnel.await.unwrap();
        let took = quiet.elapsed();
        assert!(took >= IDLE && took <= IDLE * 5 / 4, "{took:?} of {:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_tunnel_ends_when_both_peers_close_it() {
        let ((mut client, near), (far, mut upstream)) = (duplex(64), duplex(64));
        let tunnel = tokio::spawn(copy(near, far, IDLE));
        client.shutdown().await.unwrap();
        upstream.write_all(b"late").await.unwrap();
        upstream.shutdown().await.unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "late");
        tunnel.await.unwrap();
    }
}
