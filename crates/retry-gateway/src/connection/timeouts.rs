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

pub(crate) mod timeout_io;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Limits;
use crate::connection::rejection::Rejection;
use crate::connection::shutdown::ShutdownEnd;
use crate::time::pooled_timeout::TimerPool;

/// The timer pools of all connections: one for each kind of timeout, since the timers of a pool should be
/// alike. The connections also share the announcement that a shutdown is about to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionTimerPools {
    idle: TimerPool,
    header: TimerPool,
    write: TimerPool,
    pub(crate) shutdown_end: ShutdownEnd,
}

/// The timeouts of one connection, and the state that its socket shares with the service that answers its
/// requests.
#[derive(Debug)]
pub(crate) struct ConnectionTimeouts {
    pools: ConnectionTimerPools,
    idle_timeout: Duration,
    header_timeout: Duration,
    write_timeout: Duration,
    tunnel_idle_timeout: Duration,
    /// The number of requests that have arrived.
    started: AtomicU32,
    /// The number of those whose response has not ended.
    active: AtomicU32,
    /// Set while the last request has a body that was not read to its end before the response.
    has_unread_body: AtomicBool,
    /// Set from the head of a response whose end only the end of the connection tells, until that response is whole.
    is_close_delimited: AtomicBool,
    /// Set while the client has all chunks of a response so far, and the next one is awaited.
    awaits_chunk: AtomicBool,
    opened_at: Instant,
    /// The nanoseconds from `opened_at` to the end of the last request.
    idle_since: AtomicU64,
    /// The timeout that ended the connection: one of the constants below.
    expired: AtomicU8,
    /// Set once the client has sent the preface of HTTP/2.
    is_http2: AtomicBool,
    /// Set while the client takes nothing of what the gateway writes.
    is_write_pending: AtomicBool,
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
            tunnel_idle_timeout: limits.tunnel_idle_timeout,
            started: AtomicU32::new(0),
            active: AtomicU32::new(0),
            has_unread_body: AtomicBool::new(false),
            is_close_delimited: AtomicBool::new(false),
            awaits_chunk: AtomicBool::new(false),
            opened_at: Instant::now(),
            idle_since: AtomicU64::new(0),
            expired: AtomicU8::new(NONE_EXPIRED),
            is_http2: AtomicBool::new(false),
            is_write_pending: AtomicBool::new(false),
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

    /// Returns whether the idle timeout of an HTTP/2 connection has passed, so that its client is to learn that the
    /// connection closes.
    pub(crate) fn is_leaving(&self) -> bool {
        self.expired.load(Ordering::Relaxed) == IDLE_EXPIRED
    }

    /// Returns the timers and the length of the write timeout, for the streams of HTTP/2.
    pub(crate) fn write_timeout(&self) -> (TimerPool, Duration) {
        (self.pools.write.clone(), self.write_timeout)
    }

    /// Returns whether a request has arrived.
    pub(crate) fn has_requests(&self) -> bool {
        self.started() > 0
    }

    /// Returns whether the connection is one of HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.is_http2.load(Ordering::Relaxed)
    }

    /// Returns whether a response is under way, or bytes of one wait for the client.
    pub(crate) fn is_busy(&self) -> bool {
        self.has_active_request() || self.is_write_pending.load(Ordering::Relaxed)
    }

    /// Returns the number of requests that have arrived.
    pub(crate) fn started(&self) -> u32 {
        self.started.load(Ordering::Relaxed)
    }

    /// Returns whether a client of HTTP/1.1 may still be sending the body of its last request.
    fn has_unread_body(&self) -> bool {
        self.has_unread_body.load(Ordering::Relaxed)
    }

    /// Returns whether only the end of the connection tells the end of a response that is not whole yet.
    pub(crate) fn is_close_delimited(&self) -> bool {
        self.is_close_delimited.load(Ordering::Relaxed)
    }

    pub(crate) fn set_close_delimited(&self, is_close_delimited: bool) {
        self.is_close_delimited.store(is_close_delimited, Ordering::Relaxed);
    }

    /// Returns whether the next chunk of a response is awaited, and hyper has the earlier ones.
    fn awaits_chunk(&self) -> bool {
        self.awaits_chunk.load(Ordering::Relaxed)
    }

    fn has_active_request(&self) -> bool {
        // The end of a request writes `idle_since` before it lowers the count.
        self.active.load(Ordering::Acquire) > 0
    }

    /// Returns the end of the last request, or the start of a connection that has had none.
    pub(crate) fn idle_since(&self) -> Instant {
        self.opened_at + Duration::from_nanos(self.idle_since.load(Ordering::Relaxed))
    }

    /// Returns the time at which the idle timeout passes, if no request arrives.
    fn idle_deadline(&self) -> Instant {
        self.idle_since() + self.idle_timeout
    }
}

impl ActiveRequest {
    /// Returns the announcement that a shutdown is about to end.
    pub(crate) fn shutdown_end(&self) -> &ShutdownEnd {
        &self.0.pools.shutdown_end
    }

    /// Returns the longest time in which no byte passes through a tunnel of this connection.
    pub(crate) fn tunnel_idle_timeout(&self) -> Duration {
        self.0.tunnel_idle_timeout
    }

    /// Notes whether only the end of the connection tells the end of the response.
    pub(crate) fn set_close_delimited(&self, is_close_delimited: bool) {
        self.0.set_close_delimited(is_close_delimited);
    }

    /// Notes whether hyper has asked in vain for more of a response that it sends in chunks. A response whose length is known has
    /// none.
    pub(crate) fn set_awaiting_chunk(&self, awaits_chunk: bool) {
        self.0.awaits_chunk.store(awaits_chunk, Ordering::Relaxed);
    }

    /// Notes whether the gateway has not read all bytes of the request's body yet.
    pub(crate) fn set_unread_body(&self, has_unread_body: bool) {
        self.0.has_unread_body.store(has_unread_body, Ordering::Relaxed);
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        let since_open = self.0.opened_at.elapsed().as_nanos();
        // On HTTP/2 two requests may end at once on two threads: the later end counts.
        self.0.idle_since.fetch_max(u64::try_from(since_open).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.0.active.fetch_sub(1, Ordering::Release);
    }
}

/// The time that a client of HTTP/2 has to answer the ping behind a GOAWAY. The connection then closes at once.
pub(crate) const GOAWAY_TIMEOUT: Duration = Duration::from_secs(1);
const NONE_EXPIRED: u8 = 0;
const HEADER_EXPIRED: u8 = 1;
const WRITE_EXPIRED: u8 = 2;
const IDLE_EXPIRED: u8 = 3;
