//! One HTTP/2 connection to an endpoint.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower::BoxError;

use super::driver::{Driver, Http2Executor};
use crate::config::ConnectionConfig;
use crate::sync::lock;
use crate::upstream::buffers;
use crate::upstream::pool::request::{ConnectionFuture, EndpointBody, EndpointRequest};
use crate::upstream::pool::socket::{Socket, SocketState};

/// One connection. Its list holds it as long as it takes requests, and each of its streams does.
pub(super) struct Http2Connection {
    sender: Mutex<NumberedSender>,
    socket: Arc<SocketState>,
    opened_at: Instant,
    /// The number of streams that the endpoint allows at a time.
    max_streams: Arc<AtomicUsize>,
    /// The number of streams in use. It changes under the lock of the pool only.
    streams: AtomicUsize,
    /// The number of streams that ended before their response. It changes under the lock of the pool only.
    cancelled: AtomicUsize,
    /// The most requests that the connection gets.
    max_requests: usize,
    /// The number of requests that it got. It changes under the lock of the pool only.
    requests: AtomicUsize,
    /// The number of requests that got the head of their response.
    answered: AtomicU64,
    /// The number of requests that ended before that, and not with the connection. hyper or h2 may not have taken them.
    abandoned: AtomicU64,
    /// Set if the connection ended under a request.
    is_broken: AtomicBool,
    /// The time at which the last stream ended.
    idle_since: Mutex<Instant>,
    /// The value of `bytes_read` at which a request timed out; `u64::MAX` if none did.
    silent_at: AtomicU64,
}

/// Hands requests to hyper, which gives them streams in that order.
struct NumberedSender {
    sender: http2::SendRequest<EndpointBody>,
    /// The number of requests so far.
    sent: u64,
}

/// Prepares a connection for requests. It is ready once the endpoint has sent its settings, which say how many streams it
/// allows. They are the first that it sends (RFC 9113 section 3.4).
pub(super) async fn handshake(
    config: &ConnectionConfig,
    mut socket: Socket,
) -> Result<Http2Connection, BoxError> {
    socket.watch_goaway();
    let state = Arc::clone(socket.state());
    let executor = Http2Executor::default();
    let (sender, client) = builder(config, executor.clone()).handshake(TokioIo::new(socket)).await?;
    let max_streams = Arc::new(AtomicUsize::new(0));
    let (on_settings, settings) = oneshot::channel();
    let (driver_streams, driver_socket) = (Arc::clone(&max_streams), Arc::clone(&state));
    tokio::spawn(Driver::new(client, &executor, driver_socket, driver_streams, on_settings));
    settings.await.map_err(|_| "the endpoint closed the connection before its HTTP/2 settings")?;
    Ok(Http2Connection {
        sender: Mutex::new(NumberedSender { sender, sent: 0 }),
        socket: state,
        max_streams,
        opened_at: Instant::now(),
        streams: AtomicUsize::new(0),
        cancelled: AtomicUsize::new(0),
        max_requests: usize::MAX,
        requests: AtomicUsize::new(0),
        answered: AtomicU64::new(0),
        abandoned: AtomicU64::new(0),
        is_broken: AtomicBool::new(false),
        idle_since: Mutex::new(Instant::now()),
        silent_at: AtomicU64::new(NEVER_SILENT),
    })
}

fn builder(config: &ConnectionConfig, executor: Http2Executor) -> http2::Builder<Http2Executor> {
    let mut builder = http2::Builder::new(executor);
    builder.timer(TokioTimer::new());
    builder.initial_stream_window_size(buffers::HTTP2_STREAM_WINDOW);
    builder.initial_connection_window_size(buffers::HTTP2_CONNECTION_WINDOW);
    builder.max_send_buf_size(buffers::HTTP2_SEND_BUFFER);
    builder.max_concurrent_reset_streams(REMEMBERED_STREAMS);
    builder.reset_stream_duration(REMEMBERED_FOR);
    builder.max_local_error_reset_streams(MAX_ERRORS);
    let header_limit = config.max_response_header_bytes * HEADER_LIMIT_FACTOR;
    builder.max_header_list_size(u32::try_from(header_limit).unwrap_or(u32::MAX));
    if let Some(keepalive) = config.http2_keepalive {
        builder.keep_alive_interval(keepalive.interval);
        builder.keep_alive_timeout(keepalive.timeout);
    }
    builder
}

impl Http2Connection {
    /// Lets the connection have so many requests at most.
    pub(super) fn limit_requests(&mut self, max_requests: usize) {
        self.max_requests = max_requests;
    }

    /// Sends a request. Returns how many were sent before it, too.
    pub(super) fn send(&self, request: EndpointRequest) -> (ConnectionFuture, u64) {
        let mut sender = lock(&self.sender);
        let sent_before = sender.sent;
        sender.sent += 1;
        let response = sender.sender.try_send_request(request);
        drop(sender);
        (Box::pin(response), sent_before)
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.socket.bytes_read()
    }

