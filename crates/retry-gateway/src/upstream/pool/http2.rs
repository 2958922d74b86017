//! The HTTP/2 connections to one endpoint. Requests share them, up to the number of streams that the endpoint allows.

mod connection;
mod driver;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tower_http_retry::failure::ClassifiedError;

use self::connection::Http2Connection;
use super::error::SendError;
use super::request::{ConnectionFuture, EndpointRequest};
use super::sweep::{self, Sweep};
use crate::config::ConnectionConfig;
use crate::sync::lock;
use crate::upstream::connect::Connector;
use crate::upstream::idle_connections::IdleConnections;

/// The HTTP/2 connections to one endpoint.
#[derive(Debug)]
pub(crate) struct Http2Pool {
    pub(super) connector: Connector,
    config: ConnectionConfig,
    state: Mutex<Http2PoolState>,
}

#[derive(Debug, Default)]
struct Http2PoolState {
    /// The connections that take requests. One that was left out of the list lives until its last stream has ended.
    connections: Vec<Arc<Http2Connection>>,
    /// Requests that wait for a stream, in the order of their arrival.
    waiters: VecDeque<oneshot::Sender<Result<Http2Lease, ClassifiedError>>>,
    /// Set while a connection is being opened. The other requests wait for it, because it may have room for all.
    is_opening: bool,
    /// The time before which no further connection is opened beside the open ones, because the last one could not
    /// be opened, or had no stream.
    next_opening: Option<Instant>,
    /// Set while a task closes the connections without streams.
    is_swept: bool,
}

/// A stream of a connection for one request. Its drop makes room for another request.
#[derive(Debug)]
pub(crate) struct Http2Lease {
    connection: Arc<Http2Connection>,
    pool: Arc<Http2Pool>,
    /// The bytes that the connection had read when the request got its stream.
    bytes_before: u64,
    /// The number of requests that had their answers when this one was sent.
    answered_before: u64,
    /// Set for a request whose response has no content.
    is_head: bool,
    /// Set once the response has ended. Until then the drop cancels the stream.
    has_ended: bool,
}

impl Http2Pool {
    pub(super) fn new(connector: Connector, config: &ConnectionConfig) -> Self {
        Self { connector, config: config.clone(), state: Mutex::default() }
    }

    /// Takes a stream of a connection that has room. Requests that wait come first.
    pub(super) fn take_stream(self: &Arc<Self>) -> Option<Http2Lease> {
        let mut state = lock(&self.state);
        match state.waiters.is_empty() {
            true => self.reserve(&mut state),
            false => None,
        }
    }

    /// Waits for a stream, and has a connection opened if none has room.
    pub(super) async fn stream(self: &Arc<Self>) -> Result<Http2Lease, SendError> {
        let (waiter, stream) = oneshot::channel();
        lock(&self.state).waiters.push_back(waiter);
        self.serve_waiters();
        match stream.await {
            Ok(stream) => stream.map_err(SendError::Connect),
            // The task that opened the connection is gone, as the runtime stops.
            Err(_) => Err(SendError::no_connection()),
        }
    }

    /// Takes a stream of the first connection that has room, so that the last ones become idle and can be closed.
    fn reserve(self: &Arc<Self>, state: &mut MutexGuard<'_, Http2PoolState>) -> Option<Http2Lease> {
        state.connections.retain(|connection| !connection.is_done(self.config.max_connection_age));
        let connection = state.connections.iter().find(|connection| connection.has_room())?;
        connection.open_stream();
        Some(Http2Lease {
            bytes_before: connection.bytes_read(),
            connection: Arc::clone(connection),
            pool: Arc::clone(self),
            answered_before: 0,
            is_head: false,
            has_ended: false,
        })
    }

    /// Gives streams to the requests that wait, and has a connection opened if that is not enough.
    fn serve_waiters(self: &Arc<Self>) {
        loop {
            let mut state = lock(&self.state);
            while state.waiters.front().is_some_and(oneshot::Sender::is_closed) {
                state.waiters.pop_front();
            }
            if state.waiters.is_empty() {
                return;
            }
            let Some(stream) = self.reserve(&mut state) else {
                self.open_if_needed(&mut state);
                return;
            };
            let waiter = state.waiters.pop_front();
            drop(state);
            // A stream that its request does not want any more is dropped here, outside of the lock. The drop serves
            // the next request.
            if let Some(waiter) = waiter {
                drop(waiter.send(Ok(stream)));
            }
        }
    }

    fn open_if_needed(self: &Arc<Self>, state: &mut MutexGuard<'_, Http2PoolState>) {
        let is_too_soon =
            state.next_opening.is_some_and(|at| Instant::now() < at) && state.has_live_connection();
        if !state.is_opening && !is_too_soon {
            state.is_opening = true;
            tokio::spawn(Arc::clone(self).open());
        }
    }

    /// Opens a connection. It is a task of its own, so that it survives the request that asked for it. After a connection
    /// that is of no use, it looks again for requests that wait: no stream need end, and no request arrive, to wake them.
    async fn open(self: Arc<Self>) {
        self.add(self.connector.connect(|socket| connection::handshake(&self.config, socket)).await);
        let next_opening = lock(&self.state).next_opening;
        if let Some(at) = next_opening {
            sleep_until(at).await;
            self.serve_waiters();
        }
    }

