//! How long is waited for a client: for its next request, for the rest of a head, and until it takes what is sent.
//!
//! Only the socket knows whether anything came, and only who answers knows when a request has come and when it is
//! answered. hyper's timer knows neither, and has to be made anew for each request.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::config::Limits;
use crate::connection::limit::Seat;
use crate::connection::rejection::Rejection;
use crate::time::pooled_timeout::{Alarm, Alarms};

/// The alarms of all connections, those of a length together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pools {
    idle: Alarms,
    heads: Alarms,
    writes: Alarms,
}

/// What a connection's socket and those who answer its requests know of each other.
#[derive(Debug)]
pub(crate) struct Patience {
    pools: Pools,
    idle_timeout: Duration,
    header_timeout: Duration,
    write_timeout: Duration,
    /// How many requests came, and how many of them are not answered to their end.
    begun: AtomicU32,
    open: AtomicU32,
    late: AtomicU8,
}

/// A request, until it is answered to its end: no other is waited for meanwhile.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Patience>);

impl Patience {
    pub(crate) fn new(limits: &Limits, pools: &Pools) -> Self {
        Self {
            pools: pools.clone(),
            idle_timeout: limits.idle_timeout,
            header_timeout: limits.header_timeout,
            write_timeout: limits.write_timeout,
            begun: AtomicU32::new(0),
            open: AtomicU32::new(0),
            late: AtomicU8::new(IN_TIME),
        }
    }

    /// Notes that a request has come.
    pub(crate) fn begin(self: &Arc<Self>) -> Turn {
        // Nobody else writes it: requests come one after the other.
        self.begun.store(self.begun().wrapping_add(1), Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        Turn(Arc::clone(self))
    }

    /// What its client was too late with, if that ended the connection. One that sent nothing at all did no harm.
    pub(crate) fn late(&self) -> Option<Rejection> {
        match self.late.load(Ordering::Relaxed) {
            HEAD => Some(Rejection::HeadTimeout),
            WRITE => Some(Rejection::WriteTimeout),
            _ => None,
        }
    }

    fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Patient<I> {
    io: I,
    patience: Arc<Patience>,
    protocol: Protocol,
    /// The requests that had come when it was last waited for another.
    begun: u32,
    head: Head,
    /// For a head. It is kept where it was set for another.
    alarm: Alarm,
    /// While the client takes nothing.
    write: Option<Alarm>,
    /// Also of what becomes of it after an upgrade.
    _seat: Seat,
}

#[derive(Debug)]
enum Protocol {
    /// So many bytes are those that HTTP/2 begins with.
    Unknown(usize),
    Http1,
    /// It sees for itself whether the client is there.
    Http2,
}

/// How far the next head is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// Nobody waited for it yet.
    Unawaited,
    /// Nothing of it is there.
    Awaited,
    /// Some of it came just now.
    Begun,
    /// The rest is waited for.
    Timed,
}

impl<I> Patient<I> {
    pub(crate) fn new(io: I, patience: Arc<Patience>, seat: Seat) -> Self {
        // Who connects has something to say.
        let alarm = patience.pools.heads.at(Instant::now() + patience.header_timeout);
        let (protocol, head) = (Protocol::Unknown(0), Head::Awaited);
        Self { io, patience, protocol, begun: 0, head, alarm, write: None, _seat: seat }
    }

    fn has_read(&mut self, bytes: &[u8]) {
        if let Protocol::Unknown(known) = self.protocol {
            let expected = &PREFACE[known..PREFACE.len().min(known + bytes.len())];
            self.protocol = match bytes.starts_with(expected) {
                false => Protocol::Http1,
                true if known + expected.len() == PREFACE.len() => Protocol::Http2,
                true => Protocol::Unknown(known + expected.len()),
            };
        }
        if self.head != Head::Timed && !bytes.is_empty() {
            self.head = Head::Begun;
        }
    }

    /// Waits for a head, where it is one that is waited for.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { patience, begun, head, alarm, .. } = self;
        if matches!(self.protocol, Protocol::Http2) || patience.open.load(Ordering::Relaxed) > 0 {
            return Poll::Pending;
        }
        if *begun != patience.begun() {
            // What came until now was that request.
            (*begun, *head) = (patience.begun(), Head::Unawaited);
        }
        match head {
            Head::Unawaited => {
                alarm.set(&patience.pools.idle, Instant::now() + patience.idle_timeout);
                *head = Head::Awaited;
            }
            Head::Begun => {
                alarm.set(&patience.pools.heads, Instant::now() + patience.header_timeout);
                *head = Head::Timed;
            }
            Head::Awaited | Head::Timed => {}
        }
        ready!(Pin::new(alarm).poll(cx));
        if *head == Head::Timed {
            patience.late.store(HEAD, Ordering::Relaxed);
        }
        Poll::Ready(())
    }

    /// The same, unless it has been pending for too long.
    fn written<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            if self.write.is_some() {
                self.write = None;
            }
            return done;
        }
        let Patience { pools, write_timeout, late, .. } = &*self.patience;
        let alarm = self.write.get_or_insert_with(|| pools.writes.at(Instant::now() + *write_timeout));
        ready!(Pin::new(alarm).poll(cx));
        late.store(WRITE, Ordering::Relaxed);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Patient<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        if let Poll::Ready(done) = Pin::new(&mut this.io).poll_read(cx, buf) {
            this.has_read(&buf.filled()[before..]);
            return Poll::Ready(done);
        }
        ready!(this.poll_late(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Patient<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write(cx, buf);
        self.written(cx, done)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.io).poll_flush(cx);
        self.written(cx, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.io).poll_shutdown(cx);
        self.written(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.written(cx, done)
    }
}

/// What HTTP/2 begins with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const IN_TIME: u8 = 0;
const HEAD: u8 = 1;
const WRITE: u8 = 2;

#[cfg(test)]
mod tests;
