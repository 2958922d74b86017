//! Accepts connections until the shutdown, and waits for their end.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::Signal;

use crate::config::Config;
use crate::connection::buffers::{MAX_UNSENT, set_max_unsent};
use crate::connection::descriptors::DESCRIPTORS;
use crate::connection::info::ConnectionInfo;
use crate::connection::limit::ConcurrencyLimit;
use crate::connection::rejection::Rejection;
use crate::connection::shutdown::GracefulShutdown;
use crate::connection::timeouts::{ConnectionTimeouts, ConnectionTimerPools};
use crate::lifecycle::current::RuntimeState;
use crate::lifecycle::reload::Reloader;
use crate::proxy::state::Gateway;
use crate::server::admin::Admin;
use crate::server::client_connection::ClientConnection;
use crate::server::listener::{self, after_failed_accept, listen};
use crate::server::over_limit;
use crate::telemetry::log_writer::print_error;
use crate::upstream::fleet::store_settings;

/// A gateway whose listeners are bound. [`run`](Self::run) serves them.
pub struct Server {
    listener: TcpListener,
    admin: Option<Admin>,
    clients: Clients,
}

impl Server {
    /// Checks what [`bind`](Self::bind) needs beside the configuration: certificates, keys, roots, and addresses of this
    /// machine. It opens no port, so a running gateway is no obstacle.
    pub fn check(config: &Config) -> anyhow::Result<()> {
        config.fleet.as_ref().map(store_settings).transpose()?;
        // A member would connect to the store, which is that of running gateways.
        let alone = Config { fleet: None, ..config.clone() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { Gateway::new(&alone).map(drop) })?;
        listener::check("listen", config.listen)?;
        config.admin.map_or(Ok(()), |admin| listener::check("admin", admin))
    }

    /// Connects once to the store of the configuration's fleet, and tries what a member does there. It returns what the store
    /// says of itself and the warnings about it, or `None` without a fleet.
    pub fn check_store(config: &Config) -> anyhow::Result<Option<(String, Vec<String>)>> {
        let Some(fleet) = &config.fleet else { return Ok(None) };
        let settings = store_settings(fleet)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let store =
            runtime.block_on(settings.check()).with_context(|| format!("fleet.store: {}", fleet.address))?;
        let warning = store.may_forget().then(|| {
            let policy = store.maxmemory_policy.as_deref().unwrap_or_default();
            format!(
                "fleet.store: {} may forget limits in use (maxmemory-policy {policy}); set noeviction or volatile-ttl",
                fleet.address
            )
        });
        Ok(Some((store.to_string(), warning.into_iter().collect())))
    }

    /// Binds the addresses of the configuration.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        let state = Arc::new(RuntimeState::new(Gateway::new(config)?));
        let listener = listen("listen", config.listen)?;
        let admin = config.admin.map(Admin::bind).transpose()?;
        let (pools, rejections) = (ConnectionTimerPools::default(), ConcurrencyLimit::default());
        Ok(Self { listener, admin, clients: Clients { state, pools, rejections } })
    }

    /// Returns the address of the listener for clients. If the configured port is 0, this has the one that was assigned.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Returns the address of the admin listener, if the configuration has one.
    pub fn admin_address(&self) -> std::io::Result<Option<SocketAddr>> {
        self.admin.as_ref().map(Admin::address).transpose()
    }

    /// Returns the task that reloads this server's configuration from `file`, which `config` was loaded from, whenever
    /// `hangup` gets SIGHUP or the file changes. The listeners stay bound.
    ///
    /// `hangup` must exist before [`bind`](Self::bind): without a handler the signal ends the process.
    pub fn reloader(&self, file: &Path, config: &Config, hangup: Signal) -> Reloader {
        Reloader::new(Arc::clone(&self.clients.state), file, config, hangup)
    }

    /// Serves until `stop` resolves. It then accepts the connections that wait in the kernel, and no more, and waits for the
    /// requests and tunnels in flight, at most for the configuration's `drain_timeout`.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { listener, admin, clients } = self;
        if let Some(shortfall) = &clients.state.gateway().shortfall {
            print_error(shortfall);
        }
        let admin = admin.map(|admin| tokio::spawn(admin.run(Arc::clone(&clients.state))));
        let shutdown = GracefulShutdown::new();
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut stop => break,
            };
            match accepted {
                Ok((socket, peer)) => clients.accept(socket, peer, &shutdown),
                Err(error) => after_failed_accept(&error, "a client").await,
            }
        }
        clients.state.drain();
        // The kernel would reset the connections that it has established and the gateway has not accepted.
        for (socket, peer) in listener::close(listener) {
            clients.accept(socket, peer, &shutdown);
        }
        let drain_timeout = clients.state.gateway().drain_timeout;
        let reply_time = REPLY_TIME.min(drain_timeout / 4);
        let mut finished = pin!(shutdown.finish());
        if tokio::time::timeout(drain_timeout - reply_time, finished.as_mut()).await.is_err() {
            // The requests that still wait get a 503.
            clients.pools.shutdown_end.announce();
            // Connections that are still open then are closed with the runtime.
            let _ = tokio::time::timeout(reply_time, finished).await;
        }
        // The requests that have ended leave slots and tokens in hand, which the other members of the fleet can use.
        let member = clients.state.gateway().fleet.clone();
        if let Some(member) = member {
            member.leave().await;
        }
        if let Some(admin) = admin {
            admin.abort();
        }
    }
}

/// Accepts the connections of clients.
struct Clients {
    state: Arc<RuntimeState>,
    pools: ConnectionTimerPools,
    /// The connections over the limit that are getting a 503. Further ones are only closed.
    rejections: ConcurrencyLimit,
}

impl Clients {
    fn accept(&self, socket: TcpStream, peer: SocketAddr, shutdown: &GracefulShutdown) {
        let gateway = self.state.gateway();
        let acceptor = gateway.acceptor.clone();
        let Some(permit) = self.state.connections.try_acquire(gateway.limits.connections) else {
            // The rejection is counted and not logged: in a flood the log would take longer than everything else.
            gateway.metrics.record_rejection(Rejection::Connections);
            // A client of TLS could not read the 503, so its connection is only closed.
            let permit = self.rejections.try_acquire(DESCRIPTORS.quarter_of_reserve());
            if let Some(permit) = permit.filter(|_| acceptor.is_none()) {
                tokio::spawn(over_limit::reject(socket, permit));
            }
            return;
        };
        // The option only saves latency, so a failure to set it does no harm.
        let _ = socket.set_nodelay(true);
        set_max_unsent(&socket, MAX_UNSENT);
        let timeouts = Arc::new(ConnectionTimeouts::new(&gateway.limits, &self.pools));
        let info = Arc::new(ConnectionInfo::new(
            peer.ip(),
            acceptor.is_some(),
            gateway.trusted_proxies.contains(peer.ip()),
        ));
        let connection =
            ClientConnection { state: Arc::clone(&self.state), info, timeouts, watcher: shutdown.watcher() };
        tokio::spawn(async move {
            match acceptor {
                None => connection.serve(socket, permit).await,
                Some(acceptor) => {
                    if let Some(socket) = connection.handshake(&acceptor, socket).await {
                        connection.serve(socket, permit).await;
                    }
                }
            }
        });
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("state", &self.clients.state)
            .finish_non_exhaustive()
    }
}

/// The part at the end of `drain_timeout` in which the requests that still wait get their replies.
const REPLY_TIME: Duration = Duration::from_millis(500);