    /// Returns how many requests have got the head of their response.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub(super) fn count_answer(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a request ended before it got a response head, and not with the connection.
    pub(super) fn count_abandoned(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether the endpoint has closed the connection, or sent a GOAWAY.
    pub(super) fn has_ended(&self) -> bool {
        self.socket.has_ended() || self.socket.last_stream().is_some()
    }

    /// Notes that the connection ended under a request.
    pub(super) fn set_broken(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
    }

    /// Returns whether the connection ended under a request.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }

    /// Returns the number of requests that the endpoint counts in, or without a GOAWAY that of those it has answered.
    pub(super) fn served(&self) -> u64 {
        self.socket.last_stream().map_or_else(|| self.answered(), |last| u64::from(last).div_ceil(2))
    }

    /// Returns whether the endpoint has sent a GOAWAY that does not count in a request, which was sent after so many others, and
    /// after so many of them had their answers.
    ///
    /// Streams have odd numbers in the order in which hyper takes requests (RFC 9113 section 5.1.1). hyper passes over requests
    /// that were dropped before it took them, so dropped requests count for nothing here. Each request that had its answer had a
    /// stream of its own. So the stream of this request is above those of all requests that count.
    pub(super) fn is_beyond_goaway(&self, sent_before: u64, answered_before: u64) -> bool {
        let streams = sent_before.saturating_sub(self.abandoned.load(Ordering::Relaxed)).max(answered_before);
        let least_stream = streams.saturating_mul(2).saturating_add(1);
        self.socket.last_stream().is_some_and(|last| u64::from(last) < least_stream)
    }

    /// Returns whether the connection takes another request. Clients that read nothing of their responses fill the windows
    /// of their streams, so there are no more streams than fit into the window of the connection.
    pub(super) fn has_room(&self) -> bool {
        let max_streams = self.max_streams.load(Ordering::Relaxed).min(buffers::HTTP2_STREAMS as usize);
        self.streams.load(Ordering::Relaxed) < max_streams && !self.is_silent() && !self.is_spent()
    }

    /// Returns whether the connection has got as many requests as the endpoint takes.
    pub(super) fn is_spent(&self) -> bool {
        self.requests.load(Ordering::Relaxed) >= self.max_requests
    }

    /// Returns whether the connection will take no request any more: it is closed, it is too old, the endpoint has sent
    /// GOAWAY, it has got all of its requests, too many streams were cancelled, or it is silent and has no stream on which the
    /// endpoint could break its silence.
    pub(super) fn is_done(&self, max_age: Option<Duration>) -> bool {
        self.has_ended()
            || self.is_spent()
            || lock(&self.sender).sender.is_closed()
            || max_age.is_some_and(|max_age| self.opened_at.elapsed() >= max_age)
            || self.cancelled.load(Ordering::Relaxed) >= MAX_CANCELLED
            || (self.is_silent() && self.streams.load(Ordering::Relaxed) == 0)
    }

    /// Returns the time since which the connection has no stream, or `None` if it has one.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        (self.streams.load(Ordering::Relaxed) == 0).then(|| *lock(&self.idle_since))
    }

    pub(super) fn is_idle_since(&self, now: Instant, idle_timeout: Duration) -> bool {
        self.idle_since().is_some_and(|since| now.saturating_duration_since(since) >= idle_timeout)
    }

    pub(super) fn open_stream(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn close_stream(&self, has_ended: bool) {
        if !has_ended {
            self.cancelled.fetch_add(1, Ordering::Relaxed);
        }
        if self.streams.fetch_sub(1, Ordering::Relaxed) == 1 {
            *lock(&self.idle_since) = Instant::now();
        }
    }

    /// Keeps further requests away until the endpoint sends something.
    pub(super) fn set_silent(&self) {
        self.silent_at.store(self.bytes_read(), Ordering::Relaxed);
    }

    pub(super) fn is_silent(&self) -> bool {
        self.silent_at.load(Ordering::Relaxed) == self.bytes_read()
    }
}

impl fmt::Debug for Http2Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2Connection")
            .field("streams", &self.streams)
            .field("max_streams", &self.max_streams)
            .finish_non_exhaustive()
    }
}

const NEVER_SILENT: u64 = u64::MAX;
/// h2 drops the fields of trailers that are above its limit, and reports nothing. The pool checks the limit of the
/// configuration itself, and leaves this factor to h2.
const HEADER_LIMIT_FACTOR: usize = 16;
/// Frames of a stream that was cancelled may still be on their way (RFC 9113 section 5.1). h2 ignores them while it
/// remembers the stream. It takes later ones for errors of the endpoint, and closes the connection after so many. hyper's
/// default of 1,024 would be reached by late frames alone, and break the other streams off.
const REMEMBERED_STREAMS: usize = 4_096;
const REMEMBERED_FOR: Duration = Duration::from_secs(30);
const MAX_ERRORS: usize = 65_536;
/// A connection takes no more requests after so many cancelled streams, long before h2 closes it.
const MAX_CANCELLED: usize = 16_384;
