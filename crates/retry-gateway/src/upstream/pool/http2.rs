//! The HTTP/2 connections to one endpoint. Requests share them, up to the number of streams that the endpoint allows.

mod connection;
mod driver;
mod head_limits;
mod served_requests;
mod stream;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tower_http_retry::failure::ClassifiedError;

use self::connection::Http2Connection;
use self::served_requests::ServedRequests;
use self::stream::Http2Stream;
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
    /// The number of connections that are being opened. It is one at most, because that one may have room for all requests that
    /// wait, unless the endpoint is known to end its connections after a few.
    opening: usize,
    /// The number of requests after which the endpoint ends its connections, if they are few.
    served: ServedRequests,
    /// The time before which no further connection is opened beside the open ones, because the last one could not
    /// be opened, or had no stream.
    next_opening: Option<Instant>,
    /// Set while a task closes the connections without streams.
    is_swept: bool,
}

/// A stream for one request. Its drop makes room for another request.
#[derive(Debug)]
pub(crate) struct Http2Lease {
    stream: Http2Stream,
    pool: Arc<Http2Pool>,
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
        Some(Http2Lease { stream: Http2Stream::new(connection), pool: Arc::clone(self) })
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
        let now = Instant::now();
        let is_too_soon = state.next_opening.is_some_and(|at| now < at) && state.has_live_connection();
        let wanted = match state.served.limit(now) {
            Some(limit) => state.waiters.len().div_ceil(limit).min(MAX_OPENING),
            None => 1,
        };
        while !is_too_soon && state.opening < wanted {
            state.opening += 1;
            tokio::spawn(Arc::clone(self).open());
        }
    }

    /// Notes that the endpoint has ended a connection under a request, after it had answered others.
    fn learn(&self, connection: &Http2Connection) {
        lock(&self.state).served.on_end(connection.served(), Instant::now());
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
        state.opening -= 1;
        let failed = match opened {
            Ok(mut connection) => {
                if let Some(limit) = state.served.limit(Instant::now()) {
                    connection.limit_requests(limit);
                }
                // An endpoint that allows no stream at all would be asked for connections without end.
                state.next_opening = (!connection.has_room()).then(|| Instant::now() + OPENING_PAUSE);
                state.connections.push(Arc::new(connection));
                if !state.is_swept {
                    state.is_swept = true;
                    sweep::start(self, Instant::now() + self.config.pool_idle_timeout);
                }
                None
            }
            // The requests wait for the others that are being opened.
            Err(_) if state.opening > 0 => None,
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
        self.connections.iter().any(|connection| !connection.is_silent() && !connection.is_spent())
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
        self.stream.send(request)
    }

    pub(super) fn lacks_content(&self, status: StatusCode) -> bool {
        self.stream.lacks_content(status)
    }

    /// Notes that the request got the head of its response.
    pub(super) fn on_response(&mut self) {
        if self.stream.on_response() {
            self.pool.learn(&self.stream.connection);
        }
    }

    /// Notes that the request failed before the head of its response, and not by its time.
    pub(super) fn on_failure(&mut self, error: &hyper::Error) {
        if self.stream.on_failure(error) {
            self.pool.learn(&self.stream.connection);
        }
    }

    /// Returns whether the endpoint has told that it does not process the request.
    pub(super) fn is_unprocessed(&self) -> bool {
        self.stream.is_unprocessed()
    }

    pub(super) fn check_head(&self, headers: &HeaderMap) -> Result<(), SendError> {
        head_limits::check_head(&self.pool.config, headers)
    }

    pub(super) fn check_trailers(&self, trailers: &HeaderMap) -> Result<(), SendError> {
        head_limits::check_trailers(&self.pool.config, trailers)
    }

    pub(super) fn on_timeout(&self) {
        self.stream.on_timeout();
    }

    pub(super) fn into_pool(self) -> Arc<Http2Pool> {
        Arc::clone(&self.pool)
    }

    /// Gives the stream back after the end of the response.
    pub(super) fn release(mut self) {
        self.stream.has_ended = true;
    }
}

impl Drop for Http2Lease {
    fn drop(&mut self) {
        let state = lock(&self.pool.state);
        self.stream.close();
        let has_waiters = !state.waiters.is_empty();
        drop(state);
        if has_waiters {
            self.pool.serve_waiters();
        }
    }
}

/// The pause after a connection that is of no use, while others are open.
const OPENING_PAUSE: Duration = Duration::from_secs(1);
/// The most connections that are opened at a time.
const MAX_OPENING: usize = 8;
