//! Accepts connections and serves them until the shutdown.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::config::Config;
use crate::connection::info::ConnectionInfo;
use crate::connection::limit::{ConcurrencyLimit, Permit};
use crate::connection::rejection::Rejection;
use crate::connection::shutdown::{Drain, Leave};
use crate::connection::timeouts::{Patience, Patient, Pools};
use crate::lifecycle::current::RuntimeState;
use crate::lifecycle::reload::Reloader;
use crate::message::problem::ProblemDetails;
use crate::proxy::record;
use crate::proxy::state::Gateway;
use crate::server::admin::Admin;
use crate::server::listener::{ACCEPT_PAUSE, listen};

/// A gateway whose listeners are bound. [`run`](Self::run) serves them.
pub struct Server {
    listener: TcpListener,
    admin: Option<Admin>,
    state: Arc<RuntimeState>,
    pools: Pools,
    /// The connections over the limit that are getting a 503.
    rejections: Capacity,
}

impl Server {
    /// Binds the addresses of the configuration.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        let state = Arc::new(RuntimeState::new(Gateway::new(config)?));
        let listener = listen("listen", config.listen)?;
        let admin = config.admin.map(Admin::bind).transpose()?;
        Ok(Self { listener, admin, state, pools: Pools::default(), rejections: Capacity::default() })
    }

    /// Returns the address of the listener for clients. If the configured port is 0, this has the one that was assigned.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Returns the address of the admin listener, if the configuration has one.
    pub fn admin_address(&self) -> std::io::Result<Option<SocketAddr>> {
        self.admin.as_ref().map(Admin::address).transpose()
    }

    /// Returns the task that reloads this server's configuration from `file`, which `config` was loaded from. The
    /// listeners stay bound.
    pub fn reloader(&self, file: &Path, config: &Config) -> std::io::Result<Reloader> {
        Reloader::new(Arc::clone(&self.state), file, config)
    }

    /// Serves until `stop` resolves. It then accepts no more connections and waits for the requests in flight, at most
    /// for the configuration's `drain_timeout`.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let admin = self.admin.take().map(|admin| tokio::spawn(admin.run(Arc::clone(&self.state))));
        let shutdown = Arc::<Drain>::default();
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut stop => break,
            };
            match accepted {
                Ok((socket, peer)) => self.accept(socket, peer, &shutdown),
                // The usual cause is that no file descriptor is left. Other connections will close and free some.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
        self.state.drain();
        drop(self.listener);
        let drain_timeout = self.state.gateway().drain_timeout;
        // Connections that are still open then are closed with the runtime.
        let _ = tokio::time::timeout(drain_timeout, shutdown.drain()).await;
        if let Some(admin) = admin {
            admin.abort();
        }
    }

    fn accept(&self, socket: TcpStream, peer: SocketAddr, shutdown: &Arc<Drain>) {
        let gateway = self.state.gateway();
        let acceptor = gateway.acceptor.clone();
        let Some(permit) = self.state.connections.take(gateway.limits.connections) else {
            // The rejection is counted and not logged: in a flood the log would take longer than everything else.
            gateway.metrics.record_rejection(Rejection::Connections);
            // A client of TLS could not read the 503, so its connection is only closed.
            if let Some(permit) = self.rejections.take(MAX_REJECTIONS).filter(|_| acceptor.is_none()) {
                tokio::spawn(reject_over_limit(socket, permit));
            }
            return;
        };
        // The option only saves latency, so a failure to set it does no harm.
        let _ = socket.set_nodelay(true);
        let timeouts = Arc::new(Patience::new(&gateway.limits, &self.pools));
        let info = Arc::new(Downstream::new(peer.ip(), acceptor.is_some(), gateway.trust.covers(peer.ip())));
        let connection = ClientConnection {
            state: Arc::clone(&self.state),
            info,
            timeouts,
            shutdown: Arc::clone(shutdown),
        };
        tokio::spawn(async move {
            match acceptor {
                None => connection.serve(socket, permit).await,
                Some(acceptor) => {
                    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(socket));
                    if let Ok(Ok(socket)) = handshake.await {
                        connection.serve(socket, permit).await;
                    }
                }
            }
        });
    }
}

/// An accepted connection of a client.
struct ClientConnection {
    state: Arc<RuntimeState>,
    info: Arc<Downstream>,
    timeouts: Arc<Patience>,
    shutdown: Arc<Drain>,
}

impl ClientConnection {
    /// Serves HTTP/1.1 or HTTP/2, depending on the client's first bytes.
    async fn serve<I>(self, socket: I, permit: Seat)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { state, info, timeouts, shutdown } = self;
        let limits = state.gateway().limits.clone();
        let mut builder = auto::Builder::new(TokioExecutor::new());
        let mut http1 = builder.http1();
        http1.max_buf_size(limits.header_bytes);
        if limits.headers > HYPER_DEFAULT_HEADERS {
            http1.max_headers(limits.headers);
        }
        let mut http2 = builder.http2();
        http2.timer(TokioTimer::new()).keep_alive_interval(Some(KEEP_ALIVE_INTERVAL));
        http2.max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
        http2.max_concurrent_streams(limits.max_concurrent_streams);
        let (service_state, service_timeouts, ip) = (Arc::clone(&state), Arc::clone(&timeouts), info.ip());
        let service = service_fn(move |request: Request<Incoming>| {
            service_state.gateway().answer(request, &info, service_timeouts.begin())
        });
        let socket = TokioIo::new(Patient::new(socket, Arc::clone(&timeouts), permit));
        let connection = builder.serve_connection_with_upgrades(socket, service);
        // A client that closes its connection also causes an error here, which needs no report.
        if let Err(error) = shutdown.watch(connection).await {
            let by_hyper = || Rejection::of(error.downcast_ref()?);
            if let Some(rejection) = timeouts.late().or_else(by_hyper) {
                record::reject(&state.gateway(), ip, rejection);
            }
        }
    }
}

/// Answers a connection over the limit with a 503. It then reads what the client has sent: the kernel would otherwise
/// reset the connection on close, and the client would lose the response.
async fn reject_over_limit(mut socket: TcpStream, _permit: Seat) {
    let response = Problem::Overflow.answer("the gateway's limit of connections is reached", 0);
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap_or_default().to_bytes();
    let mut bytes = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes());
    bytes.extend(body);
    let exchange = async {
        socket.write_all(&bytes).await?;
        socket.shutdown().await?;
        let mut rest = [0; 1_024];
        while socket.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(REJECTION_TIMEOUT, exchange).await;
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// The timeout of a client's TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The interval of pings on an idle HTTP/2 connection.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// The number of header lines that hyper reads without an allocation. The gateway checks lower limits itself.
const HYPER_DEFAULT_HEADERS: usize = 100;
/// The most connections over the limit that get a 503 at a time. Further ones are only closed.
const MAX_REJECTIONS: usize = 256;
/// The longest time that a rejection may take.
const REJECTION_TIMEOUT: Duration = Duration::from_secs(1);
