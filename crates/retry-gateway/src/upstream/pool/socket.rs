//! The socket of a connection to an endpoint, as hyper reads and writes it.

mod state;

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

pub(crate) use self::state::{SocketState, UploadMark};
use super::goaway::GoAwayReader;
use crate::connection::limit::Permit;
use crate::upstream::buffers::READ_SIZE;

/// A TCP connection to an endpoint, or a TLS session on one. It counts the bytes that the endpoint has sent.
///
/// It holds back an error in writing until all that has arrived is read. A server that refuses an upload answers at once
/// and closes the connection, and its reset meets the upload. The answer has arrived by then (RFC 9112 section 9.5).
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    /// The error in writing, which reading reports at its end.
    write_error: Option<io::Error>,
    /// Set while the endpoint has no room for what hyper writes.
    is_blocked: bool,
    state: Arc<SocketState>,
    /// Set once `tcp_user_timeout` holds no more.
    is_exempt: bool,
    /// Set for HTTP/2, whose frames are watched for GOAWAY.
    goaway: Option<GoAwayReader>,
    /// Permit of a file descriptor.
    _permit: Permit,
}

/// The stream of bytes. The TLS session is boxed, because it is larger than most futures that hold it.
#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    pub(crate) fn tcp(stream: TcpStream, permit: Permit) -> Self {
        Self::new(Stream::Tcp(stream), permit)
    }

    pub(crate) fn tls(stream: TlsStream<TcpStream>, permit: Permit) -> Self {
        Self::new(Stream::Tls(Box::new(stream)), permit)
    }

    fn new(stream: Stream, permit: Permit) -> Self {
        let state = Arc::default();
        Self {
            stream,
            write_error: None,
            is_blocked: false,
            state,
            is_exempt: false,
            goaway: None,
            _permit: permit,
        }
    }

    /// Watches the frames that arrive for GOAWAY, from the first on.
    pub(super) fn watch_goaway(&mut self) {
        self.goaway = Some(GoAwayReader::default());
    }

    pub(crate) fn state(&self) -> &Arc<SocketState> {
        &self.state
    }
}

impl Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }

    /// Lets bytes wait for room at the endpoint for as long as its host answers: a server of a tunnel may read nothing for long.
    fn clear_user_timeout(&self) {
        // Without the option the tunnel may end with such a pause.
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(match self {
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        })
        .set_tcp_user_timeout(None);
    }

    /// Reads at most [`READ_SIZE`] bytes into a larger buffer, through one of that size. Without `unsafe`
    /// there is no other way that leaves the rest of the buffer uninitialized.
    fn poll_read_size(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        thread_local! {
            static BYTES: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]);
        }
        BYTES.with_borrow_mut(|bytes| {
            let mut part = ReadBuf::new(bytes);
            ready!(self.poll_read(cx, &mut part))?;
            buf.put_slice(part.filled());
            Poll::Ready(Ok(()))
        })
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = match buf.remaining() > READ_SIZE {
            false => self.stream.poll_read(cx, buf),
            true => self.stream.poll_read_size(cx, buf),
        };
        let read = buf.filled().len() - before;
        if read > 0 {
            if self.is_blocked || self.state.is_uploading.load(Ordering::Relaxed) {
                self.state.is_answered_early.store(true, Ordering::Relaxed);
            }
            self.state.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
            let last_stream = self.goaway.as_mut().and_then(|goaway| goaway.read(&buf.filled()[before..]));
            if let Some(last) = last_stream {
                self.state.last_stream.fetch_min(last, Ordering::Relaxed);
            }
        } else if result.is_ready() && buf.remaining() > 0 {
            self.state.has_ended.store(true, Ordering::Relaxed);
            if let Some(error) = self.write_error.take() {
                return Poll::Ready(Err(error));
            }
        }
        result
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.write_error.is_some() {
            return Poll::Ready(Ok(buf.len()));
        }
        if !self.is_exempt && self.state.is_tunnel.load(Ordering::Relaxed) {
            self.is_exempt = true;
            self.stream.clear_user_timeout();
        }
        let result = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        self.hold_back(result, buf.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_error.is_some() {
            return Poll::Ready(Ok(()));
        }
        let result = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        self.hold_back(result, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = || bufs.iter().map(|buf| buf.len()).sum();
        if self.write_error.is_some() {
            return Poll::Ready(Ok(len()));
        }
        let result = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        self.hold_back(result, len())
    }
}

impl Socket {
    /// Holds back an error in writing. What is written after it is dropped, because the upstream reads nothing any more. hyper goes on with
    /// reading, which ends soon on such a connection, and then reports the error.
    fn hold_back<T>(&mut self, result: Poll<io::Result<T>>, written: T) -> Poll<io::Result<T>> {
        self.is_blocked = result.is_pending();
        match result {
            Poll::Ready(Err(error)) => {
                self.write_error = Some(error);
                Poll::Ready(Ok(written))
            }
            result => result,
        }
    }
}

#[cfg(test)]
mod tests;
