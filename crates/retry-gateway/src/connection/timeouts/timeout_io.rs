//! The socket of a client connection, which keeps its timeouts.
//!
//! A read that is pending has always armed the timer, also while a request is active: nothing wakes the
//! connection when that request ends. A timer that fires meanwhile is set again. The timeout is measured from
//! the end of the last request, so it passes at the right time all the same.

mod watch;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::{ConnectionTimeouts, GOAWAY_TIMEOUT, HEADER_EXPIRED, IDLE_EXPIRED, WRITE_EXPIRED};
use crate::connection::half_close::{ClientSocket, PeerWatch};
use crate::connection::lingering_close::LingeringClose;
use crate::connection::shutdown::OpenConnection;
use crate::time::pooled_timeout::PooledTimeout;

/// A client's socket that fails with `TimedOut` once a timeout of its connection passes.
#[derive(Debug)]
pub(crate) struct TimeoutIo<I> {
    io: I,
    timeouts: Arc<ConnectionTimeouts>,
    protocol: ConnectionProtocol,
    /// The number of requests that had arrived when the wait for the next one began.
    started: u32,
    phase: HeaderPhase,
    /// The idle or header timeout. It stays here between requests, so that its timer is used again. Its
    /// deadline is never after the time at which the timeout passes, but may be before it.
    read_timeout: PooledTimeout,
    /// Set if `read_timeout` was last set to a header timeout.
    is_header_timer: bool,
    /// The timeout of an upload of which nobody reads the rest, once its response has ended.
    rest_timeout: Option<PooledTimeout>,
    /// The write timeout, while the client reads nothing.
    write_timeout: Option<PooledTimeout>,
    /// Set while a read waits for bytes. The socket then wakes the connection for them, and for their end.
    is_reading: bool,
    /// The number of requests that had arrived at the last write.
    answered: u32,
    /// The number of requests that had arrived when a zero was sent ahead of a chunk of the response.
    padded: u32,
    peer: PeerWatch,
    /// Set once the sending side is closed, if the client may still be sending. It is boxed, because that is rare.
    lingering: Option<Box<LingeringClose>>,
    /// Counts the connection as open. An upgrade takes it along.
    open: OpenConnection,
}

#[derive(Debug)]
enum ConnectionProtocol {
    /// The first bytes, this many, are those of the HTTP/2 preface.
    Unknown(usize),
    Http1,
    Http2,
}

/// The progress of the next request's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeaderPhase {
    /// None of the connection's first head has arrived, and its header timeout runs.
    First,
    /// None of it has arrived, and the idle timeout runs.
    Idle,
    /// Its first bytes have just arrived.
    Started,
    /// Its header timeout runs.
    Timed,
}

impl<I> TimeoutIo<I> {
    pub(crate) fn new(io: I, timeouts: Arc<ConnectionTimeouts>, open: OpenConnection) -> Self {
        // A client that has just connected has a request to send, so the header timeout holds from here on.
        let read_timeout = timeouts.pools.header.sleep_until(Instant::now() + timeouts.header_timeout);
        Self {
            io,
            timeouts,
            protocol: ConnectionProtocol::Unknown(0),
            started: 0,
            phase: HeaderPhase::First,
            read_timeout,
            is_header_timer: true,
            rest_timeout: None,
            write_timeout: None,
            is_reading: false,
            answered: 0,
            padded: 0,
            peer: PeerWatch::default(),
            lingering: None,
            open,
        }
    }

    fn on_read(&mut self, bytes: &[u8]) {
        self.peer.note_read();
        self.rest_timeout = None;
        if let ConnectionProtocol::Unknown(matched) = self.protocol {
            let expected = &HTTP2_PREFACE[matched..HTTP2_PREFACE.len().min(matched + bytes.len())];
            self.protocol = match bytes.starts_with(expected) {
                false => ConnectionProtocol::Http1,
                true if matched + expected.len() == HTTP2_PREFACE.len() => {
                    self.timeouts.is_http2.store(true, Ordering::Relaxed);
                    ConnectionProtocol::Http2
                }
                true => ConnectionProtocol::Unknown(matched + expected.len()),
            };
        }
        if self.phase != HeaderPhase::Timed && !bytes.is_empty() {
            self.phase = HeaderPhase::Started;
        }
    }