    /// Adds a connection, and serves the requests that wait.
    fn add(self: &Arc<Self>, opened: Result<Http2Connection, ClassifiedError>) {
        let mut state = lock(&self.state);
        state.is_opening = false;
        let failed = match opened {
            Ok(connection) => {
                // An endpoint that allows no stream at all would be asked for connections without end.
                state.next_opening = (!connection.has_room()).then(|| Instant::now() + OPENING_PAUSE);
                state.connections.push(Arc::new(connection));
                if !state.is_swept {
                    state.is_swept = true;
                    sweep::start(self, Instant::now() + self.config.pool_idle_timeout);
                }
                None
            }
            // The streams of the other connections will end, and the requests get those.
            Err(_) if state.has_live_connection() => {
                state.next_opening = Some(Instant::now() + OPENING_PAUSE);
                None
            }
            Err(error) => Some((error, std::mem::take(&mut state.waiters))),
        };
        drop(state);
        match failed {
            None => self.serve_waiters(),
            Some((error, waiters)) => {
                for waiter in waiters {
                    drop(waiter.send(Err(error.clone())));
                }
            }
        }
    }
}

impl Http2PoolState {
    /// Returns whether a stream of a connection that is open now may become free.
    fn has_live_connection(&self) -> bool {
        self.connections.iter().any(|connection| !connection.is_silent())
    }
}

impl IdleConnections for Http2Pool {
    fn first_expiry(&self) -> Option<Instant> {
        let state = lock(&self.state);
        let since = state.connections.iter().filter_map(|connection| connection.idle_since()).min();
        since.map(|since| since + self.config.pool_idle_timeout)
    }

    fn close_first(&self) {
        let mut state = lock(&self.state);
        let idle = state.connections.iter().enumerate();
        let idle = idle.filter_map(|(index, connection)| Some((connection.idle_since()?, index)));
        let first = idle.min().map(|(_, index)| state.connections.remove(index));
        drop(state);
        // Without its last handle the connection closes.
        drop(first);
    }
}

impl Sweep for Http2Pool {
    fn sweep(&self) -> Option<Instant> {
        let ConnectionConfig { max_connection_age, pool_idle_timeout, .. } = self.config;
        let mut state = lock(&self.state);
        let now = Instant::now();
        let is_old = |connection: &mut Arc<Http2Connection>| {
            connection.is_done(max_connection_age) || connection.is_idle_since(now, pool_idle_timeout)
        };
        let old: Vec<_> = state.connections.extract_if(.., is_old).collect();
        let idle_since = state.connections.iter().filter_map(|connection| connection.idle_since());
        let next = idle_since.map(|since| since + pool_idle_timeout).min();
        state.is_swept = !state.connections.is_empty();
        let next = state.is_swept.then(|| next.unwrap_or(now + pool_idle_timeout));
        drop(state);
        drop(old);
        next
    }
}

impl Http2Lease {
    pub(super) fn send(&mut self, request: EndpointRequest) -> ConnectionFuture {
        self.is_head = *request.method() == Method::HEAD;
        self.answered_before = self.connection.answered();
        self.connection.send(request)
    }

    pub(super) fn lacks_content(&self, status: StatusCode) -> bool {
        self.is_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }

    /// Notes that the request got the head of its response.
    pub(super) fn on_response(&self) {
        self.connection.count_answer();
    }

    /// Returns whether the endpoint has told that it does not process the request.
    pub(super) fn is_unprocessed(&self) -> bool {
        self.connection.is_beyond_goaway(self.answered_before)
    }

    /// Returns an error if the head of a response has more lines or bytes than the configuration allows.
    pub(super) fn check_head(&self, headers: &HeaderMap) -> Result<(), SendError> {
        let config = &self.pool.config;
        let is_too_large = headers.len() > config.max_response_headers
            || size_of(headers) > config.max_response_header_bytes;
        if is_too_large {
            Err(SendError::head_too_large("more than the configuration allows"))
        } else {
            Ok(())
        }
    }

    /// Returns an error if trailers have more lines or bytes than the configuration allows. h2 drops a line that is
    /// above its own limit, so a server that sends trailers has sent more than none.
    pub(super) fn check_trailers(&self, trailers: &HeaderMap) -> Result<(), SendError> {
        match trailers.is_empty() {
            true => Err(SendError::head_too_large("more than can be read")),
            false => self.check_head(trailers),
        }
    }

    /// Notes that the request's time passed. If the endpoint has sent nothing since the request began, the connection
    /// gets no more requests until it does.
    pub(super) fn on_timeout(&self) {
        if self.connection.bytes_read() == self.bytes_before {
            self.connection.set_silent();
        }
    }

    pub(super) fn into_pool(self) -> Arc<Http2Pool> {
        Arc::clone(&self.pool)
    }

    /// Gives the stream back after the end of the response.
    pub(super) fn release(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Http2Lease {
    fn drop(&mut self) {
        let state = lock(&self.pool.state);
        self.connection.close_stream(self.has_ended);
        let has_waiters = !state.waiters.is_empty();
        drop(state);
        if has_waiters {
            self.pool.serve_waiters();
        }
    }
}

/// Returns the size of header lines, with a colon, a blank and the end of each line.
fn size_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

/// The pause after a connection that is of no use, while others are open.
const OPENING_PAUSE: Duration = Duration::from_secs(1);
