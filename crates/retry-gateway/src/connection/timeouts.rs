//! Header, idle and write timeouts of a client connection.
//!
//! They are the defence against slowloris clients, which send a head or read a response a few bytes at a time
//! and so hold many connections open at little cost. The header timeout bounds the whole head from its first
//! byte on, so that sending another byte gains no time. The idle timeout bounds the pause between two
//! requests. The write timeout bounds the time in which the client reads nothing of what the gateway sends.
//! `body_timeout` of a request's body is in `upstream/request_body`.
//!
//! Only the socket knows whether bytes arrived, and only the service knows when a request starts and ends.
//! hyper's header timeout sees neither, and it registers a new timer for each request.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::config::Limits;
use crate::connection::limit::Permit;
use crate::connection::rejection::Rejection;
use crate::time::pooled_timeout::{PooledTimeout, TimerPool};

/// The timer pools of all connections: one for each kind of timeout, since the timers of a pool should be
/// alike.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionTimerPools {
    idle: TimerPool,
    header: TimerPool,
    write: TimerPool,
}

/// The timeouts of one connection, and the state that its socket shares with the service that answers its
/// requests.
#[derive(Debug)]
pub(crate) struct ConnectionTimeouts {
    pools: ConnectionTimerPools,
    idle_timeout: Duration,
    header_timeout: Duration,
    write_timeout: Duration,
    /// The number of requests that have arrived.
    started: AtomicU32,
    /// The number of those whose response has not ended.
    active: AtomicU32,
    /// The timeout that ended the connection: one of the constants below.
    expired: AtomicU8,
}

/// A request whose response has not ended; while there is one, no other request is waited for.
#[derive(Debug)]
pub(crate) struct ActiveRequest(Arc<ConnectionTimeouts>);

impl ConnectionTimeouts {
    pub(crate) fn new(limits: &Limits, pools: &ConnectionTimerPools) -> Self {
        Self {
            pools: pools.clone(),
            idle_timeout: limits.idle_timeout,
            header_timeout: limits.header_timeout,
            write_timeout: limits.write_timeout,
            started: AtomicU32::new(0),
            active: AtomicU32::new(0),
            expired: AtomicU8::new(NONE_EXPIRED),
        }
    }

    /// Notes that a request has arrived, until the returned guard is dropped.
    pub(crate) fn start_request(self: &Arc<Self>) -> ActiveRequest {
        // This is the only writer: the requests of a connection arrive one after the other.
        self.started.store(self.started().wrapping_add(1), Ordering::Relaxed);
        self.active.fetch_add(1, Ordering::Relaxed);
        ActiveRequest(Arc::clone(self))
    }

    /// Returns the timeout that ended the connection, if one did. A client that was merely idle exceeded no
    /// limit.
    pub(crate) fn rejection(&self) -> Option<Rejection> {
        match self.expired.load(Ordering::Relaxed) {
            HEADER_EXPIRED => Some(Rejection::HeaderTimeout),
            WRITE_EXPIRED => Some(Rejection::WriteTimeout),
            _ => None,
        }
    }

