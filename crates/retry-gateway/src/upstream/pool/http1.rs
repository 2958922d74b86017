//! The HTTP/1.1 connections to one endpoint. Each has one request at a time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::error::SendError;
use super::idle::IdleList;
use super::keep_alive::keep_alive;
use super::request::{ConnectionFuture, EndpointBody, EndpointRequest};
use super::socket::{Socket, SocketState};
use super::sweep::{self, Sweep};
use crate::config::ConnectionConfig;
use crate::sync::lock;
use crate::upstream::buffers;
use crate::upstream::connect::Connector;
use crate::upstream::idle_connections::IdleConnections;

/// The HTTP/1.1 connections to one endpoint.
#[derive(Debug)]
pub(crate) struct Http1Pool {
    pub(super) connector: Connector,
    http: http1::Builder,
    idle_timeout: Duration,
    max_age: Option<Duration>,
    state: Mutex<Http1PoolState>,
}

#[derive(Debug, Default)]
struct Http1PoolState {
    idle: IdleList<Box<Http1Connection>>,
    /// Requests that open a connection, and take the first one that another request gives back before.
    waiters: VecDeque<oneshot::Sender<Box<Http1Connection>>>,
    /// Set while a task closes the connections that no request takes.
    is_swept: bool,
}

/// A connection without a request. It is boxed once, because it moves with each request and each response.
pub(crate) struct Http1Connection {
    sender: http1::SendRequest<EndpointBody>,
    /// The task that reads and writes the socket.
    task: AbortHandle,
    socket: Arc<SocketState>,
    opened_at: Instant,
    /// The end of the last request, or the start of a connection that has had none.
    idle_since: Instant,
    /// The longest time that the connection may be idle, as the last response said.
    keep_alive: Option<Duration>,
}

/// A connection with one request. Dropped before the end of the response, it closes the connection.
#[derive(Debug)]
pub(crate) struct Http1Lease {
    /// Taken when the connection goes back.
    connection: Option<Box<Http1Connection>>,
    pool: Arc<Http1Pool>,
}

impl Http1Pool {
    pub(super) fn new(connector: Connector, config: &ConnectionConfig) -> Self {
        Self {
            connector,
            http: builder(config),
            idle_timeout: config.pool_idle_timeout,
            max_age: config.max_connection_age,
            state: Mutex::default(),
        }
    }

    /// Takes an idle connection. `now` may be a moment ago.
    pub(super) fn take_idle(&self, now: Instant) -> Option<Box<Http1Connection>> {
        lock(&self.state).idle.pop(now, |connection| connection.is_ready())
    }

    /// Opens a connection, or takes the first one that another request gives back until then.
    pub(super) async fn connection(self: &Arc<Self>) -> Result<Box<Http1Connection>, SendError> {
        let (waiter, returned) = oneshot::channel();
        {
            let mut state = lock(&self.state);
            while state.waiters.front().is_some_and(oneshot::Sender::is_closed) {
                state.waiters.pop_front();
            }
            state.waiters.push_back(waiter);
        }
        let mut opening = Box::pin(Arc::clone(self).open());
        tokio::select! {
            biased;
            Ok(connection) = returned => {
                // The new connection will serve a later request.
                let pool = Arc::clone(self);
                tokio::spawn(async move {
                    if let Ok(connection) = opening.await {
                        pool.give(connection);
                    }
                });
                Ok(connection)
            }
            opened = &mut opening => opened,
        }
    }

    async fn open(self: Arc<Self>) -> Result<Box<Http1Connection>, SendError> {
        let handshake = async |socket: Socket| {
            let state = Arc::clone(socket.state());
            Ok((self.http.handshake(TokioIo::new(socket)).await?, state))
        };
        let ((sender, driver), socket) =
            self.connector.connect(handshake).await.map_err(SendError::Connect)?;
        // The sender gets the errors of a request. There is no one to tell of an error of an idle connection.
        let task = tokio::spawn(async { drop(driver.with_upgrades().await) }).abort_handle();
        let now = Instant::now();
        let (opened_at, idle_since) = (now, now);
        Ok(Box::new(Http1Connection { sender, task, socket, opened_at, idle_since, keep_alive: None }))
    }

    /// Hands a request to a connection, which belongs to the lease until the end of the response.
    pub(super) fn send(
        self: Arc<Self>,
        mut connection: Box<Http1Connection>,
        mut request: EndpointRequest,
    ) -> (Http1Lease, ConnectionFuture) {
        request.body_mut().mark_upload(|| connection.socket.upload_mark());
        let response = Box::pin(connection.sender.try_send_request(request));
        (Http1Lease { connection: Some(connection), pool: self }, response)
    }

