//! How long is waited for a client: for its next request, for the rest of a head, and until it takes what is sent.
//!
//! hyper waits for the next head and for its end with one timer. It is made here, and knows from the socket which of
//! the two it is.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::alarm::{Alarm, Alarms};
use crate::capacity::Seat;
use crate::config::Limits;
use crate::reject::Rejection;

/// The alarms of all connections, those of a length together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pools {
    idle: Alarms,
    heads: Alarms,
    writes: Alarms,
}

/// What a connection's socket and its timer know of each other.
#[derive(Debug)]
pub(crate) struct Patience {
    pools: Pools,
    header_timeout: Duration,
    write_timeout: Duration,
    /// How many bytes came.
    read: AtomicU64,
    /// Whether hyper's timer waits for heads.
    is_timed: AtomicBool,
    late: AtomicU8,
}

impl Patience {
    pub(crate) fn new(limits: &Limits, pools: &Pools) -> Self {
        Self {
            pools: pools.clone(),
            header_timeout: limits.header_timeout,
            write_timeout: limits.write_timeout,
            read: AtomicU64::new(0),
            is_timed: AtomicBool::new(false),
            late: AtomicU8::new(IN_TIME),
        }
    }

    /// What its client was too late with, if that ended the connection. One that sent nothing at all did no harm.
    pub(crate) fn late(&self) -> Option<Rejection> {
        match self.late.load(Ordering::Relaxed) {
            HEAD => Some(Rejection::HeadTimeout),
            WRITE => Some(Rejection::WriteTimeout),
            _ => None,
        }
    }

    fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

/// hyper's timer of heads.
#[derive(Clone, Debug)]
pub(crate) struct HeadTimer(pub(crate) Arc<Patience>);

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        let patience = Arc::clone(&self.0);
        // The first head has begun already: by its first bytes its version was found out.
        let is_first = !patience.is_timed.swap(true, Ordering::Relaxed);
        let before = if is_first { 0 } else { patience.read() };
        let alarm = patience.pools.idle.at(deadline.into());
        Box::pin(NextHead { patience, before, has_begun: false, alarm })
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

/// Resolves when a head does not come, or does not end.
struct NextHead {
    patience: Arc<Patience>,
    /// How many bytes had come before it.
    before: u64,
    has_begun: bool,
    alarm: Alarm,
}

impl Future for NextHead {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if !this.has_begun && this.patience.read() > this.before {
            this.has_begun = true;
            this.alarm = this.patience.pools.heads.at(Instant::now() + this.patience.header_timeout);
        }
        ready!(Pin::new(&mut this.alarm).poll(cx));
        if this.has_begun {
            this.patience.late.store(HEAD, Ordering::Relaxed);
        }
        Poll::Ready(())
    }
}

impl Sleep for NextHead {}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Patient<I> {
    io: I,
    patience: Arc<Patience>,
    /// Until hyper waits for heads itself.
    first: Option<Alarm>,
    /// While the client takes nothing.
    write: Option<Alarm>,
    /// Also of what becomes of it after an upgrade.
    _seat: Seat,
}

impl<I> Patient<I> {
    pub(crate) fn new(io: I, patience: Arc<Patience>, seat: Seat) -> Self {
        let first = patience.pools.heads.at(Instant::now() + patience.header_timeout);
        Self { io, patience, first: Some(first), write: None, _seat: seat }
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
        match Pin::new(&mut this.io).poll_read(cx, buf) {
            Poll::Ready(done) => {
                let read = (buf.filled().len() - before) as u64;
                // Nobody else writes it.
                this.patience.read.store(this.patience.read() + read, Ordering::Relaxed);
                Poll::Ready(done)
            }
            Poll::Pending => {
                let Some(alarm) = &mut this.first else { return Poll::Pending };
                if this.patience.is_timed.load(Ordering::Relaxed) || this.patience.read() >= PREFACE {
                    this.first = None;
                    return Poll::Pending;
                }
                ready!(Pin::new(alarm).poll(cx));
                if this.patience.read() > 0 {
                    this.patience.late.store(HEAD, Ordering::Relaxed);
                }
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
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

/// The bytes that HTTP/2 begins with (RFC 9113 section 3.4): whoever sent them speaks one of the two.
const PREFACE: u64 = 24;

const IN_TIME: u8 = 0;
const HEAD: u8 = 1;
const WRITE: u8 = 2;