    fn started(&self) -> u32 {
        self.started.load(Ordering::Relaxed)
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A client's socket that fails with `TimedOut` once a timeout of its connection passes.
#[derive(Debug)]
pub(crate) struct TimeoutIo<I> {
    io: I,
    timeouts: Arc<ConnectionTimeouts>,
    protocol: ConnectionProtocol,
    /// The number of requests that had arrived when the wait for the next one began.
    started: u32,
    phase: HeaderPhase,
    /// The idle or header timeout. It stays here between requests, so that its timer is used again.
    read_timeout: PooledTimeout,
    /// The write timeout, while the client reads nothing.
    write_timeout: Option<PooledTimeout>,
    /// The permit of the connection, which an upgrade takes along.
    _permit: Permit,
}

#[derive(Debug)]
enum ConnectionProtocol {
    /// The first bytes, this many, are those of the HTTP/2 preface.
    Unknown(usize),
    Http1,
    /// HTTP/2 checks with pings of its own whether the client is still there.
    Http2,
}

/// The progress of the next request's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeaderPhase {
    /// The connection has not begun to wait for it.
    NotAwaited,
    /// None of it has arrived, and the timeout runs.
    Awaited,
    /// Its first bytes have just arrived.
    Started,
    /// Its header timeout runs.
    Timed,
}

impl<I> TimeoutIo<I> {
    pub(crate) fn new(io: I, timeouts: Arc<ConnectionTimeouts>, permit: Permit) -> Self {
        // A client that has just connected has a request to send, so the header timeout holds from here on.
        let read_timeout = timeouts.pools.header.sleep_until(Instant::now() + timeouts.header_timeout);
        Self {
            io,
            timeouts,
            protocol: ConnectionProtocol::Unknown(0),
            started: 0,
            phase: HeaderPhase::Awaited,
            read_timeout,
            write_timeout: None,
            _permit: permit,
        }
    }

    fn on_read(&mut self, bytes: &[u8]) {
        if let ConnectionProtocol::Unknown(matched) = self.protocol {
            let expected = &HTTP2_PREFACE[matched..HTTP2_PREFACE.len().min(matched + bytes.len())];
            self.protocol = match bytes.starts_with(expected) {
                false => ConnectionProtocol::Http1,
                true if matched + expected.len() == HTTP2_PREFACE.len() => ConnectionProtocol::Http2,
                true => ConnectionProtocol::Unknown(matched + expected.len()),
            };
        }
        if self.phase != HeaderPhase::Timed && !bytes.is_empty() {
            self.phase = HeaderPhase::Started;
        }
    }

    /// Resolves when the idle or header timeout passes. It is pending while a request is active, and on
    /// HTTP/2.
    fn poll_read_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { timeouts, started, phase, read_timeout, .. } = self;
        if matches!(self.protocol, ConnectionProtocol::Http2) || timeouts.active.load(Ordering::Relaxed) > 0 {
            return Poll::Pending;
        }
        if *started != timeouts.started() {
            // The bytes that arrived until now were those of that request.
            (*started, *phase) = (timeouts.started(), HeaderPhase::NotAwaited);
        }
        match phase {
            HeaderPhase::NotAwaited => {
                read_timeout.reset(&timeouts.pools.idle, Instant::now() + timeouts.idle_timeout);
                *phase = HeaderPhase::Awaited;
            }
            HeaderPhase::Started => {
                read_timeout.reset(&timeouts.pools.header, Instant::now() + timeouts.header_timeout);
                *phase = HeaderPhase::Timed;
            }
            HeaderPhase::Awaited | HeaderPhase::Timed => {}
        }
        ready!(Pin::new(read_timeout).poll(cx));
        if *phase == HeaderPhase::Timed {
            timeouts.expired.store(HEADER_EXPIRED, Ordering::Relaxed);
        }
        Poll::Ready(())
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
            }
            return result;
        }
        let ConnectionTimeouts { pools, write_timeout, expired, .. } = &*self.timeouts;
        let new = || pools.write.sleep_until(Instant::now() + *write_timeout);
        ready!(Pin::new(self.write_timeout.get_or_insert_with(new)).poll(cx));
        expired.store(WRITE_EXPIRED, Ordering::Relaxed);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for TimeoutIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.io).poll_read(cx, buf) {
            this.on_read(&buf.filled()[before..]);
            return Poll::Ready(result);
        }
        ready!(this.poll_read_timeout(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for TimeoutIo<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.or_write_timeout(cx, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.or_write_timeout(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_shutdown(cx);
        self.or_write_timeout(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.or_write_timeout(cx, result)
    }
}

/// The bytes that each HTTP/2 connection begins with (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const NONE_EXPIRED: u8 = 0;
const HEADER_EXPIRED: u8 = 1;
const WRITE_EXPIRED: u8 = 2;

#[cfg(test)]
mod tests;