    /// Resolves when the idle or header timeout passes. Otherwise it leaves a timer armed, which wakes the
    /// connection in time to look again.
    fn poll_read_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { timeouts, started, phase, read_timeout, is_header_timer, .. } = self;
        let is_http2 = matches!(self.protocol, ConnectionProtocol::Http2);
        // A client that still reads a response is not idle; the write timeout watches it.
        let is_busy = timeouts.has_active_request() || self.write_timeout.is_some();
        if !is_busy && (is_http2 || *started != timeouts.started()) {
            // The bytes that arrived until now were those of that request.
            (*started, *phase) = (timeouts.started(), HeaderPhase::Idle);
        }
        if is_busy && *is_header_timer {
            read_timeout.reset(&timeouts.pools.idle, Instant::now() + timeouts.idle_timeout);
            *is_header_timer = false;
        } else if !is_busy
            && *phase == HeaderPhase::Idle
            && read_timeout.deadline() > timeouts.idle_deadline()
            && !timeouts.is_leaving()
        {
            read_timeout.reset(&timeouts.pools.idle, timeouts.idle_deadline());
            *is_header_timer = false;
        } else if !is_busy && *phase == HeaderPhase::Started {
            read_timeout.reset(&timeouts.pools.header, Instant::now() + timeouts.header_timeout);
            (*phase, *is_header_timer) = (HeaderPhase::Timed, true);
        }
        loop {
            ready!(Pin::new(&mut *read_timeout).poll(cx));
            let now = Instant::now();
            let deadline = match phase {
                _ if is_busy => now + timeouts.idle_timeout,
                HeaderPhase::Idle if timeouts.idle_deadline() > now => timeouts.idle_deadline(),
                // A request may be on its way, and the client learns whether it was taken.
                _ if is_http2 && !timeouts.is_leaving() => {
                    timeouts.expired.store(IDLE_EXPIRED, Ordering::Relaxed);
                    cx.waker().wake_by_ref();
                    now + GOAWAY_TIMEOUT
                }
                HeaderPhase::Timed => {
                    timeouts.expired.store(HEADER_EXPIRED, Ordering::Relaxed);
                    return Poll::Ready(());
                }
                HeaderPhase::First | HeaderPhase::Idle | HeaderPhase::Started => return Poll::Ready(()),
            };
            read_timeout.reset(&timeouts.pools.idle, deadline);
            *is_header_timer = false;
        }
    }

    /// Returns the result of a write, or an error once writes have been pending for the write timeout.
    fn or_write_timeout<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            if self.write_timeout.is_some() {
                self.write_timeout = None;
                self.timeouts.is_write_pending.store(false, Ordering::Relaxed);
            }
            return result;
        }
        let ConnectionTimeouts { pools, write_timeout, expired, is_write_pending, .. } = &*self.timeouts;
        let new = || {
            is_write_pending.store(true, Ordering::Relaxed);
            pools.write.sleep_until(Instant::now() + *write_timeout)
        };
        ready!(Pin::new(self.write_timeout.get_or_insert_with(new)).poll(cx));
        expired.store(WRITE_EXPIRED, Ordering::Relaxed);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: ClientSocket> AsyncRead for TimeoutIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.io).poll_read(cx, buf);
        this.is_reading = polled.is_pending();
        if let Poll::Ready(result) = polled {
            this.on_read(&buf.filled()[before..]);
            return Poll::Ready(result);
        }
        ready!(this.poll_read_timeout(cx));
        match this.protocol {
            // hyper takes an end without an error for an orderly one, and flushes what it has.
            ConnectionProtocol::Http2 => Poll::Ready(Ok(())),
            ConnectionProtocol::Unknown(_) | ConnectionProtocol::Http1 => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<I: ClientSocket> AsyncWrite for TimeoutIo<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = self.poll_write_rest(cx, buf);
        let result = self.or_write_timeout(cx, result);
        if result.is_ready() {
            self.answered = self.timeouts.started();
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch_peer(cx)?;
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.or_write_timeout(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let result = Pin::new(&mut self.io).poll_shutdown(cx);
            ready!(self.or_write_timeout(cx, result))?;
            if !matches!(self.protocol, ConnectionProtocol::Http1) || !self.timeouts.has_unread_body() {
                return Poll::Ready(Ok(()));
            }
        }
        let Self { io, timeouts, lingering, open, .. } = &mut *self;
        let timers = &timeouts.pools.write;
        let new = || Box::new(LingeringClose::new(timers, open.is_shutting_down()));
        lingering.get_or_insert_with(new).poll(io, timers, cx).map(Ok)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.peer.is_first_byte_sent() {
            let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
            return self.poll_write(cx, first);
        }
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        let result = self.or_write_timeout(cx, result);
        if result.is_ready() {
            self.answered = self.timeouts.started();
        }
        result
    }
}

/// The bytes that each HTTP/2 connection begins with (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[cfg(test)]
mod tests;