    /// Takes back a connection that is ready for another request, unless its endpoint may still close it.
    fn give(self: &Arc<Self>, mut connection: Box<Http1Connection>) {
        // An endpoint that has answered without the whole request may never have read the rest, and then closes the
        // connection. The next request would meet the close, and could not be sent again if it is a POST.
        if connection.socket.is_answered_early() {
            return;
        }
        let now = Instant::now();
        let idle_timeout = connection.keep_alive.unwrap_or(self.idle_timeout).min(self.idle_timeout);
        let retires_at = self.max_age.map(|max_age| connection.opened_at + max_age);
        let expires_at = retires_at.map_or(now + idle_timeout, |at| at.min(now + idle_timeout));
        if expires_at <= now {
            return;
        }
        connection.idle_since = now;
        let mut state = lock(&self.state);
        while let Some(waiter) = state.waiters.pop_front() {
            match waiter.send(connection) {
                Ok(()) => return,
                Err(unsent) => connection = unsent,
            }
        }
        state.idle.push(connection, expires_at);
        if !state.is_swept {
            state.is_swept = true;
            sweep::start(self, expires_at);
        }
    }

    /// Closes the connections that were idle for a while, and for as long as `broken`, which has just failed its request.
    /// What happened to it meanwhile has mostly happened to them: a firewall has forgotten them, or their host has restarted.
    fn close_older_than(&self, broken: &Http1Connection) {
        let now = Instant::now();
        let until =
            now.checked_sub(SUSPICIOUS_PAUSE).map_or(broken.idle_since, |at| at.min(broken.idle_since));
        let suspects =
            lock(&self.state).idle.remove_unusable(now, |connection| connection.idle_since > until);
        drop(suspects);
    }
}

impl IdleConnections for Http1Pool {
    fn first_expiry(&self) -> Option<Instant> {
        lock(&self.state).idle.first_expiry()
    }

    fn close_first(&self) {
        let connection = lock(&self.state).idle.remove_first();
        if let Some(connection) = connection {
            connection.task.abort();
        }
    }
}

fn builder(config: &ConnectionConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.preserve_header_case(config.header_case.preserve).title_case_headers(config.header_case.title);
    builder.max_headers(config.max_response_headers);
    builder.max_header_size(config.max_response_header_bytes);
    builder.max_buf_size(config.max_response_header_bytes.max(buffers::HTTP1_BUFFER));
    builder
}

impl Sweep for Http1Pool {
    fn sweep(&self) -> Option<Instant> {
        let mut state = lock(&self.state);
        let unusable = state.idle.remove_unusable(Instant::now(), |connection| !connection.is_closed());
        let next = state.idle.first_expiry();
        state.is_swept = next.is_some();
        drop(state);
        drop(unusable);
        next
    }
}

impl Http1Connection {
    fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl Http1Lease {
    /// Reads from a response head how long the server keeps an idle connection open, and whether it is a tunnel.
    pub(super) fn on_response(&mut self, response: &Response<Incoming>) {
        if let Some(connection) = &mut self.connection {
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                connection.socket.set_tunnel();
            }
            connection.keep_alive = keep_alive(response.headers());
        }
    }

    /// Notes that the connection, which was idle before, failed without a response.
    pub(super) fn on_broken(&self) {
        if let Some(connection) = &self.connection {
            self.pool.close_older_than(connection);
        }
    }

    /// Gives the connection back once it is ready for another request.
    ///
    /// Mostly it is ready at the end of the response. It is not if the request body is still being sent, and for a
    /// moment if its task runs on another thread.
    pub(super) fn release(mut self) {
        let Some(mut connection) = self.connection.take_if(|connection| !connection.is_ready()) else {
            return;
        };
        if connection.is_closed() {
            return;
        }
        connection.socket.on_response_end();
        let pool = Arc::clone(&self.pool);
        tokio::spawn(async move {
            if connection.sender.ready().await.is_ok() {
                pool.give(connection);
            }
        });
    }

    pub(super) fn into_pool(self) -> Arc<Http1Pool> {
        Arc::clone(&self.pool)
    }
}

impl Drop for Http1Lease {
    /// Gives the connection back if hyper has read the whole response. Otherwise the connection is closed.
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        match connection.is_ready() {
            true => self.pool.give(connection),
            // hyper would first write what it has of the request, for which an endpoint that reads nothing can
            // keep it waiting. The request's body, and the client that sends it, would wait with it.
            false => connection.task.abort(),
        }
    }
}

impl fmt::Debug for Http1Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Connection").field("keep_alive", &self.keep_alive).finish_non_exhaustive()
    }
}

/// The shortest time without a request after which a connection may have died unnoticed. Connections in constant use
/// are spared, so that a server that fails single requests does not cost them.
const SUSPICIOUS_PAUSE: Duration = Duration::from_millis(100);
