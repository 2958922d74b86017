//! A response to a client of HTTP/1.0 that is cut. Where only the end of the connection tells the end of the body, an orderly
//! end would say that the body is complete (RFC 9112 section 8). So the gateway resets the connection.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use crate::connection::buffers::set_max_unsent;
use crate::connection::half_close::ClientSocket;
use crate::connection::timeouts::ConnectionTimeouts;

/// A client's socket that is reset if it is dropped within a response whose end is that of the connection.
#[derive(Debug)]
pub(crate) struct ResettingSocket<I: ClientSocket> {
    socket: I,
    timeouts: Arc<ConnectionTimeouts>,
}

impl<I: ClientSocket> ResettingSocket<I> {
    pub(crate) fn new(socket: I, timeouts: &Arc<ConnectionTimeouts>) -> Self {
        Self { socket, timeouts: Arc::clone(timeouts) }
    }
}

impl<I: ClientSocket> Drop for ResettingSocket<I> {
    fn drop(&mut self) {
        if self.timeouts.is_close_delimited() {
            reset(self.socket.tcp());
        }
    }
}

/// Resets a connection once its bytes are sent. The reset drops all bytes that were not sent.
fn reset(socket: &TcpStream) {
    let copy = || {
        let runtime = Handle::try_current().ok()?;
        let copy = std::net::TcpStream::from(socket.as_fd().try_clone_to_owned().ok()?);
        Some((runtime, TcpStream::from_std(copy).ok()?))
    };
    let Some((runtime, copy)) = copy() else {
        let _ = socket.set_zero_linger();
        return;
    };
    // The socket then takes more bytes only once all are sent.
    set_max_unsent(&copy, 1);
    let reset = ResetOnDrop(copy);
    runtime.spawn(async move {
        let _ = tokio::time::timeout(SEND_TIMEOUT, reset.0.writable()).await;
    });
}

/// A socket that is reset when it is dropped, with its task at the latest.
struct ResetOnDrop(TcpStream);

impl Drop for ResetOnDrop {
    fn drop(&mut self) {
        // The option only makes the cut plain.
        let _ = self.0.set_zero_linger();
    }
}

impl<I: ClientSocket> ClientSocket for ResettingSocket<I> {
    fn tcp(&self) -> &TcpStream {
        self.socket.tcp()
    }

    fn is_half_closable(&self) -> bool {
        self.socket.is_half_closable()
    }
}

impl<I: ClientSocket> AsyncRead for ResettingSocket<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<I: ClientSocket> AsyncWrite for ResettingSocket<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// hyper closes the sending side only after a whole response.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.timeouts.set_close_delimited(false);
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }
}

/// The longest time for which the bytes of a response that was cut are sent.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);
